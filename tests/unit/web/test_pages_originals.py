"""Sealed originals: heard on the record, and reports of what was masked in vain."""

from __future__ import annotations

import dataclasses
import json
import re
from datetime import timedelta
from functools import partial

import pytest
from tests.unit.web.visitors import HEAR, WAV, WHY, add_user, all_bytes, entries, settle, take_call

from callveil.adapters.audio_file import AudioLimits, open_recording
from callveil.adapters.key_wrapping import LocalKeyWrapper
from callveil.adapters.memory_file import memory_file
from callveil.adapters.originals_folder import FolderOriginals
from callveil.kit import Originals
from callveil.kit.office import office_of
from callveil.pipeline.restrict import restrict_call
from callveil.pipeline.seal import seal_original
from callveil.stages.retention_tags import call_prefix
from callveil.testing.memory_store import _Kept
from callveil.vocabulary.accounts import WebRole
from callveil.vocabulary.ledger import CallState, Settlement
from callveil.vocabulary.pii import Entity
from callveil.vocabulary.recording import Part
from callveil.vocabulary.reviews import OverReason, Review, ReviewKind, ReviewState, Stretch


@pytest.fixture
def published(service, tmp_path):
    """The service, with a place for originals."""
    originals = Originals(store=FolderOriginals(tmp_path / "originals"), wrapper=LocalKeyWrapper(bytes(32)))
    return dataclasses.replace(service, originals=originals)


@pytest.fixture
def enter(published):
    return partial(add_user, published)


def bring(service, call_id="c-1", queue="care"):
    """A published call with its original."""
    call = take_call(service, call_id, queue)
    now = service.clock.now()
    with memory_file("given") as path:
        path.write_bytes(WAV)
        seal_original(
            call,
            open_recording(path, AudioLimits(max_duration_s=60, max_bytes=2**20), name="given"),
            (),
            service.originals,
            input_sha256="a" * 64,
            until_s=None,
            expires_at=now + timedelta(days=1),
            now=now,
        )
    prefix = call_prefix(call)
    span = {"channel": 1, "start_s": 1.0, "end_s": 1.5, "entity": "PERSON"}
    certificate = {"audio": {"channels": 2, "duration_s": 2.0}, "masked_spans": [span]}
    content = {Part.CERTIFICATE.value: json.dumps(certificate).encode()}
    service.store._calls[prefix] = _Kept(contents=content, modified_at=now, tags={}, retain_until=None)
    settle(service, call_id, Settlement(state=CallState.PUBLISHED, prefix=prefix, duration_s=2.0))


def report(service, call_id="c-1", by="user:rita", number=1):
    review = Review(
        review_id=f"rev-{number:012x}",
        call_id=call_id,
        kind=ReviewKind.OVER,
        stretches=(Stretch(channel=1, start_s=1.1, end_s=1.3, entity=Entity.PERSON),),
        over_reason=OverReason.WORD,
        by=by,
        at=service.clock.now(),
        certificate_sha256="b" * 64,
    )
    return service.books.reviews.put(review, now=service.clock.now()).review_id


def test_an_original_is_heard_on_the_record(published, enter):
    service = published
    bring(service)
    hugo = enter("hugo", privileges=HEAR)
    path = "/calls/c-1/original"
    assert hugo.get(path).status_code == 200
    assert hugo.hear(path, "play-0123456789abcdef").status_code == 409
    play = hugo.listen(path)
    assert hugo.hear(path, play).content == WAV
    (entry,) = entries(service, "original.played")
    assert (entry.actor, entry.call_id, entry.detail["what"]) == ("user:hugo", "c-1", "sealed")
    assert WAV[4000:4064] not in all_bytes(service)


def test_an_original_is_for_the_privilege_and_the_queue(published, enter):
    bring(published, queue="care")
    path = "/calls/c-1/original"
    for name, role, given, status in (
        ("rita", WebRole.REVIEWER, {}, 403),
        ("ada", WebRole.ADMIN, {}, 403),
        ("olga", WebRole.OPS, {"privileges": HEAR}, 403),
        ("sven", WebRole.REVIEWER, {"privileges": HEAR, "queues": ["sales"]}, 404),
    ):
        somebody = enter(name, role, **given)
        assert somebody.get(path).status_code == status
        assert somebody.post(f"{path}/listen", reason=WHY).status_code == status
        assert somebody.hear(path, "play-0123456789abcdef").status_code == status
        answer = somebody.post(f"{path}/reviews/rev-000000000001", decision="confirm")
        assert answer.status_code == status


def test_an_original_that_may_not_be_heard_is_not(published, enter):
    service = published
    bring(service, "c-1")
    bring(service, "c-2")
    hugo = enter("hugo", privileges=HEAR)
    plays = {call_id: hugo.listen(f"/calls/{call_id}/original") for call_id in ("c-1", "c-2")}
    restrict_call("c-1", "Art. 18", office_of(service), actor="user:petra")
    assert hugo.get("/calls/c-1/original").status_code == 409
    assert hugo.hear("/calls/c-1/original", plays["c-1"]).status_code == 409
    service.originals.store.delete("c-2")
    assert hugo.hear("/calls/c-2/original", plays["c-2"]).status_code == 404


def test_a_report_is_agreed_with_after_hearing_by_somebody_else(published, enter):
    service = published
    bring(service)
    review_id = report(service)
    rita = enter("rita", privileges=HEAR)
    hugo = enter("hugo", privileges=HEAR)
    path = "/calls/c-1/original"
    address = f"{path}/reviews/{review_id}"
    assert "/calls/c-1/original" in hugo.get("/reviews").text
    assert hugo.post(address, decision="confirm").status_code == 409  # not heard yet
    play = rita.listen(path)
    assert rita.post(address, decision="confirm", play=play).status_code == 409
    play = hugo.listen(path)
    assert hugo.post(address, decision="confirm", play=play).status_code == 303
    found = service.books.reviews.get(review_id)
    assert (found.state, found.confirmed_by) == (ReviewState.OWED, "user:hugo")
    assert "/calls/c-1/original" not in hugo.get("/reviews").text


def test_a_report_is_refused_with_a_reason(published, enter):
    service = published
    bring(service)
    review_id = report(service)
    hugo = enter("hugo", privileges=HEAR)
    address = f"/calls/c-1/original/reviews/{review_id}"
    assert hugo.post(address, decision="refuse").status_code == 422
    assert hugo.post(address, decision="refuse", reason="It is a name").status_code == 303
    assert service.books.reviews.get(review_id).state is ReviewState.REFUSED
    bring(service, "c-2")
    other = f"/calls/c-2/original/reviews/{review_id}"
    assert hugo.post(other, decision="refuse", reason="no").status_code == 404


def test_reports_hold_to_queues_and_are_paged(published, enter, monkeypatch):
    monkeypatch.setattr("callveil.web.pages.originals._LIMIT", 2)
    service = published
    for number in range(4):
        bring(service, f"c-{number}", queue="sales" if number == 1 else "care")
        report(service, f"c-{number}", number=number)
        service.clock.advance(timedelta(seconds=1))
    nora = enter("nora", queues=["care"])
    first = nora.get("/reviews").text
    follow = re.search(r'href="(/reviews\?after=[^"]+)"', first)[1]
    second = nora.get(follow).text
    assert re.findall(r'data-row href="/calls/(c-\d)"', first) == ["c-0", "c-2"]
    assert re.findall(r'data-row href="/calls/(c-\d)"', second) == ["c-3"]
    assert nora.get("/reviews?after=nonsense").status_code == 422
    assert enter("olga", WebRole.OPS).get("/reviews").status_code == 403
