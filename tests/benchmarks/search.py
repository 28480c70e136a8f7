"""Lists of a million calls and the search in their transcripts: first, deep, filtered and text pages."""

from __future__ import annotations

import json
import random
import statistics
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter
from typing import Any

import sqlalchemy as sa
from machine import SEED

from callveil.adapters.ledger_sql import SqlLedger, open_ledger
from callveil.adapters.ledger_sql.call_rows import call_to_json
from callveil.adapters.ledger_sql.search_rows import number_of, vector
from callveil.adapters.ledger_sql.search_tables import call_kinds, call_texts
from callveil.adapters.ledger_sql.tables import calls
from callveil.stages.search_text import folded
from callveil.testing import call as make_call
from callveil.vocabulary.ledger import CallState
from callveil.vocabulary.pii import Entity
from callveil.vocabulary.search import CallFlag, CallQuery, CallSort, Cursor

SIZES = (100_000, 1_000_000)
AIM_S = 0.3
"""The first page takes no longer than this with the largest size."""

_LATEST, _DAYS = datetime(2026, 11, 24, tzinfo=UTC), 3 * 365
_QUEUES = [f"queue-{number}" for number in range(30)]
_AGENTS = [f"agent-{number:04}" for number in range(800)]
_STATES = ("published",) * 95 + ("quarantined",) * 3 + ("failed", "discarded")
_KINDS = [kind.value for kind in Entity]
_WORDS = [f"{a}{b}{c}" for a in "bdfgklmnprst" for b in "aeiou" for c in ("rn", "st", "ll", "nd", "x", "m")]
_COMMON = ["the", "and", "you", "to", "please", "yes", "okay", "thanks"]
_TIMES = 5


def measure_search(
    sizes: tuple[int, ...],
    tell: Callable[[str], None],
    *,
    url: str | None = None,
    filled: Path | None = None,
    n_words: int = 120,
) -> dict[str, Any]:
    """Fill a ledger, then time pages of it, each the median of some.

    Args:
        sizes: Numbers of calls.
        tell: Told how it goes on.
        url: Of an empty PostgreSQL database, for one size; None for SQLite in a temporary folder.
        filled: Data folder with as many calls as the last size, filled by `fill`; it is only read.
        n_words: Words of a transcript.
    """
    results = []
    for n_calls in sizes:
        with tempfile.TemporaryDirectory(prefix="callveil-search-") as made:
            is_there = filled is not None and n_calls == sizes[-1]
            folder = filled if filled is not None and is_there else Path(made)
            ledger = open_ledger(url or f"sqlite:///{folder}/ledger.sqlite3")
            started = perf_counter()
            if not is_there:
                fill(ledger, n_calls, n_words)
                tell(f"search: {n_calls} calls written in {perf_counter() - started:.0f} s")
            row = {
                "calls": n_calls,
                "database": ledger._database.engine.dialect.name,
                "words_per_call": n_words,
                "bytes": _size(ledger, folder),
                "seconds": {name: _timed(work) for name, work in _works(ledger).items()},
            }
            ledger.close()
            tell(f"search: {json.dumps(row)}")
            results.append(row)
    return {"aim_first_page_s": AIM_S, "sizes": results}


