import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callveil.stages.resample import ENGINE_RATE_HZ, Resampler
from callveil.vocabulary.audio import Audio

RATES_HZ = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)


def resampled(samples, rate_hz, cuts):
    resampler = Resampler(rate_hz, samples.shape[1])
    out, start = [], 0
    for end in (*cuts, len(samples)):
        out += resampler.push(Audio(samples=samples[start:end], rate_hz=rate_hz, start_sample=start))
        start = end
    out += resampler.finish()
    position = 0
    for audio in out:
        assert (audio.start_sample, audio.rate_hz) == (position, ENGINE_RATE_HZ)
        assert audio.samples.dtype == np.float32
        position += audio.n_samples
    return np.concatenate([audio.samples for audio in out]) if out else samples[:0]


@pytest.mark.parametrize("rate_hz", RATES_HZ)
@pytest.mark.parametrize("at_s", [0.25, 1.5, 1.99])
def test_an_impulse_keeps_its_time(rate_hz, at_s):
    samples = np.zeros((rate_hz * 2, 1), np.float32)
    samples[round(at_s * rate_hz)] = 1
    out = resampled(samples, rate_hz, range(rate_hz // 10, len(samples), rate_hz // 10))
    exact = round(at_s * rate_hz) / rate_hz * ENGINE_RATE_HZ
    assert abs(int(np.abs(out[:, 0]).argmax()) - exact) <= 0.5


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_a_sine_keeps_its_phase_and_its_channel(rate_hz):
    time_s = np.arange(rate_hz * 2 + 137) / rate_hz
    samples = np.stack([np.sin(2 * np.pi * 440 * time_s), 0.5 * np.sin(2 * np.pi * 700 * time_s)], 1)
    out = resampled(samples.astype(np.float32), rate_hz, [1000, 1001, 15000])
    time_s = np.arange(len(out)) / ENGINE_RATE_HZ
    expected = np.stack([np.sin(2 * np.pi * 440 * time_s), 0.5 * np.sin(2 * np.pi * 700 * time_s)], 1)
    assert np.abs(out - expected)[1000:-1000].max() < 1e-4


@settings(max_examples=40, deadline=None)
@given(
    rate_hz=st.sampled_from(RATES_HZ),
    n=st.integers(0, 9000),
    cuts=st.lists(st.integers(0, 9000), max_size=6),
    channels=st.integers(1, 2),
)
def test_any_cutting_gives_the_same_samples_and_the_exact_length(rate_hz, n, cuts, channels):
    samples = np.random.default_rng(n).uniform(-1, 1, (n, channels)).astype(np.float32)
    whole = resampled(samples, rate_hz, [])
    pieces = resampled(samples, rate_hz, sorted(min(cut, n) for cut in cuts))
    assert len(whole) == round(n * ENGINE_RATE_HZ / rate_hz)
    assert np.array_equal(whole, pieces)


def test_memory_is_bounded_what_goes_in_comes_out_soon():
    resampler = Resampler(8000, 1)
    n_out = 0
    for start in range(0, 80000, 8000):
        block = np.zeros((8000, 1), np.float32)
        n_out += sum(
            out.n_samples for out in resampler.push(Audio(samples=block, rate_hz=8000, start_sample=start))
        )
        assert (start + 8000) * 2 - n_out < 0.2 * ENGINE_RATE_HZ


@pytest.mark.parametrize(
    ("rate_hz", "channels", "start"), [(16000, 1, 0), (8000, 2, 0), (8000, 1, 5)], ids=str
)
def test_a_stretch_that_does_not_belong_is_refused(rate_hz, channels, start):
    audio = Audio(samples=np.zeros((10, channels), np.float32), rate_hz=rate_hz, start_sample=start)
    with pytest.raises(ValueError, match="stretch"):
        Resampler(8000, 1).push(audio)
