"""Reviews carried out over a real ledger, with a recording whose leaks can really be heard."""

import dataclasses
import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import numpy as np
import pytest
import soundfile
from pydantic import SecretStr

from callveil.adapters.consent_rules import load_consent_rules
from callveil.adapters.key_wrapping import LocalKeyWrapper
from callveil.adapters.landing_folder import LandingFolder
from callveil.adapters.originals_folder import FolderOriginals
from callveil.adapters.resources import resource_folder
from callveil.adapters.store_local import LocalStore
from callveil.adapters.subject_keys import SubjectKeys
from callveil.config import Profile, Site, load_config
from callveil.errors import EngineError, MetadataError, RefusedError
from callveil.kit import Kit, Originals, Service, office_of
from callveil.pipeline import carry_out as module
from callveil.pipeline.carry_out import WITHHELD_AFTER_S, carry_out
from callveil.pipeline.reviews import (
    confirm_over,
    discard,
    published_version,
    quarantine_shown,
    release,
    report_clean,
    report_missed,
    report_over,
)
from callveil.pipeline.seal import replay_original
from callveil.pipeline.verify_published import known, verify_stored
from callveil.pipeline.work import decide_call, redact_call
from callveil.testing import (
    FakeDiarizer,
    ManualClock,
    call,
    temporary_ledger,
    throw_away_signer,
)
from callveil.vocabulary.audio import Audio
from callveil.vocabulary.consent import ConsentRecord, Flag, Purpose
from callveil.vocabulary.ledger import CallState, NewCall
from callveil.vocabulary.pii import Entity, Finding
from callveil.vocabulary.recording import Part
from callveil.vocabulary.retention import Hold, HoldScope, KeptPart
from callveil.vocabulary.reviews import OverReason, ReviewState, Stretch
from callveil.vocabulary.rights import RemovalWhy
from callveil.vocabulary.transcript import Transcription, Turn, Word

RATE_HZ = 8000
PREFIX = "calls/2026/11/23/c-1/"
BEEPS = {"alpha": 500, "lund": 1000, "oslo": 1500, "late": 2000}
"""A word is a pure tone: who listens knows it by its pitch."""
SAID = [("alpha", 11.0), ("lund", 13.0), ("oslo", 15.0), ("late", 17.0)]
LUND = Stretch(channel=1, start_s=13.0, end_s=13.4, entity=Entity.PERSON)
ACTOR = "user:rita"


def samples(said=SAID) -> np.ndarray:
    n = 24 * RATE_HZ
    rng, time_s = np.random.default_rng(5), np.arange(n) / RATE_HZ
    sound = rng.normal(0, 1e-4, (n, 2))
    talk = (time_s >= 2) & (time_s < 6)
    sound[:, 0] += talk * rng.normal(0, 0.05, n) * (0.3 + np.abs(np.sin(12 * time_s)))
    for text, start_s in said:
        beep = (time_s >= start_s) & (time_s < start_s + 0.4)
        sound[beep, 1] += 0.5 * np.sin(2 * np.pi * BEEPS[text] * time_s[beep])
    return sound


def wav(said=SAID) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples(said), RATE_HZ, format="WAV", subtype="PCM_16")
    return file.getvalue()


@dataclass
class Ears:
    """Hears a word wherever its tone sounds; `deaf_to` are words it misses."""

    deaf_to: Sequence[str] = ()
    name: str = "ears"
    n_parallel: int = 1
    heard_s: list[float] = field(default_factory=list)
    fails: bool = False

    def transcribe(self, audio: Audio, *, language, channel) -> Transcription:
        if self.fails:
            raise EngineError("told to fail")
        self.heard_s.append(audio.n_samples / audio.rate_hz)
        found = []
        frame = round(audio.rate_hz * 0.05)
        for first in range(0, audio.n_samples - frame, frame):
            piece = audio.samples[first : first + frame, 0]
            spectrum = np.abs(np.fft.rfft(piece)) / frame
            hz = float(np.fft.rfftfreq(frame, 1 / audio.rate_hz)[spectrum.argmax()])
            if spectrum.max() < 0.1:
                continue
            text = min(BEEPS, key=lambda name: abs(BEEPS[name] - hz))
            at_s = audio.start_s + first / audio.rate_hz
            if found and found[-1][0] == text and at_s - found[-1][2] < 0.06:
                found[-1][2] = at_s + 0.05
            else:
                found.append([text, at_s, at_s + 0.05])
        return Transcription(
            language=language or "en",
            words=tuple(
                Word(text=text, start_s=start, end_s=end, probability=0.9, channel=channel)
                for text, start, end in found
                if text not in self.deaf_to
            ),
        )


