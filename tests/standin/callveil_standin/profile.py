"""The profile and the environment that have the program use the stand-in engines."""

from __future__ import annotations

import os
from pathlib import Path

_ROOT = Path(__file__).parents[3]


def standin_profile(seconds: float = 0.02) -> str:
    """A profile whose engines take so many seconds; further tables may follow."""
    return f"""
[transcriber]
engine = "standin"
options = {{ seconds = {seconds} }}
[diarizer]
dual = {{ engine = "standin" }}
mono = {{ engine = "standin" }}
[detector]
engine = "standin"
[verify.listener]
engine = "standin-listener"
options = {{ seconds = {seconds} }}
"""


def standin_python_path() -> str:
    """PYTHONPATH on which a program finds Callveil's sources and the stand-in engines."""
    return os.pathsep.join([str(_ROOT / "src"), str(_ROOT / "tests" / "standin")])
