"""`callveil config`: check and explain profiles."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from callveil.cli.output import console, print_json
from callveil.config import Setting, explain, load_config, profile_names
from callveil.kit import check_config, engine_options, policy_notes

app = typer.Typer(help="Check and explain profiles.", no_args_is_help=True)

_Profile = Annotated[str, typer.Option(help="Name of a profile, or a TOML file.")]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


@app.command("check")
def check(profile: _Profile = "default", as_json: _Json = False) -> None:
    """Check a profile, its engines' options, consent rules and retention policies.

    Policies that contradict each other are refused; those that can fit the same call are noted. Exit code 2
    names what is wrong.
    """
    config = load_config(profile)
    check_config(config)
    notes = policy_notes(config)
    if as_json:
        print_json({"profile": config.name, "source": str(config.source), "ok": True, "notes": list(notes)})
    else:
        for note in notes:
            console.print(f"note: {note}", markup=False, highlight=False, soft_wrap=True)
        console.print(f"{config.source}: all right", highlight=False, soft_wrap=True)


@app.command("explain")
def explain_(profile: _Profile = "default", as_json: _Json = False) -> None:
    """Print every effective value and where it came from."""
    config = load_config(profile)
    given = {row.key: row for row in explain(config)}
    for key, value in engine_options(config).items():
        given.setdefault(key, Setting(key=key, value=value, origin="default"))
    rows = [given[key] for key in sorted(given)]
    if as_json:
        print_json([{"key": row.key, "value": row.value, "origin": row.origin} for row in rows])
        return
    table = Table(title=f"Profile {config.name}", title_justify="left")
    for column in ("key", "value", "from"):
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(row.key, str(row.value), row.origin)
    console.print(table)
    console.print(f"shipped profiles: {', '.join(profile_names())}")
