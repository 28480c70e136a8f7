import os
import struct
import threading
from io import BytesIO

import numpy as np
import pytest
import soundfile

from callveil.adapters.audio_file import AudioLimits
from callveil.adapters.landed_recording import LandedStream, RawEncoding, open_landed
from callveil.adapters.masked_audio_file import MaskedFlacWriter
from callveil.adapters.memory_file import memory_file
from callveil.adapters.store_local import LocalStore
from callveil.errors import AudioError, LandingError, NotFoundError, TamperedError
from callveil.testing import MemoryLanding
from callveil.vocabulary.audio import AudioFormat, MaskedAudio
from callveil.vocabulary.recording import MaskedDocument, Part, PublishedPart

LIMITS = AudioLimits(max_duration_s=60, max_bytes=10**6)
MONO = AudioFormat(rate_hz=8000, channels=1, codec="mu-law")
STEREO = AudioFormat(rate_hz=8000, channels=2, codec="pcm")
NOISE = np.random.default_rng(3).uniform(-0.5, 0.5, (8000 * 25, 2)).astype(np.float32)


def encoded(samples, format="WAV", subtype="PCM_16") -> bytes:
    file = BytesIO()
    soundfile.write(file, samples, 8000, format=format, subtype=subtype)
    return file.getvalue()


def landed(content: bytes, landing=None, piece=50_000):
    landing = landing or MemoryLanding()
    with landing.begin() as writer:
        for at in range(0, len(content), piece):
            writer.write(content[at : at + piece])
            writer.flush()
        return landing, writer.finish().token


def heard(source, **how):
    return np.concatenate([block.samples for block in source.blocks(**how)])


