"""The list of quarantined calls, and hearing them: who may, and what stands in the chain."""

from __future__ import annotations

import dataclasses
import logging
import re
from datetime import timedelta
from functools import partial

import numpy as np
import pytest
from tests.unit.web.visitors import (
    HEAR,
    WAV,
    WHY,
    Browser,
    add_user,
    all_bytes,
    entries,
    quarantine_call,
    recording,
)

from callveil.adapters.landed_recording import RawEncoding
from callveil.kit.office import office_of
from callveil.pipeline.listening import GOOD_FOR
from callveil.pipeline.restrict import restrict_call
from callveil.testing.builders import START
from callveil.vocabulary.accounts import ApiToken, Privilege, Scope, WebRole
from callveil.vocabulary.consent import ConsentRecord, Flag, LawfulBasis, Purpose
from callveil.web.pages import listening_room
from callveil.web.pages.access import digest_of


@pytest.fixture
def quarantined(service):
    return partial(quarantine_call, service)


@pytest.fixture
def enter(service):
    return partial(add_user, service)


def test_the_list_has_the_oldest_first_and_says_why_and_how_long(quarantined, enter, service):
    quarantined("c-1")
    service.clock.advance(timedelta(seconds=3 * 3600))
    page = enter("rita").get("/quarantine")
    assert page.status_code == 200
    assert "/quarantine/c-1" in page.text
    assert "1 finding could still be heard." in page.text
    assert "3 hours" in page.text


def test_the_list_holds_to_queues(quarantined, enter):
    quarantined("c-1", queue="care")
    quarantined("c-2", queue="sales")
    nora = enter("nora", queues=["care"])
    page = nora.get("/quarantine").text
    assert "/quarantine/c-1" in page
    assert "c-2" not in page
    assert nora.get("/quarantine/c-1").status_code == 200
    for path in ("c-2", "c-2/progress", "c-none"):
        assert nora.get(f"/quarantine/{path}").status_code == 404


def test_a_list_is_paged(quarantined, enter, monkeypatch):
    monkeypatch.setattr("callveil.web.pages.quarantine._LIMIT", 2)
    for number in range(5):
        quarantined(f"c-{number}")
    rita, seen, address = enter("rita"), [], "/quarantine"
    while address:
        page = rita.get(address).text
        seen += re.findall(r'data-row href="/quarantine/(c-\d)"', page)
        follow = re.search(r'id="page-after" href="([^"]+)"', page)
        address = follow[1].replace("&amp;", "&") if follow else None
    assert seen == [f"c-{number}" for number in range(5)]


def test_the_list_is_for_reviewers_and_privacy(quarantined, enter):
    quarantined()
    olga, petra = enter("olga", WebRole.OPS), enter("petra", WebRole.PRIVACY)
    for path in ("/quarantine", "/quarantine/c-1", "/reviews"):
        assert olga.get(path).status_code == 403
        assert petra.get(path).status_code == 200
    assert "Discard" not in petra.get("/quarantine/c-1").text


def test_a_page_says_what_was_left_but_no_words(quarantined, enter, service):
    quarantined()
    page = enter("rita").get("/quarantine/c-1").text
    assert "0:01.25 – 0:01.75" in page
    assert "Name" in page
    viewed = entries(service, "call.viewed")
    assert [(each.actor, each.call_id, dict(each.detail)) for each in viewed] == [
        ("user:rita", "c-1", {"page": "quarantine"})
    ]


def test_only_the_privilege_opens_the_recording(quarantined, enter, service):
    quarantined()
    play = enter("hugo", privileges=HEAR).listen("/quarantine/c-1")
    for name, roles, privileges in (
        ("rita", (WebRole.REVIEWER,), ()),
        ("ada", (WebRole.ADMIN,), ()),
        ("olga", (WebRole.OPS,), HEAR),
        ("paul", (WebRole.PRIVACY,), (Privilege.EXPORT,)),
    ):
        somebody = enter(name, *roles, privileges=privileges)
        assert somebody.post("/quarantine/c-1/listen", reason=WHY).status_code == 403, name
        assert somebody.hear("/quarantine/c-1", play).status_code == 403, name
        assert somebody.get(f"/quarantine/c-1/outline?play={play}").status_code == 403, name
    assert len(entries(service, "original.played")) == 1
    petra = enter("petra", WebRole.PRIVACY, privileges=HEAR)
    assert petra.hear("/quarantine/c-1", petra.listen("/quarantine/c-1")).status_code == 206


