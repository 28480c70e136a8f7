"""How fast: Callveil, the recogniser alone, and a pipeline of an afternoon, call by call in turn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import soundfile
from children import Child, child
from clips import write_call

SIDES = ("naive", "documented", "bare", "callveil")
CALLS = ("dev01", "dev03", "dev06", "dev08", "dev12", "dev14", "dev19", "dev22")
"""Eight of the calls: British and American, clean and noisy lines, slow and fast talkers."""

WARM_UP_S = 10

AIMS = {"callveil_to_bare": 1.25, "naive_to_callveil": 4.0, "peak_mib": 2560.0}

Tell = Callable[[str], None]


def measure_speed(recordings: Sequence[Path], profile: str, tell: Tell) -> dict[str, Any]:
    """Process the same recordings on every side, in one run.

    Args:
        recordings: Calls; the beginning of the first one is also the warm-up, which is not counted.
        profile: Of Callveil.
        tell: Told the progress.

    Returns:
        "sides", "ratios", "steps", "aims" and "calls"; and under "_answers" what each side answered per
        call.
    """
    with ExitStack() as stack:
        children = {side: stack.enter_context(child(side, profile)) for side in SIDES}
        warm_up = Path(stack.enter_context(TemporaryDirectory(prefix="callveil-bench-"))) / "warm-up.flac"
        write_call(recordings[0], warm_up, WARM_UP_S)
        for side, running in children.items():
            tell(f"speed: {side} loaded in {running.load_s:.1f} s")
            running.process(warm_up, warm_up.stem)
        rows, answers = [], {}
        for number, recording in enumerate(recordings):
            answers[recording.stem] = _one_call(recording, number, children)
            rows.append(_row(recording, answers[recording.stem]))
            tell(f"speed: {number + 1} of {len(recordings)} calls " + _factors(rows[-1]))
        return {
            "sides": {side: _side(side, rows, children[side]) for side in SIDES},
            "ratios": _ratios(rows),
            "steps": _steps(rows),
            "aims": AIMS,
            "calls": rows,
            "_answers": answers,
        }


def _one_call(recording: Path, number: int, children: dict[str, Child]) -> dict[str, Any]:
    # Each call begins with another side, so that none is always measured right after the slowest.
    turn = number % len(SIDES)
    return {side: children[side].process(recording, recording.stem) for side in SIDES[turn:] + SIDES[:turn]}


def _row(recording: Path, answers: dict[str, Any]) -> dict[str, Any]:
    info = soundfile.info(recording)
    return {
        "call": recording.stem,
        "audio_s": round(info.duration, 2),
        "channels": info.channels,
        "seconds": {side: answers[side]["seconds"] for side in SIDES},
        "cpu_s": {side: answers[side]["cpu_s"] for side in SIDES},
        "words": {side: len(answers[side]["words"]) for side in SIDES},
        "steps": answers["callveil"]["steps"],
        "state": answers["callveil"]["state"],
    }


def _factors(row: dict[str, Any]) -> str:
    return ", ".join(f"{side} {row['seconds'][side] / row['audio_s']:.3f}" for side in SIDES)


def _side(side: str, rows: Sequence[dict[str, Any]], measured: Child) -> dict[str, Any]:
    factors = [row["seconds"][side] / row["audio_s"] for row in rows]
    audio_s = sum(row["audio_s"] for row in rows)
    return {
        "real_time_factor": round(median(factors), 4),
        "real_time_factor_low": round(min(factors), 4),
        "real_time_factor_high": round(max(factors), 4),
        "cpu_s_per_audio_s": round(sum(row["cpu_s"][side] for row in rows) / audio_s, 4),
        "words": sum(row["words"][side] for row in rows),
        "load_s": measured.load_s,
        "loaded_mib": measured.loaded_mib,
        "peak_mib": measured.peak_mib,
    }


def _ratios(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    pairs = {
        "callveil_to_bare": ("callveil", "bare"),
        "callveil_to_documented": ("callveil", "documented"),
        "naive_to_callveil": ("naive", "callveil"),
    }
    ratios = {}
    for name, (upper, lower) in pairs.items():
        found = [row["seconds"][upper] / row["seconds"][lower] for row in rows]
        ratios[name] = {
            "median": round(median(found), 3),
            "low": round(min(found), 3),
            "high": round(max(found), 3),
        }
    return ratios


def _steps(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Per step of Callveil: median over the calls of seconds per second of audio, and share of all time."""
    total_s = sum(row["steps"]["total"] for row in rows)
    names = dict.fromkeys(name for row in rows for name in row["steps"])
    return {
        name: {
            "real_time_factor": round(
                median(row["steps"].get(name, 0.0) / row["audio_s"] for row in rows), 5
            ),
            "share": round(sum(row["steps"].get(name, 0.0) for row in rows) / total_s, 4),
        }
        for name in names
    }
