"""`callveil show`: read a redacted transcript."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from callveil.adapters.store_rules import removed_parts
from callveil.cli.output import console, print_json
from callveil.cli.service import Data, actor, open_office
from callveil.cli.sought import Despite
from callveil.config import load_config, load_site
from callveil.errors import MetadataError, NotFoundError, RefusedError
from callveil.kit import open_store
from callveil.pipeline.restrict import TAG, check_may_read
from callveil.ports import ObjectStore
from callveil.vocabulary.recording import Part


def show(
    call: Annotated[str, typer.Argument(help="Call id, or its folder in the store.", show_default=False)],
    store: Annotated[
        str | None, typer.Option(help="A folder, or s3://bucket/prefix.", show_default="that of --data")
    ] = None,
    data: Data = None,
    despite: Despite = None,
    profile: Annotated[str, typer.Option(help="Names the S3 server for s3://.")] = "default",
    as_json: Annotated[bool, typer.Option("--json", help="Print transcript.json as it is.")] = False,
) -> None:
    """Print the redacted transcript of a published call, by speaker and time.

    A restricted call is not shown (GDPR Art. 18), unless somebody says why it must be; that is written down.

    Exit codes: 1 no such call; 4 refused: it is restricted.
    """
    config = load_config(profile)
    folder = data or _own_ledger(store)
    if store is None and folder is None:
        raise MetadataError("name a store with --store, or an installation with --data")
    opened = open_store(store if store is not None else load_site(folder).store, config)
    prefix = _prefix(opened, call)
    _check_may_read(opened, prefix, folder, profile, despite)
    transcript = _transcript(opened, prefix)
    if as_json:
        print_json(transcript)
        return
    for turn in transcript["turns"]:
        console.print(_line(turn))


def _own_ledger(store: str | None) -> Path | None:
    """The store itself, when `callveil process` keeps its ledger in it."""
    if store is None or "://" in store or not (Path(store) / "ledger.sqlite3").is_file():
        return None
    return Path(store)


def _check_may_read(
    store: ObjectStore, prefix: str, data: Path | None, profile: str, despite: str | None
) -> None:
    """Ask the ledger where there is one, else the tag of the call."""
    call_id = prefix.rstrip("/").rsplit("/", 1)[-1]
    if data is not None:
        check_may_read(call_id, open_office(data, profile), despite=despite, actor=actor())
    elif store.tags(prefix + Part.CERTIFICATE).get(TAG) == "yes":
        raise RefusedError(
            f"call {call_id}: is restricted and may not be used; the ledger says why: give its folder with"
            " --data"
        )


def _transcript(store: ObjectStore, prefix: str) -> dict[str, Any]:
    try:
        content = store.get(prefix + Part.TRANSCRIPT)
    except NotFoundError:
        if Part.TRANSCRIPT not in removed_parts(store.tags(prefix + Part.CERTIFICATE)):
            raise
        raise NotFoundError(
            "the transcript of this call was deleted: its time to be kept was over, or it was erased"
        ) from None
    found: dict[str, Any] = json.loads(content)
    return found


def _prefix(store: ObjectStore, call: str) -> str:
    if call.startswith("calls/"):
        return call.rstrip("/") + "/"
    for prefix in store.list_calls():
        if prefix.rstrip("/").rsplit("/", 1)[-1] == call:
            return prefix
    raise NotFoundError(f"call {call!r} is not published in this store")


def _line(turn: dict[str, Any]) -> Text:
    minutes, seconds = divmod(turn["start_s"], 60)
    line = Text(f"{int(minutes):3d}:{seconds:04.1f}  ", style="dim")
    line.append(f"{turn['speaker']:<12}", style="bold")
    for word in turn["words"]:
        if word["text"]:
            line.append(word["text"], style="reverse" if "entity" in word else "")
            line.append(" ")
    return line
