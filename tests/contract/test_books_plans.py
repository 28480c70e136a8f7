"""What retention reads of very many calls: by an index, a page at a time, a few queries a page."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from tests.contract.test_ledger_plans import fill, plans

from callveil.testing import call
from callveil.vocabulary.ledger import CallState, NewCall, Settlement
from callveil.vocabulary.retention import Hold, HoldScope, KeptPart
from callveil.vocabulary.rights import RemovalWhy

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
N_CALLS = 20_000


def publish(ledger, call_id, *, tag="t", started_at=NOW, duration_s=60.0, state=CallState.PUBLISHED):
    made = replace(call(call_id), tags=(tag,), started_at=started_at)
    new = NewCall(call=made, landing=None, source="process", content_sha256="a" * 64, n_bytes=1)
    ledger.enlist(new, actor="a", now=NOW)
    ledger.record(call_id, Settlement(state=state, prefix="p/", duration_s=duration_s), actor="a", now=NOW)


def hold_on(ledger, *call_ids, number=1):
    hold = Hold(
        hold_id=f"hold-{number:012x}",
        scope=HoldScope.QUERY,
        reason="Matter 7",
        authority="Court",
        placed_by="cli:ops",
        placed_at=NOW,
    )
    return ledger.books.holds.place(hold, call_ids=call_ids, actor="cli:ops", now=NOW)


def counted(ledger, work):
    return len(plans(ledger, work))


def grouping_plan(ledger):
    found = plans(ledger, lambda: list(ledger.books.removals.groups()))
    (plan,) = [plan for statement, plan in found if "GROUP BY" in statement]
    return plan


def erase(ledger, call_id, parts=frozenset(KeptPart)):
    removals = ledger.books.removals
    removal = removals.decide(
        call_id,
        prefix="p/",
        parts=parts,
        why=RemovalWhy.RETENTION,
        reason="Its time is over.",
        request_id=None,
        actor="sweep",
        now=NOW,
    )
    removals.finish(removal.removal_id, evidence={}, actor="sweep", now=NOW)


def test_groups_and_pages_go_by_an_index(place):
    ledger = place.open()
    publish(ledger, "one")
    if place.file is not None:
        # Nobody runs ANALYZE in real life.
        assert "COVERING INDEX calls_grouped" in grouping_plan(ledger)
    fill(place, N_CALLS)
    place.sql(
        "UPDATE calls SET traits = (SELECT min(number) FROM traits), ended_at = received_at,"
        " ended_on = '2026-01-01' WHERE traits IS NULL"
    )
    place.sql("ANALYZE")
    if place.file is None:
        import sqlalchemy as sa

        engine = sa.create_engine(place.url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql("VACUUM ANALYZE calls")
    hold_on(ledger, "old-7")
    removals = ledger.books.removals
    grouping = grouping_plan(ledger)
    assert "calls_grouped" in grouping
    if place.file is not None:
        # In the order of the index: nothing is sorted, whatever there is of it.
        assert "TEMP B-TREE" not in grouping
        assert "COVERING INDEX calls_grouped" in grouping
    assert sum(group.n_calls for group in removals.groups()) == N_CALLS
    for work in (
        lambda: list(removals.singled_out()),
        lambda: removals.calls(after="old-5", limit=10),
        lambda: removals.swept("one"),
        lambda: removals.unfinished(),
        lambda: ledger.books.holds.differing(),
        lambda: ledger.books.requests.due_for_review(now=NOW),
        lambda: ledger.books.subjects.find(["a" * 64]),
    ):
        for statement, plan in plans(ledger, work):
            if place.file is not None:
                assert "SCAN calls" not in plan or "INDEX" in plan, (statement, plan)
            else:
                assert "Seq Scan on calls" not in plan, (statement, plan)


def test_a_page_takes_as_many_queries_whatever_is_on_it(place):
    ledger = place.open()
    for number in range(40):
        publish(ledger, f"c-{number:02}")
    hold_on(ledger, *[f"c-{number:02}" for number in range(30)])
    for number in range(30):
        ledger.books.removals.note_event(f"c-{number:02}", "contract_end", NOW, actor="a", now=NOW)
    few = counted(ledger, lambda: ledger.books.removals.calls(limit=2))
    many = counted(ledger, lambda: ledger.books.removals.calls(limit=40))
    assert few == many <= 4
    found = ledger.books.removals.calls(limit=40)
    assert [len(each.holds) for each in found] == [1] * 30 + [0] * 10
    assert [dict(each.facts.events) for each in found] == [{"contract_end": NOW}] * 30 + [{}] * 10


def test_a_hold_on_many_calls_takes_few_queries(place):
    ledger = place.open()
    for number in range(60):
        publish(ledger, f"c-{number:02}")
    few = counted(ledger, lambda: hold_on(ledger, "c-00", number=1))
    many = counted(ledger, lambda: hold_on(ledger, *[f"c-{n:02}" for n in range(60)], number=2))
    assert few == many


@pytest.mark.parametrize("size", [1, 2, 3, 5000])
def test_groups_are_whole_whatever_the_page(place, size, monkeypatch):
    monkeypatch.setattr("callveil.adapters.ledger_sql.removals._GROUPS", size)
    ledger = place.open()
    expected = Counter()
    for number in range(18):
        # 23:59:30 and a minute: the end is on the next day.
        started_at = datetime(2026, 11, 20 + number % 3, 23, 59, 30, tzinfo=UTC)
        state = CallState.PUBLISHED if number % 2 else CallState.QUARANTINED
        ended_on = (started_at + timedelta(seconds=60 if number % 2 else 0)).date()
        publish(ledger, f"c-{number:02}", tag=f"t{number % 4}", started_at=started_at, state=state)
        expected[(f"t{number % 4}", state.value, ended_on)] += 1
    for number in range(3):
        # What is erased stands in no group, and in the way of none.
        started_at = datetime(2026, 11, 1 + number, tzinfo=UTC)
        publish(ledger, f"e-{number}", tag="erased", started_at=started_at)
        erase(ledger, f"e-{number}")
    found = Counter()
    for group in ledger.books.removals.groups():
        (tag,) = group.traits.tags
        found[(tag, group.traits.outcome, group.ended_on)] += group.n_calls
        assert group.duration_s == (60.0 * group.n_calls if group.traits.outcome == "published" else 0.0)
    assert found == expected


def test_many_traits_take_few_queries(place):
    ledger = place.open()
    for number in range(30):
        publish(ledger, f"c-{number:02}", tag=f"case-{number}")
    assert counted(ledger, lambda: list(ledger.books.removals.groups())) <= 2


def test_the_day_of_a_group_is_that_of_utc(place):
    ledger = place.open()
    east = datetime.fromisoformat("2026-06-02T01:30:00+05:00")
    publish(ledger, "c-1", started_at=east)
    (group,) = ledger.books.removals.groups()
    assert group.ended_on == date(2026, 6, 1)


def test_a_call_stands_in_a_group_or_by_itself_and_never_in_both(place):
    ledger = place.open()
    removals = ledger.books.removals
    for number in range(6):
        publish(ledger, f"c-{number}")

    def split():
        alone = {each.facts.call_id for each in removals.singled_out()}
        grouped = sum(group.n_calls for group in removals.groups())
        every = {each.facts.call_id for each in removals.calls()}
        assert grouped + len(alone) == len(every)
        assert alone <= every
        return alone

    assert split() == set()
    hold_on(ledger, "c-0")
    removals.note_event("c-1", "contract_end", NOW, actor="a", now=NOW)
    ledger.books.requests.restrict("c-2", "Art. 18", actor="a", now=NOW)
    assert split() == {"c-0", "c-1", "c-2"}
    ledger.books.holds.release("hold-000000000001", reason="over", actor="a", now=NOW)
    ledger.books.requests.restrict("c-2", None, actor="a", now=NOW)
    assert split() == {"c-1"}
    for call_id, parts in (("c-3", frozenset({KeptPart.AUDIO})), ("c-4", frozenset(KeptPart))):
        erase(ledger, call_id, parts)
    assert split() == {"c-1"}
    assert {group.gone for group in removals.groups()} == {frozenset(), frozenset({KeptPart.AUDIO})}
    assert "c-4" not in {each.facts.call_id for each in removals.calls()}
