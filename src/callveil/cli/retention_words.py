"""What `callveil retention` says to people: words and tables."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rich.table import Table

from callveil.cli.output import console, say
from callveil.pipeline.sweep import Applied, Swept
from callveil.ports import SweptCall
from callveil.retention.simulate import NOBODY, OPEN, Simulation, Tally
from callveil.retention.words import part_words
from callveil.vocabulary.retention import Decision, Fate, KeptPart

_ROWS = 60
_SHOWN = 20


def print_simulation(found: Simulation, before: str, after: str) -> None:
    """A simulation in words: what is due, what a change changes, and a row for each policy and month."""
    total, is_change = found.total, before != after
    say(f"What the policies would do on {found.on:%Y-%m-%d}; nothing is touched.")
    say(f"Policies now:    {before}")
    if is_change:
        say(f"Policies tried:  {after}")
    head = ("now", "tried") if is_change else ("",)
    _line("", *head)
    for part, sides in found.parts.items():
        shown = sides if is_change else sides[1:]
        _line(f"calls whose {part_words(part)} is to be deleted", *(_words(side) for side in shown))
    if is_change:
        _line("calls kept longer by the change", "", _words(total.extended))
        _line("calls kept shorter by the change", "", _words(total.shortened))
    for label, tally in (
        ("calls under legal hold", total.held),
        ("calls that nobody may use", total.restricted),
        ("all calls", total.ends_after),
    ):
        _line(label, *("",) * (len(head) - 1), _words(tally))
    _print_rows(found, is_change=is_change)


def _print_rows(found: Simulation, *, is_change: bool) -> None:
    columns = (
        {
            "end, now": "ends_before",
            "end, tried": "ends_after",
            "to delete, now": "deleted_before",
            "to delete, tried": "deleted_after",
            "longer": "extended",
            "shorter": "shortened",
        }
        if is_change
        else {"end": "ends_after", "to delete": "deleted_after"}
    ) | {"on hold": "held", "restricted": "restricted"}
    table = Table(title="Calls by policy, and month in which their audio ends", title_justify="left")
    table.add_column("policy", overflow="fold")
    table.add_column("month")
    for name in columns:
        table.add_column(name, justify="right")
    for (policy, month), counts in list(found.rows.items())[:_ROWS]:
        cells = [f"{getattr(counts, field).n_calls:,}" for field in columns.values()]
        table.add_row(
            "hold or request" if policy == NOBODY else policy, "no date" if month == OPEN else month, *cells
        )
    console.print(table)
    if len(found.rows) > _ROWS:
        say(f"and {len(found.rows) - _ROWS} rows more; --json has all of them")


def print_swept(found: Swept, at: datetime, *, done: bool) -> None:
    """A sweep in words."""
    say(f"{found.n_calls:,} calls looked at, as of {at:%Y-%m-%d %H:%M} UTC.")
    verb = "was due" if done else "is due"
    say(f"Of {found.n_due:,} of them something {verb}; of {found.whole:,} all that was left.")
    for (policy, part), n in sorted(found.parts.items()):
        say(f"  {n:>9,}  {part_words(part)}, policy {policy}")
    for n, words in (
        (found.held, "Under legal hold, so they stay"),
        (found.restricted, "May not be used by anybody, and stay"),
        (found.erasing, "Left to the erasure that a person asked for"),
    ):
        if n:
            say(f"{words}: {n:,}.")
    for due in found.due[:_SHOWN]:
        parts = "all of it" if due.whole else ", ".join(part_words(part) for part in due.parts)
        say(f"  {due.call_id}: {parts}. {due.reason}")
    if found.n_due > _SHOWN:
        say(f"  and {found.n_due - _SHOWN:,} more")
    if not done:
        say("Nothing was deleted. To delete what is due: add --yes")
        return
    say(f"Deleted of {found.deleted:,} calls; {found.taken_up:,} deletions of earlier runs finished.")
    if found.failed:
        say(f"{found.failed:,} failed; the next run tries them again.")
    if found.more:
        say("More may be due: run it again.")


def print_applied(found: Applied, *, done: bool) -> None:
    """What was applied, in words."""
    verb = "changed" if done else "would change"
    say(f"{found.n_calls:,} published calls looked at, {found.changed:,} {verb}:")
    for n, words in (
        (found.tags, "get other tags"),
        (found.longer, "are locked longer"),
        (found.shorter, "are locked shorter"),
        (found.originals, "have a sealed original that is kept for another time"),
    ):
        say(f"  {n:>9,}  {words}")
    if found.missing:
        say(f"{found.missing:,} are not in the store: callveil reconcile, or callveil verify")
    if found.failed:
        say(f"{found.failed:,} could not be changed; run it again.")
    if not done:
        say("Nothing was changed. To change it: add --yes")


def print_decision(swept: SweptCall, decision: Decision, fitting: Sequence[str]) -> None:
    """What is decided of a call, in words."""
    say(f"Call {swept.facts.call_id}, ended {swept.facts.ended_at:%Y-%m-%d %H:%M} UTC.")
    say(f"Policies that fit it: {', '.join(fitting) or 'none'}.")
    for name, at in swept.facts.events.items():
        say(f"Event {name}: {at:%Y-%m-%d}.")
    said = {
        Fate.KEEP: "stays",
        Fate.RESTRICT: "stays, and nobody may use it",
        Fate.DELETE: "is to be deleted",
    }
    for part in decision.parts:
        say(f"The {part_words(part.part)} {said[part.fate]}. {part.reason}")
    gone = [part_words(part) for part in KeptPart if part in swept.facts.gone]
    if gone:
        say(f"Deleted already: {', '.join(gone)}.")


def _words(tally: Tally) -> str:
    return f"{tally.n_calls:,} ({tally.duration_s / 3600:,.1f} h)"


def _line(label: str, *cells: str) -> None:
    say(f"  {label:<44}{''.join(f'{cell:>24}' for cell in cells)}".rstrip())
