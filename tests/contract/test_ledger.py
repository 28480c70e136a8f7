"""What the ledger promises, over every database."""

from __future__ import annotations

import dataclasses
import hashlib
from datetime import UTC, datetime, timedelta

import pytest

from callveil.errors import LeaseLostError, NotFoundError, RefusedError
from callveil.testing import START, call
from callveil.vocabulary.call import Identifiers, Party, Role
from callveil.vocabulary.consent import ConsentRecord, Flag, Purpose
from callveil.vocabulary.ledger import TOPIC_OF, TRANSITIONS, CallState, Settlement, Topic

NOW = datetime(2026, 11, 24, 12, 0, 0, 123456, tzinfo=UTC)
S = CallState
DENIED = ConsentRecord(purpose=Purpose.RECORDING, flag=Flag.DENIED)
GRANTED = ConsentRecord(purpose=Purpose.RECORDING, flag=Flag.GRANTED)


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def settlement(state: CallState, **others) -> Settlement:
    if state is S.HELD:
        others.setdefault("hold_until", later(86400))
    return Settlement(state=state, **others)


def settle(ledger, state, call_id="c-1", now=NOW, **others):
    claim = ledger.claim(call_id, owner="w", lease_s=60, now=now)
    return ledger.settle(claim, settlement(state, **others), now=now)


NOT_ERASED = [state for state in S if state is not S.ERASED]
"""test_books.py has what erases."""


def bring(ledger, new_call, state: CallState, call_id: str = "c-1"):
    """A call in a state, and the claim that is held on it, if any."""
    ledger.accept(new_call(call_id), actor="key:a", now=NOW)
    if state is S.RECEIVED:
        return ledger.claim(call_id, owner="w", lease_s=60, now=NOW)
    if state in (S.PROCESSING, S.QUARANTINED):
        settle(ledger, S.KEPT, call_id)
        claim = ledger.claim(call_id, owner="w", lease_s=60, now=NOW)
        if state is S.PROCESSING:
            return claim
        ledger.settle(claim, settlement(state), now=NOW)
        return None
    settle(ledger, state, call_id)
    return None


def events(ledger, now=NOW, owner="sender"):
    return ledger.take_events(owner=owner, limit=1000, lease_s=60, now=now)


def drain(ledger, now=NOW):
    taken = events(ledger, now)
    ledger.mark_sent([event.event_id for event in taken], now=now)
    return [(event.topic, event.call_id) for event in taken]


def actions(ledger):
    return [entry.action for entry in ledger.audit()]


# Taking in


def test_a_call_comes_in_with_its_event_and_audit_entry(ledger, new_call):
    new = new_call(idempotency_key="k-1")
    got, is_new = ledger.accept(new, actor="key:a", now=NOW)
    assert is_new
    assert got == ledger.get("c-1")
    assert (got.call, got.state, got.reason, got.source) == (new.call, S.RECEIVED, "", "push")
    assert (got.landing, got.content_sha256, got.n_bytes) == (new.landing, new.content_sha256, 1000)
    assert (got.received_at, got.arrived_at, got.updated_at) == (NOW, NOW, NOW)
    assert (got.attempts, got.consent_version, got.incomplete, got.masked_s) == (0, 0, False, {})
    assert got.received_at.tzinfo is UTC
    (event,) = events(ledger)
    assert (event.topic, event.call_id, event.at, event.state) == (Topic.RECEIVED, "c-1", NOW, S.RECEIVED)
    (entry,) = ledger.audit()
    assert (entry.number, entry.at, entry.actor, entry.call_id) == (1, NOW, "key:a", "c-1")
    assert (entry.action, entry.detail["source"]) == ("call.received", "push")


def test_the_same_call_again_is_the_same_call(ledger, new_call):
    first = new_call(idempotency_key="k-1")
    ledger.accept(first, actor="key:a", now=NOW)
    for again in (
        new_call(),
        new_call(idempotency_key="k-1"),
        new_call(idempotency_key="k-2"),
        new_call("another-id-made-for-the-retry", idempotency_key="k-1"),
    ):
        got, is_new = ledger.accept(again, actor="key:a", now=later(1))
        assert not is_new
        assert (got.call_id, got.landing, got.received_at) == ("c-1", first.landing, NOW)
    assert len(events(ledger)) == 1
    assert len(ledger.audit()) == 1


