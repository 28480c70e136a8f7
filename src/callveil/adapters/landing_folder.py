"""A landing in a folder.

    <root>/<token>.audio   the recording, encrypted; see `landing_format`
    <root>/<token>.key     its data key, wrapped, and the id of the key that wrapped it (JSON)
    <root>/.lock, .draft   of whoever shreds or wraps anew

The key is written before the first byte of the recording, and goes first. A writer holds a lock (flock) on
its recording, which goes with its process.
"""

from __future__ import annotations

import base64
import errno
import fcntl
import hashlib
import json
import os
import re
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from callveil.adapters.landing_format import (
    CHUNK_BYTES,
    KEY_BYTES,
    End,
    Records,
    Sealer,
    new_header,
    read_records,
)
from callveil.adapters.local_files import (
    locked,
    make_folders,
    overwrite,
    overwrite_and_unlink,
    sync_folder,
    write_all,
)
from callveil.errors import LandingError, NotFoundError, TamperedError
from callveil.ports import KeyWrapper, Landed

_TOKEN = re.compile(r"[0-9a-f]{32}")
_FILE = re.compile(r"([0-9a-f]{32})\.(?:audio|key)")


class LandingFolder:
    """`Landing` in a folder.

    Args:
        root: The folder; made (0700) with the first recording.
        wrapper: Wraps the data keys.
        wait: Sleeps so many seconds, for who follows.
    """

    def __init__(
        self, root: Path, wrapper: KeyWrapper, *, wait: Callable[[float], None] = time.sleep
    ) -> None:
        self._root = root.absolute()
        self._wrapper = wrapper
        self._wait = wait

    def __repr__(self) -> str:
        return f"LandingFolder({str(self._root)!r})"

    def begin(self) -> FolderWriter:
        """See `Landing.begin`."""
        token, key = secrets.token_hex(16), os.urandom(KEY_BYTES)
        wrapped = _key_file(self._wrapper, key)
        with _io_errors("a recording cannot be begun"):
            make_folders(self._root)
            _touch(self._root / ".lock")  # a full disk could not give it to who shreds
            try:
                _write_new(self._key(token), wrapped)
                file = _create(self._audio(token))
            except OSError:
                # Nothing was promised yet, and a full disk has no room for leftovers.
                with suppress(OSError):
                    self._erase(token)
                raise
        return FolderWriter(self, token, key, file)

    def read(
        self, token: str, *, follow: Callable[[], bool] | None = None, partial: bool = False
    ) -> Iterator[bytes]:
        """See `Landing.read`."""
        with self._opened(token, os.O_RDONLY) as file:
            records = Records(_reader(file), self._data_key(token), token)
            yield from read_records(
                records,
                follow=follow,
                partial=partial,
                wait=self._wait,
                is_there=lambda: os.fstat(file).st_nlink > 0,
            )

    def is_finished(self, token: str) -> bool:
        """See `Landing.is_finished`."""
        with self._opened(token, os.O_RDONLY) as file:
            records = Records(_reader(file), self._data_key(token), token)
            try:
                records.skip_to_end()
            except TamperedError:
                if not records.is_zeroed():
                    raise
            return records.is_closed

    def finish_partial(self, token: str) -> Landed:
        """See `Landing.finish_partial`."""
        with self._opened(token, os.O_RDWR) as file, _io_errors("a recording cannot be closed"):
            _lock(file)
            key = self._data_key(token)
            records, digest, n_bytes = Records(_reader(file), key, token), hashlib.sha256(), 0
            for plain in read_records(
                records, follow=None, partial=True, wait=self._wait, is_there=lambda: True
            ):
                digest.update(plain)
                n_bytes += len(plain)
            if not records.is_closed:
                header = records.header or new_header(token)
                last = Sealer(key, header, number=records.number).seal(b"", End.RECOVERED)
                os.ftruncate(file, records.position)
                os.lseek(file, 0, os.SEEK_END)
                write_all(file, last if records.header else header + last)
                os.fsync(file)
            _check_there(file)
        return Landed(token=token, sha256=digest.hexdigest(), n_bytes=n_bytes)

    def shred(self, token: str) -> bool:
        """See `Landing.shred`."""
        if not _TOKEN.fullmatch(token) or not self._root.is_dir():
            return False
        with _io_errors("a recording cannot be shredded"):
            return self._erase(token)

    def tokens(self, older_than: datetime) -> Iterator[str]:
        """See `Landing.tokens`."""
        yield from (token for token in self._tokens(older_than) if not self._is_being_written(token))

    def _tokens(self, older_than: datetime) -> list[str]:
        latest: dict[str, float] = {}
        with _io_errors("the recordings cannot be listed"), suppress(FileNotFoundError):
            for entry in os.scandir(self._root):
                if match := _FILE.fullmatch(entry.name):
                    with suppress(FileNotFoundError):
                        # Wrapping a key anew says nothing about the recording: its own time goes first.
                        changed_at = entry.stat(follow_symlinks=False).st_mtime
                        if entry.name.endswith(".audio") or match[1] not in latest:
                            latest[match[1]] = changed_at
        limit = older_than.astimezone(UTC).timestamp()
        return sorted(token for token, changed_at in latest.items() if changed_at < limit)

    def _is_being_written(self, token: str) -> bool:
        try:
            file = os.open(self._audio(token), os.O_RDONLY | os.O_NOFOLLOW)
        except OSError:
            return False
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        finally:
            os.close(file)
        return False

    def rewrap(self) -> int:
        """See `Landing.rewrap`."""
        n_wrapped = 0
        for token in self._tokens(datetime.max.replace(tzinfo=UTC)):
            with _io_errors("the keys cannot be wrapped anew"), locked(self._root / ".lock"):
                n_wrapped += self._rewrap(token)
        return n_wrapped

    def _rewrap(self, token: str) -> bool:
        try:
            earlier = os.open(self._key(token), os.O_RDWR | os.O_NOFOLLOW)
        except FileNotFoundError:
            return False
        draft = self._root / ".draft"
        try:
            key_id, wrapped = _parse_key_file(os.pread(earlier, 1 << 16, 0))
            if key_id == self._wrapper.key_id:
                return False
            content = _key_file(self._wrapper, self._wrapper.unwrap(key_id, wrapped))
            overwrite_and_unlink(draft)
            _write_new(draft, content)
            draft.rename(self._key(token))
            sync_folder(self._root)
            overwrite(earlier)
        finally:
            os.close(earlier)
        return True

    def _erase(self, token: str) -> bool:
        with locked(self._root / ".lock"):
            # A process that died while wrapping anew may have left this very key there.
            overwrite_and_unlink(self._root / ".draft")
            had_key = overwrite_and_unlink(self._key(token))
            try:
                self._audio(token).unlink()
            except FileNotFoundError:
                had_audio = False
            else:
                had_audio = True
            sync_folder(self._root)
        return had_key or had_audio

    def _data_key(self, token: str) -> bytes:
        try:
            key_id, wrapped = _parse_key_file(self._read_key(token))
        except TamperedError:
            # Perhaps it was overwritten while it was read: shredded, or wrapped anew into another file.
            with _io_errors("a key cannot be read"), locked(self._root / ".lock"):
                key_id, wrapped = _parse_key_file(self._read_key(token))
        return self._wrapper.unwrap(key_id, wrapped)

    def _read_key(self, token: str) -> bytes:
        with _not_found(), _io_errors("a key cannot be read"):
            return self._key(token).read_bytes()

    @contextmanager
    def _opened(self, token: str, flags: int) -> Iterator[int]:
        if not _TOKEN.fullmatch(token):
            raise NotFoundError("landing: there is no such recording")
        with _not_found(), _io_errors("a recording cannot be opened"):
            file = os.open(self._audio(token), flags | os.O_NOFOLLOW)
        try:
            yield file
        finally:
            os.close(file)

    def _audio(self, token: str) -> Path:
        return self._root / f"{token}.audio"

    def _key(self, token: str) -> Path:
        return self._root / f"{token}.key"


