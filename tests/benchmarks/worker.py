"""One side of the comparison as a process: a line of JSON in for each recording, a line of JSON out.

Usage: worker.py SIDE PROFILE
"""

from __future__ import annotations

import json
import os
import random
import resource
import sys
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import IO, Any

from machine import SEED


def main() -> None:
    """Load the side, then process recordings until the input ends."""
    side_name, profile = sys.argv[1:]
    # Libraries print to standard output; the answers must be alone on theirs.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    warnings.simplefilter("ignore")
    with TemporaryDirectory(prefix="callveil-bench-", ignore_cleanup_errors=True) as folder:
        started = perf_counter()
        from sides import build_side

        side = build_side(side_name, profile, Path(folder))
        _seed()
        _answer(answers, {"load_s": round(perf_counter() - started, 3), "peak_mib": _peak_mib()})
        for line in sys.stdin:
            _answer(answers, _measure(side, json.loads(line)))


def _measure(side: Any, request: dict[str, str]) -> dict[str, Any]:
    ready = side.prepare(Path(request["recording"]))
    cpu, started = _cpu_s(), perf_counter()
    result = side.process(ready, request["call_id"])
    return {
        **result,
        "seconds": round(perf_counter() - started, 4),
        "cpu_s": round(_cpu_s() - cpu, 4),
        "peak_mib": _peak_mib(),
    }


def _seed() -> None:
    random.seed(SEED)
    if torch := sys.modules.get("torch"):
        torch.manual_seed(SEED)
    if ctranslate2 := sys.modules.get("ctranslate2"):
        ctranslate2.set_random_seed(SEED)


def _cpu_s() -> float:
    """Processor seconds of this process and the programs it called."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def _peak_mib() -> float:
    # Linux counts ru_maxrss in KiB (getrusage(2)).
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


def _answer(answers: IO[str], result: dict[str, Any]) -> None:
    answers.write(json.dumps(result, default=float) + "\n")
    answers.flush()


if __name__ == "__main__":
    main()
