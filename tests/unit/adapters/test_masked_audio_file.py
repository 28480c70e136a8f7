import hashlib
import resource

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from callveil.adapters.audio_file import AudioLimits, open_recording
from callveil.adapters.masked_audio_file import MaskedFlacWriter
from callveil.errors import AudioError
from callveil.vocabulary.audio import Audio, AudioFormat, MaskedAudio

FORMAT = AudioFormat(rate_hz=8000, channels=2, codec="WAV mu-law")


def masked(samples, start=0, rate_hz=8000):
    return MaskedAudio(samples=samples.astype(np.float32), rate_hz=rate_hz, start_sample=start)


def noise(n, channels=2, seed=1):
    return np.random.default_rng(seed).uniform(-0.9, 0.9, (n, channels)).astype(np.float32)


def written(path, samples, cuts=(), format=FORMAT):
    with MaskedFlacWriter(path, format) as writer:
        start = 0
        for end in (*cuts, len(samples)):
            writer.write(masked(samples[start:end], start, format.rate_hz))
            start = end
    return writer.result


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate_hz", [8000, 11025, 16000, 44100, 48000])
def test_rate_channels_and_length_stay(tmp_path, rate_hz, channels):
    path = tmp_path / "audio.flac"
    samples = noise(rate_hz + 7, channels)
    result = written(path, samples, format=AudioFormat(rate_hz=rate_hz, channels=channels, codec=""))
    found = soundfile.info(path)
    assert (found.format, found.subtype) == ("FLAC", "PCM_16")
    assert (found.samplerate, found.channels, found.frames) == (rate_hz, channels, rate_hz + 7)
    assert np.abs(soundfile.read(path, always_2d=True)[0] - samples).max() <= 0.51 / 32768
    assert (result.path, result.n_bytes) == (path, path.stat().st_size)
    assert result.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("subtype", ["PCM_16", "ULAW", "ALAW", "PCM_U8"])
def test_samples_of_16_bits_or_fewer_stay_as_they_were(tmp_path, subtype):
    source, path = tmp_path / "call.wav", tmp_path / "audio.flac"
    soundfile.write(source, noise(9000), 8000, subtype=subtype)
    recording = open_recording(source, AudioLimits(max_duration_s=60, max_bytes=10**6), block_s=0.1)
    with MaskedFlacWriter(path, recording.format) as writer:
        for block in recording.blocks():
            writer.write(masked(block.samples, block.start_sample))
    assert np.array_equal(soundfile.read(path, dtype="int16")[0], soundfile.read(source, dtype="int16")[0])


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(cuts=st.lists(st.integers(0, 20000), max_size=8))
def test_the_same_samples_give_the_same_bytes_however_cut(tmp_path, cuts):
    samples = noise(20000)
    whole = written(tmp_path / "whole.flac", samples)
    pieces = written(tmp_path / "pieces.flac", samples, sorted(cuts))
    assert pieces.sha256 == whole.sha256


def test_loud_samples_are_clipped_not_wrapped(tmp_path):
    path = tmp_path / "audio.flac"
    written(path, np.array([[1.0, -1.0], [1.5, -1.5], [3e9, -3e9], [0.99999, -0.99999]]))
    assert soundfile.read(path, dtype="int16")[0].tolist() == [[32767, -32768]] * 4


def test_only_masked_audio_is_written(tmp_path):
    path = tmp_path / "audio.flac"
    with (
        pytest.raises(TypeError, match="only MaskedAudio is written"),
        MaskedFlacWriter(path, FORMAT) as writer,
    ):
        writer.write(Audio(samples=noise(10), rate_hz=8000))
    assert not path.exists()


@pytest.mark.parametrize(
    ("block", "message"),
    [
        (masked(noise(10, 1)), "another rate or channel count"),
        (masked(noise(10), rate_hz=16000), "another rate or channel count"),
        (masked(noise(10), start=1), "skips from sample 0 to 1"),
        (masked(noise(10) * np.nan), "not numbers"),
        (masked(noise(10) * np.inf), "not numbers"),
    ],
)
def test_a_block_that_does_not_belong_is_refused_and_nothing_is_left(tmp_path, block, message):
    path = tmp_path / "audio.flac"
    with pytest.raises(AudioError, match=message), MaskedFlacWriter(path, FORMAT) as writer:
        writer.write(block)
    assert not path.exists()


def test_a_failure_in_the_body_leaves_no_file_and_no_result(tmp_path):
    path = tmp_path / "audio.flac"
    writer = MaskedFlacWriter(path, FORMAT)
    with pytest.raises(KeyError), writer:  # noqa: PT012
        writer.write(masked(noise(5000)))
        raise KeyError
    assert not path.exists()
    with pytest.raises(RuntimeError, match="once the with block has ended"):
        _ = writer.result


def test_nothing_written_is_an_error(tmp_path):
    path = tmp_path / "audio.flac"
    with pytest.raises(AudioError, match="no masked audio"), MaskedFlacWriter(path, FORMAT):
        pass
    assert not path.exists()


@pytest.mark.parametrize("most_bytes", [0, 20, 4096, 80000])
def test_a_disk_that_is_full_is_an_error(tmp_path, most_bytes):
    path = tmp_path / "audio.flac"
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, usual[1]))
    try:
        with pytest.raises(AudioError, match=r"^audio\.flac: "):
            written(path, noise(30000), [10000])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    assert not path.exists()


def test_a_folder_that_is_not_there(tmp_path):
    with (
        pytest.raises(AudioError, match="cannot be written"),
        MaskedFlacWriter(tmp_path / "no" / "a", FORMAT),
    ):
        pass


def test_it_does_not_write_outside_its_block(tmp_path):
    writer = MaskedFlacWriter(tmp_path / "audio.flac", FORMAT)
    with pytest.raises(RuntimeError, match="inside the with block"):
        writer.write(masked(noise(10)))
    with writer:
        writer.write(masked(noise(10)))
    with pytest.raises(RuntimeError, match="inside the with block"):
        writer.write(masked(noise(10), 10))
