"""A claimed call from the landing to its settlement, where something comes in between."""

from contextlib import nullcontext
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from callveil.adapters.consent_rules import load_consent_rules
from callveil.adapters.resources import resource_folder
from callveil.config import Profile
from callveil.errors import EngineError, StoreError
from callveil.pipeline import work
from callveil.testing import ManualClock, MemoryStore, call, temporary_ledger
from callveil.vocabulary.consent import ConsentRecord, Flag, Purpose
from callveil.vocabulary.ledger import CallState, NewCall
from callveil.vocabulary.recording import MaskedDocument, Outcome, Part, PublishedPart, State
from callveil.vocabulary.retention import Hold, HoldScope, KeptPart
from callveil.vocabulary.rights import RemovalWhy

PREFIX = "calls/2026/11/23/c-1/"
DENIED = [ConsentRecord(purpose=purpose, flag=Flag.DENIED) for purpose in Purpose]


@pytest.fixture
def service():
    """With one call that is kept and waits to be redacted."""
    clock = ManualClock()
    with temporary_ledger() as ledger:
        made = SimpleNamespace(
            config=SimpleNamespace(profile=Profile()),
            settings=Profile().service,
            rules=load_consent_rules(resource_folder("pipelines") / "consent.toml"),
            clock=clock,
            ledger=ledger,
            books=ledger.books,
            store=MemoryStore(clock=clock),
            landing=SimpleNamespace(shred=lambda token: True),
            originals=None,
        )
        new = NewCall(call=call(), landing="ab" * 16, source="push", content_sha256="cd" * 32, n_bytes=9)
        ledger.accept(new, actor="key:a", now=clock.now())
        assert work.decide_call("c-1", made, "gate").state is CallState.KEPT
        yield made


def publish(service: Any, retain_until: datetime) -> Outcome:
    certificate = PublishedPart(
        part=Part.CERTIFICATE, body=MaskedDocument(content=b"{}"), media_type="application/json"
    )
    service.store.publish(PREFIX, [certificate], tags={}, retain_until=retain_until)
    return Outcome(call_id="c-1", state=State.PUBLISHED, decision=None, prefix=PREFIX, duration_s=9.0)


def lose(service: Any) -> None:
    """The lease ends and somebody looks."""
    service.clock.advance(timedelta(seconds=service.settings.lease_s + 1))
    assert service.ledger.reemit(grace_s=60, now=service.clock.now()) == 1


def redact(service: Any, monkeypatch: pytest.MonkeyPatch, record_call: Any) -> Any:
    monkeypatch.setattr(work, "record_call", record_call)
    monkeypatch.setattr(work, "_recording", lambda found, service: nullcontext())
    return work.redact_call("c-1", service, None, "worker")


def test_what_a_worker_publishes_after_the_call_was_discarded_is_deleted(service, monkeypatch):
    def stands_still(*_: object, before_publish: Any, **__: object) -> Outcome:
        before_publish()
        lose(service)
        service.ledger.record_consent("c-1", DENIED, actor="key:a", now=service.clock.now())
        assert work.decide_call("c-1", service, "gate").state is CallState.DISCARDED
        return publish(service, service.clock.now() + timedelta(days=365))

    assert redact(service, monkeypatch, stands_still) is None
    assert list(service.store.list_calls()) == []
    assert service.ledger.get("c-1").state is CallState.DISCARDED


def test_what_a_worker_publishes_after_the_call_was_erased_is_deleted(service, monkeypatch):
    def stands_still(*_: object, before_publish: Any, **__: object) -> Outcome:
        before_publish()
        service.books.removals.decide(
            "c-1",
            prefix=PREFIX,
            parts=frozenset(KeptPart),
            why=RemovalWhy.ERASURE,
            reason="asked for",
            request_id=None,
            actor="cli:dpo",
            now=service.clock.now(),
        )
        return publish(service, service.clock.now() + timedelta(days=365))

    assert redact(service, monkeypatch, stands_still) is None
    assert list(service.store.list_calls()) == []
    assert service.ledger.get("c-1").state is CallState.ERASED


@pytest.mark.parametrize("fails", [False, True])
def test_what_is_published_of_a_held_and_restricted_call_says_so(service, monkeypatch, fails):
    now = service.clock.now()
    hold = Hold(
        hold_id="hold-000000000001",
        scope=HoldScope.CALL,
        reason="r",
        authority="court",
        placed_by="cli:dpo",
        placed_at=now,
    )
    service.books.holds.place(hold, call_ids=["c-1"], actor="cli:dpo", now=now)
    service.books.requests.restrict("c-1", "contested", actor="cli:dpo", now=now)
    if fails:

        def fail(*_: object) -> None:
            raise StoreError("told to fail")

        monkeypatch.setattr(type(service.store), "set_legal_hold", fail)
    report = redact(service, monkeypatch, lambda *_, **__: publish(service, now + timedelta(days=365)))
    assert report.state is CallState.PUBLISHED
    assert service.store.legal_hold(PREFIX) is not fails
    assert service.books.holds.differing() == (("c-1", True),)  # reconcile makes sure
    if not fails:
        assert service.store.tags(PREFIX + Part.CERTIFICATE)["callveil-restricted"] == "yes"


def test_what_another_worker_is_to_find_stays(service, monkeypatch):
    def stands_still(*_: object, **__: object) -> Outcome:
        lose(service)
        return publish(service, service.clock.now() + timedelta(days=365))

    assert redact(service, monkeypatch, stands_still) is None
    assert list(service.store.list_calls()) == [PREFIX]
    assert service.ledger.get("c-1").state is CallState.KEPT


def test_a_denial_reaches_the_audio_of_a_failed_call(service, monkeypatch):
    def fails(*_: object, **__: object) -> Outcome:
        raise ValueError

    for _ in range(work.MOST_ATTEMPTS["internal"]):
        assert redact(service, monkeypatch, fails) is not None
        service.clock.advance(timedelta(minutes=2))
    assert service.ledger.get("c-1").state is CallState.FAILED
    assert service.ledger.get("c-1").landing is not None
    service.ledger.record_consent("c-1", DENIED, actor="key:a", now=service.clock.now())
    assert work.decide_call("c-1", service, "gate").state is CallState.DISCARDED
    assert service.ledger.get("c-1").landing is None


def test_an_engine_that_fails_after_an_outage_has_failed_once(service, monkeypatch):
    errors = [StoreError("away")] * 5 + [EngineError("broken")] * 3

    def fails(*_: object, **__: object) -> Outcome:
        raise errors.pop(0)

    states = []
    while errors:
        states.append(redact(service, monkeypatch, fails).state)
        service.clock.advance(timedelta(minutes=2))
    assert states == [CallState.KEPT] * 7 + [CallState.FAILED]


def test_workers_lost_after_an_outage_are_counted_alone(service, monkeypatch):
    def fails(*_: object, **__: object) -> Outcome:
        raise StoreError("away")

    for _ in range(work.MOST_LOST_WORKERS):
        assert redact(service, monkeypatch, fails).state is CallState.KEPT
        service.clock.advance(timedelta(minutes=2))
    for _ in range(work.MOST_LOST_WORKERS - 1):
        assert service.ledger.claim("c-1", owner="w", lease_s=60, now=service.clock.now())
        lose(service)
    assert redact(service, monkeypatch, fails).state is CallState.KEPT
    service.clock.advance(timedelta(minutes=2))
    assert service.ledger.claim("c-1", owner="w", lease_s=60, now=service.clock.now())
    lose(service)
    assert redact(service, monkeypatch, fails).state is CallState.FAILED
    assert service.ledger.get("c-1").error_code == "worker_lost"
