"""What a result was measured on."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
RESULTS = REPOSITORY / "benchmarks"
PAGE = REPOSITORY / "BENCHMARKS.md"

SEED = 20261123
"""Of every random generator of a measured process."""

_PACKAGES = (
    "faster-whisper",
    "ctranslate2",
    "openai-whisper",
    "torch",
    "presidio-analyzer",
    "spacy",
    "onnxruntime",
    "pyannote.audio",
    "pydub",
    "pocketsphinx",
    "numpy",
)


def header(benchmark: str) -> dict[str, Any]:
    """The fields every result file begins with.

    Args:
        benchmark: Its name.
    """
    return {
        "benchmark": benchmark,
        "commit": _git("rev-parse", "HEAD"),
        # What the benchmark itself writes does not make the tree dirty.
        "dirty": bool(_git("status", "--porcelain", "--", ".", ":!benchmarks", ":!BENCHMARKS.md")),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": _machine(),
        "seed": SEED,
    }


def _git(*arguments: str) -> str | None:
    done = subprocess.run(
        ["git", *arguments], cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=60
    )
    return done.stdout.strip() if done.returncode == 0 else None


def _machine() -> dict[str, Any]:
    load_1, _, _ = os.getloadavg()
    return {
        "cpu": _field("/proc/cpuinfo", "model name") or platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "load_before": round(load_1, 2),
        "system": platform.system(),
        "python": platform.python_version(),
        "packages": {name: found for name in _PACKAGES if (found := _version(name))},
    }


def _field(path: str, name: str) -> str | None:
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(name)), None)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
