"""transcript.json: who said what when, without personal data."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from callveil.stages.documents.forms import compact, seconds
from callveil.vocabulary.recording import MaskedDocument
from callveil.vocabulary.transcript import MaskedTurn, MaskedWord

SCHEMA_VERSION = "1.0"
"""Of transcript.schema.json; the first number changes when old readers break."""


def transcript_json(*, call_id: str, language: str, turns: Sequence[MaskedTurn]) -> MaskedDocument:
    """Write the transcript.

    Args:
        call_id: The call.
        language: ISO 639-1 code that was given or detected.
        turns: Masked turns, by start.

    Returns:
        JSON after schemas/transcript.schema.json, on one line.
    """
    document = {
        "schema_version": SCHEMA_VERSION,
        "call_id": call_id,
        "language": language,
        "turns": [_turn(turn) for turn in turns],
    }
    return MaskedDocument(content=compact(document))


def transcript_turns(content: bytes) -> tuple[MaskedTurn, ...]:
    """The masked turns that `transcript_json` wrote, and nobody else: what is published is masked.

    Raises:
        ValueError: It is no such document.
    """
    try:
        return tuple(_read_turn(turn) for turn in json.loads(content)["turns"])
    except (KeyError, TypeError, AttributeError, RecursionError):
        pass
    raise ValueError("a transcript is not in its format")


def _read_turn(turn: Mapping[str, Any]) -> MaskedTurn:
    words = tuple(
        MaskedWord(
            text=str(word["text"]),
            start_s=float(word["start_s"]),
            end_s=float(word["end_s"]),
            entity=word.get("entity"),
        )
        for word in turn["words"]
    )
    return MaskedTurn(
        speaker=str(turn["speaker"]),
        channel=int(turn["channel"]),
        start_s=float(turn["start_s"]),
        end_s=float(turn["end_s"]),
        words=words,
    )


def _turn(turn: MaskedTurn) -> dict[str, object]:
    return {
        "speaker": turn.speaker,
        "channel": turn.channel,
        "start_s": seconds(turn.start_s),
        "end_s": seconds(turn.end_s),
        "text": turn.text,
        "words": _words(turn.words),
    }


def _words(words: Sequence[MaskedWord]) -> list[dict[str, object]]:
    """One entry per word, and one per run of masked words: their number and rhythm would tell digits."""
    entries: list[dict[str, object]] = []
    for word in words:
        follows = word.entity is not None and not word.text
        if follows and entries and entries[-1].get("entity") == word.entity:
            entries[-1]["end_s"] = seconds(word.end_s)
            continue
        entry: dict[str, object] = {"text": word.text, "start_s": seconds(word.start_s)}
        entry["end_s"] = seconds(word.end_s)
        if word.entity is not None:
            entry["entity"] = word.entity
        entries.append(entry)
    return entries
