"""Masking and proving a call, over all of `record_call`, with a recording whose leak can really be heard."""

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from io import BytesIO
from typing import Any

import numpy as np
import pytest
import soundfile

from callveil.adapters.consent_rules import load_consent_rules
from callveil.adapters.resources import resource_folder
from callveil.config import Profile
from callveil.errors import EngineError
from callveil.kit import Kit
from callveil.pipeline.record_call import record_call
from callveil.testing import (
    START,
    FakeDiarizer,
    FakeTranscriber,
    ManualClock,
    MemorySource,
    MemoryStore,
    call,
    throw_away_signer,
    words,
)
from callveil.vocabulary.audio import Audio, MaskedAudio
from callveil.vocabulary.consent import ConsentRecord, Flag, Purpose
from callveil.vocabulary.pii import Entity, Finding
from callveil.vocabulary.recording import State
from callveil.vocabulary.transcript import Transcription, Turn, Word

RATE_HZ = 8000
PREFIX = "calls/2026/11/23/c-1/"
DECISION = "decisions/2026/11/23/c-1.json"
HASH = "ab" * 32
BEEP_S = (14.0, 14.4)


def recording() -> MemorySource:
    """The agent talks from 2 to 6 s, the customer from 10 to 20 s with a loud beep at 14 s; noise else."""
    n = 30 * RATE_HZ
    rng = np.random.default_rng(5)
    time_s = np.arange(n) / RATE_HZ
    samples = rng.normal(0, 1e-4, (n, 2))
    for channel, start_s, end_s in ((0, 2, 6), (1, 10, 20)):
        talk = (time_s >= start_s) & (time_s < end_s)
        samples[:, channel] += talk * rng.normal(0, 0.05, n) * (0.3 + np.abs(np.sin(12 * time_s)))
    beep = (time_s >= BEEP_S[0]) & (time_s < BEEP_S[1])
    samples[beep, 1] = 0.9 * np.sin(2 * np.pi * 1000 * time_s[beep])
    return MemorySource(Audio(samples=samples.astype(np.float32), rate_hz=RATE_HZ))


@dataclass(frozen=True)
class BeepListener:
    """Hears the beep as a word, wherever it sounds, and nothing else."""

    text: str = "Zimmerman"
    heard_s: list[float] = field(default_factory=list)
    name: str = "beep-listener"
    n_parallel: int = 1

    def transcribe(self, audio: Audio, *, language: str | None, channel: int) -> Transcription:
        self.heard_s.append(audio.n_samples / audio.rate_hz)
        loud = np.flatnonzero(np.abs(audio.samples[:, 0]) > 0.6)
        heard = ()
        if len(loud):
            start_s, end_s = float(loud[0] / audio.rate_hz), float(loud[-1] / audio.rate_hz)
            heard = (Word(text=self.text, start_s=start_s, end_s=end_s, probability=0.8, channel=channel),)
        return Transcription(language=language or "en", words=heard)


@dataclass
class WordDetector:
    """Finds each run of the words it was told, wherever they stand in the dialogue it is shown.

    Attributes:
        found: The words.
        blind: How many times it is asked first without finding anything.
    """

    found: Sequence[str]
    blind: int = 0
    asked: int = 0
    name: str = "word-detector"

    def find(self, turns: Sequence[Turn], *, language: str) -> tuple[Finding, ...]:
        self.asked += 1
        if self.asked <= self.blind:
            return ()
        findings: list[Finding] = []
        for turn in turns:
            run: list[Word] = []
            for word in [*turn.words, None]:
                if word is not None and word.text.lower() in self.found:
                    run.append(word)
                elif run:
                    findings.append(
                        Finding(
                            entity=Entity.PERSON,
                            channel=turn.channel,
                            start_s=run[0].start_s,
                            end_s=run[-1].end_s,
                            score=0.9,
                            detector="word",
                        )
                    )
                    run = []
        return tuple(findings)


@dataclass(frozen=True)
class NameAtTheEnd:
    """Hears a short name at the end of every window, the customer's part: with each mask it moves on."""

    name: str = "always"
    n_parallel: int = 1

    def transcribe(self, audio: Audio, *, language: str | None, channel: int) -> Transcription:
        end_s = audio.n_samples / audio.rate_hz - 0.1
        name = Word(text="Zimmerman", start_s=end_s - 0.1, end_s=end_s, probability=0.9, channel=channel)
        return Transcription(language=language or "en", words=(name,))


ALWAYS_A_NAME = NameAtTheEnd()


