"""What the subject index and legal holds promise, over every database."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta

import pytest

from callveil.adapters.subject_keys import SubjectKeys
from callveil.errors import NotFoundError, RefusedError
from callveil.vocabulary.ledger import CallState, Settlement
from callveil.vocabulary.retention import Hold, HoldScope, KeptPart
from callveil.vocabulary.rights import IdentifierKind, Identity, RemovalWhy

NOW = datetime(2026, 11, 24, 12, 0, 0, 123456, tzinfo=UTC)
KEYS = SubjectKeys([bytes([number]) * 32 for number in range(1, 4)])
FIRST, SECOND = (SubjectKeys([bytes([number]) * 32 for number in range(1, 1 + n)]) for n in (1, 2))
PHONE, EMAIL = IdentifierKind.PHONE, IdentifierKind.EMAIL


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def person(name: str, *, kind: IdentifierKind = PHONE, party: int = 1, keys: SubjectKeys = FIRST) -> Identity:
    return keys.identity(kind, name, party)


def hold(number: int = 1, scope: HoldScope = HoldScope.CALL, **others) -> Hold:
    fields = {"reason": "A claim.", "authority": "Court 1", "placed_by": "cli:lee", "placed_at": NOW}
    return Hold(hold_id=f"hold-{number:012x}", scope=scope, **{**fields, **others})


@pytest.fixture
def bring(ledger, new_call):
    """Take in a call of some persons."""

    def do(call_id="c-1", *persons):
        ledger.accept(new_call(call_id, identities=tuple(persons)), actor="key:a", now=NOW)

    return do


@pytest.fixture
def publish(ledger):
    def do(call_id):
        for state in (CallState.KEPT, CallState.PUBLISHED):
            claim = ledger.claim(call_id, owner="w", lease_s=60, now=NOW)
            prefix = f"calls/{call_id}/" if state is CallState.PUBLISHED else None
            ledger.settle(claim, Settlement(state=state, prefix=prefix, duration_s=60.0), now=NOW)

    return do


def erase(books, call_id, *, finish=False):
    removal = books.removals.decide(
        call_id,
        prefix=f"calls/{call_id}/",
        parts=frozenset(KeptPart),
        why=RemovalWhy.ERASURE,
        reason="Asked for.",
        request_id=None,
        actor="a",
        now=NOW,
    )
    if finish:
        books.removals.finish(removal.removal_id, evidence={}, actor="a", now=NOW)


def call_ids(sightings):
    return [each.call_id for each in sightings]


def flags(place, call_id="c-1"):
    """How many holds are on a call, and whether it is singled out."""
    (row,) = place.sql("SELECT n_holds, singled_out FROM calls WHERE call_id = :c", c=call_id)
    return row.n_holds, bool(row.singled_out)


# Subject index


def test_a_person_is_found_in_their_calls_only(ledger, bring):
    ana, bo = person("ana"), person("bo", party=0)
    bring("c-3", ana, person("ana@example.org", kind=EMAIL))
    bring("c-1", ana, bo)
    bring("c-2", person("cy"))
    found = ledger.books.subjects.find([ana.digest, ana.digest])
    assert [(each.call_id, each.identity, each.role) for each in found] == [
        ("c-1", ana, "customer"),
        ("c-3", ana, "customer"),
    ]
    (bos,) = ledger.books.subjects.find([bo.digest])
    assert (bos.call_id, bos.identity, bos.role) == ("c-1", bo, "agent")
    assert ledger.books.subjects.find([person("nobody").digest]) == ledger.books.subjects.find([]) == ()


def test_all_persons_of_calls_are_told_in_order(ledger, bring):
    bo = person("bo", party=0)
    bring("c-2", person("ana"), person("ana@example.org", kind=EMAIL), bo)
    bring("c-1", person("cy"))
    bring("c-3", person("dee"))
    found = ledger.books.subjects.beside(["c-2", "c-1", "c-9"])
    assert [(each.call_id, each.identity.party, each.identity.kind) for each in found] == [
        ("c-1", 1, PHONE),
        ("c-2", 0, PHONE),
        ("c-2", 1, EMAIL),
        ("c-2", 1, PHONE),
    ]


def test_more_values_than_one_statement_takes(ledger, bring):
    bring("c-1", person("0"))
    bring("c-2", person("1099"))
    digests = [person(str(number)).digest for number in range(1100)]
    assert call_ids(ledger.books.subjects.find(digests)) == ["c-1", "c-2"]
    assert call_ids(ledger.books.subjects.beside([f"c-{n}" for n in range(1100)])) == ["c-1", "c-2"]


def test_the_same_call_again_enters_nobody_twice(ledger, new_call):
    new = new_call(identities=(person("ana"),), landing=None, source="process")
    for persons in ((person("ana"),), (person("ana"), person("bo", party=0))):
        ledger.enlist(dataclasses.replace(new, identities=persons), actor="process", now=NOW)
    assert [each.identity.party for each in ledger.books.subjects.beside(["c-1"])] == [0, 1]


def test_an_erased_call_is_nobodys(ledger, bring):
    bring("c-1", person("ana"))
    bring("c-2", person("ana"))
    erase(ledger.books, "c-1", finish=True)
    assert call_ids(ledger.books.subjects.find([person("ana").digest])) == ["c-2"]


# Re-keying


def rekey_all(subjects, limit=2):
    """Bring all to the newest generation, a few at a time; returns how many each transaction took."""
    taken = []
    for generation in range(1, KEYS.generation):
        while n_taken := subjects.rekey(generation, KEYS.step(generation), limit=limit):
            taken.append(n_taken)
    return taken


def test_rekeying_takes_all_to_the_newest_generation_in_steps(ledger, bring):
    books = ledger.books
    names = ("ana", "bo", "cy")
    for name in names:
        bring(f"c-{name}", person(name))
    bring("c-new", person("dee", keys=SECOND))
    books.holds.place(
        hold(scope=HoldScope.SUBJECT), identities=[person("ana"), person("zoe")], actor="a", now=NOW
    )
    assert books.subjects.generations() == {1: 5, 2: 1}
    assert books.subjects.rekey(1, KEYS.step(1), limit=4) == 4
    # Killed here: what was not taken is still found by its older digest, and the rest goes on.
    assert books.subjects.generations() == {1: 1, 2: 5}
    for name in names:
        assert call_ids(books.subjects.find(KEYS.digests(PHONE, name))) == [f"c-{name}"]
    assert max(rekey_all(books.subjects)) == 2
    assert books.subjects.generations() == {3: 6}
    for name in (*names, "new"):
        who = "dee" if name == "new" else name
        assert call_ids(books.subjects.find([person(who, keys=KEYS).digest])) == [f"c-{name}"]
        assert books.subjects.find(KEYS.digests(PHONE, who)[1:]) == ()
    assert rekey_all(books.subjects) == []


def test_a_call_that_was_entered_under_two_generations_is_entered_once_afterwards(ledger, new_call):
    new = new_call(landing=None, source="process")
    for keys in (FIRST, SECOND):
        persons = (person("ana", keys=keys), person("bo", party=0, keys=keys))
        ledger.enlist(dataclasses.replace(new, identities=persons), actor="process", now=NOW)
    rekey_all(ledger.books.subjects, limit=100)
    found = ledger.books.subjects.beside(["c-1"])
    assert [each.identity for each in found] == [
        person("bo", party=0, keys=KEYS),
        person("ana", keys=KEYS),
    ]


@pytest.mark.parametrize(("of_hold", "of_call"), [(FIRST, SECOND), (SECOND, FIRST)])
@pytest.mark.parametrize("comes_first", ["hold", "call"])
def test_rekeying_brings_holds_and_calls_of_other_generations_together(
    ledger, bring, place, of_hold, of_call, comes_first
):
    holds = ledger.books.holds
    if comes_first == "call":
        bring("c-1", person("ana", keys=of_call))
    holds.place(hold(scope=HoldScope.SUBJECT), identities=[person("ana", keys=of_hold)], actor="a", now=NOW)
    if comes_first == "hold":
        bring("c-1", person("ana", keys=of_call))
    bring("c-2", person("bo", keys=of_call))
    rekey_all(ledger.books.subjects, limit=1)
    assert [each.hold_id for each in holds.of("c-1")] == [hold().hold_id]
    assert flags(place) == (1, True)
    assert flags(place, "c-2") == (0, False)


# Holds


def test_a_hold_stands_on_its_calls_until_it_is_released(ledger, bring, place):
    holds = ledger.books.holds
    for call_id in ("c-1", "c-2", "c-3"):
        bring(call_id)
    placed = holds.place(hold(), call_ids=["c-2", "c-1", "c-2"], actor="cli:lee", now=NOW)
    assert placed == dataclasses.replace(hold(), n_calls=2)
    assert holds.holds() == holds.of("c-1") == holds.of("c-2") == (placed,)
    assert holds.of("c-3") == holds.of("c-9") == ()
    assert (flags(place, "c-1"), flags(place, "c-3")) == ((1, True), (0, False))
    released = holds.release(placed.hold_id, reason="Settled.", actor="cli:mo", now=later(9))
    assert released == dataclasses.replace(
        placed, released_by="cli:mo", released_at=later(9), release_reason="Settled."
    )
    assert holds.holds() == holds.of("c-1") == ()
    assert holds.holds(standing=False) == (released,)
    assert flags(place, "c-1") == (0, False)
    with pytest.raises(RefusedError):
        holds.release(placed.hold_id, reason="Again.", actor="cli:mo", now=later(10))
    with pytest.raises(NotFoundError):
        holds.release("hold-9", reason="None.", actor="cli:mo", now=later(10))
    assert holds.holds(standing=False) == (released,)


def test_a_hold_is_not_placed_on_a_part_of_what_was_named(ledger, bring, place):
    for call_id in ("c-1", "c-2", "c-3"):
        bring(call_id, person("ana"))
    erase(ledger.books, "c-2")
    erase(ledger.books, "c-3", finish=True)
    n_entries = len(ledger.audit())
    for wrong in ("c-2", "c-3", "c-9"):
        with pytest.raises(NotFoundError) as caught:
            ledger.books.holds.place(hold(), call_ids=["c-1", wrong], actor="a", now=NOW)
        assert wrong in str(caught.value)
    assert ledger.books.holds.holds(standing=False) == ledger.books.holds.of("c-1") == ()
    assert flags(place) == (0, False)
    assert len(ledger.audit()) == n_entries


def test_a_call_is_free_when_its_last_hold_ends(ledger, bring, place):
    holds = ledger.books.holds
    bring("c-1")
    for number in (2, 1):
        holds.place(hold(number, placed_at=later(-number)), call_ids=["c-1"], actor="a", now=NOW)
    assert [each.hold_id[-1] for each in holds.holds()] == ["2", "1"]
    assert flags(place) == (2, True)
    for number, left in ((1, (1, True)), (2, (0, False))):
        with pytest.raises(RefusedError):
            erase(ledger.books, "c-1")
        holds.release(hold(number).hold_id, reason="Over.", actor="a", now=NOW)
        assert flags(place) == left
    erase(ledger.books, "c-1")
    assert ledger.get("c-1").state is CallState.ERASED


def test_a_hold_that_is_there_stays_as_it_is(ledger, bring):
    bring("c-1")
    placed = ledger.books.holds.place(hold(), call_ids=["c-1"], actor="a", now=NOW)
    n_entries = len(ledger.audit())
    assert ledger.books.holds.place(hold(reason="Another."), actor="a", now=NOW) == placed
    assert len(ledger.audit()) == n_entries


def test_a_hold_on_a_person_is_on_present_and_later_calls(ledger, bring, place, new_call):
    holds = ledger.books.holds
    ana = person("ana", party=-1)
    bring("c-1", person("ana"))
    bring("c-2", person("bo"))
    bring("c-3", person("ana"))
    erase(ledger.books, "c-3")
    placed = holds.place(hold(scope=HoldScope.SUBJECT), identities=[ana, ana], actor="a", now=NOW)
    assert (placed.n_calls, placed.scope) == (1, HoldScope.SUBJECT)
    bring("c-4", person("ana", party=0))
    bring("c-5", person("bo"))
    outside = new_call("c-6", landing=None, source="process", identities=(person("ana"),))
    for _ in range(2):
        ledger.enlist(outside, actor="process", now=NOW)
    assert holds.calls_of(placed.hold_id) == ("c-1", "c-4", "c-6")
    assert [flags(place, f"c-{n}") for n in (1, 2, 3, 4, 5)] == [
        (1, True),
        (0, False),
        (0, False),
        (1, True),
        (0, False),
    ]
    assert holds.release(placed.hold_id, reason="Over.", actor="a", now=NOW).n_calls == 3
    bring("c-7", person("ana"))
    assert holds.of("c-7") == holds.of("c-4") == ()
    assert flags(place, "c-4") == flags(place, "c-7") == (0, False)


def test_a_hold_on_many_calls_is_read_in_pages(ledger, bring):
    holds = ledger.books.holds
    ids = [f"c-{number:02}" for number in range(7)]
    for call_id in ids:
        bring(call_id)
    holds.place(hold(scope=HoldScope.QUERY), call_ids=ids, actor="a", now=NOW)
    assert holds.calls_of(hold().hold_id, limit=3) == tuple(ids[:3])
    assert holds.calls_of(hold().hold_id, after=ids[2], limit=3) == tuple(ids[3:6])
    assert holds.calls_of(hold().hold_id, after=ids[6]) == holds.calls_of("hold-9") == ()


def test_more_calls_than_one_statement_takes(ledger, bring, place):
    holds = ledger.books.holds
    bring("c-0")
    for number in range(1, 520):
        _copy(place, f"c-{number}")
    ids = [f"c-{number}" for number in range(520)]
    assert holds.place(hold(), call_ids=ids, actor="a", now=NOW).n_calls == 520
    held = place.sql("SELECT COUNT(*) AS n FROM calls WHERE n_holds = 1 AND singled_out")[0].n
    assert held == 520
    holds.release(hold().hold_id, reason="Over.", actor="a", now=NOW)
    assert place.sql("SELECT COUNT(*) AS n FROM calls WHERE n_holds > 0 OR singled_out")[0].n == 0


def _copy(place, call_id):
    """The call "c-0" once more under another id."""
    names = "state, reason, source, incomplete, masked_s, attempts, consent_version, received_at"
    names += ", heartbeat_at, updated_at, fence, call"
    place.sql(
        f"INSERT INTO calls (call_id, {names}) SELECT :c, {names} FROM calls WHERE call_id = 'c-0'", c=call_id
    )


def test_the_store_is_behind_until_it_is_marked(ledger, bring, publish):
    holds = ledger.books.holds
    for call_id in ("c-1", "c-2", "c-3", "c-4"):
        bring(call_id)
    for call_id in ("c-1", "c-2", "c-3"):
        publish(call_id)
    assert holds.differing() == ()
    holds.place(hold(), call_ids=["c-1", "c-2", "c-4"], actor="a", now=NOW)
    # c-4 has nothing in the store.
    assert holds.differing() == (("c-1", True), ("c-2", True))
    assert holds.differing(limit=1) == (("c-1", True),)
    assert holds.differing(after="c-1") == (("c-2", True),)
    holds.mark("c-1", True)
    assert holds.differing() == (("c-2", True),)
    holds.release(hold().hold_id, reason="Over.", actor="a", now=NOW)
    assert holds.differing() == (("c-1", False),)
    holds.mark("c-1", False)
    assert holds.differing() == ()
    holds.place(hold(2), call_ids=["c-4"], actor="a", now=NOW)
    publish("c-4")
    assert holds.differing() == (("c-4", True),)


def test_who_held_and_released_is_in_the_chain_and_nothing_of_persons(ledger, bring):
    ana = person("ana")
    bring("c-1", ana)
    holds = ledger.books.holds
    holds.place(hold(scope=HoldScope.SUBJECT), identities=[ana], actor="cli:lee", now=later(1))
    holds.release(hold().hold_id, reason="Over.", actor="cli:mo", now=later(2))
    entries = ledger.audit()[1:]
    assert [(entry.action, entry.actor, entry.at) for entry in entries] == [
        ("hold.placed", "cli:lee", later(1)),
        ("hold.released", "cli:mo", later(2)),
    ]
    for entry in entries:
        assert entry.detail == {"hold": hold().hold_id, "calls": 1}
    assert ana.digest not in repr(ledger.audit())
    assert ledger.check_audit() is None
