"""Retention over a million calls: simulate and sweep decisions, their time and memory."""

from __future__ import annotations

import json
import random
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import product
from pathlib import Path
from time import perf_counter, process_time
from types import SimpleNamespace
from typing import Any

import sqlalchemy as sa
from machine import SEED

from callveil.adapters.ledger_sql import SqlLedger, open_ledger
from callveil.adapters.ledger_sql.call_rows import call_to_json
from callveil.adapters.ledger_sql.retention_columns import traits_to_json
from callveil.adapters.ledger_sql.tables import calls, traits
from callveil.pipeline.sweep import sweep
from callveil.retention.policy import midnight
from callveil.retention.simulate import simulate
from callveil.testing import ManualClock
from callveil.testing import call as make_call
from callveil.vocabulary.retention import CallTraits, Hold, HoldScope, KeptPart, Match, Period, Policy

SIZES = (100_000, 1_000_000)
AIM_S = 30.0
"""A simulation of the largest size takes no longer than this."""

_FIRST, _DAYS, _ON = date(2024, 1, 1), 3 * 365, date(2027, 2, 1)
_OUTCOMES = ("published",) * 95 + ("quarantined",) * 3 + ("failed", "discarded")
_HELD_OF = 200
"""One call of so many is under legal hold, which costs a decision of its own."""

AUDIO, TRANSCRIPT, ORIGINAL, CERTIFICATE = KeptPart


def measure_retention(sizes: tuple[int, ...], tell: Callable[[str], None]) -> dict[str, Any]:
    """Fill a ledger on SQLite, then simulate and sweep it, each in a process of its own.

    Args:
        sizes: Numbers of calls.
        tell: Told how it goes on.
    """
    results = []
    for n_calls in sizes:
        with tempfile.TemporaryDirectory(prefix="callveil-retention-") as folder:
            path = Path(folder) / "ledger.sqlite3"
            started = perf_counter()
            fill(path, n_calls)
            tell(f"retention: {n_calls} calls written in {perf_counter() - started:.0f} s")
            row = {"calls": n_calls, "ledger_bytes": path.stat().st_size}
            for job in ("simulate", "sweep"):
                row[job] = _in_a_process(job, path)
                tell(f"retention: {job} {row[job]}")
            results.append(row)
    return {"aim_simulate_s": AIM_S, "sizes": results}


def fill(path: Path, n_calls: int) -> None:
    """Write calls of three years into a new ledger: 240 kinds of traits, one in 200 under legal hold."""
    ledger = open_ledger(f"sqlite:///{path}")
    database = ledger._database
    kinds = list(
        product(
            [f"queue-{number}" for number in range(8)],
            ["inbound", "outbound"],
            ["DE", "FR", "GB", "US-CA", "US-NY"],
            [frozenset(), frozenset({"mifid"}), frozenset({"complaint", "vip"})],
        )
    )
    with database.engine.begin() as connection:
        connection.execute(
            sa.insert(traits),
            [{"number": number + 1, "traits": _traits(*kind)} for number, kind in enumerate(kinds)],
        )
    generator = random.Random(SEED)
    for start in range(0, n_calls, 20_000):
        rows = list(_rows(range(start, min(start + 20_000, n_calls)), len(kinds), generator))
        with database.engine.begin() as connection:
            connection.execute(sa.insert(calls), rows)
    _hold(ledger, [f"call-{number:08}" for number in range(0, n_calls, _HELD_OF)])
    ledger.close()


def _traits(queue: str, direction: str, place: str, tags: frozenset[str]) -> str:
    purposes = frozenset({"recording", "transcription"})
    found = CallTraits(
        outcome="",
        queue=queue,
        direction=direction,
        jurisdictions=frozenset({place}),
        purposes=purposes,
        tags=tags,
    )
    return traits_to_json(found)


