"""`callveil review`: what reviewers said of calls, and what is owed for it."""

from __future__ import annotations

import os
import re
import secrets
import socket
from functools import cache
from typing import Annotated, Any

import typer

from callveil.cli.output import EXIT_SOME_FAILED, console, print_json
from callveil.cli.service import Data, ProfileOption, actor, load
from callveil.errors import MetadataError
from callveil.kit import Kit, Office, build_kit, build_office
from callveil.pipeline.reviews import published_version, report_missed
from callveil.vocabulary.pii import Entity
from callveil.vocabulary.reviews import Review, ReviewState, Stretch

app = typer.Typer(
    help="What reviewers said of calls: list it, mark a stretch, carry it out.", no_args_is_help=True
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of lines.")]

_STRETCH = re.compile(r"(\d+):(\d+(?:\.\d+)?)-(\d+(?:\.\d+)?):([A-Z_]+)")
_PAGE = 500


@app.command("list")
def list_reviews(
    call: Annotated[str | None, typer.Option(help="Only of this call.", show_default=False)] = None,
    state: Annotated[
        ReviewState | None, typer.Option(help="Only those in this state.", show_default=False)
    ] = None,
    data: Data = None,
    profile: ProfileOption = "default",
    as_json: Json = False,
) -> None:
    """Show what reviewers said. Never words of a call."""
    office = build_office(*load(data, profile))
    found = [review for review in _all(office, call) if state is None or review.state is state]
    if as_json:
        print_json({"reviews": [_fields(review) for review in found]})
        return
    for review in found:
        words = f"{review.review_id}  {review.call_id}  {review.kind.value}  {review.state.value}"
        n_stretches = f"  {len(review.stretches)} stretches" if review.stretches else ""
        reason = f"  {review.reason}" if review.reason else ""
        console.print(f"{words}{n_stretches}  by {review.by}{reason}", markup=False, highlight=False)


@app.command("missed")
def missed(
    call_id: Annotated[str, typer.Argument(help="A published call.", show_default=False)],
    stretches: Annotated[
        list[str],
        typer.Argument(
            metavar="CHANNEL:START-END:KIND...",
            help="What is to be masked: 1:12.5-13.4:PERSON.",
            show_default=False,
        ),
    ],
    data: Data = None,
    profile: ProfileOption = "default",
    as_json: Json = False,
) -> None:
    """Say that personal data can be heard in a published call. A worker masks it, or `carry-out` does.

    Exit codes: 1 no such call; 2 a stretch is not in the call; 4 refused: it is not published, or restricted.
    """
    office = build_office(*load(data, profile))
    version = published_version(call_id, office) or ""
    given = [_stretch(text) for text in stretches]
    review = report_missed(office, call_id, given, by=actor(), certificate_sha256=version)
    if as_json:
        print_json(_fields(review))
    else:
        console.print(f"{review.review_id} is {review.state.value}", markup=False, highlight=False)


@app.command("carry-out")
def carry_out(
    call: Annotated[str | None, typer.Option(help="Only of this call.", show_default=False)] = None,
    data: Data = None,
    profile: ProfileOption = "default",
    as_json: Json = False,
) -> None:
    """Carry out what is owed, in this process: for the folder of `callveil process`, which has no worker.

    Where workers run they do it within seconds; this does no harm beside them.

    Exit codes: 0 nothing is owed any more, or it waits (for a hold, a restriction, a worker); 3 some failed,
    which is tried again later.
    """
    from callveil.pipeline.carry_out import carry_out as run

    config, site = load(data, profile)
    office = build_office(config, site)
    owner = f"cli-{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(2)}"

    @cache
    def kit() -> Kit:
        return build_kit(config, site.store, site.landing_key, in_force=office.in_force)

    done: list[dict[str, Any]] = []
    failed: list[str] = []
    tried: set[str] = set()
    while owed := [each for each in _owed(office, call) if each not in tried]:
        for call_id in owed:
            tried.add(call_id)
            report = run(call_id, office, kit, owner)
            if report is None:
                failed.append(call_id)
            else:
                done.append({"call_id": call_id, "state": report.state.value, "corrected": report.corrected})
    if as_json:
        print_json({"done": done, "failed": failed})
    else:
        for each in done:
            words = "corrected" if each["corrected"] else each["state"]
            console.print(f"{each['call_id']}: {words}", markup=False, highlight=False)
        for call_id in failed:
            console.print(f"{call_id}: not now; it is tried again", markup=False, highlight=False)
    if failed:
        raise typer.Exit(EXIT_SOME_FAILED)


def _owed(office: Office, call: str | None) -> tuple[str, ...]:
    owed = office.books.reviews.owed(now=office.clock.now())
    return owed if call is None else tuple(call_id for call_id in owed if call_id == call)


def _all(office: Office, call: str | None) -> list[Review]:
    if call is not None:
        office.ledger.get(call)
        return list(office.books.reviews.of(call))
    found: list[Review] = []
    after: str | None = None
    while page := office.books.reviews.all(after=after, limit=_PAGE):
        found += page
        after = page[-1].review_id
    return sorted(found, key=lambda review: (review.at, review.review_id))


def _stretch(text: str) -> Stretch:
    match = _STRETCH.fullmatch(text)
    if match is None or match[4] not in set(Entity):
        kinds = ", ".join(Entity)
        raise MetadataError(f"stretch: allowed: CHANNEL:START-END:KIND such as 1:12.5-13.4:PERSON; {kinds}")
    return Stretch(
        channel=int(match[1]), start_s=float(match[2]), end_s=float(match[3]), entity=Entity(match[4])
    )


def _fields(review: Review) -> dict[str, Any]:
    return {
        "review_id": review.review_id,
        "call_id": review.call_id,
        "kind": review.kind.value,
        "state": review.state.value,
        "reason": review.reason,
        "by": review.by,
        "at": review.at.isoformat(),
        "confirmed_by": review.confirmed_by,
        "certificate_sha256": review.certificate_sha256,
        "result_sha256": review.result_sha256,
        "stretches": [
            {"channel": s.channel, "start_s": s.start_s, "end_s": s.end_s, "entity": s.entity.value}
            for s in review.stretches
        ],
    }
