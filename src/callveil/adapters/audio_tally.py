"""Judging a recording by its samples: how many there are, and whether they hold sound."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from callveil.errors import AudioError

if TYPE_CHECKING:
    from callveil.vocabulary.audio import Samples

SILENCE_DBFS = -70.0
"""Below this peak a whole recording holds no sound: the noise floor of A-law and mu-law telephony is about
-72 dBFS (the smallest step of ITU-T G.711 is 8 of 32768)."""


class Tally:
    """Counts and judges samples as they pass.

    Attributes:
        n_samples: Per channel, so far.

    Args:
        channels: Number of channels.
        most_samples: More are an error.
    """

    def __init__(self, channels: int, *, most_samples: int) -> None:
        self.n_samples = 0
        self._most_samples = most_samples
        self._low = np.full(channels, np.inf, np.float32)
        self._high = np.full(channels, -np.inf, np.float32)

    def add(self, samples: Samples) -> None:
        """Take the next samples.

        Args:
            samples: Shape (n, channels), n > 0.

        Raises:
            AudioError: They are too many, or not numbers.
        """
        self.n_samples += len(samples)
        if self.n_samples > self._most_samples:
            raise AudioError("holds more audio than is allowed, and more than its header says")
        low, high = samples.min(axis=0), samples.max(axis=0)
        if not (np.isfinite(low).all() and np.isfinite(high).all()):  # NaN spreads through min and max
            raise AudioError("holds samples that are not numbers (NaN or infinite)")
        self._low, self._high = np.minimum(self._low, low), np.maximum(self._high, high)

    def finish(self, *, least_samples: int) -> None:
        """Judge the whole.

        Raises:
            AudioError: It has fewer samples, or none, or no sound.
        """
        if self.n_samples < least_samples:
            raise AudioError(f"ends early: its header says {least_samples} samples, decoded {self.n_samples}")
        if self.n_samples == 0:
            raise AudioError("holds no samples")
        # Half the swing rather than the peak: a recorder's constant offset is not sound.
        if float((self._high - self._low).max()) / 2 < 10 ** (SILENCE_DBFS / 20):
            raise AudioError(f"holds no sound: its peak is below {SILENCE_DBFS:.0f} dBFS on every channel")
