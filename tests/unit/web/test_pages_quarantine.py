"""Quarantine and originals: who sees and hears what, what stands in the chain, and how two persons decide."""

from __future__ import annotations

import dataclasses
import io
import json
import logging
import re
from datetime import timedelta

import numpy as np
import pytest
import soundfile
from argon2 import PasswordHasher
from starlette.testclient import TestClient

from callveil.adapters.audio_file import AudioLimits, open_recording
from callveil.adapters.key_wrapping import LocalKeyWrapper
from callveil.adapters.landed_recording import RawEncoding
from callveil.adapters.originals_folder import FolderOriginals
from callveil.adapters.passwords import Argon2Passwords
from callveil.kit import Originals
from callveil.kit.office import office_of
from callveil.pipeline.intake import take_in
from callveil.pipeline.listening import GOOD_FOR
from callveil.pipeline.restrict import restrict_call
from callveil.pipeline.seal import seal_original
from callveil.stages.retention_tags import call_prefix, decision_key
from callveil.testing.builders import START
from callveil.testing.builders import call as a_call
from callveil.vocabulary.accounts import ApiToken, Privilege, Scope, User, WebRole
from callveil.vocabulary.consent import ConsentRecord, Flag, LawfulBasis, Purpose
from callveil.vocabulary.ledger import CallState, Settlement
from callveil.vocabulary.pii import Entity
from callveil.vocabulary.proposals import ProposalKind, ProposalState
from callveil.vocabulary.recording import MaskedDocument, MaskedFile, Part, PublishedPart
from callveil.vocabulary.reviews import OverReason, Review, ReviewKind, ReviewState, Stretch
from callveil.web.pages import listening_room
from callveil.web.pages.access import digest_of
from callveil.web.pages.app import build_page_app
from callveil.web.pages.headers import SecureAnswers

PASSWORDS = Argon2Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
TWO = [{"web": {"two_person": ["quarantine"]}}]
LEFT = Stretch(channel=1, start_s=1.25, end_s=1.75, entity=Entity.PERSON)
WHY = "To see what is left"


@pytest.fixture
def sound():
    """Two seconds that are unlike any other two."""
    return np.random.default_rng(7).normal(0, 0.1, (16000, 2)).clip(-1, 1).astype(np.float32)


@pytest.fixture
def wav(sound):
    file = io.BytesIO()
    soundfile.write(file, sound, 8000, format="WAV", subtype="PCM_16")
    return file.getvalue()


def settle(service, call_id, settlement):
    now = service.clock.now()
    claim = service.ledger.claim(call_id, owner="w", lease_s=60, now=now)
    return service.ledger.settle(claim, settlement, now=now)


@pytest.fixture
def quarantined(service, wav):
    def bring(call_id="c-1", queue="care", consent=None, content=wav):
        call = dataclasses.replace(a_call(call_id, consent=consent), queue=queue)
        with service.landing.begin() as writer:
            writer.write(content)
            take_in(call, writer, service, source="push", actor="key:pbx")
        settle(service, call_id, Settlement(state=CallState.KEPT))
        record = {
            "decided_at": service.clock.now().isoformat(),
            "verify": {
                "left": 1,
                "rounds": 2,
                "findings": [
                    {
                        "channel": LEFT.channel,
                        "start_s": LEFT.start_s,
                        "end_s": LEFT.end_s,
                        "entity": LEFT.entity.value,
                    }
                ],
            },
            "audio": {"duration_s": 2.0, "channels": 2},
        }
        service.store.put_decision(decision_key(call), json.dumps(record).encode())
        reason = "1 finding could still be heard."
        state = CallState.QUARANTINED
        settle(service, call_id, Settlement(state=state, reason=reason))
        service.clock.advance(timedelta(seconds=60))
        return call_id

    return bring


@pytest.fixture
def enter(service):
    """Somebody who is signed in, and what a browser would send of them."""

    def enter(name, *roles, privileges=(), queues=()):
        now, accounts = service.clock.now(), service.books.accounts
        user = User(
            name=name,
            roles=frozenset(roles or {WebRole.REVIEWER}),
            privileges=frozenset(privileges),
            queues=frozenset(queues),
            created_at=now,
        )
        accounts.add(user, kept=PASSWORDS.hash("geheim-und-lang"), actor="test", now=now)
        return Browser(service, name)

    return enter