def test_what_was_brought_oneself_is_not_a_second_one(ledger, new_call):
    for new in (new_call(), new_call("c-2", live=True)):
        assert ledger.accept(new, actor="a", now=NOW) == ledger.accept(new, actor="a", now=later(1))
    assert len(ledger.audit()) == 2


def test_an_id_or_a_key_that_stands_for_something_else_is_refused(ledger, new_call):
    ledger.accept(new_call(idempotency_key="k-1"), actor="a", now=NOW)
    ledger.accept(new_call("c-2", content="two", idempotency_key="k-2"), actor="a", now=NOW)
    for wrong in (
        new_call(content="other"),
        new_call("c-3", content="other", idempotency_key="k-1"),
        new_call(idempotency_key="k-2"),
        new_call(live=True),
        new_call("c-3", live=True, idempotency_key="k-1"),
    ):
        with pytest.raises(RefusedError) as caught:
            ledger.accept(wrong, actor="a", now=NOW)
        assert "k-" not in str(caught.value)
    assert len(ledger.calls()) == len(ledger.audit()) == 2


def test_a_live_call_arrives(ledger, new_call):
    got, _ = ledger.accept(new_call(live=True), actor="key:a", now=NOW)
    assert (got.arrived_at, got.content_sha256, got.n_bytes) == (None, None, None)
    for second in (new_call(live=True), new_call()):
        with pytest.raises(RefusedError):
            ledger.accept(second, actor="key:a", now=NOW)
    drain(ledger)
    for n_bytes in (500, 600):
        ledger.arrived(
            "c-1", content_sha256="b" * 64, n_bytes=n_bytes, incomplete=True, actor="a", now=later(9)
        )
    got = ledger.get("c-1")
    assert (got.arrived_at, got.content_sha256, got.n_bytes) == (later(9), "b" * 64, 500)
    assert (got.incomplete, got.state) == (True, S.RECEIVED)
    assert drain(ledger, later(9)) == [(Topic.RECEIVED, "c-1")]
    assert actions(ledger) == ["call.received", "call.arrived"]
    with pytest.raises(RefusedError):
        ledger.accept(new_call(live=True), actor="key:a", now=NOW)
    with pytest.raises(NotFoundError):
        ledger.arrived("no", content_sha256="b" * 64, n_bytes=1, incomplete=False, actor="a", now=NOW)


def test_a_decided_call_is_owed_again_when_it_has_arrived(ledger, new_call):
    ledger.accept(new_call(live=True), actor="a", now=NOW)
    settle(ledger, S.KEPT)
    drain(ledger)
    assert ledger.reemit(grace_s=0, now=later(99)) == 0
    ledger.arrived("c-1", content_sha256="b" * 64, n_bytes=1, incomplete=False, actor="a", now=later(99))
    assert drain(ledger, later(99)) == [(Topic.KEPT, "c-1")]
    assert ledger.claim("c-1", owner="w", lease_s=60, now=later(99)) is not None


def test_silent_arrivals_are_those_without_heartbeat(ledger, new_call):
    for call_id in ("c-1", "c-2", "c-3"):
        ledger.accept(new_call(call_id, live=True), actor="a", now=NOW)
    ledger.accept(new_call("c-4"), actor="a", now=NOW)
    ledger.heartbeat(["c-2", "c-4", "no-such-call"], now=later(50))
    ledger.heartbeat([], now=later(50))
    ledger.arrived("c-3", content_sha256="b" * 64, n_bytes=1, incomplete=False, actor="a", now=NOW)
    assert [c.call_id for c in ledger.silent_arrivals(silent_s=30, now=later(60))] == ["c-1"]
    assert ledger.silent_arrivals(silent_s=60, now=later(60)) == ()
    assert len(ledger.silent_arrivals(silent_s=60, now=later(111))) == 2


