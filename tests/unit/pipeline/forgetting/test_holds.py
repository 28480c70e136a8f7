"""Legal holds: ledger and store together, mended when one failed, respected by all that deletes."""

from datetime import UTC, datetime, timedelta

import pytest

from callveil.adapters.consent_rules import load_consent_rules
from callveil.adapters.resources import resource_folder
from callveil.errors import MetadataError, NotFoundError, RefusedError, StoreError
from callveil.kit import Service
from callveil.pipeline import holds
from callveil.pipeline.gate import decide
from callveil.pipeline.outlook import Sought, named
from callveil.pipeline.reconcile import reconcile
from callveil.pipeline.seal import delete_expired
from callveil.pipeline.work import decide_call, shred_if_done
from callveil.vocabulary.consent import ConsentRecord, Flag, Purpose
from callveil.vocabulary.ledger import CallState
from callveil.vocabulary.retention import HoldScope, KeptPart
from callveil.vocabulary.rights import RemovalWhy

PREFIX = "calls/2026/11/23/c-1/"
DENIED = tuple(ConsentRecord(purpose=purpose, flag=Flag.DENIED) for purpose in Purpose)


def place(world, *call_ids, scope=HoldScope.CALL, sought=None):
    meant = sought or named(call_ids, world.office)
    return holds.place(scope, meant, world.office, reason="matter", authority="court", actor="t")


def service_of(world):
    office = world.office
    return Service(
        config=office.config,
        site=office.site,
        ledger=office.ledger,
        books=office.books,
        landing=office.landing,
        store=office.store,
        originals=office.originals,
        rules=load_consent_rules(resource_folder("pipelines") / "consent.toml"),
        hasher=office.hasher,
        clock=office.clock,
    )


def test_ledger_and_store_hold_together_and_let_go_together(world):
    world.plant("c-1")
    placed = place(world, "c-1")
    assert (placed.behind, placed.hold.n_calls) == (0, 1)
    assert world.office.store.legal_hold(PREFIX)
    assert world.office.books.holds.differing() == ()
    second = place(world, "c-1")
    holds.release(placed.hold.hold_id, world.office, reason="over", actor="t")
    assert world.office.store.legal_hold(PREFIX)
    holds.release(second.hold.hold_id, world.office, reason="over", actor="t")
    assert not world.office.store.legal_hold(PREFIX)
    with pytest.raises(RefusedError):
        holds.release(second.hold.hold_id, world.office, reason="over", actor="t")


@pytest.mark.parametrize("on", [True, False])
def test_a_store_that_failed_is_mended(world, monkeypatch, on):
    world.plant("c-1")
    hold = None if on else place(world, "c-1").hold
    with monkeypatch.context() as patch:

        def fail(self, prefix, on):
            raise StoreError("told to fail")

        patch.setattr(type(world.office.store), "set_legal_hold", fail)
        behind = (
            place(world, "c-1").behind
            if hold is None
            else holds.release(hold.hold_id, world.office, reason="over", actor="t").behind
        )
        assert behind == 1
        assert holds.mend(world.office) == (0, 1)
    assert reconcile(service_of(world)).holds == 1
    assert world.office.store.legal_hold(PREFIX) is on
    assert holds.mend(world.office) == (0, 0)


def test_a_person_is_held_in_later_calls_too(world):
    world.plant("c-1")
    place(world, scope=HoldScope.SUBJECT, sought=world.person())
    world.plant("c-2")
    assert world.office.books.holds.of("c-2")
    assert holds.mend(world.office) == (1, 0)
    assert world.office.store.legal_hold("calls/2026/11/23/c-2/")


def test_a_query_holds_what_fits_now(world):
    world.plant("c-1", queue="broker")
    world.plant("c-2", queue="sales")
    found = tuple(holds.matching(holds.HoldQuery(queue="broker"), world.office.ledger))
    assert found == ("c-1",)
    late = holds.HoldQuery(since=datetime(2026, 11, 24, tzinfo=UTC))
    assert tuple(holds.matching(late, world.office.ledger)) == ()
    early = holds.HoldQuery(until=datetime(2026, 11, 24, tzinfo=UTC), agent=None)
    assert tuple(holds.matching(early, world.office.ledger)) == ("c-1", "c-2")
    with pytest.raises(MetadataError):
        next(holds.matching(holds.HoldQuery(), world.office.ledger))
    placed = place(world, scope=HoldScope.QUERY, sought=Sought(call_ids=found))
    assert placed.hold.scope is HoldScope.QUERY


