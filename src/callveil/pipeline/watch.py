"""Take in what lies in a drop folder, pair by pair, and delete it there once the ledger has it.

A pair is read, encrypted into the landing, accepted by the ledger, and only then removed. So a process that
dies at any point loses nothing; and a pair that is taken a second time is the same call for the ledger.
"""

from __future__ import annotations

import io
import logging
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from callveil.adapters.audio_structure import Container, check_wav, container_of
from callveil.adapters.call_metadata import MAX_BYTES as MOST_METADATA_BYTES
from callveil.adapters.call_metadata import parse_call
from callveil.adapters.telephony.siprec import parse_siprec
from callveil.errors import (
    AudioError,
    CallveilError,
    MetadataError,
    NotFoundError,
    RefusedError,
    StoreError,
)
from callveil.kit import Service
from callveil.pipeline.drop_pairs import ALLOWED, REASONS, Group, Verdict, groups, suffix_of, verdict
from callveil.pipeline.intake import take_in, waiting_calls
from callveil.ports import Drop, LandingWriter
from callveil.vocabulary.call import Call
from callveil.vocabulary.drop import DroppedFile

log = logging.getLogger(__name__)

ACTOR = "watch"

_BACKLOG_S = 1.0
"""How long a count of waiting calls is believed."""

_MOST_FAILURES = 3
"""So many in a row are not about single files: the folder or the server is away."""

_STUCK_S = 60.0
"""How long files that could not be taken or removed are left alone, not to be read all the time."""

_MOST_STUCK = 10_000
"""How many of them are remembered."""

_REASON = """Not taken: {why}.

Found: {kinds}
Allowed: {allowed}.

These files lie here in clear. Put them back, corrected, to have them taken; or delete them.
"""


@dataclass(slots=True, kw_only=True)
class Looked:
    """What came of looking, in numbers of pairs.

    Attributes:
        accepted: New calls.
        known: Dropped again, or left behind by a process that died: removed, without another call.
        quarantined: Moved aside.
        waiting: Not complete, or still changing.
        failed: Not taken for now; the next look tries again.
        full: True when so many calls wait for workers that taking in was put off.
    """

    accepted: int = 0
    known: int = 0
    quarantined: int = 0
    waiting: int = 0
    failed: int = 0
    full: bool = False

    def add(self, other: Looked) -> None:
        """Count another look; what waits is counted by the last one."""
        self.accepted += other.accepted
        self.known += other.known
        self.quarantined += other.quarantined
        self.waiting, self.failed, self.full = other.waiting, other.failed, other.full


class _UnfinishedError(AudioError):
    """The recording may still be written."""