@dataclass
class Finds:
    """Finds these words."""

    texts: Sequence[str] = ("alpha",)
    name: str = "finds"

    def find(self, turns: Sequence[Turn], *, language) -> tuple[Finding, ...]:
        return tuple(
            Finding(
                entity=Entity.PERSON,
                channel=turn.channel,
                start_s=word.start_s,
                end_s=word.end_s,
                score=0.9,
                detector="finds",
            )
            for turn in turns
            for word in turn.words
            if word.text in self.texts
        )


@pytest.fixture
def service(tmp_path):
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
            store=LocalStore(tmp_path / "store", clock=clock),
            originals=None,
            rules=load_consent_rules(resource_folder("pipelines") / "consent.toml"),
            hasher=SubjectKeys([bytes(32)]),
            clock=clock,
        )


@pytest.fixture
def sealing(service, tmp_path):
    """The same, where originals are sealed."""
    originals = Originals(store=FolderOriginals(tmp_path / "originals"), wrapper=LocalKeyWrapper(bytes(32)))
    return dataclasses.replace(service, originals=originals)


def kit_of(service, **changes) -> Kit:
    base = Kit(
        profile_name="default",
        profile=service.config.profile,
        rules=service.rules,
        transcriber=Ears(name="first"),
        dual=FakeDiarizer(),
        mono=FakeDiarizer(),
        detector=Finds(),
        listener=Ears(name="second"),
        store=service.store,
        clock=service.clock,
        signer=throw_away_signer(),
        originals=service.originals,
    )
    return dataclasses.replace(base, **changes)


@pytest.fixture(autouse=True)
def trusted(monkeypatch):
    signer = throw_away_signer()
    monkeypatch.setattr(module, "trusted_by", lambda _: {signer.key_id: signer.public_key})


def bring(service, kit, call_id="c-1", said=SAID) -> CallState:
    with service.landing.begin() as writer:
        writer.write(wav(said))
        landed = writer.finish()
    new = NewCall(
        call=call(call_id),
        landing=landed.token,
        source="push",
        content_sha256=landed.sha256,
        n_bytes=landed.n_bytes,
    )
    service.ledger.accept(new, actor="test", now=service.clock.now())
    decide_call(call_id, service, "w")
    return redact_call(call_id, service, kit, "w").state


def do(service, kit=None, call_id="c-1"):
    return carry_out(call_id, office_of(service), lambda: kit or kit_of(service), "w")


def miss(service, *stretches, call_id="c-1", **more):
    office = office_of(service)
    version = published_version(call_id, office)
    return report_missed(office, call_id, stretches, by=ACTOR, certificate_sha256=version, **more)


def audio(service) -> np.ndarray:
    return soundfile.read(io.BytesIO(service.store.get(PREFIX + Part.AUDIO)), dtype="int16")[0]


def certificate(service) -> dict:
    return json.loads(service.store.get(PREFIX + Part.CERTIFICATE))


def text(service) -> str:
    turns = json.loads(service.store.get(PREFIX + Part.TRANSCRIPT))["turns"]
    return " ".join(turn["text"] for turn in turns)


def at(start_s, end_s) -> slice:
    return slice(round(start_s * RATE_HZ), round(end_s * RATE_HZ))


def check_intact(service):
    signer = throw_away_signer()
    checked = verify_stored(service.store, PREFIX, known({signer.key_id: signer.public_key}))
    assert checked.result == "intact", checked.faults


def review(service, given):
    return service.books.reviews.get(given.review_id)


