"""The stand-in engines are on the path for the test that wants them, and for no other."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

_STANDIN = str(Path(__file__).parents[1] / "standin")


@pytest.fixture
def standin_path(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Left on the path they would be engines to every later test."""
    monkeypatch.setattr(sys, "path", [_STANDIN, str(Path(__file__).parent), *sys.path])
    _forget()
    yield _STANDIN
    _forget()


def _forget() -> None:
    for name in [
        name for name in sys.modules if name.split(".")[0] in ("callveil_standin", "forgetting_story")
    ]:
        del sys.modules[name]
