"""Restriction, withdrawal of consent, and the register's deadlines."""

import dataclasses
from datetime import timedelta

import pytest

from callveil.config import Profile
from callveil.errors import MetadataError, RefusedError, StoreError
from callveil.pipeline import erasure, register, restrict
from callveil.pipeline.outlook import named
from callveil.pipeline.withdraw import foresee, withdraw
from callveil.rights.identifiers import identities_of
from callveil.testing import call
from callveil.vocabulary.consent import Purpose
from callveil.vocabulary.ledger import CallState, NewCall, Settlement
from callveil.vocabulary.recording import Part
from callveil.vocabulary.rights import Recipient, Request, RequestKind, RequestState

PREFIX = "calls/2026/11/23/c-1/"
CRM = Recipient(name="crm", kind="crm", url="https://crm.example/forget", secret="s" * 32)


def tag(world):
    return world.office.store.tags(PREFIX + Part.AUDIO).get("callveil-restricted", "no")


def test_a_restricted_call_stays_and_nobody_reads_it(world):
    world.plant("c-1")
    world.with_recipients(CRM)
    request = restrict.restrict(
        named(["c-1"], world.office), world.office, reason="Accuracy is contested.", actor="t"
    )
    assert request.state is RequestState.DONE
    assert tag(world) == "yes"
    with pytest.raises(RefusedError, match="Accuracy is contested"):
        restrict.check_may_read("c-1", world.office, despite=None, actor="t")
    with pytest.raises(RefusedError):
        restrict.check_may_read("c-1", world.office, despite=" ", actor="t")
    restrict.check_may_read("c-1", world.office, despite="a legal claim", actor="t")
    entry = world.office.ledger.audit(limit=1000)[-1]
    assert (entry.action, entry.detail["reason"]) == ("restricted.read", "a legal claim")
    lifted = restrict.lift(named(["c-1"], world.office), world.office, reason="It was right.", actor="t")
    assert lifted.state is RequestState.DONE
    assert tag(world) == "no"
    restrict.check_may_read("c-1", world.office, despite=None, actor="t")
    assert {each.event for each in world.office.books.notices.notices()} == {
        "restriction",
        "restriction_lifted",
    }


def test_a_restriction_that_the_store_did_not_take_is_carried_on(world, monkeypatch):
    world.plant("c-1")
    with monkeypatch.context() as patch:

        def fail(self, prefix, tags):
            raise StoreError("told to fail")

        patch.setattr(type(world.office.store), "set_tags", fail)
        request = restrict.restrict(named(["c-1"], world.office), world.office, reason="r", actor="t")
        assert request.state is RequestState.RUNNING
        assert world.office.books.requests.restriction("c-1") == "r"
    erasure.resume(world.office, actor="t")
    assert tag(world) == "yes"
    assert world.office.books.requests.get(request.request_id).state is RequestState.DONE


def test_what_waits_to_be_erased_stays_restricted(world):
    world.plant("c-1", queue="broker")
    erasure.erase(world.person(), world.office, actor="t")
    with pytest.raises(RefusedError, match="waits to be erased"):
        restrict.lift(named(["c-1"], world.office), world.office, reason="r", actor="t")
    assert tag(world) == "yes"


def test_what_is_asked_for_twice_is_entered_once(world):
    world.plant("c-1")
    asked = {"reason": "Accuracy is contested.", "actor": "t", "request_id": "req-" + "1" * 12}
    first = restrict.restrict(world.person(), world.office, **asked)
    restrict.lift(world.person(), world.office, reason="It was right.", actor="t")
    assert restrict.restrict(world.person(), world.office, **asked).request_id == first.request_id
    assert world.office.books.requests.restriction("c-1") is None  # the first one was lifted since
    assert len(world.office.books.requests.requests()) == 2


def test_a_reason_is_needed(world):
    world.plant("c-1")
    with pytest.raises(MetadataError):
        restrict.restrict(named(["c-1"], world.office), world.office, reason=" ", actor="t")


def enlist(world, call_id="c-1"):
    """A call of `callveil process`."""
    made = call(call_id)
    new = NewCall(
        call=made,
        landing=None,
        source="process",
        content_sha256="ab" * 32,
        n_bytes=1,
        identities=identities_of(made, world.office.hasher),
    )
    world.office.ledger.enlist(new, actor="t", now=world.clock.now())
    prefix = world.publish(call_id)
    published = Settlement(state=CallState.PUBLISHED, prefix=prefix, duration_s=60.0)
    world.office.ledger.record(call_id, published, actor="t", now=world.clock.now())
    world.seal(call_id)


