"""Files that are handed to somebody: for the owner only, whole or not at all, never over another one."""

from __future__ import annotations

import fcntl
import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import IO, Self

from callveil.adapters.local_files import sync_folder
from callveil.errors import RefusedError, StoreError

_BLOCK_BYTES = 1 << 20
_EARLIEST = datetime(1980, 1, 1)  # noqa: DTZ001  ZIP knows no zones and nothing earlier


@contextmanager
def private_draft(out: Path, *, option: str = "--out") -> Iterator[IO[bytes]]:
    """Write a draft beside `out`; `put_in_place` makes it visible, leaving the block without that deletes it.

    What a killed process left of its draft is written over by the next one.

    Args:
        out: Where the file is to be; its folder must exist.
        option: Named in errors.

    Raises:
        RefusedError: There is such a file, or another process writes to it now.
        StoreError: The folder cannot be written.
    """
    check_free(out, option)
    draft = _draft(out)
    try:
        handle = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise StoreError(f"{option}: cannot be written: {error.strerror}") from error
    with os.fdopen(handle, "w+b") as file:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise RefusedError(f"{option}: another process is writing this file") from None
        os.fchmod(handle, 0o600)
        file.truncate(0)
        try:
            yield file
        finally:
            with suppress(FileNotFoundError):
                draft.unlink()


def put_in_place(file: IO[bytes], out: Path, *, option: str = "--out") -> None:
    """Make a draft durable and visible under its name.

    Args:
        file: Of `private_draft`, written.
        out: The same path.
        option: Named in errors.

    Raises:
        RefusedError: Somebody put another file there meanwhile; it stays as it is.
        StoreError: The disk failed.
    """
    try:
        file.flush()
        os.fsync(file.fileno())
        try:
            os.link(_draft(out), out)
        except FileExistsError:
            raise RefusedError(f"{option}: there is such a file; it stays as it is") from None
        except OSError:  # a file system without hard links
            check_free(out, option)
            _draft(out).rename(out)
        sync_folder(out.absolute().parent)
    except OSError as error:
        raise StoreError(f"{option}: cannot be written: {error.strerror}") from error


def write_private(out: Path, content: bytes, *, option: str = "--out") -> None:
    """Write one file.

    Raises:
        RefusedError: There is such a file.
        StoreError: It cannot be written.
    """
    with private_draft(out, option=option) as file:
        file.write(content)
        put_in_place(file, out, option=option)


def check_free(out: Path, option: str = "--out") -> None:
    """Refuse a path where something is.

    Raises:
        RefusedError: There is.
    """
    if out.exists() or out.is_symlink():
        raise RefusedError(f"{option}: there is such a file; it stays as it is")
    if not out.absolute().parent.is_dir():
        raise StoreError(f"{option}: its folder does not exist")


def _draft(out: Path) -> Path:
    return out.absolute().with_name(f".{out.name}.part")


class ZipWriter:
    """A ZIP archive, written entry by entry; a context manager. Only what `add` is given is in memory.

    Names are the caller's own: they are checked all the same, for a name with ".." would leave the folder
    it is unpacked in.
    """

    def __init__(self, file: IO[bytes], at: datetime) -> None:
        """Begin an archive.

        Args:
            file: Seekable.
            at: Time of all entries.
        """
        self._zip = zipfile.ZipFile(file, "w", allowZip64=True)
        self._at = max(at.replace(tzinfo=None), _EARLIEST).timetuple()[:6]
        self.n_bytes = 0

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """Write the directory of the archive; of a draft that failed too, which is thrown away anyway."""
        self._zip.close()

    def add(self, name: str, content: bytes, *, compress: bool = True) -> None:
        """Write an entry.

        Args:
            name: Relative path.
            content: All of it.
            compress: False for what is compressed already.
        """
        self.n_bytes += len(content)
        with self._zip.open(self._info(name, compress), "w") as entry:
            entry.write(content)

    def copy(self, name: str, pieces: Iterator[bytes]) -> None:
        """Write an entry out of pieces."""
        with self._zip.open(self._info(name, compress=True), "w", force_zip64=True) as entry:
            for piece in pieces:
                self.n_bytes += len(piece)
                entry.write(piece)

    def _info(self, name: str, compress: bool) -> zipfile.ZipInfo:
        steps = name.split("/")
        if not all(steps) or {".", ".."} & set(steps) or "\\" in name or ":" in name:
            raise ValueError("a name in an archive must be a plain relative path")
        info = zipfile.ZipInfo(name, self._at)
        info.external_attr = 0o100600 << 16
        info.compress_type = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
        return info


def pieces_of(file: IO[bytes]) -> Iterator[bytes]:
    """A file from its beginning, in blocks."""
    file.seek(0)
    while block := file.read(_BLOCK_BYTES):
        yield block
