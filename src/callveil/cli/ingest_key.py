"""`callveil ingest-key`: the keys that requests to the API are signed with, in a file of the data folder."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from typing import Annotated

import typer

from callveil.adapters.local_files import make_folders, write_whole
from callveil.cli.output import say
from callveil.cli.service import Data
from callveil.config import IngestKey, KeyRole, Site, load_site
from callveil.errors import RefusedError

app = typer.Typer(
    help="Make and retire the keys that requests to the API are signed with.", no_args_is_help=True
)


Role = Annotated[KeyRole, typer.Option(help="What the key is good for.")]


@app.command("rotate")
def rotate(data: Data = None, role: Role = KeyRole.INGEST) -> None:
    """Make a key of a role; the one before it stays valid until the next rotation.

    `callveil serve` reads the keys when it starts.
    """
    site = load_site(data)
    key = new_ingest_key(role)
    others, own = _by_role(site, role)
    write_ingest_keys(site, [*others, *own[-1:], key])
    say(f"key {key.key_id} is in {site.ingest_key_file}; give it to the client, then restart callveil serve")


@app.command("retire")
def retire(data: Data = None, role: Role = KeyRole.INGEST) -> None:
    """Drop all keys of a role but the newest. Exit code 4 when there is one only."""
    site = load_site(data)
    others, own = _by_role(site, role)
    if len(own) < 2:
        raise RefusedError("there is no older key to retire")
    write_ingest_keys(site, [*others, own[-1]])
    say(f"of this role only key {own[-1].key_id} is left in {site.ingest_key_file}")


def _by_role(site: Site, role: KeyRole) -> tuple[list[IngestKey], list[IngestKey]]:
    """Keys of other roles, and those of this one."""
    others = [key for key in site.ingest_keys if key.role is not role]
    return others, [key for key in site.ingest_keys if key.role is role]


def new_ingest_key(role: KeyRole = KeyRole.INGEST) -> IngestKey:
    """A key of 256 random bits."""
    return IngestKey(key_id=f"key-{secrets.token_hex(4)}", secret=secrets.token_hex(32), role=role)


def write_ingest_keys(site: Site, keys: Sequence[IngestKey]) -> None:
    """Write the key file: one object for one key, a list for several; for the owner only."""
    rows = [
        {"key_id": key.key_id, "secret": key.secret}
        | ({} if key.role is KeyRole.INGEST else {"role": key.role.value})
        for key in keys
    ]
    make_folders(site.data)
    content = f"{json.dumps(rows if len(rows) > 1 else rows[0])}\n".encode()
    write_whole(site.ingest_key_file, content, draft=site.ingest_key_file.with_suffix(".draft"))
