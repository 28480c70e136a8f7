"""Sealed originals in a folder.

    <root>/originals/<call id>/key.json            what opens it, for who has the landing key
    <root>/originals/<call id>/<random>.sealed     the encrypted original that key.json names
    <root>/.callveil/original-locks/<number>       lock files

The key is written last and goes first: an original without one is a leftover.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from callveil.adapters import store_rules as rules
from callveil.adapters.local_files import (
    copy_body,
    file_errors,
    locked,
    make_folders,
    overwrite,
    overwrite_and_unlink,
    sync_folder,
    write_whole,
)
from callveil.adapters.sealed_original import key_json, parse_key
from callveil.adapters.store_bodies import BLOCK_BYTES, BodyReader
from callveil.errors import NotFoundError
from callveil.vocabulary.original import SealedKey, SealedOriginal

_KEY, _DRAFT = "key.json", ".draft"
_N_LOCKS = 64


class FolderOriginals:
    """`OriginalStore` in a folder. Safe to use from several threads and processes.

    Args:
        root: The folder; made (0700) with the first original.
    """

    def __init__(self, root: Path) -> None:
        self._root = root.absolute() / "originals"
        self._locks = root.absolute() / ".callveil" / "original-locks"

    def __repr__(self) -> str:
        return f"FolderOriginals({str(self._root.parent)!r})"

    def put(self, sealed: SealedOriginal) -> None:
        """See `OriginalStore.put`."""
        if not isinstance(sealed, SealedOriginal):
            raise TypeError(f"only SealedOriginal is stored, not {type(sealed).__name__}")
        with self._changing(sealed.call_id, "storing an original") as folder:
            make_folders(folder)
            path = folder / sealed.key.name
            try:
                with sealed.path.open("rb") as stream:
                    copy_body(BodyReader(stream, n_bytes=sealed.key.n_bytes, sha256=sealed.key.sha256), path)
                _write_key(folder, sealed.key)
            except BaseException:
                with suppress(OSError):
                    path.unlink(missing_ok=True)
                    (folder / _DRAFT).unlink(missing_ok=True)
                    folder.rmdir()
                raise
            self._remove(folder, but={_KEY, sealed.key.name})

    def key(self, call_id: str) -> SealedKey:
        """See `OriginalStore.key`."""
        with file_errors("reading an original's key"), _not_found():
            return parse_key((self._folder(call_id) / _KEY).read_bytes())

    def replace_key(self, call_id: str, key: SealedKey) -> None:
        """See `OriginalStore.replace_key`."""
        with self._changing(call_id, "wrapping a key anew") as folder:
            if self.key(call_id).name != key.name:
                raise NotFoundError("originals: the call has another original now")
            _write_key(folder, key)

    def read(self, call_id: str, key: SealedKey) -> Iterator[bytes]:
        """See `OriginalStore.read`."""
        with file_errors("reading an original"), _not_found():
            file = (self._folder(call_id) / key.name).open("rb")
        with file:
            while True:
                with file_errors("reading an original"):
                    block = file.read(BLOCK_BYTES)
                if not block:
                    return
                yield block

    def call_ids(self) -> Iterator[str]:
        """See `OriginalStore.call_ids`."""
        with file_errors("listing originals"):
            names = os.listdir(self._root) if self._root.is_dir() else []
        yield from sorted(name for name in names if (self._root / name / _KEY).is_file())

    def delete(self, call_id: str) -> bool:
        """See `OriginalStore.delete`."""
        if not self._folder(call_id).is_dir():
            return False
        with self._changing(call_id, "deleting an original") as folder:
            if not folder.is_dir():
                return False
            self._remove(folder, but=set())
            folder.rmdir()
            sync_folder(self._root)
            return True

    def _remove(self, folder: Path, *, but: set[str]) -> None:
        for name in sorted(set(os.listdir(folder)) - but, key=lambda name: name.endswith(".sealed")):
            overwrite_and_unlink(folder / name, most_bytes=1 << 16)
        sync_folder(folder)

    def _folder(self, call_id: str) -> Path:
        rules.check_call_prefix(f"calls/2000/01/01/{call_id}/")  # one segment
        return self._root / call_id

    @contextmanager
    def _changing(self, call_id: str, action: str) -> Iterator[Path]:
        folder = self._folder(call_id)
        with file_errors(action), self._lock(call_id):
            yield folder

    def _lock(self, call_id: str) -> AbstractContextManager[None]:
        return locked(self._locks / f"{zlib.crc32(call_id.encode()) % _N_LOCKS:02d}")


def _write_key(folder: Path, key: SealedKey) -> None:
    """Put a key in place; the one it replaces is overwritten, not only forgotten."""
    try:
        earlier = os.open(folder / _KEY, os.O_WRONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        earlier = None
    try:
        write_whole(folder / _KEY, key_json(key), draft=folder / _DRAFT)
        if earlier is not None:
            overwrite(earlier)
    finally:
        if earlier is not None:
            os.close(earlier)


@contextmanager
def _not_found() -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, NotADirectoryError):
        raise NotFoundError("originals: there is none of that call") from None