def test_identifiers_are_not_in_the_database(place, new_call):
    ledger = place.open()
    who = Identifiers(phone="+4930555000111", email="jane@example.org", customer_id="CUST-991")
    parties = (Party(role=Role.CUSTOMER, channel=1, jurisdiction="GB", identifiers=who),)
    new = new_call(
        call=dataclasses.replace(call(), parties=parties), idempotency_key="mail-of-bob@example.org"
    )
    got, _ = ledger.accept(new, actor="a", now=NOW)
    assert got.call.parties == (Party(role=Role.CUSTOMER, channel=1, jurisdiction="GB"),)
    ledger.record_consent("c-1", [DENIED], actor="a", now=NOW)
    if place.file is None:
        tables = ["calls", "consent", "outbox", "attempts", "audit"]
        kept = "".join(str(place.sql(f"SELECT * FROM {table}")) for table in tables).encode()
    else:
        kept = b"".join(path.read_bytes() for path in place.file.parent.iterdir())
    assert b"c-1" in kept
    for text in (b"555000111", b"example.org", b"CUST-991"):
        assert text not in kept


# Looking


def test_calls_come_by_id_a_page_at_a_time(ledger, new_call):
    ids = ["B", "a", "a-b", "a.c", "aB", "ab", "_x", "Z-1"]
    for call_id in ids:
        ledger.accept(new_call(call_id), actor="a", now=NOW)
    settle(ledger, S.DISCARDED, "ab")
    assert [c.call_id for c in ledger.calls()] == sorted(ids)
    pages, after = [], None
    while page := ledger.calls(after=after, limit=3):
        pages += [c.call_id for c in page]
        after = page[-1].call_id
    assert pages == sorted(ids)
    assert [c.call_id for c in ledger.calls(state=S.DISCARDED)] == ["ab"]
    for limit in (0, 1001):
        with pytest.raises(ValueError, match="limit"):
            ledger.calls(limit=limit)


def test_what_is_not_there(ledger):
    for ask in (
        lambda: ledger.get("no"),
        lambda: ledger.consent_history("no"),
        lambda: ledger.record_consent("no", [DENIED], actor="a", now=NOW),
        lambda: ledger.replay("no", actor="a", now=NOW),
        lambda: ledger.shredded("no", actor="a", now=NOW),
    ):
        with pytest.raises(NotFoundError):
            ask()
    assert ledger.claim("no", owner="w", lease_s=60, now=NOW) is None
    assert ledger.audit() == ()
    assert ledger.check_audit() is None


def test_a_time_without_zone_is_refused(ledger, new_call):
    with pytest.raises(ValueError, match="time zone"):
        ledger.accept(new_call(), actor="a", now=datetime(2026, 1, 1))  # noqa: DTZ001
    assert ledger.calls() == ()


# Changes of state


@pytest.mark.parametrize("to", list(S))
@pytest.mark.parametrize("came_from", [S.RECEIVED, S.PROCESSING])
def test_a_settlement_goes_where_the_transitions_allow(ledger, new_call, came_from, to):
    claim = bring(ledger, new_call, came_from)
    drain(ledger)
    n_entries = len(ledger.audit())
    if to not in TRANSITIONS[came_from] or to is S.ERASED:  # only a removal erases
        with pytest.raises(ValueError, match="cannot become"):
            ledger.settle(claim, settlement(to), now=NOW)
        assert ledger.get("c-1").state is came_from
        assert (drain(ledger), len(ledger.audit())) == ([], n_entries)
        assert ledger.renew(claim, lease_s=60, now=NOW) is not None
        return
    got = ledger.settle(claim, settlement(to, reason="So it is.", error_code="engine"), now=later(1))
    assert (got.state, got.reason, got.error_code) == (to, "So it is.", "engine")
    owed = [(TOPIC_OF[to], "c-1")] if to in TOPIC_OF else []
    assert drain(ledger, later(1)) == owed
    assert len(ledger.audit()) == n_entries + 1
    assert ledger.audit()[-1].actor == "worker:w"


@pytest.mark.parametrize("state", [S.HELD, S.PUBLISHED, S.QUARANTINED, S.DISCARDED, S.FAILED])
def test_there_is_nothing_to_do_for_a_call_that_rests(ledger, new_call, state):
    bring(ledger, new_call, state)
    assert ledger.claim("c-1", owner="w", lease_s=60, now=later(3600)) is None


