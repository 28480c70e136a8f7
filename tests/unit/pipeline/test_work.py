"""One claimed call of the service: what is settled, tried again, given up, shredded and reconciled."""

import dataclasses
import io
import threading
import time
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import soundfile
from pydantic import SecretStr

from callveil.adapters.consent_rules import load_consent_rules
from callveil.adapters.key_wrapping import LocalKeyWrapper
from callveil.adapters.landing_folder import LandingFolder
from callveil.adapters.resources import resource_folder
from callveil.adapters.subject_keys import SubjectKeys
from callveil.config import Profile, Site, load_config
from callveil.errors import AudioError, EngineError, LeaseLostError, LedgerError, StoreError
from callveil.kit import Kit, Service
from callveil.pipeline import work
from callveil.pipeline.lease import Lease
from callveil.pipeline.reconcile import reconcile
from callveil.pipeline.work import MOST_LOST_WORKERS, decide_call, redact_call
from callveil.testing import (
    FakeDetector,
    FakeDiarizer,
    FakeTranscriber,
    ManualClock,
    MemoryStore,
    call,
    temporary_ledger,
    throw_away_signer,
    words,
)
from callveil.vocabulary.consent import ConsentRecord, Flag, Purpose
from callveil.vocabulary.ledger import CallState, NewCall, Settlement
from callveil.vocabulary.pii import Entity, Finding

DENIED = tuple(ConsentRecord(purpose=purpose, flag=Flag.DENIED) for purpose in Purpose)
UNKNOWN = tuple(ConsentRecord(purpose=purpose, flag=Flag.UNKNOWN) for purpose in Purpose)


def samples(seconds: float = 20.0) -> np.ndarray:
    n = int(seconds * 8000)
    rng, time_s = np.random.default_rng(3), np.arange(n) / 8000
    sound = rng.normal(0, 1e-4, (n, 2))
    for channel, start_s in ((0, 2), (1, 10)):
        talk = (time_s >= start_s) & (time_s < start_s + 4)
        sound[:, channel] += talk * rng.normal(0, 0.1, n) * (0.3 + np.abs(np.sin(12 * time_s)))
    return sound


def wav() -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples(), 8000, format="WAV", subtype="PCM_16")
    return file.getvalue()


@pytest.fixture
def service(tmp_path: Path):
    clock = ManualClock()
    config = dataclasses.replace(load_config("default"), profile=Profile())
    site = Site(
        data=tmp_path,
        ledger=SecretStr(""),
        landing=tmp_path / "landing",
        landing_key=tmp_path / "landing.key",
        store="",
        broker="",
    )
    with temporary_ledger() as ledger:
        yield Service(
            config=config,
            site=site,
            ledger=ledger,
            books=ledger.books,
            landing=LandingFolder(site.landing, LocalKeyWrapper(bytes(32))),
            store=MemoryStore(clock=clock),
            originals=None,
            rules=load_consent_rules(resource_folder("pipelines") / "consent.toml"),
            hasher=SubjectKeys([bytes(32)]),
            clock=clock,
        )


@pytest.fixture
def kit(service):
    finding = Finding(entity=Entity.PERSON, channel=1, start_s=10.7, end_s=11.4, score=0.9, detector="test")
    return Kit(
        profile_name="default",
        profile=service.config.profile,
        rules=service.rules,
        transcriber=FakeTranscriber(words=words("it's Tobias Lund calling", channel=1, start_s=0.5)),
        dual=FakeDiarizer(),
        mono=FakeDiarizer(),
        detector=FakeDetector(findings=[finding]),
        listener=FakeTranscriber(),
        store=service.store,
        clock=service.clock,
        signer=throw_away_signer(),
    )


@pytest.fixture
def landed(service):
    """A call in the landing and the ledger."""

    def take(call_id: str = "c-1", audio: bytes | None = None, **changes: object) -> str:
        with service.landing.begin() as writer:
            writer.write(wav() if audio is None else audio)
            found = writer.finish()
        new = NewCall(
            call=dataclasses.replace(call(call_id), **changes),
            landing=found.token,
            source="push",
            content_sha256=found.sha256,
            n_bytes=found.n_bytes,
        )
        service.ledger.accept(new, actor="test", now=service.clock.now())
        return found.token

    return take


def tokens(service) -> list[str]:
    return list(service.landing.tokens(service.clock.now() + timedelta(days=36500)))


