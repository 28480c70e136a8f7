"""Find keypad tones: a caller who types a card number says it too, to whoever can read the tones.

The digits themselves are never worked out, only where tones are.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from callveil.vocabulary.audio import Audio
from callveil.vocabulary.pii import Entity, Finding

# Source: ITU-T Q.23, "Technical features of push-button telephone sets".
_LOW_HZ = (697.0, 770.0, 852.0, 941.0)
_HIGH_HZ = (1209.0, 1336.0, 1477.0, 1633.0)
_FRAME_S = 0.04
_STEP_S = 0.01
_MIN_DBFS = -45.0
_MIN_SHARE = 0.7
"""Of a frame's power that two tones must have; two formants of a voice seldom lie so exactly."""
_MAX_TWIST_DB = 9.0
"""Between the two tones. Source: ITU-T Q.24 allows 4 to 8 dB; a recorder's codec may add a little."""
_MIN_LEAD_DB = 6.0
_MIN_FRAMES = 2
_GAP_S = 0.3


def find_dtmf(audio: Audio) -> tuple[Finding, ...]:
    """Find keypad tones in a stretch of a call.

    Args:
        audio: All channels, 8000 Hz or more.

    Returns:
        One finding per run of tones and channel, in call time. Runs less than 0.3 s apart are one.
    """
    size, step = round(_FRAME_S * audio.rate_hz), round(_STEP_S * audio.rate_hz)
    if audio.n_samples < size:
        return ()
    found: list[Finding] = []
    for channel in range(audio.channels):
        frames = np.lib.stride_tricks.sliding_window_view(audio.samples[:, channel], size)[::step]
        hit = _is_tone(frames, audio.rate_hz)
        edges = np.flatnonzero(np.diff(np.concatenate(([False], hit, [False])).astype(np.int8)))
        runs: list[tuple[float, float]] = []
        for first, last in zip(edges[::2], edges[1::2], strict=True):
            if last - first < _MIN_FRAMES:
                continue
            start_s, end_s = first * _STEP_S, (last - 1) * _STEP_S + _FRAME_S
            if runs and start_s - runs[-1][1] < _GAP_S:
                runs[-1] = (runs[-1][0], end_s)
            else:
                runs.append((start_s, end_s))
        found += [
            _finding(channel, audio.start_s + start_s, audio.start_s + end_s) for start_s, end_s in runs
        ]
    return tuple(found)


def _finding(channel: int, start_s: float, end_s: float) -> Finding:
    return Finding(
        entity=Entity.DTMF, channel=channel, start_s=start_s, end_s=end_s, score=1.0, detector="dtmf"
    )


def _is_tone(frames: NDArray[np.float32], rate_hz: int) -> NDArray[np.bool_]:
    """Which frames hold one low and one high tone of the keypad, and little else."""
    size = frames.shape[1]
    window = np.hanning(size).astype(np.float32)
    angle = 2 * np.pi / rate_hz * np.arange(size)[:, None] * np.array([*_LOW_HZ, *_HIGH_HZ])
    kernel = (window[:, None] * np.exp(-1j * angle)).astype(np.complex64)
    # A sine of amplitude a has power a*a/2, read off its own frequency or off all samples alike.
    power = 2 * np.abs(frames @ kernel) ** 2 / window.sum() ** 2 + 1e-12
    total = np.square(frames * window).sum(axis=1) / np.square(window).sum() + 1e-12
    low, high = np.sort(power[:, :4], axis=1), np.sort(power[:, 4:], axis=1)
    twist_db = np.abs(10 * np.log10(low[:, -1] / high[:, -1]))
    lead = 10 ** (_MIN_LEAD_DB / 10)
    tone: NDArray[np.bool_] = (
        (low[:, -1] + high[:, -1] >= _MIN_SHARE * total)
        & (10 * np.log10(total) >= _MIN_DBFS)
        & (twist_db <= _MAX_TWIST_DB)
        & (low[:, -1] >= lead * low[:, -2])
        & (high[:, -1] >= lead * high[:, -2])
    )
    return tone