class FolderWriter:
    """`LandingWriter` of a `LandingFolder`; made by its `begin`."""

    def __init__(self, landing: LandingFolder, token: str, key: bytes, file: int) -> None:
        self._landing = landing
        self._token = token
        header = new_header(token)
        self._sealer = Sealer(key, header)
        self._file: int | None = file
        self._waiting = bytearray()
        self._unwritten = header
        self._digest = hashlib.sha256()
        self._n_bytes = 0
        self._is_broken = False
        self._landed: Landed | None = None

    @property
    def token(self) -> str:
        """See `LandingWriter.token`."""
        return self._token

    def __enter__(self) -> Self:
        try:
            self._append(b"")
        except LandingError:
            self._leave()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave()

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
        if self._file is not None:
            os.close(self._file)
            self._file = None
            self._waiting.clear()

    def finish(self) -> Landed:
        """See `LandingWriter.finish`."""
        file = self._check_open()
        self._seal(len(self._waiting), End.YES)
        with _io_errors("a recording cannot be written"):
            os.fsync(file)
            _check_there(file)
        self._landed = Landed(token=self._token, sha256=self._digest.hexdigest(), n_bytes=self._n_bytes)
        return self._landed

    def _seal(self, size: int, end: End) -> None:
        plain = bytes(self._waiting[:size])
        del self._waiting[:size]
        self._append(self._sealer.seal(plain, end))

    def _append(self, record: bytes) -> None:
        """Write all or never again: a record that is sealed a second time would use its nonce twice."""
        file = self._check_open()
        content, self._unwritten = self._unwritten + record, b""
        self._is_broken = True
        with _io_errors("a recording cannot be written"):
            write_all(file, content)
        self._is_broken = False

    def _check_open(self) -> int:
        if self._file is None or self._landed is not None:
            raise RuntimeError("a recording is written inside its with block, and before it is finished")
        if self._is_broken:
            raise LandingError("landing: an earlier write of this recording failed")
        return self._file

    def _leave(self) -> None:
        if self._file is None:
            return
        os.close(self._file)
        self._file = None
        self._waiting.clear()
        if self._landed is None:
            self._landing.shred(self._token)


