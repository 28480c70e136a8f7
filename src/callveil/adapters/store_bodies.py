"""Bodies of parts as streams that know whether they were read whole and unchanged."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

from callveil.errors import StoreError
from callveil.vocabulary.recording import MaskedDocument, MaskedFile, PublishedPart

BLOCK_BYTES = 1 << 20


class BodyReader:
    """A part's body, read once from the beginning to the end.

    Attributes:
        n_bytes: Its announced size.
    """

    def __init__(self, stream: BinaryIO, *, n_bytes: int, sha256: str | None) -> None:
        self.n_bytes = n_bytes
        self._stream = stream
        self._expected = sha256
        self._hash = hashlib.sha256()
        self._n_read = 0

    def read(self, size: int = -1) -> bytes:
        """Read up to `size` bytes; b"" at the end.

        The last bytes are handed out only when the whole is what was announced, so that a wrong body is
        never stored, not even for a moment.

        Raises:
            StoreError: The file cannot be read, or is not what was announced.
        """
        try:
            block = self._stream.read(size)
        except OSError as error:
            raise StoreError(f"reading a part's file: {error.strerror}") from error
        self._hash.update(block)
        self._n_read += len(block)
        if not block or self._n_read >= self.n_bytes:
            self.check()
        return block

    def check(self) -> None:
        """Make sure that what was read is the whole of what was announced.

        Raises:
            StoreError: The file has another size or content than when it was masked.
        """
        whole = self._n_read == self.n_bytes and self._stream.read(1) == b""
        if not whole or (self._expected is not None and self._hash.hexdigest() != self._expected):
            raise StoreError("a part's file is not the one that was masked: its size or sha256 differs")


def body_size(body: MaskedFile | MaskedDocument) -> int:
    """Announced size of a body in bytes."""
    return body.n_bytes if isinstance(body, MaskedFile) else len(body.content)


@contextmanager
def open_body(body: MaskedFile | MaskedDocument) -> Iterator[BodyReader]:
    """Open a part's body.

    Raises:
        StoreError: Its file cannot be opened.
        TypeError: It is no masked type; nothing else may be stored.
    """
    if isinstance(body, MaskedDocument):
        yield BodyReader(io.BytesIO(body.content), n_bytes=body_size(body), sha256=None)
        return
    if not isinstance(body, MaskedFile):
        raise TypeError(f"only masked bodies can be stored, not {type(body).__name__}")
    try:
        stream = body.path.open("rb")
    except OSError as error:
        raise StoreError(f"opening a part's file: {error.strerror}") from error
    with stream:
        yield BodyReader(stream, n_bytes=body.n_bytes, sha256=body.sha256)


def check_bodies(parts: Iterable[PublishedPart]) -> None:
    """Read all bodies once, so that an earlier recording is not deleted for one that cannot be stored.

    Raises:
        StoreError: A file cannot be read, or has changed.
    """
    for part in parts:
        with open_body(part.body) as reader:
            while reader.read(BLOCK_BYTES):
                pass