def test_a_hold_needs_words_and_calls_that_are_there(world):
    world.plant("c-1")
    with pytest.raises(NotFoundError):
        place(world, "nobody")
    with pytest.raises(MetadataError):
        holds.place(
            HoldScope.CALL, named(["c-1"], world.office), world.office, reason=" ", authority="a", actor="t"
        )


def test_what_is_held_is_not_removed(world):
    world.plant("c-1")
    place(world, "c-1")
    with pytest.raises(RefusedError):
        world.office.books.removals.decide(
            "c-1",
            prefix=PREFIX,
            parts=frozenset(KeptPart),
            why=RemovalWhy.RETENTION,
            reason="r",
            request_id=None,
            actor="t",
            now=world.clock.now(),
        )


def test_a_held_original_does_not_expire(world):
    world.plant("c-1")
    world.plant("c-2")
    place(world, "c-1")
    later = world.clock.now() + timedelta(days=400)
    held = world.office.books.holds.of
    gone = delete_expired(world.office.originals, later, is_held=lambda call_id: bool(held(call_id)))
    assert gone == ("c-2",)


def deny(world, call_id="c-1"):
    world.office.ledger.record_consent(call_id, DENIED, actor="t", now=world.clock.now())


def test_a_denial_deletes_nothing_of_a_held_published_call_until_the_hold_ends(world):
    world.plant("c-1")
    hold = place(world, "c-1").hold
    # Even a store that does not know of the hold yet deletes nothing.
    world.office.store.set_legal_hold(PREFIX, False)
    deny(world)
    service = service_of(world)
    assert decide_call("c-1", service, "w").state is CallState.PUBLISHED
    assert "legal hold" in world.office.ledger.get("c-1").reason
    assert list(world.office.originals.store.call_ids()) == ["c-1"]
    assert world.office.store.count_versions(PREFIX)
    holds.release(hold.hold_id, world.office, reason="over", actor="t")
    assert world.office.store.count_versions(PREFIX) == 0
    assert list(world.office.originals.store.call_ids()) == []
    assert world.state() is CallState.DISCARDED


def test_a_held_call_that_is_denied_keeps_its_audio_until_the_hold_ends(world):
    token = world.plant("c-1", state=CallState.RECEIVED)
    hold = place(world, "c-1").hold
    deny(world)
    service = service_of(world)
    assert decide_call("c-1", service, "w").state is CallState.DISCARDED
    reconcile(service)
    assert world.office.landing.is_finished(token)
    assert list(world.office.originals.store.call_ids()) == ["c-1"]
    holds.release(hold.hold_id, world.office, reason="over", actor="t")
    assert reconcile(service).shredded == 1
    assert not world.office.landing.shred(token)
    assert list(world.office.originals.store.call_ids()) == []


def test_a_call_that_is_published_under_a_hold_is_held_at_once(world):
    world.plant("c-1", state=CallState.PROCESSING)
    place(world, "c-1")
    prefix = world.publish("c-1")
    holds.mark_published("c-1", prefix, world.office.books, world.office.store)
    assert world.office.store.legal_hold(PREFIX)


def test_without_a_hold_a_denial_deletes(world):
    token = world.plant("c-1", state=CallState.RECEIVED)
    deny(world)
    service = service_of(world)
    assert decide_call("c-1", service, "w").state is CallState.DISCARDED
    assert list(world.office.originals.store.call_ids()) == []
    assert not world.office.landing.shred(token)
    assert shred_if_done(world.office.ledger.get("c-1"), service, actor="t") is False


def test_gate_decides_a_held_call_as_any_other_when_nothing_is_to_go(world):
    world.plant("c-1", state=CallState.RECEIVED)
    place(world, "c-1")
    ledger, now = world.office.ledger, world.clock.now()
    claim = ledger.claim("c-1", owner="w", lease_s=60, now=now)
    assert decide(claim, service_of(world)).state is CallState.KEPT
