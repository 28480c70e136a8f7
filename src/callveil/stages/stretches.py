"""Cut a call at its pauses, and pack the speech of one channel into windows a recogniser takes at once.

Whisper hears 30 s windows. Fed a whole channel it spends half its time on silence, cuts words at window
ends and loses its place; fed windows that begin and end in pauses, with long silences shortened, it does not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from callveil.stages.speech import FRAME_S, measure_levels
from callveil.vocabulary.audio import Audio, Span
from callveil.vocabulary.transcript import Word

WINDOW_S = 28.0
_GAP_S = 0.6
_MIN_STRETCH_S = 90.0
_MAX_STRETCH_S = 120.0


class StretchCutter:
    """Joins blocks of audio and cuts them at the quietest point into stretches of 90 to 120 s."""

    def __init__(self, min_s: float = _MIN_STRETCH_S, max_s: float = _MAX_STRETCH_S) -> None:
        self._min_s, self._max_s = min_s, max_s
        self._pending: list[Audio] = []

    def push(self, audio: Audio) -> list[Audio]:
        """Take the next block, return the stretches that are complete."""
        self._pending.append(audio)
        done = []
        while sum(block.n_samples for block in self._pending) / audio.rate_hz >= self._max_s:
            joined = _join(self._pending)
            cut = self._quietest(joined)
            done.append(_slice(joined, 0, cut))
            self._pending = [_slice(joined, cut, joined.n_samples)]
        return done

    def finish(self) -> list[Audio]:
        """Return what is left, if anything."""
        joined = _join(self._pending) if self._pending else None
        self._pending = []
        return [joined] if joined is not None and joined.n_samples else []

    def _quietest(self, audio: Audio) -> int:
        """Sample at which all channels are quiet, between the shortest and the longest stretch."""
        db = measure_levels(audio).db.max(axis=1)
        first, last = round(self._min_s / FRAME_S), round(self._max_s / FRAME_S)
        width = round(0.3 / FRAME_S)
        smooth = np.convolve(db, np.ones(width) / width, mode="same")
        frame = first + int(np.argmin(smooth[first:last]))
        return min(round(frame * FRAME_S * audio.rate_hz), audio.n_samples)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """One channel's speech packed for a recogniser, and the way back to the call's time.

    Attributes:
        audio: One channel, starting at sample 0.
        pieces: Where each packed piece lies in the call, in order.
        starts_s: Where each piece begins in the packed audio.
    """

    audio: Audio
    pieces: tuple[Span, ...]
    starts_s: tuple[float, ...]

    def place(self, word: Word) -> Word:
        """Move a word heard in the packed audio to its time in the call.

        A word that seems to reach over a joint belongs to the piece that holds most of it.
        """
        index = max(range(len(self.pieces)), key=lambda i: self._overlap_s(i, word))
        piece, offset_s = self.pieces[index], self.pieces[index].start_s - self.starts_s[index]
        start_s = min(max(word.start_s + offset_s, piece.start_s), piece.end_s - 0.02)
        end_s = min(max(word.end_s + offset_s, start_s + 0.02), piece.end_s)
        return replace(word, start_s=start_s, end_s=end_s)

    def _overlap_s(self, index: int, word: Word) -> float:
        start_s = self.starts_s[index]
        end_s = start_s + self.pieces[index].duration_s
        return min(end_s, word.end_s) - max(start_s, word.start_s)


def pack_windows(stretch: Audio, channel: int, islands: Sequence[Span]) -> Iterator[Window]:
    """Pack one channel's speech into windows of at most 28 s.

    Args:
        stretch: All channels of a stretch of the call.
        channel: The channel to pack.
        islands: Its speech in the stretch, in order. One too long for a window is cut where it is quietest.

    Yields:
        Windows in order; together they hold all islands.
    """
    group: list[Span] = []
    length_s = 0.0
    for island in (part for whole in islands for part in _split(stretch, channel, whole)):
        gap_s = min(island.start_s - group[-1].end_s, _GAP_S) if group else 0.0
        if group and length_s + gap_s + island.duration_s > WINDOW_S:
            yield _window(stretch, channel, group)
            group, length_s, gap_s = [], 0.0, 0.0
        group.append(island)
        length_s += gap_s + island.duration_s
    if group:
        yield _window(stretch, channel, group)


def _window(stretch: Audio, channel: int, pieces: list[Span]) -> Window:
    rate_hz = stretch.rate_hz
    chunks, starts_s, at = [], [], 0
    for index, piece in enumerate(pieces):
        if index:
            # The real gap, cut short in its middle: the noise on both sides stays as it was.
            gap = _samples(stretch, channel, Span(start_s=pieces[index - 1].end_s, end_s=piece.start_s))
            half = min(len(gap), round(_GAP_S * rate_hz)) // 2
            gap = np.concatenate((gap[:half], gap[len(gap) - half :]))
            chunks.append(gap)
            at += len(gap)
        starts_s.append(at / rate_hz)
        chunks.append(_samples(stretch, channel, piece))
        at += len(chunks[-1])
    audio = Audio(samples=np.concatenate(chunks)[:, None], rate_hz=rate_hz)
    return Window(audio=audio, pieces=tuple(pieces), starts_s=tuple(starts_s))


def _split(stretch: Audio, channel: int, island: Span) -> Iterator[Span]:
    start_s = island.start_s
    while island.end_s - start_s > WINDOW_S:
        search = Span(start_s=start_s + WINDOW_S / 2, end_s=start_s + WINDOW_S)
        samples = _samples(stretch, channel, search)[:, None]
        db = measure_levels(Audio(samples=samples, rate_hz=stretch.rate_hz)).db[:, 0]
        cut_s = (
            search.start_s + (int(np.argmin(np.convolve(db, np.ones(15) / 15, mode="same"))) + 0.5) * FRAME_S
        )
        yield Span(start_s=start_s, end_s=cut_s)
        start_s = cut_s
    yield Span(start_s=start_s, end_s=island.end_s)


def _samples(stretch: Audio, channel: int, span: Span) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    first = round(span.start_s * stretch.rate_hz) - stretch.start_sample
    last = round(span.end_s * stretch.rate_hz) - stretch.start_sample
    return stretch.samples[max(first, 0) : max(last, 0), channel]


def _join(blocks: list[Audio]) -> Audio:
    samples = blocks[0].samples if len(blocks) == 1 else np.concatenate([block.samples for block in blocks])
    return replace(blocks[0], samples=samples)


def _slice(audio: Audio, first: int, last: int) -> Audio:
    return replace(audio, samples=audio.samples[first:last], start_sample=audio.start_sample + first)