def fill(ledger: SqlLedger, n_calls: int, n_words: int) -> None:
    """Write calls of three years: 30 queues, 800 agents, one in 500 restricted, one in 300 under hold."""
    generator, database = random.Random(SEED), ledger._database
    text = call_to_json(make_call())
    for start in range(0, n_calls, 5_000):
        numbers = range(start, min(start + 5_000, n_calls))
        rows = list(_rows(numbers, n_calls, text, generator))
        kinds = [
            {"kind": kind, "started_at": row["started_at"], "call_id": row["call_id"]}
            for row in rows
            for kind in json.loads(row["masked_s"])
        ]
        texts = list(_texts(rows, n_words, generator, is_sqlite=not database.is_postgresql))
        with database.engine.begin() as connection:
            connection.execute(sa.insert(calls), rows)
            connection.execute(sa.insert(call_kinds), kinds)
            connection.execute(sa.insert(call_texts), texts)
    if database.is_postgresql:
        engine = database.engine.execution_options(isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql("VACUUM ANALYZE")  # as it does by itself in real life


def _rows(numbers: range, n_calls: int, text: str, generator: random.Random) -> Iterator[dict[str, Any]]:
    step = timedelta(days=_DAYS) / n_calls
    for number in numbers:
        started_at = _LATEST - timedelta(days=_DAYS) + step * number
        masked = {kind: 1.5 for kind in generator.sample(_KINDS[:12], generator.randrange(4))}
        if number % 5000 == 0:
            masked["MEDICAL"] = 2.0
        length_s = float(generator.randrange(20, 1200))
        # Half of all calls are in three queues; the rarest has about one in a thousand.
        queue = _QUEUES[min(int(generator.expovariate(0.25)), 29)]
        yield {
            "call_id": f"call-{generator.getrandbits(64):016x}-{number}",
            "call": text,
            "state": generator.choice(_STATES),
            "reason": "",
            "source": "push",
            "incomplete": False,
            "prefix": f"calls/{number}/",
            "duration_s": length_s,
            "masked_s": json.dumps(masked, separators=(",", ":")),
            "attempts": 1,
            "consent_version": 1,
            "received_at": started_at,
            "arrived_at": started_at,
            "heartbeat_at": started_at,
            "updated_at": started_at,
            "fence": 1,
            "started_at": started_at,
            "queue": queue,
            "agent": generator.choice(_AGENTS),
            "length_s": length_s,
            "masked_total_s": float(sum(masked.values())),
            "n_holds": int(number % 300 == 0),
            "restricted": "Art. 18" if number % 500 == 0 else None,
        }


def _texts(
    rows: list[dict[str, Any]], n_words: int, generator: random.Random, *, is_sqlite: bool
) -> Iterator[dict[str, Any]]:
    for index, row in enumerate(rows):
        if row["restricted"] is not None or row["state"] != "published":
            continue
        words = [*generator.choices(_WORDS, k=n_words - 20), *generator.choices(_COMMON, k=20)]
        generator.shuffle(words)
        if index % 1000 == 7:
            words[5] = "zeppelin"
        text = " ".join(words)
        yield {
            "number": number_of(row["started_at"]),
            "call_id": row["call_id"],
            "text": text,
            "words": text if is_sqlite else vector(folded(text)),
        }


def _works(ledger: SqlLedger) -> dict[str, Callable[[], Any]]:
    search, every = ledger.search, CallQuery()
    middle = Cursor(key=number_of(_LATEST - timedelta(days=_DAYS / 2)), call_id="x")
    week = {"since": _LATEST - timedelta(days=500), "until": _LATEST - timedelta(days=493)}
    reviewer = frozenset(_QUEUES[:5])

    def page(query: CallQuery, within: frozenset[str] | None = None, **place: Any) -> Callable[[], Any]:
        return lambda: search.page(query, within=within, **place)

    return {
        "first page": page(every),
        "deep page": page(every, after=middle),
        "last page": page(every, last=True),
        "by length": page(CallQuery(sort=CallSort.LENGTH)),
        "by masked seconds": page(CallQuery(sort=CallSort.MASKED)),
        "reviewer of five queues": page(every, reviewer),
        "reviewer, by length": page(CallQuery(sort=CallSort.LENGTH), reviewer),
        "reviewer, deep page": page(every, reviewer, after=middle),
        "one queue, rare": page(CallQuery(queues=frozenset(_QUEUES[-1:]))),
        "one agent, by length": page(CallQuery(agent=_AGENTS[7], sort=CallSort.LENGTH)),
        "failed": page(CallQuery(states=frozenset({CallState.FAILED}))),
        "under hold": page(CallQuery(flags=frozenset({CallFlag.ON_HOLD}))),
        "rare kind": page(CallQuery(kinds=frozenset({Entity.MEDICAL}))),
        "common kind and agent": page(CallQuery(kinds=frozenset({Entity.PERSON}), agent=_AGENTS[7])),
        "kind, queue and state": page(
            CallQuery(
                kinds=frozenset({Entity.IBAN}),
                queues=frozenset(_QUEUES[20:22]),
                states=frozenset({CallState.QUARANTINED}),
            )
        ),
        "a week": page(CallQuery(**week)),
        "a week, by masked seconds": page(CallQuery(**week, sort=CallSort.MASKED)),
        "text, common word": page(CallQuery(text="please")),
        "text, common word, deep": page(CallQuery(text="please"), after=middle),
        "text, rare word": page(CallQuery(text="zeppelin")),
        "text, rare word, by length": page(CallQuery(text="zeppelin", sort=CallSort.LENGTH)),
        "text, common word, by length": page(CallQuery(text="please", sort=CallSort.LENGTH)),
        "text, phrase": page(CallQuery(text='"thanks please"')),
        "text, common word of a reviewer": page(CallQuery(text="please"), reviewer),
        "text, common word of an agent": page(CallQuery(text="please", agent=_AGENTS[7])),
        "text, nowhere": page(CallQuery(text="nowhere")),
        "text, common word and a rare queue": page(CallQuery(text="please", queues=frozenset(_QUEUES[-1:]))),
        "count of all": lambda: search.count(every, within=None),
        "count of a reviewer": lambda: search.count(every, within=reviewer),
        "count of a common word": lambda: search.count(CallQuery(text="please"), within=None),
        "queues": lambda: search.queues(within=None),
        "agents": lambda: search.agents(within=None, limit=500),
        "agents of a reviewer": lambda: search.agents(within=reviewer, limit=500),
    }


def _timed(work: Callable[[], Any]) -> dict[str, float]:
    seconds = []
    for _ in range(_TIMES):
        started = perf_counter()
        work()
        seconds.append(perf_counter() - started)
    return {"first": round(seconds[0], 4), "median": round(statistics.median(seconds), 4)}


def _size(ledger: SqlLedger, folder: Path) -> int:
    if ledger._database.is_postgresql:
        query = sa.text("SELECT pg_database_size(current_database())")
        return int(ledger._database.read(lambda c: c.scalar(query)) or 0)
    return sum(path.stat().st_size for path in folder.glob("ledger.sqlite3*"))
