"""Audio: raw samples and masked samples are different types."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Samples: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioFormat:
    """What a recording is, read from its header and first bytes.

    Attributes:
        rate_hz: Sample rate of the file, 8000 to 48000 Hz.
        channels: 1 or 2.
        codec: Container and encoding in plain words, for people ("WAV ULAW").
    """

    rate_hz: int
    channels: int
    codec: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Audio:
    """A stretch of raw call audio. Never stored, never logged.

    Attributes:
        samples: float32, shape (n_samples, channels), full scale is -1.0 to 1.0.
        rate_hz: Sample rate in Hz.
        start_sample: Position of the first sample in the call, at `rate_hz`.
    """

    samples: Samples
    rate_hz: int
    start_sample: int = 0

    @property
    def n_samples(self) -> int:
        """Number of samples per channel."""
        return int(self.samples.shape[0])

    @property
    def channels(self) -> int:
        """Number of channels."""
        return int(self.samples.shape[1])

    @property
    def start_s(self) -> float:
        """Start in seconds from the beginning of the call."""
        return self.start_sample / self.rate_hz

    @property
    def end_s(self) -> float:
        """End in seconds from the beginning of the call."""
        return (self.start_sample + self.n_samples) / self.rate_hz

    def __repr__(self) -> str:
        return f"Audio({self.channels} x {self.n_samples} samples at {self.rate_hz} Hz)"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MaskedAudio:
    """A stretch of call audio with the personal data masked. Only `stages.mask_audio` makes these.

    Attributes:
        samples: float32, shape (n_samples, channels), full scale is -1.0 to 1.0.
        rate_hz: Sample rate in Hz.
        start_sample: Position of the first sample in the call, at `rate_hz`.
    """

    samples: Samples
    rate_hz: int
    start_sample: int = 0

    def __repr__(self) -> str:
        n, channels = self.samples.shape
        return f"MaskedAudio({channels} x {n} samples at {self.rate_hz} Hz)"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CardSafeAudio:
    """A stretch of raw call audio without what may not even be kept encrypted. Sealed, never published.

    Only `stages.card_secrets` makes these.

    Attributes:
        samples: float32, shape (n_samples, channels), full scale is -1.0 to 1.0.
        rate_hz: Sample rate in Hz.
        start_sample: Position of the first sample in the call, at `rate_hz`.
    """

    samples: Samples
    rate_hz: int
    start_sample: int = 0

    def __repr__(self) -> str:
        n, channels = self.samples.shape
        return f"CardSafeAudio({channels} x {n} samples at {self.rate_hz} Hz)"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Span:
    """A stretch of time in a call, in seconds from its beginning; `start_s` <= `end_s`."""

    start_s: float
    end_s: float

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.end_s - self.start_s

    def overlaps(self, other: Span) -> bool:
        """True when the two share more than a point."""
        return self.start_s < other.end_s and other.start_s < self.end_s


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelSpeech:
    """Where one channel carries speech of its own, crosstalk left out.

    Attributes:
        channel: Channel number, from 0.
        islands: Stretches of speech between pauses, in time order, not overlapping.
    """

    channel: int
    islands: tuple[Span, ...]
