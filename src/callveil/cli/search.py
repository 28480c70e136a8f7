"""`callveil search`: the index of redacted transcripts."""

from __future__ import annotations

from typing import Annotated

import typer

from callveil.cli.output import EXIT_SOME_FAILED, console, print_json
from callveil.cli.service import Data, ProfileOption, open_office

app = typer.Typer(help="The index that calls are searched by.", no_args_is_help=True)


@app.command("reindex")
def reindex(
    every: Annotated[bool, typer.Option("--all", help="Empty the index first and make it anew.")] = False,
    data: Data = None,
    profile: ProfileOption = "default",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a sentence.")] = False,
) -> None:
    """Take published transcripts that are not in the search index into it, from the store.

    Such as after an update of Callveil. Workers do the same, a few at a time. Transcripts of restricted calls
    and those that are to be deleted stay out.

    Exit codes: 0 done; 3 the store failed for some, which the next run tries again.
    """
    from callveil.pipeline.reindex import reindex as run

    found = run(open_office(data, profile), every=every)
    if as_json:
        print_json(found.numbers)
    else:
        console.print(
            f"{found.indexed} transcripts can be searched now, {found.missing} calls have none,"
            f" {found.changed} changed meanwhile, {found.failed} failed",
            highlight=False,
        )
    if found.failed:
        raise typer.Exit(EXIT_SOME_FAILED)