@pytest.mark.parametrize(
    ("format", "subtype"),
    [("WAV", "PCM_16"), ("WAV", "ULAW"), ("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("MP3", "MPEG_LAYER_III")],
)
def test_a_landed_file_is_read_like_one_on_disk(format, subtype):
    content = encoded(NOISE, format, subtype)
    landing, token = landed(content)
    with open_landed(landing, token, LIMITS, "call c-1") as source:
        assert (source.format.rate_hz, source.format.channels) == (8000, 2)
        first, second = heard(source), heard(source)
    assert np.array_equal(first, second)
    expected = soundfile.read(BytesIO(content), dtype="float32")[0]
    assert len(first) == pytest.approx(len(expected), abs=2400)
    if format in ("WAV", "FLAC"):
        assert np.array_equal(first, expected)


def test_a_landed_file_that_needs_ffmpeg(tmp_path):
    pytest.importorskip("pydub")
    import subprocess

    from callveil.adapters.audio_ffmpeg import ffmpeg_program

    (tmp_path / "call.wav").write_bytes(encoded(NOISE))
    arguments = ["-v", "error", "-i", tmp_path / "call.wav", "-c:a", "aac", tmp_path / "call.m4a"]
    subprocess.run([ffmpeg_program(), *map(str, arguments)], check=True)
    landing, token = landed((tmp_path / "call.m4a").read_bytes())
    with open_landed(landing, token, LIMITS, "call c-1") as source:
        assert source.format.codec == "M4A AAC"
        assert len(heard(source)) == pytest.approx(len(NOISE), abs=4096)


def test_messages_name_the_call():
    landing, token = landed(b"no audio at all" * 100)
    with pytest.raises(AudioError, match=r"^call c-1: "), open_landed(landing, token, LIMITS, "call c-1"):
        pass
    landing, token = landed(encoded(NOISE)[:-100])
    with pytest.raises(AudioError, match=r"^call c-1: "), open_landed(landing, token, LIMITS, "call c-1"):
        pass
    landing, token = landed(encoded(NOISE * 0))
    with (
        open_landed(landing, token, LIMITS, "call c-1") as source,
        pytest.raises(AudioError, match=r"^call c-1: holds no sound"),
    ):
        heard(source)


def test_a_landed_file_that_is_too_large_is_not_held_in_memory():
    landing, token = landed(bytes(300_000))
    limits = AudioLimits(max_duration_s=60, max_bytes=299_999)
    with (
        pytest.raises(AudioError, match=r"^call c-1: has more than 299999 bytes"),
        open_landed(landing, token, limits, "call c-1"),
    ):
        pass


def test_what_the_landing_refuses_is_not_opened():
    landing, token = landed(encoded(NOISE))
    landing.recordings[token].content[70_000] ^= 1
    with pytest.raises(TamperedError), open_landed(landing, token, LIMITS, "call c-1"):
        pass
    landing.shred(token)
    with pytest.raises(NotFoundError), open_landed(landing, token, LIMITS, "call c-1"):
        pass
    with landing.begin() as writer:
        writer.write(encoded(NOISE))
        with pytest.raises(LandingError), open_landed(landing, writer.token, LIMITS, "call c-1"):
            pass


def test_masked_audio_in_memory_is_stored(tmp_path):
    with memory_file("audio.flac") as path:
        with MaskedFlacWriter(path, STEREO, name="audio.flac") as writer:
            writer.write(MaskedAudio(samples=NOISE, rate_hz=8000))
        parts = [
            PublishedPart(part=Part.AUDIO, body=writer.result, media_type="audio/flac"),
            PublishedPart(
                part=Part.CERTIFICATE, body=MaskedDocument(content=b"{}"), media_type="application/json"
            ),
        ]
        LocalStore(tmp_path).publish("calls/2026/11/23/c-1/", parts, tags={}, retain_until=None)
    stored = soundfile.read(tmp_path / "calls/2026/11/23/c-1/audio.flac", dtype="float32")[0]
    assert np.abs(stored - NOISE).max() <= 0.51 / 32768


def test_masked_audio_in_memory_that_fails_is_emptied_and_named():
    with memory_file("audio.flac") as path:
        for _ in range(2):
            with (
                pytest.raises(AudioError, match=r"^audio\.flac: no masked audio"),
                MaskedFlacWriter(path, STEREO, name="audio.flac"),
            ):
                pass
            assert path.stat().st_size == 0


def live(landing, token, encoding=RawEncoding.PCM_16, format=STEREO, limits=LIMITS, follow=None):
    return LandedStream(
        landing, token, format=format, encoding=encoding, limits=limits, name="call c-1", follow=follow
    )


def test_all_mu_law_codes_decode_like_libsndfile():
    codes = bytes(range(256)) * 40
    landing, token = landed(codes)
    ours = heard(live(landing, token, RawEncoding.MU_LAW, MONO))[:, 0]
    wav = b"RIFF" + struct.pack("<I", 36 + len(codes)) + b"WAVEfmt "
    wav += (
        struct.pack("<IHHIIHH", 16, 7, 1, 8000, 8000, 1, 8) + b"data" + struct.pack("<I", len(codes)) + codes
    )
    assert np.array_equal(ours, soundfile.read(BytesIO(wav), dtype="float32")[0])


@pytest.mark.parametrize("piece", [1, 3, 7, 1001, 50_000])
def test_samples_come_out_however_they_came_in(piece):
    raw = (NOISE[:3000] * 32768).astype("<i2").tobytes()
    landing, token = landed(raw + b"\x01\x02\x03", piece=piece)
    assert np.array_equal(
        heard(live(landing, token)), (NOISE[:3000] * 32768).astype("<i2") / np.float32(32768)
    )


def test_blocks_of_a_call_that_is_over_are_about_ten_seconds():
    landing, token = landed((NOISE * 32768).astype("<i2").tobytes(), piece=1000)
    blocks = list(live(landing, token).blocks())
    assert [round(block.n_samples / 8000) for block in blocks] == [10, 10, 5]
    assert [block.start_sample for block in blocks[1:]] == [
        blocks[0].n_samples,
        blocks[0].n_samples + blocks[1].n_samples,
    ]
    assert len(heard(live(landing, token), until_s=12.5)) == 100_000


def test_a_live_call_is_heard_as_it_comes_in_and_again_from_its_start():
    landing, ended = MemoryLanding(), threading.Event()
    with landing.begin() as writer:
        source = live(landing, writer.token, RawEncoding.MU_LAW, MONO, follow=lambda: not ended.is_set())
        blocks = source.blocks()
        for number in (1, 2):
            writer.write(bytes([0x10, 0x90]) * 1000)
            writer.flush()
            block = next(blocks)
            assert (block.n_samples, block.start_sample) == (2000, (number - 1) * 2000)
        writer.write(bytes([0x20]) * 100)
        writer.finish()
        ended.set()
    assert [block.n_samples for block in blocks] == [100]
    assert [block.n_samples for block in source.blocks()] == [4100]


def test_a_live_call_whose_writer_died_fails():
    landing = MemoryLanding()
    writer = landing.begin()
    writer.write(os.urandom(1000))
    writer.flush()
    landing.recordings[writer.token].is_being_written = False
    source = live(landing, writer.token, follow=lambda: False)
    with pytest.raises(LandingError, match="not finished"):
        heard(source)
    landing.finish_partial(writer.token)
    assert len(heard(source)) == 250


@pytest.mark.parametrize(
    ("content", "limits", "message"),
    [
        (b"", LIMITS, "holds no samples"),
        (b"abc", LIMITS, "holds no samples"),
        (bytes(4000), LIMITS, "holds no sound"),
        (os.urandom(40_000), AudioLimits(max_duration_s=1, max_bytes=10**6), "more audio than is allowed"),
        (os.urandom(40_000), AudioLimits(max_duration_s=60, max_bytes=39_999), "more than 39999 bytes"),
    ],
)
def test_a_live_call_is_judged_like_a_file(content, limits, message):
    landing, token = landed(content)
    with pytest.raises(AudioError, match=rf"^call c-1: .*{message}"):
        heard(live(landing, token, limits=limits))


@pytest.mark.parametrize(("rate_hz", "channels"), [(7999, 1), (48001, 1), (8000, 3), (8000, 0)])
def test_a_live_call_of_another_form_is_refused(rate_hz, channels):
    with pytest.raises(AudioError, match=r"^call c-1: has"):
        live(MemoryLanding(), "0" * 32, format=AudioFormat(rate_hz=rate_hz, channels=channels, codec=""))
