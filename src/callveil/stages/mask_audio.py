"""Mask the sound of a call. The only maker of `MaskedAudio`."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from callveil.vocabulary.audio import Audio, MaskedAudio
from callveil.vocabulary.pii import MaskSpan

if TYPE_CHECKING:
    from callveil.vocabulary.audio import Samples

_FADE_S = 0.005
_TONE_HZ = 440.0
_TONE_LEVEL = 0.06  # about -27 dBFS RMS: clearly heard, not startling in a headset
_NOISE_LEVEL = 0.006  # about -44 dBFS RMS, the level of line noise


class AudioStyle(StrEnum):
    """What is heard in the place of masked speech."""

    SILENCE = "silence"
    TONE = "tone"
    NOISE = "noise"


def mask_audio(audio: Audio, spans: Sequence[MaskSpan], style: AudioStyle) -> MaskedAudio:
    """Replace the masked stretches of a block; rate, channels and sample count stay.

    Inside a mask nothing of the speech is left, not even faintly: the 5 ms fades lie outside it. The result
    for a sample does not depend on how the call is cut into blocks.

    Args:
        audio: Any block of the call.
        spans: All masks of the call.
        style: What to put in their place.
    """
    return MaskedAudio(
        samples=masked_samples(audio, spans, style), rate_hz=audio.rate_hz, start_sample=audio.start_sample
    )


def mask_more(
    published: Audio, added: Sequence[MaskSpan], earlier: Sequence[MaskSpan], style: AudioStyle
) -> MaskedAudio:
    """Replace more of a block that is masked already; all else stays as it is, bit for bit.

    Args:
        published: Any block of the published call.
        added: What is to be masked too.
        earlier: What is masked already, in the same style: the fades of new masks do not reach into it.
        style: What to put in their place.
    """
    samples = masked_samples(published, added, style)
    first, rate_hz = published.start_sample, published.rate_hz
    for span in earlier:
        start = max(0, int(np.floor(span.start_s * rate_hz)) - first)
        end = max(0, int(np.ceil(span.end_s * rate_hz)) - first)
        samples[start:end, span.channel] = published.samples[start:end, span.channel]
    return MaskedAudio(samples=samples, rate_hz=published.rate_hz, start_sample=published.start_sample)


def masked_samples(audio: Audio, spans: Sequence[MaskSpan], style: AudioStyle) -> Samples:
    """The samples of a block with these stretches replaced; see `mask_audio`, whose types tell what they are.

    Args:
        audio: Any block of the call.
        spans: What is replaced.
        style: What to put in their place.
    """
    first, last, rate_hz = audio.start_sample, audio.start_sample + audio.n_samples, audio.rate_hz
    fade = max(1, round(_FADE_S * rate_hz))
    samples = audio.samples.copy()
    position = np.arange(first, last)
    for channel in range(audio.channels):
        gain = np.ones(audio.n_samples, np.float32)
        filled = np.zeros(audio.n_samples, np.bool_)
        for span in spans:
            start, end = int(np.floor(span.start_s * rate_hz)), int(np.ceil(span.end_s * rate_hz))
            if span.channel != channel or end + fade <= first or start - fade >= last:
                continue
            near = slice(max(start - fade - first, 0), min(end + fade - first, audio.n_samples))
            where = position[near]
            distance = np.maximum(start - where, where - (end - 1))
            gain[near] = np.minimum(gain[near], np.clip(distance / (fade + 1), 0.0, 1.0))
            filled[near] |= (where >= start) & (where < end)
        samples[:, channel] = samples[:, channel] * gain
        samples[filled, channel] = _filling(position[filled], rate_hz, channel, style)
    return samples


def _filling(
    position: np.ndarray[tuple[int], np.dtype[np.int64]], rate_hz: int, channel: int, style: AudioStyle
) -> Samples:
    if style is AudioStyle.TONE:
        tone: Samples = np.sin(2 * np.pi * _TONE_HZ / rate_hz * position).astype(np.float32)
        return tone * np.float32(_TONE_LEVEL)
    if style is AudioStyle.NOISE:
        # A hash of the position (splitmix64, Vigna, public domain) instead of a generator's state: the same
        # noise however the call is cut.
        x = position.astype(np.uint64) * np.uint64(2) + np.uint64(channel)
        x = x * np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        uniform = (x >> np.uint64(40)).astype(np.float32) / np.float32(1 << 24)
        return ((uniform * 2 - 1) * (_NOISE_LEVEL * 3**0.5)).astype(np.float32)
    return np.zeros(len(position), np.float32)