HEAR = (Privilege.REPLAY_ORIGINAL,)


class Browser:
    """A client with a session, which fills in the forms of the pages it has seen."""

    def __init__(self, service, name):
        self._service, self._name = service, name
        web = service.config.profile.web
        app = SecureAnswers(build_page_app(service, passwords=PASSWORDS), web)
        self.client = TestClient(
            app,
            base_url="http://testserver",
            headers={"Accept": "text/html"},
            follow_redirects=False,
            raise_server_exceptions=False,
        )
        self.begin()

    def begin(self):
        """A new session."""
        accounts, now = self._service.books.accounts, self._service.clock.now()
        self.token = f"{self._name}{len(self._service.ledger.audit())}".ljust(43, "A")
        accounts.sign_in(
            self._name,
            digest_of(self.token),
            kept=accounts.kept(self._name),
            address="192.0.2.1",
            limits=self._service.config.profile.web.session_limits,
            now=now,
        )
        self.client.cookies.set("callveil", self.token, domain="testserver.local")

    def get(self, path, **headers):
        return self.client.get(path, headers=headers)

    def post(self, path, **form):
        csrf = listening_csrf(self.token)
        return self.client.post(path, data={"csrf": csrf, **form})

    def listen(self, path, reason=WHY):
        """Ask for the player; returns the playing's id."""
        answer = self.post(f"{path}/listen", reason=reason)
        assert answer.status_code == 303, answer.text
        return re.search(r"play=(play-[0-9a-f]{16})", answer.headers["location"])[1]

    def hear(self, path, play, range="bytes=0-"):
        return self.get(f"{path}/audio?play={play}", Range=range)


def listening_csrf(token):
    from callveil.web.pages.access import csrf_of

    return csrf_of(token)


def entries(service, action):
    return [each for each in service.ledger.audit() if each.action == action]


def all_bytes(service):
    return b"".join(path.read_bytes() for path in service.site.data.rglob("*") if path.is_file())


# --- the list


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


@pytest.mark.parametrize("role", [WebRole.OPS, WebRole.PRIVACY])
def test_the_list_is_for_reviewers(quarantined, enter, role):
    quarantined()
    somebody = enter("olga", role)
    assert somebody.get("/quarantine").status_code == 403
    assert somebody.get("/quarantine/c-1").status_code == 403


def test_a_page_says_what_was_left_but_no_words(quarantined, enter, service):
    quarantined()
    page = enter("rita").get("/quarantine/c-1").text
    assert "0:01.25 – 0:01.75" in page
    assert "Name" in page
    viewed = entries(service, "call.viewed")
    assert [(each.actor, each.call_id, dict(each.detail)) for each in viewed] == [
        ("user:rita", "c-1", {"page": "quarantine"})
    ]


# --- hearing it


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
        service.landing, "read", lambda *a, **k: (opened.append(len(entries(service, "original.played"))), read(*a, **k))[1]
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
    assert [(each.actor, each.call_id, each.detail["reason"]) for each in found] == [("user:hugo", "c-1", WHY)] * 2
    assert [each.detail["play"] for each in found] == [first, second]
    assert service.ledger.check_audit() is None


@pytest.mark.parametrize("reason", ["", "   ", "test", "x" * 201, "call of ada@example.org", "caller 0151 2345"])
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


def test_what_is_heard_is_the_recording(quarantined, enter, wav, monkeypatch):
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
        assert answer.headers["content-range"] == f"bytes {len(content)}-{size}/{len(wav)}"
        content += answer.content
    assert content == wav
    assert hugo.hear("/quarantine/c-1", play, "bytes=-100").content == wav[-100:]
    assert hugo.hear("/quarantine/c-1", play, "bytes=44-47").content == wav[44:48]
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
    samples = np.random.default_rng(1).normal(0, 0.1, (400_000, 2)).astype(np.float32)
    content = io.BytesIO()
    soundfile.write(content, samples, 8000, format="WAV", subtype="PCM_16")
    quarantined(consent=answers(Flag.WITHDRAWN, withdrawn_at_s=40.0), content=content.getvalue())
    hugo = enter("hugo", privileges=HEAR)
    play = hugo.listen("/quarantine/c-1")
    kept = 320_000 * 4
    assert hugo.hear("/quarantine/c-1", play).content[44:] == content.getvalue()[44 : 44 + kept]
    assert hugo.hear("/quarantine/c-1", play, f"bytes={44 + kept}-").status_code == 416
    outline = hugo.get(f"/quarantine/c-1/outline?play={play}", Accept="application/json").json()
    assert (outline["duration_s"], outline["channels"]) == (40.0, 2)


