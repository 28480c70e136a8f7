"""The tables of conditions, ablation, listeners and misses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from groups import GROUPS
from markdown import Row, table

_SIDES = {"callveil": "Callveil", "naive": "naive pipeline"}
_MOST_MISSES = 20


def conditions_tables(result: Mapping[str, Any]) -> str:
    """Both sides under each condition.

    Args:
        result: The result file.
    """
    rows = result["results"]["conditions"]
    listeners = [entry["listener"] for entry in rows[0]["callveil"]["listeners"]]
    head = (
        "", "caught", *GROUPS, "calls without a leak", "ordinary speech masked",
        *(f"still read by {_short(name)}" for name in listeners), "word errors",
    )  # fmt: skip
    lines: list[Row] = []
    for row in rows:
        lines += [(f"{row['name']}: {label}", *_cells(row[side])) for side, label in _SIDES.items()]
    parts = [
        f"{rows[0]['callveil']['calls']} calls, {rows[0]['callveil']['minutes']:.1f} minutes.",
        table(head, lines),
    ]
    if listeners:
        parts += [
            "What the listeners can read in the recordings before anything is masked:",
            table(
                ("", *listeners),
                [(row["name"], *(_able(entry) for entry in row["callveil"]["listeners"])) for row in rows],
            ),
        ]
    parts += [
        "![By codec](benchmarks/conditions_codec.svg)",
        "![By babble](benchmarks/conditions_noise.svg)",
    ]
    return "\n\n".join(parts)


def _cells(side: Mapping[str, Any]) -> Row:
    return (
        f"{side['span_recall']:.3f}",
        *(_of(side["groups"][group], "caught", "spans") for group in GROUPS),
        f"{side['zero_leak_calls']} of {side['calls_with_pii']}",
        f"{side['over_masking_beyond_collar']:.3f}",
        *(f"{entry['independent_leak_rate']:.3f}" for entry in side["listeners"]),
        f"{side['wer']:.3f}",
    )


def ablation_table(result: Mapping[str, Any]) -> str:
    """One row per means that is off, under the row with everything on.

    Args:
        result: The result file.
    """
    found = result["results"]
    once = [row for row in found["off"] if not row["heard_again"]]
    again = [row for row in found["off"] if row["heard_again"]]
    head = (
        "switched off", "caught", "difference", *GROUPS, "calls without a leak", "ordinary speech masked",
        "look-alikes masked",
    )  # fmt: skip
    parts = []
    for reference, rows in ((found["all_on"], once), (found["all_on_fewer"], again)):
        if rows:
            label = f"nothing ({reference['calls']} call{'s' * (reference['calls'] != 1)})"
            lines = [_off(label, reference, reference)]
            lines += [_off(row["switch"], row, reference) for row in rows]
            parts.append(table(head, lines))
    return "\n\n".join(parts)


def _off(label: str, row: Mapping[str, Any], reference: Mapping[str, Any]) -> Row:
    points = 100 * (row["span_recall"] - reference["span_recall"])
    return (
        label,
        f"{row['span_recall']:.3f}",
        "" if row is reference else f"{points:+.1f} points",
        *(_of(row["groups"][group], "caught", "spans") for group in GROUPS),
        f"{row['zero_leak_calls']} of {row['calls_with_pii']}",
        f"{row['over_masking_beyond_collar']:.3f}",
        f"{row['benign_hits']} of {row['benign_spans']}",
    )


def listeners_table(columns: Mapping[str, Mapping[str, Any]]) -> str:
    """The independent leak rate: values that listeners still read, of all; "" when nobody listened.

    Args:
        columns: Label to the fields of a summary.
    """
    names = dict.fromkeys(entry["listener"] for column in columns.values() for entry in column["listeners"])
    shown = {label: column for label, column in columns.items() if column["listeners"]}
    rows: list[Row] = []
    for name in names:
        entries = [
            next((entry for entry in column["listeners"] if entry["listener"] == name), None)
            for column in shown.values()
        ]
        rows.append((f"{name}: independent leak rate", *(_rate(entry) for entry in entries)))
        if any(entry and "ability" in entry for entry in entries):
            rows.append((f"{name}: in the original", *(_able(entry) for entry in entries)))
        kinds = sorted({kind for entry in entries if entry for kind in entry["by_entity"]})
        rows += [(f"&nbsp; {kind}", *(_read(entry, kind) for entry in entries)) for kind in kinds]
    return table(("", *shown), rows) if rows else ""


def _rate(entry: Mapping[str, Any] | None) -> str:
    if entry is None:
        return "not heard"
    return f"{entry['independent_leak_rate']:.3f} ({entry['read']} of {entry['values']})"


def _able(entry: Mapping[str, Any] | None) -> str:
    if entry is None or "ability" not in entry:
        return "not heard"
    return f"{entry['ability']:.3f} ({entry['read_in_original']} of {entry['values']})"


def _read(entry: Mapping[str, Any] | None, kind: str) -> str:
    row = entry["by_entity"].get(kind) if entry else None
    if row is None:
        return "none there"
    original = f", originally {row['read_in_original']}" if "read_in_original" in row else ""
    return f"{row['read']} of {row['values']}{original}"


def misses_table(leaks: Sequence[Mapping[str, Any]]) -> str:
    """The worst misses and how often each reason occurs; never what was said.

    Args:
        leaks: As in the fields of a summary.
    """
    if not leaks:
        return ""
    reasons: dict[str, int] = {}
    for leak in leaks:
        reasons[leak["reason"]] = reasons.get(leak["reason"], 0) + 1
    counted = ", ".join(f"{reason}: {n}" for reason, n in sorted(reasons.items(), key=lambda item: -item[1]))
    worst = sorted(leaks, key=lambda leak: (leak["covered"], leak["start_s"] - leak["end_s"]))[:_MOST_MISSES]
    rows = [
        (
            leak["call_id"],
            leak["entity"],
            f"{leak['start_s']:.1f} to {leak['end_s']:.1f} s",
            f"{leak['covered']:.0%}",
            leak["reason"],
        )
        for leak in worst
    ]
    return f"By reason: {counted}.\n\n" + table(("call", "kind", "where", "masked", "reason"), rows)


def _of(row: Mapping[str, int], part: str, whole: str) -> str:
    return f"{row[part]} of {row[whole]}" if row[whole] else "none there"


def _short(listener: str) -> str:
    return listener.split("/")[0]
