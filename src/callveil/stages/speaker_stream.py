"""All that one speaker says on one channel, as tokens with their runs, dates and written line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from callveil.stages.spoken_forms import Run, SpokenDate, Token

_PAUSE_S = 1.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A stretch of tokens of one stream."""

    stream: int
    tokens: range


@dataclass(frozen=True, kw_only=True)
class Stream:
    """All that one speaker says on one channel.

    Attributes:
        number: Index in `Dialogue.streams`.
        speaker: As in the turns.
        tokens: In spoken order.
        runs: Digits and letters.
        dates: Dates that a month, an ordinal or a feast gives away.
        emails: E-mail addresses.
        offsets: Start and end of each token's word in `Dialogue.text`.
    """

    number: int
    speaker: str
    tokens: tuple[Token, ...]
    runs: tuple[Run, ...]
    dates: tuple[SpokenDate, ...]
    emails: tuple[range, ...]
    offsets: tuple[tuple[int, int], ...]

    def __repr__(self) -> str:
        return f"Stream({self.speaker}, {len(self.tokens)} tokens)"

    @cached_property
    def utterances(self) -> tuple[range, ...]:
        """Stretches of tokens without a long pause."""
        return tuple(stretches(self.tokens, pause_s=_PAUSE_S))

    @cached_property
    def in_date(self) -> frozenset[int]:
        """Indices of all tokens that belong to a date."""
        return frozenset(index for date in self.dates for index in date.tokens)

    def sentence(self, at: int) -> range:
        """The sentence around a token, bounded by full stops and long pauses."""
        start, stop = at, at + 1
        while start > 0 and not self._ends(start - 1):
            start -= 1
        while stop < len(self.tokens) and not self._ends(stop - 1):
            stop += 1
        return range(start, stop)

    def _ends(self, at: int) -> bool:
        after = self.tokens[at + 1] if at + 1 < len(self.tokens) else None
        return self.tokens[at].ends_sentence or after is None or after.start_s - self.tokens[at].end_s > 2.5

    def sentences(self) -> Iterator[range]:
        """All sentences in order."""
        at = 0
        while at < len(self.tokens):
            sentence = self.sentence(at)
            yield sentence
            at = sentence.stop

    def words(self, tokens: range) -> str:
        """Lexical words joined by single spaces."""
        return " ".join(self.tokens[index].text for index in tokens)


def stretches(tokens: Sequence[Token], *, pause_s: float) -> Iterator[range]:
    """Ranges of tokens between pauses of at least `pause_s` seconds."""
    start = 0
    for index in range(1, len(tokens) + 1):
        if index == len(tokens) or tokens[index].start_s - tokens[index - 1].end_s >= pause_s:
            yield range(start, index)
            start = index


def write(tokens: Sequence[Token], position: int) -> tuple[str, tuple[tuple[int, int], ...]]:
    """The written words of a stream as one line, and where each token's word stands in the text."""
    parts: list[str] = []
    offsets: list[tuple[int, int]] = []
    for token in tokens:
        if not token.written:
            offsets.append(offsets[-1])
            continue
        glued = bool(parts) and token.lead[:1] in {"-", ".", ",", "'"} and len(token.lead) > 0
        if parts and not glued:
            parts.append(" ")
            position += 1
        parts.append(token.written)
        offsets.append((position, position + len(token.written)))
        position += len(token.written)
    return "".join(parts), tuple(offsets)