def withdrawn(world, *purposes, at_s=None):
    before = world.office.ledger.get("c-1")
    foreseen = foresee("c-1", purposes, world.office, at_s=at_s, party=1)
    assert world.office.ledger.get("c-1") == before
    done = withdraw("c-1", purposes, world.office, at_s=at_s, party=1, actor="t")
    assert done.consequence == foreseen
    return done


def test_a_withdrawal_erases_a_processed_call_at_once(world):
    enlist(world)
    done = withdrawn(world, Purpose.RECORDING)
    assert "is deleted" in done.consequence
    assert done.found.state is CallState.DISCARDED
    assert list(world.office.store.list_calls()) == []
    assert list(world.office.originals.store.call_ids()) == []


def test_a_withdrawal_keeps_it_where_the_profile_says_so(world):
    profile = Profile.model_validate({"consent": {"after_publishing": "keep"}})
    world.office = dataclasses.replace(
        world.office, config=dataclasses.replace(world.office.config, profile=profile)
    )
    enlist(world)
    done = withdrawn(world, Purpose.RECORDING)
    assert "stays" in done.consequence
    assert world.state() is CallState.PUBLISHED
    assert list(world.office.store.list_calls()) == [PREFIX]


def test_a_withdrawal_of_what_was_not_needed_changes_nothing(world):
    enlist(world)
    done = withdrawn(world, Purpose.ANALYTICS)
    assert "stays as it is" in done.consequence
    assert world.state() is CallState.PUBLISHED
    [answer] = [each for _, _, each in world.office.ledger.consent_history("c-1") if each.party == 1]
    assert answer.purpose is Purpose.ANALYTICS


def test_the_service_decides_about_its_own_calls(world):
    world.plant("c-1")
    done = withdrawn(world, Purpose.RECORDING)
    assert "is deleted" in done.consequence
    assert done.found.state is CallState.RECEIVED  # a worker takes it up
    assert list(world.office.store.list_calls()) == [PREFIX]


def test_a_party_must_be_there(world):
    world.plant("c-1")
    with pytest.raises(MetadataError):
        withdraw("c-1", [Purpose.RECORDING], world.office, at_s=None, party=2, actor="t")


def opened(world, kind=RequestKind.ACCESS):
    now = world.clock.now()
    request = Request(
        request_id="req-000000000001",
        kind=kind,
        state=RequestState.OPEN,
        identities=(),
        received_at=now,
        due_at=register.ANSWER_WITHIN.after(now),
    )
    return world.office.books.requests.open(request, [], actor="t", now=now).request_id


def test_a_deadline_is_one_month_and_can_be_extended_once_in_time(world):
    request_id = opened(world)
    requests, now = world.office.books.requests, world.clock.now()
    assert requests.get(request_id).due_at.isoformat()[:10] == "2026-12-23"
    assert register.days_left(requests.get(request_id), now) == 30
    with pytest.raises(MetadataError):
        register.extend(request_id, world.office, months=3, reason="r", actor="t")
    with pytest.raises(MetadataError):
        register.extend(request_id, world.office, months=2, reason="", actor="t")
    extended = register.extend(request_id, world.office, months=2, reason="many calls", actor="t")
    assert extended.due_at.isoformat()[:10] == "2027-02-23"
    with pytest.raises(RefusedError, match="extended already"):
        register.extend(request_id, world.office, months=1, reason="r", actor="t")
    assert register.is_late(extended, now + timedelta(days=100))
    closed = register.close(request_id, world.office, refused=True, reason="excessive", actor="t")
    assert (closed.state, closed.note) == (RequestState.REFUSED, "excessive")
    assert not register.is_late(closed, now + timedelta(days=100))
    with pytest.raises(RefusedError):
        register.close(request_id, world.office, refused=False, reason="r", actor="t")
    with pytest.raises(RefusedError):
        register.extend(request_id, world.office, months=1, reason="r", actor="t")


def test_after_its_month_a_request_is_late_and_not_extended(world):
    request_id = opened(world)
    world.clock.advance(timedelta(days=31))
    assert register.is_late(world.office.books.requests.get(request_id), world.clock.now())
    with pytest.raises(RefusedError, match="month has passed"):
        register.extend(request_id, world.office, months=2, reason="r", actor="t")


def test_an_erasure_is_not_closed_by_hand(world):
    world.plant("c-1", queue="broker")
    request = erasure.erase(world.person(), world.office, actor="t")
    with pytest.raises(RefusedError):
        register.close(request.request_id, world.office, refused=True, reason="r", actor="t")
