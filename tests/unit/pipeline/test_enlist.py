"""Calls of `callveil process` in a ledger: before anything is written, and to their end whoever is killed."""

from types import SimpleNamespace
from typing import Any

import pytest

from callveil.adapters.subject_keys import SubjectKeys
from callveil.errors import EngineError, LedgerError, RefusedError, StoreError
from callveil.pipeline import enlist
from callveil.pipeline.enlist import enlisted
from callveil.testing import ManualClock, call
from callveil.vocabulary.call import Identifiers
from callveil.vocabulary.ledger import CallState, Settlement
from callveil.vocabulary.recording import Outcome, State

PREFIX = "calls/2026/11/23/c-1/"
PUBLISHED = Outcome(call_id="c-1", state=State.PUBLISHED, prefix=PREFIX, duration_s=12.0)


class Ledger:
    """As much of a ledger as is needed, for one call."""

    def __init__(self) -> None:
        self.state: CallState | None = None
        self.prefix: str | None = None
        self.new: Any = None
        self.settlement: Settlement | None = None
        self.n_recorded = 0

    def get(self, call_id):
        return SimpleNamespace(call_id=call_id, call=call(), state=self.state, prefix=self.prefix)

    def enlist(self, new, *, actor, now):
        if self.state is CallState.ERASED:
            raise RefusedError("the call was erased")
        self.new = new
        self.state = self.state or CallState.RECEIVED
        return self.get("c-1")

    def record(self, call_id, result, *, actor, now):
        if self.state is CallState.ERASED:
            raise RefusedError("the call was erased")
        self.n_recorded += 1
        self.settlement, self.state, self.prefix = result, result.state, result.prefix


@pytest.fixture
def desk(monkeypatch):
    found = SimpleNamespace(
        ledger=Ledger(), hasher=SubjectKeys([bytes(32)]), actor="cli:test", clock=ManualClock(), stands=False
    )
    found.deleted, found.marked, found.held, found.restricted = [], [], (), None
    found.books = SimpleNamespace(
        holds=SimpleNamespace(of=lambda _: found.held),
        requests=SimpleNamespace(restriction=lambda _: found.restricted),
    )
    found.kit = SimpleNamespace(
        store=SimpleNamespace(
            delete_call=lambda prefix, **_: found.deleted.append(prefix),
            set_legal_hold=lambda prefix, on: found.marked.append((prefix, on)),
            set_tags=lambda prefix, tags: found.marked.append((prefix, tags)),
        ),
        originals=None,
    )
    monkeypatch.setattr(enlist, "is_published", lambda *_: found.stands)
    return found


def run(desk, work, given=None) -> Outcome:
    return enlisted(given or call(), desk.kit, desk, content_sha256="ab" * 32, n_bytes=5, work=work)


def test_a_call_is_there_before_the_work_and_its_end_afterwards(desk):
    party = call().parties[1]
    known = Identifiers(phone="+442079460958")
    given = call().__class__(
        call_id="c-1",
        started_at=call().started_at,
        parties=(party.__class__(role=party.role, identifiers=known),),
    )

    def work(_, check):
        assert desk.ledger.state is CallState.RECEIVED
        check()
        return PUBLISHED

    assert run(desk, work, given) == PUBLISHED
    assert (desk.ledger.new.source, desk.ledger.new.landing, desk.ledger.new.n_bytes) == ("process", None, 5)
    assert [each.party for each in desk.ledger.new.identities] == [0]
    assert desk.ledger.settlement == Settlement(state=CallState.PUBLISHED, prefix=PREFIX, duration_s=12.0)


def test_a_hold_and_a_restriction_go_onto_what_is_published_anew(desk):
    run(desk, lambda *_: PUBLISHED)
    assert desk.marked == []
    desk.held, desk.restricted = ("a hold",), "accuracy is contested"
    run(desk, lambda *_: PUBLISHED)
    assert desk.marked == [(PREFIX, True), (PREFIX, {"callveil-restricted": "yes"})]


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (State.HELD, CallState.HELD),
        (State.DISCARDED, CallState.DISCARDED),
        (State.QUARANTINED, CallState.QUARANTINED),
        (State.SKIPPED, CallState.PUBLISHED),
    ],
)
def test_every_end_is_recorded(desk, state, expected):
    run(desk, lambda *_: Outcome(call_id="c-1", state=state))
    assert desk.ledger.state is expected


