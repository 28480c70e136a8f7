import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callveil.stages.mask_audio import AudioStyle, mask_audio
from callveil.vocabulary.audio import Audio
from callveil.vocabulary.pii import Entity, MaskSpan

RATE_HZ = 8000


def speech(n_samples: int, channels: int = 2) -> Audio:
    samples = np.random.default_rng(1).uniform(-0.5, 0.5, (n_samples, channels)).astype(np.float32)
    return Audio(samples=samples, rate_hz=RATE_HZ)


def span(start_s: float, end_s: float, channel: int = 0) -> MaskSpan:
    return MaskSpan(
        channel=channel, start_s=start_s, end_s=end_s, entity=Entity.CREDIT_CARD, detector="test", score=1.0
    )


def test_only_the_channel_that_spoke_is_masked():
    audio = speech(RATE_HZ)
    masked = mask_audio(audio, [span(0.25, 0.5, channel=1)], AudioStyle.SILENCE)
    assert not masked.samples[2000:4000, 1].any()
    assert np.array_equal(masked.samples[:, 0], audio.samples[:, 0])


def test_nothing_changes_further_than_the_fade_from_a_mask():
    audio = speech(RATE_HZ)
    masked = mask_audio(audio, [span(0.25, 0.5)], AudioStyle.SILENCE)
    assert np.array_equal(masked.samples[: 2000 - 40], audio.samples[: 2000 - 40])
    assert np.array_equal(masked.samples[4000 + 40 :], audio.samples[4000 + 40 :])


@pytest.mark.parametrize("style", list(AudioStyle))
def test_what_is_masked_does_not_depend_on_what_was_said(style):
    quiet, loud = speech(RATE_HZ), speech(RATE_HZ)
    loud = Audio(samples=loud.samples[::-1].copy() * 1.9, rate_hz=RATE_HZ)
    one, two = (mask_audio(audio, [span(0.1, 0.9)], style).samples[800:7200, 0] for audio in (quiet, loud))
    assert np.array_equal(one, two)


@pytest.mark.parametrize("style", [AudioStyle.TONE, AudioStyle.NOISE])
def test_tone_and_noise_are_heard_but_not_loud(style):
    masked = mask_audio(speech(RATE_HZ), [span(0.1, 0.9)], style).samples[800:7200, 0]
    rms_db = 20 * np.log10(np.sqrt(np.mean(np.square(masked))))
    assert -50 < rms_db < -20


@pytest.mark.parametrize("rate_hz", [8000, 11025, 16000, 44100])
def test_a_mask_never_ends_early_by_rounding(rate_hz):
    audio = Audio(samples=np.ones((rate_hz, 1), np.float32), rate_hz=rate_hz)
    masked = mask_audio(audio, [span(0.10001, 0.20009)], AudioStyle.SILENCE).samples[:, 0]
    first, last = np.flatnonzero(masked == 0)[[0, -1]]
    assert first / rate_hz <= 0.10001
    assert (last + 1) / rate_hz >= 0.20009


edges = st.floats(0, 1.2, allow_nan=False)
spans = st.lists(st.tuples(edges, edges, st.integers(0, 1)).filter(lambda t: t[0] < t[1]), max_size=5)


@given(spans=spans, cuts=st.lists(st.integers(1, 7999), max_size=6), style=st.sampled_from(list(AudioStyle)))
def test_the_result_does_not_depend_on_how_the_call_is_cut(spans, cuts, style):
    audio, masks = speech(8000), [span(a, b, channel) for a, b, channel in spans]
    whole = mask_audio(audio, masks, style).samples
    bounds = sorted({0, 8000, *cuts})
    parts = [
        mask_audio(Audio(samples=audio.samples[a:b], rate_hz=RATE_HZ, start_sample=a), masks, style).samples
        for a, b in itertools.pairwise(bounds)
    ]
    assert np.array_equal(np.concatenate(parts), whole)
    assert whole.shape == audio.samples.shape


def test_raw_audio_does_not_print_its_samples():
    assert "0." not in repr(speech(10))