class Watcher:
    """Watches one drop folder; for one thread.

    Args:
        drop: The folder.
        service: Ledger and landing.
        settle_s: Seconds for which a file must not have changed.
        orphan_after_s: Seconds after which a part that is missing does not come any more.
        check: Called often; raises to stop.
    """

    def __init__(
        self,
        drop: Drop,
        service: Service,
        *,
        settle_s: float,
        orphan_after_s: float,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self._drop, self._service = drop, service
        self._settle_s, self._orphan_after_s = settle_s, orphan_after_s
        self._check = check
        self._waiting, self._waiting_at = 0, -_BACKLOG_S
        self._stuck: dict[tuple[str | int, ...], float] = {}

    def look(self) -> Looked:
        """Take what can be taken now.

        Raises:
            ConfigError: The folder is not there, or its keys are wrong.
            RefusedError: Another process watches the folder.
            StoreError: The folder or the server failed for one pair after another.
            LedgerError: The ledger failed.
            LandingError: The landing failed, such as for a full disk.
        """
        looked, failures = Looked(), 0
        for group in groups(self._drop.files):
            self._check()
            stamp = group.files[0].stamp
            if self._stuck.get(stamp, 0.0) > time.monotonic():
                looked.failed += 1
                continue
            try:
                self._treat(group, looked)
                failures = 0
            except NotFoundError:
                looked.waiting += 1  # changed while it was looked at
            except StoreError as error:
                failures += 1
                self._fail(stamp, error.code, looked)
                if failures >= _MOST_FAILURES:
                    self._stuck.clear()
                    raise
            except CallveilError:
                raise
            except Exception as error:  # noqa: BLE001  the border of one pair: the next one must be taken
                # The text of an unknown error may quote the call, so only its kind is kept.
                self._fail(stamp, type(error).__name__, looked)
            if looked.full:
                break
        return looked

    def _fail(self, stamp: tuple[str | int, ...], code: str, looked: Looked) -> None:
        looked.failed += 1
        if len(self._stuck) >= _MOST_STUCK:
            self._stuck.clear()
        self._stuck[stamp] = time.monotonic() + _STUCK_S
        log.warning("dropped files cannot be taken now", extra={"error": code})

    def _treat(self, group: Group, looked: Looked) -> None:
        found = verdict(group, settle_s=self._settle_s, orphan_after_s=self._orphan_after_s)
        if found is Verdict.WAIT:
            looked.waiting += 1
        elif found is not Verdict.TAKE:
            if found is Verdict.ORPHANED and self._remove_leftover(group):
                looked.known += 1
                return
            self._set_aside(group, REASONS[found], found.value, looked)
        elif self._is_full():
            looked.full = True
        else:
            self._take(group, looked)

    def _take(self, group: Group, looked: Looked) -> None:
        (audio,), (metadata,) = group.audio, group.metadata
        try:
            call, source = self._call(metadata, audio)
            with self._service.landing.begin() as writer:
                self._copy(audio, writer)
                accepted, created = take_in(call, writer, self._service, source=source, actor=ACTOR)
            if not created and not self._are_known(call):
                raise RefusedError(
                    "the call is there already, with other answers about consent; allowed: new answers"
                    " through the API, PATCH /v1/calls/{call_id}/consent"
                )
        except _UnfinishedError as error:
            if self._drop.may_grow and audio.age_s < self._orphan_after_s:
                looked.waiting += 1
                return
            self._set_aside(group, str(error), error.code, looked)
            return
        except (MetadataError, AudioError, RefusedError) as error:
            self._set_aside(group, str(error), error.code, looked)
            return
        # The recording first: metadata that is left behind alone can be told from new metadata.
        removed = self._drop.remove(audio) and self._drop.remove(metadata)
        looked.accepted += created
        looked.known += not created
        log.info(
            "dropped call taken in",
            extra={
                "call_id": accepted.call_id,
                "source": source,
                "n_bytes": accepted.n_bytes,
                "new": created,
                "removed": removed,
            },
        )

    def _call(self, metadata: DroppedFile, audio: DroppedFile) -> tuple[Call, str]:
        """The call and where it comes from."""
        content = self._content(metadata)
        if suffix_of(metadata.name) != ".xml":
            call = parse_call(content, source="metadata", default_started_at=audio.changed_at)
            return call, self._drop.source
        found = parse_siprec(content, default_started_at=audio.changed_at)
        if not found.is_complete:
            raise MetadataError(
                "datamode: allowed: complete; an update (partial) names only what has changed"
            )
        return found.call, "siprec"

    def _content(self, metadata: DroppedFile) -> bytes:
        if metadata.n_bytes > MOST_METADATA_BYTES:
            raise MetadataError(f"metadata: allowed: up to {MOST_METADATA_BYTES} bytes")
        content = bytearray()
        with self._drop.read(metadata) as pieces:
            for piece in pieces:
                content += piece
                if len(content) > metadata.n_bytes:
                    raise NotFoundError("a dropped file has changed")
        return bytes(content)

    def _copy(self, audio: DroppedFile, writer: LandingWriter) -> None:
        most = self._service.config.profile.limits.max_bytes
        if audio.n_bytes > most:
            raise AudioError(f"audio: allowed: up to {most} bytes")
        n_bytes = 0
        with self._drop.read(audio) as pieces:
            for piece in _checked(pieces, audio):
                self._check()
                n_bytes += len(piece)
                if n_bytes > audio.n_bytes:
                    raise NotFoundError("a dropped file has changed")
                writer.write(piece)

    def _are_known(self, call: Call) -> bool:
        """Whether all answers about consent stand in the call's history: then nothing new was said."""
        history = {record for _, _, record in self._service.ledger.consent_history(call.call_id)}
        return history.issuperset(call.consent)

    def _remove_leftover(self, group: Group) -> bool:
        """Remove metadata whose recording was taken and removed by a process that died then."""
        if len(group.files) != 1 or not group.metadata:
            return False
        (metadata,) = group.metadata
        try:
            call, source = self._call(metadata, metadata)
            is_taken = self._service.ledger.get(call.call_id).source == source and self._are_known(call)
        except (MetadataError, RefusedError, NotFoundError):
            return False
        return is_taken and self._drop.remove(metadata)

    def _set_aside(self, group: Group, why: str, code: str, looked: Looked) -> None:
        reason = _REASON.format(why=why.rstrip("."), kinds=group.kinds, allowed=ALLOWED)
        self._drop.quarantine(group.files, group.stem, reason)
        looked.quarantined += 1
        log.warning("dropped files set aside", extra={"error": code, "reason": why})

    def _is_full(self) -> bool:
        if time.monotonic() - self._waiting_at > _BACKLOG_S:
            self._waiting_at = time.monotonic()
            self._waiting = waiting_calls(self._service)
        return self._waiting >= self._service.settings.max_waiting


def _checked(pieces: Iterator[bytes], audio: DroppedFile) -> Iterator[bytes]:
    """Pieces of a recording, once its first bytes say that it is one and that it was finished."""
    first = next(pieces, b"")
    if not first:
        raise _UnfinishedError("audio: is empty")
    try:
        kind = container_of(io.BytesIO(first))
    except AudioError as error:
        raise AudioError(f"audio: {error}") from None
    if kind is Container.WAV:
        try:
            check_wav(io.BytesIO(first), audio.n_bytes)
        except AudioError as error:
            raise _UnfinishedError(f"audio: {error}") from None
        except struct.error:
            pass  # its samples begin beyond the first piece; the worker looks again
    yield first
    yield from pieces
