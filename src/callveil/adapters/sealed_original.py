"""Sealing originals: FLAC in memory, encrypted like a landed recording, with a data key of its own.

The header's token is made of the call id, so an original that is put in another call's place does not open.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from callveil.adapters.audio_file import AudioFile, AudioLimits, open_recording
from callveil.adapters.flac_writer import FlacWriter
from callveil.adapters.landing_format import (
    CHUNK_BYTES,
    KEY_BYTES,
    End,
    Records,
    Sealer,
    new_header,
    read_records,
)
from callveil.adapters.memory_file import memory_file
from callveil.errors import TamperedError
from callveil.ports import KeyWrapper, OriginalStore
from callveil.vocabulary.audio import AudioFormat, CardSafeAudio
from callveil.vocabulary.original import SealedKey, SealedOriginal


@contextmanager
def sealed(
    blocks: Iterable[CardSafeAudio],
    format: AudioFormat,
    wrapper: KeyWrapper,
    *,
    call_id: str,
    input_sha256: str,
    sealed_at: datetime,
    expires_at: datetime,
) -> Iterator[SealedOriginal]:
    """Encrypt a call's original into memory; gone when the context ends.

    Args:
        blocks: The call in order.
        format: Rate and channels.
        wrapper: Wraps its data key.
        call_id: The call it belongs to, and to no other.
        input_sha256: Of the recording, in hex.
        sealed_at: Now, aware UTC.
        expires_at: When it has to be deleted, aware UTC.

    Raises:
        AudioError: It cannot be read, or holds no samples.
        ConfigError: This system has no memory files.
        LandingError: The key service cannot be reached.
        TypeError: A block is not what may be sealed.
    """
    key = os.urandom(KEY_BYTES)
    wrapped = wrapper.wrap(key)
    with memory_file("sealed") as path:
        with memory_file("original") as clear:
            with FlacWriter(clear, format, name=f"call {call_id}", what="the original") as flac:
                for block in blocks:
                    if not isinstance(block, CardSafeAudio):
                        raise TypeError(f"only CardSafeAudio is sealed, not {type(block).__name__}")
                    flac.append(block.samples, block.rate_hz, block.start_sample)
            _encrypt(clear, path, key, _token_of(call_id))
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        yield SealedOriginal(
            call_id=call_id,
            path=path,
            key=SealedKey(
                name=f"{os.urandom(8).hex()}.sealed",
                key_id=wrapper.key_id,
                wrapped=wrapped,
                sha256=sha256,
                n_bytes=path.stat().st_size,
                input_sha256=input_sha256,
                sealed_at=sealed_at,
                expires_at=expires_at,
            ),
        )


@contextmanager
def unsealed(
    call_id: str, key: SealedKey, store: OriginalStore, wrapper: KeyWrapper, *, max_duration_s: float
) -> Iterator[AudioFile]:
    """Decrypt a sealed original into memory and open it; gone when the context ends.

    Args:
        call_id: The call.
        key: Of its original.
        store: Where it lies.
        wrapper: Unwraps its data key.
        max_duration_s: Longest recording that is opened.

    Raises:
        AudioError: It is longer.
        ConfigError: The key that wrapped its key is not there, or this system has no memory files.
        NotFoundError: It is not there.
        StoreError: The store failed.
        TamperedError: It is not what was sealed, or was sealed for another call.
    """
    token, data_key = _token_of(call_id), wrapper.unwrap(key.key_id, key.wrapped)
    with memory_file("original") as clear:
        with memory_file("sealed") as path:
            with path.open("wb") as file:
                for piece in store.read(call_id, key):
                    file.write(piece)
            with path.open("rb") as source, clear.open("wb") as target:
                records = Records(lambda at, size: os.pread(source.fileno(), size, at), data_key, token)
                for plain in read_records(
                    records, follow=None, partial=False, wait=lambda _: None, is_there=lambda: True
                ):
                    target.write(plain)
        limits = AudioLimits(max_duration_s=max_duration_s, max_bytes=clear.stat().st_size)
        yield open_recording(clear, limits, name=f"call {call_id}")


def key_json(key: SealedKey) -> bytes:
    """A key as it is stored beside its original."""
    content = {
        "version": 1,
        "name": key.name,
        "key_id": key.key_id,
        "wrapped": base64.b64encode(key.wrapped).decode("ascii"),
        "sha256": key.sha256,
        "n_bytes": key.n_bytes,
        "input_sha256": key.input_sha256,
        "sealed_at": key.sealed_at.astimezone(UTC).isoformat(),
        "expires_at": key.expires_at.astimezone(UTC).isoformat(),
    }
    return f"{json.dumps(content, indent=2)}\n".encode()


def parse_key(content: bytes) -> SealedKey:
    """Read a stored key.

    Raises:
        TamperedError: It is something else.
    """
    try:
        raw = json.loads(content)
        name = str(raw["name"])
        if raw["version"] != 1 or not (name.endswith(".sealed") and len(bytes.fromhex(name[:-7])) == 8):
            raise ValueError
        return SealedKey(
            name=name,
            key_id=str(raw["key_id"]),
            wrapped=base64.b64decode(raw["wrapped"], validate=True),
            sha256=str(raw["sha256"]),
            n_bytes=int(raw["n_bytes"]),
            input_sha256=str(raw["input_sha256"]),
            sealed_at=_time(raw["sealed_at"]),
            expires_at=_time(raw["expires_at"]),
        )
    except (ValueError, KeyError, TypeError):
        raise TamperedError("originals: a key is not what was written") from None


def _time(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError
    return time.astimezone(UTC)


def _encrypt(clear: Path, path: Path, key: bytes, token: str) -> None:
    header = new_header(token)
    sealer = Sealer(key, header)
    with clear.open("rb") as source, path.open("wb") as target:
        target.write(header)
        while piece := source.read(CHUNK_BYTES):
            target.write(sealer.seal(piece, End.NO))
        target.write(sealer.seal(b"", End.YES))


def _token_of(call_id: str) -> str:
    return hashlib.sha256(b"callveil original\0" + call_id.encode()).hexdigest()[:32]
