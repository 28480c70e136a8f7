from datetime import timedelta

import numpy as np
import pytest

from callveil.errors import EngineError
from callveil.testing import (
    START,
    FakeDetector,
    FakeDiarizer,
    FakeTranscriber,
    ManualClock,
    MemorySource,
    noise,
    tone,
    turn,
    words,
)
from callveil.vocabulary.audio import Audio
from callveil.vocabulary.pii import Entity, Finding
from callveil.vocabulary.transcript import SpeakerSegment

WORDS = (*words("one two three four five"), *words("other", channel=1))


def stretch(first_s, last_s):
    whole = tone(last_s - first_s)
    return Audio(samples=whole.samples, rate_hz=16000, start_sample=round(first_s * 16000))


def test_transcriber_hears_what_begins_in_the_stretch_and_cuts_it():
    heard = FakeTranscriber(WORDS).transcribe(stretch(0.4, 1.0), language=None, channel=0)
    assert heard.language == "en"
    assert [(w.text, w.start_s, w.end_s) for w in heard.words] == [("two", 0.4, 0.7), ("three", 0.8, 1.0)]


def test_two_stretches_together_give_every_word_once():
    fake = FakeTranscriber(WORDS)
    parts = [fake.transcribe(stretch(*at), language="en", channel=0).words for at in ((0.0, 0.9), (0.9, 3.0))]
    assert [w.text for part in parts for w in part] == ["one", "two", "three", "four", "five"]


@pytest.mark.parametrize("audio", [tone(1.0, rate_hz=8000), tone(1.0, channels=2)])
def test_transcriber_refuses_what_the_port_forbids(audio):
    with pytest.raises(EngineError, match="16000"):
        FakeTranscriber().transcribe(audio, language="en", channel=0)


def test_engines_fail_when_told_to():
    with pytest.raises(EngineError):
        FakeTranscriber(fails=True).transcribe(tone(1.0), language="en", channel=0)
    with pytest.raises(EngineError):
        FakeDiarizer(fails=True).start().finish()
    with pytest.raises(EngineError):
        FakeDetector(fails=True).find((), language="en")


def test_diarizer_hears_no_further_than_it_was_fed():
    segments = [
        SpeakerSegment(speaker="b", channel=None, start_s=5.0, end_s=6.0),
        SpeakerSegment(speaker="a", channel=None, start_s=0.0, end_s=5.0),
    ]
    session = FakeDiarizer(segments).start()
    assert session.finish() == ()
    session.push(tone(2.0), ())
    assert [s.speaker for s in session.finish()] == ["a"]
    session.push(stretch(2.0, 8.0), ())
    assert [s.speaker for s in session.finish()] == ["a", "b"]


def test_detector_finds_no_further_than_the_dialogue():
    found = Finding(entity=Entity.PERSON, channel=0, start_s=3.0, end_s=4.0, score=1.0, detector="t")
    assert FakeDetector([found]).find([turn("agent", "hello")], language="en") == ()
    assert FakeDetector([found]).find([turn("agent", "hello", start_s=3.0)], language="en") == (found,)


@pytest.mark.parametrize("until_s", [None, 0.0, 0.25, 1.0, 99.0])
def test_source_gives_the_same_samples_in_blocks_every_time(until_s):
    source = MemorySource(noise(1.05, rate_hz=8000, channels=2), block_s=0.1)
    for _ in range(2):
        blocks = list(source.blocks(until_s=until_s))
        stop = 8400 if until_s is None else min(8400, round(until_s * 8000))
        together = np.concatenate([b.samples for b in blocks] or [np.zeros((0, 2), np.float32)])
        assert np.array_equal(together, source.audio.samples[:stop])
        assert [b.start_sample for b in blocks] == list(range(0, stop, 800))
    assert (source.format.rate_hz, source.format.channels) == (8000, 2)


def test_clock_stands_still_until_moved():
    clock = ManualClock()
    assert clock.now() == clock.now() == START
    clock.advance(timedelta(days=1))
    assert clock.now() == START + timedelta(days=1)
