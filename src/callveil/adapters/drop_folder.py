"""A drop folder on a file system.

    <root>/call.wav, call.json      dropped by a telephony system
    <root>/quarantine/              what cannot be taken, each with a reason
    <root>/.callveil-watch          lock of the process that watches; tells the file server's time
    <root>/.callveil-shred-<hex>    a recording that was taken and is being overwritten

Everything goes through a descriptor of the folder, so that no link put in its place later leads elsewhere.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from callveil.adapters.drop_names import QUARANTINE, is_seen, quarantine_names
from callveil.adapters.local_files import file_errors, overwrite, write_all
from callveil.adapters.store_bodies import BLOCK_BYTES
from callveil.errors import ConfigError, NotFoundError, RefusedError
from callveil.vocabulary.drop import DroppedFile

_LOCK = ".callveil-watch"
_SHRED = ".callveil-shred-"

_GONE = (errno.ENOENT, errno.ELOOP, errno.ENXIO, errno.EISDIR)


class DropFolder:
    """`Drop` in a folder; one process watches it at a time.

    Args:
        root: The folder; it must be there, and files may be made and deleted in it.
    """

    source = "folder"
    may_grow = True

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()
        self._folder: int | None = None
        self._lock: int | None = None

    def __repr__(self) -> str:
        return f"DropFolder({str(self._root)!r})"

    def close(self) -> None:
        """Let go of the folder, so that another process can watch it."""
        for file in (self._lock, self._folder):
            if file is not None:
                os.close(file)
        self._lock = self._folder = None

    def files(self, is_wanted: Callable[[str], bool] = lambda _: True) -> Iterator[DroppedFile]:
        """See `Drop.files`."""
        folder = self._open()
        with file_errors("the drop folder cannot be listed"):
            now_s = self._now_s()
            with os.scandir(folder) as entries:
                for entry in entries:
                    if not (is_wanted(entry.name) and is_seen(entry.name)):
                        continue
                    with suppress(FileNotFoundError):
                        found = entry.stat(follow_symlinks=False)
                        if not stat.S_ISDIR(found.st_mode):
                            yield _dropped(entry.name, found, now_s)

    @contextmanager
    def read(self, file: DroppedFile) -> Iterator[Iterator[bytes]]:
        """See `Drop.read`.

        Raises:
            RefusedError: The file may not be read by this user.
        """
        handle = self._open_file(file, os.O_RDONLY)
        try:
            yield _pieces(handle, file)
        finally:
            os.close(handle)

    def remove(self, file: DroppedFile) -> bool:
        """See `Drop.remove`: the content is overwritten, unless it has another name somewhere."""
        folder, hidden = self._open(), _SHRED + secrets.token_hex(8)
        with file_errors("a dropped file cannot be removed"):
            try:
                handle = self._open_file(file, os.O_RDONLY)
            except NotFoundError:
                return False
            try:
                # Under a name of our own first: who finds a half overwritten file knows what it was.
                os.rename(file.name, hidden, src_dir_fd=folder, dst_dir_fd=folder)
                renamed = os.stat(hidden, dir_fd=folder, follow_symlinks=False)
                if not _is_same(renamed, os.fstat(handle), file):
                    os.rename(hidden, file.name, src_dir_fd=folder, dst_dir_fd=folder)
                    return False
            finally:
                os.close(handle)
            os.fsync(folder)
            self._shred(hidden)
        return True

    def quarantine(self, files: Sequence[DroppedFile], stem: str, reason: str) -> None:
        """See `Drop.quarantine`."""
        folder = self._open()
        with file_errors("a dropped file cannot be moved to the quarantine"):
            there = [file for file in files if self._is_there(file)]
            if not there:
                return
            with suppress(FileExistsError):
                os.mkdir(QUARANTINE, 0o700, dir_fd=folder)
            target = os.open(QUARANTINE, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
            try:
                reason_name, names = quarantine_names(
                    [file.name for file in there], stem, lambda name: _exists(name, target)
                )
                _write_new(reason_name, reason.encode("utf-8"), target)
                for file, name in zip(there, names, strict=True):
                    os.rename(file.name, name, src_dir_fd=folder, dst_dir_fd=target)
                os.fsync(target)
                os.fsync(folder)
            finally:
                os.close(target)

    def _open(self) -> int:
        """Descriptor of the folder, and its lock; anew when another folder has been put (mounted) there."""
        try:
            now = os.stat(self._root)
        except OSError as error:
            raise ConfigError(f"drop folder: {error.strerror}; allowed: a folder that exists") from error
        if self._folder is not None and os.path.samestat(now, os.fstat(self._folder)):
            return self._folder
        self.close()
        try:
            self._folder = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY)
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
            self._lock = os.open(_LOCK, flags, 0o600, dir_fd=self._folder)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.close()
            raise RefusedError("drop folder: another process watches it") from None
        except OSError as error:
            self.close()
            raise ConfigError(
                f"drop folder: {error.strerror}; allowed: a folder in which files can be made and deleted"
            ) from error
        with file_errors("what an earlier process took cannot be overwritten"):
            for name in os.listdir(self._folder):
                if name.startswith(_SHRED):
                    self._shred(name)
        return self._folder

    def _now_s(self) -> float:
        """Seconds since 1970 by the clock of the file system, which may be another machine's."""
        if self._lock is None:
            raise RuntimeError("the folder is not open")
        os.utime(self._lock)
        return os.fstat(self._lock).st_mtime

    def _open_file(self, file: DroppedFile, flags: int) -> int:
        folder = self._open()
        try:
            # Without O_NONBLOCK a pipe put in the file's place would hold us.
            handle = os.open(file.name, flags | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
        except PermissionError:
            raise RefusedError("a file may not be read by the user that watches the folder") from None
        except OSError as error:
            if error.errno in _GONE:
                raise NotFoundError("a dropped file is gone") from None
            with file_errors("a dropped file cannot be opened"):
                raise
        if _stamp(os.fstat(handle)) != file.stamp:
            os.close(handle)
            raise NotFoundError("a dropped file has changed")
        return handle

    def _is_there(self, file: DroppedFile) -> bool:
        try:
            found = os.stat(file.name, dir_fd=self._folder, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return _stamp(found) == file.stamp

    def _shred(self, name: str) -> None:
        """Overwrite and unlink a file of our own naming."""
        with suppress(OSError):  # a file that cannot be overwritten must go all the more
            handle = os.open(name, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=self._folder)
            try:
                # Under another name somebody else keeps it, and it is theirs.
                if os.fstat(handle).st_nlink == 1:
                    overwrite(handle)
            finally:
                os.close(handle)
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self._folder)
        if self._folder is not None:
            os.fsync(self._folder)


def _dropped(name: str, found: os.stat_result, now_s: float) -> DroppedFile:
    # A sender may set the time of change to any date, but not that of the last change of the entry.
    sent_s = min(found.st_mtime, now_s)
    return DroppedFile(
        name=name,
        n_bytes=found.st_size,
        age_s=now_s - max(found.st_ctime, sent_s),
        changed_at=datetime.fromtimestamp(max(sent_s, 0.0), UTC),
        is_plain=stat.S_ISREG(found.st_mode),
        stamp=_stamp(found),
    )


def _stamp(found: os.stat_result) -> tuple[str | int, ...]:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _is_same(renamed: os.stat_result, opened: os.stat_result, file: DroppedFile) -> bool:
    """Renaming changes the time of the entry, so it is left out."""
    return os.path.samestat(renamed, opened) and _stamp(renamed)[:4] == file.stamp[:4]


def _pieces(handle: int, file: DroppedFile) -> Iterator[bytes]:
    while True:
        with file_errors("a dropped file cannot be read"):
            piece = os.read(handle, BLOCK_BYTES)
            if not piece and _stamp(os.fstat(handle)) != file.stamp:
                raise NotFoundError("a dropped file has changed")
        if not piece:
            return
        yield piece


def _exists(name: str, folder: int) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _write_new(name: str, content: bytes, folder: int) -> None:
    handle = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=folder)
    try:
        write_all(handle, content)
        os.fsync(handle)
    finally:
        os.close(handle)
