"""Dates of birth."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from callveil.engines.presidio.base import (
    EXPECTED,
    EXPECTED_AND_FITS,
    DialogueRecognizer,
    Hit,
    content,
    evades,
    sentences,
    short_answer,
)
from callveil.stages.cues import CuePattern, cues
from callveil.stages.dialogue import Dialogue
from callveil.stages.speaker_stream import Place, Stream
from callveil.stages.spoken_forms import SpokenDate
from callveil.vocabulary.pii import Entity

_LATEST_YEAR = 2012
"""A complete date up to this year that nothing explains is taken for a date of birth."""
_MAX_ANSWER_WORDS = 8


class DateOfBirthRecognizer(DialogueRecognizer):
    """Dates and numbers where a date of birth was asked for, and complete dates long ago."""

    entity: ClassVar[Entity] = Entity.DATE_OF_BIRTH
    cues: ClassVar[tuple[CuePattern, ...]] = cues(
        entity.value,
        r"(?:date|data|dates|day|year|month) (?:of|for|and) (?:birth|berth)|dob|d o b|"
        r"birth ?(?:date|day|days)|date of births?",
        r"(?:was|were|is|i'm|i was|she was|he was|are you|,)? ?born(?: on| in)?|when (?:were|"
        r"was) (?:you|he|she) born",
        r"day month and year|age",
    )

    def hits(self, dialogue: Dialogue) -> Iterator[Hit]:
        """Dates, runs and answers."""
        for stream in dialogue.streams:
            for date in stream.dates:
                score = self._date_score(dialogue, stream, date)
                if score:
                    yield Hit(place=Place(stream=stream.number, tokens=date.tokens), score=score)
            for run in dialogue.runs_of(stream):
                long_enough = len(run.digits) >= 2 and run.n_letters == 0
                if (
                    long_enough
                    and not (run.counts or run.leans)
                    and self._expects(dialogue, stream, run.tokens)
                ):
                    fits = 4 <= len(run.digits) <= 8
                    score = EXPECTED_AND_FITS - 0.05 if fits else EXPECTED
                    yield Hit(place=Place(stream=stream.number, tokens=run.tokens), score=score)
        for place in dialogue.answers(self.entity.value):
            yield from self._answer(dialogue.streams[place.stream], place)

    def _expects(self, dialogue: Dialogue, stream: Stream, tokens: range) -> bool:
        return self.entity.value in dialogue.expected(stream, tokens)

    def _date_score(self, dialogue: Dialogue, stream: Stream, date: SpokenDate) -> float:
        if self._expects(dialogue, stream, date.tokens) and (date.has_day or stream.speaker != "agent"):
            return EXPECTED_AND_FITS
        if date.complete and date.month and date.year and (date.year <= _LATEST_YEAR and date.year >= 32):
            return EXPECTED
        return 0.0

    def _answer(self, stream: Stream, place: Place) -> Iterator[Hit]:
        """An answer without a single date word was misheard: all of a short one is taken."""
        first = next(sentences(stream, place.tokens))
        short = short_answer(stream, first)
        if short is not None and not evades(stream, first):
            yield Hit(place=Place(stream=stream.number, tokens=short), score=EXPECTED)
        values = [run.tokens for run in stream.runs] + [date.tokens for date in stream.dates]
        if any(value.start in place.tokens for value in values):
            return
        for sentence in sentences(stream, place.tokens):
            inside = content(stream, sentence)
            if inside and not evades(stream, sentence):
                if len(inside) <= _MAX_ANSWER_WORDS:
                    yield Hit(place=Place(stream=stream.number, tokens=inside), score=EXPECTED)
                return
