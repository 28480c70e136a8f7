"""Hand out an archive: in a private folder while it is made, without a name while it is sent."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from callveil.adapters.local_files import file_errors, make_folders

_BLOCK_BYTES = 1 << 20

KEPT_S = 3600.0
"""In which nothing was written: who made it was killed, or nobody fetched it."""


@contextmanager
def export_folder(data: Path) -> Iterator[Path]:
    """A new folder for one archive, for the owner only, gone afterwards.

    Args:
        data: Of the office. Folders in it that a killed process left are deleted first.

    Raises:
        StoreError: It cannot be made.
    """
    folder = new_export_folder(data)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def new_export_folder(data: Path) -> Path:
    """A new folder for one archive, for the owner only; old ones are deleted first.

    Raises:
        StoreError: It cannot be made.
    """
    root = data / "exports"
    with file_errors("making an export"):
        make_folders(root)
        root.chmod(0o700)
        clear_exports(data)
        return Path(tempfile.mkdtemp(dir=root))


def clear_exports(data: Path) -> None:
    """Delete archives that a process which was killed left half-made, and those that nobody fetched."""
    with suppress(FileNotFoundError):
        for folder in (data / "exports").iterdir():
            with suppress(OSError):
                newest = max(path.stat().st_mtime for path in (folder, *folder.iterdir()))
                if time.time() - newest > KEPT_S:
                    shutil.rmtree(folder)


def pieces(file: IO[bytes]) -> Iterator[bytes]:
    """A file in blocks; it is closed at its end, or when nobody wants more."""
    with file:
        while block := file.read(_BLOCK_BYTES):
            yield block
