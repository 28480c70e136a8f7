"""A landing in memory, encrypted like one on disk."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Self

from callveil.adapters.key_wrapping import LocalKeyWrapper
from callveil.adapters.landing_format import (
    CHUNK_BYTES,
    KEY_BYTES,
    End,
    Records,
    Sealer,
    new_header,
    read_records,
)
from callveil.errors import LandingError, NotFoundError, TamperedError
from callveil.ports import Clock, KeyWrapper, Landed
from callveil.testing.fakes import ManualClock


@dataclass(slots=True)
class _Recording:
    content: bytearray
    key_id: str
    wrapped: bytes
    changed_at: datetime
    is_being_written: bool = True
    is_held: bool = False


@dataclass(slots=True)
class MemoryLanding:
    """`Landing` in memory, for one thread, or one that writes and one that follows.

    Attributes:
        wrapper: Wraps the data keys; a key of zeros unless told otherwise.
        clock: Dates the writes.
        wait: Sleeps so many seconds for who follows; does not sleep unless told to.
        room: How many encrypted bytes fit, of all recordings together; None for no limit.
    """

    wrapper: KeyWrapper = field(default_factory=lambda: LocalKeyWrapper(bytes(KEY_BYTES)))
    clock: Clock = field(default_factory=ManualClock)
    wait: Callable[[float], None] = lambda _: None
    room: int | None = None
    recordings: dict[str, _Recording] = field(default_factory=dict, repr=False)

    def begin(self) -> MemoryLandingWriter:
        """See `Landing.begin`."""
        token, key = secrets.token_hex(16), os.urandom(KEY_BYTES)
        self.recordings[token] = _Recording(
            content=bytearray(),
            key_id=self.wrapper.key_id,
            wrapped=self.wrapper.wrap(key),
            changed_at=self.clock.now(),
        )
        try:
            return MemoryLandingWriter(self, token, key)
        except LandingError:
            self.shred(token)
            raise

    def read(
        self, token: str, *, follow: Callable[[], bool] | None = None, partial: bool = False
    ) -> Iterator[bytes]:
        """See `Landing.read`."""
        yield from read_records(
            self._records(token),
            follow=follow,
            partial=partial,
            wait=self.wait,
            is_there=lambda: token in self.recordings,
        )

    def is_finished(self, token: str) -> bool:
        """See `Landing.is_finished`."""
        records = self._records(token)
        try:
            records.skip_to_end()
        except TamperedError:
            if not records.is_zeroed():
                raise
        return records.is_closed

    def finish_partial(self, token: str) -> Landed:
        """See `Landing.finish_partial`."""
        recording, records = self._recording(token), self._records(token)
        if recording.is_being_written:
            raise LandingError("landing: the recording is still being written")
        plain = b"".join(
            read_records(records, follow=None, partial=True, wait=self.wait, is_there=lambda: True)
        )
        if not records.is_closed:
            header = records.header or new_header(token)
            sealer = Sealer(self._key(recording), header, number=records.number)
            del recording.content[records.position :]
            recording.content += (b"" if records.header else header) + sealer.seal(b"", End.RECOVERED)
            recording.changed_at = self.clock.now()
        return Landed(token=token, sha256=hashlib.sha256(plain).hexdigest(), n_bytes=len(plain))

    def shred(self, token: str) -> bool:
        """See `Landing.shred`."""
        return self.recordings.pop(token, None) is not None

    def tokens(self, older_than: datetime) -> Iterator[str]:
        """See `Landing.tokens`."""
        yield from sorted(
            token
            for token, recording in self.recordings.items()
            if recording.changed_at < older_than and not (recording.is_being_written or recording.is_held)
        )

    def rewrap(self) -> int:
        """See `Landing.rewrap`."""
        earlier = [each for each in self.recordings.values() if each.key_id != self.wrapper.key_id]
        for recording in earlier:
            recording.wrapped = self.wrapper.wrap(self._key(recording))
            recording.key_id = self.wrapper.key_id
        return len(earlier)

    def append(self, token: str, content: bytes) -> None:
        """Add encrypted bytes to a recording; for its writer.

        Raises:
            LandingError: There is no room.
            NotFoundError: It was shredded.
        """
        recording = self._recording(token)
        taken = sum(len(each.content) for each in self.recordings.values())
        if self.room is not None and taken + len(content) > self.room:
            raise LandingError("landing: a recording cannot be written: there is no room")
        recording.content += content
        recording.changed_at = self.clock.now()

    def _records(self, token: str) -> Records:
        recording = self._recording(token)
        return Records(
            lambda offset, size: bytes(recording.content[offset : offset + size]), self._key(recording), token
        )

    def _recording(self, token: str) -> _Recording:
        if token not in self.recordings:
            raise NotFoundError("landing: there is no such recording")
        return self.recordings[token]

    def _key(self, recording: _Recording) -> bytes:
        return self.wrapper.unwrap(recording.key_id, recording.wrapped)


class MemoryLandingWriter:
    """`LandingWriter` of a `MemoryLanding`; made by its `begin`."""

    def __init__(self, landing: MemoryLanding, token: str, key: bytes) -> None:
        self._landing = landing
        self._token = token
        header = new_header(token)
        self._sealer = Sealer(key, header)
        landing.append(token, header)
        self._waiting = bytearray()
        self._digest = hashlib.sha256()
        self._n_bytes = 0
        self._is_open = True
        self._is_broken = False
        self._landed: Landed | None = None

    @property
    def token(self) -> str:
        """See `LandingWriter.token`."""
        return self._token

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        was_open, self._is_open = self._is_open, False
        if (recording := self._landing.recordings.get(self._token)) is not None:
            recording.is_held = False
        if was_open and self._landed is None:
            self._landing.shred(self._token)

    def write(self, data: bytes) -> None:
        """See `LandingWriter.write`."""
        self._check_open()
        self._digest.update(data)
        self._n_bytes += len(data)
        self._waiting += data
        while len(self._waiting) >= CHUNK_BYTES:
            self._seal(CHUNK_BYTES, End.NO)

    def flush(self) -> None:
        """See `LandingWriter.flush`."""
        self._check_open()
        if self._waiting:
            self._seal(len(self._waiting), End.NO)

    def leave_open(self) -> None:
        """See `LandingWriter.leave_open`."""
        self._is_open = False
        if (recording := self._landing.recordings.get(self._token)) is not None:
            recording.is_being_written = False

    def finish(self) -> Landed:
        """See `LandingWriter.finish`."""
        self._check_open()
        self._seal(len(self._waiting), End.YES)
        recording = self._landing.recordings[self._token]
        recording.is_being_written, recording.is_held = False, True
        self._landed = Landed(token=self._token, sha256=self._digest.hexdigest(), n_bytes=self._n_bytes)
        return self._landed

    def _seal(self, size: int, end: End) -> None:
        plain = bytes(self._waiting[:size])
        del self._waiting[:size]
        self._is_broken = True
        self._landing.append(self._token, self._sealer.seal(plain, end))
        self._is_broken = False

    def _check_open(self) -> None:
        if not self._is_open or self._landed is not None:
            raise RuntimeError("a recording is written inside its with block, and before it is finished")
        if self._is_broken:
            raise LandingError("landing: an earlier write of this recording failed")
