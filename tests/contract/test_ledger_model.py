"""Any order of requests, against a model that fits on a page."""

from __future__ import annotations

import dataclasses
import tempfile
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from callveil.adapters.ledger_sql import open_ledger
from callveil.errors import LeaseLostError, NotFoundError, RefusedError
from callveil.testing import call
from callveil.vocabulary.consent import ConsentRecord, Flag, Purpose
from callveil.vocabulary.ledger import TOPIC_OF, TRANSITIONS, CallState, NewCall, Settlement

S = CallState
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
LEASE_S = 10
GRACE_S = 5
IDS = st.sampled_from(["c-1", "c-2"])
CONTENTS = st.sampled_from(["a" * 64, "b" * 64])
STATES = st.sampled_from(S)
FLAGS = st.sampled_from([Flag.GRANTED, Flag.DENIED])


@dataclasses.dataclass
class Known:
    """What the model knows of a call. Times are seconds since NOW."""

    content: str | None
    state: CallState = S.RECEIVED
    arrived: bool = True
    landed: bool = True
    version: int = 0
    attempts: int = 0
    fence: int = 0
    has_claim: bool = False
    lease_s: float = -1
    not_before_s: float = 0
    hold_s: float = 0
    sent_s: float | None = None


class LedgerMachine(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        # In memory where there is such a folder: thousands of transactions wait for the disk otherwise.
        fast = "/dev/shm" if Path("/dev/shm").is_dir() else None
        self.folder = tempfile.TemporaryDirectory(prefix="cv-model-", dir=fast)
        self.calls: dict[str, Known] = {}
        self.claims: list = []
        self.owed: list[tuple[float, str, CallState, int]] = []
        self.n_entries = 0
        self.n_events = 0
        self.s = 0.0

    @initialize(live=st.booleans())
    def begin(self, live):
        self.ledger = open_ledger(f"sqlite:///{self.folder.name}/ledger.sqlite3")
        self.accept("c-1", "a" * 64, live)

    def teardown(self):
        assert self.ledger.check_audit() is None
        assert len(self.ledger.audit()) == self.n_entries
        self.ledger.close()
        self.folder.cleanup()

    @property
    def now(self):
        return NOW + timedelta(seconds=self.s)

    def owe(self, call_id, due_s=None):
        known = self.calls[call_id]
        known.sent_s = None
        if known.state in TOPIC_OF:
            self.n_events += 1
            known.last = self.n_events
            self.owed.append((self.s if due_s is None else due_s, call_id, known.state, self.n_events))

    def enter(self, call_id, state, due_s=None):
        known = self.calls[call_id]
        assert state in TRANSITIONS[known.state]
        known.state, known.has_claim, known.lease_s = state, False, -1
        known.not_before_s = 0 if due_s is None else due_s
        if state is S.RECEIVED:
            known.attempts = 0
        self.owe(call_id, due_s)

    @rule(seconds=st.sampled_from([0.5, 3, 11]))
    def time_passes(self, seconds):
        self.s += seconds

    @rule()
    def restart(self):
        self.ledger.close()
        self.ledger = open_ledger(f"sqlite:///{self.folder.name}/ledger.sqlite3")

    @rule(call_id=IDS, content=CONTENTS, live=st.booleans())
    def accept_again(self, call_id, content, live):
        self.accept(call_id, content, live)

    def accept(self, call_id, content, live):
        facts = {} if live else {"content_sha256": content, "n_bytes": 1}
        landing = f"l-{call_id}-{self.n_entries}"
        new = NewCall(call=call(call_id, consent=[]), landing=landing, source="push", **facts)
        known = self.calls.get(call_id)
        try:
            got, is_new = self.ledger.accept(new, actor="a", now=self.now)
        except RefusedError:
            assert known is not None
            assert live or known.content != content
            return
        assert is_new is (known is None)
        assert got.call_id == call_id
        if known is None:
            self.calls[call_id] = Known(content=None if live else content, arrived=not live)
            self.n_entries += 1
            self.owe(call_id)
        else:
            assert not live
            assert known.content == content

    @rule(call_id=IDS, content=CONTENTS)
    def arrived_one(self, call_id, content):
        self.arrived(call_id, content)

    def arrived(self, call_id, content):
        facts = {"content_sha256": content, "n_bytes": 1, "incomplete": False, "actor": "a"}
        known = self.calls.get(call_id)
        try:
            self.ledger.arrived(call_id, now=self.now, **facts)
        except NotFoundError:
            assert known is None
            return
        if not known.arrived:
            known.arrived, known.content, known.not_before_s = True, content, 0
            self.n_entries += 1
            if known.state in (S.RECEIVED, S.KEPT):
                self.owe(call_id)

    @rule(call_id=IDS, flag=FLAGS)
    def answer_one(self, call_id, flag):
        self.answer(call_id, flag)

    def answer(self, call_id, flag):
        record = ConsentRecord(purpose=Purpose.RECORDING, flag=flag)
        known = self.calls.get(call_id)
        try:
            got = self.ledger.record_consent(call_id, [record], actor="a", now=self.now)
        except NotFoundError:
            assert known is None
            return
        assert got.call.consent == (record,)
        self.n_entries += 1
        known.version += 1
        if known.state not in (S.PROCESSING, S.DISCARDED):
            lease = known.has_claim, known.lease_s
            self.enter(call_id, S.RECEIVED)
            known.has_claim, known.lease_s = lease

    @rule(call_id=IDS, owner=st.sampled_from(["w-1", "w-2"]))
    def claim_one(self, call_id, owner):
        self.claim(call_id, owner)

    @rule(
        call_id=IDS,
        choice=st.integers(0, 5),
        wait_s=st.sampled_from([None, 4]),
        meanwhile=st.sampled_from([None, "answer", "arrived", "late"]),
    )
    def work(self, call_id, choice, wait_s, meanwhile):
        if self.claim(call_id, "w-1"):
            if meanwhile == "answer":
                self.answer(call_id, Flag.DENIED)
            elif meanwhile == "arrived":
                self.arrived(call_id, "a" * 64)
            elif meanwhile == "late":
                self.s += LEASE_S + 1
            allowed = sorted(TRANSITIONS[self.calls[call_id].state])
            self.settle(self.claims[-1], allowed[choice % len(allowed)], wait_s)

    def claim(self, call_id, owner):
        claim = self.ledger.claim(call_id, owner=owner, lease_s=LEASE_S, now=self.now)
        known = self.calls.get(call_id)
        can = (
            known is not None
            and known.lease_s <= self.s
            and known.not_before_s <= self.s
            and known.state in (S.RECEIVED, S.PROCESSING, S.KEPT)
        )
        assert (claim is not None) is can
        if claim is None:
            return False
        known.not_before_s = 0
        if known.state is S.KEPT:
            self.enter(call_id, S.PROCESSING)
        known.attempts += 1
        known.fence += 1
        known.has_claim, known.lease_s = True, self.s + LEASE_S
        assert (claim.fence, claim.found.state) == (known.fence, known.state)
        self.claims.append(claim)
        return True

    def holds(self, claim):
        known = self.calls[claim.found.call_id]
        return known.has_claim and known.fence == claim.fence

    @precondition(lambda self: self.claims)
    @rule(back=st.integers(1, 4))
    def renew(self, back):
        claim = self.claims[-min(back, len(self.claims))]
        got = self.ledger.renew(claim, lease_s=LEASE_S, now=self.now)
        assert (got is not None) is self.holds(claim)
        if got is not None:
            self.calls[claim.found.call_id].lease_s = self.s + LEASE_S

    @precondition(lambda self: self.claims)
    @rule(back=st.integers(1, 4), state=STATES, wait_s=st.sampled_from([None, 4]))
    def settle_one(self, back, state, wait_s):
        self.settle(self.claims[-min(back, len(self.claims))], state, wait_s)

    def settle(self, claim, state, wait_s):
        call_id = claim.found.call_id
        known = self.calls[call_id]
        due_s = None if wait_s is None else self.s + wait_s
        result = Settlement(
            state=state,
            hold_until=self.now + timedelta(seconds=7),
            not_before=None if wait_s is None else self.now + timedelta(seconds=wait_s),
        )
        try:
            got = self.ledger.settle(claim, result, now=self.now)
        except LeaseLostError:
            assert not self.holds(claim)
            return
        except ValueError:
            assert state is S.ERASED or state not in TRANSITIONS[known.state]
            return
        assert self.holds(claim)
        is_overtaken = known.version != claim.found.consent_version and state is not S.DISCARDED
        is_retry = (known.state, state) in ((S.RECEIVED, S.RECEIVED), (S.PROCESSING, S.KEPT))
        attempts = known.attempts if is_retry or state is not S.KEPT else 0
        if is_overtaken:
            state, due_s, attempts = S.RECEIVED, None, 0
        assert got.state is state
        known.hold_s = self.s + 7
        self.enter(call_id, state, due_s if state in (S.RECEIVED, S.KEPT) else None)
        known.attempts = attempts
        self.n_entries += 1

    @rule(call_id=IDS)
    def replay(self, call_id):
        known = self.calls.get(call_id)
        try:
            self.ledger.replay(call_id, actor="a", now=self.now)
        except NotFoundError:
            assert known is None
        except RefusedError:
            assert known.state not in (S.FAILED, S.QUARANTINED) or not known.landed
        else:
            self.enter(call_id, S.RECEIVED)
            self.n_entries += 1

    @rule(is_marked=st.booleans())
    def send(self, is_marked):
        taken = self.ledger.take_events(owner="s", limit=100, lease_s=0.001, now=self.now)
        due = sorted((o for o in self.owed if o[0] <= self.s), key=lambda o: (o[0], o[3]))
        assert [e.topic for e in taken] == [TOPIC_OF[e.state] for e in taken]
        # Of those owed at the same moment for different calls the model does not know the order.
        expected = [(call_id, state) for _, call_id, state, _ in due]
        assert sorted([(e.call_id, e.state) for e in taken], key=itemgetter(0)) == sorted(
            expected, key=itemgetter(0)
        )
        if is_marked:
            self.ledger.mark_sent([event.event_id for event in taken], now=self.now)
            for entry in due:
                self.owed.remove(entry)
                if self.calls[entry[1]].last == entry[3]:
                    self.calls[entry[1]].sent_s = self.s
        self.s += 0.002

    @rule()
    def shred(self):
        found = {c.call_id for c in self.ledger.to_shred(limit=10)}
        due = {
            call_id
            for call_id, known in self.calls.items()
            if known.state in (S.PUBLISHED, S.DISCARDED) and known.landed and known.arrived
        }
        assert found == due
        for call_id in found:
            self.ledger.shredded(call_id, actor="a", now=self.now)
            self.calls[call_id].landed = False
            self.n_entries += 1

    @rule()
    def reemit(self):
        n_expected = 0
        for call_id, known in self.calls.items():
            is_lost = (
                known.state in (S.RECEIVED, S.KEPT)
                and known.arrived
                and known.sent_s is not None
                and known.sent_s < self.s - GRACE_S
                and max(known.lease_s, known.not_before_s) <= self.s
            )
            if known.state is S.HELD and known.hold_s <= self.s:
                self.enter(call_id, S.RECEIVED)
            elif known.state is S.PROCESSING and known.lease_s <= self.s:
                self.enter(call_id, S.KEPT)
            elif is_lost:
                self.owe(call_id)
            else:
                continue
            n_expected += 1
        assert self.ledger.reemit(grace_s=GRACE_S, now=self.now) == n_expected
        self.n_entries += n_expected

    @invariant()
    def agree(self):
        if not hasattr(self, "ledger"):
            return
        got = {c.call_id: c for c in self.ledger.calls()}
        assert got.keys() == self.calls.keys()
        for call_id, known in self.calls.items():
            found = got[call_id]
            assert (found.state, found.attempts) == (known.state, known.attempts)
            assert (found.consent_version, found.content_sha256) == (known.version, known.content)
            assert (found.landing is not None, found.arrived_at is not None) == (known.landed, known.arrived)
            assert (found.hold_until is not None) is (known.state is S.HELD)
        counts = self.ledger.counts(now=self.now)
        assert counts.unsent == len(self.owed)
        assert counts.landed == sum(known.landed for known in self.calls.values())


TestLedger = LedgerMachine.TestCase
TestLedger.pytestmark = [pytest.mark.slow]
TestLedger.settings = settings(
    max_examples=100, stateful_step_count=50, deadline=None, suppress_health_check=list(HealthCheck)
)