def _rows(numbers: range, n_kinds: int, generator: random.Random) -> Iterator[dict[str, Any]]:
    text = call_to_json(make_call())
    for number in numbers:
        second = generator.randrange(_DAYS * 86_400)
        ended_at = datetime.combine(_FIRST, datetime.min.time(), tzinfo=UTC) + timedelta(seconds=second)
        yield {
            "call_id": f"call-{number:08}",
            "call": text,
            "state": generator.choice(_OUTCOMES),
            "reason": "",
            "source": "push",
            "incomplete": False,
            "duration_s": float(generator.randrange(20, 1200)),
            "masked_s": "{}",
            "attempts": 1,
            "consent_version": 1,
            "received_at": ended_at,
            "arrived_at": ended_at,
            "heartbeat_at": ended_at,
            "updated_at": ended_at,
            "fence": 1,
            "traits": generator.randrange(n_kinds) + 1,
            "ended_at": ended_at,
            "ended_on": f"{ended_at:%Y-%m-%d}",
        }


def _hold(ledger: SqlLedger, call_ids: list[str]) -> None:
    now = datetime.combine(_ON, datetime.min.time(), tzinfo=UTC)
    hold = Hold(
        hold_id="hold-0123456789ab",
        scope=HoldScope.QUERY,
        reason="measured",
        authority="nobody",
        placed_by="benchmark",
        placed_at=now,
    )
    ledger.books.holds.place(hold, call_ids=call_ids, actor="benchmark", now=now)


def policies(audio_days: int) -> tuple[Policy, ...]:
    """Six policies and a fallback, as a contact centre might have them."""
    year = Period(months=12)
    return (
        Policy(
            name="mifid",
            match=Match(tags=frozenset({"mifid"})),
            duty=dict.fromkeys(KeptPart, Period(months=60)),
            law="MiFID II Art. 16(7)",
        ),
        Policy(name="sales", match=Match(queues=frozenset({"queue-0", "queue-1"})), keep={AUDIO: year}),
        Policy(
            name="service",
            match=Match(queues=frozenset(f"queue-{number}" for number in range(2, 8))),
            keep={AUDIO: Period(days=audio_days), TRANSCRIPT: Period(months=24)},
        ),
        Policy(
            name="complaints",
            match=Match(tags=frozenset({"complaint"})),
            keep={AUDIO: Period(months=36), TRANSCRIPT: Period(months=36)},
            since="case_closed",
        ),
        Policy(
            name="germany", match=Match(jurisdictions=frozenset({"DE"})), maximum={AUDIO: Period(months=24)}
        ),
        Policy(
            name="unproven",
            match=Match(outcomes=frozenset({"failed", "quarantined"})),
            keep=dict.fromkeys(KeptPart, Period(days=30)),
        ),
        Policy(name="standard", keep=dict.fromkeys(KeptPart, Period(days=365)), fallback=True),
    )


def _in_a_process(job: str, path: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, __file__, job, str(path)], capture_output=True, text=True, check=True, timeout=3600
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _simulate(ledger: SqlLedger) -> dict[str, Any]:
    removals = ledger.books.removals
    found = simulate(removals.groups(), removals.singled_out(), policies(180), policies(90), _ON)
    return {
        "calls": found.total.ends_after.n_calls,
        "deleted": found.total.deleted_after.n_calls,
        "shortened": found.total.shortened.n_calls,
        "held": found.total.held.n_calls,
        "rows": len(found.rows),
    }


def _sweep(ledger: SqlLedger) -> dict[str, Any]:
    clock = ManualClock(midnight(_ON))
    office: Any = SimpleNamespace(books=ledger.books, ledger=ledger, policies=policies(90), clock=clock)
    found = sweep(office, at=midnight(_ON), limit=1, actor="benchmark", dry_run=True)
    return {"calls": found.n_calls, "due": found.n_due, "held": found.held}


def _main() -> None:
    job, path = sys.argv[1:]
    ledger = open_ledger(f"sqlite:///{path}")
    before_mib = _peak_mib()
    started, cpu_started = perf_counter(), process_time()
    found = {"simulate": _simulate, "sweep": _sweep}[job](ledger)
    seconds = perf_counter() - started
    found |= {
        "seconds": round(seconds, 2),
        "cpu_s": round(process_time() - cpu_started, 2),
        "calls_per_s": round(found["calls"] / seconds),
        "loaded_mib": before_mib,
        "peak_mib": _peak_mib(),
    }
    sys.stdout.write(json.dumps(found))


def _peak_mib() -> float:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


if __name__ == "__main__":
    _main()
