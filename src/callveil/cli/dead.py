"""`callveil dead`: calls that were tried in vain."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from callveil.cli.output import EXIT_SOME_FAILED, console, print_json
from callveil.cli.service import Data, ProfileOption, actor, open_office, open_service
from callveil.errors import MetadataError
from callveil.pipeline.dead import dead_calls, failed_for, replay_calls
from callveil.stages.documents.forms import utc

app = typer.Typer(help="List and replay calls that failed or were quarantined.", no_args_is_help=True)


@app.command("list")
def list_calls(
    data: Data = None,
    profile: ProfileOption = "default",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Show failed and quarantined calls, and why."""
    found = list(dead_calls(open_office(data, profile).ledger))
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
    wanted = failed_for(service.ledger, None, None) if every else list(call_ids or ())
    found = replay_calls(wanted, service.ledger, service.clock, actor=actor())
    for call_id, why in found.refused.items():
        console.print(f"{call_id}: {why}", markup=False, highlight=False)
    console.print(f"{found.done} replayed, {len(found.refused)} refused")
    if found.refused:
        raise typer.Exit(EXIT_SOME_FAILED)