def test_every_playing_is_written_down_before_anything_is_decrypted(quarantined, enter, service, monkeypatch):
    quarantined()
    hugo = enter("hugo", privileges=HEAR)
    opened = []
    read = service.landing.read
    monkeypatch.setattr(
        service.landing,
        "read",
        lambda *a, **k: (opened.append(len(entries(service, "original.played"))), read(*a, **k))[1],
    )
    assert hugo.hear("/quarantine/c-1", "play-0123456789abcdef").status_code == 409
    assert opened == []
    first = hugo.listen("/quarantine/c-1")
    assert hugo.hear("/quarantine/c-1", first).status_code == 206
    assert set(opened) == {1}
    # Once per session and call: the second time the reason stands already, the entry does not.
    second = hugo.listen("/quarantine/c-1", reason="")
    assert hugo.hear("/quarantine/c-1", second).status_code == 206
    found = entries(service, "original.played")
    assert [(each.actor, each.call_id, each.detail["reason"]) for each in found] == [
        ("user:hugo", "c-1", WHY)
    ] * 2
    assert [each.detail["play"] for each in found] == [first, second]
    assert service.ledger.check_audit() is None


@pytest.mark.parametrize(
    "reason", ["", "   ", "test", "x" * 201, "call of ada@example.org", "caller 0151 2345"]
)
def test_a_reason_is_needed_and_names_nobody(quarantined, enter, service, reason):
    quarantined()
    hugo = enter("hugo", privileges=HEAR)
    answer = hugo.post("/quarantine/c-1/listen", reason=reason)
    assert answer.status_code == 422
    assert not reason.strip() or reason not in answer.text
    assert entries(service, "original.played") == []


def test_a_playing_is_for_who_asked_in_the_session_in_which_they_did(quarantined, enter, service):
    quarantined("c-1")
    quarantined("c-2")
    hugo, hanna = enter("hugo", privileges=HEAR), enter("hanna", privileges=HEAR)
    play = hugo.listen("/quarantine/c-1")
    assert hanna.hear("/quarantine/c-1", play).status_code == 409
    assert hugo.hear("/quarantine/c-2", play).status_code == 409
    assert hugo.hear("/calls/c-1/original", play).status_code == 409
    assert "<audio" in hugo.get(f"/quarantine/c-1?play={play}").text
    assert "<audio" not in hanna.get(f"/quarantine/c-1?play={play}").text
    hugo.begin()
    assert hugo.hear("/quarantine/c-1", play).status_code == 409
    assert hugo.post("/quarantine/c-1/listen", reason="").status_code == 422


def test_a_playing_ends(quarantined, enter, service):
    quarantined()
    hugo = enter("hugo", privileges=HEAR)
    play = hugo.listen("/quarantine/c-1")
    for _ in range(5):
        service.clock.advance(timedelta(seconds=GOOD_FOR.total_seconds() / 5 - 1))
        assert hugo.hear("/quarantine/c-1", play).status_code == 206
    service.clock.advance(timedelta(seconds=10))
    assert hugo.hear("/quarantine/c-1", play).status_code == 409


def test_what_is_heard_is_the_recording(quarantined, enter, monkeypatch):
    """In pieces, as players ask for it."""
    monkeypatch.setattr(listening_room, "PIECE_BYTES", 20_001)
    quarantined()
    hugo = enter("hugo", privileges=HEAR)
    play = hugo.listen("/quarantine/c-1")
    content = b""
    while True:
        answer = hugo.hear("/quarantine/c-1", play, f"bytes={len(content)}-")
        if answer.status_code == 416:
            break
        assert answer.status_code == 206
        assert answer.headers["content-type"] == "audio/wav"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        size = len(content) + len(answer.content) - 1
        assert answer.headers["content-range"] == f"bytes {len(content)}-{size}/{len(WAV)}"
        content += answer.content
    assert content == WAV
    assert hugo.hear("/quarantine/c-1", play, "bytes=-100").content == WAV[-100:]
    assert hugo.hear("/quarantine/c-1", play, "bytes=44-47").content == WAV[44:48]
    for wrong in ("bytes=-", "bytes=5-4", "samples=0-", "bytes=0-1,5-6"):
        assert hugo.hear("/quarantine/c-1", play, wrong).status_code == 416
    assert hugo.get(f"/quarantine/c-1/audio?play={play}").status_code == 400


def answers(flag, **given):
    return [
        ConsentRecord(purpose=purpose, flag=flag, lawful_basis=LawfulBasis.CONSENT, given_at=START, **given)
        for purpose in (Purpose.RECORDING, Purpose.TRANSCRIPTION)
    ]


def test_nothing_behind_what_is_kept_is_heard(quarantined, enter):
    """The caller withdrew at second 40 of 50."""
    content = recording(50.0)
    quarantined(consent=answers(Flag.WITHDRAWN, withdrawn_at_s=40.0), content=content)
    hugo = enter("hugo", privileges=HEAR)
    play = hugo.listen("/quarantine/c-1")
    kept = 320_000 * 4
    assert hugo.hear("/quarantine/c-1", play).content[44:] == content[44 : 44 + kept]
    assert hugo.hear("/quarantine/c-1", play, f"bytes={44 + kept}-").status_code == 416
    outline = hugo.get(f"/quarantine/c-1/outline?play={play}", Accept="application/json").json()
    assert (outline["duration_s"], outline["channels"]) == (40.0, 2)


