"""Calls of `callveil process` in the ledger: read again and again, with answers that come in between."""

from dataclasses import replace

import pytest

from callveil.adapters.subject_keys import SubjectKeys
from callveil.errors import RefusedError
from callveil.testing import ManualClock, call, temporary_ledger
from callveil.vocabulary.consent import ConsentRecord, Flag, Purpose
from callveil.vocabulary.ledger import CallState, NewCall, Settlement
from callveil.vocabulary.retention import KeptPart
from callveil.vocabulary.rights import IdentifierKind, RemovalWhy

KEYS = SubjectKeys([bytes(32)])
NOW = ManualClock().now()
PREFIX = "calls/2026/11/23/c-1/"


@pytest.fixture
def ledger():
    with temporary_ledger() as ledger:
        yield ledger


def answer(flag: Flag) -> ConsentRecord:
    return ConsentRecord(purpose=Purpose.RECORDING, flag=flag)


def enlist(ledger, *flags: Flag, phone: str = "+442079460958"):
    new = NewCall(
        call=call(consent=[answer(flag) for flag in flags]),
        landing=None,
        source="process",
        content_sha256="ab" * 32,
        n_bytes=5,
        identities=(KEYS.identity(IdentifierKind.PHONE, phone, 1),),
    )
    return ledger.enlist(new, actor="cli:ops", now=NOW)


def standing(ledger) -> list[Flag]:
    return [record.flag for record in ledger.get("c-1").call.consent]


def found(ledger, phone: str) -> list[str]:
    sightings = ledger.books.subjects.find(KEYS.digests(IdentifierKind.PHONE, phone))
    return [sighting.call_id for sighting in sightings]


def test_what_the_metadata_says_now_counts(ledger):
    enlist(ledger, Flag.DENIED)
    enlist(ledger, Flag.GRANTED)
    assert standing(ledger) == [Flag.GRANTED]
    enlist(ledger, Flag.DENIED)
    assert standing(ledger) == [Flag.DENIED]


def test_an_answer_that_somebody_brought_stays_in_force(ledger):
    enlist(ledger, Flag.GRANTED)
    ledger.record_consent("c-1", [answer(Flag.WITHDRAWN)], actor="cli:ops", now=NOW)
    assert enlist(ledger, Flag.GRANTED).call.consent[0].flag is Flag.WITHDRAWN
    assert standing(ledger) == [Flag.WITHDRAWN]


def test_persons_are_those_of_the_metadata_now(ledger):
    enlist(ledger, Flag.GRANTED)
    enlist(ledger, Flag.GRANTED, phone="+442079460000")
    assert found(ledger, "+442079460000") == ["c-1"]
    assert found(ledger, "+442079460958") == []


def test_it_owes_nothing_and_no_worker_touches_it(ledger):
    enlist(ledger, Flag.GRANTED)
    assert ledger.take_events(owner="w", limit=10, lease_s=60, now=NOW) == ()
    assert ledger.claim("c-1", owner="w", lease_s=60, now=NOW) is None
    assert ledger.reemit(grace_s=0, now=NOW) == 0
    ledger.record("c-1", Settlement(state=CallState.FAILED, error_code="engine"), actor="cli:ops", now=NOW)
    assert ledger.take_events(owner="w", limit=10, lease_s=60, now=NOW) == ()


def test_an_erased_call_is_neither_enlisted_nor_recorded(ledger):
    enlist(ledger, Flag.GRANTED)
    published = Settlement(state=CallState.PUBLISHED, prefix=PREFIX)
    ledger.record("c-1", published, actor="cli:ops", now=NOW)
    removal = ledger.books.removals.decide(
        "c-1",
        prefix=PREFIX,
        parts=frozenset(KeptPart),
        why=RemovalWhy.ERASURE,
        reason="asked for",
        request_id=None,
        actor="cli:ops",
        now=NOW,
    )
    for _ in range(2):
        with pytest.raises(RefusedError, match="erased"):
            enlist(ledger, Flag.GRANTED)
        with pytest.raises(RefusedError, match="erased"):
            ledger.record("c-1", published, actor="cli:ops", now=NOW)
        ledger.books.removals.finish(removal.removal_id, evidence={}, actor="cli:ops", now=NOW)
    assert found(ledger, "+442079460958") == []
    assert ledger.get("c-1").state is CallState.ERASED


def test_a_call_of_the_service_is_not_taken_over(ledger):
    new = NewCall(call=call(), landing="token", source="push", content_sha256="cd" * 32, n_bytes=5)
    ledger.accept(new, actor="key:1", now=NOW)
    with pytest.raises(RefusedError, match="service"):
        enlist(ledger, Flag.GRANTED)
    other = replace(new, call=replace(call(), call_id="c-2"))
    with pytest.raises(RefusedError):
        ledger.enlist(replace(other, landing=None, call=call()), actor="cli:ops", now=NOW)
