"""Files that exist in memory only, with a path that libraries and programs can open.

Memory is swapped to disk on machines with swap: there it should be encrypted or off.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from callveil.errors import ConfigError

_DESCRIPTORS = Path("/proc")


@contextmanager
def memory_file(name: str) -> Iterator[Path]:
    """An empty anonymous file in memory; it is gone when the context ends or the process dies.

    Its path works in this process and in programs it starts under the same user. Opening it for writing
    empties it; it cannot be renamed, and removing it is `empty_or_remove`.

    Args:
        name: For debuggers; shows in /proc and nowhere else, so it names no call.

    Raises:
        ConfigError: This system has none (it needs Linux with /proc), or no memory for it.
    """
    if not has_memory_files():
        raise ConfigError("memory file: this system has none; Linux with /proc is needed")
    try:
        handle = os.memfd_create(name, os.MFD_CLOEXEC)
    except OSError as error:
        raise ConfigError(f"memory file: cannot be made: {error.strerror}") from error
    try:
        # Not /proc/self: a program that is started would look at its own descriptors.
        yield _DESCRIPTORS / str(os.getpid()) / "fd" / str(handle)
    finally:
        os.close(handle)


def has_memory_files() -> bool:
    """Tell whether `memory_file` works here."""
    return hasattr(os, "memfd_create") and (_DESCRIPTORS / "self" / "fd").is_dir()


@contextmanager
def scratch_file(name: str) -> Iterator[Path]:
    """A place for a file that holds masked audio: in memory, or where there are no memory files, on disk.

    Args:
        name: Such as "audio.flac".

    Raises:
        ConfigError: There is no memory for it.
    """
    if has_memory_files():
        with memory_file(name) as path:
            yield path
        return
    with tempfile.TemporaryDirectory(prefix="callveil-") as folder:
        yield Path(folder) / name


def empty_or_remove(path: Path) -> None:
    """Remove a file that may not exist; a memory file is emptied."""
    if path.is_relative_to(_DESCRIPTORS):
        os.truncate(path, 0)
    else:
        path.unlink(missing_ok=True)
