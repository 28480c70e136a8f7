"""The original of a published call, encrypted for those who may hear it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedKey:
    """What opens a sealed original, for those who have the landing key as well.

    Attributes:
        name: Of the encrypted object beside it, "<16 hex digits>.sealed".
        key_id: Key that wrapped the data key.
        wrapped: The data key, wrapped.
        sha256: Of the encrypted object, in hex.
        n_bytes: Its size.
        input_sha256: Of the recording it was made from, in hex.
        sealed_at: Aware UTC.
        expires_at: When it has to be deleted, aware UTC.
    """

    name: str
    key_id: str
    wrapped: bytes = field(repr=False)
    sha256: str
    n_bytes: int
    input_sha256: str
    sealed_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedOriginal:
    """An encrypted original, made by `adapters.sealed_original` from `CardSafeAudio` only.

    Not a masked type: no `ObjectStore` publishes it.

    Attributes:
        call_id: The call, to which the encryption binds it.
        path: The encrypted file.
        key: What opens it.
    """

    call_id: str
    path: Path
    key: SealedKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """Somebody is about to hear an original.

    Attributes:
        call_id: The call.
        actor: Who.
        reason: Why; the actor's own words.
        at: When, aware UTC.
    """

    call_id: str
    actor: str
    reason: str
    at: datetime
