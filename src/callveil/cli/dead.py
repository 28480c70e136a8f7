"""`callveil dead`: calls that were tried in vain."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer
from rich.table import Table

from callveil.cli.output import EXIT_SOME_FAILED, console, print_json
from callveil.cli.service import Data, ProfileOption, actor, open_office, open_service
from callveil.errors import MetadataError, RefusedError
from callveil.kit import Office, Service
from callveil.stages.documents.forms import utc
from callveil.vocabulary.ledger import CallState, LedgerCall

app = typer.Typer(help="List and replay calls that failed or were quarantined.", no_args_is_help=True)

_DEAD = (CallState.FAILED, CallState.QUARANTINED)


@app.command("list")
def list_calls(
    data: Data = None,
    profile: ProfileOption = "default",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Show failed and quarantined calls, and why."""
    found = list(_dead(open_office(data, profile)))
    if as_json:
        rows = [
            {
                "call_id": call.call_id,
                "state": call.state.value,
                "error_code": call.error_code,
                "reason": call.reason,
                "attempts": call.attempts,
                "updated_at": utc(call.updated_at),
            }
            for call in found
        ]
        print_json({"calls": rows})
        return
    table = Table(title="Dead calls", title_justify="left")
    for column in ("call", "state", "error", "why", "since"):
        table.add_column(column, overflow="fold")
    for call in found:
        since = call.updated_at.isoformat(timespec="seconds")
        table.add_row(call.call_id, call.state.value, call.error_code or "", call.reason, since)
    console.print(table)


@app.command("replay")
def replay(
    call_ids: Annotated[
        list[str] | None, typer.Argument(help="Calls to try again.", show_default=False)
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="All failed calls; quarantined ones are named.")
    ] = False,
    data: Data = None,
    profile: ProfileOption = "default",
) -> None:
    """Send calls back to the consent gate, to be tried again.

    Exit codes: 0 all replayed; 2 wrong use; 3 some were in no state to be replayed, or have lost their audio.
    """
    if bool(call_ids) == every:
        raise MetadataError("CALL_IDS: name calls, or give --all")
    service = open_service(data, profile)
    wanted = [call.call_id for call in _dead(service, CallState.FAILED)] if every else list(call_ids or ())
    refused = 0
    for call_id in wanted:
        try:
            service.ledger.replay(call_id, actor=actor(), now=service.clock.now())
        except RefusedError as error:
            refused += 1
            console.print(f"{call_id}: {error}", markup=False, highlight=False)
    console.print(f"{len(wanted) - refused} replayed, {refused} refused")
    if refused:
        raise typer.Exit(EXIT_SOME_FAILED)


def _dead(place: Service | Office, *states: CallState) -> Iterator[LedgerCall]:
    for state in states or _DEAD:
        after: str | None = None
        while page := place.ledger.calls(state=state, after=after, limit=500):
            yield from page
            after = page[-1].call_id