def answer(service, records, call_id="c-1"):
    service.ledger.record_consent(call_id, records, actor="test", now=service.clock.now())


def test_a_call_is_published_and_its_audio_shredded(service, kit, landed):
    landed()
    assert decide_call("c-1", service, "w").state is CallState.KEPT
    report = redact_call("c-1", service, kit, "w")
    assert (report.state, report.redacted) == (CallState.PUBLISHED, True)
    found = service.ledger.get("c-1")
    assert list(service.store.list_calls()) == [found.prefix]
    assert found.masked_s["PERSON"] > 0.7
    assert (found.landing, tokens(service)) == (None, [])


def test_there_is_nothing_to_do_twice(service, kit, landed):
    landed()
    assert redact_call("c-1", service, kit, "w") is None
    decide_call("c-1", service, "w")
    assert decide_call("c-1", service, "w") is None
    redact_call("c-1", service, kit, "w")
    assert redact_call("c-1", service, kit, "w") is None
    assert redact_call("nobody", service, kit, "w") is None


def test_a_worker_that_died_after_publishing_publishes_once(service, kit, landed, monkeypatch):
    landed()
    decide_call("c-1", service, "w")
    with monkeypatch.context() as patch:
        patch.setattr(work, "_settle", failing(LedgerError("ledger: away")))
        with pytest.raises(LedgerError):
            redact_call("c-1", service, kit, "w")
    assert len(list(service.store.list_calls())) == 1
    service.clock.advance(timedelta(seconds=120))
    service.ledger.reemit(grace_s=1, now=service.clock.now())
    report = redact_call("c-1", service, kit, "w-2")
    assert report.state is CallState.PUBLISHED
    assert service.ledger.get("c-1").duration_s == pytest.approx(20, abs=0.01)
    assert service.ledger.get("c-1").masked_s["PERSON"] > 0.7


def failing(error):
    def fail(*args, **kwargs):
        raise error

    return fail


@pytest.mark.parametrize(
    ("error", "state", "code"),
    [
        (StoreError("store: away"), CallState.KEPT, "store"),
        (EngineError("engine: no memory"), CallState.KEPT, "engine"),
        (ValueError("my name is Tobias Lund"), CallState.KEPT, "internal"),
        (AudioError("holds no sound"), CallState.FAILED, "audio"),
    ],
)
def test_an_error_is_tried_again_or_not_by_its_family(service, kit, landed, monkeypatch, error, state, code):
    landed()
    decide_call("c-1", service, "w")
    monkeypatch.setattr(work, "record_call", failing(error))
    report = redact_call("c-1", service, kit, "w")
    assert (report.state, report.error_code) == (state, code)
    assert "Lund" not in service.ledger.get("c-1").reason
    assert len(tokens(service)) == 1
    if state is CallState.KEPT:
        assert redact_call("c-1", service, kit, "w") is None
        service.clock.advance(timedelta(seconds=2.1))
        monkeypatch.undo()
        assert redact_call("c-1", service, kit, "w").state is CallState.PUBLISHED


def test_a_call_that_fails_again_and_again_fails_for_good_and_can_be_replayed(
    service, kit, landed, monkeypatch
):
    landed()
    decide_call("c-1", service, "w")
    monkeypatch.setattr(work, "record_call", failing(EngineError("engine: no")))
    states = []
    for _ in range(3):
        states.append(redact_call("c-1", service, kit, "w").state)
        service.clock.advance(timedelta(minutes=2))
    assert states == [CallState.KEPT, CallState.KEPT, CallState.FAILED]
    monkeypatch.undo()
    service.ledger.replay("c-1", actor="test", now=service.clock.now())
    assert decide_call("c-1", service, "w").state is CallState.KEPT
    assert redact_call("c-1", service, kit, "w").state is CallState.PUBLISHED


def test_pauses_between_attempts_grow_up_to_the_longest(service, kit, landed, monkeypatch):
    landed()
    decide_call("c-1", service, "w")
    monkeypatch.setattr(work, "record_call", failing(StoreError("store: away")))
    waits = []
    for _ in range(9):
        assert redact_call("c-1", service, kit, "w") is not None
        began = service.clock.now()
        while service.ledger.claim("c-1", owner="probe", lease_s=0.001, now=service.clock.now()) is None:
            service.clock.advance(timedelta(seconds=1))
        waits.append((service.clock.now() - began).total_seconds())
        service.ledger.release("probe", now=service.clock.now())
    assert waits[0] <= 2
    assert waits == sorted(waits)
    assert waits[-1] == service.settings.retry_longest_s


