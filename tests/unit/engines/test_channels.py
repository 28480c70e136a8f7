from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from callveil.engines.channels import Options, build
from callveil.errors import EngineError
from callveil.vocabulary.audio import Audio, ChannelSpeech, Span


class NoModels:
    def folder(self, model):
        raise AssertionError("this engine needs no model")


def stretch(start_s, end_s, channels=2):
    n_samples = round((end_s - start_s) * 16000)
    return Audio(
        samples=np.zeros((n_samples, channels), dtype=np.float32),
        rate_hz=16000,
        start_sample=round(start_s * 16000),
    )


def speech(channel, *spans):
    return ChannelSpeech(channel=channel, islands=tuple(Span(start_s=a, end_s=b) for a, b in spans))


def diarize(*pushes, options=None):
    session = build(options or Options(), NoModels()).start()
    for audio, spoken in pushes:
        session.push(audio, spoken)
    return [(s.speaker, s.channel, s.start_s, s.end_s) for s in session.finish()]


def test_each_channel_is_one_speaker_and_overlap_stays():
    spoken = [speech(0, (0.0, 4.0)), speech(1, (3.0, 3.5), (5.0, 6.0))]
    assert diarize((stretch(0, 10), spoken)) == [
        ("agent", 0, 0.0, 4.0),
        ("customer", 1, 3.0, 3.5),
        ("customer", 1, 5.0, 6.0),
    ]


def test_an_island_cut_between_two_stretches_is_one_segment():
    in_pieces = [(stretch(0, 5), [speech(0, (1.0, 5.0))]), (stretch(5, 10), [speech(0, (5.0, 7.0))])]
    at_once = [(stretch(0, 10), [speech(0, (1.0, 7.0))])]
    assert diarize(*in_pieces) == diarize(*at_once) == [("agent", 0, 1.0, 7.0)]


def test_islands_with_a_pause_between_them_stay_apart():
    pushes = [(stretch(0, 5), [speech(0, (1.0, 4.9))]), (stretch(5, 10), [speech(0, (5.0, 7.0))])]
    assert len(diarize(*pushes)) == 2


def test_names_come_from_the_options():
    options = Options(speakers=("customer", "agent"))
    assert diarize((stretch(0, 5), [speech(1, (0.0, 1.0))]), options=options) == [("agent", 1, 0.0, 1.0)]


def test_no_stretch_no_segment():
    assert diarize() == []


@pytest.mark.parametrize(
    ("audio", "spoken"),
    [(stretch(0, 1, channels=3), []), (stretch(0, 1), [speech(2, (0.0, 1.0))])],
    ids=["three channels", "speech on a third channel"],
)
def test_a_channel_without_a_speaker_is_refused(audio, spoken):
    with pytest.raises(EngineError):
        diarize((audio, spoken))


@pytest.mark.parametrize("speakers", [(), ("agent", "agent"), ("agent", " "), ("a", "b", "c")])
def test_speakers_need_different_names(speakers):
    with pytest.raises(ValidationError):
        Options(speakers=speakers)
