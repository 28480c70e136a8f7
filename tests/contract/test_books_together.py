"""Holds on persons and calls that come in, at the same moment."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from callveil.adapters.ledger_sql import intake
from callveil.adapters.subject_keys import SubjectKeys
from callveil.errors import RefusedError
from callveil.vocabulary.retention import Hold, HoldScope
from callveil.vocabulary.rights import IdentifierKind

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
KEYS = SubjectKeys([bytes([number]) * 32 for number in (1, 2)])
ANA = SubjectKeys([bytes([1]) * 32]).identity(IdentifierKind.PHONE, "ana", 1)
_WAITING = "SELECT COUNT(*) AS n FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"


def hold(number: int = 1) -> Hold:
    return Hold(
        hold_id=f"hold-{number:012x}",
        scope=HoldScope.SUBJECT,
        reason="A claim.",
        authority="Court",
        placed_by="a",
        placed_at=NOW,
    )


def place_hold(ledger, number=1):
    return ledger.books.holds.place(hold(number), identities=[ANA], actor="a", now=NOW)


def wait_for(place, work):
    """Until another transaction waits for ours, or had nothing to wait for."""
    for _ in range(1000):
        if work.done() or place.sql(_WAITING)[0].n:
            return
        time.sleep(0.01)
    pytest.fail("neither waits nor ends")


def release(ledger):
    return ledger.books.holds.release(hold().hold_id, reason="Over.", actor="a", now=NOW)


def rekey(ledger):
    return ledger.books.subjects.rekey(1, KEYS.step(1), limit=100)


@pytest.mark.postgresql
@pytest.mark.parametrize("work", [place_hold, release, rekey])
def test_who_looks_for_a_persons_calls_waits_for_those_that_come_in(place, new_call, work):
    if place.server is None:
        pytest.skip("SQLite has one writer at a time")
    ledger = place.open()
    if work is not place_hold:
        place_hold(ledger)
    engine = sa.create_engine(place.url, poolclass=sa.NullPool)
    with ThreadPoolExecutor(1) as pool:
        with engine.connect() as connection, connection.begin():
            intake.accept(connection, new_call(identities=(ANA,)), actor="a", now=NOW)
            under_way = pool.submit(work, ledger)
            wait_for(place, under_way)
        under_way.result()
    n_holds = place.sql("SELECT n_holds FROM calls")[0].n_holds
    assert n_holds == len(ledger.books.holds.of("c-1")) == (0 if work is release else 1)
    if work is rekey:
        assert ledger.books.subjects.generations() == {2: 2}


def test_no_call_of_a_person_escapes_a_hold(place, new_call):
    ledger = place.open()
    n_calls, n_holds = 24, 4

    def work(number):
        if number % 6 == 0:
            return place_hold(ledger, number // 6)
        return ledger.accept(new_call(f"c-{number:02}", identities=(ANA,)), actor="a", now=NOW)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(n_calls)))
    rows = place.sql("SELECT call_id, n_holds FROM calls ORDER BY call_id")
    assert [row.n_holds for row in rows] == [n_holds] * (n_calls - n_holds)
    for found in ledger.books.holds.holds():
        on = ledger.books.holds.calls_of(found.hold_id)
        assert list(on) == [row.call_id for row in rows]
    assert ledger.check_audit() is None


def test_of_two_who_release_one_does(place, new_call):
    ledger = place.open()
    ledger.accept(new_call(identities=(ANA,)), actor="a", now=NOW)
    place_hold(ledger)

    def work(_):
        try:
            return release(ledger).n_calls
        except RefusedError:
            return 0

    with ThreadPoolExecutor(4) as pool:
        ended = sorted(pool.map(work, range(4)))
    assert ended == [0, 0, 0, 1]
    assert [entry.action for entry in ledger.audit()].count("hold.released") == 1
