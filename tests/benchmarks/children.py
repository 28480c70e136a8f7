"""The processes that are measured, seen from the one that measures."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

_WORKER = Path(__file__).with_name("worker.py")


class Child:
    """One side, loaded, in a process of its own.

    Attributes:
        load_s: Seconds from the start of its process until it was ready.
        loaded_mib: Its peak memory until then.
        peak_mib: Its peak memory so far.
    """

    def __init__(self, process: subprocess.Popen[str], log: IO[bytes]) -> None:
        self._process = process
        self._log = log
        ready = self._answer()
        self.load_s: float = ready["load_s"]
        self.loaded_mib: float = ready["peak_mib"]
        self.peak_mib: float = ready["peak_mib"]

    def process(self, recording: Path, call_id: str) -> dict[str, Any]:
        """Let it process one recording.

        Args:
            recording: The file.
            call_id: Must be new to this child.
        """
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"recording": str(recording), "call_id": call_id}) + "\n")
        self._process.stdin.flush()
        result = self._answer()
        self.peak_mib = result["peak_mib"]
        return result

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._log.seek(0)
            raise SystemExit("a measured process died:\n" + self._log.read().decode(errors="replace")[-3000:])
        answer: dict[str, Any] = json.loads(line)
        return answer


@contextmanager
def child(side: str, profile: str) -> Iterator[Child]:
    """Start a side; it ends with this context.

    Args:
        side: One of `sides.NAMES`.
        profile: Of Callveil.
    """
    with TemporaryFile() as log:
        command = [sys.executable, str(_WORKER), side, profile]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
        ) as process:
            try:
                yield Child(process, log)
            finally:
                if process.stdin is not None:
                    process.stdin.close()
                try:
                    process.wait(timeout=30)
                except subprocess.TimeoutExpired:
                    process.kill()
