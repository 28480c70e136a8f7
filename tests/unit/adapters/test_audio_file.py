import os
import struct
import subprocess
import sys
import tracemalloc
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from callveil.adapters import audio_ffmpeg, audio_libsndfile
from callveil.adapters.audio_ffmpeg import ffmpeg_program
from callveil.adapters.audio_file import AudioLimits, open_recording
from callveil.adapters.mp4_header import check_m4a
from callveil.errors import AudioError, ConfigError

LIMITS = AudioLimits(max_duration_s=600, max_bytes=50_000_000)
DURATION_S = 2.1


def tone(rate_hz, channels, duration_s=DURATION_S):
    """Speech-band sound, another one on each channel."""
    time_s = np.arange(int(rate_hz * duration_s)) / rate_hz
    noise = np.random.default_rng(7).standard_normal(len(time_s)) * 0.01
    sides = [0.3 * np.sin(2 * np.pi * (300 + 250 * side) * time_s) + noise for side in range(channels)]
    return np.stack(sides, 1).astype(np.float32)


def write(path, container, subtype=None, rate_hz=8000, channels=2, duration_s=DURATION_S):
    samples = tone(rate_hz, channels, duration_s)
    soundfile.write(path, samples, rate_hz, format=container, subtype=subtype)
    return samples


def encode(path, samples, rate_hz, *options):
    """Encode with the ffmpeg program what libsndfile cannot write."""
    command = [ffmpeg_program(), "-v", "error", "-y", "-f", "f32le", "-ar", str(rate_hz)]
    command += ["-ac", str(samples.shape[1]), "-i", "-", *options, str(path)]
    subprocess.run(command, input=samples.tobytes(), check=True)


@pytest.fixture(scope="module")
def m4a(tmp_path_factory):
    """Stereo AAC at 8000 Hz, 35 s; the window of the tests is shorter than that."""
    path = tmp_path_factory.mktemp("m4a") / "call.m4a"
    encode(path, tone(8000, 2, 35.123), 8000, "-c:a", "aac", "-b:a", "48k")
    return path


@pytest.fixture(scope="module")
def mp3(tmp_path_factory):
    path = tmp_path_factory.mktemp("mp3") / "call.mp3"
    write(path, "MP3", rate_hz=16000, duration_s=6)
    return path


def read(path, *, limits=LIMITS, until_s=None, block_s=10.0):
    recording = open_recording(path, limits, block_s=block_s)
    blocks = list(recording.blocks(until_s=until_s))
    position = 0
    for block in blocks:
        assert (block.start_sample, block.rate_hz) == (position, recording.format.rate_hz)
        assert block.samples.dtype == np.float32
        assert block.channels == recording.format.channels
        position += block.n_samples
    if not blocks:
        return np.zeros((0, recording.format.channels), np.float32)
    return np.concatenate([block.samples for block in blocks])


def refusal(path, limits=LIMITS):
    """Why a recording is refused, opened and read to its end."""
    with pytest.raises(AudioError) as caught:
        for _ in open_recording(path, limits).blocks():
            pass
    message = str(caught.value)
    assert message.startswith(f"{path.name}: ")
    assert str(path.parent) not in message
    return message.removeprefix(f"{path.name}: ")


RATES_HZ = (8000, 11025, 16000, 22050, 32000, 44100, 48000)
# soundfile cuts off what is below the last bit.
TOLERANCE = {"PCM_U8": 1 / 127, "PCM_S8": 1 / 127, "PCM_16": 1 / 32767, "PCM_24": 1e-6, "PCM_32": 1e-6}


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate_hz", RATES_HZ)
@pytest.mark.parametrize("container", ["WAV", "FLAC"])
def test_lossless_files_come_back_at_every_rate(tmp_path, container, rate_hz, channels):
    path = tmp_path / "call"
    samples = write(path, container, "PCM_16", rate_hz, channels)
    found = open_recording(path, LIMITS).format
    assert (found.rate_hz, found.channels) == (rate_hz, channels)
    assert found.codec.startswith(container)
    back = read(path)
    assert back.shape == samples.shape
    assert np.abs(back - samples).max() < TOLERANCE["PCM_16"]


