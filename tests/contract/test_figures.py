"""What the pipeline does, in numbers, over each kind of database; and that an index serves them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from callveil.vocabulary.figures import Dead
from callveil.vocabulary.ledger import CallState, Settlement

from .test_ledger_plans import fill, plans

NOW = datetime(2026, 11, 24, 12, 40, tzinfo=UTC)
HOUR = timedelta(hours=1)


def settle(ledger, call_id, state, at, **more):
    claim = ledger.claim(call_id, owner="w-1", lease_s=600, now=at)
    ledger.settle(claim, Settlement(state=state, **more), now=at)


def world(ledger, new_call):
    """Two calls of 10:40, one of 12:40: published, failed after a retry, and one in hand."""
    for number, at in enumerate((NOW - 2 * HOUR, NOW - 2 * HOUR, NOW)):
        ledger.accept(new_call(f"c-{number}", content=str(number)), actor="a", now=at)
        settle(ledger, f"c-{number}", CallState.KEPT, at)
    settle(ledger, "c-0", CallState.PUBLISHED, NOW - HOUR, prefix="calls/c-0/", duration_s=9.0)
    settle(ledger, "c-1", CallState.KEPT, NOW - HOUR, error_code="store")
    settle(ledger, "c-1", CallState.FAILED, NOW, error_code="engine")
    ledger.claim("c-2", owner="w-2", lease_s=60, now=NOW)


def test_hours_tell_what_came_and_what_became_of_it(ledger, new_call):
    world(ledger, new_call)
    found = ledger.figures.hours(NOW - 3 * HOUR, NOW)
    assert [hour.begins_at.hour for hour in found] == [9, 10, 11, 12]
    assert [hour.arrived for hour in found] == [0, 2, 0, 1]
    assert [hour.errors for hour in found] == [0, 0, 1, 1]
    assert [dict(hour.ended) for hour in found] == [
        {},
        {},
        {CallState.PUBLISHED: 1},
        {CallState.FAILED: 1},
    ]
    # Nothing before and nothing behind.
    assert [hour.arrived for hour in ledger.figures.hours(NOW - HOUR, NOW - HOUR)] == [0]


def test_failures_are_told_by_family(ledger, new_call):
    world(ledger, new_call)
    assert dict(ledger.figures.errors(NOW - 3 * HOUR)) == {"engine": 1, "store": 1}
    assert dict(ledger.figures.errors(NOW - timedelta(minutes=1))) == {"engine": 1}
    assert ledger.figures.dead() == (Dead(state=CallState.FAILED, error_code="engine", n_calls=1),)


def test_who_works_and_what_is_not_sent(ledger, new_call):
    assert ledger.figures.oldest_unsent() is None
    world(ledger, new_call)
    (worker,) = ledger.figures.at_work()
    assert (worker.owner, worker.n_calls, worker.until) == ("w-2", 1, NOW + timedelta(seconds=60))
    assert ledger.figures.oldest_unsent() == NOW - 2 * HOUR


def test_no_figure_reads_all_calls(place, new_call):
    ledger = place.open()
    fill(place, 20_000)
    world(ledger, new_call)

    def work():
        ledger.figures.hours(NOW - 24 * HOUR, NOW)
        ledger.figures.errors(NOW - HOUR)
        ledger.figures.dead()
        ledger.figures.at_work()
        ledger.figures.oldest_unsent()

    seen = plans(ledger, work)
    assert len(seen) == 6
    if place.file:
        # Of those that failed nothing but the index is read, however many there are.
        assert any("COVERING INDEX calls_dead" in plan for _, plan in seen)
    for statement, plan in seen:
        if " calls" in statement or " attempts" in statement:
            is_found = "SEARCH" in plan if place.file else "Index" in plan or "Bitmap" in plan
            assert is_found or ("attempts" in statement and not place.file), (statement, plan)