def test_a_missed_stretch_is_masked_and_all_else_stays_bit_for_bit(service):
    assert bring(service, kit_of(service)) is CallState.PUBLISHED
    before, old, said = audio(service), certificate(service), text(service)
    assert said.split() == ["[PERSON]", "lund", "oslo", "late"]
    given = miss(service, LUND)
    report = do(service)
    assert report.corrected
    done = review(service, given)
    assert done.state is ReviewState.DONE
    content = service.store.get(PREFIX + Part.CERTIFICATE)
    assert done.result_sha256 == hashlib.sha256(content).hexdigest()
    after, new = audio(service), certificate(service)
    (span,) = [span for span in new["masked_spans"] if span["detector"] == "review"]
    assert not after[at(span["start_s"], span["end_s"]), 1].any()
    around = at(span["start_s"] - 0.01, span["end_s"] + 0.01)
    assert np.array_equal(np.delete(after[:, 1], around), np.delete(before[:, 1], around))
    other = [each for each in new["masked_spans"] if each["channel"] == 0 and each not in old["masked_spans"]]
    assert other, "crosstalk goes too"
    assert text(service).split() == ["[PERSON]", "oslo", "late"]
    assert new["reviews"]["corrections"] == 1
    assert new["reviews"]["missed"] == [{"channel": 1, "start_s": 13.0, "end_s": 13.4, "entity": "PERSON"}]
    assert [span for span in old["masked_spans"] if span not in new["masked_spans"]] == []
    check_intact(service)


def test_the_ledger_the_index_and_the_chain_follow(service):
    bring(service, kit_of(service))
    found = service.ledger.get("c-1")
    sent = service.ledger.take_events(owner="t", limit=100, lease_s=1, now=service.clock.now())
    service.ledger.mark_sent([event.event_id for event in sent], now=service.clock.now())
    version = published_version("c-1", office_of(service))
    given = miss(service, LUND)
    (event,) = service.ledger.take_events(owner="t", limit=9, lease_s=1, now=service.clock.now())
    assert (event.topic.value, event.call_id) == ("calls.reviewed", "c-1")
    service.ledger.mark_sent([event.event_id], now=service.clock.now())
    do(service)
    after = service.ledger.get("c-1")
    assert after.state is CallState.PUBLISHED
    assert after.masked_s["PERSON"] > found.masked_s["PERSON"]
    (event,) = service.ledger.take_events(owner="t", limit=9, lease_s=1, now=service.clock.now())
    assert event.topic.value == "calls.redacted"
    actions = [entry.action for entry in service.ledger.history("c-1")]
    assert actions[-3:] == ["review.given", "call.published", "review.done"]
    assert service.ledger.check_audit() is None
    assert json.loads(service.store.get(PREFIX + Part.CERTIFICATE))["reviews"]["replaces"] == version
    assert given.certificate_sha256 == version
    from callveil.vocabulary.search import CallQuery

    assert service.ledger.search.count(CallQuery(text="lund"), within=None).n_calls == 0
    assert service.ledger.search.count(CallQuery(text="oslo"), within=None).n_calls == 1


def test_what_the_listener_then_hears_around_it_is_masked_too(service):
    bring(service, kit_of(service))
    second = Ears(name="second")
    kit = kit_of(service, detector=Finds(["alpha", "oslo"]), listener=second)
    # Both recognisers heard "oslo" alike when it was published; here the first one is not known to have.
    first = dataclasses.replace(kit_of(service), transcriber=Ears(deaf_to=["oslo"]))
    bring(service, first, "c-2")
    version = published_version("c-2", office_of(service))
    stretch = dataclasses.replace(LUND, start_s=13.0, end_s=13.4)
    report_missed(office_of(service), "c-2", [stretch], by=ACTOR, certificate_sha256=version)
    do(service, kit, "c-2")
    found = json.loads(service.store.get(PREFIX.replace("c-1", "c-2") + Part.CERTIFICATE))
    assert found["verify"]["widened"] == 1
    assert found["verify"]["rounds"] == 3
    assert any(span["detector"] == "verify:finds" for span in found["masked_spans"])
    assert sum(second.heard_s) < 12  # near the change, not the whole call


def test_only_what_changed_is_heard_again(service):
    second = Ears(name="second")
    bring(service, kit_of(service))
    miss(service, LUND)
    do(service, kit_of(service, listener=second))
    assert 0 < sum(second.heard_s) < 8


ALWAYS = Finding(
    entity=Entity.PERSON, channel=1, start_s=17.0, end_s=17.4, score=0.9, detector="verify:finds"
)


def never_clean(monkeypatch):
    monkeypatch.setattr("callveil.pipeline.redact.SecondHearing.hear", lambda *_: (ALWAYS,))


