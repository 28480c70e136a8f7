"""Names in a drop folder: which are not yet a call's, and under which a pair is moved aside."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

QUARANTINE = "quarantine"

REASON = ".reason.txt"

_UNFINISHED = (".part", ".partial", ".tmp", ".temp", ".filepart", ".crdownload", ".swp", "~")
"""Endings that copying programs give to files that are still on their way."""

_LONGEST_STEM_BYTES = 200
_LONGEST_SUFFIX_BYTES = 32
"""With a number and `REASON` below the 255 bytes of a Linux file name."""


def is_seen(name: str) -> bool:
    """False for hidden names, those of files that are still on their way, and the quarantine."""
    return name != QUARANTINE and not name.startswith(".") and not name.lower().endswith(_UNFINISHED)


def quarantine_names(
    names: Sequence[str], stem: str, is_taken: Callable[[str], bool]
) -> tuple[str, tuple[str, ...]]:
    """Free names in the quarantine: of the reason, and of each file.

    Args:
        names: Of the files.
        stem: With which all of them begin.
        is_taken: Whether there is such a name.
    """
    short = stem
    while len(_bytes(short)) > _LONGEST_STEM_BYTES:
        short = short[:-1]
    suffixes = [_short(name.removeprefix(stem)) for name in names]
    number = 1
    while True:
        base = short if number == 1 else f"{short}-{number}"
        reason, found = base + REASON, tuple(base + suffix for suffix in suffixes)
        if not any(is_taken(name) for name in (reason, *found)):
            return reason, found
        number += 1


def _short(suffix: str) -> str:
    content = _bytes(suffix)
    return suffix if len(content) <= _LONGEST_SUFFIX_BYTES else f".{hashlib.sha256(content).hexdigest()[:16]}"


def _bytes(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")
