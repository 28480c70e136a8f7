import json
import tempfile
from dataclasses import replace
from io import BytesIO
from typing import Any

import numpy as np
import pytest
import soundfile

from callveil.adapters.consent_rules import load_consent_rules
from callveil.adapters.resources import resource_folder
from callveil.config import Profile, load_config
from callveil.errors import EngineError, RefusedError
from callveil.kit import Kit, LivePolicies, fallback_policy
from callveil.pipeline.record_call import record_call
from callveil.testing import (
    START,
    FakeDetector,
    FakeDiarizer,
    FakeTranscriber,
    ManualClock,
    MemorySource,
    MemoryStore,
    call,
    temporary_ledger,
    throw_away_signer,
    words,
)
from callveil.vocabulary.audio import Audio
from callveil.vocabulary.consent import ConsentRecord, Flag, Purpose
from callveil.vocabulary.pii import Entity, Finding
from callveil.vocabulary.recording import State
from callveil.vocabulary.retention import KeptPart, Match, Period, Policy

RATE_HZ = 8000
PREFIX = "calls/2026/11/23/c-1/"
HASH = "ab" * 32


def recording(duration_s: float = 30.0) -> MemorySource:
    """The customer talks from 10 to 14 s, the agent from 2 to 6 s; line noise else."""
    n = round(duration_s * RATE_HZ)
    rng = np.random.default_rng(5)
    time_s = np.arange(n) / RATE_HZ
    samples = rng.normal(0, 1e-4, (n, 2))
    for channel, start_s in ((0, 2), (1, 10)):
        talk = (time_s >= start_s) & (time_s < start_s + 4)
        samples[:, channel] += talk * rng.normal(0, 0.1, n) * (0.3 + np.abs(np.sin(12 * time_s)))
    return MemorySource(Audio(samples=samples.astype(np.float32), rate_hz=RATE_HZ))


class Listener(FakeTranscriber):
    """Also remembers how much audio reached it."""

    heard_s: list[float] = []  # noqa: RUF012  reset by the fixture

    def transcribe(self, audio: Audio, *, language: str | None, channel: int):
        self.heard_s.append(audio.n_samples / audio.rate_hz)
        return super().transcribe(audio, language=language, channel=channel)


@pytest.fixture
def kit(request) -> Kit:
    Listener.heard_s = []
    # The customer's speech is one window that begins at 9.8 s of the call.
    said = words("it's Tobias Lund calling about my bill", channel=1, start_s=0.5)
    finding = Finding(entity=Entity.PERSON, channel=1, start_s=10.7, end_s=11.4, score=0.9, detector="test")
    profile = Profile.model_validate(getattr(request, "param", {}))
    return Kit(
        profile_name="default",
        profile=profile,
        rules=load_consent_rules(resource_folder("pipelines") / "consent.toml"),
        transcriber=Listener(words=said),
        dual=FakeDiarizer(),
        mono=FakeDiarizer(),
        detector=FakeDetector(findings=[finding]),
        listener=FakeTranscriber(),
        store=MemoryStore(clock=ManualClock()),
        clock=ManualClock(),
        signer=throw_away_signer(),
    )


def run(kit: Kit, the_call=None, source=None, **more: Any):
    return record_call(the_call or call(), source or recording(), kit, input_sha256=lambda: HASH, **more)


def keys(kit: Kit) -> list[str]:
    return [stored.key for stored in kit.store.list_objects("")]


def answered(flag: Flag, **more: Any):
    purposes = (Purpose.RECORDING, Purpose.TRANSCRIPTION)
    return call(consent=[ConsentRecord(purpose=p, flag=flag, given_at=START, **more) for p in purposes])


def test_a_granted_call_is_published_whole(kit):
    outcome = run(kit)
    assert outcome.state is State.PUBLISHED
    assert [key.removeprefix(PREFIX) for key in keys(kit)] == [
        "audio.flac",
        "certificate.json",
        "transcript.json",
        "transcript.vtt",
        "vcon.json",
    ]
    assert kit.store.tags(PREFIX + "audio.flac") == {
        "callveil-call": "c-1",
        "callveil-part": "audio.flac",
        "callveil-consent": outcome.decision.rule,
        "callveil-retention": "standard",
        "callveil-expires": "2027-11-23",
        "callveil-hold": "no",
        "callveil-restricted": "no",
        "callveil-jurisdiction": "GB",
        "callveil-profile": "default",
    }