@pytest.mark.parametrize("state", NOT_ERASED)
def test_new_answers_send_a_call_back(ledger, new_call, state):
    bring(ledger, new_call, state)
    drain(ledger)
    before = ledger.get("c-1")
    got = ledger.record_consent("c-1", [DENIED], actor="key:a", now=later(1))
    stays = state in (S.PROCESSING, S.DISCARDED)
    assert got.state is (state if stays else S.RECEIVED)
    assert drain(ledger, later(1)) == ([] if stays else [(Topic.RECEIVED, "c-1")])
    assert got.consent_version == before.consent_version + 1
    assert [r for r in got.call.consent if r.purpose is Purpose.RECORDING] == [DENIED]
    assert actions(ledger)[-1] == "consent.recorded"


@pytest.mark.parametrize("state", NOT_ERASED)
def test_only_failed_and_quarantined_calls_are_replayed(ledger, new_call, state):
    bring(ledger, new_call, state)
    drain(ledger)
    if state not in (S.FAILED, S.QUARANTINED):
        with pytest.raises(RefusedError):
            ledger.replay("c-1", actor="cli:ops", now=NOW)
        assert ledger.get("c-1").state is state
        return
    got = ledger.replay("c-1", actor="cli:ops", now=NOW)
    assert (got.state, got.attempts, got.error_code) == (S.RECEIVED, 0, None)
    assert drain(ledger) == [(Topic.RECEIVED, "c-1")]
    assert ledger.audit()[-1].action == "call.replayed"


def test_failures_are_counted_by_family_since_the_last_fresh_start(ledger, new_call):
    claim = bring(ledger, new_call, S.PROCESSING)
    assert dict(ledger.failures("c-1")) == {}
    ledger.settle(claim, settlement(S.KEPT, error_code="store"), now=NOW)
    settle(ledger, S.KEPT, error_code="engine")
    ledger.claim("c-1", owner="w", lease_s=60, now=NOW)
    assert dict(ledger.failures("c-1")) == {"store": 1, "engine": 1}
    ledger.release("w", now=NOW)
    ledger.claim("c-1", owner="w", lease_s=60, now=NOW)
    assert ledger.reemit(grace_s=3600, now=later(61)) == 1
    settle(ledger, S.KEPT, now=later(61))
    assert dict(ledger.failures("c-1")) == {"store": 1, "engine": 1, "worker_lost": 2}
    ledger.record_consent("c-1", [GRANTED], actor="key:a", now=later(62))
    assert dict(ledger.failures("c-1")) == {}
    with pytest.raises(NotFoundError):
        ledger.failures("c-2")


def test_without_audio_there_is_no_replay(ledger, new_call):
    bring(ledger, new_call, S.FAILED)
    ledger.shredded("c-1", actor="a", now=NOW)
    with pytest.raises(RefusedError, match="audio"):
        ledger.replay("c-1", actor="a", now=NOW)


def test_what_came_of_the_work_is_kept(ledger, new_call):
    claim = bring(ledger, new_call, S.PROCESSING)
    facts = {
        "prefix": "calls/2026/11/23/c-1/",
        "keep_until_s": 61.1,
        "duration_s": 61.1,
        "masked_s": {"PERSON": 0.1 + 0.2, "PHONE_NUMBER": 2.0},
    }
    got = ledger.settle(claim, settlement(S.PUBLISHED, **facts), now=later(5))
    assert {name: getattr(got, name) for name in facts} == facts
    assert got.updated_at == later(5)
    assert got == ledger.get("c-1")
    event = events(ledger, later(5))[-1]
    assert (event.topic, event.prefix) == (Topic.REDACTED, facts["prefix"])


def test_a_hold_has_an_end(ledger, new_call):
    claim = bring(ledger, new_call, S.RECEIVED)
    with pytest.raises(ValueError, match="hold_until"):
        ledger.settle(claim, Settlement(state=S.HELD), now=NOW)
    got = ledger.settle(claim, settlement(S.HELD, hold_until=later(100)), now=NOW)
    assert got.hold_until == later(100)
    assert ledger.record_consent("c-1", [GRANTED], actor="a", now=NOW).hold_until is None


# Leases


