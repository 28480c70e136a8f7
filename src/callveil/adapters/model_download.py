"""Programs that download, watched: how far they are, when to stop them, what they said."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

_POLL_S = 0.2
_LIMIT_S = 3600.0


class SourceError(Exception):
    """A source could not give a file; the message is the reason, on one line."""


class Progress(Protocol):
    """Watches the bytes come in."""

    def begin(self, label: str, n_bytes: int | None) -> None:
        """A piece of work starts.

        Args:
            label: What is being done.
            n_bytes: How many bytes it has, None when unknown.
        """

    def reached(self, n_bytes: int) -> None:
        """So many bytes of the piece of work are done."""

    def end(self) -> None:
        """The piece of work is over, well or not."""


class Silent:
    """Progress that nobody watches."""

    def begin(self, label: str, n_bytes: int | None) -> None:
        """Nothing."""

    def reached(self, n_bytes: int) -> None:
        """Nothing."""

    def end(self) -> None:
        """Nothing."""


def run_watched(command: Sequence[str], folder: Path, progress: Progress) -> tuple[int, str]:
    """Run a program that downloads into a folder, and report how much is there.

    Args:
        command: Program and arguments.
        folder: Where its bytes arrive; temporary files go there too, so that a small /tmp does not matter.
        progress: Told the size of everything in the folder.

    Returns:
        Exit code and standard error.

    Raises:
        SourceError: It cannot be started, or took more than an hour and was stopped.
    """
    temporary = {name: str(folder) for name in ("TMPDIR", "TMP", "TEMP")}
    with tempfile.TemporaryFile() as errors:
        try:
            # The rest of the environment is handed on, so that the user's own settings of pip and hub apply.
            process = subprocess.Popen(  # noqa: S603 - fixed programs, arguments from checked manifests
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                env=os.environ | temporary,
            )
        except OSError as error:
            raise SourceError(f"cannot start {command[0]}: {error.strerror}") from error
        try:
            waited_s = 0.0
            while waited_s < _LIMIT_S:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=_POLL_S)
                    break
                waited_s += _POLL_S
                progress.reached(_bytes_in(folder))
            else:
                raise SourceError(f"no end after {_LIMIT_S / 60:.0f} minutes; stopped")
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        errors.seek(0)
        return process.returncode, errors.read().decode(errors="replace")


def one_line(line: str) -> str:
    """A line of a program's output, of bounded length and without credentials in addresses."""
    return re.sub(r"//[^/\s@]+@", "//", line.strip())[:300]


def _bytes_in(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with suppress(OSError):
            if path.is_file():
                total += path.stat().st_size
    return total