def test_a_call_that_kills_its_workers_fails(service, kit, landed):
    landed()
    decide_call("c-1", service, "w")
    for number in range(MOST_LOST_WORKERS):
        claim = service.ledger.claim("c-1", owner=f"w-{number}", lease_s=1, now=service.clock.now())
        assert claim is not None
        service.ledger.release(f"w-{number}", now=service.clock.now())
    report = redact_call("c-1", service, kit, "last")
    assert (report.state, report.error_code) == (CallState.FAILED, "worker_lost")


def test_a_denial_while_it_is_redacted_keeps_it_from_being_published(service, kit, landed, monkeypatch):
    landed()
    decide_call("c-1", service, "w")
    real = work.record_call

    def denied_meanwhile(*args, **kwargs):
        answer(service, DENIED)
        return real(*args, **kwargs)

    monkeypatch.setattr(work, "record_call", denied_meanwhile)
    assert redact_call("c-1", service, kit, "w") is None
    assert list(service.store.list_calls()) == []
    assert service.ledger.get("c-1").state is CallState.RECEIVED
    assert decide_call("c-1", service, "w").state is CallState.DISCARDED
    assert tokens(service) == []


def test_a_denial_between_publishing_and_settling_takes_it_back(service, kit, landed, monkeypatch):
    landed()
    decide_call("c-1", service, "w")
    real = work._settle

    def denied_just_before(claim, settlement, service):
        answer(service, DENIED)
        return real(claim, settlement, service)

    monkeypatch.setattr(work, "_settle", denied_just_before)
    assert redact_call("c-1", service, kit, "w").state is CallState.RECEIVED
    monkeypatch.undo()
    assert decide_call("c-1", service, "w").state is CallState.DISCARDED
    assert list(service.store.list_calls()) == []
    assert tokens(service) == []


def test_a_worker_that_lost_its_lease_publishes_nothing(service, kit, landed, monkeypatch):
    landed()
    decide_call("c-1", service, "w")
    real = work.record_call

    def overtaken(*args, **kwargs):
        service.clock.advance(timedelta(seconds=service.settings.lease_s + 1))
        assert service.ledger.claim("c-1", owner="quicker", lease_s=60, now=service.clock.now())
        return real(*args, **kwargs)

    monkeypatch.setattr(work, "record_call", overtaken)
    assert redact_call("c-1", service, kit, "w") is None
    assert list(service.store.list_calls()) == []


@pytest.mark.parametrize(
    ("records", "state", "published"),
    [(DENIED, CallState.DISCARDED, 0), (UNKNOWN, CallState.DISCARDED, 0), ((), CallState.PUBLISHED, 1)],
)
def test_an_answer_for_a_published_call(service, kit, landed, records, state, published):
    landed()
    decide_call("c-1", service, "w")
    redact_call("c-1", service, kit, "w")
    again = records or tuple(ConsentRecord(purpose=purpose, flag=Flag.GRANTED) for purpose in Purpose)
    answer(service, again)
    assert decide_call("c-1", service, "w").state is state
    assert len(list(service.store.list_calls())) == published


def test_a_legal_hold_keeps_a_published_call(service, kit, landed):
    landed()
    decide_call("c-1", service, "w")
    redact_call("c-1", service, kit, "w")
    service.store.set_legal_hold(service.ledger.get("c-1").prefix, True)
    answer(service, DENIED)
    assert decide_call("c-1", service, "w").state is CallState.PUBLISHED
    assert "legal hold" in service.ledger.get("c-1").reason


def test_a_policy_may_keep_what_is_published(service, kit, landed):
    consent = service.config.profile.consent.model_copy(update={"after_publishing": "keep"})
    profile = service.config.profile.model_copy(update={"consent": consent})
    keeping = dataclasses.replace(service, config=dataclasses.replace(service.config, profile=profile))
    landed()
    decide_call("c-1", keeping, "w")
    redact_call("c-1", keeping, kit, "w")
    answer(service, DENIED)
    assert decide_call("c-1", keeping, "w").state is CallState.PUBLISHED
    assert len(list(service.store.list_calls())) == 1


