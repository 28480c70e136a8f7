"""What reviews and proposals promise, over every database."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta

import pytest

from callveil.errors import LeaseLostError, NotFoundError, RefusedError
from callveil.vocabulary.consent import ConsentRecord, Flag, Purpose
from callveil.vocabulary.ledger import CallState, Settlement
from callveil.vocabulary.pii import Entity
from callveil.vocabulary.proposals import Proposal, ProposalKind, ProposalState
from callveil.vocabulary.retention import Hold, HoldScope, KeptPart
from callveil.vocabulary.reviews import OverReason, Review, ReviewKind, ReviewState, Stretch
from callveil.vocabulary.rights import RemovalWhy

NOW = datetime(2026, 11, 24, 12, 0, 0, 123456, tzinfo=UTC)
ONE = Stretch(channel=0, start_s=1.5, end_s=2.25, entity=Entity.PERSON)
OTHER = Stretch(channel=1, start_s=4.0, end_s=5.0, entity=Entity.PHONE_NUMBER)


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


@pytest.fixture
def bring(ledger, new_call):
    def do(call_id="c-1", state=CallState.PUBLISHED):
        ledger.accept(new_call(call_id), actor="key:a", now=NOW)
        for step in (CallState.KEPT, state):
            claim = ledger.claim(call_id, owner="w", lease_s=60, now=NOW)
            prefix = f"calls/{call_id}/" if step is CallState.PUBLISHED else None
            ledger.settle(claim, Settlement(state=step, prefix=prefix), now=NOW)
        return call_id

    return do


@pytest.fixture
def reviews(ledger):
    return ledger.books.reviews


@pytest.fixture
def put(reviews):
    def do(number=1, kind=ReviewKind.MISSED, call_id="c-1", stretches=(ONE,), **others):
        given = Review(
            review_id=f"rev-{number:012x}",
            call_id=call_id,
            kind=kind,
            stretches=stretches,
            by="user:rita",
            at=NOW,
            certificate_sha256="a" * 64,
            **others,
        )
        return reviews.put(given, now=later(number))

    return do


def test_a_review_is_kept_as_it_was_given_and_only_once(bring, put, reviews, ledger):
    bring()
    made = put(stretches=(ONE, OTHER))
    assert made.stretches == (ONE, OTHER)
    assert (made.state, made.at, made.by) == (ReviewState.OWED, later(1), "user:rita")
    assert reviews.get(made.review_id) == made == put(stretches=())
    entries = [entry for entry in ledger.audit() if entry.action == "review.given"]
    assert [(entry.actor, entry.call_id) for entry in entries] == [("user:rita", "c-1")]
    assert dict(entries[0].detail) == {"review": made.review_id, "kind": "missed", "stretches": 2}
    with pytest.raises(NotFoundError):
        reviews.get("rev-000000000000")


@pytest.mark.parametrize(
    ("kind", "state", "first"),
    [
        (ReviewKind.CLEAN, CallState.PUBLISHED, ReviewState.DONE),
        (ReviewKind.MISSED, CallState.PUBLISHED, ReviewState.OWED),
        (ReviewKind.OVER, CallState.PUBLISHED, ReviewState.REPORTED),
        (ReviewKind.RELEASE, CallState.QUARANTINED, ReviewState.DONE),
        (ReviewKind.DISCARD, CallState.QUARANTINED, ReviewState.OWED),
    ],
)
def test_what_can_be_said_depends_on_where_the_call_stands(bring, put, kind, state, first):
    bring("c-1", state)
    assert put(1, kind).state is first
    is_published = state is CallState.PUBLISHED
    bring("c-2", CallState.QUARANTINED if is_published else CallState.PUBLISHED)
    with pytest.raises(RefusedError):
        put(2, kind, "c-2")
    with pytest.raises(NotFoundError):
        put(3, kind, "c-3")


def test_a_release_sends_a_call_with_audio_back_at_once(bring, put, ledger):
    bring("c-1", CallState.QUARANTINED)
    assert put(1, ReviewKind.RELEASE).state is ReviewState.DONE
    assert ledger.get("c-1").state is CallState.RECEIVED
    assert ledger.books.reviews.missed("c-1") == (ONE,)
    assert topics(ledger)[-1] == "calls.received"


def topics(ledger):
    return [e.topic.value for e in ledger.take_events(owner="t", limit=99, lease_s=1, now=later(1000))]


def test_one_worker_at_a_time_has_the_reviews_of_a_call(bring, put, reviews, ledger):
    bring()
    bring("c-2")
    first, second = put(1), put(2)
    put(3, call_id="c-2")
    put(4, ReviewKind.OVER, over_reason=OverReason.AMOUNT)
    assert reviews.owed(now=NOW) == ("c-1", "c-2")
    held = reviews.claim("c-1", owner="w1", lease_s=10, now=NOW)
    assert held.reviews == (first, second)
    assert (held.claim.found.state, held.gone) == (CallState.PUBLISHED, frozenset())
    assert reviews.claim("c-1", owner="w2", lease_s=10, now=later(9)) is None
    assert reviews.owed(now=later(9)) == ("c-2",)
    assert ledger.renew(held.claim, lease_s=10, now=later(9)) is not None
    assert reviews.claim("c-1", owner="w2", lease_s=10, now=later(15)) is None
    assert reviews.owed(now=later(19)) == ("c-1", "c-2")
    other = reviews.claim("c-1", owner="w2", lease_s=10, now=later(19))
    assert len(other.reviews) == 2
    assert ledger.renew(held.claim, lease_s=10, now=later(20)) is None
    with pytest.raises(LeaseLostError):
        reviews.check(held)
    with pytest.raises(LeaseLostError):
        reviews.settle(held, state=ReviewState.DONE, now=later(20))
    assert all(review.state is not ReviewState.DONE for review in reviews.of("c-1"))
    reviews.check(other)
    reviews.settle(other, state=ReviewState.DONE, result_sha256="b" * 64, now=later(21))
    done = reviews.get(first.review_id)
    assert (done.state, done.settled_at, done.result_sha256) == (ReviewState.DONE, later(21), "b" * 64)
    assert reviews.claim("c-1", owner="w3", lease_s=10, now=later(99)) is None


def test_what_is_given_back_is_owed_at_once_or_later(bring, put, reviews):
    bring()
    made = put()
    held = reviews.claim("c-1", owner="w1", lease_s=60, now=NOW)
    reviews.settle(held, state=ReviewState.OWED, now=later(1))
    held = reviews.claim("c-1", owner="w2", lease_s=60, now=later(2))
    assert held.reviews == (made,)
    reviews.settle(held, state=ReviewState.OWED, reason="Later.", not_before=later(50), now=later(3))
    assert reviews.claim("c-1", owner="w1", lease_s=60, now=later(49)) is None
    assert reviews.owed(now=later(49)) == ()
    assert reviews.owed(now=later(50)) == ("c-1",)


def test_some_are_settled_and_the_others_owed_on(bring, put, reviews, ledger):
    bring()
    first, second = put(1), put(2)
    held = reviews.claim("c-1", owner="w", lease_s=60, now=NOW)
    some = dataclasses.replace(held, reviews=(first,))
    topics(ledger)
    reviews.settle(some, state=ReviewState.REFUSED, reason="No.", now=later(1))
    assert reviews.get(first.review_id).state is ReviewState.REFUSED
    assert reviews.claim("c-1", owner="w", lease_s=60, now=later(2)).reviews == (second,)


def test_what_is_published_now_goes_into_the_ledger_with_it(bring, put, reviews, ledger):
    bring()
    put()
    held = reviews.claim("c-1", owner="w", lease_s=60, now=NOW)
    now_published = Settlement(
        state=CallState.PUBLISHED, prefix="calls/c-1/", duration_s=9.0, masked_s={"PERSON": 2.5}, turns=()
    )
    topics(ledger)
    found = reviews.settle(held, state=ReviewState.DONE, result=now_published, gone=frozenset(), now=later(1))
    assert (found.state, found.masked_s, found.duration_s) == (CallState.PUBLISHED, {"PERSON": 2.5}, 9.0)
    assert [entry.action for entry in ledger.history("c-1")][-2:] == ["call.published", "review.done"]
    put(2)
    held = reviews.claim("c-1", owner="w", lease_s=60, now=later(2))
    quarantined = Settlement(state=CallState.QUARANTINED, reason="Not clean.")
    found = reviews.settle(held, state=ReviewState.DONE, result=quarantined, now=later(3))
    assert (found.state, found.prefix, found.reason) == (CallState.QUARANTINED, None, "Not clean.")
    assert ledger.check_audit() is None


def test_an_answer_waits_for_the_worker_and_then_the_gate_has_the_call(bring, put, reviews, ledger):
    bring()
    put()
    held = reviews.claim("c-1", owner="w", lease_s=60, now=NOW)
    denied = ConsentRecord(purpose=Purpose.RECORDING, flag=Flag.DENIED)
    ledger.record_consent("c-1", [denied], actor="t", now=later(1))
    assert ledger.claim("c-1", owner="gate", lease_s=10, now=later(1)) is None
    with pytest.raises(LeaseLostError):
        reviews.check(held)
    facts = Settlement(state=CallState.PUBLISHED, prefix="calls/c-1/", masked_s={"PERSON": 1.0})
    found = reviews.settle(held, state=ReviewState.DONE, result=facts, now=later(2))
    assert (found.state, found.masked_s) == (CallState.RECEIVED, {"PERSON": 1.0})
    assert ledger.claim("c-1", owner="gate", lease_s=10, now=later(2)) is not None


def test_restricted_and_held_calls_wait(bring, put, reviews, ledger):
    bring()
    put()
    requests, holds = ledger.books.requests, ledger.books.holds
    held = reviews.claim("c-1", owner="w", lease_s=60, now=NOW)
    requests.restrict("c-1", "asked", actor="t", now=later(1))
    with pytest.raises(LeaseLostError):
        reviews.check(held)
    reviews.settle(held, state=ReviewState.OWED, now=later(1))
    assert (reviews.owed(now=later(2)), reviews.claim("c-1", owner="w", lease_s=1, now=later(2))) == (
        (),
        None,
    )
    requests.restrict("c-1", None, actor="t", now=later(3))
    hold = Hold(
        hold_id="hold-1",
        scope=HoldScope.CALL,
        reason="a case",
        authority="a court",
        placed_by="t",
        placed_at=NOW,
    )
    holds.place(hold, call_ids=["c-1"], identities=(), actor="t", now=later(4))
    assert (reviews.owed(now=later(5)), reviews.claim("c-1", owner="w", lease_s=1, now=later(5))) == (
        (),
        None,
    )
    holds.release("hold-1", reason="over", actor="t", now=later(6))
    held = reviews.claim("c-1", owner="w", lease_s=60, now=later(7))
    ledger.books.removals.decide(
        "c-1",
        prefix="calls/c-1/",
        parts=frozenset({KeptPart.AUDIO}),
        why=RemovalWhy.RETENTION,
        reason="over",
        request_id=None,
        actor="t",
        now=later(8),
    )
    assert reviews.gone("c-1") == {KeptPart.AUDIO}
    with pytest.raises(LeaseLostError):
        reviews.check(held)
    with pytest.raises(LeaseLostError):
        reviews.settle(held, state=ReviewState.DONE, gone=frozenset(), now=later(9))
    reviews.settle(held, state=ReviewState.DONE, gone=frozenset({KeptPart.AUDIO}), now=later(9))


def test_a_lost_event_is_owed_again_and_a_dead_worker_gives_back(bring, put, reviews, ledger):
    bring()
    put()
    events = ledger.take_events(owner="t", limit=99, lease_s=1, now=later(2))
    assert reviews.reemit(grace_s=5, now=later(10)) == 0, "it is still owed"
    ledger.mark_sent([event.event_id for event in events], now=later(2))
    assert reviews.reemit(grace_s=60, now=later(10)) == 0, "too early"
    assert reviews.reemit(grace_s=5, now=later(10)) == 1
    assert topics(ledger) == ["calls.reviewed"]
    assert reviews.claim("c-1", owner="w", lease_s=60, now=later(10)) is not None
    ledger.release("w", now=later(11))
    assert reviews.claim("c-1", owner="w2", lease_s=60, now=later(11)) is None
    assert reviews.release("w", now=later(12)) == 1
    assert reviews.claim("c-1", owner="w2", lease_s=60, now=later(13)) is not None


def test_what_was_missed_is_masked_ever_after_unless_it_was_refused(bring, put, reviews):
    bring()
    put(1, stretches=(ONE,))
    refused = put(2, stretches=(OTHER,))
    assert reviews.missed("c-1") == (ONE, OTHER)
    after = reviews.refuse(refused.review_id, reason="No.", actor="user:ida", now=later(9))
    assert (after.state, after.reason, after.settled_at) == (ReviewState.REFUSED, "No.", later(9))
    assert reviews.missed("c-1") == (ONE,)
    assert reviews.refuse(refused.review_id, reason="Again.", actor="user:ida", now=later(10)) == after


def test_over_masking_changes_nothing_until_somebody_agrees(bring, put, reviews):
    bring()
    made = put(1, ReviewKind.OVER, over_reason=OverReason.OWN_NAME)
    assert reviews.vouched("c-1") == ()
    assert reviews.owed(now=later(5)) == ()
    agreed = reviews.confirm(made.review_id, actor="user:ida", now=later(5))
    assert (agreed.state, agreed.confirmed_by) == (ReviewState.OWED, "user:ida")
    assert reviews.vouched("c-1") == (ONE,)
    assert reviews.owed(now=later(5)) == ("c-1",)
    for review_id in (made.review_id, put(2).review_id):
        with pytest.raises(RefusedError):
            reviews.confirm(review_id, actor="user:ida", now=later(6))


def test_reviews_go_with_an_erased_call(bring, put, reviews, ledger):
    bring()
    put()
    removals = ledger.books.removals
    removal = removals.decide(
        "c-1",
        prefix="calls/c-1/",
        parts=frozenset(KeptPart),
        why=RemovalWhy.ERASURE,
        reason="asked",
        request_id=None,
        actor="t",
        now=NOW,
    )
    with pytest.raises(RefusedError):
        put(2)
    removals.finish(removal.removal_id, evidence={}, actor="t", now=NOW)
    assert reviews.of("c-1") == () == reviews.all()


def test_pages_of_all_reviews(bring, put, reviews):
    bring()
    made = [put(number) for number in range(1, 6)]
    assert reviews.all(limit=2) == tuple(made[:2])
    assert reviews.all(after=made[1].review_id) == tuple(made[2:])


@pytest.fixture
def proposals(ledger):
    return ledger.books.proposals


@pytest.fixture
def proposal():
    return Proposal(
        proposal_id="pro-000000000001",
        kind=ProposalKind.RETENTION,
        about="set-1",
        content={"toml": 'a = "ö"', "n": 1},
        by="user:olga",
        at=NOW,
    )


def test_another_person_must_agree(proposals, proposal, ledger):
    assert proposals.propose(proposal, now=NOW) == proposal == proposals.get(proposal.proposal_id)
    assert proposals.proposals(ProposalKind.RETENTION) == (proposal,)
    with pytest.raises(RefusedError):
        proposals.approve(proposal.proposal_id, actor="user:olga", now=later(1))
    done = proposals.approve(proposal.proposal_id, actor="user:otto", now=later(2))
    assert (done.state, done.decided_by, done.decided_at) == (
        ProposalState.APPROVED,
        "user:otto",
        later(2),
    )
    assert proposals.proposals(ProposalKind.RETENTION) == ()
    assert proposals.proposals(ProposalKind.RETENTION, state=None) == (done,)
    assert proposals.proposals(ProposalKind.QUARANTINE, state=None) == ()
    with pytest.raises(RefusedError):
        proposals.reject(proposal.proposal_id, reason="Late.", actor="user:otto", now=later(3))
    assert [entry.action for entry in ledger.audit()] == ["proposal.made", "proposal.approved"]


def test_only_one_about_the_same_waits(proposals, proposal):
    proposals.propose(proposal, now=NOW)
    assert proposals.propose(proposal, now=later(1)) == proposal
    again = dataclasses.replace(proposal, proposal_id="pro-000000000002")
    with pytest.raises(RefusedError):
        proposals.propose(again, now=later(1))
    proposals.reject(proposal.proposal_id, reason="Not now.", actor="user:olga", now=later(2))
    assert proposals.propose(again, now=later(3)).at == later(3)
    with pytest.raises(NotFoundError):
        proposals.get("pro-00000000000f")
