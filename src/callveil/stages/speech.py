"""Where each channel carries speech of its own: energy against the channel's own noise and level.

Speech that is not heard cannot be masked, so in doubt a stretch counts as speech. Only two things do not:
what is near the channel's noise floor, and crosstalk, the other party's voice leaking over 20 to 40 dB down.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from callveil.vocabulary.audio import Audio, ChannelSpeech, Span

FRAME_S = 0.01
_FLOOR_DB = -65.0  # quieter than any line noise; digital silence must not drag the threshold down to it
_ABOVE_NOISE_DB = 6.0
_BELOW_SPEECH_DB = 38.0
_CROSSTALK_DB = 18.0
_OWN_SPEECH_DB = 12.0
_BLIP_S = 0.05
_BRIDGE_S = 0.30
_EDGE_S = 0.2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Levels:
    """Loudness of a stretch, frame by frame.

    Attributes:
        db: float32, shape (n_frames, channels), dB relative to full scale.
        start_s: Start of the first frame in the call.
    """

    db: NDArray[np.float32]
    start_s: float


def measure_levels(audio: Audio) -> Levels:
    """Loudness per frame of `FRAME_S`; a last part of a frame counts as a frame.

    Args:
        audio: Any rate and number of channels.
    """
    size = round(audio.rate_hz * FRAME_S)
    n_frames = -(-audio.n_samples // size)
    padded = np.zeros((n_frames * size, audio.channels), np.float32)
    padded[: audio.n_samples] = audio.samples
    power = np.square(padded.reshape(n_frames, size, audio.channels)).mean(axis=1)
    return Levels(db=10 * np.log10(power + 1e-10), start_s=audio.start_s)


def find_speech(levels: Levels) -> tuple[ChannelSpeech, ...]:
    """Find the islands of speech of each channel.

    Args:
        levels: Of one stretch, half a minute or more so that noise and speech levels can be told.

    Returns:
        One entry per channel. Islands are joined over pauses under 0.3 s and reach 0.2 s beyond the sound.
    """
    channels = levels.db.shape[1]
    smooth = _smooth(levels.db)
    speech_db = np.percentile(smooth, 95, axis=0)
    # The 2nd percentile, so that a channel that hardly pauses is not taken for noise.
    noise_db = np.maximum(np.percentile(smooth, 2, axis=0) + 2.5, _FLOOR_DB)
    found = []
    for channel in range(channels):
        own = smooth[:, channel]
        active = own > np.maximum(noise_db[channel] + _ABOVE_NOISE_DB, speech_db[channel] - _BELOW_SPEECH_DB)
        active &= own > _FLOOR_DB
        if channels == 2:
            other = smooth[:, 1 - channel]
            # Against the louder party's level, so that a channel with nothing but crosstalk is quiet too.
            own_level_db = max(speech_db[channel], speech_db[1 - channel] - _CROSSTALK_DB)
            active &= ~((other - own >= _CROSSTALK_DB) & (own < own_level_db - _OWN_SPEECH_DB))
        found.append(ChannelSpeech(channel=channel, islands=_islands(active, levels.start_s)))
    return tuple(found)


def is_quiet(levels: Levels) -> NDArray[np.bool_]:
    """Frames that are pauses, for snapping: shape (n_frames, channels).

    A frame is a pause when it lies near the channel's noise floor or far below its speech.
    """
    speech_db = np.percentile(levels.db, 95, axis=0)
    noise_db = np.maximum(np.percentile(levels.db, 10, axis=0), _FLOOR_DB)
    limit = np.maximum(np.minimum(noise_db + 6.0, speech_db - 15.0), speech_db - 32.0)
    quiet: NDArray[np.bool_] = _smooth(levels.db) < limit
    return quiet


def _smooth(db: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean power over five frames (50 ms): shorter than a syllable, longer than a click."""
    power = np.power(10.0, db / 10)
    summed = np.cumsum(np.pad(power, ((3, 2), (0, 0)), mode="edge"), axis=0)
    mean = (summed[5:] - summed[:-5]) / 5
    smooth: NDArray[np.float32] = (10 * np.log10(np.maximum(mean, 1e-10))).astype(np.float32)
    return smooth


def _islands(active: NDArray[np.bool_], start_s: float) -> tuple[Span, ...]:
    edges = np.flatnonzero(np.diff(np.concatenate(([False], active, [False])).astype(np.int8)))
    runs = [(a * FRAME_S, b * FRAME_S) for a, b in zip(edges[::2], edges[1::2], strict=True)]
    end_s = len(active) * FRAME_S
    islands: list[tuple[float, float]] = []
    for first, last in (run for run in runs if run[1] - run[0] >= _BLIP_S):
        first, last = max(0.0, first - _EDGE_S), min(end_s, last + _EDGE_S)
        if islands and first - islands[-1][1] < _BRIDGE_S:
            islands[-1] = (islands[-1][0], last)
        else:
            islands.append((first, last))
    return tuple(Span(start_s=start_s + a, end_s=start_s + b) for a, b in islands)


def join_speech(parts: Sequence[tuple[ChannelSpeech, ...]]) -> tuple[ChannelSpeech, ...]:
    """Join the speech of consecutive stretches into that of the call.

    Args:
        parts: Speech per stretch, in order, each with the same channels.
    """
    if not parts:
        return ()
    return tuple(
        ChannelSpeech(channel=channel, islands=tuple(i for part in parts for i in part[channel].islands))
        for channel in range(len(parts[0]))
    )
