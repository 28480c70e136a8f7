"""`callveil keys`: the keys that sign certificates, and those that check them."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from callveil.adapters.ed25519 import public_pem
from callveil.adapters.signing_keys import KeyFolder, KnownKey, keys_folder
from callveil.cli.output import console, print_json, say
from callveil.config import read_secret
from callveil.errors import ConfigError
from callveil.kit import SystemClock, signer_of

app = typer.Typer(help="Make, rotate, list, export and trust signing keys.", no_args_is_help=True)


@app.command("create")
def create() -> None:
    """Make the signing key. Exit code 4 when there is an active one already."""
    folder = open_folder()
    say(f"signing key {folder.create().key_id} made in {folder.root}")


@app.command("rotate")
def rotate() -> None:
    """Put a new signing key in the place of the active one.

    The old private key is deleted; its public key stays, so that what it signed can still be checked.
    """
    folder = open_folder()
    say(f"signing key {folder.rotate().key_id} made in {folder.root}; the one before it is retired")


@app.command("list")
def list_keys(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Show all keys: the active one, retired ones and those of others that are trusted."""
    folder, ours = open_folder(), signer_of(read_secret("signing_key"))
    rows = [_row(key) for key in folder.known()]
    if as_json:
        print_json({"folder": str(folder.root), "environment_key": ours and ours.key_id, "keys": rows})
        return
    table = Table(title=f"Keys in {folder.root}", title_justify="left")
    for column in ("key", "state", "since", "retired"):
        table.add_column(column)
    for row in rows:
        table.add_row(row["key_id"], row["state"], row["created_at"] or "", row["retired_at"] or "")
    console.print(table)
    if ours is not None:
        say(f"calls are signed with key {ours.key_id} of CALLVEIL_SIGNING_KEY, not with one of this folder")


@app.command("export")
def export(
    key_id: Annotated[
        str | None, typer.Argument(help="Which key.", show_default="the one that signs")
    ] = None,
) -> None:
    """Print a public key as PEM, for those who check what it signed."""
    folder, ours = open_folder(), signer_of(read_secret("signing_key"))
    if ours is not None and key_id in (None, ours.key_id):
        public_key = ours.public_key
    elif key_id is None:
        public_key = folder.signer().public_key
    else:
        public_key = folder.key(key_id).public_key
    sys.stdout.write(public_pem(public_key).decode("ascii"))


@app.command("trust")
def trust(
    file: Annotated[Path, typer.Argument(help="A public key in PEM.", show_default=False)],
) -> None:
    """Keep somebody else's public key, so that `callveil verify` accepts what it signed."""
    folder = open_folder()
    key = folder.trust(read_pem(file), str(file))
    say(f"key {key.key_id} is in {folder.root}: {key.state}")


def open_folder() -> KeyFolder:
    """The key folder of this environment."""
    return KeyFolder(keys_folder(os.environ), SystemClock())


def read_pem(file: Path) -> bytes:
    """Read a small file.

    Raises:
        ConfigError: It cannot be read.
    """
    try:
        with file.open("rb") as stream:
            return stream.read(1 << 16)
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror}") from error


def _row(key: KnownKey) -> dict[str, Any]:
    return {
        "key_id": key.key_id,
        "state": key.state.value,
        "created_at": key.created_at and key.created_at.isoformat(timespec="seconds"),
        "retired_at": key.retired_at and key.retired_at.isoformat(timespec="seconds"),
    }