def test_what_cannot_be_proven_is_withdrawn_and_quarantined(service, monkeypatch):
    bring(service, kit_of(service))
    given = miss(service, LUND)
    with monkeypatch.context() as patch:
        never_clean(patch)
        do(service)
    found = service.ledger.get("c-1")
    assert (found.state, found.prefix) == (CallState.QUARANTINED, None)
    assert list(service.store.list_calls()) == []
    assert review(service, given).state is ReviewState.DONE
    shown = quarantine_shown("c-1", office_of(service))
    assert shown.n_left == len(shown.left) > 0
    assert shown.duration_s == 24.0
    assert not shown.may_release
    with pytest.raises(RefusedError):
        release(office_of(service), "c-1", by=ACTOR)


def test_a_withdrawal_that_was_cut_off_ends_in_quarantine(service, monkeypatch):
    bring(service, kit_of(service))
    miss(service, LUND)

    class Killed(BaseException):
        pass

    def die(*_, **__):
        raise Killed

    with monkeypatch.context() as patch:
        never_clean(patch)
        patch.setattr(type(service.books.reviews), "settle", die)
        with pytest.raises(Killed):
            do(service)
    service.books.reviews.release("w", now=service.clock.now())
    do(service)
    found = service.ledger.get("c-1")
    assert (found.state, found.prefix) == (CallState.QUARANTINED, None)


@pytest.mark.parametrize("where", ["revise", "settle"])
def test_a_process_that_dies_leaves_a_review_that_the_next_one_finishes(service, monkeypatch, where):
    bring(service, kit_of(service))
    given = miss(service, LUND)

    class Killed(BaseException):
        pass

    def die(*_, **__):
        raise Killed

    reviews = type(service.books.reviews)
    target = (LocalStore, "_swap") if where == "revise" else (reviews, "settle")
    with monkeypatch.context() as patch:
        patch.setattr(*target, die)
        with pytest.raises(Killed):
            do(service)
    assert review(service, given).state is ReviewState.OWED
    assert do(service) is None, "its lease still runs"
    service.books.reviews.release("w", now=service.clock.now())
    again = kit_of(service, listener=Ears(fails=True))  # nothing is heard again
    do(service, again)
    assert review(service, given).state is ReviewState.DONE
    assert "lund" not in text(service)
    assert certificate(service)["reviews"]["corrections"] == 1
    assert service.ledger.get("c-1").masked_s["PERSON"] > 1
    check_intact(service)


def test_a_second_correction_counts_on_and_keeps_the_first(service):
    bring(service, kit_of(service))
    miss(service, LUND)
    do(service)
    first = certificate(service)
    miss(service, dataclasses.replace(LUND, start_s=17.0, end_s=17.4, entity=Entity.ADDRESS))
    do(service)
    second = certificate(service)
    assert second["reviews"]["corrections"] == 2
    assert len(second["reviews"]["missed"]) == 2
    assert all(span in second["masked_spans"] for span in first["masked_spans"])
    assert text(service).split() == ["[PERSON]", "oslo", "[ADDRESS]"]
    check_intact(service)


def test_what_was_marked_is_masked_whenever_the_call_is_redacted_anew(service):
    bring(service, kit_of(service))
    given = miss(service, LUND)
    withdrawn = [
        ConsentRecord(purpose=purpose, flag=Flag.WITHDRAWN, withdrawn_at_s=16.0) for purpose in Purpose
    ]
    # Its audio is put back, as if the shredding had been late.
    with service.landing.begin() as writer:
        writer.write(wav())
        landed = writer.finish()
    service.ledger._database.write(
        lambda c: c.exec_driver_sql("UPDATE calls SET landing = ?", (landed.token,))
    )
    service.ledger.record_consent("c-1", withdrawn, actor="test", now=service.clock.now())
    assert do(service) is None, "a call on its way is not corrected"
    decide_call("c-1", service, "w")
    redact_call("c-1", service, kit_of(service), "w")
    assert certificate(service)["audio"]["duration_s"] == 16.0
    assert "lund" not in text(service)
    assert certificate(service)["reviews"] == {
        "replaces": None,
        "corrections": 0,
        "missed": [{"channel": 1, "start_s": 13.0, "end_s": 13.4, "entity": "PERSON"}],
        "vouched": [],
    }
    do(service, kit_of(service, listener=Ears(fails=True)))
    assert review(service, given).state is ReviewState.DONE


