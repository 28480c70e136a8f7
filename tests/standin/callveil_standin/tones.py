"""Calls for the stand-in engines: noise for words, a tone for the one word that is personal data."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import soundfile

RATE_HZ = 8000
TONE_HZ = 1500.0
MARKER_WORD = "Zanzibarquux"
FILLERS = ("hello", "thank", "you", "good", "morning", "order")
_NEEDLE = 24


@dataclass(frozen=True, repr=False)
class MadeCall:
    """A recording, and a piece of its bytes that must be found nowhere else."""

    content: bytes
    needle: bytes


def make_call(seed: int, *, seconds: float = 2.4, container: str = "WAV") -> MadeCall:
    """A mono recording of about so many seconds; each seed sounds different."""
    rng = np.random.default_rng(seed)
    unit = max(seconds, 1.2) / 2.4
    pieces = [
        rng.normal(0, 1e-4, round(0.2 * unit * RATE_HZ)),
        rng.normal(0, 0.1, round(0.7 * unit * RATE_HZ)),
        rng.normal(0, 1e-4, round(0.3 * unit * RATE_HZ)),
        _marker(rng, 0.4),
        rng.normal(0, 1e-4, round(0.3 * unit * RATE_HZ)),
        rng.normal(0, 0.1, round(0.5 * unit * RATE_HZ)),
    ]
    samples = np.clip(np.concatenate(pieces), -1, 1)
    file = io.BytesIO()
    soundfile.write(file, samples, RATE_HZ, format=container, subtype="PCM_16")
    content = file.getvalue()
    spoken_at = sum(len(piece) for piece in pieces[:3]) + len(pieces[3]) // 2
    middle = 44 + 2 * spoken_at if container == "WAV" else len(content) // 2
    return MadeCall(content=content, needle=content[middle : middle + _NEEDLE])


def tone_share(samples: np.ndarray, rate_hz: int) -> float:
    """Loudest share of the marker tone in any 50 ms, as an amplitude."""
    size = round(0.05 * rate_hz)
    frames = samples[: len(samples) // size * size].reshape(-1, size)
    wave = np.exp(-2j * np.pi * TONE_HZ * np.arange(size) / rate_hz)
    return float((2 * np.abs(frames @ wave) / size).max(initial=0.0))


def _marker(rng: np.random.Generator, seconds: float) -> np.ndarray:
    time_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    return 0.3 * np.sin(2 * np.pi * TONE_HZ * time_s + rng.uniform(0, 6)) + rng.normal(0, 0.02, len(time_s))