def test_one_owner_at_a_time(ledger, new_call):
    ledger.accept(new_call(), actor="a", now=NOW)
    first = ledger.claim("c-1", owner="w-1", lease_s=60, now=NOW)
    assert (first.owner, first.until, first.found.state) == ("w-1", later(60), S.RECEIVED)
    for owner in ("w-1", "w-2"):
        assert ledger.claim("c-1", owner=owner, lease_s=60, now=later(59)) is None
    renewed = ledger.renew(first, lease_s=60, now=later(50))
    assert (renewed.until, renewed.fence) == (later(110), first.fence)
    assert ledger.claim("c-1", owner="w-2", lease_s=60, now=later(109)) is None
    second = ledger.claim("c-1", owner="w-2", lease_s=60, now=later(110))
    assert second.fence > first.fence
    assert ledger.renew(renewed, lease_s=60, now=later(111)) is None
    with pytest.raises(LeaseLostError):
        ledger.settle(renewed, settlement(S.KEPT), now=later(111))
    assert ledger.get("c-1").state is S.RECEIVED
    assert ledger.settle(second, settlement(S.KEPT), now=later(112)).state is S.KEPT
    with pytest.raises(LeaseLostError):
        ledger.settle(second, settlement(S.KEPT), now=later(113))
    assert ledger.renew(second, lease_s=60, now=later(113)) is None
    for lease_s in (0, -1, float("nan")):
        with pytest.raises(ValueError, match="lease"):
            ledger.claim("c-1", owner="w", lease_s=lease_s, now=NOW)


def test_a_late_worker_whom_nobody_overtook_may_finish(ledger, new_call):
    claim = bring(ledger, new_call, S.PROCESSING)
    assert ledger.renew(claim, lease_s=60, now=later(61)).until == later(121)
    assert ledger.settle(claim, settlement(S.PUBLISHED), now=later(999)).state is S.PUBLISHED


def test_attempts_count_the_beginnings_of_redaction(ledger, new_call):
    ledger.accept(new_call(), actor="a", now=NOW)
    settle(ledger, S.KEPT)
    assert ledger.get("c-1").attempts == 0
    claim = ledger.claim("c-1", owner="w", lease_s=60, now=NOW)
    assert (claim.found.state, claim.found.attempts) == (S.PROCESSING, 1)
    claim = ledger.claim("c-1", owner="w-2", lease_s=60, now=later(60))
    assert (claim.found.state, claim.found.attempts) == (S.PROCESSING, 2)
    ledger.settle(claim, settlement(S.KEPT, not_before=later(100), error_code="engine"), now=later(60))
    assert actions(ledger)[-1] == "call.retried"
    assert ledger.get("c-1").attempts == 2
    claim = ledger.claim("c-1", owner="w", lease_s=60, now=later(100))
    assert claim.found.attempts == 3


def test_a_retry_waits(ledger, new_call):
    claim = bring(ledger, new_call, S.PROCESSING)
    drain(ledger)
    ledger.settle(claim, settlement(S.KEPT, not_before=later(30)), now=NOW)
    assert ledger.claim("c-1", owner="w", lease_s=60, now=later(29)) is None
    assert events(ledger, later(29)) == ()
    assert ledger.reemit(grace_s=0, now=later(29)) == 0
    assert drain(ledger, later(30)) == [(Topic.KEPT, "c-1")]
    assert ledger.claim("c-1", owner="w", lease_s=60, now=later(30)) is not None


@pytest.mark.parametrize("came_from", [S.RECEIVED, S.PROCESSING])
@pytest.mark.parametrize("to", [S.HELD, S.KEPT, S.DISCARDED, S.FAILED, S.PUBLISHED, S.RECEIVED])
def test_answers_that_come_in_meanwhile_count(ledger, new_call, came_from, to):
    claim = bring(ledger, new_call, came_from)
    ledger.record_consent("c-1", [DENIED], actor="a", now=later(1))
    assert ledger.claim("c-1", owner="w-2", lease_s=60, now=later(1)) is None
    drain(ledger, later(1))
    result = settlement(to, prefix="calls/2026/11/23/c-1/", masked_s={"PERSON": 1.5}, not_before=later(900))
    got = ledger.settle(claim, result, now=later(2))
    assert got.state is (to if to is S.DISCARDED else S.RECEIVED)
    facts = ("calls/2026/11/23/c-1/", {"PERSON": 1.5}) if to in (S.PUBLISHED, S.DISCARDED) else (None, {})
    assert (got.prefix, got.masked_s) == facts
    owed = [] if to is S.DISCARDED else [(Topic.RECEIVED, "c-1")]
    assert drain(ledger, later(2)) == owed
    if got.state is S.RECEIVED:
        again = ledger.claim("c-1", owner="w", lease_s=60, now=later(2))
        assert DENIED in again.found.call.consent
        assert ledger.settle(again, settlement(S.DISCARDED), now=later(3)).state is S.DISCARDED