def test_a_withdrawal_in_a_published_call_erases_it_when_the_original_is_gone(service, kit, landed):
    landed()
    decide_call("c-1", service, "w")
    redact_call("c-1", service, kit, "w")
    answer(service, [ConsentRecord(purpose=p, flag=Flag.WITHDRAWN, withdrawn_at_s=15.0) for p in Purpose])
    assert decide_call("c-1", service, "w").state is CallState.DISCARDED
    assert list(service.store.list_calls()) == []


def test_a_lease_is_renewed_while_the_work_goes_on(service, landed):
    landed()
    claim = service.ledger.claim("c-1", owner="w", lease_s=0.3, now=service.clock.now())
    with Lease(claim, service.ledger, service.clock, 0.3) as lease:
        service.clock.advance(timedelta(seconds=0.25))
        time.sleep(0.3)
        service.clock.advance(timedelta(seconds=0.2))
        assert service.ledger.claim("c-1", owner="other", lease_s=1, now=service.clock.now()) is None
        lease.check()
    service.clock.advance(timedelta(seconds=5))
    assert service.ledger.claim("c-1", owner="other", lease_s=60, now=service.clock.now())
    with Lease(claim, service.ledger, service.clock, 0.3) as lease, pytest.raises(LeaseLostError):
        lease.check()
    assert threading.active_count() < 20


@contextmanager
def live_call(service, call_id="live-1", *, finish=True):
    with service.landing.begin() as writer:
        stream = "pcm_s16le/8000/2"
        new = NewCall(call=call(call_id), landing=writer.token, source="audiohook", stream=stream)
        service.ledger.accept(new, actor="test", now=service.clock.now())
        yield writer
        if not finish:
            writer.leave_open()


def pcm() -> bytes:
    return (samples() * 32767).astype("<i2").tobytes()


def test_a_live_call_is_heard_while_it_arrives(service, kit, monkeypatch):
    data, reports = pcm(), []
    with live_call(service) as writer:
        decide_call("live-1", service, "w")
        heard: list[float] = []
        worker = threading.Thread(
            target=lambda: reports.append(redact_call("live-1", service, kit, "w", heard.append))
        )
        worker.start()
        for at in range(0, len(data), 16000):
            writer.write(data[at : at + 16000])
            writer.flush()
        landed = writer.finish()
        service.ledger.arrived(
            "live-1",
            content_sha256=landed.sha256,
            n_bytes=landed.n_bytes,
            incomplete=False,
            actor="test",
            now=service.clock.now(),
        )
        worker.join(60)
    assert [report.state for report in reports] == [CallState.PUBLISHED]
    assert service.ledger.get("live-1").duration_s == pytest.approx(20, abs=0.01)
    assert tokens(service) == []


def test_reconcile_closes_a_live_call_whose_receiver_died(service, kit):
    with live_call(service, finish=False) as writer:
        writer.write(pcm())
        writer.flush()
    assert reconcile(service).cut_off == 0
    service.clock.advance(timedelta(seconds=60))
    assert reconcile(service).cut_off == 1
    found = service.ledger.get("live-1")
    assert found.incomplete
    assert found.arrived_at is not None
    decide_call("live-1", service, "w")
    assert redact_call("live-1", service, kit, "w").state is CallState.PUBLISHED


def test_reconcile_shreds_what_belongs_to_no_call(service, landed, monkeypatch):
    kept = landed()
    with service.landing.begin() as writer:
        writer.write(b"an upload nobody accepted")
        writer.finish()
    assert reconcile(service).orphans == 0
    later = dataclasses.replace(service, clock=type("Later", (), {"now": lambda self: far(service)})())
    assert reconcile(later).orphans == 1
    assert tokens(service) == [kept]


def far(service):
    """The landing dates by the file system, so the look has to be later than that."""
    from callveil.kit import SystemClock

    return max(service.clock.now(), SystemClock().now()) + timedelta(days=1)


def test_reconcile_shreds_what_a_worker_left(service, landed):
    landed()
    claim = service.ledger.claim("c-1", owner="w", lease_s=60, now=service.clock.now())
    service.ledger.settle(claim, Settlement(state=CallState.DISCARDED), now=service.clock.now())
    assert len(tokens(service)) == 1
    assert reconcile(service).shredded == 1
    assert tokens(service) == []
    assert reconcile(service).shredded == 0
