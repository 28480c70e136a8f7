"""Orders to the engines: files in the folder that CALLVEIL_STANDIN names, each obeyed once by one process.

`crash-<n>` kills the process, `hang-<n>` keeps it busy for the seconds in the file, `fail-<n>` is an
engine error. An order that was obeyed is renamed to `done-<order>`.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from callveil.errors import EngineError


def give(folder: Path, order: str, content: str = "") -> None:
    """Give an order, such as "crash-1"."""
    draft = folder / f".{order}"
    draft.write_text(content)
    draft.rename(folder / order)


def is_obeyed(folder: Path, order: str) -> bool:
    """Whether somebody took it."""
    return (folder / f"done-{order}").exists()


def obey() -> None:
    """Take the first order that lies there, if any."""
    folder = os.environ.get("CALLVEIL_STANDIN")
    if not folder:
        return
    for path in sorted(Path(folder).glob("[chf]*-*")):
        try:
            content = path.read_text()
            path.rename(path.with_name(f"done-{path.name}"))
        except FileNotFoundError:
            continue
        kind = path.name.partition("-")[0]
        if kind == "crash":
            os.kill(os.getpid(), signal.SIGKILL)
        if kind == "hang":
            time.sleep(float(content))
            return
        raise EngineError("standin: told to fail")
