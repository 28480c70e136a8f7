"""Cut a call at its pauses, and pack its speech into windows a recogniser takes at once.

Whisper hears 30 s windows. Fed a whole channel it spends half its time on silence, cuts words at window
ends and loses its place; fed windows that begin and end in pauses, with long silences shortened, it does not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from callveil.stages.speech import FRAME_S, measure_levels
from callveil.vocabulary.audio import Audio, ChannelSpeech, Span
from callveil.vocabulary.transcript import Word

WINDOW_S = 28.0
GAP_S = 0.6
"""What is left of a silence between two pieces of a window."""
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
class Piece:
    """A stretch of one channel that lies in a window."""

    channel: int
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Speech packed for a recogniser, and the way back to the call's time and channels.

    Attributes:
        audio: One channel, starting at sample 0.
        pieces: Where each packed piece lies in the call, in order.
        starts_s: Where each piece begins in the packed audio.
    """

    audio: Audio
    pieces: tuple[Piece, ...]
    starts_s: tuple[float, ...]

    def place(self, word: Word) -> Word:
        """Move a word heard in the packed audio to its time and channel in the call.

        A word that seems to reach over a joint belongs to the piece that holds most of it.
        """
        index = max(range(len(self.pieces)), key=lambda i: self._overlap_s(i, word))
        span = self.pieces[index].span
        offset_s = span.start_s - self.starts_s[index]
        start_s = min(max(word.start_s + offset_s, span.start_s), span.end_s - 0.02)
        end_s = min(max(word.end_s + offset_s, start_s + 0.02), span.end_s)
        return replace(word, start_s=start_s, end_s=end_s, channel=self.pieces[index].channel)

    def _overlap_s(self, index: int, word: Word) -> float:
        start_s = self.starts_s[index]
        end_s = start_s + self.pieces[index].span.duration_s
        return min(end_s, word.end_s) - max(start_s, word.start_s)


def pack_windows(
    stretch: Audio, speech: Sequence[ChannelSpeech], *, gap_s: float = GAP_S
) -> Iterator[Window]:
    """Pack the speech of one channel, or of one after the other, into windows of at most 28 s.

    A recogniser takes as long for a window that is half empty. Given more than one channel, the last window
    of one goes on with the beginning of the next.

    Args:
        stretch: All channels of a stretch of the call.
        speech: What to pack, in order. An island too long for a window is cut where it is quietest.
        gap_s: What is left of a silence between two pieces.

    Yields:
        Windows in order; together they hold all islands.
    """
    group: list[Piece] = []
    length_s = 0.0
    for piece in _pieces(stretch, speech):
        between_s = _between_s(group[-1], piece, gap_s) if group else 0.0
        if group and length_s + between_s + piece.span.duration_s > WINDOW_S:
            yield _window(stretch, group, gap_s)
            group, length_s, between_s = [], 0.0, 0.0
        group.append(piece)
        length_s += between_s + piece.span.duration_s
    if group:
        yield _window(stretch, group, gap_s)


def _pieces(stretch: Audio, speech: Sequence[ChannelSpeech]) -> Iterator[Piece]:
    for own in speech:
        for island in own.islands:
            for span in _split(stretch, own.channel, island):
                yield Piece(channel=own.channel, span=span)


def _between_s(before: Piece, after: Piece, gap_s: float) -> float:
    if before.channel != after.channel:
        return gap_s
    return min(after.span.start_s - before.span.end_s, gap_s)


def _window(stretch: Audio, pieces: list[Piece], gap_s: float) -> Window:
    chunks: list[NDArray[np.float32]] = []
    starts_s: list[float] = []
    for index, piece in enumerate(pieces):
        if index:
            chunks += _gap(stretch, pieces[index - 1], piece, gap_s)
        starts_s.append(sum(len(chunk) for chunk in chunks) / stretch.rate_hz)
        chunks.append(_samples(stretch, piece.channel, piece.span))
    audio = Audio(samples=np.concatenate(chunks)[:, None], rate_hz=stretch.rate_hz)
    return Window(audio=audio, pieces=tuple(pieces), starts_s=tuple(starts_s))


def _gap(stretch: Audio, before: Piece, after: Piece, gap_s: float) -> list[NDArray[np.float32]]:
    """What really follows one piece and comes before the next: the noise on both sides stays as it was."""
    end, start = _sample(stretch, before.span.end_s), _sample(stretch, after.span.start_s)
    most = round(gap_s * stretch.rate_hz)
    half = max(0, most if before.channel != after.channel else min(start - end, most)) // 2
    return [
        stretch.samples[end : end + half, before.channel],
        stretch.samples[max(0, start - half) : start, after.channel],
    ]


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


def _samples(stretch: Audio, channel: int, span: Span) -> NDArray[np.float32]:
    return stretch.samples[_sample(stretch, span.start_s) : _sample(stretch, span.end_s), channel]


def _sample(stretch: Audio, at_s: float) -> int:
    return max(0, round(at_s * stretch.rate_hz) - stretch.start_sample)


def _join(blocks: list[Audio]) -> Audio:
    samples = blocks[0].samples if len(blocks) == 1 else np.concatenate([block.samples for block in blocks])
    return replace(blocks[0], samples=samples)


def _slice(audio: Audio, first: int, last: int) -> Audio:
    return replace(audio, samples=audio.samples[first:last], start_sample=audio.start_sample + first)