def test_what_is_known_already_is_not_recorded_again(desk):
    run(desk, lambda *_: PUBLISHED)
    run(desk, lambda *_: Outcome(call_id="c-1", state=State.SKIPPED, prefix=PREFIX))
    assert desk.ledger.n_recorded == 1


@pytest.mark.parametrize("before", [None, CallState.RECEIVED, CallState.PUBLISHED])
@pytest.mark.parametrize("state", [State.HELD, State.QUARANTINED, None])
def test_a_recording_that_stands_stays_published(desk, before, state):
    desk.ledger.state, desk.ledger.prefix = before, PREFIX if before is CallState.PUBLISHED else None
    desk.stands = True

    def work(*_):
        if state is None:
            raise EngineError("transcriber: failed")
        return Outcome(call_id="c-1", state=state)

    if state is None:
        with pytest.raises(EngineError):
            run(desk, work)
    else:
        run(desk, work)
    assert (desk.ledger.state, desk.ledger.prefix) == (CallState.PUBLISHED, PREFIX)


@pytest.mark.parametrize(
    ("error", "code", "reason"),
    [
        (EngineError("transcriber: failed"), "engine", "transcriber: failed"),
        (ValueError("it's Tobias Lund"), "internal", "ValueError"),
        (OSError(5, "it's Tobias Lund"), "file", "OSError"),
    ],
)
def test_a_failure_is_recorded_without_what_a_library_says(desk, error, code, reason):
    def work(*_):
        raise error

    with pytest.raises(type(error)):
        run(desk, work)
    assert desk.ledger.settlement == Settlement(state=CallState.FAILED, reason=reason, error_code=code)


def test_a_failure_that_cannot_be_recorded_is_still_the_one_that_is_told(desk, monkeypatch):
    def fails(*_, **__):
        raise LedgerError("ledger: unreachable")

    def work(*_):
        raise StoreError("the store is away")

    monkeypatch.setattr(desk.ledger, "record", fails)
    with pytest.raises(StoreError):
        run(desk, work)


def test_an_interrupted_call_stays_as_it_is_and_goes_on_with_the_next_run(desk):
    def work(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(desk, work)
    assert (desk.ledger.state, desk.ledger.n_recorded) == (CallState.RECEIVED, 0)
    run(desk, lambda *_: PUBLISHED)
    assert desk.ledger.state is CallState.PUBLISHED


def test_an_erased_call_is_refused_and_what_a_killed_run_left_is_deleted(desk):
    desk.ledger.state = CallState.ERASED
    with pytest.raises(RefusedError, match="erased"):
        run(desk, lambda *_: pytest.fail("was worked on"))
    assert desk.deleted == [PREFIX]


def test_a_call_erased_meanwhile_is_not_published(desk):
    def work(_, check):
        desk.ledger.state = CallState.ERASED
        check()
        pytest.fail("was published")

    with pytest.raises(RefusedError, match="erased"):
        run(desk, work)
    assert desk.ledger.state is CallState.ERASED


def test_a_call_erased_while_it_is_published_is_deleted_again(desk):
    def work(*_):
        desk.ledger.state = CallState.ERASED
        return PUBLISHED

    with pytest.raises(RefusedError, match="erased"):
        run(desk, work)
    assert desk.deleted == [PREFIX]


def test_a_call_of_the_service_is_refused_and_left_alone(desk, monkeypatch):
    def refuses(*_, **__):
        raise RefusedError("the service has its audio")

    desk.ledger.state = CallState.KEPT
    monkeypatch.setattr(desk.ledger, "enlist", refuses)
    with pytest.raises(RefusedError, match="service"):
        run(desk, lambda *_: pytest.fail("was worked on"))
    assert desk.deleted == []


def test_a_ledger_that_fails_stops_the_call_before_anything_is_done(desk, monkeypatch):
    def fails(*_, **__):
        raise LedgerError("ledger: unreachable")

    monkeypatch.setattr(desk.ledger, "enlist", fails)
    with pytest.raises(LedgerError):
        run(desk, lambda *_: pytest.fail("was worked on"))
