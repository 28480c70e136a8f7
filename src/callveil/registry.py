"""Engine names and where they live. Modules are imported only when a profile names them.

An engine module has `Options`, a frozen pydantic model with `extra="forbid"`, and
`build(options, models)`, which returns the port's implementation and never downloads. Third parties add
engines through the entry-point group "callveil.engines": `name = "package.module"`, where name is
"role:engine" such as "transcriber:my-engine".
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import entry_points
from types import ModuleType

from callveil.errors import ConfigError

_BUILT_IN = {
    "transcriber:faster-whisper": "callveil.engines.faster_whisper",
    "transcriber:openai-whisper": "callveil.engines.openai_whisper",
    "diarizer:channels": "callveil.engines.channels",
    "diarizer:pyannote": "callveil.engines.pyannote",
    "detector:presidio": "callveil.engines.presidio",
}

EXTRAS = {
    "transcriber:faster-whisper": "faster-whisper",
    "transcriber:openai-whisper": "whisper",
    "diarizer:pyannote": "pyannote",
    "detector:presidio": "presidio",
}
"""Which extra of the package installs what an engine needs."""


def engine_names(role: str) -> list[str]:
    """Names of all engines for a role, built-in and third-party, sorted."""
    names = {*_BUILT_IN, *(point.name for point in entry_points(group="callveil.engines"))}
    return sorted(name.split(":", 1)[1] for name in names if name.startswith(f"{role}:"))


def engine_module(role: str, engine: str) -> ModuleType:
    """Import the module of an engine.

    Args:
        role: "transcriber", "diarizer" or "detector".
        engine: Name as it stands in a profile.

    Raises:
        ConfigError: No engine of that name, or the extra it needs is not installed.
    """
    name = f"{role}:{engine}"
    third_party = {point.name: point.value for point in entry_points(group="callveil.engines")}
    target = _BUILT_IN.get(name) or third_party.get(name)
    if target is None:
        known = ", ".join(engine_names(role))
        raise ConfigError(f"{role}.engine: no engine is called {engine!r}; allowed: {known}")
    try:
        return import_module(target)
    except ModuleNotFoundError as error:
        extra = EXTRAS.get(name)
        hint = f"install it with: pip install 'callveil[{extra}]'" if extra else "is its package installed?"
        raise ConfigError(f"{role}.engine: {engine} needs the module {error.name!r}; {hint}") from error