def test_the_claims_of_a_dead_worker_are_taken_back(ledger, new_call):
    for n, state in enumerate((S.RECEIVED, S.PROCESSING, S.KEPT)):
        bring(ledger, new_call, state, f"c-{n}")
    drain(ledger)
    assert ledger.release("other", now=NOW) == 0
    assert ledger.release("w", now=NOW) == 2
    assert ledger.release("w", now=NOW) == 0
    assert sorted(drain(ledger)) == [(Topic.KEPT, "c-1"), (Topic.RECEIVED, "c-0")]
    assert ledger.claim("c-0", owner="w-2", states=[S.PROCESSING], lease_s=60, now=NOW) is None
    assert ledger.claim("c-1", owner="w-2", states=[S.RECEIVED], lease_s=60, now=NOW) is None
    assert ledger.claim("c-1", owner="w-2", states=[S.PROCESSING], lease_s=60, now=NOW) is not None
    assert ledger.check_audit() is None


# Consent


def test_the_history_keeps_every_answer(ledger, new_call):
    ledger.accept(new_call(call=call(consent=[GRANTED])), actor="key:a", now=NOW)
    for_one = dataclasses.replace(DENIED, party=1, given_at=later(-5), verbal_at_s=1.5)
    ledger.record_consent("c-1", [for_one], actor="key:b", now=later(1))
    got = ledger.record_consent("c-1", [GRANTED, for_one], actor="key:c", now=later(2))
    assert got.call.consent == (GRANTED, for_one)
    assert got.consent_version == 2
    assert ledger.consent_history("c-1") == (
        (NOW, "key:a", GRANTED),
        (later(1), "key:b", for_one),
        (later(2), "key:c", GRANTED),
        (later(2), "key:c", for_one),
    )
    assert ledger.record_consent("c-1", [], actor="key:c", now=later(3)) == got
    assert len(ledger.audit()) == 3


# Outbox


def test_an_event_stays_until_it_is_sent(place, new_call):
    ledger = place.open()
    ledger.accept(new_call(), actor="a", now=NOW)
    (event,) = events(ledger, owner="s-1")
    assert events(ledger, later(59), owner="s-2") == ()
    ledger.close()  # The sender dies between the commit and the broker.
    other = place.open()
    assert events(other, later(60), owner="s-2") == (event,)
    other.mark_sent([event.event_id, "no-such-event"], now=later(61))
    other.mark_sent([event.event_id], now=later(62))
    assert events(other, later(999)) == ()
    assert other.counts(now=NOW).unsent == 0


def test_events_come_oldest_first_and_only_so_many(ledger, new_call):
    for index in range(5):
        ledger.accept(new_call(f"c-{index}"), actor="a", now=later(-index))
    first = ledger.take_events(owner="s", limit=3, lease_s=60, now=NOW)
    assert [event.call_id for event in first] == ["c-4", "c-3", "c-2"]
    assert [event.call_id for event in events(ledger)] == ["c-1", "c-0"]
    with pytest.raises(ValueError, match="limit"):
        ledger.take_events(owner="s", limit=0, lease_s=60, now=NOW)


# Reconciling


def test_a_lost_event_is_owed_again(ledger, new_call):
    ledger.accept(new_call("c-1"), actor="a", now=NOW)
    bring(ledger, new_call, S.KEPT, "c-2")
    assert ledger.reemit(grace_s=10, now=later(100)) == 0  # Not sent yet.
    drain(ledger)
    assert ledger.reemit(grace_s=10, now=later(10)) == 0
    assert ledger.reemit(grace_s=10, now=later(11)) == 2
    assert ledger.reemit(grace_s=10, now=later(99)) == 0
    assert sorted(drain(ledger, later(99))) == [(Topic.KEPT, "c-2"), (Topic.RECEIVED, "c-1")]
    assert ledger.reemit(grace_s=10, now=later(109)) == 0
    assert ledger.reemit(grace_s=10, now=later(110)) == 2
    assert actions(ledger)[-1] == "call.reemitted"
    assert ledger.audit()[-1].actor == "reconcile"


