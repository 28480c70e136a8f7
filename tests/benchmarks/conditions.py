"""Codecs and noise: Callveil and the naive pipeline on the same changed calls, in one run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bar_chart import grouped_bars
from children import Child, child
from groups import slim
from noisy_calls import CODECS, CONDITIONS, NOISES, Condition, change_calls
from quality import figures, naive_scores

from callveil.config import load_config
from callveil.kit import Kit, build_kit
from callveil.pipeline.evaluate import LabelledCall, evaluate_calls
from callveil.pipeline.listeners import Listening
from callveil.ports import Transcriber

SIDES = {"callveil": "Callveil", "naive": "naive pipeline"}


def measure_conditions(
    calls: Sequence[LabelledCall],
    others: Sequence[LabelledCall],
    profile: str,
    listeners: Sequence[Transcriber],
    tell: Callable[[str], None],
) -> dict[str, Any]:
    """Score both sides under every condition.

    Args:
        calls: To be measured.
        others: Calls whose speech is the babble.
        profile: Of Callveil.
        listeners: Hear the originals and what both sides made of them.
        tell: Told the progress.
    """
    rows = []
    with TemporaryDirectory(prefix="callveil-bench-") as store, child("naive", profile) as naive:
        kit = build_kit(load_config(profile), store)
        for condition in CONDITIONS:
            with TemporaryDirectory(prefix="callveil-bench-") as folder:
                changed = change_calls(calls, condition, others, Path(folder))
                rows.append(_row(condition, changed, kit, naive, listeners, tell))
    return {"conditions": rows}


def _row(
    condition: Condition,
    calls: Sequence[LabelledCall],
    kit: Kit,
    naive: Child,
    listeners: Sequence[Transcriber],
    tell: Callable[[str], None],
) -> dict[str, Any]:
    listening = Listening(listeners=tuple(listeners), has_original=True) if listeners else None
    ours = evaluate_calls(
        calls,
        kit,
        mono=False,
        on_call=lambda score: tell(f"conditions: {condition.name}, callveil, {score.call_id}"),
        listening=listening,
    )
    answers = {}
    for call in calls:
        # The child wants a name that is new to it.
        name = f"{call.truth.call_id}-{condition.name}"
        answers[call.truth.call_id] = naive.process(call.audio, name)
        tell(f"conditions: {condition.name}, naive, {call.truth.call_id}")
    theirs = naive_scores(calls, answers, listeners)
    return {
        "name": condition.name,
        "codec": condition.codec,
        "snr_db": condition.snr_db,
        "callveil": slim(figures(calls, ours)),
        "naive": slim(figures(calls, theirs)),
    }


def charts(result: Mapping[str, Any]) -> dict[str, str]:
    """The plots as SVG, by file name.

    Args:
        result: Of `measure_conditions`.
    """
    rows = {row["name"]: row for row in result["conditions"]}
    return {
        "conditions_codec.svg": _chart("By codec", {name: rows[name] for name in CODECS if name in rows}),
        "conditions_noise.svg": _chart(
            "By babble, speech over noise", {label: rows[name] for label, name in NOISES.items()}
        ),
    }


def _chart(title: str, rows: Mapping[str, Mapping[str, Any]]) -> str:
    series = {
        f"{label}: personal data caught": {name: row[side]["span_recall"] for name, row in rows.items()}
        for side, label in SIDES.items()
    }
    for number, listener in enumerate(next(iter(rows.values()))["callveil"]["listeners"]):
        if number == 0:  # the best one alone: more bars cannot be told apart
            for side, label in SIDES.items():
                series[f"{label}: values still read by {listener['listener'].split('/')[0]}"] = {
                    name: row[side]["listeners"][number]["independent_leak_rate"]
                    for name, row in rows.items()
                }
    return grouped_bars(title, series)