@pytest.fixture
def temp(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
def kit(temp) -> Kit:
    # The customer's speech is one window that begins at 9.8 s of the call.
    return Kit(
        profile_name="default",
        profile=Profile(),
        rules=load_consent_rules(resource_folder("pipelines") / "consent.toml"),
        transcriber=FakeTranscriber(words=words("it's Tobias Lund calling", channel=1, start_s=0.5)),
        dual=FakeDiarizer(),
        mono=FakeDiarizer(),
        detector=WordDetector(["tobias", "lund", "zimmerman"]),
        listener=FakeTranscriber(name="deaf"),
        store=MemoryStore(clock=ManualClock()),
        clock=ManualClock(),
        signer=throw_away_signer(),
    )


def with_profile(kit: Kit, **tables: Any) -> Kit:
    return replace(kit, profile=Profile.model_validate(tables))


def run(kit: Kit, the_call=None, **more: Any):
    return record_call(the_call or call(), recording(), kit, input_sha256=lambda: HASH, **more)


def keys(kit: Kit) -> list[str]:
    return [stored.key for stored in kit.store.list_objects("")]


def certificate(kit: Kit) -> dict[str, Any]:
    return json.loads(kit.store.get(PREFIX + "certificate.json"))


def published_audio(kit: Kit) -> np.ndarray:
    return soundfile.read(BytesIO(kit.store.get(PREFIX + "audio.flac")))[0]


def stretch(start_s: float, end_s: float) -> slice:
    return slice(round(start_s * RATE_HZ), round(end_s * RATE_HZ))


def test_a_call_without_a_leak_is_proven_in_one_round(kit, temp):
    outcome = run(kit)
    assert outcome.state is State.PUBLISHED
    verify = certificate(kit)["verify"]
    assert (verify["result"], verify["rounds"], verify["widened"], verify["left"]) == ("clean", 1, 0, 0)
    assert verify["scope"] == "all"
    assert verify["heard_s"] > 10
    assert not published_audio(kit)[stretch(10.7, 11.4), 1].any()
    assert published_audio(kit)[stretch(*BEEP_S), 1].any()
    assert list(temp.rglob("*")) == []


@dataclass(frozen=True)
class WatchfulListener:
    """Hears nothing; looks for files on disk while masked audio is not yet proven."""

    folder: Any
    seen: list[Any] = field(default_factory=list)
    name: str = "watchful"
    n_parallel: int = 1

    def transcribe(self, audio: Audio, *, language: str | None, channel: int) -> Transcription:
        self.seen.append([path.name for path in self.folder.rglob("*")])
        return Transcription(language=language or "en", words=())


def test_masked_audio_that_is_not_yet_proven_is_on_no_disk(kit, temp):
    listener = WatchfulListener(temp)
    assert run(replace(kit, listener=listener)).state is State.PUBLISHED
    assert listener.seen
    assert not any(listener.seen)


def test_where_there_are_no_memory_files_it_lies_in_a_folder_that_goes(kit, temp, monkeypatch):
    monkeypatch.setattr("callveil.adapters.memory_file.has_memory_files", lambda: False)
    listener = WatchfulListener(temp)
    assert run(replace(kit, listener=listener)).state is State.PUBLISHED
    assert any("audio.flac" in names for names in listener.seen)
    assert list(temp.rglob("*")) == []


def test_what_only_the_listener_hears_is_masked_in_a_second_round(kit, temp):
    kit = replace(kit, listener=BeepListener())
    outcome = run(kit)
    assert outcome.state is State.PUBLISHED
    verify = certificate(kit)["verify"]
    assert (verify["result"], verify["rounds"], verify["widened"], verify["left"]) == ("clean", 2, 1, 0)
    masked = published_audio(kit)
    assert not masked[stretch(*BEEP_S), 1].any()
    assert not masked[stretch(10.7, 11.4), 1].any()
    assert masked[stretch(17, 20), 1].any()
    (span,) = [span for span in outcome.masked if span.detector.startswith("verify:")]
    assert span.channel == 1
    assert span.start_s < BEEP_S[0] < BEEP_S[1] < span.end_s
    assert all(b"zimmerman" not in kit.store.get(key).lower() for key in keys(kit))
    assert list(temp.rglob("*")) == []


def test_a_second_round_hears_only_what_lies_near_the_new_mask(kit):
    listener = BeepListener()
    run(replace(kit, listener=listener))
    # Both channels in one window, then the customer's speech around the beep.
    assert len(listener.heard_s) == 2
    assert listener.heard_s[1] < listener.heard_s[0]


def test_what_is_heard_in_a_window_of_both_channels_is_masked_on_its_own_channel(kit):
    """The agent's speech comes first in the window; the beep is the customer's."""
    outcome = run(replace(kit, listener=BeepListener()))
    assert all(span.channel == 1 for span in outcome.masked if span.detector.startswith("verify:"))
    assert published_audio(kit)[stretch(2.5, 5.5), 0].any()


def test_a_leak_that_never_ends_quarantines_the_call(kit, temp):
    kit = replace(kit, listener=ALWAYS_A_NAME)
    outcome = run(kit)
    assert outcome.state is State.QUARANTINED
    assert outcome.prefix is None
    assert (outcome.verification.rounds, outcome.verification.widened, outcome.verification.left) == (5, 4, 1)
    assert keys(kit) == [DECISION]
    decision = json.loads(kit.store.get(DECISION))
    assert decision["action"] == "quarantine"
    assert decision["input_sha256"] == HASH
    assert decision["verify"]["result"] == "leak"
    assert list(temp.rglob("*")) == []


@pytest.fixture
def number_kit(kit) -> Kit:
    """Both recognisers hear a number; the detector does not find it when it is first asked."""
    said = words("it's four one one two", channel=1, start_s=0.5)
    # The listener's window begins with 4.4 s of the agent's speech and a gap.
    packed = words("it's four one one two", channel=0, start_s=5.2)
    return replace(
        kit,
        transcriber=FakeTranscriber(words=said),
        listener=FakeTranscriber(words=packed, name="second"),
        detector=WordDetector(["four", "one", "two"], blind=1),
    )


def test_a_planted_leak_is_not_published(number_kit):
    kit = with_profile(number_kit, verify={"max_rounds": 1})
    outcome = run(kit)
    assert outcome.state is State.QUARANTINED
    assert keys(kit) == [DECISION]


def test_a_planted_leak_is_mended_when_there_is_another_round(number_kit):
    outcome = run(number_kit)
    assert outcome.state is State.PUBLISHED
    assert certificate(number_kit)["verify"]["rounds"] >= 2
    assert not published_audio(number_kit)[stretch(10.7, 12.2), 1].any()
    transcript = json.loads(number_kit.store.get(PREFIX + "transcript.json"))
    assert "four" not in " ".join(turn["text"] for turn in transcript["turns"])


def not_masked(audio: Audio, *_: Any) -> MaskedAudio:
    return MaskedAudio(samples=audio.samples, rate_hz=audio.rate_hz, start_sample=audio.start_sample)


def one_sample_altered(audio: Audio, spans: Sequence[Any], style: Any) -> MaskedAudio:
    from callveil.stages.mask_audio import mask_audio

    masked = mask_audio(audio, spans, style)
    at = round(11.0 * RATE_HZ) - audio.start_sample
    if 0 <= at < audio.n_samples:
        masked.samples[at, 1] += 2 / 2**15
    return masked


@pytest.mark.parametrize("tampering", [not_masked, one_sample_altered])
def test_a_masked_file_that_holds_something_else_is_not_published(kit, temp, monkeypatch, tampering):
    monkeypatch.setattr("callveil.pipeline.redact.mask_audio", tampering)
    with pytest.raises(EngineError, match="masked stretch"):
        run(kit)
    assert keys(kit) == []
    assert list(temp.rglob("*")) == []


@pytest.mark.parametrize("style", ["silence", "tone", "noise"])
def test_every_filling_is_proven_in_the_written_file(kit, style):
    kit = with_profile(kit, masking={"audio": style})
    assert run(kit).state is State.PUBLISHED


def test_near_hears_less_than_all(kit):
    heard_s = {}
    for scope in ("all", "near"):
        each = replace(with_profile(kit, verify={"scope": scope}), store=MemoryStore(clock=ManualClock()))
        assert run(each).state is State.PUBLISHED
        assert certificate(each)["verify"]["scope"] == scope
        heard_s[scope] = certificate(each)["verify"]["heard_s"]
    assert 0 < heard_s["near"] < heard_s["all"]


def test_near_finds_a_leak_beside_a_mask(kit):
    kit = replace(with_profile(kit, verify={"scope": "near"}), listener=BeepListener())
    assert run(kit).state is State.PUBLISHED
    assert not published_audio(kit)[stretch(*BEEP_S), 1].any()


def test_a_listener_that_fails_publishes_nothing(kit, temp):
    kit = replace(kit, listener=FakeTranscriber(fails=True))
    with pytest.raises(EngineError, match="told to fail"):
        run(kit)
    assert keys(kit) == []
    assert list(temp.rglob("*")) == []


def test_a_proven_recording_stays_when_a_forced_redo_is_quarantined(kit):
    run(kit)
    before = {key: kit.store.get(key) for key in keys(kit)}
    outcome = run(replace(kit, listener=ALWAYS_A_NAME), replace=True)
    assert outcome.state is State.QUARANTINED
    assert {key: kit.store.get(key) for key in before} == before
    assert json.loads(kit.store.get(DECISION))["action"] == "quarantine"


def test_a_longer_recording_goes_when_the_shortened_one_is_quarantined(kit):
    kit = with_profile(kit, store={"lock": "none"})
    run(kit)
    withdrawn = call(
        consent=[
            ConsentRecord(purpose=purpose, flag=Flag.WITHDRAWN, given_at=START, withdrawn_at_s=18.0)
            for purpose in (Purpose.RECORDING, Purpose.TRANSCRIPTION)
        ]
    )
    outcome = run(replace(kit, listener=ALWAYS_A_NAME), withdrawn, replace=True)
    assert outcome.state is State.QUARANTINED
    assert keys(kit) == [DECISION]


def test_the_certificate_names_the_listener(kit):
    run(kit)
    engines = {engine["role"]: engine["name"] for engine in certificate(kit)["engines"]}
    assert engines["listener"] == "deaf"
    assert engines["transcriber"] == "fake-transcriber"
