"""Processes that belong together: started in order, started again when they die, stopped together."""

from __future__ import annotations

import ctypes
import logging
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

log = logging.getLogger(__name__)

_PR_SET_PDEATHSIG = 1
"""linux/prctl.h"""

_QUICK_S = 5.0
"""A process that died sooner is started again only after a pause."""


def _die_with_parent() -> None:
    """So that a killed supervisor leaves no process behind; Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


@dataclass(slots=True)
class Part:
    """One process.

    Attributes:
        name: For people.
        command: What to run.
        environment: All of its environment.
        restarts: How often it was started again.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    restarts: int = 0
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    _started: float = 0.0

    @property
    def pid(self) -> int | None:
        """None while it does not run."""
        return self._process.pid if self._process and self._process.poll() is None else None


class Supervisor:
    """Runs parts, their output in files.

    Args:
        logs: Folder of the output files; made when it is missing.
    """

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self.parts: list[Part] = []

    def start(self, part: Part) -> None:
        """Start a part and look after it from now on."""
        self.parts.append(part)
        self._run(part)

    def look(self) -> None:
        """Start again what has died; call it every second or so."""
        for part in self.parts:
            if part.pid is None and time.monotonic() - part._started > _QUICK_S:
                part.restarts += 1
                log.error("%s died and is started again; see %s.log", part.name, self._logs / part.name)
                self._run(part)

    def stop(self, timeout_s: float) -> None:
        """Ask all to stop, the last first, and kill what is left after a while."""
        end = time.monotonic() + timeout_s
        running = [part._process for part in reversed(self.parts) if part._process is not None]
        for process in running:
            if process.poll() is None:
                process.terminate()
        for process in running:
            try:
                process.wait(max(0.1, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _run(self, part: Part) -> None:
        self._logs.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self._logs / f"{part.name}.log").open("ab") as output:
            part._process = subprocess.Popen(  # noqa: S603  our own commands
                part.command,
                env=dict(part.environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                preexec_fn=_die_with_parent,
                start_new_session=True,  # Ctrl-C is for the supervisor, which stops them in order
            )
        part._started = time.monotonic()