def test_an_answer_that_comes_while_it_is_corrected_wins(service, monkeypatch):
    bring(service, kit_of(service))
    given = miss(service, LUND)
    denied = [ConsentRecord(purpose=purpose, flag=Flag.DENIED) for purpose in Purpose]
    real = LocalStore.revise

    def revise(self, prefix, parts):
        real(self, prefix, parts)
        service.ledger.record_consent("c-1", denied, actor="test", now=service.clock.now())
        assert decide_call("c-1", service, "gate") is None, "it waits for the correction"

    with monkeypatch.context() as patch:
        patch.setattr(LocalStore, "revise", revise)
        do(service)
    assert decide_call("c-1", service, "gate").state is CallState.DISCARDED
    assert list(service.store.list_calls()) == []
    assert review(service, given).state is ReviewState.DONE


def test_a_call_that_is_erased_while_it_is_corrected_stays_erased(service, monkeypatch):
    bring(service, kit_of(service))
    miss(service, LUND)
    real = LocalStore.revise

    def revise(self, prefix, parts):
        real(self, prefix, parts)
        removal = service.books.removals.decide(
            "c-1",
            prefix=PREFIX,
            parts=frozenset(KeptPart),
            why=RemovalWhy.ERASURE,
            reason="asked for",
            request_id=None,
            actor="test",
            now=service.clock.now(),
        )
        assert removal.done_at is None

    monkeypatch.setattr(LocalStore, "revise", revise)
    assert do(service) is None
    assert service.store.count_versions(PREFIX) == 0


@pytest.mark.parametrize("what", ["restrict", "erase"])
def test_what_was_decided_before_it_is_published_wins(service, monkeypatch, what):
    bring(service, kit_of(service))
    given = miss(service, LUND)
    before = service.store.get(PREFIX + Part.CERTIFICATE)
    reviews = type(service.books.reviews)
    real = reviews.check

    def check(self, held):
        now = service.clock.now()
        if what == "restrict":
            service.books.requests.restrict("c-1", "asked for", actor="test", now=now)
        else:
            service.ledger._database.write(
                lambda c: c.exec_driver_sql("UPDATE calls SET state = 'erased', lease_owner = NULL")
            )
        real(self, held)

    monkeypatch.setattr(reviews, "check", check)
    do(service)
    assert service.store.get(PREFIX + Part.CERTIFICATE) == before
    assert review(service, given).state is ReviewState.OWED


def test_a_part_that_retention_deletes_meanwhile_does_not_come_back(service, monkeypatch):
    bring(service, kit_of(service))
    miss(service, LUND)
    real = LocalStore.revise

    def revise(self, prefix, parts):
        removal = service.books.removals.decide(
            "c-1",
            prefix=PREFIX,
            parts=frozenset({KeptPart.AUDIO}),
            why=RemovalWhy.RETENTION,
            reason="its time is over",
            request_id=None,
            actor="test",
            now=service.clock.now(),
        )
        service.store.delete_parts(PREFIX, [Part.AUDIO], bypass_governance=True)
        real(self, prefix, parts)
        now = service.clock.now()
        service.books.removals.finish(removal.removal_id, evidence={}, actor="test", now=now)

    with monkeypatch.context() as patch:
        patch.setattr(LocalStore, "revise", revise)
        do(service)
    names = {stored.key.removeprefix(PREFIX) for stored in service.store.list_objects(PREFIX)}
    assert Part.AUDIO.value not in names
    assert "lund" not in text(service)
    check_intact(service)
    # What is left can still be corrected.
    miss(service, dataclasses.replace(LUND, start_s=17.0, end_s=17.4))
    do(service)
    assert text(service).split() == ["[PERSON]", "oslo", "[PERSON]"]
    assert Part.AUDIO.value not in certificate(service)["outputs"]
    check_intact(service)


def test_a_call_under_legal_hold_waits(service):
    bring(service, kit_of(service))
    given = miss(service, LUND)
    now = service.clock.now()
    hold = Hold(
        hold_id="hold-1",
        scope=HoldScope.CALL,
        reason="a case",
        authority="a court",
        placed_by="test",
        placed_at=now,
    )
    service.books.holds.place(hold, call_ids=["c-1"], identities=(), actor="test", now=now)
    assert service.books.reviews.owed(now=now) == ()
    assert do(service) is None
    service.books.holds.release("hold-1", reason="over", actor="test", now=now)
    assert service.books.reviews.owed(now=now) == ("c-1",)
    do(service)
    assert review(service, given).state is ReviewState.DONE


