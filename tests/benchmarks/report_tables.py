"""Result files as the tables of BENCHMARKS.md; the prose between them is written by hand."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from evidence_tables import ablation_table, conditions_tables, listeners_table, misses_table
from markdown import Row, met, table

NAMES = {
    "naive": "naive pipeline",
    "documented": "recogniser alone, its defaults",
    "bare": "recogniser alone, our options",
    "callveil": "Callveil",
}
_MEASURES = (
    ("personal data caught", "span_recall", "share"),
    ("of its time", "time_recall", "share"),
    ("stretches leaked", "leaked_spans", "count"),
    ("calls without a leak", "zero_leak_calls", "count"),
    ("calls with personal data", "calls_with_pii", "count"),
    ("ordinary speech masked", "over_masking", "share"),
    ("same, beyond 0.25 s of personal data", "over_masking_beyond_collar", "share"),
    ("look-alikes masked", "benign_hits", "count"),
    ("look-alikes", "benign_spans", "count"),
    ("word error rate", "wer", "share"),
    ("diarization error rate", "der", "share"),
)

_NEEDS_LABELS = {
    "over_masking": "labelled_plain_speech_s",
    "over_masking_beyond_collar": "labelled_plain_speech_s",
    "wer": "labelled_words",
    "der": "labelled_speaker_s",
}


def update_page(page: Path, results: Path) -> None:
    """Put the tables of all result files between their markers in the page.

    Args:
        page: BENCHMARKS.md, with `<!-- name:begin -->` and `<!-- name:end -->` around each table.
        results: Folder of the JSON files.
    """
    text = page.read_text(encoding="utf-8")
    for name, tables in _TABLES.items():
        path = results / f"{name}.json"
        if path.is_file():
            result = json.loads(path.read_text(encoding="utf-8"))
            text = _between(text, name, f"{tables(result)}\n\n{_measured(result)}")
    page.write_text(text, encoding="utf-8")


def _between(text: str, name: str, content: str) -> str:
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    before, after = text.split(begin)[0], text.split(end)[1]
    return f"{before}{begin}\n{content}\n{end}{after}"


def _measured(result: Mapping[str, Any]) -> str:
    machine = result["machine"]
    packages = ", ".join(f"{name} {number}" for name, number in machine["packages"].items())
    dirty = ", with changes not committed" if result["dirty"] else ""
    return (
        f"*{result['date'][:10]}, commit {(result['commit'] or 'unknown')[:10]}{dirty}; {machine['cpu']}, "
        f"{machine['cores']} cores, {machine['memory_gib']} GiB, load before {machine['load_before']}; "
        f"Python {machine['python']}, {packages}; seed {result['seed']}.*"
    )


def _speed(result: Mapping[str, Any]) -> str:
    speed = result["results"]
    sides = [
        (
            NAMES[side],
            f"{found['real_time_factor']:.3f}",
            f"{found['real_time_factor_low']:.3f} to {found['real_time_factor_high']:.3f}",
            f"{found['cpu_s_per_audio_s']:.3f}",
            str(found["words"]),
            f"{found['load_s']:.1f} s",
            f"{found['peak_mib'] / 1024:.2f} GiB",
        )
        for side, found in speed["sides"].items()
    ]
    audio_s = sum(call["audio_s"] for call in speed["calls"])
    steps = [
        (name, f"{step['real_time_factor']:.4f}", f"{step['share']:.1%}")
        for name, step in speed["steps"].items()
    ]
    parts = (
        f"{len(speed['calls'])} calls, {audio_s / 60:.1f} minutes, two channels.",
        table(
            ("", "x real time (median)", "range", "CPU s per s", "words heard", "loading", "peak memory"),
            sides,
        ),
        table(("aim", "measured", "range over calls", ""), _aims(speed)),
        "Steps of Callveil:",
        table(("step", "x real time (median)", "share"), steps),
        "![Real-time factor of the four sides](benchmarks/speed.svg)",
    )
    return "\n\n".join(parts)


def _aims(speed: Mapping[str, Any]) -> list[Row]:
    aims, ratios = speed["aims"], speed["ratios"]
    bare, naive = ratios["callveil_to_bare"], ratios["naive_to_callveil"]
    documented = ratios["callveil_to_documented"]
    peak_mib = speed["sides"]["callveil"]["peak_mib"]
    return [
        (
            f"Callveil takes at most {aims['callveil_to_bare']} times as long as the recogniser alone",
            f"{bare['median']:.2f}",
            f"{bare['low']:.2f} to {bare['high']:.2f}",
            met(bare["median"] <= aims["callveil_to_bare"]),
        ),
        (
            "the same, against the recogniser's own defaults",
            f"{documented['median']:.2f}",
            f"{documented['low']:.2f} to {documented['high']:.2f}",
            "no aim",
        ),
        (
            f"the naive pipeline takes at least {aims['naive_to_callveil']:g} times as long as Callveil",
            f"{naive['median']:.2f}",
            f"{naive['low']:.2f} to {naive['high']:.2f}",
            met(naive["median"] >= aims["naive_to_callveil"]),
        ),
        (
            f"Callveil needs less than {aims['peak_mib'] / 1024:g} GiB",
            f"{peak_mib / 1024:.2f} GiB",
            "",
            met(peak_mib < aims["peak_mib"]),
        ),
    ]


def _growth(result: Mapping[str, Any]) -> str:
    growth = result["results"]
    rows = growth["rows"]
    main = table(
        ("call", "wall time", "x real time", "memory once loaded", "peak memory", "masks"),
        [
            (
                f"{row['minutes']} min",
                f"{row['seconds']:.1f} s",
                f"{row['real_time_factor']:.3f}",
                f"{row['loaded_mib']:.0f} MiB",
                f"{row['peak_mib']:.0f} MiB",
                str(row["masks"]),
            )
            for row in rows
        ],
    )
    steps = dict.fromkeys(step for row in rows for step in row["steps"])
    per_step = table(
        ("step, x real time", *(f"{row['minutes']} min" for row in rows)),
        [
            (step, *(f"{row['steps'].get(step, 0.0) / (row['minutes'] * 60):.4f}" for row in rows))
            for step in steps
        ],
    )
    return f"{main}\n\n{_flatness(growth)}\n\n{per_step}"


def _flatness(growth: Mapping[str, Any]) -> str:
    peaks = {row["minutes"]: row["peak_mib"] for row in growth["rows"]}
    longest, start = max(peaks), growth["flat_from_minutes"]
    if start not in peaks or longest <= start:
        return "The longest call was left out of this run, so whether memory stays flat is not known."
    ratio = peaks[longest] / peaks[start]
    return (
        f"Peak memory of {longest} minutes is {ratio:.2f} times that of {start} minutes; aim: at most "
        f"{growth['flat']} ({met(ratio <= growth['flat'])})."
    )


def _quality(result: Mapping[str, Any]) -> str:
    found = result["results"]
    columns = {f"Callveil, {_calls(found['callveil'])}": found["callveil"]}
    if found["naive"]["calls"] != found["callveil"]["calls"]:
        columns[f"Callveil, {_calls(found['naive'])}"] = found["callveil_same"]
    columns[f"naive pipeline, the same {_calls(found['naive'])}"] = found["naive"]
    if found.get("mono"):
        columns[f"Callveil, {_calls(found['mono'])} mixed to mono"] = found["mono"]
    parts = [table(("", *columns), _measures(list(columns.values())))]
    parts.append("Caught, of all, by kind:")
    parts.append(table(("", *columns), _kinds(list(columns.values()))))
    if listened := listeners_table(columns):
        parts += ["Values that a listener still reads in the redacted recordings:", listened]
    if missed := misses_table(found["callveil"]["leaks"]):
        parts += ["Worst misses of Callveil:", missed]
    return "\n\n".join(parts)


def _calls(column: Mapping[str, Any]) -> str:
    return "1 call" if column["calls"] == 1 else f"{column['calls']} calls"


def _measures(columns: Sequence[Mapping[str, Any]]) -> list[Row]:
    rows: list[Row] = [("minutes", *(f"{column['minutes']:.1f}" for column in columns))]
    for label, key, kind in _MEASURES:
        cells = (_share(column, key) if kind == "share" else str(column[key]) for column in columns)
        rows.append((label, *cells))
    return rows


def _share(column: Mapping[str, Any], key: str) -> str:
    return f"{column[key]:.3f}" if column.get(_NEEDS_LABELS.get(key, "spans")) else "not labelled"


def _kinds(columns: Sequence[Mapping[str, Any]]) -> list[Row]:
    kinds = sorted({kind for column in columns for kind in column["by_entity"]})
    return [(kind, *(_kind(column["by_entity"].get(kind)) for column in columns)) for kind in kinds]


def _kind(recall: Mapping[str, Any] | None) -> str:
    return f"{recall['caught']} of {recall['spans']}" if recall else "none there"


def _live(result: Mapping[str, Any]) -> str:
    live = result["results"]
    rows = [
        (row["call"], f"{row['duration_s']:.0f} s", f"{row['published_after_s']:.1f} s", row["state"])
        for row in sorted(live["rows"], key=lambda row: float(row["duration_s"]))
    ]
    published = sum(row["state"] == "published" for row in live["rows"])
    return (
        f"{published} of {len(rows)} live calls published, {live['at_once']} at a time; from hang-up to"
        f" published: median {live['p50_s']:.1f} s, 95th percentile {live['p95_s']:.1f} s.\n\n"
        + table(("call", "length", "published after hang-up", "state"), rows)
    )


def _load(result: Mapping[str, Any]) -> str:
    load = result["results"]
    kib = load["small_call_bytes"] / 1024
    intake = table(
        ("clients at a time", "accepted pushes per s", "median", "99th percentile"),
        [
            (str(row["clients"]), f"{row['per_s']:.0f}", f"{row['p50_ms']:.0f} ms", f"{row['p99_ms']:.0f} ms")
            for row in load["intake"]
        ],
    )
    endurance = load["endurance"]
    names = [name for name in ("api", "worker", "engines", "broker") if name in endurance["memory_mib"][-1]]
    memory = table(
        ("calls settled", *names),
        [
            (str(row["calls"]), *(f"{row.get(name, 0):.0f} MiB" for name in names))
            for row in endurance["memory_mib"]
        ],
    )
    scaling = table(
        ("partitions", "engine processes", "calls per s"),
        [
            (str(row["partitions"]), str(row["processes"]), f"{row['settled_per_s']:.2f}")
            for row in load.get("scaling", ())
        ],
    )
    parts = [
        f"Pushes of {kib:.0f} KiB, no worker running:",
        intake,
        f"{endurance['calls']} such calls, one in {endurance['granted_one_in']} granted, the others denied,"
        " through the whole service with stand-in engines that take no time:"
        f" {endurance['settled_per_s']:.1f} settled per second, {endurance['published']} published. Resident"
        " memory on the way:",
        memory,
        "Stand-in engines that wait 0.4 s each time they hear:",
        scaling,
    ]
    if real := load.get("real"):
        parts.append(
            f"Real engines, one process, {real['seconds']:.0f} s of work:"
            f" {real['hours_per_hour']:.1f} hours of audio per hour."
        )
    return "\n\n".join(parts)


def _retention(result: Mapping[str, Any]) -> str:
    found = result["results"]
    rows = [
        (
            f"{row['calls']:,}, {job}",
            f"{row[job]['seconds']:.1f} s",
            f"{row[job]['cpu_s']:.1f} s",
            f"{row[job]['calls_per_s']:,}",
            f"{row[job]['loaded_mib']:.0f} MiB",
            f"{row[job]['peak_mib']:.0f} MiB",
        )
        for row in found["sizes"]
        for job in ("simulate", "sweep")
    ]
    main = table(
        ("calls", "wall time", "of it computing", "calls per s", "memory once loaded", "peak memory"), rows
    )
    aim, largest = found["aim_simulate_s"], found["sizes"][-1]
    is_met = largest["simulate"]["seconds"] <= aim
    return f"{main}\n\nAim: {largest['calls']:,} calls are simulated within {aim:.0f} s: {met(is_met)}."


def _search(result: Mapping[str, Any]) -> str:
    found = result["results"]
    sizes, largest = found["sizes"], found["sizes"][-1]
    rows = [
        (asked, *(_first_and_median(row["seconds"][asked]) for row in sizes)) for asked in largest["seconds"]
    ]
    heads = [f"{row['calls']:,} calls, {row['bytes'] / 2**30:.1f} GiB" for row in sizes]
    aim, first = found["aim_first_page_s"], largest["seconds"]["first page"]["median"]
    return (
        f"{table((largest['database'], *heads), rows)}\n\n"
        f"Aim: the first of {largest['calls']:,} calls within {1000 * aim:.0f} ms: {met(first <= aim)}."
    )


def _first_and_median(seconds: Mapping[str, float]) -> str:
    return f"{1000 * seconds['median']:.0f} ms ({1000 * seconds['first']:.0f})"


_TABLES: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "speed": _speed,
    "growth": _growth,
    "quality": _quality,
    "real": _quality,
    "conditions": conditions_tables,
    "ablation": ablation_table,
    "live": _live,
    "load": _load,
    "retention": _retention,
    "search": _search,
}
