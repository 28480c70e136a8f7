"""Lists of the audit chain: what fits, in what order, page by page, and fast however long the chain is."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from tests.contract.test_ledger_plans import _NUMBERS, plans

from callveil.vocabulary.audit import AuditQuery

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
ACTORS = ("user:ada", "user:Ben", "worker:w-1", "key:k_1", "cli:root")
ACTIONS = ("call.viewed", "call.played", "user.signed_in", "call.kept", "hold.placed")


def note(ledger, number, *, actor="user:ada", action="call.viewed", call_id=None, at=None):
    at = at or NOW + timedelta(seconds=number)
    ledger.note(actor=actor, action=action, call_id=call_id, detail={"n": number}, now=at)


def told(page):
    return [entry.detail["n"] for entry in page.entries]


@pytest.fixture
def many(ledger):
    """120 entries, some at the same moment, a few noted by a clock that was set back."""
    rng = random.Random(7)
    made = []
    for number in range(120):
        fields = {
            "actor": rng.choice(ACTORS),
            "action": rng.choice(ACTIONS),
            "call_id": rng.choice([None, "c-1", "c-2"]),
            "at": NOW + timedelta(seconds=number // 3 - (20 if number % 17 == 0 else 0)),
        }
        note(ledger, number, **fields)
        made.append((number, fields))
    return made


def wanted(many, query):
    fits = [
        (fields["at"], number)
        for number, fields in many
        if query.actor in (None, fields["actor"])
        and (not query.actions or fields["action"] in query.actions)
        and query.call_id in (None, fields["call_id"])
        and (query.since is None or fields["at"] >= query.since)
        and (query.until is None or fields["at"] < query.until)
        and (query.most_number is None or number + 1 <= query.most_number)
    ]
    return [number for _, number in sorted(fits, reverse=True)]


QUERIES = [
    AuditQuery(),
    AuditQuery(actor="user:ada"),
    AuditQuery(actor="user:Ben", actions=frozenset({"call.viewed", "call.played"})),
    AuditQuery(actions=frozenset({"hold.placed"})),
    AuditQuery(actions=frozenset({"call.viewed", "no.such", "user.signed_in"})),
    AuditQuery(call_id="c-2"),
    AuditQuery(call_id="c-1", actor="worker:w-1", actions=frozenset({"call.kept", "call.viewed"})),
    AuditQuery(since=NOW + timedelta(seconds=10), until=NOW + timedelta(seconds=30)),
    AuditQuery(actor="cli:root", since=NOW + timedelta(seconds=5)),
    AuditQuery(most_number=50),
    AuditQuery(actor="user:nobody"),
    AuditQuery(actor="user:a%"),
    AuditQuery(actor="user:ada' OR 1=1 --"),
]


@pytest.mark.parametrize("query", QUERIES, ids=range(len(QUERIES)))
@pytest.mark.parametrize("limit", [7, 200])
def test_every_page_forth_and_back(ledger, many, query, limit):
    expected = wanted(many, query)
    page, pages = ledger.trail.page(query, limit=limit), []
    assert page.before is None
    while True:
        pages.append(told(page))
        if page.after is None:
            break
        page = ledger.trail.page(query, after=page.after, limit=limit)
    assert [number for each in pages for number in each] == expected
    assert all(len(each) == limit for each in pages[:-1])
    back = [told(ledger.trail.page(query, last=True, limit=limit))]
    assert not expected or back[0] == expected[-limit:]
    page = ledger.trail.page(query, last=True, limit=limit)
    assert page.after is None
    while page.before is not None:
        page = ledger.trail.page(query, before=page.before, limit=limit)
        back.append(told(page))
    assert [number for each in reversed(back) for number in each] == expected
    rising = ledger.trail.page(query, oldest_first=True, limit=200)
    assert told(rising) == expected[::-1]


def test_entries_are_those_of_the_chain(ledger, many):
    page = ledger.trail.page(AuditQuery(), limit=200, oldest_first=True)
    assert sorted(page.entries, key=lambda entry: entry.number) == list(ledger.audit())


def test_what_and_who_is_in_the_chain(ledger, many):
    assert ledger.trail.actions() == tuple(sorted(ACTIONS))
    assert ledger.trail.actors() == tuple(sorted(ACTORS))
    assert ledger.trail.actors(like="user:", limit=1) == ("user:Ben",)
    assert ledger.trail.head() == 120


def test_an_empty_chain_has_empty_pages(ledger):
    assert ledger.trail.page(AuditQuery()).entries == ()
    assert ledger.trail.page(AuditQuery(call_id="c-1"), last=True).entries == ()
    assert (ledger.trail.actions(), ledger.trail.actors(), ledger.trail.head()) == ((), (), 0)


def test_arguments_that_make_no_sense(ledger):
    note(ledger, 0)
    place = ledger.trail.page(AuditQuery(), limit=1).entries[0]
    with pytest.raises(ValueError, match="limit"):
        ledger.trail.page(AuditQuery(), limit=1001)
    with pytest.raises(ValueError, match="only one"):
        ledger.trail.page(AuditQuery(), last=True, after=place)


def test_a_check_tells_how_far_it_is_and_can_be_ended(place, ledger):
    fill(place, 2500)
    seen = []
    assert ledger.check_audit(seen.append) == 1  # the entries of `fill` have no digests
    place.sql("DELETE FROM audit")
    place.sql(f"UPDATE audit_head SET number = 0, digest = '{'0' * 64}'")
    for number in range(2001):
        note(ledger, number)
    assert ledger.check_audit(seen.append) is None
    assert seen == [1000, 2000]

    class StopError(Exception):
        pass

    def stop(n_entries):
        raise StopError

    with pytest.raises(StopError):
        ledger.check_audit(stop)


N_ENTRIES = 30_000


def fill(place, n_entries):
    """Many entries, as they are after years: most of workers, some of people."""
    kind = "sqlite" if place.file else "postgresql"
    at = (
        "strftime('%Y-%m-%dT%H:%M:%f000Z', '2026-01-01', '+' || i || ' seconds')"
        if place.file
        else "CAST('2026-01-01T00:00:00Z' AS timestamptz) + i * interval '1 second'"
    )
    values = {
        "number": "i",
        "at": at,
        "actor": "CASE WHEN i % 10 = 0 THEN 'user:u' || (i % 7) ELSE 'worker:w' || (i % 3) END",
        "action": "CASE WHEN i % 10 = 0 THEN 'call.viewed' ELSE 'call.a' || (i % 11) END",
        "call_id": "'c-' || (i % 9000)",
        "detail": "'{\"n\":' || i || '}'",
        "digest": "'x'",
    }
    rows = _NUMBERS[kind].format(n=n_entries, columns=", ".join(values.values()))
    place.sql(f"INSERT INTO audit ({', '.join(values)}) {rows}")
    place.sql(f"UPDATE audit_head SET number = {n_entries}")
    engine = sa.create_engine(place.url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql("ANALYZE" if place.file else "VACUUM ANALYZE audit")


PLANNED = [
    AuditQuery(),
    AuditQuery(actor="user:u3"),
    AuditQuery(actor="worker:w1", actions=frozenset({"call.viewed"})),
    AuditQuery(actions=frozenset({"call.viewed", "call.a3"})),
    AuditQuery(call_id="c-77"),
    AuditQuery(since=datetime(2026, 1, 1, 1, tzinfo=UTC), until=datetime(2026, 1, 1, 2, tzinfo=UTC)),
    AuditQuery(actor="user:u3", until=datetime(2026, 1, 1, 1, tzinfo=UTC)),
]


@pytest.mark.parametrize("query", PLANNED, ids=range(len(PLANNED)))
def test_nothing_reads_the_whole_chain(place, query):
    ledger = place.open()
    fill(place, N_ENTRIES)

    def work():
        page = ledger.trail.page(query)
        ledger.trail.page(query, last=True)
        if page.after is not None:
            ledger.trail.page(query, after=page.after)
            ledger.trail.page(query, before=page.after, oldest_first=True)
        ledger.trail.actors()

    seen = plans(ledger, work)
    assert len(seen) >= 2
    for statement, plan in seen:
        if " audit" not in statement:
            continue
        if place.file:
            lines = [line for line in plan.splitlines() if "SCAN audit" in line]
            assert not lines, (statement, plan)
            # Only what the lists per action found is sorted.
            assert query.call_id or plan.count("TEMP B-TREE") <= 1, (statement, plan)
        else:
            assert "Seq Scan on audit" not in plan, (statement, plan)
            if query.call_id is None:
                assert "Index Only Scan" in plan or "WHERE audit.number IN" in statement, (statement, plan)