def test_what_may_not_be_kept_any_more_is_not_heard(quarantined, enter, service):
    quarantined(consent=answers(Flag.GRANTED, expires_at=START + timedelta(minutes=10)))
    hugo = enter("hugo", privileges=HEAR)
    play = hugo.listen("/quarantine/c-1")
    assert hugo.hear("/quarantine/c-1", play).status_code == 206
    service.clock.advance(timedelta(minutes=25))
    assert hugo.hear("/quarantine/c-1", play).status_code == 409
    assert hugo.get(f"/quarantine/c-1/outline?play={play}").status_code == 409


def test_a_live_call_is_heard_too(service, enter, quarantined, monkeypatch):
    quarantined()
    samples = np.arange(-8000, 8000, dtype="<i2").repeat(2)
    with service.landing.begin() as writer:
        writer.write(samples.tobytes())
        landed = writer.finish()
    get = service.ledger.get
    stream = f"{RawEncoding.PCM_16.value}/8000/2"
    monkeypatch.setattr(
        service.ledger,
        "get",
        lambda call_id: dataclasses.replace(get(call_id), landing=landed.token, stream=stream),
    )
    hugo = enter("hugo", privileges=HEAR)
    play = hugo.listen("/quarantine/c-1")
    assert hugo.hear("/quarantine/c-1", play).content[44:] == samples.tobytes()


def test_a_restricted_call_is_neither_heard_nor_decided(quarantined, enter, service):
    quarantined()
    hugo = enter("hugo", privileges=HEAR)
    play = hugo.listen("/quarantine/c-1")
    restrict_call("c-1", "Art. 18", office_of(service), actor="user:petra")
    assert hugo.hear("/quarantine/c-1", play).status_code == 409
    assert hugo.post("/quarantine/c-1/listen", reason=WHY).status_code == 409
    assert hugo.post("/quarantine/c-1/confirm", decision="discard").status_code == 409
    assert hugo.post("/quarantine/c-1/decide", decision="discard").status_code == 409
    page = hugo.get(f"/quarantine/c-1?play={play}").text
    assert "restricted" in page
    assert "<audio" not in page
    assert service.books.reviews.of("c-1") == ()


def test_a_call_that_has_left_is_not_heard(quarantined, enter, service):
    quarantined()
    hugo = enter("hugo", privileges=HEAR)
    play = hugo.listen("/quarantine/c-1")
    service.ledger.replay("c-1", actor="test", now=service.clock.now())
    assert hugo.hear("/quarantine/c-1", play).status_code == 409
    assert "masked and heard once more" in hugo.get("/quarantine/c-1").text


def test_no_token_opens_anything(quarantined, enter, service):
    quarantined()
    play = enter("hugo", privileges=HEAR).listen("/quarantine/c-1")
    now = service.clock.now()
    token = ApiToken(
        token_id="tok-0123456789ab",
        digest=digest_of("T" * 43),
        user="hugo",
        label="all",
        scopes=frozenset(Scope),
        created_at=now,
        expires_at=now + timedelta(days=1),
    )
    service.books.accounts.add_token(token, actor="test", now=now)
    machine = Browser(service, "hugo")
    machine.client.cookies.clear()
    for path in ("", "/c-1", "/c-1/progress", f"/c-1/audio?play={play}", f"/c-1/outline?play={play}"):
        answer = machine.get(f"/quarantine{path}", Authorization=f"Bearer {'T' * 43}", Range="bytes=0-")
        assert answer.status_code == 403, path
    for path in ("/reviews", "/calls/c-1/original", f"/calls/c-1/original/audio?play={play}"):
        assert machine.get(path, Authorization=f"Bearer {'T' * 43}").status_code == 403, path


def test_nothing_raw_reaches_the_disk_or_the_log(quarantined, enter, service, caplog, tmp_path, monkeypatch):
    quarantined()
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    caplog.set_level(logging.DEBUG)
    hugo = enter("hugo", privileges=HEAR)
    play = hugo.listen("/quarantine/c-1")
    content = hugo.hear("/quarantine/c-1", play).content
    outline = hugo.get(f"/quarantine/c-1/outline?play={play}").text
    needle = content[4000:4064]
    assert needle in content
    assert needle not in all_bytes(service)
    assert outline[60:160].encode() not in all_bytes(service)
    assert needle.hex() not in caplog.text
    assert WHY not in caplog.text


def test_a_forged_request_changes_nothing(quarantined, enter, service):
    quarantined()
    hugo = enter("hugo", privileges=HEAR)
    before = len(service.ledger.audit())
    for path in ("listen", "confirm", "decide", "approve", "reject"):
        form = {"decision": "discard", "reason": WHY, "proposal": "pro-0123456789ab", "csrf": "0" * 64}
        assert hugo.client.post(f"/quarantine/c-1/{path}", data=form).status_code == 403
    assert len(service.ledger.audit()) == before
