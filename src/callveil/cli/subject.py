"""`callveil subject`: data subjects, and what they have a right to."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from rich.table import Table

from callveil.cli.output import console, print_json
from callveil.cli.service import Data, ProfileOption, actor, open_office
from callveil.cli.subject_options import CustomerIds, Emails, FromStdin, Phones, Region, With, identifiers
from callveil.errors import NotFoundError
from callveil.kit import Office
from callveil.stages.documents.forms import utc
from callveil.vocabulary.ledger import LedgerCall

app = typer.Typer(help="Find a person's calls, and do what the person has a right to.", no_args_is_help=True)

_WHY = {
    "beside": "stood beside this person in a call",
    "no_country": "the same digits, in a call that tells no country",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    call: LedgerCall
    roles: tuple[str, ...]
    held: bool
    restricted: bool


@app.command("find")
def find(
    phone: Phones = None,
    email: Emails = None,
    customer_id: CustomerIds = None,
    region: Region = None,
    linked: With = None,
    from_stdin: FromStdin = False,
    data: Data = None,
    profile: ProfileOption = "default",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Find all calls of a person, by telephone numbers, e-mail addresses and customer ids.

    Several identifiers are taken for the same person. Others that may be of the same person are shown, and
    taken only when named with --with. The search is written into the audit chain, without the identifiers.

    Exit codes: 0 also when there are no calls; 2 wrong use, or there is no ledger in the folder.
    """
    from callveil.pipeline.subjects import find_subject

    wanted = identifiers(phone, email, customer_id, region, from_stdin)
    office = open_office(data, profile)
    found = find_subject(wanted, linked or (), office)
    kinds = Counter(kind.value for kind, _ in wanted)
    office.ledger.note(
        actor=actor(),
        action="subject.searched",
        call_id=None,
        detail={**kinds, "linked": len(linked or ()), "calls": len(found.call_ids)},
        now=office.clock.now(),
    )
    roles: dict[str, set[str]] = {}
    for sighting in found.sightings:
        roles.setdefault(sighting.call_id, set()).add(sighting.role)
    rows = [row for call_id in found.call_ids if (row := _row(call_id, roles[call_id], office))]
    if as_json:
        links = [
            {"id": each.short_id, "kind": each.kind.value, "calls": each.n_calls, "why": each.why}
            for each in found.linked
        ]
        print_json({"calls": [_fields(row) for row in rows], "linked": links, "complete": found.complete})
        return
    _print_calls(rows)
    if found.linked:
        table = Table(title="May be the same person", title_justify="left")
        for column in ("id", "kind", "more calls", "why"):
            table.add_column(column)
        for each in found.linked:
            kind = each.kind.value.replace("_", " ")
            table.add_row(each.short_id, kind, str(each.n_calls), _WHY[each.why])
        console.print(table)
        _say("These are not counted above. If it is the same person, add: --with ID")
    if any(value.startswith("local:") for _, value in wanted):
        _say("A number was given without its country, so only calls without one can match; add: --region GB")
    if not found.complete:
        _say("A key rotation is not finished, so some that may be the same person may not be shown;")
        _say("to finish it: callveil subject-key rotate --resume")


def _row(call_id: str, roles: set[str], office: Office) -> _Row | None:
    try:
        call = office.ledger.get(call_id)
    except NotFoundError:
        return None  # erased since it was found
    return _Row(
        call=call,
        roles=tuple(sorted(roles)),
        held=bool(office.books.holds.of(call_id)),
        restricted=office.books.requests.restriction(call_id) is not None,
    )


def _fields(row: _Row) -> dict[str, Any]:
    return {
        "call_id": row.call.call_id,
        "started_at": utc(row.call.call.started_at),
        "state": row.call.state.value,
        "roles": list(row.roles),
        "held": row.held,
        "restricted": row.restricted,
    }


def _print_calls(rows: list[_Row]) -> None:
    if not rows:
        _say("no call of this person was found")
        return
    table = Table(title=f"{len(rows)} call{'s' * (len(rows) != 1)} of this person", title_justify="left")
    table.add_column("call", overflow="fold")
    for column in ("date", "state", "the person was", ""):
        table.add_column(column)
    for row in rows:
        marks = ["under legal hold"] * row.held + ["restricted"] * row.restricted
        date = f"{row.call.call.started_at:%Y-%m-%d %H:%M} UTC"
        roles = ", ".join(role.replace("_", " ") for role in row.roles)
        table.add_row(row.call.call_id, date, row.call.state.value, roles, ", ".join(marks))
    console.print(table)


def _say(text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
