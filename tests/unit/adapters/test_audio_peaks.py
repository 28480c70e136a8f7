import io

import numpy as np
import pytest
import soundfile

from callveil.adapters.audio_peaks import peaks
from callveil.errors import AudioError


def flac(samples, rate_hz=8000):
    file = io.BytesIO()
    soundfile.write(file, samples, rate_hz, format="FLAC", subtype="PCM_16")
    return file.getvalue()


def test_each_bin_is_the_loudest_moment_of_its_stretch():
    samples = np.zeros((1000, 2), np.float32)
    samples[150, 0] = -0.5
    samples[999, 1] = 0.25
    found = peaks(flac(samples), n_bins=10)
    assert found.shape == (2, 10)
    assert found[0] == pytest.approx([0, 0.5, 0, 0, 0, 0, 0, 0, 0, 0], abs=1e-4)
    assert found[1] == pytest.approx([0, 0, 0, 0, 0, 0, 0, 0, 0, 0.25], abs=1e-4)


def test_blocks_do_not_show(monkeypatch):
    samples = np.random.default_rng(0).uniform(-1, 1, (5000, 1)).astype(np.float32)
    whole = peaks(flac(samples), n_bins=70)
    monkeypatch.setattr("callveil.adapters.audio_peaks._BLOCK_FRAMES", 333)
    assert np.array_equal(peaks(flac(samples), n_bins=70), whole)


def test_fewer_samples_than_bins():
    assert peaks(flac(np.full((3, 1), 0.5, np.float32)), n_bins=10).max() == pytest.approx(0.5, abs=1e-4)


def test_full_scale_stays_in_range():
    assert peaks(flac(np.full((10, 1), -1.0, np.float32)), n_bins=2).max() == 1.0


@pytest.mark.parametrize("content", [b"", b"not audio at all", flac(np.zeros((0, 1), np.float32))])
def test_what_is_no_recording_is_refused(content):
    with pytest.raises(AudioError, match="redacted audio"):
        peaks(content, n_bins=10)