@pytest.mark.parametrize(
    ("container", "subtype", "codec"),
    [
        ("WAV", "PCM_U8", "WAV PCM 8"),
        ("WAV", "PCM_16", "WAV PCM 16"),
        ("WAV", "PCM_24", "WAV PCM 24"),
        ("WAV", "PCM_32", "WAV PCM 32"),
        ("WAV", "FLOAT", "WAV FLOAT"),
        ("WAV", "DOUBLE", "WAV DOUBLE"),
        ("WAV", "ULAW", "WAV mu-law"),
        ("WAV", "ALAW", "WAV A-law"),
        ("WAVEX", "PCM_24", "WAV PCM 24"),
        ("FLAC", "PCM_S8", "FLAC 8"),
        ("FLAC", "PCM_24", "FLAC PCM 24"),
    ],
)
def test_every_lossless_encoding(tmp_path, container, subtype, codec):
    path = tmp_path / "call"
    samples = write(path, container, subtype)
    assert open_recording(path, LIMITS).format.codec == codec
    back = read(path)
    assert back.shape == samples.shape
    assert np.abs(back - samples).max() < TOLERANCE.get(subtype, 0.01)  # mu-law and A-law


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(
    ("container", "subtype", "rate_hz"),
    [("MP3", None, rate) for rate in RATES_HZ]
    + [("OGG", "VORBIS", rate) for rate in RATES_HZ]
    + [("OGG", "OPUS", rate) for rate in (8000, 16000, 48000)],
)
def test_compressed_files_keep_length_time_and_channels(tmp_path, container, subtype, rate_hz, channels):
    path = tmp_path / "call"
    samples = write(path, container, subtype, rate_hz, channels)
    back = read(path)
    assert back.shape == samples.shape
    middle = slice(rate_hz // 4, -rate_hz // 4)
    for side in range(channels):
        assert np.corrcoef(back[middle, side], samples[middle, side])[0, 1] > 0.95


@pytest.mark.parametrize(("rate_hz", "channels"), [(8000, 2), (44100, 1), (48000, 2)])
def test_m4a_keeps_length_time_and_channels(tmp_path, rate_hz, channels):
    path = tmp_path / "call"
    samples = tone(rate_hz, channels)
    encode(path, samples, rate_hz, "-c:a", "aac", "-b:a", "64k", "-f", "mp4")
    assert open_recording(path, LIMITS).format.codec == "M4A AAC"
    back = read(path)
    assert back.shape == samples.shape
    middle = slice(rate_hz // 4, -rate_hz // 4)
    for side in range(channels):
        assert np.corrcoef(back[middle, side], samples[middle, side])[0, 1] > 0.95


def test_windows_of_an_m4a_equal_its_whole_decode(m4a, monkeypatch):
    whole = read(m4a)
    monkeypatch.setattr(audio_ffmpeg, "_WINDOW_BYTES", 0)
    monkeypatch.setattr(audio_ffmpeg, "_SHORTEST_WINDOW_S", 13)
    assert len(whole) == int(35.123 * 8000)
    assert np.array_equal(read(m4a), whole)
    assert np.array_equal(read(m4a, block_s=0.9), whole)


def test_an_mp3_of_changing_bit_rate_without_a_frame_count_is_read_to_its_end(tmp_path):
    path = tmp_path / "call"
    samples = tone(16000, 1, 8)
    samples[: 16000 * 4] *= 1e-3  # libsndfile would guess the length from these small frames
    encode(path, samples, 16000, "-c:a", "libmp3lame", "-q:a", "3", "-write_xing", "0", "-f", "mp3")
    with soundfile.SoundFile(path) as guess:
        assert abs(guess.frames - len(samples)) > 16000
    back = read(path)
    assert 0 <= len(back) - len(samples) < 4 * 576
    assert np.abs(back[-16000:]).max() > 0.25


def test_the_name_plays_no_part(tmp_path, m4a, mp3):
    for source, codec in ((m4a, "M4A AAC"), (mp3, "MP3")):
        path = tmp_path / "call.wav"
        path.write_bytes(source.read_bytes())
        assert open_recording(path, LIMITS).format.codec == codec
        assert len(read(path)) == len(read(source))


@pytest.mark.parametrize(
    ("container", "subtype"),
    [("WAV", "PCM_16"), ("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", None)],
)
def test_block_size_does_not_matter(tmp_path, container, subtype):
    path = tmp_path / "call"
    write(path, container, subtype, 8000, 2, 4)
    whole = read(path)

    @settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
    @given(block_s=st.floats(0.01, 5), until_s=st.none() | st.floats(-1, 6))
    def check(block_s, until_s):
        expected = whole if until_s is None else whole[: max(0, int(until_s * 8000))]
        back = read(path, block_s=block_s, until_s=until_s)
        assert back.shape == expected.shape
        assert np.abs(back - expected).max(initial=0) < 1e-6

    check()


def test_it_can_be_read_again_and_left_in_the_middle(tmp_path):
    path = tmp_path / "call"
    write(path, "FLAC")
    recording = open_recording(path, LIMITS, block_s=0.5)
    for _ in recording.blocks():
        break
    first, second = (np.concatenate([b.samples for b in recording.blocks()]) for _ in range(2))
    assert np.array_equal(first, second)
    assert not any(str(path) in os.readlink(f"/proc/self/fd/{fd}") for fd in open_descriptors())


def open_descriptors():
    return [fd for fd in os.listdir("/proc/self/fd") if os.path.islink(f"/proc/self/fd/{fd}")]


def test_blocks_are_ten_seconds(tmp_path):
    path = tmp_path / "call"
    write(path, "WAV", duration_s=25)
    lengths = [block.n_samples for block in open_recording(path, LIMITS).blocks()]
    assert lengths == [80000, 80000, 40000]


def test_until_stops_short_of_what_is_left_out(m4a):
    assert len(read(m4a, until_s=12.3456789)) == int(12.3456789 * 8000)
    assert len(read(m4a, until_s=float("inf"))) == int(35.123 * 8000)
    assert len(read(m4a, until_s=0)) == 0


# What is not a recording at all.


@pytest.mark.parametrize(
    "content",
    [
        b"Dear customer,\nthank you for calling.\n" * 50,
        b"<!DOCTYPE html><html><body>404</body></html>",
        b"\x89PNG\r\n\x1a\n" + bytes(500),
        b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(500),
        "words in another encoding".encode("utf-16"),
        b"RIFF\x24\x00\x00\x00AVI LIST" + bytes(100),
        b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n",
        b"\x00",
        bytes(5000),
    ],
    ids=["text", "html", "png", "jpeg", "utf-16", "avi", "playlist", "one byte", "zeros"],
)
def test_what_is_not_audio_is_refused(tmp_path, content):
    path = tmp_path / "call.wav"
    path.write_bytes(content)
    assert refusal(path) == "is not audio; allowed: WAV, FLAC, MP3, OGG (Vorbis or Opus), M4A (AAC)"


def test_missing_empty_and_not_a_file(tmp_path):
    assert refusal(tmp_path / "none.wav") == "does not exist"
    assert refusal(tmp_path) == "is not a file"
    (tmp_path / "empty.wav").touch()
    assert refusal(tmp_path / "empty.wav") == "is empty (0 bytes)"


def test_an_encoding_that_is_not_allowed_is_named(tmp_path):
    path = tmp_path / "call.wav"
    write(path, "WAV", "MS_ADPCM", channels=1)
    assert "as MS_ADPCM; allowed: PCM_U8" in refusal(path)
    soundfile.write(path, tone(8000, 1), 8000, format="CAF")
    assert refusal(path).startswith("is not audio")
    encode(path, tone(8000, 1), 8000, "-c:a", "alac", "-f", "mp4")
    assert refusal(path) == "holds audio that is not AAC; allowed in M4A: AAC"


# What is cut.


@pytest.mark.parametrize("keep", [0.001, 0.2, 0.5, 0.97, 0.9999])
@pytest.mark.parametrize(
    ("container", "subtype"),
    [
        ("WAV", "PCM_16"),
        ("WAV", "ULAW"),
        ("FLAC", "PCM_16"),
        ("OGG", "VORBIS"),
        ("OGG", "OPUS"),
        ("MP3", None),
    ],
)
def test_a_cut_file_is_refused(tmp_path, container, subtype, keep):
    path = tmp_path / "call"
    write(path, container, subtype)
    content = path.read_bytes()
    path.write_bytes(content[: max(60, int(len(content) * keep))])
    assert refusal(path).startswith(("ends early", "is damaged"))


@pytest.mark.parametrize("options", [[], ["-movflags", "+faststart"]], ids=["index last", "index first"])
@pytest.mark.parametrize("keep", [0.001, 0.2, 0.5, 0.97, 0.9999])
def test_a_cut_m4a_is_refused(tmp_path, options, keep):
    path = tmp_path / "call.m4a"
    encode(path, tone(8000, 1), 8000, "-c:a", "aac", *options)
    content = path.read_bytes()
    path.write_bytes(content[: max(40, int(len(content) * keep))])
    assert refusal(path).startswith("ends early")


def test_a_wav_whose_recorder_died_is_refused(tmp_path):
    path = tmp_path / "call.wav"
    write(path, "WAV")
    content = bytearray(path.read_bytes())
    at = content.index(b"data") + 4
    for length, message in ((0, "0 bytes of audio"), (0xFFFFFFFF, "says 4294967295 bytes")):
        content[at : at + 4] = struct.pack("<I", length)
        path.write_bytes(content)
        assert message in refusal(path)


def mp3_frames(content):
    """Where the frames of a 16000 Hz MPEG-2 file begin."""
    kbps = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
    at, frames = 0, []
    while at < len(content):
        frames.append(at)
        at += 72 * kbps[content[at + 2] >> 4] * 1000 // 16000 + (content[at + 2] >> 1 & 1)
    return frames


def test_an_mp3_cut_between_frames_is_told_by_its_count(tmp_path, mp3):
    content = mp3.read_bytes()
    frames = mp3_frames(content)
    path = tmp_path / "call.mp3"
    path.write_bytes(content[: frames[100]])
    assert refusal(path) == f"ends early: its header says {len(frames) - 1} MP3 frames, found 99"


def test_an_mp3_with_tags_is_read(tmp_path, mp3):
    path = tmp_path / "call.mp3"
    tag = b"ID3\x04\x00\x00\x00\x00\x02\x00" + bytes(256)
    path.write_bytes(tag + mp3.read_bytes() + b"TAG" + bytes(125))
    assert np.abs(read(path) - read(mp3)).max() < 1e-6
    path.write_bytes(tag + b"no frames here" * 20)
    assert refusal(path).startswith("is not audio: no MP3 frame")


def test_an_mp3_cut_out_of_a_longer_one_is_read(tmp_path, mp3, capfd):
    content = mp3.read_bytes()
    frames = mp3_frames(content)
    path = tmp_path / "call.mp3"
    path.write_bytes(content[frames[30] : frames[150]])
    assert len(read(path)) == 120 * 576
    assert capfd.readouterr().err == ""


def forget_flac_length(content):
    """Clear the 36 bits of total samples in STREAMINFO, as an encoder that writes to a pipe leaves them."""
    content[21] &= 0xF0
    content[22:26] = bytes(4)


def test_a_flac_of_unknown_length_is_read(tmp_path):
    path = tmp_path / "call.flac"
    samples = write(path, "FLAC")
    content = bytearray(path.read_bytes())
    content[21] &= (
        0xF0  # STREAMINFO's 36 bits of total samples, as an encoder that writes to a pipe leaves them
    )
    content[22:26] = bytes(4)
    path.write_bytes(content)
    assert read(path).shape == samples.shape
    assert "more audio than is allowed" in refusal(path, AudioLimits(max_duration_s=1, max_bytes=10**7))


# What is damaged.


@pytest.mark.parametrize(
    ("container", "subtype"), [("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", None)]
)
@pytest.mark.parametrize("place", [0.3, 0.8])
def test_garbage_in_the_middle_is_refused_quietly(tmp_path, capfd, container, subtype, place):
    path = tmp_path / "call"
    write(path, container, subtype, duration_s=4)
    content = bytearray(path.read_bytes())
    at = int(len(content) * place)
    content[at : at + 600] = np.random.default_rng(3).bytes(600)
    path.write_bytes(content)
    assert refusal(path).startswith("is damaged")
    assert capfd.readouterr().err == ""


def test_an_mp3_whose_decoder_stumbles_is_refused_quietly(tmp_path, mp3, capfd):
    content = bytearray(mp3.read_bytes())
    at = mp3_frames(content)[90]
    content[at + 6 : at + 30] = b"\xff" * 24  # side information; the frame headers stay whole
    path = tmp_path / "call.mp3"
    path.write_bytes(content)
    assert refusal(path) == "is damaged: the MP3 decoder met a frame that makes no sense"
    assert capfd.readouterr().err == ""


def test_standard_error_of_others_is_passed_on(capfd):
    with audio_libsndfile._mpg123_complaints() as complaints:
        os.write(2, b"[src/libmpg123/parse.c:1] error: x\na line of ours\nNote: Illegal header\n")
    os.write(2, b"and one more\n")
    assert len(complaints) == 2
    assert capfd.readouterr().err == "a line of ours\nand one more\n"


def test_garbage_in_an_m4a_is_refused_quietly(tmp_path, m4a, capfd):
    content = bytearray(m4a.read_bytes())
    at = content.index(b"mdat") + 40000
    content[at : at + 20000] = np.random.default_rng(3).bytes(20000)
    path = tmp_path / "call.m4a"
    path.write_bytes(content)
    assert refusal(path).startswith(("ends early or is damaged", "cannot be decoded"))
    assert capfd.readouterr().err == ""


def test_missing_and_joined_ogg_pages_are_refused(tmp_path):
    path = tmp_path / "call.ogg"
    write(path, "OGG", "OPUS", duration_s=6)
    content = path.read_bytes()
    pages = [at for at in range(len(content)) if content[at : at + 5] == b"OggS\0"]
    assert len(pages) > 4
    path.write_bytes(content[: pages[-2]] + content[pages[-1] :])
    assert "is missing" in refusal(path)
    path.write_bytes(content[: pages[-1]])
    assert refusal(path) == "ends early: it has no OGG end-of-stream page"
    path.write_bytes(content + content)
    assert "allowed: one stream" in refusal(path)


def test_samples_that_are_not_numbers_are_refused(tmp_path):
    path = tmp_path / "call.wav"
    for value in (np.nan, np.inf, -np.inf):
        samples = tone(8000, 2)
        samples[9000, 1] = value
        soundfile.write(path, samples, 8000, subtype="FLOAT")
        assert "not numbers" in refusal(path)


# What is out of bounds.


@pytest.mark.parametrize("container", ["WAV", "FLAC"])
def test_rate_and_channels_out_of_bounds(tmp_path, container):
    path = tmp_path / "call"
    for rate_hz in (4000, 7999, 48001, 96000):
        write(path, container, rate_hz=rate_hz)
        assert refusal(path) == f"has a sample rate of {rate_hz} Hz; allowed: 8000 to 48000 Hz"
    for channels in (3, 8):
        write(path, container, channels=channels)
        assert refusal(path) == f"has {channels} channels; allowed: 1 to 2"


def test_an_m4a_with_six_channels_is_refused(tmp_path):
    path = tmp_path / "call.m4a"
    encode(path, tone(48000, 6), 48000, "-c:a", "aac")
    assert refusal(path) == "has 6 channels; allowed: 1 to 2"


@pytest.mark.parametrize("container", ["WAV", "OGG"])
def test_no_samples(tmp_path, container):
    path = tmp_path / "call"
    soundfile.write(path, np.zeros((0, 1)), 8000, format=container)
    assert refusal(path) == "holds no samples"


def test_size_is_limited_before_anything_is_read(tmp_path):
    path = tmp_path / "call.wav"
    path.write_bytes(b"x" * 1001)
    assert (
        refusal(path, AudioLimits(max_duration_s=9, max_bytes=1000)) == "has 1001 bytes; allowed up to 1000"
    )


def test_duration_is_limited_by_the_header(tmp_path, m4a, mp3):
    paths = [m4a, mp3]
    for container in ("WAV", "FLAC", "OGG"):
        paths.append(tmp_path / f"call.{container.lower()}")
        write(paths[-1], container, duration_s=6)
    for path in paths:
        with pytest.raises(AudioError, match="s long; allowed up to 5 s"):
            open_recording(path, AudioLimits(max_duration_s=5, max_bytes=10**8))


def test_a_bomb_stops_at_the_limit(tmp_path):
    """A small file that unfolds to an hour, and whose header does not say so."""
    path = tmp_path / "call.flac"
    with soundfile.SoundFile(path, "w", 8000, 2, format="FLAC", compression_level=0) as file:
        for _ in range(60):
            file.write(np.zeros((8000 * 60, 2), np.int16))
    content = bytearray(path.read_bytes())
    assert len(content) < 500_000
    limits = AudioLimits(max_duration_s=60, max_bytes=500_000)
    assert refusal(path, limits) == "is 3600 s long; allowed up to 60 s"
    forget_flac_length(content)
    path.write_bytes(content)
    blocks = open_recording(path, limits).blocks()
    assert [next(blocks).end_s for _ in range(6)][-1] == 60
    with pytest.raises(AudioError, match="more audio than is allowed"):
        next(blocks)


def test_an_m4a_that_hides_packets_behind_short_times_is_refused(tmp_path, m4a):
    content = bytearray(m4a.read_bytes())
    at = content.index(b"stts") + 12
    count, step = struct.unpack(">II", content[at : at + 8])
    assert step == 1024
    path = tmp_path / "call.m4a"
    for false_step in (1, 100, 5000):
        content[at + 4 : at + 8] = struct.pack(">I", false_step)
        path.write_bytes(content)
        assert "AAC has 0.02 to 0.256 s" in refusal(path)
    content[at : at + 8] = struct.pack(">II", count // 2, step)
    path.write_bytes(content)
    assert "packets and times for" in refusal(path)
    content[at : at + 8] = struct.pack(">II", count, step + step // 2)
    path.write_bytes(content)
    assert "leaves audio out" in refusal(path)
    edit = content.index(b"elst") + 12
    content[edit : edit + 4] = bytes(4)
    path.write_bytes(content)
    assert refusal(path).startswith("ends early or is damaged: its header says")


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_damaged_m4a_index_gives_an_audio_error_or_a_length(tmp_path, m4a, data):
    content = bytearray(m4a.read_bytes())
    start = content.index(b"moov")
    at = data.draw(st.integers(start, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    path = tmp_path / "call.m4a"
    path.write_bytes(content)
    with path.open("rb") as file, suppress(AudioError):
        assert check_m4a(file, len(content)).duration_s > 0


# What holds no sound.


@pytest.mark.parametrize("container", ["WAV", "FLAC"])
def test_silence_is_refused_at_the_end_of_a_full_read(tmp_path, container):
    path = tmp_path / "call"
    noise = np.random.default_rng(1).uniform(-1, 1, (16000, 2))
    quiet, loud = 10 ** (-71 / 20), 10 ** (-69 / 20)
    for samples in (noise * 0, noise * quiet, noise * quiet + 0.25):
        soundfile.write(path, samples, 8000, format=container, subtype="PCM_24")
        assert refusal(path) == "holds no sound: its peak is below -70 dBFS on every channel"
        assert len(read(path, until_s=1)) == 8000
    soundfile.write(path, noise * [loud, 0], 8000, format=container, subtype="PCM_24")
    assert len(read(path)) == 16000


@pytest.mark.parametrize("subtype", ["ULAW", "ALAW"])
def test_an_idle_telephone_line_is_silence(tmp_path, subtype):
    path = tmp_path / "call.wav"
    idle = np.random.default_rng(1).integers(-8, 9, (16000, 1)).astype(np.int16)
    soundfile.write(path, idle, 8000, subtype=subtype)
    assert refusal(path).startswith("holds no sound")


# How it is read.


def test_a_file_that_changes_is_refused(tmp_path):
    path = tmp_path / "call.wav"
    write(path, "WAV")
    recording = open_recording(path, LIMITS)
    write(path, "WAV", duration_s=3)
    with pytest.raises(AudioError, match="changed since it was opened"):
        list(recording.blocks())


@pytest.mark.slow
def test_a_long_call_needs_little_memory(tmp_path):
    path = tmp_path / "call.flac"
    minute = np.zeros((8000 * 60, 2), np.int16)
    minute[:80000] = np.random.default_rng(1).integers(-40, 40, (80000, 2))
    with soundfile.SoundFile(path, "w", 8000, 2, format="FLAC", compression_level=0) as file:
        for _ in range(60):
            file.write(minute)
    recording = open_recording(path, AudioLimits(max_duration_s=3600, max_bytes=10**8))
    tracemalloc.start()
    try:
        n_samples = sum(block.n_samples for block in recording.blocks())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert n_samples == 3600 * 8000
    assert peak < 5_000_000


def test_windows_of_an_m4a_need_little_memory(m4a, monkeypatch):
    monkeypatch.setattr(audio_ffmpeg, "_WINDOW_BYTES", 0)
    monkeypatch.setattr(audio_ffmpeg, "_SHORTEST_WINDOW_S", 10)
    read(m4a)  # pydub is imported
    recording = open_recording(m4a, LIMITS, block_s=1)
    tracemalloc.start()
    try:
        for _ in recording.blocks():
            pass
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 6 * 10 * 8000 * 2 * 2


def test_raw_audio_never_touches_the_disk(tmp_path, m4a, mp3, monkeypatch):
    folder = tmp_path / "tmp"
    folder.mkdir()
    for name in ("TMPDIR", "TMP", "TEMP"):
        monkeypatch.setenv(name, str(folder))
    monkeypatch.setattr("tempfile.tempdir", None)
    folder.chmod(0o700)
    before = sorted(m4a.parent.iterdir()), sorted(mp3.parent.iterdir())
    stamp = folder.stat().st_mtime_ns
    opened: list[str] = []

    def note(event, details):
        if event == "open" and isinstance(details[0], str) and noting:
            mode, flags = details[1], details[2]
            if (flags or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) or "w" in (mode or ""):
                opened.append(details[0])

    noting = True
    sys.addaudithook(note)
    for path in (m4a, mp3):
        for _ in open_recording(path, LIMITS, block_s=5).blocks():
            assert list(folder.iterdir()) == []
    noting = False
    assert folder.stat().st_mtime_ns == stamp  # nothing came and went either
    assert (sorted(m4a.parent.iterdir()), sorted(mp3.parent.iterdir())) == before
    assert set(opened) <= {os.devnull}


def test_without_ffmpeg_it_says_what_to_install(m4a, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(ConfigError, match=r"pip install 'callveil\[ffmpeg\]'"):
        open_recording(m4a, LIMITS)


def test_without_pydub_it_says_what_to_install(m4a, monkeypatch):
    monkeypatch.setitem(sys.modules, "pydub", None)
    with pytest.raises(ConfigError, match=r"pip install 'callveil\[ffmpeg\]'"):
        open_recording(m4a, LIMITS)


def test_without_a_system_ffmpeg_the_package_serves(m4a, monkeypatch):
    expected = read(m4a)
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert Path(ffmpeg_program()).name != "ffmpeg"
    assert np.abs(read(m4a) - expected).max() < 1e-3


def test_tags_and_names_stay_out_of_logs_and_errors(tmp_path, caplog):
    caplog.set_level("DEBUG")
    path = tmp_path / "call.m4a"
    encode(path, tone(8000, 1), 8000, "-c:a", "aac", "-metadata", "title=Ada Lovelace")
    read(path)
    content = bytearray(path.read_bytes())
    at = content.index(b"mdat")
    content[at + 100 : at + 9000] = b"\xff" * 8900
    path.write_bytes(content)
    message = refusal(path)
    assert "Lovelace" not in message + caplog.text
    assert path.name not in caplog.text
