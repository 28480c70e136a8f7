"""What every transcriber must do, on real speech with real weights."""

from __future__ import annotations

import os
import re
from pathlib import Path

import jiwer
import numpy as np
import pytest
import soundfile as sf
import soxr

from callveil.adapters.models import ModelFolder, models_folder
from callveil.errors import EngineError
from callveil.registry import engine_module
from callveil.vocabulary.audio import Audio

pytestmark = pytest.mark.models

_CLIP = Path(__file__).parents[1] / "data" / "weather.flac"
_CUSTOMER = (
    "brilliant and is the weather going to hold in scarborough this weekend do you think "
    "typical well thanks for your help"
)
_AGENT = (
    "they said nineteen degrees on saturday and a seventy percent chance of rain on sunday "
    "you're welcome bye now"
)
_START_S = 100.0
_ENGINES = {
    "faster-whisper base": ("faster-whisper", {}),
    "faster-whisper tiny": ("faster-whisper", {"model": "whisper-tiny-en-ct2"}),
    "openai-whisper tiny": ("openai-whisper", {}),
}


@pytest.fixture(scope="module", params=list(_ENGINES))
def transcriber(request):
    engine, values = _ENGINES[request.param]
    module = engine_module("transcriber", engine)
    return module.build(module.Options(**values), ModelFolder(models_folder(os.environ)))


@pytest.fixture(scope="module")
def clip():
    samples, rate_hz = sf.read(_CLIP, dtype="float32", always_2d=True)
    return soxr.resample(samples, rate_hz, 16000).astype(np.float32)


def stretch(samples, start_s=0.0):
    return Audio(samples=samples, rate_hz=16000, start_sample=round(start_s * 16000))


def normal(words):
    text = " ".join(word.text for word in words).lower().replace("%", " percent")
    for digits, spoken in (("19", "nineteen"), ("70", "seventy")):
        text = text.replace(digits, spoken)
    return " ".join(re.sub(r"[^a-z' ]", " ", text).split())


@pytest.fixture(scope="module")
def heard(transcriber, clip):
    """The agent with a language given, the customer with the language to be detected."""
    return [
        transcriber.transcribe(stretch(clip[:, [0]], _START_S), language="en", channel=0),
        transcriber.transcribe(stretch(clip[:, [1]], _START_S), language=None, channel=1),
    ]


@pytest.mark.slow
@pytest.mark.parametrize(("channel", "expected"), [(0, _AGENT), (1, _CUSTOMER)])
def test_the_words_are_heard(heard, channel, expected):
    assert jiwer.wer(expected, normal(heard[channel].words)) <= 0.25


@pytest.mark.slow
def test_words_are_in_order_inside_the_stretch_and_on_their_channel(heard, clip):
    end_s = _START_S + len(clip) / 16000
    for channel, transcription in enumerate(heard):
        starts = [word.start_s for word in transcription.words]
        assert starts == sorted(starts)
        for word in transcription.words:
            assert _START_S <= word.start_s < word.end_s <= end_s
            assert word.text == word.text.strip() != ""
            assert 0.0 <= word.probability <= 1.0
            assert word.channel == channel


@pytest.mark.slow
def test_words_stand_where_they_were_said(heard):
    for word, start_s, end_s in (("weather", 0.9, 1.9), ("typical", 12.0, 13.2)):
        (found,) = [w for w in heard[1].words if word in w.text.lower()]
        assert start_s <= found.start_s - _START_S <= found.end_s - _START_S <= end_s


@pytest.mark.slow
def test_the_language_is_given_back_or_detected(heard):
    assert [transcription.language for transcription in heard] == ["en", "en"]


@pytest.mark.slow
def test_the_same_audio_gives_the_same_words(transcriber, clip, heard):
    again = transcriber.transcribe(stretch(clip[:, [0]], _START_S), language="en", channel=0)
    assert again == heard[0]


@pytest.mark.parametrize("duration_s", [0.0, 0.5, 40.0])
@pytest.mark.parametrize("level", [0.0, 0.0001], ids=["digital silence", "comfort noise"])
def test_silence_gives_no_words(transcriber, duration_s, level):
    rng = np.random.default_rng(1)
    samples = (level * rng.standard_normal((int(duration_s * 16000), 1))).astype(np.float32)
    assert transcriber.transcribe(stretch(samples), language="en", channel=0).words == ()


@pytest.mark.parametrize(("rate_hz", "channels"), [(8000, 1), (16000, 2)])
def test_other_audio_is_refused(transcriber, rate_hz, channels):
    audio = Audio(samples=np.zeros((rate_hz, channels), dtype=np.float32), rate_hz=rate_hz)
    with pytest.raises(EngineError, match="16000"):
        transcriber.transcribe(audio, language="en", channel=0)


def test_the_name_holds_engine_and_model(transcriber):
    assert re.fullmatch(r"[a-z-]+/[a-z0-9-]+", transcriber.name)
