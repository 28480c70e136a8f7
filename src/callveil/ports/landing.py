"""Where raw audio comes in and waits, encrypted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Protocol, Self

from callveil.vocabulary.drop import DroppedFile


class KeyWrapper(Protocol):
    """Wraps data keys with a key-encryption key that never leaves it; a KMS can stand behind it."""

    @property
    def key_id(self) -> str:
        """Id of the key that `wrap` uses; not secret, 1 to 200 characters."""

    def wrap(self, key: bytes) -> bytes:
        """Encrypt a data key under the active key.

        Args:
            key: 32 bytes.

        Raises:
            LandingError: The key service cannot be reached.
        """

    def unwrap(self, key_id: str, wrapped: bytes) -> bytes:
        """Decrypt a data key that was wrapped under the active or an earlier key.

        Args:
            key_id: Of the key that wrapped it.
            wrapped: What `wrap` returned.

        Raises:
            ConfigError: There is no key of that id.
            LandingError: The key service cannot be reached.
            TamperedError: It was not wrapped under that key, or has been changed.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Landed:
    """A recording that has arrived whole.

    Attributes:
        token: Its name in the landing.
        sha256: Of the plaintext, in hex.
        n_bytes: Size of the plaintext.
    """

    token: str
    sha256: str
    n_bytes: int


class LandingWriter(Protocol):
    """One recording on its way in; a context manager, for one thread.

    Leaving the with block without a `finish` that returned shreds what was written, whatever the reason. A
    process that dies leaves its recording for `Landing.finish_partial`.
    """

    @property
    def token(self) -> str:
        """Name of the recording in the landing: random, 32 hex digits, says nothing about the call."""

    def __enter__(self) -> Self:
        """Begin."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Shred what is not finished."""

    def write(self, data: bytes) -> None:
        """Append; full chunks are encrypted and written at once, the rest waits in memory.

        Raises:
            LandingError: It cannot be written, such as for a full disk, or an earlier write failed.
            RuntimeError: It is finished or outside its with block.
        """

    def flush(self) -> None:
        """Make all that arrived readable to those who follow. It survives the process, not a power cut.

        Raises:
            LandingError: As for `write`.
        """

    def leave_open(self) -> None:
        """Stop writing and neither finish nor shred: what was flushed is for `Landing.finish_partial`."""

    def finish(self) -> Landed:
        """Close the recording; when this returns, it survives a power cut.

        Raises:
            LandingError: As for `write`.
            NotFoundError: It was shredded in the meantime.
        """


class Landing(Protocol):
    """Where raw recordings wait, encrypted, until they are redacted. Shredding its key deletes one.

    Every recording has a data key of its own. Wrapped, it lies in the landing and nowhere else: no database
    and so no backup of one ever holds a key, and shredding reaches the backups of the audio too. A token that
    is not 32 hex digits is a `NotFoundError`. Every method raises `LandingError` when the disk fails.
    Safe to use from several threads and processes.
    """

    def begin(self) -> LandingWriter:
        """Make room for a recording.

        Raises:
            LandingError: There is none.
        """

    def read(
        self, token: str, *, follow: Callable[[], bool] | None = None, partial: bool = False
    ) -> Iterator[bytes]:
        """Decrypt a recording from its beginning, in pieces of up to 64 KiB as they were written.

        Args:
            token: Of the recording.
            follow: While it returns True and the recording is not finished, wait for more. It is asked about
                every 50 ms, and once it has returned False all that was flushed before is still read.
            partial: Take a recording that is not finished as it is, without what a crash left half-written.

        Raises:
            NotFoundError: There is no such recording, or it was shredded.
            LandingError: It is not finished, and neither followed nor `partial`.
            TamperedError: It is not what was written. The pieces before are; more was never handed out.
            ConfigError: The key that wrapped its key is not there.
        """

    def is_finished(self, token: str) -> bool:
        """True once the recording is closed; its last piece is authenticated, the others are not.

        Raises:
            NotFoundError: There is no such recording.
            TamperedError: Its last piece is not what was written.
        """

    def finish_partial(self, token: str) -> Landed:
        """Close what a writer that died left: all whole pieces. A finished recording stays as it is.

        A finished recording whose end was cut off by somebody looks like one whose writer died: compare
        with the `Landed` of its writer where there was one.

        Raises:
            NotFoundError: There is no such recording.
            LandingError: Its writer lives.
            TamperedError: It is not what was written.
        """

    def shred(self, token: str) -> bool:
        """Delete a recording for good: its key first. Harmless when it is gone, or half gone.

        Returns:
            True when there was anything of it.
        """

    def tokens(self, older_than: datetime) -> Iterator[str]:
        """Recordings that nobody has written to since then, sorted; half-shredded leftovers among them.

        One whose writer lives is not among them, however long it has stood still: a clock may jump, and a
        machine may sleep. A writer lives until its with block is left.

        Args:
            older_than: Aware UTC.
        """

    def rewrap(self) -> int:
        """Wrap every data key under the active key, so that earlier ones can be destroyed.

        Returns:
            How many were under another key.

        Raises:
            ConfigError: An earlier key is not there; those before are done.
            TamperedError: A data key is not what was written; those before are done.
        """


class Drop(Protocol):
    """A folder, or a prefix of a bucket, that telephony systems drop calls in, in clear.

    Sub-folders, hidden names, and names of files that are still on their way are not seen. No method follows
    a link. A file that is not as it was seen (gone, or changed since) is a `NotFoundError`.
    Every method raises `StoreError` when the folder or the server fails.
    """

    @property
    def source(self) -> str:
        """As in `NewCall`: "folder" or "s3"."""

    @property
    def may_grow(self) -> bool:
        """True when a file can be seen before all of it is there."""

    def close(self) -> None:
        """Let go of it."""

    def files(self, is_wanted: Callable[[str], bool] = ...) -> Iterator[DroppedFile]:
        """Every file, in no order, one at a time: there may be very many.

        Args:
            is_wanted: Whether a name is asked for; what it says may change while files come.

        Raises:
            ConfigError: There is no such folder or bucket, or its keys are wrong.
            RefusedError: Another process has it.
        """

    def read(self, file: DroppedFile) -> AbstractContextManager[Iterator[bytes]]:
        """Read a file, in pieces of up to 1 MiB.

        Raises:
            NotFoundError: It is not the one that was seen; before a piece, or after the last one.
        """

    def remove(self, file: DroppedFile) -> bool:
        """Delete a file for good, as far as can be done; False when it is not the one that was seen."""

    def quarantine(self, files: Sequence[DroppedFile], stem: str, reason: str) -> None:
        """Move files aside, into "quarantine/", beside `<stem>.reason.txt`. Nothing there is overwritten.

        Args:
            files: Of one call; one that has changed stays.
            stem: Their common name, without suffix.
            reason: A text without content.
        """
