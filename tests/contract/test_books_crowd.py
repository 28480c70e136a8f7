"""Books and ledger at once: what two do at the same moment, and what stops in the middle, leaves no gap."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from callveil.errors import CallveilError, LeaseLostError, LedgerError, NotFoundError, RefusedError
from callveil.testing import ManualClock
from callveil.vocabulary.ledger import CallState, Settlement, Topic
from callveil.vocabulary.retention import Hold, HoldScope, KeptPart
from callveil.vocabulary.rights import (
    IdentifierKind,
    Identity,
    ItemState,
    RemovalWhy,
    Request,
    RequestItem,
    RequestKind,
    RequestState,
)

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
S = CallState
ALL = frozenset(KeptPart)
AUDIO = frozenset({KeptPart.AUDIO})


def person(digest="a", generation=1):
    return Identity(kind=IdentifierKind.PHONE, digest=digest * 64, generation=generation, party=0)


def hold(number=1):
    return Hold(
        hold_id=f"hold-{number:012x}",
        scope=HoldScope.CALL,
        reason="Matter 7",
        authority="Court",
        placed_by="cli:ops",
        placed_at=NOW,
    )


def place_hold(books, number=1, **on):
    return books.holds.place(hold(number), **on, actor="cli:ops", now=NOW)


def decide(books, call_id="c-1", parts=ALL, why=RemovalWhy.ERASURE, now=NOW):
    return books.removals.decide(
        call_id,
        prefix=f"calls/2026/11/23/{call_id}/",
        parts=parts,
        why=why,
        reason="Asked for.",
        request_id=None,
        actor="cli:ops",
        now=now,
    )


def finish(books, removal):
    return books.removals.finish(removal.removal_id, evidence={"store_versions": 1}, actor="cli:ops", now=NOW)


def publish(ledger, new_call, call_id="c-1", **others):
    ledger.accept(new_call(call_id, content=call_id, **others), actor="a", now=NOW)
    for state in (S.KEPT, S.PUBLISHED):
        claim = ledger.claim(call_id, owner="w", lease_s=60, now=NOW)
        result = Settlement(state=state)
        if state is S.PUBLISHED:
            result = Settlement(state=state, prefix=f"calls/2026/11/23/{call_id}/", duration_s=60.0)
        ledger.settle(claim, result, now=NOW)


def at_once(*works):
    """What each work returned, or the error it raised; all begin at the same moment."""
    barrier = threading.Barrier(len(works))

    def run(work):
        barrier.wait()
        try:
            return work()
        except CallveilError as error:
            return error

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(run, works))


# Erasure and workers


def test_a_worker_loses_an_erased_call(place, new_call):
    ledger = place.open()
    ledger.accept(new_call(), actor="a", now=NOW)
    claim = ledger.claim("c-1", owner="w", lease_s=60, now=NOW)
    decide(ledger.books)
    assert ledger.renew(claim, lease_s=60, now=NOW) is None
    with pytest.raises(LeaseLostError):
        ledger.settle(claim, Settlement(state=S.PUBLISHED, prefix="p/"), now=NOW)
    assert ledger.claim("c-1", owner="w", lease_s=60, now=NOW + timedelta(days=1)) is None
    with pytest.raises(RefusedError):
        ledger.replay("c-1", actor="a", now=NOW)
    assert (ledger.get("c-1").state, ledger.get("c-1").prefix) == (S.ERASED, None)


def test_the_lease_of_an_erased_call_forbids_to_publish(place, new_call):
    from callveil.pipeline.lease import Lease

    ledger = place.open()
    ledger.accept(new_call(), actor="a", now=NOW)
    claim = ledger.claim("c-1", owner="w", lease_s=60, now=NOW)
    lease = Lease(claim, ledger, ManualClock(NOW), 60)
    lease.check()
    decide(ledger.books)
    with pytest.raises(LeaseLostError):
        lease.check()


def test_to_decide_and_to_settle_at_once_ends_erased(place, new_call):
    ledger = place.open()
    for number in range(8):
        call_id = f"c-{number}"
        ledger.accept(new_call(call_id, content=call_id), actor="a", now=NOW)
        claim = ledger.claim(call_id, owner="w", lease_s=60, now=NOW)
        result = Settlement(state=S.PUBLISHED, prefix="p/")
        removal, settled = at_once(
            lambda name=call_id: decide(ledger.books, name),
            lambda held=claim, said=result: ledger.settle(held, said, now=NOW),
        )
        assert removal.call_id == call_id
        assert isinstance(settled, LeaseLostError) or settled.state is S.PUBLISHED
        assert ledger.get(call_id).state is S.ERASED
    assert ledger.check_audit() is None


def test_to_decide_twice_at_once_is_one_removal(place, new_call):
    ledger = place.open()
    publish(ledger, new_call)
    found = at_once(*[lambda: decide(ledger.books)] * 4)
    assert len({removal.removal_id for removal in found}) == 1
    assert len(ledger.books.removals.unfinished()) == 1
    topics = [event.topic for event in ledger.take_events(owner="s", limit=100, lease_s=60, now=NOW)]
    assert topics.count(Topic.ERASED) == 1


def test_a_live_call_that_is_erased_is_not_looked_for_any_more(place, new_call):
    ledger = place.open()
    ledger.accept(new_call(live=True), actor="a", now=NOW)
    removal = decide(ledger.books)
    ledger.arrived("c-1", content_sha256="b" * 64, n_bytes=9, incomplete=False, actor="a", now=NOW)
    late = NOW + timedelta(hours=1)
    assert ledger.silent_arrivals(silent_s=30, now=late) == ()
    finish(ledger.books, removal)
    got = ledger.get("c-1")
    assert (got.content_sha256, got.n_bytes, got.landing) == (None, None, None)
    assert ledger.silent_arrivals(silent_s=30, now=late) == ()
    assert ledger.counts(now=late).oldest_waiting_s == 0.0


@pytest.mark.parametrize("is_finished", [False, True])
def test_an_erased_call_does_not_come_back(place, new_call, is_finished):
    ledger = place.open()
    new = new_call(idempotency_key="k-1")
    ledger.accept(new, actor="a", now=NOW)
    removal = decide(ledger.books)
    if is_finished:
        finish(ledger.books, removal)
    with pytest.raises(RefusedError):
        ledger.accept(new, actor="a", now=NOW)
    with pytest.raises(RefusedError):
        ledger.accept(new_call(content="other"), actor="a", now=NOW)
    with pytest.raises(RefusedError):
        ledger.enlist(replace(new, landing=None, source="process"), actor="a", now=NOW)
    if not is_finished:
        # The same recording under the same key, with the id that a retry made up.
        again = new_call("made-up", idempotency_key="k-1")
        with pytest.raises(RefusedError):
            ledger.accept(again, actor="a", now=NOW)
    with pytest.raises(CallveilError):
        ledger.books.removals.note_event("c-1", "contract_end", NOW, actor="a", now=NOW)
    assert place.sql("SELECT * FROM call_events") == []


def test_of_two_removals_the_one_of_some_parts_does_not_forget_the_call(place, new_call):
    ledger = place.open()
    publish(ledger, new_call, identities=(person(),))
    some = decide(ledger.books, parts=AUDIO, why=RemovalWhy.RETENTION)
    everything = decide(ledger.books, now=NOW + timedelta(seconds=1))
    finish(ledger.books, some)
    # The call is still where it was, so the person must still be found.
    assert [s.call_id for s in ledger.books.subjects.find(["a" * 64])] == ["c-1"]
    assert [r.removal_id for r in ledger.books.removals.unfinished()] == [everything.removal_id]
    finish(ledger.books, everything)
    assert ledger.books.subjects.find(["a" * 64]) == ()
    assert ledger.books.removals.unfinished() == ()


def test_nothing_is_left_of_an_erased_call(place, new_call):
    ledger = place.open()
    publish(ledger, new_call, identities=(person(),), idempotency_key="k-1")
    finish(ledger.books, decide(ledger.books))
    for table in ("identities", "consent", "attempts", "call_events", "hold_calls"):
        assert place.sql(f"SELECT * FROM {table}") == [], table
    topics = {row.topic for row in place.sql("SELECT topic FROM outbox")}
    assert topics == {"calls.erased"}
    row = place.sql("SELECT * FROM calls")[0]
    for name in (
        "landing",
        "content_sha256",
        "n_bytes",
        "idempotency_sha256",
        "prefix",
        "duration_s",
        "traits",
    ):
        assert getattr(row, name) is None, name
    call = ledger.get("c-1").call
    assert (call.queue, call.agent, call.language, call.parties, call.consent) == (None, None, None, (), ())
    assert "a" * 64 not in str(place.sql("SELECT detail FROM audit"))


# Holds


def test_to_hold_and_to_decide_at_once_is_one_of_them(place, new_call):
    ledger = place.open()
    for number in range(8):
        call_id = f"c-{number}"
        publish(ledger, new_call, call_id)
        placed, removal = at_once(
            lambda n=number, name=call_id: place_hold(ledger.books, n, call_ids=[name]),
            lambda name=call_id: decide(ledger.books, name),
        )
        if isinstance(removal, RefusedError):
            assert ledger.get(call_id).state is S.PUBLISHED
            assert [h.hold_id for h in ledger.books.holds.of(call_id)] == [placed.hold_id]
        else:
            assert isinstance(placed, NotFoundError)
            assert ledger.get(call_id).state is S.ERASED
            assert ledger.books.holds.of(call_id) == ()
    assert ledger.check_audit() is None


def test_nothing_is_decided_under_a_hold(place, new_call):
    ledger = place.open()
    publish(ledger, new_call)
    place_hold(ledger.books, call_ids=["c-1"])
    n_entries = len(ledger.audit())
    for parts in (ALL, AUDIO):
        with pytest.raises(RefusedError):
            decide(ledger.books, parts=parts)
    assert ledger.books.removals.unfinished() == ()
    assert len(ledger.audit()) == n_entries
    ledger.books.holds.release("hold-000000000001", reason="over", actor="cli:ops", now=NOW)
    assert decide(ledger.books).done_at is None


def test_a_hold_on_a_person_leaves_out_what_is_being_erased(place, new_call):
    ledger = place.open()
    for call_id in ("c-1", "c-2"):
        publish(ledger, new_call, call_id, identities=(person(),))
    removal = decide(ledger.books, "c-1")
    placed = place_hold(ledger.books, identities=[person()])
    assert ledger.books.holds.calls_of(placed.hold_id) == ("c-2",)
    assert placed.n_calls == 1
    # What the store of the erased call is asked for must not stop its deletion.
    assert ledger.books.holds.differing() == (("c-2", True),)
    finish(ledger.books, removal)


def test_a_call_that_comes_under_a_hold_on_its_person_is_held_and_noted(place, new_call):
    ledger = place.open()
    place_hold(ledger.books, identities=[person()])
    publish(ledger, new_call, "c-1", identities=(person(),))
    publish(ledger, new_call, "c-2", identities=(person("b"),))
    assert [h.hold_id for h in ledger.books.holds.of("c-1")] == ["hold-000000000001"]
    assert ledger.books.holds.of("c-2") == ()
    assert ledger.books.holds.differing() == (("c-1", True),)
    with pytest.raises(RefusedError):
        decide(ledger.books, "c-1")
    noted = [entry for entry in ledger.audit() if entry.action.startswith("hold.") and entry.call_id == "c-1"]
    assert [entry.detail["hold"] for entry in noted] == ["hold-000000000001"]


def test_a_call_that_comes_while_a_hold_on_its_person_is_placed_is_held(place, new_call):
    ledger = place.open()
    for number in range(12):
        digest = f"{number:x}"
        call_id = f"c-{number}"
        new = new_call(call_id, content=call_id, identities=(person(digest),))
        at_once(
            lambda n=number, d=digest: place_hold(ledger.books, n, identities=[person(d)]),
            lambda given=new: ledger.accept(given, actor="a", now=NOW),
        )
        assert [h.hold_id for h in ledger.books.holds.of(call_id)] == [f"hold-{number:012x}"], number


@pytest.mark.postgresql
@pytest.mark.parametrize("place", ["postgresql"], indirect=True)
def test_a_hold_waits_for_a_call_that_is_just_coming_in(place, new_call):
    """The same without luck: the call is in, its transaction not yet at its end."""
    ledger, begun, go_on = place.open(), threading.Event(), threading.Event()

    def stop_late(connection, cursor, statement, parameters, context, executemany):
        if statement.startswith("INSERT INTO audit ") and threading.current_thread().name == "intake":
            begun.set()
            assert go_on.wait(10)

    sa.event.listen(ledger._database.engine, "before_cursor_execute", stop_late)
    new = new_call(identities=(person(),))
    intake = threading.Thread(target=lambda: ledger.accept(new, actor="a", now=NOW), name="intake")
    placing = threading.Thread(target=lambda: place_hold(ledger.books, identities=[person()]))
    intake.start()
    assert begun.wait(10)
    placing.start()
    placing.join(0.5)  # it waits for the call or is done without it: the end shows which
    go_on.set()
    intake.join(10)
    placing.join(10)
    sa.event.remove(ledger._database.engine, "before_cursor_execute", stop_late)
    assert [h.hold_id for h in ledger.books.holds.of("c-1")] == ["hold-000000000001"]


def step(digest):
    return {"a": "c", "b": "d"}[digest[0]] * 64


def rekey(books, limit=100):
    while books.subjects.rekey(1, step, limit=limit):
        pass


@pytest.mark.parametrize("limit", [1, 100])
def test_a_hold_finds_its_calls_whatever_key_was_there_first(place, new_call, limit):
    ledger = place.open()
    place_hold(ledger.books, identities=[person("a", 1)])
    # The newest key is in use while the hold is still known by the one before.
    publish(ledger, new_call, "newer", identities=(person("c", 2),))
    publish(ledger, new_call, "other", identities=(person("d", 2),))
    rekey(ledger.books, limit)
    assert ledger.books.holds.calls_of("hold-000000000001") == ("newer",)
    # A process that has not read the new key yet brings a call, and the next look takes it along.
    publish(ledger, new_call, "older", identities=(person("a", 1),))
    rekey(ledger.books, limit)
    assert ledger.books.holds.calls_of("hold-000000000001") == ("newer", "older")
    assert [c for c, _ in ledger.books.holds.differing()] == ["newer", "older"]
    assert ledger.books.subjects.generations() == {2: 4}


# Whole or not at all


def _decide(books):
    decide(books)


def _place(books):
    place_hold(books, call_ids=["c-1"], identities=[person()])


def _open(books):
    request = Request(
        request_id="req-000000000001",
        kind=RequestKind.ERASURE,
        state=RequestState.OPEN,
        identities=(person(),),
        received_at=NOW,
        due_at=NOW + timedelta(days=30),
    )
    item = RequestItem(request_id=request.request_id, call_id="c-1", state=ItemState.PENDING)
    books.requests.open(request, [item], actor="a", now=NOW)


def _event(books):
    books.removals.note_event("c-1", "contract_end", NOW, actor="a", now=NOW)


def _restrict(books):
    books.requests.restrict("c-1", "Art. 18", actor="a", now=NOW)


@pytest.mark.parametrize("change", [_decide, _place, _open, _event, _restrict], ids=lambda f: f.__name__)
def test_what_fails_at_its_last_step_has_changed_nothing(place, new_call, change, monkeypatch):
    """The audit entry comes last: a process that dies before its commit leaves just as little."""
    ledger = place.open()
    publish(ledger, new_call, identities=(person(),))
    names = [table.name for table in _tables()]
    before = {name: sorted(map(str, place.sql(f"SELECT * FROM {name}"))) for name in names}

    def fail(*args, **kwargs):
        raise LedgerError("the database is gone")

    monkeypatch.setattr("callveil.adapters.ledger_sql.audit_chain.append", fail)
    with pytest.raises(LedgerError):
        change(ledger.books)
    assert {name: sorted(map(str, place.sql(f"SELECT * FROM {name}"))) for name in names} == before
    monkeypatch.undo()
    change(ledger.books)
    after = {name: sorted(map(str, place.sql(f"SELECT * FROM {name}"))) for name in names}
    assert after != before
    assert ledger.check_audit() is None


def _tables():
    from callveil.adapters.ledger_sql.tables import metadata

    return metadata.sorted_tables


def test_a_removal_that_fails_while_it_forgets_has_forgotten_nothing(place, new_call, monkeypatch):
    ledger = place.open()
    publish(ledger, new_call, identities=(person(),))
    removal = decide(ledger.books)

    def fail(*args, **kwargs):
        raise LedgerError("the database is gone")

    monkeypatch.setattr("callveil.adapters.ledger_sql.audit_chain.append", fail)
    with pytest.raises(LedgerError):
        finish(ledger.books, removal)
    monkeypatch.undo()
    assert ledger.books.subjects.find(["a" * 64]) != ()
    assert ledger.get("c-1").prefix is not None
    assert ledger.books.removals.unfinished() == (removal,)
    done = finish(ledger.books, removal)
    assert finish(ledger.books, removal) == done
    assert ledger.books.removals.unfinished() == ()


# Scrubbing


def test_a_scrubbed_database_holds_no_hash_of_the_person(place, new_call):
    ledger = place.open()
    publish(ledger, new_call, identities=(person("e"),))
    finish(ledger.books, decide(ledger.books))
    ledger.books.removals.scrub()
    if place.file is None:
        assert place.sql("SELECT * FROM identities") == []
        return
    found = [path.name for path in place.file.parent.iterdir() if b"e" * 64 in path.read_bytes()]
    assert found == []


def test_a_reader_in_the_way_of_scrubbing_is_told(place, new_call, monkeypatch):
    if place.file is None:
        pytest.skip("only SQLite has a log to empty")
    monkeypatch.setattr("callveil.adapters.ledger_sql.database._WAIT_S", 0)
    ledger = place.open()
    publish(ledger, new_call)
    with ledger._database.engine.connect() as reader:
        reader.exec_driver_sql("SELECT count(*) FROM calls").fetchall()
        publish(ledger, new_call, "c-2")
        with pytest.raises(LedgerError):
            ledger.books.removals.scrub()
    ledger.books.removals.scrub()
