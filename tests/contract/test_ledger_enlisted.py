"""Calls that are processed outside of the service: found by their persons, and nobody's to work on."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from callveil.errors import NotFoundError, RefusedError
from callveil.testing import call
from callveil.vocabulary.ledger import CallState, NewCall, Settlement
from callveil.vocabulary.rights import IdentifierKind, Identity

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(days=30)
S = CallState


def person(digest):
    return Identity(kind=IdentifierKind.PHONE, digest=digest * 64, generation=1, party=0)


def new(call_id="c-1", *persons, **others):
    return NewCall(
        call=replace(call(call_id), **others),
        landing=None,
        source="process",
        identities=tuple(map(person, persons)),
    )


def test_nobody_works_on_an_enlisted_call(ledger):
    ledger.enlist(new(), actor="cli:a", now=NOW)
    assert ledger.get("c-1").state is S.RECEIVED
    assert ledger.claim("c-1", owner="w", lease_s=60, now=NOW) is None
    for state in (S.RECEIVED, S.KEPT, S.HELD, S.FAILED, S.QUARANTINED, S.PUBLISHED, S.DISCARDED):
        if state is not S.RECEIVED:
            result = Settlement(state=state, hold_until=NOW if state is S.HELD else None)
            assert ledger.record("c-1", result, actor="cli:a", now=NOW).state is state
        assert ledger.take_events(owner="s", limit=10, lease_s=60, now=LATER) == ()
        assert ledger.silent_arrivals(silent_s=1, now=LATER) == ()
        assert ledger.reemit(grace_s=1, now=LATER) == 0
        assert ledger.to_shred(limit=10) == ()
        assert ledger.get("c-1").state is state
    assert ledger.counts(now=LATER).oldest_waiting_s == 0.0
    assert ledger.check_audit() is None


@pytest.mark.parametrize("state", [S.ERASED, S.PROCESSING])
def test_what_is_no_end_is_not_recorded(ledger, state):
    ledger.enlist(new(), actor="cli:a", now=NOW)
    with pytest.raises(ValueError, match=state):
        ledger.record("c-1", Settlement(state=state), actor="cli:a", now=NOW)
    assert ledger.get("c-1").state is S.RECEIVED
    with pytest.raises(NotFoundError):
        ledger.record("c-2", Settlement(state=S.PUBLISHED), actor="cli:a", now=NOW)


def test_enlisted_again_its_persons_are_those_of_the_new_metadata(ledger):
    ledger.enlist(new("c-1", "a", "b", queue="old"), actor="cli:a", now=NOW)
    ledger.record("c-1", Settlement(state=S.PUBLISHED, prefix="p/"), actor="cli:a", now=NOW)
    ledger.enlist(new("c-1", "b", "c", queue="new"), actor="cli:a", now=NOW)
    found = ledger.books.subjects.beside(["c-1"])
    assert [sighting.identity for sighting in found] == [person("b"), person("c")]
    assert (ledger.get("c-1").state, ledger.get("c-1").call.queue) == (S.PUBLISHED, "new")
    assert ledger.books.subjects.find(["a" * 64]) == ()


def test_the_service_and_others_keep_apart(ledger, new_call):
    ledger.accept(new_call("pushed"), actor="a", now=NOW)
    with pytest.raises(RefusedError):
        ledger.enlist(new("pushed"), actor="cli:a", now=NOW)
    sha256 = hashlib.sha256(b"one").hexdigest()
    made = NewCall(call=call("own"), landing=None, source="process", content_sha256=sha256, n_bytes=1000)
    ledger.enlist(made, actor="cli:a", now=NOW)
    # Even the same recording: it would be thrown away as a second one, and no worker takes the first.
    with pytest.raises(RefusedError):
        ledger.accept(new_call("own"), actor="a", now=NOW)
    assert ledger.known_landings(["l-1"]) == frozenset()


def test_answers_do_not_send_an_enlisted_call_to_workers(ledger):
    from callveil.vocabulary.consent import ConsentRecord, Flag, Purpose

    ledger.enlist(new(), actor="cli:a", now=NOW)
    ledger.record("c-1", Settlement(state=S.PUBLISHED, prefix="p/"), actor="cli:a", now=NOW)
    denied = ConsentRecord(purpose=Purpose.RECORDING, flag=Flag.DENIED)
    got = ledger.record_consent("c-1", [denied], actor="cli:a", now=NOW)
    assert (got.state, denied in got.call.consent) == (S.PUBLISHED, True)
    assert ledger.take_events(owner="s", limit=10, lease_s=60, now=LATER) == ()
