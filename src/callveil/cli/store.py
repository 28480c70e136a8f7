"""`callveil store`: what a store can do, and the net below retention."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from callveil.adapters.store_trials import Trial
from callveil.cli.output import EXIT_SOME_FAILED, console, print_json
from callveil.cli.service import ProfileOption
from callveil.config import load_config
from callveil.kit import try_location

app = typer.Typer(help="Try out a store; lifecycle rules for its bucket.", no_args_is_help=True)


@app.command("check")
def check(
    location: Annotated[str, typer.Argument(help="A folder, or s3://bucket/prefix.", show_default=False)],
    profile: ProfileOption = "default",
    lifecycle: Annotated[
        bool,
        typer.Option(
            "--lifecycle",
            help="Also try whether lifecycle rules by tag are accepted: adds a disabled rule to the bucket's "
            "configuration for a moment and puts back what was there.",
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Try out whether a store does what Callveil relies on, before calls are entrusted to it.

    Everything happens below a scratch folder of its own and is deleted again.

    Exit codes: 0 all that is needed works; 1 the server cannot be reached; 2 wrong use or configuration; 3
    something that is needed does not work.
    """
    trials = []
    for trial in try_location(location, load_config(profile), lifecycle=lifecycle):
        trials.append(trial)
    is_fit = all(trial.works for trial in trials if trial.needed)
    if as_json:
        print_json({"location": location, "fit": is_fit, "trials": [asdict(trial) for trial in trials]})
    else:
        _print(trials, is_fit)
    if not is_fit:
        raise typer.Exit(EXIT_SOME_FAILED)


def _print(trials: list[Trial], is_fit: bool) -> None:
    table = Table("what was tried", "works", "otherwise", box=None, pad_edge=False)
    for trial in trials:
        if trial.works:
            works, style = "yes", "green"
        else:
            works, style = ("NO", "bold red") if trial.needed else ("no", "yellow")
        said = [text for text in (trial.problem, "" if trial.works else trial.without) if text]
        table.add_row(trial.name, f"[{style}]{works}[/]", "; ".join(said).replace("[", r"\["))
    console.print(table)
    verdict = (
        "all that Callveil needs works" if is_fit else "something that Callveil needs does not work (NO)"
    )
    console.print(verdict, style="green" if is_fit else "bold red", highlight=False)
