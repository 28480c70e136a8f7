"""`callveil show`: read a redacted transcript."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from rich.text import Text

from callveil.adapters.store_rules import removed_parts
from callveil.cli.output import console, print_json
from callveil.config import load_config
from callveil.errors import NotFoundError
from callveil.kit import open_store
from callveil.ports import ObjectStore
from callveil.vocabulary.recording import Part


def show(
    call: Annotated[str, typer.Argument(help="Call id, or its folder in the store.", show_default=False)],
    store: Annotated[str, typer.Option(help="A folder, or s3://bucket/prefix.", show_default=False)],
    profile: Annotated[str, typer.Option(help="Names the S3 server for s3://.")] = "default",
    as_json: Annotated[bool, typer.Option("--json", help="Print transcript.json as it is.")] = False,
) -> None:
    """Print the redacted transcript of a published call, by speaker and time."""
    opened = open_store(store, load_config(profile))
    transcript = _transcript(opened, _prefix(opened, call))
    if as_json:
        print_json(transcript)
        return
    for turn in transcript["turns"]:
        console.print(_line(turn))


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