def test_what_may_not_be_kept_any_more_is_not_heard(quarantined, enter, service):
    quarantined(consent=answers(Flag.GRANTED, expires_at=START + timedelta(minutes=20)))
    hugo = enter("hugo", privileges=HEAR)
    play = hugo.listen("/quarantine/c-1")
    assert hugo.hear("/quarantine/c-1", play).status_code == 206
    service.clock.advance(timedelta(minutes=20))
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
        service.ledger, "get", lambda call_id: dataclasses.replace(get(call_id), landing=landed.token, stream=stream)
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


def test_nothing_raw_reaches_the_disk_or_the_log(quarantined, enter, service, sound, caplog, tmp_path, monkeypatch):
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


# --- deciding


MARKS = {
    "stretch_channel": ["1", "all"],
    "stretch_start": ["0:01.20", "0.5"],
    "stretch_end": ["0:01.80", "0:00.70"],
    "stretch_entity": ["PERSON", "NUMBER"],
}
MARKED = (
    Stretch(channel=1, start_s=1.2, end_s=1.8, entity=Entity.PERSON),
    Stretch(channel=0, start_s=0.5, end_s=0.7, entity=Entity.NUMBER),
    Stretch(channel=1, start_s=0.5, end_s=0.7, entity=Entity.NUMBER),
)


def hidden(page):
    fields = {}
    for name, value in re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', page):
        fields.setdefault(name, []).append(value)
    return {name: values for name, values in fields.items() if name != "csrf"}


def decide(browser, call_id="c-1", **form):
    """Through the page that says what will happen."""
    page = browser.post(f"/quarantine/{call_id}/confirm", **form)
    assert page.status_code == 200, page.text
    return browser.post(f"/quarantine/{call_id}/decide", **hidden(page.text)), hidden(page.text)


def test_marks_are_masked_and_the_call_goes_through_once_more(quarantined, enter, service):
    quarantined()
    rita = enter("rita")
    answer, sent = decide(rita, decision="release", **MARKS)
    assert (answer.status_code, answer.headers["location"]) == (303, "/quarantine/c-1")
    (review,) = service.books.reviews.of("c-1")
    assert (review.kind, review.by, set(review.stretches)) == (ReviewKind.RELEASE, "user:rita", set(MARKED))
    assert service.ledger.get("c-1").state is CallState.RECEIVED
    # The same form once more enters nothing.
    assert rita.post("/quarantine/c-1/decide", **sent).status_code == 303
    assert len(service.books.reviews.of("c-1")) == 1


def test_a_call_is_discarded_after_a_page_that_says_so(quarantined, enter, service):
    quarantined()
    rita = enter("rita")
    page = rita.post("/quarantine/c-1/confirm", decision="discard").text
    assert "destroyed for good" in page
    assert service.books.reviews.of("c-1") == ()
    rita.post("/quarantine/c-1/decide", **hidden(page))
    (review,) = service.books.reviews.of("c-1")
    assert (review.kind, review.state, review.stretches) == (ReviewKind.DISCARD, ReviewState.OWED, ())
    assert "a worker is at it" in rita.get("/quarantine/c-1/progress").text
    answer = rita.post("/quarantine/c-1/confirm", decision="release", **MARKS)
    assert answer.status_code == 200
    assert rita.post("/quarantine/c-1/decide", **hidden(answer.text)).status_code == 409


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"stretch_end": ["0:01.10", "0:00.70"]}, "stretch 1"),
        ({"stretch_end": ["0:09.10", "0:00.70"]}, "stretch 1"),
        ({"stretch_start": ["soon", "0.5"]}, "mark 1: start"),
        ({"stretch_entity": ["PERSON", "SECRET"]}, "mark 2: kind"),
        ({"stretch_channel": ["9", "all"]}, "stretch 1: channel"),
        ({"decision": "burn"}, "decision"),
    ],
)
def test_what_is_marked_wrongly_is_named_and_kept_in_the_form(quarantined, enter, service, changed, named):
    quarantined()
    answer = enter("rita").post("/quarantine/c-1/confirm", **{"decision": "release", **MARKS, **changed})
    assert answer.status_code == 422
    assert named in answer.text
    assert 'value="0:00.70"' in answer.text
    assert service.books.reviews.of("c-1") == ()


