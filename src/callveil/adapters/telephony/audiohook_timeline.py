"""Genesys AudioHook: where the audio of a session lies in time, and where there is none."""

from __future__ import annotations

from typing import Literal

from callveil.adapters.telephony.live import CallTooLongError, Gap, Output


class Timeline:
    """Counts samples and gaps from the beginning of a recording.

    Attributes:
        origin: The client's position of sample 0, in samples.
        position: Up to where samples and gaps have come, an open gap included, counted from `origin`.
    """

    def __init__(self, max_samples: int) -> None:
        """Begin at 0; nothing may reach beyond `max_samples`."""
        self.origin = 0
        self.position = 0
        self._max_samples = max_samples
        self._gap_from: int | None = None

    @property
    def in_gap(self) -> bool:
        """Whether there is a gap whose length is not known yet."""
        return self._gap_from is not None

    def counted(self, position: int) -> int:
        """A client's position, counted from where the recording begins."""
        return max(0, position - self.origin)

    def add(self, n_samples: int) -> int:
        """Audio came, recorded or, in a gap, thrown away.

        Returns:
            Where it begins.

        Raises:
            CallTooLongError: It reaches beyond the end.
        """
        start = self.position
        if start + n_samples > self._max_samples:
            raise CallTooLongError
        self.position += n_samples
        return start

    def advance(self, until: int, reason: Literal["paused", "discarded", "lost"]) -> list[Output]:
        """There is no audio up to `until`; within an open gap that only makes it longer.

        Raises:
            CallTooLongError: It reaches beyond the end.
        """
        n_samples = until - self.position
        if n_samples <= 0:
            return []
        start = self.add(n_samples)
        return [] if self.in_gap else [Gap(start_sample=start, n_samples=n_samples, reason=reason)]

    def open_gap(self) -> None:
        """From here on there is no audio."""
        if self._gap_from is None:
            self._gap_from = self.position

    def stretch_gap(self, until: int) -> None:
        """The open gap goes at least so far, but not beyond the end."""
        self.position = max(self.position, min(until, self._max_samples))

    def close_gap(self) -> list[Output]:
        """There is audio again from here on."""
        start, self._gap_from = self._gap_from, None
        if start is None or self.position <= start:
            return []
        return [Gap(start_sample=start, n_samples=self.position - start, reason="paused")]
