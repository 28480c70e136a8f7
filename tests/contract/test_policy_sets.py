"""Retention policies in the ledger's database: what is in force, who put it there, and runs over calls."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from callveil.errors import NotFoundError, RefusedError
from callveil.vocabulary.policy_sets import PolicyRun

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
RUN = PolicyRun(run_id="run-0123456789ab", version=1, by="user:ada", begun_at=NOW, updated_at=NOW)


@pytest.fixture
def sets(ledger):
    return ledger.books.policy_sets


def put(sets, text, base, **more):
    given = {"note": "counsel asked for it", "actor": "user:ada", "now": NOW, **more}
    return sets.put(text, base=base, **given)


def test_without_any_the_profile_is_in_force(sets):
    assert (sets.version(), sets.current(), sets.history(), sets.last_run()) == (0, None, (), None)
    with pytest.raises(NotFoundError):
        sets.get(1)


def test_the_newest_set_is_in_force(sets, ledger):
    first = put(sets, "one ä\n", 0)
    second = put(sets, "two", 1, approved_by="user:bea", now=NOW + timedelta(minutes=1))
    assert (first.number, second.number, sets.version()) == (1, 2, 2)
    assert sets.current() == second == sets.get(2)
    assert sets.get(1) == first
    assert sets.history() == (second, first)
    assert sets.history(limit=1) == (second,)
    assert first.sha256 == hashlib.sha256("one ä\n".encode()).hexdigest()
    assert (second.by, second.approved_by, second.at) == (
        "user:ada",
        "user:bea",
        NOW + timedelta(minutes=1),
    )
    entries = [each for each in ledger.audit() if each.action == "retention.policies"]
    assert [(each.actor, each.detail["set"], each.detail["approved_by"]) for each in entries] == [
        ("user:ada", 1, None),
        ("user:ada", 2, "user:bea"),
    ]
    assert "two" not in repr(second)


def test_what_was_made_from_an_older_set_is_refused(sets, ledger):
    put(sets, "one", 0)
    n_entries = len(ledger.audit())
    with pytest.raises(RefusedError, match="set 1 has come into force since"):
        put(sets, "two", 0)
    assert (sets.version(), len(ledger.audit())) == (1, n_entries)


def test_the_same_text_again_changes_nothing(sets, ledger):
    first = put(sets, "one", 0)
    # After a crash the same request comes once more.
    assert put(sets, "one", 0, now=NOW + timedelta(hours=1)) == first
    assert [each.action for each in ledger.audit()] == ["retention.policies"]
    put(sets, "two", 1)
    # An earlier text is in force again as a set of its own.
    assert put(sets, "one", 2).number == 3


def test_of_two_at_once_one_is_refused(place):
    place.open()

    def try_it(number):
        try:
            return put(place.open().books.policy_sets, f"text {number}", 0).number
        except RefusedError:
            return None

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(try_it, range(4)))
    assert sorted(found, key=str) == [1, None, None, None]


def test_a_run_is_taken_up_where_it_was(sets, ledger):
    assert sets.begin_run(RUN) == RUN
    later = NOW + timedelta(seconds=5)
    sets.advance_run(replace(RUN, after="c-5", counts={"changed": 3}, updated_at=later))
    found = sets.last_run()
    assert (found.after, found.counts, found.updated_at, found.done_at) == (
        "c-5",
        {"changed": 3},
        later,
        None,
    )
    assert sets.begin_run(RUN) == found
    done = replace(found, counts={"changed": 4}, done_at=later, updated_at=later)
    sets.advance_run(done)
    sets.advance_run(replace(done, counts={"changed": 0}))
    assert sets.last_run() == done
    assert [(each.action, each.detail.get("changed")) for each in ledger.audit()] == [
        ("retention.run_begun", None),
        ("retention.run_done", 4),
    ]
    other = replace(RUN, run_id="run-ba9876543210", begun_at=later, updated_at=later)
    assert sets.begin_run(other) == other == sets.last_run()