def test_a_correction_that_fails_is_tried_again_and_in_the_end_the_call_is_withheld(service):
    bring(service, kit_of(service))
    given = miss(service, LUND)
    broken = kit_of(service, listener=Ears(fails=True))
    before = service.store.get(PREFIX + Part.CERTIFICATE)
    do(service, broken)
    assert review(service, given).state is ReviewState.OWED
    assert service.books.reviews.owed(now=service.clock.now()) == (), "not at once"
    service.clock.advance(timedelta(seconds=WITHHELD_AFTER_S))
    assert service.books.requests.restriction("c-1") is None
    do(service, broken)
    assert service.books.requests.restriction("c-1") == module.WITHHELD
    assert service.store.tags(PREFIX + Part.AUDIO)["callveil-restricted"] == "yes"
    assert service.store.get(PREFIX + Part.CERTIFICATE) == before
    service.books.requests.restrict("c-1", None, actor="test", now=service.clock.now())
    service.clock.advance(timedelta(hours=1))
    do(service)
    assert review(service, given).state is ReviewState.DONE


def test_what_somebody_else_put_into_the_store_is_not_signed(service, tmp_path):
    bring(service, kit_of(service))
    given = miss(service, LUND)
    place = tmp_path / "store" / PREFIX / Part.TRANSCRIPT
    place.write_bytes(place.read_bytes().replace(b"oslo", b"rome"))
    do(service)
    assert review(service, given).state is ReviewState.OWED
    assert b"rome" in place.read_bytes()


def test_whoever_looked_at_an_older_version_is_told(service):
    bring(service, kit_of(service))
    office = office_of(service)
    version = published_version("c-1", office)
    first = miss(service, LUND, review_id="rev-000000000001")
    do(service)
    with pytest.raises(RefusedError, match="meanwhile"):
        report_missed(office, "c-1", [LUND], by=ACTOR, certificate_sha256=version)
    again = report_missed(
        office, "c-1", [LUND], by=ACTOR, certificate_sha256=version, review_id="rev-000000000001"
    )
    assert again.review_id == first.review_id
    assert report_clean(office, "c-1", by=ACTOR, certificate_sha256=published_version("c-1", office))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"channel": 2}, "channel"),
        ({"end_s": 24.2}, "behind the call"),
        ({"start_s": -0.1}, "seconds from 0"),
        ({"start_s": float("nan")}, "seconds from 0"),
        ({"end_s": 13.0}, "behind its start"),
    ],
)
def test_a_stretch_lies_in_the_call(service, change, words):
    bring(service, kit_of(service))
    with pytest.raises(MetadataError, match=words):
        miss(service, LUND, dataclasses.replace(LUND, **change))
    with pytest.raises(MetadataError, match="1 to 200"):
        miss(service)
    assert service.books.reviews.of("c-1") == ()


def over(service, start_s=11.0, end_s=11.4):
    office = office_of(service)
    version = published_version("c-1", office)
    stretch = Stretch(channel=1, start_s=start_s, end_s=end_s, entity=Entity.PERSON)
    reason = OverReason.OWN_NAME
    return report_over(office, "c-1", [stretch], over_reason=reason, by=ACTOR, certificate_sha256=version)


def test_what_a_second_person_vouches_for_is_unmasked_from_the_original(sealing):
    bring(sealing, kit_of(sealing))
    given, marked = over(sealing), miss(sealing, LUND)
    office = office_of(sealing)
    with pytest.raises(RefusedError):
        confirm_over(office, given.review_id, actor=ACTOR)
    confirm_over(office, given.review_id, actor="user:hugo")
    do(sealing)
    assert review(sealing, given).state is ReviewState.DONE
    assert review(sealing, marked).state is ReviewState.DONE
    assert text(sealing).split() == ["alpha", "[PERSON]", "oslo", "late"]
    assert audio(sealing)[at(11.1, 11.3), 1].any()
    assert not audio(sealing)[at(13.0, 13.4), 1].any()
    found = certificate(sealing)["reviews"]
    assert [each["start_s"] for each in found["vouched"]] == [11.0]
    assert [each["start_s"] for each in found["missed"]] == [13.0]
    assert (found["corrections"], "rita" in json.dumps(certificate(sealing))) == (1, False)
    check_intact(sealing)
    opened = [e for e in sealing.ledger.history("c-1") if e.action == "original.opened"]
    assert [entry.actor for entry in opened] == ["worker:w"]


