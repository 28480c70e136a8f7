"""`callveil ingest-key`: the keys that pushes are signed with, in a file of the data folder."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence

import typer

from callveil.adapters.local_files import make_folders, write_whole
from callveil.cli.output import console
from callveil.cli.service import Data
from callveil.config import IngestKey, Site, load_site
from callveil.errors import RefusedError

app = typer.Typer(help="Make and retire the keys that pushes are signed with.", no_args_is_help=True)


@app.command("rotate")
def rotate(data: Data = None) -> None:
    """Make a key; the one before it stays valid until the next rotation, so that clients can change over.

    `callveil serve` reads the keys when it starts.
    """
    site = load_site(data)
    key = new_ingest_key()
    write_ingest_keys(site, [*site.ingest_keys[-1:], key])
    _say(f"key {key.key_id} is in {site.ingest_key_file}; give it to the client, then restart callveil serve")


@app.command("retire")
def retire(data: Data = None) -> None:
    """Drop all keys but the newest. Exit code 4 when there is one only."""
    site = load_site(data)
    if len(site.ingest_keys) < 2:
        raise RefusedError("there is no older key to retire")
    write_ingest_keys(site, site.ingest_keys[-1:])
    _say(f"only key {site.ingest_keys[-1].key_id} is left in {site.ingest_key_file}")


def new_ingest_key() -> IngestKey:
    """A key of 256 random bits."""
    return IngestKey(key_id=f"key-{secrets.token_hex(4)}", secret=secrets.token_hex(32))


def write_ingest_keys(site: Site, keys: Sequence[IngestKey]) -> None:
    """Write the key file: one object for one key, a list for several; for the owner only."""
    rows = [{"key_id": key.key_id, "secret": key.secret} for key in keys]
    make_folders(site.data)
    content = f"{json.dumps(rows if len(rows) > 1 else rows[0])}\n".encode()
    write_whole(site.ingest_key_file, content, draft=site.ingest_key_file.with_suffix(".draft"))


def _say(text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
