"""`callveil audit`: the chain of what was done."""

from __future__ import annotations

from typing import Annotated

import typer

from callveil.cli.output import EXIT_SOME_FAILED, console, print_json
from callveil.cli.service import Data, ProfileOption, open_office

app = typer.Typer(help="Check the audit chain.", no_args_is_help=True)


@app.command("verify")
def verify(
    data: Data = None,
    profile: ProfileOption = "default",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a sentence.")] = False,
) -> None:
    """Compute the whole chain again and compare.

    Exit codes: 0 it holds; 3 an entry was changed, removed or added.
    """
    broken = open_office(data, profile).ledger.check_audit()
    if as_json:
        print_json({"intact": broken is None, "first_broken": broken})
    elif broken is None:
        console.print("the audit chain holds")
    else:
        console.print(f"the audit chain is broken at entry {broken}")
    if broken is not None:
        raise typer.Exit(EXIT_SOME_FAILED)