def test_deciding_is_for_reviewers_of_that_queue(quarantined, enter, service):
    quarantined(queue="care")
    for name, role, queues, status in (
        ("petra", WebRole.PRIVACY, (), 403),
        ("olga", WebRole.OPS, (), 403),
        ("sven", WebRole.REVIEWER, ("sales",), 404),
    ):
        somebody = enter(name, role, privileges=HEAR, queues=queues)
        for path in ("confirm", "decide"):
            assert somebody.post(f"/quarantine/c-1/{path}", decision="discard").status_code == status
        form = {"proposal": "pro-0123456789ab", "reason": "no"}
        for path in ("approve", "reject"):
            assert somebody.post(f"/quarantine/c-1/{path}", **form).status_code == status
    assert service.books.reviews.of("c-1") == ()


@pytest.mark.parametrize("service", TWO, indirect=True)
def test_a_second_person_agrees(quarantined, enter, service):
    quarantined()
    proposals = service.books.proposals
    rita, ada, sven = enter("rita"), enter("ada", WebRole.ADMIN), enter("sven", queues=["sales"])
    answer, sent = decide(rita, decision="release", **MARKS)
    assert answer.status_code == 303
    assert rita.post("/quarantine/c-1/decide", **sent).status_code == 303
    (proposal,) = proposals.proposals(ProposalKind.QUARANTINE)
    assert (proposal.about, proposal.by) == ("c-1", "user:rita")
    assert service.books.reviews.of("c-1") == ()
    assert "Second person needed" in rita.get("/quarantine").text
    form = {"proposal": proposal.proposal_id}
    assert "Agree and begin" not in rita.get("/quarantine/c-1").text
    assert rita.post("/quarantine/c-1/approve", **form).status_code == 409
    assert sven.post("/quarantine/c-1/approve", **form).status_code == 404
    assert "Agree and begin" in ada.get("/quarantine/c-1").text
    assert ada.post("/quarantine/c-1/approve", **form).status_code == 303
    assert ada.post("/quarantine/c-1/approve", **form).status_code == 303
    (review,) = service.books.reviews.of("c-1")
    assert (review.by, set(review.stretches)) == ("user:rita", set(MARKED))
    decided = proposals.get(proposal.proposal_id)
    assert (decided.state, decided.decided_by) == (ProposalState.APPROVED, "user:ada")
    made = [each for each in service.ledger.history("c-1") if each.action.startswith("proposal.")]
    assert [(each.actor, each.action) for each in made] == [
        ("user:rita", "proposal.made"),
        ("user:ada", "proposal.approved"),
    ]


@pytest.mark.parametrize("service", TWO, indirect=True)
def test_an_admin_does_not_agree_with_themselves(quarantined, enter, service):
    quarantined()
    ada = enter("ada", WebRole.ADMIN)
    decide(ada, decision="discard")
    (proposal,) = service.books.proposals.proposals(ProposalKind.QUARANTINE)
    assert ada.post("/quarantine/c-1/approve", proposal=proposal.proposal_id).status_code == 409
    assert ada.post("/quarantine/c-1/reject", proposal=proposal.proposal_id).status_code == 303
    assert service.books.proposals.get(proposal.proposal_id).state is ProposalState.REJECTED
    assert service.books.reviews.of("c-1") == ()


@pytest.mark.parametrize("service", TWO, indirect=True)
def test_who_says_no_says_why(quarantined, enter, service):
    quarantined()
    rita, nora = enter("rita"), enter("nora")
    decide(rita, decision="discard")
    (proposal,) = service.books.proposals.proposals(ProposalKind.QUARANTINE)
    form = {"proposal": proposal.proposal_id}
    assert nora.post("/quarantine/c-1/reject", **form).status_code == 422
    assert nora.post("/quarantine/c-1/reject", **form, reason="Can be masked").status_code == 303
    assert nora.post("/quarantine/c-1/approve", **form).status_code == 409
    # And then another proposal may be made.
    assert decide(nora, decision="release", **MARKS)[0].status_code == 303


