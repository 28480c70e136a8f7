"""What every diarizer must do, on real speech with real weights."""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import soxr

from callveil.adapters.models import ModelFolder, models_folder
from callveil.registry import engine_module
from callveil.vocabulary.audio import Audio, ChannelSpeech, Span

_CLIP = Path(__file__).parents[1] / "data" / "weather.flac"
_CUSTOMER = ((0.24, 4.54), (12.35, 13.92))
_AGENT = ((5.24, 11.79), (14.18, 15.52))
_AGENT_EARLY_S = 2.5


@dataclass(frozen=True)
class Engine:
    """A diarizer under test, and how many channels it is given."""

    diarizer: object
    channels: int


@pytest.fixture(
    scope="module",
    params=["channels", pytest.param("pyannote", marks=[pytest.mark.models, pytest.mark.slow])],
)
def engine(request):
    module = engine_module("diarizer", request.param)
    diarizer = module.build(module.Options(), ModelFolder(models_folder(os.environ)))
    return Engine(diarizer, channels=2 if request.param == "channels" else 1)


@pytest.fixture(scope="module")
def clip():
    samples, rate_hz = sf.read(_CLIP, dtype="float32", always_2d=True)
    return soxr.resample(samples, rate_hz, 16000).astype(np.float32)


def islands(spans, first_s, last_s):
    cut = [(max(a, first_s), min(b, last_s)) for a, b in spans]
    return tuple(Span(start_s=a, end_s=b) for a, b in cut if b > a)


def diarize(engine, samples, agent, customer, pieces=1):
    if engine.channels == 1:
        samples = samples.mean(axis=1, keepdims=True)
    session = engine.diarizer.start()
    edges = np.linspace(0, len(samples), pieces + 1).astype(int).tolist()
    for first, last in pairwise(edges):
        speech = [
            ChannelSpeech(channel=channel, islands=islands(spans, first / 16000, last / 16000))
            for channel, spans in enumerate((agent, customer))
        ][: engine.channels]
        audio = Audio(samples=samples[first:last], rate_hz=16000, start_sample=first)
        session.push(audio, speech)
    return session.finish()


def stretches(segments, speaker, pause_s=0.6):
    """Where a speaker speaks, short pauses closed."""
    joined = []
    for segment in segments:
        if segment.speaker != speaker:
            continue
        if joined and segment.start_s - joined[-1][1] < pause_s:
            joined[-1] = (joined[-1][0], max(joined[-1][1], segment.end_s))
        else:
            joined.append((segment.start_s, segment.end_s))
    return joined


def test_two_people_are_found_and_their_turns_begin_and_end_in_the_right_places(engine, clip):
    segments = diarize(engine, clip, _AGENT, _CUSTOMER)
    starts = [segment.start_s for segment in segments]
    assert starts == sorted(starts)
    first, second = dict.fromkeys(segment.speaker for segment in segments)
    np.testing.assert_allclose(stretches(segments, first), _CUSTOMER, atol=0.5)
    np.testing.assert_allclose(stretches(segments, second), _AGENT, atol=0.5)


def test_both_speak_at_once_and_both_are_kept(engine, clip):
    early = clip.copy()
    early[:, 0] = np.roll(clip[:, 0], -round(_AGENT_EARLY_S * 16000))
    agent = [(a - _AGENT_EARLY_S, b - _AGENT_EARLY_S) for a, b in _AGENT]
    segments = diarize(engine, early, agent, _CUSTOMER)
    overlap_s = max(
        min(a.end_s, b.end_s) - max(a.start_s, b.start_s)
        for a in segments
        for b in segments
        if a.speaker != b.speaker
    )
    # Truly 1.8 s: the agent begins at 2.74 s, the customer ends at 4.54 s.
    assert overlap_s > 1.0


def test_pushing_in_pieces_changes_nothing(engine, clip):
    at_once = diarize(engine, clip, _AGENT, _CUSTOMER)
    assert diarize(engine, clip, _AGENT, _CUSTOMER, pieces=3) == at_once


def test_segments_lie_in_the_call_and_name_their_channel(engine, clip):
    for segment in diarize(engine, clip, _AGENT, _CUSTOMER):
        assert 0.0 <= segment.start_s < segment.end_s <= len(clip) / 16000
        assert (segment.channel is None) == (engine.channels == 1)


def test_a_call_without_audio_has_no_segments(engine):
    assert engine.diarizer.start().finish() == ()


def test_silence_has_no_segments(engine):
    silence = np.zeros((3 * 16000, 2), dtype=np.float32)
    assert diarize(engine, silence, (), ()) == ()


def test_calls_do_not_touch_each_other(engine, clip):
    one, other = engine.diarizer.start(), engine.diarizer.start()
    audio = Audio(samples=clip[:, : engine.channels], rate_hz=16000)
    one.push(audio, [ChannelSpeech(channel=0, islands=(Span(start_s=5.24, end_s=11.79),))])
    assert other.finish() == ()
    assert one.finish() != ()


def test_the_engine_has_a_name(engine):
    assert engine.diarizer.name