def test_nothing_is_unmasked_without_an_original_or_where_nothing_is_masked(service):
    bring(service, kit_of(service))
    given = over(service)
    with pytest.raises(RefusedError, match="no original"):
        confirm_over(office_of(service), given.review_id, actor="user:hugo")
    with pytest.raises(MetadataError, match="nothing is masked"):
        over(service, 17.0, 17.4)


def test_a_secret_that_a_reviewer_marks_goes_out_of_the_original_too(sealing):
    bring(sealing, kit_of(sealing))
    miss(sealing, dataclasses.replace(LUND, entity=Entity.CARD_SECURITY_CODE))
    do(sealing)
    with replay_original(
        "c-1",
        actor="test",
        reason="test",
        audit=lambda _: None,
        originals=sealing.originals,
        now=sealing.clock.now(),
        max_duration_s=100,
    ) as original:
        heard = np.concatenate([block.samples for block in original.blocks()])
    assert not heard[at(13.0, 13.4), 1].any()
    assert heard[at(11.0, 11.4), 1].any()


def quarantined(service, monkeypatch):
    with monkeypatch.context() as patch:
        never_clean(patch)
        assert bring(service, kit_of(service)) is CallState.QUARANTINED
    return office_of(service)


def test_a_quarantined_call_is_masked_proven_and_published(service, monkeypatch):
    office = quarantined(service, monkeypatch)
    shown = quarantine_shown("c-1", office)
    assert shown.may_release
    assert shown.left
    assert (shown.duration_s, shown.channels) == (24.0, 2)
    given = release(office, "c-1", [LUND], by=ACTOR)
    assert given.state is ReviewState.DONE
    assert service.ledger.get("c-1").state is CallState.RECEIVED
    decide_call("c-1", service, "w")
    assert redact_call("c-1", service, kit_of(service), "w").state is CallState.PUBLISHED
    assert text(service).split() == ["[PERSON]", "oslo", "late"]


def test_a_quarantined_call_that_is_not_clean_then_is_quarantined_again(service, monkeypatch):
    office = quarantined(service, monkeypatch)
    release(office, "c-1", [LUND], by=ACTOR)
    decide_call("c-1", service, "w")
    never_clean(monkeypatch)
    assert redact_call("c-1", service, kit_of(service), "w").state is CallState.QUARANTINED
    assert list(service.store.list_calls()) == []


def test_a_quarantined_call_is_let_go(service, monkeypatch):
    office = quarantined(service, monkeypatch)
    given = discard(office, "c-1", by=ACTOR)
    do(service)
    found = service.ledger.get("c-1")
    assert (found.state, found.landing) == (CallState.DISCARDED, None)
    assert list(service.landing.tokens(service.clock.now() + timedelta(days=1))) == []
    record = json.loads(service.store.get("decisions/2026/11/23/c-1.json"))
    assert (record["action"], record["rule"]) == ("discard", "reviewed")
    assert review(service, given).state is ReviewState.DONE


def test_a_call_that_could_not_be_proven_is_released_from_its_original(sealing, monkeypatch):
    bring(sealing, kit_of(sealing))
    miss(sealing, LUND)
    with monkeypatch.context() as patch:
        never_clean(patch)
        do(sealing)
    assert sealing.ledger.get("c-1").state is CallState.QUARANTINED
    given = release(office_of(sealing), "c-1", by=ACTOR)
    assert given.state is ReviewState.OWED
    do(sealing)
    found = sealing.ledger.get("c-1")
    assert (found.state, found.prefix) == (CallState.PUBLISHED, PREFIX)
    assert text(sealing).split() == ["[PERSON]", "oslo", "late"]
    assert review(sealing, given).state is ReviewState.DONE
    check_intact(sealing)


def test_what_is_said_of_a_call_that_is_gone_is_refused(service):
    bring(service, kit_of(service))
    given = miss(service, LUND)
    denied = [ConsentRecord(purpose=purpose, flag=Flag.DENIED) for purpose in Purpose]
    service.ledger.record_consent("c-1", denied, actor="test", now=service.clock.now())
    decide_call("c-1", service, "gate")
    do(service)
    assert review(service, given).state is ReviewState.REFUSED
