"""The labelled calls through other codecs and in noise, with every moment at its old time."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import soundfile
import soxr
from machine import SEED
from numpy.typing import NDArray

from callveil.adapters.audio_ffmpeg import ffmpeg_program
from callveil.adapters.audio_file import AudioLimits, open_recording
from callveil.pipeline.evaluate import LabelledCall

Samples = NDArray[np.float32]

_VOICES = 12
"""In the babble: enough that none of them can be understood."""

_VOICE_PIECES_S = 60.0
_MOST_DELAY_S = 0.02
_FADE_S = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """How calls are changed before they are processed.

    Attributes:
        name: For tables and result files.
        codec: "mulaw" (G.711 at 8 kHz), "pcm16" (16 bits at 16 kHz) or "opus" (16 kbit/s per channel).
        snr_db: Speech over babble in dB, measured over each channel's own speech; None for no babble.
    """

    name: str
    codec: str = "mulaw"
    snr_db: float | None = None


CONDITIONS = (
    Condition(name="mu-law 8 kHz"),
    Condition(name="PCM 16 kHz", codec="pcm16"),
    Condition(name="Opus 16 kbit/s", codec="opus"),
    Condition(name="mu-law, 15 dB", snr_db=15.0),
    Condition(name="mu-law, 8 dB", snr_db=8.0),
)
CODECS = ("mu-law 8 kHz", "PCM 16 kHz", "Opus 16 kbit/s")
NOISES = {"clean": "mu-law 8 kHz", "15 dB": "mu-law, 15 dB", "8 dB": "mu-law, 8 dB"}


def change_calls(
    calls: Sequence[LabelledCall], condition: Condition, others: Sequence[LabelledCall], folder: Path
) -> tuple[LabelledCall, ...]:
    """Write the calls as they are under a condition.

    Args:
        calls: Labelled calls with truth of the times of speech.
        condition: The condition.
        others: Calls whose speech is the babble; a call's own is left out.
        folder: For the FLAC files, named as the calls.
    """
    changed = []
    for call in calls:
        samples, rate_hz = soundfile.read(call.audio, dtype="float32", always_2d=True)
        if condition.snr_db is not None:
            samples = _in_babble(samples, rate_hz, call, others, condition.snr_db)
        coded, coded_hz = _CODECS[condition.codec](samples, rate_hz)
        _check_delay(samples, rate_hz, coded, coded_hz, call.truth.call_id)
        path = folder / f"{call.truth.call_id}.flac"
        soundfile.write(path, coded, coded_hz, subtype="PCM_16")
        changed.append(replace(call, audio=path))
    return tuple(changed)


def _mulaw(samples: Samples, rate_hz: int) -> tuple[Samples, int]:
    with TemporaryDirectory(prefix="callveil-bench-") as folder:
        path = Path(folder) / "call.wav"
        soundfile.write(path, soxr.resample(samples, rate_hz, 8000), 8000, subtype="ULAW")
        return _decode(path)


def _pcm16(samples: Samples, rate_hz: int) -> tuple[Samples, int]:
    return soxr.resample(samples, rate_hz, 16000).astype(np.float32), 16000


def _opus(samples: Samples, rate_hz: int) -> tuple[Samples, int]:
    """Each channel is a stream of its own: joint stereo would mix the parties."""
    channels = []
    with TemporaryDirectory(prefix="callveil-bench-") as folder:
        source, coded = Path(folder) / "channel.wav", Path(folder) / "channel.opus"
        for channel in range(samples.shape[1]):
            soundfile.write(source, samples[:, channel], rate_hz, subtype="PCM_16")
            command = [
                ffmpeg_program(), "-nostdin", "-v", "error", "-y", "-i", str(source),
                "-c:a", "libopus", "-b:a", "16k", "-application", "voip", str(coded),
            ]  # fmt: skip
            subprocess.run(command, check=True, timeout=120)
            decoded, decoded_hz = _decode(coded)
            channels.append(decoded[:, 0])
    n_samples = round(len(samples) * decoded_hz / rate_hz)
    whole = np.zeros((n_samples, len(channels)), np.float32)
    for number, channel_samples in enumerate(channels):
        kept = channel_samples[:n_samples]
        whole[: len(kept), number] = kept
    return whole, decoded_hz


_CODECS = {"mulaw": _mulaw, "pcm16": _pcm16, "opus": _opus}


def _decode(path: Path) -> tuple[Samples, int]:
    recording = open_recording(path, AudioLimits(max_duration_s=36000.0, max_bytes=1 << 40))
    return np.concatenate([block.samples for block in recording.blocks()]), recording.format.rate_hz


def _check_delay(before: Samples, rate_hz: int, after: Samples, after_hz: int, call_id: str) -> None:
    """The labels must fit: what a codec shifts by more than 20 ms would be measured wrongly."""
    back = soxr.resample(after, after_hz, rate_hz)
    for channel in range(before.shape[1]):
        delay_s = _delay_s(before[:, channel], back[:, channel], rate_hz)
        if abs(delay_s) > _MOST_DELAY_S:
            raise SystemExit(f"{call_id}: the codec shifts channel {channel} by {delay_s * 1000:.0f} ms")


def _delay_s(first: Samples, second: Samples, rate_hz: int) -> float:
    n = 1 << (len(first) + len(second)).bit_length()
    correlation = np.fft.irfft(np.conj(np.fft.rfft(first, n)) * np.fft.rfft(second, n), n)
    at = int(np.argmax(correlation))
    return (at if at < n // 2 else at - n) / rate_hz


def _in_babble(
    samples: Samples, rate_hz: int, call: LabelledCall, others: Sequence[LabelledCall], snr_db: float
) -> Samples:
    speakers = [other for other in others if other.truth.call_id != call.truth.call_id]
    noisy = samples.copy()
    for channel in range(samples.shape[1]):
        # The same noise at every level, so that levels can be compared.
        seed = [SEED, channel, *call.truth.call_id.encode()]
        babble = _babble(speakers, len(samples), rate_hz, np.random.default_rng(seed))
        own = _speech(call, channel, samples, rate_hz)
        level = np.sqrt(np.mean(np.square(own)) / np.mean(np.square(babble)) / 10 ** (snr_db / 10))
        noisy[:, channel] += level * babble
    return np.clip(noisy, -1.0, 1.0)


def _babble(
    speakers: Sequence[LabelledCall], n_samples: int, rate_hz: int, random: np.random.Generator
) -> Samples:
    """Voices of other calls on top of one another, equally loud, without their pauses."""
    mix = np.zeros(n_samples, np.float32)
    for _ in range(_VOICES):
        speaker = speakers[int(random.integers(len(speakers)))]
        samples, speaker_hz = soundfile.read(speaker.audio, dtype="float32", always_2d=True)
        if speaker_hz != rate_hz:
            samples = soxr.resample(samples, speaker_hz, rate_hz)
        channel = int(random.integers(samples.shape[1]))
        voice = _speech(speaker, channel, samples, rate_hz)[: round(_VOICE_PIECES_S * rate_hz)]
        voice = np.roll(voice, int(random.integers(len(voice))))
        voice = voice / np.sqrt(np.mean(np.square(voice)))
        mix += np.resize(voice, n_samples)
    return mix


def _speech(call: LabelledCall, channel: int, samples: Samples, rate_hz: int) -> Samples:
    """What is spoken on a channel, without the pauses."""
    fade = round(_FADE_S * rate_hz)
    parts = []
    for turn in call.truth.turns:
        for piece in turn.pieces or (turn.span,):
            if piece.channel == channel:
                part = samples[round(piece.start_s * rate_hz) : round(piece.end_s * rate_hz), channel].copy()
                if len(part) > 2 * fade:
                    part[:fade] *= np.linspace(0.0, 1.0, fade, dtype=np.float32)
                    part[-fade:] *= np.linspace(1.0, 0.0, fade, dtype=np.float32)
                    parts.append(part)
    return np.concatenate(parts) if parts else samples[:, channel]
