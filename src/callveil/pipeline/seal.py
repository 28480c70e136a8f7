"""The originals of published calls: sealed, replayed on the record, erased, deleted in time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

from callveil.adapters.audio_file import AudioFile
from callveil.adapters.sealed_original import sealed, unsealed
from callveil.errors import NotFoundError, RefusedError
from callveil.kit import Originals
from callveil.ports import AudioSource
from callveil.stages.card_secrets import mask_card_secrets
from callveil.vocabulary.call import Call
from callveil.vocabulary.original import Replay
from callveil.vocabulary.pii import MaskSpan


def seal_original(
    call: Call,
    recording: AudioSource,
    spans: Sequence[MaskSpan],
    originals: Originals,
    *,
    input_sha256: str,
    until_s: float | None,
    expires_at: datetime,
    now: datetime,
) -> None:
    """Encrypt the original of a call into its own store, without what may not be kept at all.

    Args:
        call: Its metadata.
        recording: Its audio; read once.
        spans: All masks of the call, as they were published.
        originals: Where it goes.
        input_sha256: SHA-256 of the recording, in hex.
        until_s: It is kept up to this second; None for all of it.
        expires_at: When it has to be deleted, aware UTC.
        now: Aware UTC.

    Raises:
        AudioError: The recording cannot be read again.
        StoreError: The store failed; an earlier original is left as it was.
    """
    blocks = (mask_card_secrets(block, spans) for block in recording.blocks(until_s=until_s))
    with sealed(
        blocks,
        recording.format,
        originals.wrapper,
        call_id=call.call_id,
        input_sha256=input_sha256,
        sealed_at=now,
        expires_at=expires_at,
    ) as original:
        originals.store.put(original)


def reseal(
    call: Call, spans: Sequence[MaskSpan], originals: Originals, *, now: datetime, max_duration_s: float
) -> None:
    """Seal an original anew without stretches that may not be kept at all. Nobody hears it.

    Args:
        call: Its metadata.
        spans: What is silenced: those of a kind that is never kept.
        originals: Where it lies.
        now: Aware UTC.
        max_duration_s: Longest recording that is opened, in seconds.

    Raises:
        NotFoundError: There is no original of that call.
        TamperedError: It is not what was sealed.
        StoreError: The store failed; the original is left as it was.
    """
    key = originals.store.key(call.call_id)
    opened = unsealed(call.call_id, key, originals.store, originals.wrapper, max_duration_s=max_duration_s)
    with opened as recording:
        seal_original(
            call,
            recording,
            spans,
            originals,
            input_sha256=key.input_sha256,
            until_s=None,
            expires_at=key.expires_at,
            now=now,
        )


@contextmanager
def replay_original(
    call_id: str,
    *,
    actor: str,
    reason: str,
    audit: Callable[[Replay], None] | None,
    originals: Originals,
    now: datetime,
    max_duration_s: float,
) -> Iterator[AudioFile]:
    """Open the original of a call for somebody who may hear it. The only way to one.

    Args:
        call_id: The call.
        actor: Who hears it; whether they may is for the caller to know.
        reason: Why.
        audit: Told before anything is decrypted; what it raises refuses the replay.
        originals: Where it lies.
        now: Aware UTC.
        max_duration_s: Longest recording that is opened, in seconds.

    Yields:
        The original, in memory as long as this context.

    Raises:
        RefusedError: There is nobody to tell, no actor or no reason, or its time has passed.
        NotFoundError: There is no original of that call.
        TamperedError: It is not what was sealed, or was sealed for another call.
    """
    if audit is None:
        raise RefusedError("replay: an original is opened only where that is written down")
    if not actor.strip() or not reason.strip():
        raise RefusedError("replay: actor and reason are needed")
    key = originals.store.key(call_id)
    if key.expires_at <= now:
        raise RefusedError("replay: the original's time has passed; it is to be deleted")
    audit(Replay(call_id=call_id, actor=actor, reason=reason, at=now))
    with unsealed(
        call_id, key, originals.store, originals.wrapper, max_duration_s=max_duration_s
    ) as recording:
        yield recording


def erase_original(call_id: str, originals: Originals | None) -> bool:
    """Delete the original of a call that may not be kept (any more); returns whether there was one.

    Raises:
        StoreError: The store failed.
    """
    return originals is not None and originals.store.delete(call_id)


def delete_expired(originals: Originals, now: datetime, *, is_held: Callable[[str], bool]) -> tuple[str, ...]:
    """Delete the originals whose time has passed; returns their calls.

    Args:
        originals: Where they lie.
        now: Aware UTC.
        is_held: Whether a legal hold, a restriction or a longer policy keeps the original of a call.

    Raises:
        StoreError: The store failed; those before are deleted.
        TamperedError: A key cannot be read, so its date is unknown.
    """
    deleted = []
    for call_id in list(originals.store.call_ids()):
        try:
            expires_at = originals.store.key(call_id).expires_at
        except NotFoundError:
            continue
        if expires_at <= now and not is_held(call_id) and originals.store.delete(call_id):
            deleted.append(call_id)
    return tuple(deleted)


def rewrap_originals(originals: Originals) -> int:
    """Wrap the data keys of all originals under the active landing key; returns how many were under another.

    Raises:
        ConfigError: An earlier key is not there; those before are done.
        StoreError: The store failed; those before are done.
    """
    n_wrapped = 0
    for call_id in list(originals.store.call_ids()):
        try:
            key = originals.store.key(call_id)
            if key.key_id == originals.wrapper.key_id:
                continue
            data_key = originals.wrapper.unwrap(key.key_id, key.wrapped)
            anew = replace(key, key_id=originals.wrapper.key_id, wrapped=originals.wrapper.wrap(data_key))
            originals.store.replace_key(call_id, anew)
        except NotFoundError:
            continue  # deleted or sealed anew meanwhile
        n_wrapped += 1
    return n_wrapped