def test_an_older_event_that_is_sent_says_nothing_of_the_newer(ledger, new_call):
    ledger.accept(new_call(), actor="a", now=NOW)
    (older,) = events(ledger)
    settle(ledger, S.KEPT)
    ledger.mark_sent([older.event_id], now=NOW)
    assert ledger.reemit(grace_s=10, now=later(100)) == 0
    assert drain(ledger, later(100)) == [(Topic.KEPT, "c-1")]
    assert ledger.reemit(grace_s=10, now=later(111)) == 1


def test_what_somebody_works_on_is_not_lost(ledger, new_call):
    bring(ledger, new_call, S.RECEIVED)
    drain(ledger)
    assert ledger.reemit(grace_s=10, now=later(59)) == 0
    assert ledger.reemit(grace_s=10, now=later(60)) == 1


def test_a_dead_worker_is_noticed(ledger, new_call):
    claim = bring(ledger, new_call, S.PROCESSING)
    drain(ledger)
    assert ledger.reemit(grace_s=0, now=later(59)) == 0
    assert ledger.reemit(grace_s=0, now=later(60)) == 1
    got = ledger.get("c-1")
    assert (got.state, got.attempts) == (S.KEPT, 1)
    assert drain(ledger, later(60)) == [(Topic.KEPT, "c-1")]
    with pytest.raises(LeaseLostError):
        ledger.settle(claim, settlement(S.PUBLISHED), now=later(61))
    assert actions(ledger)[-1] == "call.lease_ended"


def test_a_hold_that_has_ended_is_decided_anew(ledger, new_call):
    ledger.accept(new_call(), actor="a", now=NOW)
    settle(ledger, S.HELD, hold_until=later(100))
    drain(ledger)
    assert ledger.reemit(grace_s=0, now=later(99)) == 0
    assert ledger.reemit(grace_s=0, now=later(100)) == 1
    assert ledger.get("c-1").state is S.RECEIVED
    assert drain(ledger, later(100)) == [(Topic.RECEIVED, "c-1")]
    assert actions(ledger)[-1] == "call.hold_ended"


def test_more_than_one_batch_is_owed_again(ledger, new_call, monkeypatch):
    monkeypatch.setattr("callveil.adapters.ledger_sql.reconcile.BATCH", 3)
    for index in range(10):
        ledger.accept(new_call(f"c-{index}"), actor="a", now=NOW)
    drain(ledger)
    assert ledger.reemit(grace_s=1, now=later(2)) == 10
    assert len(events(ledger, later(2))) == 10


def test_audio_of_what_is_done_is_to_be_shredded(ledger, new_call):
    for state in NOT_ERASED:
        bring(ledger, new_call, state, f"c-{state}")
    ledger.accept(new_call("live", live=True), actor="a", now=NOW)
    settle(ledger, S.DISCARDED, "live")
    assert {c.call_id for c in ledger.to_shred(limit=10)} == {"c-published", "c-discarded"}
    assert len(ledger.to_shred(limit=1)) == 1
    tokens = [c.landing for c in ledger.calls()]
    assert ledger.known_landings([*tokens, "orphan"]) == frozenset(tokens)
    assert ledger.known_landings([]) == frozenset()
    for _ in range(2):
        ledger.shredded("c-published", actor="worker:w", now=later(5))
    assert ledger.get("c-published").landing is None
    assert actions(ledger).count("call.shredded") == 1
    assert {c.call_id for c in ledger.to_shred(limit=10)} == {"c-discarded"}
    assert len(ledger.known_landings(tokens)) == len(tokens) - 1
    ledger.arrived("live", content_sha256="b" * 64, n_bytes=1, incomplete=False, actor="a", now=NOW)
    assert {c.call_id for c in ledger.to_shred(limit=10)} == {"c-discarded", "live"}


def test_counts(ledger, new_call):
    for state in NOT_ERASED:
        bring(ledger, new_call, state, f"c-{state}")
    counts = ledger.counts(now=later(30))
    assert counts.by_state == {**dict.fromkeys(NOT_ERASED, 1), S.ERASED: 0}
    assert (counts.landed, counts.oldest_waiting_s) == (8, 30.0)
    assert counts.unsent == len(events(ledger))
    for call_id in ("c-received", "c-processing"):
        claim = ledger.claim(call_id, owner="w", lease_s=60, now=later(60))
        ledger.settle(claim, settlement(S.DISCARDED), now=later(60))
    assert ledger.counts(now=later(90)).oldest_waiting_s == 90.0
    settle(ledger, S.FAILED, "c-kept", later(90))
    assert ledger.counts(now=later(95)).oldest_waiting_s == 0.0
    ledger.replay("c-failed", actor="a", now=later(100))
    assert ledger.counts(now=later(105)).oldest_waiting_s == 5.0


