"""`callveil landing-key`: the key that raw audio waits under, in a file of the data folder."""

from __future__ import annotations

import typer

from callveil.cli.output import say
from callveil.cli.service import Data, ProfileOption, open_service
from callveil.config import load_site
from callveil.errors import RefusedError
from callveil.kit import make_landing_key

app = typer.Typer(help="Make the landing's key; wrap its data keys anew.", no_args_is_help=True)


@app.command("create")
def create(data: Data = None) -> None:
    """Make the key of the data folder. Exit code 4 when it has one."""
    site = load_site(data)
    key_id = make_landing_key(site)
    if key_id is None:
        raise RefusedError(f"landing key: there is a file {site.landing_key}; it stays as it is")
    say(f"landing key {key_id} made in {site.landing_key}; without it what waits in the landing is lost")


@app.command("rewrap")
def rewrap(data: Data = None, profile: ProfileOption = "default") -> None:
    """Wrap the data keys of what waits, and of sealed originals, under the active key.

    To rotate: put a new key in CALLVEIL_LANDING_KEY and the old one in CALLVEIL_LANDING_OLD_KEYS, restart the
    service, run this, and then drop the old one.
    """
    from callveil.pipeline.seal import rewrap_originals

    service = open_service(data, profile)
    n_originals = rewrap_originals(service.originals) if service.originals is not None else 0
    say(f"{service.landing.rewrap()} recordings and {n_originals} originals are under the active key now")
