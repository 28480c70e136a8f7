from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callveil.rights.breach import BreachFacts, Copies, CopiesFound, KeyState, PersonCounter, Persons
from callveil.rights.controller import Controller
from callveil.testing import START

FACTS = BreachFacts(
    known_at=START, created_at=START + timedelta(hours=10), how="calls", controller=Controller(), n_calls=1,
    first_at=START, last_at=START, found=(), persons=Persons(identified=1, unidentified=0, staff=1),
    key=KeyState.UNKNOWN,
)  # fmt: skip


@pytest.mark.parametrize(
    ("calls", "expected"),
    [
        ([], (0, 0, 0)),
        ([((), {})], (0, 1, 0)),
        ([(("agent", "customer"), {1: ["a"]})], (1, 0, 1)),
        ([(("agent", "customer"), {1: ["a"]})] * 3, (1, 0, 3)),
        ([(("customer",), {0: ["a", "b"]}), (("customer",), {0: ["b", "c"]})], (1, 0, 0)),
        ([(("customer",), {0: ["a"]}), (("customer",), {0: ["b"]})], (2, 0, 0)),
        ([(("customer",), {0: each}) for each in (["a"], ["b"], ["a", "b"])], (1, 0, 0)),
        ([(("customer", "third_party"), {0: ["a"], 1: ["b"]})], (2, 0, 0)),
        ([(("agent",), {0: ["a"]})], (0, 0, 1)),
        ([(("customer",), {}), (("customer",), {0: []})], (0, 2, 0)),
    ],
)  # fmt: skip
def test_persons_are_what_stood_together(calls, expected):
    counter = PersonCounter()
    for roles, digests in calls:
        counter.add(roles, digests)
    persons = counter.persons
    assert (persons.identified, persons.unidentified, persons.staff) == expected


@given(st.lists(st.sets(st.integers(0, 20), max_size=4), max_size=30), st.randoms())
def test_the_order_of_calls_does_not_matter(groups, random):
    def count(order):
        counter = PersonCounter()
        for group in order:
            counter.add(("customer",), {0: [str(each) for each in group]})
        return counter.persons

    first = count(groups)
    random.shuffle(groups)
    assert count(groups) == first
    # The same by brute force.
    parts = []
    for group in filter(None, groups):
        touched = [part for part in parts if part & group]
        parts = [part for part in parts if not part & group] + [set(group).union(*touched)]
    assert first.identified == len(parts)
    assert first.at_least <= first.at_most


def test_one_of_those_without_identifiers_is_somebody():
    assert Persons(identified=0, unidentified=3, staff=0).at_least == 1
    assert Persons(identified=2, unidentified=3, staff=0).at_least == 2
    assert Persons(identified=2, unidentified=3, staff=0).at_most == 5
    assert Persons(identified=0, unidentified=0, staff=9).at_most == 0


@pytest.mark.parametrize(("hours", "left", "late"), [(0, 72, False), (72, 0, False), (73, -1, True)])
def test_the_clock_runs_for_72_hours(hours, left, late):
    facts = replace(FACTS, created_at=START + timedelta(hours=hours))
    assert (facts.hours_left, facts.is_late) == (left, late)
    assert facts.due_at == START + timedelta(days=3)


@pytest.mark.parametrize(
    ("copies", "key", "readable"),
    [
        (Copies.PUBLISHED, KeyState.SAFE, True),
        (Copies.ORIGINALS, KeyState.SAFE, False),
        (Copies.LANDING, KeyState.SAFE, False),
        (Copies.ORIGINALS, KeyState.UNKNOWN, True),
        (Copies.LANDING, KeyState.EXPOSED, True),
    ],
)
def test_encrypted_copies_are_safe_only_when_the_key_is(copies, key, readable):
    facts = replace(FACTS, key=key, found=(CopiesFound(copies=copies, n_calls=1),))
    assert facts.is_readable is readable