@pytest.mark.parametrize("service", TWO, indirect=True)
def test_what_was_agreed_is_begun_once_more_after_a_crash(quarantined, enter, service):
    quarantined()
    rita, nora = enter("rita"), enter("nora")
    decide(rita, decision="discard")
    (proposal,) = service.books.proposals.proposals(ProposalKind.QUARANTINE)
    service.books.proposals.approve(proposal.proposal_id, actor="user:nora", now=service.clock.now())
    assert "has not begun" in rita.get("/quarantine/c-1").text
    assert rita.post("/quarantine/c-1/approve", proposal=proposal.proposal_id).status_code == 409
    assert nora.post("/quarantine/c-1/approve", proposal=proposal.proposal_id).status_code == 303
    assert [each.kind for each in service.books.reviews.of("c-1")] == [ReviewKind.DISCARD]


@pytest.mark.parametrize("service", TWO, indirect=True)
def test_what_was_proposed_of_an_earlier_quarantine_is_not_begun(quarantined, enter, service):
    quarantined()
    rita, nora = enter("rita"), enter("nora")
    decide(rita, decision="discard")
    (proposal,) = service.books.proposals.proposals(ProposalKind.QUARANTINE)
    call = service.ledger.get("c-1").call
    record = json.loads(service.store.get(decision_key(call)))
    later = service.clock.now() + timedelta(seconds=5)
    service.store.put_decision(
        decision_key(call), json.dumps({**record, "decided_at": later.isoformat()}).encode()
    )
    assert nora.post("/quarantine/c-1/approve", proposal=proposal.proposal_id).status_code == 409
    assert service.books.reviews.of("c-1") == ()
    assert nora.post("/quarantine/c-1/reject", proposal=proposal.proposal_id, reason="old").status_code == 303


def test_a_proposal_of_another_call_is_not_taken(quarantined, enter, service):
    quarantined("c-1", queue="care")
    quarantined("c-2", queue="sales")
    rita, nora = enter("rita"), enter("nora", queues=["care"])
    _, sent = decide(rita, "c-2", decision="discard")
    # Its id in a form of one's own call gives nothing away and enters nothing.
    assert nora.post("/quarantine/c-1/decide", **sent).status_code == 422
    assert service.books.reviews.of("c-1") == ()


# --- originals


@pytest.fixture
def published(service, wav, tmp_path):
    service = service_with_originals(service, tmp_path)

    def bring(call_id="c-1", queue="care"):
        call = dataclasses.replace(a_call(call_id), queue=queue)
        with service.landing.begin() as writer:
            writer.write(wav)
            take_in(call, writer, service, source="push", actor="key:pbx")
        settle(service, call_id, Settlement(state=CallState.KEPT))
        path = tmp_path / "given.wav"
        path.write_bytes(wav)
        now = service.clock.now()
        seal_original(
            call,
            open_recording(path, AudioLimits(max_duration_s=60, max_bytes=2**20)),
            (),
            service.originals,
            input_sha256="a" * 64,
            until_s=None,
            expires_at=now + timedelta(days=1),
            now=now,
        )
        path.unlink()
        prefix = call_prefix(call)
        service.store._calls[prefix] = kept_call(now)
        settle(service, call_id, Settlement(state=CallState.PUBLISHED, prefix=prefix, duration_s=2.0))
        return call_id

    return service, bring


def kept_call(now):
    from callveil.testing.memory_store import _Kept

    span = {"channel": 1, "start_s": 1.0, "end_s": 1.5, "entity": "PERSON"}
    certificate = {"audio": {"channels": 2, "duration_s": 2.0}, "masked_spans": [span]}
    content = {Part.CERTIFICATE.value: json.dumps(certificate).encode()}
    return _Kept(contents=content, modified_at=now, tags={}, retain_until=None)


def service_with_originals(service, tmp_path):
    originals = Originals(store=FolderOriginals(tmp_path / "originals"), wrapper=LocalKeyWrapper(bytes(32)))
    return dataclasses.replace(service, originals=originals)


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


@pytest.fixture
def enter_with(published):
    """As `enter`, with the service that keeps originals."""
    service, _ = published

    def do(name, *roles, **given):
        now = service.clock.now()
        user = User(
            name=name,
            roles=frozenset(roles or {WebRole.REVIEWER}),
            privileges=frozenset(given.get("privileges", ())),
            queues=frozenset(given.get("queues", ())),
            created_at=now,
        )
        service.books.accounts.add(user, kept=PASSWORDS.hash("geheim-und-lang"), actor="test", now=now)
        return Browser(service, name)

    return do


