"""Make one interleaved stream out of tracks that come frame by frame, each with its time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from callveil.adapters.telephony.live import Gap, LiveFormat, Samples

WINDOW_MS: Final = 2000
"""How long a track is waited for. Later frames are cut off, so that memory stays bounded."""

TOLERANCE_MS: Final = 100
"""Ours: five frames of 20 ms. Timestamps of frames that follow each other tremble; within this they are
joined without a seam, beyond it the timestamp counts."""


class TwoTracks:
    """One or two tracks of one format, aligned by their timestamps.

    Holds at most `WINDOW_MS` and one frame of each track.
    """

    def __init__(self, track_format: LiveFormat, n_tracks: int) -> None:
        """Begin at sample 0.

        Args:
            track_format: Of a single track: one channel.
            n_tracks: 1 or 2; channels of what comes out.
        """
        self._format = track_format
        self._sample = track_format.sample_bytes
        self._window = WINDOW_MS * track_format.rate_hz // 1000
        self._tolerance = TOLERANCE_MS * track_format.rate_hz // 1000
        self._tracks = [bytearray() for _ in range(n_tracks)]
        self._begin = 0
        """Position of the first sample that is held."""

    @property
    def begin(self) -> int:
        """Up to where samples and gaps have come out, in samples."""
        return self._begin

    @property
    def end(self) -> int:
        """Up to where the track that is furthest goes, in samples."""
        return max(self._end(track) for track in range(len(self._tracks)))

    def lands_at(self, track: int, timestamp_ms: int | None, *, after_loss: bool) -> int:
        """Where a frame would begin, in samples."""
        follows = self._end(track)
        if timestamp_ms is None:
            return follows
        said = timestamp_ms * self._format.rate_hz // 1000
        return said if said - follows > (0 if after_loss else self._tolerance) else follows

    def add(
        self, track: int, timestamp_ms: int | None, payload: bytes, *, after_loss: bool = False
    ) -> list[Samples | Gap]:
        """Take in a frame.

        Args:
            track: Number of the track, which is its channel.
            timestamp_ms: Begin of the frame since the beginning of the stream; None follows the one before.
            payload: Whole samples.
            after_loss: Frames before this one are known to be lost, so its timestamp counts exactly.

        Returns:
            What is now settled: samples of all tracks, and a gap where all were silent for longer than
            `WINDOW_MS`. A track that lags is silent in them.
        """
        follows = self._end(track)
        start = self.lands_at(track, timestamp_ms, after_loss=after_loss)
        if timestamp_ms is not None and start == follows:
            late = follows - timestamp_ms * self._format.rate_hz // 1000
            if late > self._tolerance:  # its time has passed, or it came before
                payload = payload[late * self._sample :]
        if not payload:
            return []
        out: list[Samples | Gap] = []
        if start - self.end > self._window:
            out = self.flush()
            out.append(Gap(start_sample=self._begin, n_samples=start - self._begin, reason="lost"))
            self._begin = start
        held = self._tracks[track]
        held += self._format.silence(start - self._end(track))
        held += payload
        settled = min(self._end(number) for number in range(len(self._tracks)))
        return [*out, *self._take(max(settled, self.end - self._window))]

    def flush(self) -> list[Samples | Gap]:
        """Give out all that is held; a track that is shorter is silent to the end."""
        return self._take(self.end)

    def _end(self, track: int) -> int:
        return self._begin + len(self._tracks[track]) // self._sample

    def _take(self, until: int) -> list[Samples | Gap]:
        n_samples = until - self._begin
        if n_samples <= 0:
            return []
        parts = []
        for held in self._tracks:
            part = bytes(held[: n_samples * self._sample])
            del held[: n_samples * self._sample]
            parts.append(part + self._format.silence(n_samples - len(part) // self._sample))
        taken = Samples(data=_interleave(parts, self._sample), start_sample=self._begin)
        self._begin = until
        return [taken]


def _interleave(parts: Sequence[bytes], sample_bytes: int) -> bytes:
    if len(parts) == 1:
        return parts[0]
    step = len(parts) * sample_bytes
    mixed = bytearray(sum(map(len, parts)))
    for number, part in enumerate(parts):
        for byte in range(sample_bytes):
            mixed[number * sample_bytes + byte :: step] = part[byte::sample_bytes]
    return bytes(mixed)
