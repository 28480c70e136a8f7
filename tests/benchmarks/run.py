"""Measure Callveil, write benchmarks/*.json and the tables of BENCHMARKS.md.

Without a part: all but `search`, `pages`, and `real`, which scores a folder of your own labelled calls
(truth format: FORMATS.md, "Truth of a labelled call"); its result file holds sums only.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

from ablation import measure_ablation
from bar_chart import bar_chart
from conditions import charts, measure_conditions
from growth import MINUTES, measure_growth
from listeners import NAMES as LISTENERS
from listeners import build_listeners
from live import measure_live
from load import ENDURANCE_CALLS, measure_load
from machine import PAGE, RESULTS, header
from quality import MONO_CALLS, figures, score_callveil, score_naive
from report_tables import NAMES, update_page
from retention import SIZES, measure_retention
from search import SIZES as SEARCH_SIZES
from search import measure_search
from speed import CALLS, measure_speed

from callveil.config import load_config
from callveil.pipeline.evaluate import LabelledCall, find_labelled
from callveil.ports import Transcriber

CALLS_FOLDER = Path(__file__).with_name("calls")
LONG_CALL = "dev_long1"
LIVE_AT_ONCE = 3
PARTS = (
    *("all", "speed", "growth", "quality", "conditions", "ablation", "live", "load", "retention"),
    *("search", "pages", "real", "tables"),
)

_started = perf_counter()


def main() -> None:
    """Run the parts that were asked for."""
    arguments = _parse()
    heads = {part: header(part) for part in PARTS}
    answers: Mapping[str, Any] = {}
    if arguments.part in ("all", "speed"):
        answers = _speed(arguments, heads["speed"])
    if arguments.part in ("all", "growth"):
        _growth(arguments, heads["growth"])
    if arguments.part in ("all", "quality"):
        _quality(arguments, heads["quality"], answers)
    if arguments.part in ("all", "conditions"):
        _conditions(arguments, heads["conditions"])
    if arguments.part in ("all", "ablation"):
        _ablation(arguments, heads["ablation"])
    if arguments.part in ("all", "live"):
        _live(arguments, heads["live"])
    if arguments.part in ("all", "load"):
        _load(arguments, heads["load"])
    if arguments.part in ("all", "retention"):
        _retention(arguments, heads["retention"])
    for part, work in (("search", _search), ("pages", _pages), ("real", _real)):
        if arguments.part == part:
            work(arguments, heads[part])
    if not arguments.out:
        update_page(PAGE, RESULTS)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", nargs="?", default="all", choices=PARTS)
    parser.add_argument("--calls", type=Path, help="folder of labelled calls (real; default elsewhere: ours)")
    parser.add_argument("--profile", default="default", help="profile of Callveil")
    parser.add_argument("--all", action="store_true", help="naive pipeline and speed on every call: slow")
    parser.add_argument("--skip-60", action="store_true", help="growth without the hour-long call")
    parser.add_argument(
        "--listeners",
        default=",".join(LISTENERS),
        help="who hears the redacted recordings: 'whisper', 'sphinx', ENGINE/MODEL, with commas; or 'none'",
    )
    parser.add_argument("--ledger", help="search: URL of an empty PostgreSQL database; SQLite without")
    parser.add_argument(
        "--data",
        type=Path,
        help="pages: folder of the filled house; made when missing. search: the same one, read only",
    )
    parser.add_argument("--limit", type=int, help="at most this many calls, to try things out")
    parser.add_argument("--out", type=Path, help="write results here and leave BENCHMARKS.md alone")
    arguments = parser.parse_args()
    if arguments.part == "real" and arguments.calls is None:
        parser.error("real needs --calls DIR")
    return arguments


def _speed(arguments: argparse.Namespace, head: dict[str, Any]) -> Mapping[str, Any]:
    """Measure speed; the naive pipeline's answers are kept for `_quality`."""
    calls = _chosen(arguments, CALLS)
    result = measure_speed([call.audio for call in calls], arguments.profile, _tell)
    answers = result.pop("_answers")
    _write(arguments, {**head, "profile": arguments.profile, "results": result})
    factors = {NAMES[side]: found["real_time_factor"] for side, found in result["sides"].items()}
    chart = bar_chart("Wall time per second of a two-channel call", factors, unit=" s")
    (_folder(arguments) / "speed.svg").write_text(chart, encoding="utf-8")
    return {call: sides["naive"] for call, sides in answers.items()}


def _growth(arguments: argparse.Namespace, head: dict[str, Any]) -> None:
    minutes = [length for length in MINUTES if not (arguments.skip_60 and length == max(MINUTES))]
    source = CALLS_FOLDER / f"{LONG_CALL}.flac"
    result = measure_growth(source, minutes, arguments.profile, _tell)
    _write(arguments, {**head, "profile": arguments.profile, "results": result})


