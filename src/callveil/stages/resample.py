"""Bring audio to the rate the engines hear."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import soxr

from callveil.vocabulary.audio import Audio

if TYPE_CHECKING:
    from callveil.vocabulary.audio import Samples

ENGINE_RATE_HZ = 16000


class Resampler:
    """Resamples one call, fed in order, with bounded memory. A moment keeps its time.

    The samples do not depend on how the call is cut into blocks. The filter looks ahead, so what comes out
    lags a fraction of a second behind what was put in.

    Args:
        rate_hz: Sample rate of the recording.
        channels: Number of channels.
    """

    def __init__(self, rate_hz: int, channels: int) -> None:
        self._rate_hz = rate_hz
        self._n_in = 0
        self._n_out = 0
        self._empty = np.zeros((0, channels), np.float32)
        # soxr takes its filter's delay out by itself: the first sample out is the first sample in.
        self._stream = (
            soxr.ResampleStream(rate_hz, ENGINE_RATE_HZ, channels, dtype="float32", quality="HQ")
            if rate_hz != ENGINE_RATE_HZ
            else None
        )

    def push(self, audio: Audio) -> list[Audio]:
        """Take the next stretch.

        Args:
            audio: Follows directly on the last stretch; the first one begins the call.

        Returns:
            The next stretch at 16000 Hz, float32, as many channels; none when the filter needs more first.

        Raises:
            ValueError: It has another rate or channel count, or does not follow on the last stretch.
        """
        if (audio.rate_hz, audio.channels) != (self._rate_hz, self._empty.shape[1]):
            raise ValueError("the stretch has another rate or channel count than the call")
        if audio.start_sample != self._n_in:
            raise ValueError(f"the stretch starts at sample {audio.start_sample}, not {self._n_in}")
        self._n_in += audio.n_samples
        if self._stream is None or audio.n_samples == 0:
            return self._next(audio.samples)
        return self._next(self._stream.resample_chunk(np.ascontiguousarray(audio.samples, np.float32)))

    def finish(self) -> list[Audio]:
        """End the call.

        Returns:
            The rest, at most one stretch; all stretches together have the call's length at 16000 Hz, rounded
            to the nearest sample.
        """
        if self._stream is None:
            return self._next(self._empty)
        rest = self._stream.resample_chunk(self._empty, last=True)
        missing = max(0, round(Fraction(self._n_in * ENGINE_RATE_HZ, self._rate_hz)) - self._n_out)
        # soxr rounds halves its own way; a sample of silence settles it.
        padding = np.zeros((max(0, missing - len(rest)), self._empty.shape[1]), np.float32)
        return self._next(np.concatenate([rest[:missing], padding]))

    def _next(self, samples: Samples) -> list[Audio]:
        if len(samples) == 0:
            return []
        start = self._n_out
        self._n_out += len(samples)
        return [Audio(samples=samples, rate_hz=ENGINE_RATE_HZ, start_sample=start)]
