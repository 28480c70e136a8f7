"""The recording of a call over HTTP: ranges, who may, and what the audit chain says of it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.unit.web.planted import DOCUMENT, plant
from tests.unit.web.visitors import add_user

from callveil.kit import office_of
from callveil.pipeline.restrict import restrict_call
from callveil.vocabulary.accounts import ApiToken, Scope, WebRole
from callveil.web.pages.access import digest_of
from callveil.web.pages.call_media import _Plays

AUDIO = "/calls/c-1/audio"
WHOLE = len(DOCUMENT)


@pytest.fixture
def rita(service):
    plant(service, "c-1")
    return add_user(service, "rita").client


def plays(service):
    return [
        entry.actor for entry in service.ledger.history("c-1", limit=500) if entry.action == "call.played"
    ]


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [
        ("bytes=0-", 0, WHOLE),
        ("bytes=0-9", 0, 10),
        ("bytes=7-7", 7, 8),
        ("bytes=20-99999", 20, WHOLE),
        ("bytes=-5", WHOLE - 5, WHOLE),
        ("bytes=-99999", 0, WHOLE),
    ],
)
def test_a_range_is_answered_with_that_range(rita, asked, start, stop):
    answer = rita.get(AUDIO, headers={"Range": asked})
    assert answer.status_code == 206
    assert answer.content == DOCUMENT[start:stop]
    assert answer.headers["content-range"] == f"bytes {start}-{stop - 1}/{WHOLE}"
    assert answer.headers["content-type"] == "audio/flac"
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("asked", [None, "bytes=-", "bytes=9-3", "bytes=0-1,4-5", "lines=1-2", "bytes=x-"])
def test_anything_else_is_answered_with_all_of_it(rita, asked):
    answer = rita.get(AUDIO, headers={} if asked is None else {"Range": asked})
    assert (answer.status_code, answer.content) == (200, DOCUMENT)
    assert answer.headers["accept-ranges"] == "bytes"


@pytest.mark.parametrize("asked", [f"bytes={WHOLE}-", "bytes=-0"])
def test_a_range_that_holds_nothing_is_refused(rita, service, asked):
    assert rita.get(AUDIO, headers={"Range": asked}).status_code == 416
    assert plays(service) == []


def test_a_play_is_one_entry_and_there_is_none_without(rita, service):
    rita.get(AUDIO, headers={"Range": "bytes=30-60"})
    assert plays(service) == ["user:rita"]
    rita.get(AUDIO, headers={"Range": "bytes=61-90"})
    assert plays(service) == ["user:rita"]
    rita.get(AUDIO, headers={"Range": "bytes=0-"})
    assert plays(service) == ["user:rita"] * 2
    service.clock.advance(timedelta(minutes=16))
    rita.get(AUDIO, headers={"Range": "bytes=61-90"})
    assert plays(service) == ["user:rita"] * 3


def test_old_plays_are_forgotten(service):
    seen, now = _Plays(), service.clock.now()
    for number in range(_Plays._MOST + 5):
        assert seen.is_new(("rita", f"c-{number}"), from_start=False, now=now)
    assert len(seen._seen) == _Plays._MOST


def test_a_restricted_call_is_not_played(rita, service):
    restrict_call("c-1", "Because.", office_of(service), actor="user:petra")
    assert rita.get(AUDIO).status_code == 409
    assert rita.get("/calls/c-1/transcript").status_code == 409
    assert plays(service) == []


def test_a_call_of_another_queue_is_not_there(rita, service):
    nora = add_user(service, "nora", queues=["elsewhere"]).client
    for part in ("audio", "outline", "transcript"):
        assert nora.get(f"/calls/c-1/{part}").status_code == 404
    oscar = add_user(service, "oscar", WebRole.OPS).client
    assert oscar.get(AUDIO).status_code == 403
    assert plays(service) == []


@pytest.mark.parametrize(("scope", "status"), [(Scope.MEDIA_READ, 200), (Scope.CALLS_READ, 403)])
def test_a_token_needs_the_scope_for_media(rita, service, scope, status):
    accounts, now = service.books.accounts, service.clock.now()
    token = "t" * 43
    accounts.add_token(
        ApiToken(
            token_id="tok-00000000000a",
            digest=digest_of(token),
            user="rita",
            label="x",
            scopes=frozenset({scope}),
            created_at=now,
            expires_at=now + timedelta(days=1),
        ),
        actor="test",
        now=now,
    )
    rita.cookies.clear()
    answer = rita.get(AUDIO, headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == status
    assert plays(service) == (["token:tok-00000000000a"] if status == 200 else [])
