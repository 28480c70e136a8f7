import numpy as np
import pytest

from callveil.testing import START, call, noise, tone, turn, words
from callveil.vocabulary.consent import Flag


def test_a_call_is_allowed_to_be_kept_unless_told_otherwise():
    assert call().started_at == START
    assert {record.flag for record in call().consent} == {Flag.GRANTED}
    assert call("c-2", consent=()).consent == ()


def test_a_turn_has_timed_words_on_the_speakers_channel():
    made = turn("agent", "hello there", start_s=1.0)
    assert [(w.text, w.start_s, w.channel) for w in made.words] == [("hello", 1.0, 0), ("there", 1.4, 0)]
    assert turn("customer", "hi").channel == 1
    assert turn("customer", "hi", channel=0).words[0].channel == 0


def test_words_of_nothing_are_none():
    assert words("") == ()


@pytest.mark.parametrize("make", [tone, noise])
def test_sounds_have_the_shape_asked_for(make):
    audio = make(0.5, rate_hz=8000, channels=2)
    assert audio.samples.shape == (4000, 2)
    assert audio.samples.dtype == np.float32
    assert 0.01 < np.abs(audio.samples).max() <= 1.0
    assert not np.array_equal(audio.samples[:, 0], audio.samples[:, 1])


def test_noise_is_the_same_for_the_same_seed():
    assert np.array_equal(noise(0.1, seed=3).samples, noise(0.1, seed=3).samples)
    assert not np.array_equal(noise(0.1, seed=3).samples, noise(0.1, seed=4).samples)
