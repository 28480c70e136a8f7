"""Raw audio as a WAV file that nobody wrote: any piece of it, made out of the recording when it is asked for.

A player asks for ranges of bytes. In WAV with 16 bits every byte has its place in the call, so a range is
decoded alone; nothing of it is kept, in memory or elsewhere.
"""

from __future__ import annotations

import struct
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from callveil.errors import AudioError
from callveil.ports import AudioSource

if TYPE_CHECKING:
    from callveil.vocabulary.audio import Samples

_HEADER_BYTES = 44
_SAMPLE_BYTES = 2
_MOST_BYTES = 2**32 - 1
"""A RIFF header cannot say more."""

_BUCKET_S = 0.02
"""Of the outline: about a pixel of a wide screen for a call of half a minute, less for longer ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WavShape:
    """What the WAV file would be.

    Attributes:
        rate_hz: Sample rate in Hz.
        channels: 1 or 2.
        n_samples: Per channel.
    """

    rate_hz: int
    channels: int
    n_samples: int

    @property
    def n_bytes(self) -> int:
        """Size of the file."""
        return _HEADER_BYTES + self.n_samples * self.frame_bytes

    @property
    def frame_bytes(self) -> int:
        """Size of one sample of every channel."""
        return _SAMPLE_BYTES * self.channels

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.n_samples / self.rate_hz


def measure(
    source: AudioSource, *, until_s: float | None, n_bins: int
) -> tuple[WavShape, tuple[tuple[float, ...], ...]]:
    """Decode a recording once: how long it is, and its outline.

    Args:
        source: The recording.
        until_s: Nothing behind this second is looked at; None for all of it.
        n_bins: At most so many numbers per channel.

    Returns:
        The shape, and per channel the loudest moment of equal stretches, 0 to 1.

    Raises:
        AudioError: It cannot be decoded, or is too long for WAV.
    """
    rate_hz, channels = source.format.rate_hz, source.format.channels
    bucket = max(1, int(rate_hz * _BUCKET_S))
    found: list[Samples] = []
    rest = np.zeros((0, channels), np.float32)
    n_samples = 0
    for block in source.blocks(until_s=until_s):
        n_samples += block.n_samples
        loud = np.concatenate([rest, np.abs(block.samples)])
        whole = len(loud) // bucket * bucket
        found.append(loud[:whole].reshape(-1, bucket, channels).max(axis=1, initial=0.0))
        rest = loud[whole:]
    if len(rest):
        found.append(rest.max(axis=0, keepdims=True))
    shape = WavShape(rate_hz=rate_hz, channels=channels, n_samples=n_samples)
    if n_samples == 0:
        raise AudioError("the recording holds no samples")
    if shape.n_bytes > _MOST_BYTES:
        raise AudioError("the recording is too long to be played")
    buckets = np.concatenate(found)
    edges = np.unique(np.linspace(0, len(buckets), min(n_bins, len(buckets)), endpoint=False).astype(int))
    outline = np.minimum(np.maximum.reduceat(buckets, edges, axis=0), 1.0)
    return shape, tuple(tuple(round(float(value), 3) for value in each) for each in outline.T)


def piece(source: AudioSource, shape: WavShape, start: int, stop: int) -> bytes:
    """Some bytes of the file.

    Args:
        source: The recording.
        shape: As `measure` found it.
        start: First byte.
        stop: Byte behind the last one, up to `shape.n_bytes`.

    Raises:
        AudioError: It cannot be decoded, or is not the one that was measured.
    """
    header = _header(shape)[start:stop]
    if stop <= _HEADER_BYTES:
        return header
    frame = shape.frame_bytes
    at = max(0, start - _HEADER_BYTES)
    first, last = at // frame, -(-(stop - _HEADER_BYTES) // frame)
    raw = _samples(source, first, last)
    cut = at - first * frame
    wanted = stop - max(start, _HEADER_BYTES)
    content = raw[cut : cut + wanted]
    if len(content) != wanted:
        raise AudioError("the recording is shorter than it was")
    return header + content


def _samples(source: AudioSource, first: int, last: int) -> bytes:
    """Samples of all channels from `first` up to `last`, as 16 bits."""
    kept = []
    with closing(source.blocks()) as blocks:  # type: ignore[type-var]
        for block in blocks:
            begin, end = block.start_sample, block.start_sample + block.n_samples
            if end > first:
                part = block.samples[max(0, first - begin) : last - begin]
                scaled = np.rint(part * np.float32(32768))
                kept.append(np.clip(scaled, -32768, 32767).astype("<i2").tobytes())
            if end >= last:
                break
    return b"".join(kept)


def _header(shape: WavShape) -> bytes:
    n_data = shape.n_samples * shape.frame_bytes
    head = struct.pack("<4sI4s", b"RIFF", _HEADER_BYTES - 8 + n_data, b"WAVE")
    rate, frame = shape.rate_hz, shape.frame_bytes
    form = struct.pack(
        "<4sIHHIIHH", b"fmt ", 16, 1, shape.channels, rate, rate * frame, frame, 8 * _SAMPLE_BYTES
    )
    return head + form + struct.pack("<4sI", b"data", n_data)
