"""`callveil subject-key`: the keys that persons are found with."""

from __future__ import annotations

from typing import Annotated

import typer

from callveil.adapters.subject_keys import add_generation, create_subject_keys
from callveil.cli.output import print_json, say
from callveil.cli.service import Data, ProfileOption, actor, load, open_office
from callveil.config import load_site
from callveil.errors import RefusedError

app = typer.Typer(help="Make, rotate and show the keys that persons are found with.", no_args_is_help=True)


@app.command("create")
def create(data: Data = None) -> None:
    """Make the keys of the data folder. Exit code 4 when it has some."""
    site = load_site(data)
    create_subject_keys(site.subject_key_file)
    say(f"subject keys made in {site.subject_key_file}; without them nobody is found any more: keep a copy")


@app.command("rotate")
def rotate(
    data: Data = None,
    profile: ProfileOption = "default",
    resume: Annotated[
        bool, typer.Option("--resume", help="Make no new key: only finish what was begun.")
    ] = False,
) -> None:
    """Add a key, and take all that persons are found by to it. The earlier keys alone then find nobody.

    Stopped in between, `--resume` finishes it. `serve` and `watch` read the keys when they start: restart
    them, then run it with --resume. Keys of CALLVEIL_SUBJECT_KEYS are added there, by you.

    Exit codes: 2 there are no keys; 4 the keys are in the environment.
    """
    from callveil.pipeline.subjects import rekey

    config, site = load(data, profile)
    open_office(data, profile)  # without a ledger there is nothing to rotate, so no key is made
    if not resume:
        if config.secrets.subject_keys is not None:
            raise RefusedError(
                "subject keys: they are in CALLVEIL_SUBJECT_KEYS; add 32 random bytes in base64 at the end of"
                " its list, restart, and run: callveil subject-key rotate --resume"
            )
        add_generation(site.subject_key_file)
    office = open_office(data, profile)
    n_steps = rekey(office, actor=actor())
    say(f"generation {office.hasher.generation} is in use; {_identifiers(n_steps)} taken to it")


@app.command("show")
def show(
    data: Data = None,
    profile: ProfileOption = "default",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of lines.")] = False,
) -> None:
    """Show which key is in use, and how many identifiers are of which. No key is shown."""
    office = open_office(data, profile)
    newest, counts = office.hasher.generation, office.books.subjects.generations()
    if as_json:
        generations = [{"generation": each, "identifiers": n} for each, n in sorted(counts.items())]
        print_json({"newest": newest, "generations": generations})
        return
    say(f"generation {newest} is in use")
    for generation, n in sorted(counts.items()):
        say(f"generation {generation}: {_identifiers(n)}")
    if any(n for generation, n in counts.items() if generation != newest):
        say("a rotation is not finished; to finish it: callveil subject-key rotate --resume")


def _identifiers(n: int) -> str:
    return "1 identifier" if n == 1 else f"{n} identifiers"
