"""Whose data folder one is: of the service, or of `callveil process`, which writes down where its calls lie.

<folder>/layout.json    {"store": "."}, or the store that the calls of <folder>/ledger.sqlite3 are in
"""

from __future__ import annotations

import json
from pathlib import Path

from callveil.adapters.local_files import write_new
from callveil.errors import ConfigError

LAYOUT = "layout.json"
_SERVICE = ("store", "landing", "ingest-key.json")


def is_services(folder: Path) -> bool:
    """True for a data folder that the service works in."""
    return not (folder / LAYOUT).exists() and any((folder / name).exists() for name in _SERVICE)


def read_layout(folder: Path) -> str | None:
    """The store of a folder that `callveil process` keeps a ledger in; None for other folders.

    Args:
        folder: Absolute.

    Raises:
        ConfigError: The file cannot be read, or is not what was written.
    """
    path = folder / LAYOUT
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        store = document["store"]
    except FileNotFoundError:
        if not is_services(folder) and any((folder / name).is_dir() for name in ("calls", "decisions")):
            return str(folder)  # made before there was a ledger
        return None
    except (OSError, ValueError, TypeError, KeyError):
        raise ConfigError(
            f'{path}: cannot be read; allowed: {{"store": "."}}, a folder or s3://...'
        ) from None
    if not isinstance(store, str) or not store:
        raise ConfigError(f'{path}: store: allowed: ".", a folder or s3://bucket/prefix')
    return store if "://" in store else str(folder / store)


def write_layout(folder: Path, store: str) -> None:
    """Write down which store a folder's ledger is of; once written it stays.

    Args:
        folder: Absolute; made when it is missing.
        store: An absolute folder, or "s3://bucket/prefix".

    Raises:
        ConfigError: It is of another store already, or cannot be written.
    """
    content = json.dumps({"store": "." if store == str(folder) else store}) + "\n"
    try:
        write_new(folder / LAYOUT, content.encode())
    except OSError as error:
        raise ConfigError(f"{folder / LAYOUT}: cannot be written: {error.strerror}") from error
    if read_layout(folder) != store:
        raise ConfigError(
            f"--data: {folder} keeps the ledger of another store; allowed: a folder of its own for each --out"
        )
