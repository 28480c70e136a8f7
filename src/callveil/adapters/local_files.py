"""Files that survive a power cut: private folders, atomic writes, locks between processes."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from callveil.adapters.store_bodies import BLOCK_BYTES, BodyReader
from callveil.errors import StoreError


@contextmanager
def file_errors(action: str) -> Iterator[None]:
    """Turn errors of the operating system into `StoreError`, without paths."""
    try:
        yield
    except OSError as error:
        raise StoreError(f"{action}: {error.strerror or type(error).__name__}") from error


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_folders(folder: Path) -> None:
    """Create a folder and its missing parents, durable and for the owner only (0700)."""
    if folder.is_dir():
        return
    make_folders(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    sync_folder(folder.parent)


def copy_body(reader: BodyReader, path: Path) -> None:
    """Write a body to a new file, durable and for the owner only (0600).

    Raises:
        StoreError: The body is not what was announced.
    """
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        while block := reader.read(BLOCK_BYTES):
            file.write(block)
        file.flush()
        os.fsync(file.fileno())


def write_whole(path: Path, content: bytes, *, draft: Path) -> None:
    """Put a file in place at once: readers see the old content or the new.

    Args:
        path: Where it goes; folders are made.
        content: All of it.
        draft: A place on the same file system that nobody else writes to.
    """
    make_folders(path.parent)
    make_folders(draft.parent)
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)
    sync_folder(path.parent)


def write_new(path: Path, content: bytes) -> bool:
    """Put a file in place at once (0600), unless there is one; False when there is, and it stays as it is.

    Args:
        path: Where it goes; folders are made (0700).
        content: All of it.
    """
    if path.exists():
        return False
    # Whole or not at all: half a file would stand in the way of the next try.
    draft = path.with_name(f".{path.name}.{os.urandom(8).hex()}")
    write_whole(draft, content, draft=draft.with_name(f"{draft.name}.draft"))
    try:
        os.link(draft, path)
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    sync_folder(path.parent)
    return True


def overwrite_and_unlink(path: Path, *, most_bytes: int | None = None) -> bool:
    """Delete a file after zeros were written over it; returns False when it was not there.

    Args:
        path: The file; a link is not followed.
        most_bytes: How much is overwritten from its beginning; None for all of it.
    """
    try:
        file = os.open(path, os.O_WRONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    try:
        with suppress(OSError):  # a file that cannot be overwritten must go all the more
            overwrite(file, most_bytes=most_bytes)
    finally:
        os.close(file)
    path.unlink()
    return True


def overwrite(file: int, *, most_bytes: int | None = None) -> None:
    """Write zeros over an open file, durable.

    Flash and copy-on-write file systems write elsewhere: there it hides the old content and no more.

    Args:
        file: Descriptor, open for writing.
        most_bytes: How much; None for all of it.
    """
    size = os.fstat(file).st_size
    left = size if most_bytes is None else min(size, most_bytes)
    os.lseek(file, 0, os.SEEK_SET)
    while left:
        block = min(left, BLOCK_BYTES)
        write_all(file, bytes(block))
        left -= block
    os.fsync(file)


def write_all(file: int, content: bytes) -> None:
    """Write to a descriptor until nothing is left."""
    left = memoryview(content)
    while left:
        left = left[os.write(file, left) :]


def remove_tree(folder: Path) -> int:
    """Delete a folder that may not exist; returns how many files were in it."""
    n_files = sum(len(files) for _, _, files in os.walk(folder))
    if folder.is_dir():
        shutil.rmtree(folder)
    return n_files


def read_folder(folder: Path) -> dict[str, os.stat_result]:
    """Names and sizes of the files in a folder, all from one moment; {} when it is not there.

    A folder that is swapped for another one while it is read is read again.
    """
    while True:
        try:
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except (FileNotFoundError, NotADirectoryError):
            return {}
        try:
            # A link is itself: followed to nowhere it would look like a file that just went away.
            found = {name: os.stat(name, dir_fd=handle, follow_symlinks=False) for name in os.listdir(handle)}
            if os.path.samestat(os.fstat(handle), folder.stat()):
                return found
        except FileNotFoundError:
            continue
        finally:
            os.close(handle)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock file, waiting for it; a process that dies lets go of it."""
    make_folders(path.parent)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