def test_an_original_is_heard_on_the_record(published, enter_with, wav):
    service, bring = published
    bring()
    hugo = enter_with("hugo", privileges=HEAR)
    path = "/calls/c-1/original"
    assert hugo.get(path).status_code == 200
    assert hugo.hear(path, "play-0123456789abcdef").status_code == 409
    play = hugo.listen(path)
    assert hugo.hear(path, play).content == wav
    (entry,) = entries(service, "original.played")
    assert (entry.actor, entry.call_id, entry.detail["what"]) == ("user:hugo", "c-1", "sealed")
    assert wav[4000:4064] not in all_bytes(service)


def test_an_original_is_for_the_privilege_and_the_queue(published, enter_with):
    _, bring = published
    bring(queue="care")
    path = "/calls/c-1/original"
    for name, role, given, status in (
        ("rita", WebRole.REVIEWER, {}, 403),
        ("ada", WebRole.ADMIN, {}, 403),
        ("olga", WebRole.OPS, {"privileges": HEAR}, 403),
        ("sven", WebRole.REVIEWER, {"privileges": HEAR, "queues": ["sales"]}, 404),
    ):
        somebody = enter_with(name, role, **given)
        assert somebody.get(path).status_code == status
        assert somebody.post(f"{path}/listen", reason=WHY).status_code == status
        assert somebody.hear(path, "play-0123456789abcdef").status_code == status
        answer = somebody.post(f"{path}/reviews/rev-000000000001", decision="confirm")
        assert answer.status_code == status


def test_an_original_that_may_not_be_heard_is_not(published, enter_with):
    service, bring = published
    bring("c-1")
    bring("c-2")
    hugo = enter_with("hugo", privileges=HEAR)
    plays = {call_id: hugo.listen(f"/calls/{call_id}/original") for call_id in ("c-1", "c-2")}
    restrict_call("c-1", "Art. 18", office_of(service), actor="user:petra")
    assert hugo.get("/calls/c-1/original").status_code == 409
    assert hugo.hear("/calls/c-1/original", plays["c-1"]).status_code == 409
    service.originals.store.delete("c-2")
    assert hugo.hear("/calls/c-2/original", plays["c-2"]).status_code == 404


def test_a_report_is_agreed_with_after_hearing_by_somebody_else(published, enter_with):
    service, bring = published
    bring()
    review_id = report(service)
    rita = enter_with("rita", privileges=HEAR)
    hugo = enter_with("hugo", privileges=HEAR)
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


def test_a_report_is_refused_with_a_reason(published, enter_with):
    service, bring = published
    bring()
    review_id = report(service)
    hugo = enter_with("hugo", privileges=HEAR)
    address = f"/calls/c-1/original/reviews/{review_id}"
    assert hugo.post(address, decision="refuse").status_code == 422
    assert hugo.post(address, decision="refuse", reason="It is a name").status_code == 303
    assert service.books.reviews.get(review_id).state is ReviewState.REFUSED
    bring("c-2")
    other = f"/calls/c-2/original/reviews/{review_id}"
    assert hugo.post(other, decision="refuse", reason="no").status_code == 404


def test_reports_hold_to_queues_and_are_paged(published, enter_with, monkeypatch):
    monkeypatch.setattr("callveil.web.pages.originals._LIMIT", 2)
    service, bring = published
    for number in range(4):
        bring(f"c-{number}", queue="sales" if number == 1 else "care")
        report(service, f"c-{number}", number=number)
        service.clock.advance(timedelta(seconds=1))
    nora = enter_with("nora", queues=["care"])
    first = nora.get("/reviews").text
    follow = re.search(r'href="(/reviews\?after=[^"]+)"', first)[1]
    second = nora.get(follow).text
    assert re.findall(r'data-row href="/calls/(c-\d)"', first) == ["c-0", "c-2"]
    assert re.findall(r'data-row href="/calls/(c-\d)"', second) == ["c-3"]
    assert nora.get("/reviews?after=nonsense").status_code == 422
    assert enter_with("olga", WebRole.OPS).get("/reviews").status_code == 403