def _quality(arguments: argparse.Namespace, head: dict[str, Any], answers: Mapping[str, Any]) -> None:
    calls = _chosen(arguments, None)
    everywhere = arguments.all or arguments.calls is not None
    compared = tuple(call for call in calls if everywhere or call.truth.call_id in CALLS)
    mixed = _chosen(arguments, MONO_CALLS)
    profile = arguments.profile
    listeners = _listeners(arguments)
    ours = score_callveil(calls, profile, _tell, mono=False, listeners=listeners)
    theirs = score_naive(compared, profile, _tell, known=answers, listeners=listeners)
    result = {
        "callveil": figures(calls, ours),
        "callveil_same": figures(compared, ours),
        "naive": figures(compared, theirs),
        "mono": figures(mixed, score_callveil(mixed, profile, _tell, mono=True), mono=True),
    }
    _write(arguments, {**head, "profile": profile, "results": result})


def _real(arguments: argparse.Namespace, head: dict[str, Any]) -> None:
    calls, profile, listeners = _chosen(arguments, None), arguments.profile, _listeners(arguments)
    ours = score_callveil(calls, profile, _tell, mono=False, listeners=listeners)
    theirs = score_naive(calls, profile, _tell, known={}, listeners=listeners)
    sums = _sums(figures(calls, ours))
    result = {"callveil": sums, "callveil_same": sums, "naive": _sums(figures(calls, theirs))}
    _write(arguments, {**head, "profile": arguments.profile, "results": result})


def _sums(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Without what names a call: the folder is not ours to describe."""
    reasons = Counter(leak["reason"] for leak in fields["leaks"] if leak["reason"])
    return {**fields, "leaks": [], "reasons": dict(reasons), "failed": {"calls": len(fields["failed"])}}


def _conditions(arguments: argparse.Namespace, head: dict[str, Any]) -> None:
    calls = _chosen(arguments, CALLS)
    others = find_labelled(arguments.calls or CALLS_FOLDER)
    result = measure_conditions(calls, others, arguments.profile, _listeners(arguments), _tell)
    _write(arguments, {**head, "profile": arguments.profile, "results": result})
    for name, chart in charts(result).items():
        (_folder(arguments) / name).write_text(chart, encoding="utf-8")


def _ablation(arguments: argparse.Namespace, head: dict[str, Any]) -> None:
    calls = _chosen(arguments, None)
    fewer = [call for call in calls if arguments.calls or call.truth.call_id in CALLS]
    result = measure_ablation(calls, fewer, arguments.profile, _tell)
    _write(arguments, {**head, "profile": arguments.profile, "results": result})


def _live(arguments: argparse.Namespace, head: dict[str, Any]) -> None:
    calls = [call.audio for call in _chosen(arguments, CALLS)]
    if not arguments.limit:
        calls.append(CALLS_FOLDER / f"{LONG_CALL}.flac")
    result = measure_live(calls, LIVE_AT_ONCE, arguments.profile, _tell)
    _write(arguments, {**head, "profile": arguments.profile, "results": result})


def _load(arguments: argparse.Namespace, head: dict[str, Any]) -> None:
    calls = [call.audio for call in _chosen(arguments, CALLS)]
    small_calls = 10 * arguments.limit if arguments.limit else ENDURANCE_CALLS

    def keep(result: dict[str, Any]) -> None:
        _write(arguments, {**head, "profile": arguments.profile, "results": result})

    measure_load(calls, arguments.profile, small_calls, _tell, keep)


def _retention(arguments: argparse.Namespace, head: dict[str, Any]) -> None:
    sizes = (arguments.limit,) if arguments.limit else SIZES
    _write(arguments, {**head, "results": measure_retention(sizes, _tell)})


def _search(arguments: argparse.Namespace, head: dict[str, Any]) -> None:
    sizes = (arguments.limit,) if arguments.limit else SEARCH_SIZES
    found = measure_search(sizes, _tell, url=arguments.ledger, filled=arguments.data)
    _write(arguments, {**head, "results": found})


def _pages(arguments: argparse.Namespace, head: dict[str, Any]) -> None:
    from pages import N_CALLS, N_ENTRIES, measure_pages  # its house needs what tests need

    sizes = (arguments.limit or N_CALLS, arguments.limit or N_ENTRIES)
    _write(arguments, {**head, "results": measure_pages(*sizes, _tell, folder=arguments.data)})


def _listeners(arguments: argparse.Namespace) -> tuple[Transcriber, ...]:
    names = [name for name in arguments.listeners.split(",") if name not in ("", "none")]
    return build_listeners(names, load_config(arguments.profile))


def _chosen(arguments: argparse.Namespace, names: tuple[str, ...] | None) -> tuple[LabelledCall, ...]:
    """The calls of these names; every call with --all, with None, or in a folder of the user's own."""
    calls = find_labelled(arguments.calls or CALLS_FOLDER)
    if names is not None and arguments.calls is None and not arguments.all:
        calls = tuple(call for call in calls if call.truth.call_id in names)
    return calls[: arguments.limit]


def _folder(arguments: argparse.Namespace) -> Path:
    folder: Path = arguments.out or RESULTS
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _write(arguments: argparse.Namespace, result: Mapping[str, Any]) -> None:
    path = _folder(arguments) / f"{result['benchmark']}.json"
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def _tell(message: str) -> None:
    sys.stderr.write(f"[{perf_counter() - _started:6.0f} s] {message}\n")


if __name__ == "__main__":
    main()
