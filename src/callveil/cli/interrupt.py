"""Ctrl-C and SIGTERM end a verb in the same way, even where a library swallows the exception."""

from __future__ import annotations

import signal
import sys
from types import FrameType

_asked = False


def install() -> None:
    """Turn SIGINT and SIGTERM into `KeyboardInterrupt`, and remember them."""
    signal.signal(signal.SIGINT, _interrupt)
    signal.signal(signal.SIGTERM, _interrupt)


def check() -> None:
    """Raise `KeyboardInterrupt` if one was asked for; an import or a destructor may have swallowed it."""
    if _asked:
        raise KeyboardInterrupt


def _interrupt(_signum: int, _frame: FrameType | None) -> None:
    global _asked
    _asked = True
    sys.stderr.write("interrupted, cleaning up\n")
    raise KeyboardInterrupt
