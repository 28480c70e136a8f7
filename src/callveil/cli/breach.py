"""`callveil breach`: what a breach exposed, and what must be told to whom until when."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from callveil.cli.output import print_json, say
from callveil.cli.service import Data, ProfileOption, actor, open_office
from callveil.errors import MetadataError
from callveil.rights.breach import BreachFacts, Copies, KeyState
from callveil.rights.wording import counted, day_and_time

if TYPE_CHECKING:
    from callveil.kit import Office
    from callveil.pipeline.breach import Selection

app = typer.Typer(
    help="After a breach: who and what is concerned, until when to notify.", no_args_is_help=True
)

_MOMENT = "allowed: 2026-11-23, 2026-11-23T09:30Z or 2026-11-23T10:30+01:00"


@app.command("report")
def report(
    known_at: Annotated[
        str, typer.Option(help="When it became known: the 72 hours count from here.", show_default=False)
    ],
    calls: Annotated[
        list[str] | None,
        typer.Option(
            help="Calls, several with commas; repeatable; @FILE for one a line.", show_default=False
        ),
    ] = None,
    window: Annotated[
        tuple[str, str] | None,
        typer.Option(metavar="FROM TO", help="Calls that began in this time.", show_default=False),
    ] = None,
    objects: Annotated[
        list[str] | None,
        typer.Option(
            help="Exposed objects or files of store, originals or landing; as for --calls.",
            show_default=False,
        ),
    ] = None,
    copies: Annotated[
        list[Copies] | None,
        typer.Option(
            help="Which copies were exposed; repeatable. Objects say it themselves.",
            show_default="published",
        ),
    ] = None,
    key: Annotated[
        KeyState, typer.Option(help="Whether the landing key was exposed too.")
    ] = KeyState.UNKNOWN,
    out: Annotated[
        Path | None, typer.Option(help="A new folder for the letters and lists.", show_default=False)
    ] = None,
    data: Data = None,
    profile: ProfileOption = "default",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of sentences.")] = False,
) -> None:
    """Tell who and what a breach concerns, and write the letters (GDPR Art. 33 and 34).

    In the folder: authority.md and subjects.md, ready but for what only a person knows, marked
    [FILL IN: ...]; report.json and calls.txt. That it was reported is written into the audit chain.

    Exit codes: 0 done, also when no copy is concerned; 2 wrong use; 4 there is such a folder.
    """
    from callveil.adapters.private_output import check_free
    from callveil.pipeline.breach import report_breach, write_breach

    if out is not None:
        check_free(out)
    known = _moment(known_at, "--known-at")
    office = open_office(data, profile)
    if known > office.clock.now():
        raise MetadataError("--known-at: lies in the future")
    selection = _selection(office, calls, window, objects, copies)
    breach = report_breach(office, selection, known_at=known, key=key, actor=actor())
    if out is not None:
        write_breach(breach, out)
    if as_json:
        print_json(breach.document)
        return
    for line in _lines(breach.facts):
        say(line)
    if out is not None:
        say(f"The letters are in {out}; fill in what is marked [FILL IN: ...].")
    else:
        say("For the letters, and the list of the calls, add: --out FOLDER")


def _selection(
    office: Office,
    calls: list[str] | None,
    window: tuple[str, str] | None,
    objects: list[str] | None,
    copies: list[Copies] | None,
) -> Selection:
    from callveil.pipeline.breach import by_calls, by_objects, by_window

    if sum(given is not None for given in (calls, window, objects)) != 1:
        raise MetadataError("--calls, --window, --objects: give one of them")
    wanted = frozenset(copies or (Copies.PUBLISHED,))
    if calls is not None:
        return by_calls(office, _names(calls, "--calls"), wanted)
    if window is not None:
        start, end = (_moment(text, "--window") for text in window)
        if not start < end:
            raise MetadataError("--window: must end after it begins")
        return by_window(office, start, end, wanted)
    if copies:
        raise MetadataError("--copies: not with --objects, whose names say it")
    return by_objects(office, _names(objects or [], "--objects"))


def _names(given: list[str], option: str) -> list[str]:
    names: list[str] = []
    for text in given:
        if text.startswith("@"):
            try:
                names += Path(text[1:]).read_text(encoding="utf-8").splitlines()
            except (OSError, UnicodeDecodeError) as error:
                raise MetadataError(f"{option}: the file cannot be read: {type(error).__name__}") from None
        else:
            names += text.split(",")
    found = [name.strip() for name in names if name.strip()]
    if not found:
        raise MetadataError(f"{option}: names nothing")
    return found


def _moment(text: str, option: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise MetadataError(f"{option}: is no time; {_MOMENT}") from None
    if moment.tzinfo is None:
        if "T" in text or " " in text:
            raise MetadataError(f"{option}: has no time zone; {_MOMENT}")
        return moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC)


def _lines(facts: BreachFacts) -> list[str]:
    persons = facts.persons
    lines = [
        f"The authority has to know by {day_and_time(facts.due_at)}: "
        + (
            f"that was {-facts.hours_left:.0f} hours ago. Say why it is late (Art. 33(1))."
            if facts.is_late
            else f"{facts.hours_left:.0f} hours are left of 72."
        )
    ]
    if not facts.n_calls:
        lines.append("By these records no copy of a call is concerned.")
    for found in facts.found:
        what = {
            Copies.PUBLISHED: "Redacted recordings and transcripts, not encrypted by Callveil",
            Copies.ORIGINALS: "Originals, encrypted",
            Copies.LANDING: "Recordings as they came in, encrypted",
        }[found.copies]
        lines.append(f"{what}: {counted(found.n_calls, 'call', 'calls')}.")
    if facts.n_calls:
        most = "" if persons.at_least == persons.at_most else f", at most about {persons.at_most}"
        lines.append(f"Callers and customers: {'at least' if most else 'about'} {persons.at_least}{most}.")
    if any(found.is_encrypted for found in facts.found) and facts.key is KeyState.UNKNOWN:
        lines.append("Was the landing key exposed too? Say so with --key safe or --key exposed.")
    if facts.n_not_there:
        lines.append(f"{counted(facts.n_not_there, 'named call has', 'named calls have')} no such copy now.")
    if facts.n_unmatched:
        lines.append(f"{counted(facts.n_unmatched, 'object belongs', 'objects belong')} to no call here.")
    return lines
