"""How long the pages take with a million calls in the ledger, and a million entries in its audit chain."""

from __future__ import annotations

import http.client
import json
import random
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from time import perf_counter
from typing import Any
from urllib.parse import urlsplit

import sqlalchemy as sa
from machine import REPOSITORY, SEED
from search import fill

from callveil.adapters.ledger_sql import SqlLedger
from callveil.adapters.ledger_sql.audit_chain import digest_of
from callveil.adapters.ledger_sql.tables import audit, audit_head

sys.path.insert(0, str(REPOSITORY))

from tests.browser.house import SPAN, House, build_house, copy_house, keep, served

N_CALLS = N_ENTRIES = 1_000_000
AIM_LIST_S, AIM_CALL_S = 0.3, 0.2
"""The first page of a list, and the page of a call."""

_TIMES = 40
_ACTIONS = ("call.received", "call.kept", "call.published", "call.shredded", "call.viewed", "call.played")


def measure_pages(
    n_calls: int, n_entries: int, tell: Callable[[str], None], *, folder: Path | None = None
) -> dict[str, Any]:
    """Fill a house, serve it, and ask for pages.

    Args:
        n_calls: Calls in the ledger, besides a few real ones.
        n_entries: Entries of the audit chain.
        tell: Told how it goes on.
        folder: Where the filled house is, or is to be kept; None for a temporary one.
    """
    with ExitStack() as stack:
        place = folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="callveil-pages-")))
        if not (place / "house.json").exists():
            _fill(place, n_calls, n_entries, tell)
        house = stack.enter_context(served(copy_house(place, None)))
        seconds = {name: _timed(house, path, who) for name, (path, who) in _pages(house).items()}
        for name, found in seconds.items():
            tell(f"pages: {name} {json.dumps(found)}")
        began = perf_counter()
        broken = house.service.ledger.check_audit()
        return {
            "calls": n_calls,
            "entries": house.service.ledger.trail.head(),
            "aims_s": {"first page of a list": AIM_LIST_S, "page of a call": AIM_CALL_S},
            "requests": _TIMES,
            "seconds": seconds,
            "chain_check_s": round(perf_counter() - began, 1),
            "chain_holds": broken is None,
        }


def _fill(place: Path, n_calls: int, n_entries: int, tell: Callable[[str], None]) -> None:
    began = perf_counter()
    house = build_house(place, n_calls=6)
    fill(house.service.ledger, n_calls, 120)
    tell(f"pages: {n_calls} calls written in {perf_counter() - began:.0f} s")
    began = perf_counter()
    fill_audit(house.service.ledger, n_entries)
    tell(f"pages: {n_entries} entries written in {perf_counter() - began:.0f} s")
    keep(house)


def fill_audit(ledger: SqlLedger, n_entries: int) -> None:
    """Add entries to the chain over three weeks: two in three of workers, one in three of 300 people."""
    with ledger._database.engine.begin() as connection:
        head = connection.execute(sa.select(audit_head)).one()
        first = connection.scalar(sa.select(sa.func.max(audit.c.at)))
        number, digest = head.number, head.digest
        for rows in _batches(number, digest, first - SPAN, n_entries):
            connection.execute(sa.insert(audit), rows)
            number, digest = rows[-1]["number"], rows[-1]["digest"]
        connection.execute(sa.update(audit_head).values(number=number, digest=digest))


def _batches(number: int, digest: str, first: Any, n_entries: int) -> Iterator[list[dict[str, Any]]]:
    generator, rows = random.Random(SEED), []
    step = SPAN / n_entries
    for index in range(n_entries):
        number += 1
        action = _ACTIONS[index % 6]
        person = index % 6 > 3
        entry = {
            "number": number,
            "at": first + timedelta(microseconds=int(step / timedelta(microseconds=1) * index)),
            "actor": f"user:u{generator.randrange(300):03}"
            if person
            else f"worker:w{generator.randrange(8)}",
            "action": action,
            "call_id": f"call-{generator.randrange(200_000):06}",
            "detail": {},
        }
        digest = digest_of(digest, **entry)
        rows.append({**entry, "detail": "{}", "digest": digest})
        if len(rows) == 5000:
            yield rows
            rows = []
    if rows:
        yield rows


def _pages(house: House) -> dict[str, tuple[str, str]]:
    call_id = house.one("published")
    asked = {
        "/calls, first page": ("/calls", "rita"),
        "/calls, of a reviewer of one queue": ("/calls", "nora"),
        "/calls, by masked seconds": ("/calls?sort=masked", "rita"),
        "/calls, a common word": ("/calls?q=please", "rita"),
        "/calls, a rare word": ("/calls?q=zeppelin", "rita"),
        "/calls/{id}": (f"/calls/{call_id}", "rita"),
        "/quarantine": ("/quarantine", "rita"),
        "/ops": ("/ops", "oscar"),
        "/audit, first page": ("/audit", "ada"),
        "/audit, of a person": ("/audit?actor=u007", "ada"),
        "/audit, of a person, one action, a day": (
            "/audit?actor=u007&what=call.viewed&until=2026-01-01T00:00Z",
            "ada",
        ),
        "/audit, last page": ("/audit?last=1", "ada"),
        "/audit, of a call": ("/audit?call=call-000123", "ada"),
    }
    return {name: each for name, each in asked.items() if _ask(house, *each)[0] == 200}


def _timed(house: House, path: str, who: str) -> dict[str, float]:
    found = [_ask(house, path, who)[1] for _ in range(_TIMES)]
    cut = statistics.quantiles(found, n=20)
    return {"first": round(found[0], 4), "p50": round(statistics.median(found), 4), "p95": round(cut[18], 4)}


def _ask(house: House, path: str, who: str) -> tuple[int, float]:
    """Status and seconds of a request, from its sending to the last byte; the session is there before."""
    parts, token = urlsplit(house.url), house.begin_session(who)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=120)
    connection.connect()
    began = perf_counter()
    connection.request("GET", path, headers={"Accept": "text/html", "Cookie": f"callveil={token}"})
    answer = connection.getresponse()
    answer.read()
    seconds = perf_counter() - began
    connection.close()
    return answer.status, seconds