def test_the_audio_keeps_its_shape_and_loses_the_name(kit):
    run(kit)
    masked, rate_hz = soundfile.read(BytesIO(kit.store.get(PREFIX + "audio.flac")))
    original = recording().audio.samples
    assert (masked.shape, rate_hz) == (original.shape, RATE_HZ)
    assert not masked[round(10.7 * RATE_HZ) : round(11.4 * RATE_HZ)].any()
    untouched = slice(round(2 * RATE_HZ), round(6 * RATE_HZ))
    assert np.allclose(masked[untouched, 0], original[untouched, 0], atol=1e-4)


def test_the_name_is_in_no_document(kit):
    run(kit)
    for key in keys(kit):
        assert b"tobias" not in kit.store.get(key).lower()
    transcript = json.loads(kit.store.get(PREFIX + "transcript.json"))
    assert [turn["text"] for turn in transcript["turns"]] == ["it's [PERSON] about my bill"]
    assert transcript["turns"][0]["speaker"] == "customer"


@pytest.mark.parametrize(
    ("flag", "state"),
    [(Flag.DENIED, State.DISCARDED), (Flag.UNKNOWN, State.HELD), (Flag.WITHDRAWN, State.DISCARDED)],
)
def test_without_consent_nothing_is_heard_and_nothing_kept(kit, flag, state, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert run(kit, answered(flag)).state is state
    assert Listener.heard_s == []
    assert keys(kit) == ["decisions/2026/11/23/c-1.json"]
    assert list(tmp_path.rglob("*")) == []


def test_no_record_at_all_holds(kit):
    assert run(kit, call(consent=[])).state is State.HELD


def test_what_was_said_after_a_withdrawal_reaches_no_engine(kit):
    outcome = run(kit, answered(Flag.WITHDRAWN, withdrawn_at_s=12.0))
    assert outcome.state is State.PUBLISHED
    masked, _ = soundfile.read(BytesIO(kit.store.get(PREFIX + "audio.flac")))
    assert len(masked) == 12 * RATE_HZ
    assert sum(Listener.heard_s) < 7


def test_a_withdrawal_beyond_the_end_is_not_believed(kit):
    assert run(kit, answered(Flag.WITHDRAWN, withdrawn_at_s=40.0)).state is State.HELD
    assert keys(kit) == ["decisions/2026/11/23/c-1.json"]


@pytest.mark.parametrize("broken", ["transcriber", "dual", "detector"])
def test_an_engine_that_fails_publishes_nothing(kit, broken, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    fakes = {"transcriber": FakeTranscriber, "dual": FakeDiarizer, "detector": FakeDetector}
    with pytest.raises(EngineError):
        run(replace(kit, **{broken: fakes[broken](fails=True)}))
    assert keys(kit) == []
    assert list(tmp_path.rglob("*")) == []


def test_a_second_run_skips_what_is_done(kit):
    run(kit)
    Listener.heard_s = []
    assert run(kit).state is State.SKIPPED
    assert Listener.heard_s == []


def test_a_withdrawal_at_a_fraction_of_a_millisecond_is_skipped_too(kit):
    withdrawn = answered(Flag.WITHDRAWN, withdrawn_at_s=12.00012)
    run(kit, withdrawn)
    assert run(kit, withdrawn).state is State.SKIPPED


def test_force_redoes_it(kit):
    run(kit)
    assert run(kit, replace=True).state is State.PUBLISHED


def test_another_recording_of_the_same_call_is_refused(kit):
    run(kit)
    with pytest.raises(RefusedError, match="c-1"):
        record_call(call(), recording(), kit, input_sha256=lambda: "cd" * 32)


def test_a_withdrawal_after_publishing_shortens_what_is_kept(kit):
    run(kit)
    assert run(kit, answered(Flag.WITHDRAWN, withdrawn_at_s=12.0)).state is State.PUBLISHED
    masked, _ = soundfile.read(BytesIO(kit.store.get(PREFIX + "audio.flac")))
    assert len(masked) == 12 * RATE_HZ


def test_a_denial_after_publishing_cannot_pass_a_lock(kit):
    run(kit)
    with pytest.raises(RefusedError):
        run(kit, answered(Flag.DENIED))
    assert PREFIX + "audio.flac" in keys(kit)


@pytest.mark.parametrize("kit", [{"store": {"lock": "none"}}], indirect=True)
def test_a_denial_after_publishing_deletes_where_nothing_is_locked(kit):
    run(kit)
    assert run(kit, answered(Flag.DENIED)).state is State.DISCARDED
    assert keys(kit) == ["decisions/2026/11/23/c-1.json"]


def test_keypad_tones_are_masked_though_nobody_speaks(kit):
    source = recording()
    time_s = np.arange(RATE_HZ) / RATE_HZ
    source.audio.samples[20 * RATE_HZ : 21 * RATE_HZ, 1] += (
        0.1 * (np.sin(2 * np.pi * 770 * time_s) + np.sin(2 * np.pi * 1336 * time_s))
    ).astype(np.float32)
    outcome = run(kit, source=source)
    assert Entity.DTMF in {span.entity for span in outcome.masked}
    masked, _ = soundfile.read(BytesIO(kit.store.get(PREFIX + "audio.flac")))
    assert not masked[20 * RATE_HZ : 21 * RATE_HZ, 1].any()


def test_the_certificate_tells_what_was_done(kit):
    outcome = run(kit)
    certificate = json.loads(kit.store.get(PREFIX + "certificate.json"))
    assert certificate["input_sha256"] == HASH
    assert certificate["consent"]["rule"] == outcome.decision.rule
    assert {span["channel"] for span in certificate["masked_spans"]} == {0, 1}
    assert [engine["name"] for engine in certificate["engines"]] == [
        "fake-transcriber",
        "fake-diarizer",
        "fake-detector",
        "fake-transcriber",
    ]


def keep(**periods: Period) -> dict[KeptPart, Period]:
    return {KeptPart(part): period for part, period in periods.items()}


YEAR, YEARS = Period(months=12), Period(months=84)


def test_policies_make_the_tags_and_the_lock(kit):
    long = Policy(
        name="mifid",
        match=Match(tags=frozenset({"mifid"})),
        duty=keep(transcript=YEARS),
        keep=keep(audio=YEAR),
    )
    run(replace(kit, policies=(long, fallback_policy(kit.profile))), replace(call(), tags=("mifid",)))
    tags = kit.store.tags(PREFIX + "audio.flac")
    assert (tags["callveil-retention"], tags["callveil-expires"]) == ("mifid", "2033-11-23")
    # The audio goes first, so no object is locked beyond its time.
    locked_until = kit.store.retention(PREFIX)
    assert locked_until.date() == START.replace(year=2027).date()


def test_what_was_put_in_force_a_moment_ago_counts(kit):
    with temporary_ledger() as ledger:
        sets = ledger.books.policy_sets
        in_force = LivePolicies(load_config("default"), sets, checked_s=0)
        before, text = in_force.now(), '[[policies]]\nname = "new"\nkeep = { audio = "3 years" }\n'
        sets.put(text, base=0, note="n", actor="user:ada", now=START)
        # The ones that the kit was built with do not matter.
        run(replace(kit, policies=before, in_force=in_force))
    tags = kit.store.tags(PREFIX + "audio.flac")
    assert (tags["callveil-retention"], tags["callveil-expires"]) == ("new", "2029-11-23")


def test_a_call_that_no_policy_fits_is_kept_by_the_profile(kit):
    other = Policy(name="mifid", match=Match(tags=frozenset({"mifid"})), keep=keep(audio=YEARS))
    run(replace(kit, policies=(other, fallback_policy(kit.profile))))
    assert kit.store.tags(PREFIX + "audio.flac")["callveil-retention"] == "standard"
    assert kit.store.retention(PREFIX).date() == START.replace(year=2027).date()


def test_what_waits_for_an_event_is_open_and_not_locked(kit):
    waiting = Policy(name="contract", keep=keep(audio=YEAR), since="contract_end")
    run(replace(kit, policies=(waiting, fallback_policy(kit.profile))))
    tags = kit.store.tags(PREFIX + "audio.flac")
    assert (tags["callveil-retention"], tags["callveil-expires"]) == ("contract", "open")
    assert kit.store.retention(PREFIX) is None