# Audit


def test_the_chain_follows_the_documented_rule(ledger, new_call):
    ledger.accept(new_call("c-1"), actor="key:a", now=START)
    detail = {"é": "ü", "b": 1, "a": 0.1, "n": None, "t": True}
    ledger.note(actor="cli:ops", action="calls.erased", call_id=None, detail=detail, now=NOW)
    first, second = ledger.audit()
    text = (
        '{"action":"calls.erased","actor":"cli:ops","at":"2026-11-24T12:00:00.123456Z","call_id":null,'
        '"detail":{"a":0.1,"b":1,"n":null,"t":true,"é":"ü"},"number":2}'
    )
    assert second.digest == hashlib.sha256(f"{first.digest}\n{text}".encode()).hexdigest()
    assert second.detail == detail
    text = (
        '{"action":"call.received","actor":"key:a","at":"2026-11-23T09:30:00.000000Z","call_id":"c-1",'
        f'"detail":{{"content_sha256":"{new_call().content_sha256}","n_bytes":1000,"source":"push"}},'
        '"number":1}'
    )
    assert first.digest == hashlib.sha256(f"{'0' * 64}\n{text}".encode()).hexdigest()
    assert ledger.check_audit() is None
    assert ledger.audit(after=1) == (second,)
    assert ledger.audit(limit=1) == (first,)


def test_the_chain_goes_on_after_a_restart(place, new_call):
    for index in range(3):
        ledger = place.open()
        ledger.accept(new_call(f"c-{index}"), actor="a", now=NOW)
        ledger.close()
    ledger = place.open()
    assert [entry.number for entry in ledger.audit()] == [1, 2, 3]
    assert ledger.check_audit() is None


@pytest.mark.parametrize(
    "change",
    [
        "actor = 'key:b'",
        "action = 'call.kept'",
        "call_id = 'c-9'",
        "call_id = NULL",
        """detail = '{"source":"s3"}'""",
        "detail = '{'",
        "detail = '[]'",
        "detail = detail || ' '",
        "digest = 'x'",
        "at = (SELECT at FROM audit WHERE number = 1)",
        "number = 100",
        "number = -1",
    ],
)
@pytest.mark.parametrize("number", [1, 3, 5])
def test_a_changed_entry_is_found(place, new_call, change, number):
    ledger = place.open()
    for index in range(5):
        ledger.accept(new_call(f"c-{index}"), actor="key:a", now=later(index))
    before = place.sql(f"SELECT * FROM audit WHERE number = {number}")
    place.sql(f"UPDATE audit SET {change} WHERE number = {number}")
    if before == place.sql(f"SELECT * FROM audit WHERE number = {number}"):
        assert ledger.check_audit() is None  # The first entry's own time.
    else:
        assert ledger.check_audit() == (1 if "-1" in change else number)


@pytest.mark.parametrize(
    ("statement", "broken"),
    [
        ("DELETE FROM audit WHERE number = 3", 3),
        ("DELETE FROM audit WHERE number = 5", 5),
        ("DELETE FROM audit", 1),
        ("UPDATE audit_head SET number = 4", 5),
        ("UPDATE audit_head SET digest = 'x'", 6),
        ("DELETE FROM audit_head", 6),
        (
            "INSERT INTO audit SELECT 6, at, actor, action, call_id, detail, digest"
            " FROM audit WHERE number = 5",
            6,
        ),
    ],
)
def test_a_missing_or_added_entry_is_found(place, new_call, statement, broken, monkeypatch):
    monkeypatch.setattr("callveil.adapters.ledger_sql.audit_chain._PAGE", 2)
    ledger = place.open()
    for index in range(5):
        ledger.accept(new_call(f"c-{index}"), actor="key:a", now=later(index))
    assert ledger.check_audit() is None
    place.sql(statement)
    assert ledger.check_audit() == broken