def _key_file(wrapper: KeyWrapper, key: bytes) -> bytes:
    content = {"key_id": wrapper.key_id, "wrapped": base64.b64encode(wrapper.wrap(key)).decode("ascii")}
    return json.dumps(content).encode()


def _parse_key_file(content: bytes) -> tuple[str, bytes]:
    try:
        raw = json.loads(content)
        return str(raw["key_id"]), base64.b64decode(raw["wrapped"], validate=True)
    except (ValueError, KeyError, TypeError):
        raise TamperedError("landing: a key file is not what was written") from None


def _create(path: Path) -> int:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        _lock(file)
        sync_folder(path.parent)
    except BaseException:
        os.close(file)
        raise
    return file


def _touch(path: Path) -> None:
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600))


def _write_new(path: Path, content: bytes) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        write_all(file, content)
        os.fsync(file)
    finally:
        os.close(file)


def _reader(file: int) -> Callable[[int, int], bytes]:
    def read_at(offset: int, size: int) -> bytes:
        with _io_errors("a recording cannot be read"):
            return os.pread(file, size, offset)

    return read_at


def _lock(file: int) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise LandingError("landing: the recording is still being written") from None


def _check_there(file: int) -> None:
    if os.fstat(file).st_nlink == 0:
        raise NotFoundError("landing: the recording was shredded")


@contextmanager
def _not_found() -> Iterator[None]:
    try:
        yield
    except LandingError as error:
        if isinstance(error.__cause__, OSError) and error.__cause__.errno in (errno.ENOENT, errno.ELOOP):
            raise NotFoundError("landing: there is no such recording") from None
        raise


@contextmanager
def _io_errors(what: str) -> Iterator[None]:
    """Turn errors of the operating system into `LandingError`, without paths."""
    try:
        yield
    except OSError as error:
        raise LandingError(f"landing: {what}: {error.strerror or type(error).__name__}") from error
