"""Spoken dates: "the third of March nineteen eighty-two", "3/3/82", "four, eleven, ninety-two"."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from callveil.stages.spoken_forms.lexicon import MONTHS, ORDINALS, PHONETIC, SCALES, TEENS, TENS, UNITS
from callveil.stages.spoken_forms.tokens import Token

_ORDINAL = re.compile(r"(\d{1,2})(?:st|nd|rd|th)")
_LINKS = frozenset({"the", "of", "in", "and", "day", "month", "year", "slash", "dash", "stroke", "hyphen"})
_FEASTS = (
    ("new", "year's", "eve"), ("new", "years", "eve"), ("new", "year's", "day"), ("new", "years", "day"),
    ("christmas", "day"), ("christmas", "eve"), ("boxing", "day"), ("valentine's", "day"),
    ("april", "fool's", "day"), ("april", "fools", "day"), ("april", "fools'", "day"), ("halloween",),
    ("independence", "day"), ("leap", "day"), ("leap", "year", "day"), ("saint", "patrick's", "day"),
    ("st", "patrick's", "day"), ("bonfire", "night"), ("mother's", "day"), ("may", "day"),
)  # fmt: skip
_MAX_PARTS = 9


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class SpokenDate:
    """A date, or a part of one, in one speaker's tokens.

    Attributes:
        tokens: Indices, first to last without a hole.
        month: 1 to 12 when a month was named, else None.
        has_day: A day was said, as an ordinal or a number up to 31.
        year: Four digits when the century was said, two when not, None without a year.
        named: A month, an ordinal or a feast was said, so that it is surely a date.
    """

    tokens: range
    month: int | None
    has_day: bool
    year: int | None
    named: bool

    @property
    def complete(self) -> bool:
        """True when day, month and year were said."""
        return self.has_day and self.year is not None and (self.month is not None or self.named)


def find_dates(tokens: Sequence[Token]) -> tuple[SpokenDate, ...]:
    """Find the dates that a month, an ordinal or a feast gives away.

    Args:
        tokens: One speaker's tokens in spoken order.

    Returns:
        Dates in spoken order, not overlapping.
    """
    dates: list[SpokenDate] = []
    at = 0
    while at < len(tokens):
        stop = _extent(tokens, at)
        date = _date(tokens, at, stop) if stop > at else None
        if date is None:
            at += 1
            continue
        dates.append(date)
        at = date.tokens.stop
    return tuple(dates)


def feast_length(tokens: Sequence[Token], at: int) -> int:
    """How many tokens name a feast day here; 0 when none."""
    for feast in _FEASTS:
        if tuple(token.text for token in tokens[at : at + len(feast)]) == feast:
            return len(feast)
    return 0


def is_date_word(token: Token) -> bool:
    """True for a month, an ordinal or a number word that a date is made of."""
    text = token.text
    return (
        text in MONTHS
        or text in ORDINALS
        or bool(_ORDINAL.fullmatch(text))
        or text in UNITS
        or text in TEENS
        or text in TENS
        or text in SCALES
        or (text.isdigit() and len(text) <= 8)
    )


def _extent(tokens: Sequence[Token], at: int) -> int:
    """Where the stretch of date words that begins here ends."""
    stop, parts, index = at, 0, at
    while index < len(tokens) and parts < _MAX_PARTS:
        if index > at and tokens[index].start_s - tokens[index - 1].end_s > 2.5:
            break
        feast = feast_length(tokens, index)
        if feast:
            index += feast
            stop, parts = index, parts + 1
        elif is_date_word(tokens[index]):
            index += 1
            stop, parts = index, parts + 1
        elif tokens[index].text in _LINKS and index > at:
            index += 1
        else:
            break
    return stop


def _date(tokens: Sequence[Token], start: int, stop: int) -> SpokenDate | None:
    words = tokens[start:stop]
    month = next((MONTHS[word.text] for word in words if word.text in MONTHS), None)
    feast = any(feast_length(tokens, index) for index in range(start, stop))
    ordinals = [word for word in words if word.text in ORDINALS or _ORDINAL.fullmatch(word.text)]
    if words[0].text == "may" and len(words) == 1 and not words[0].capital:
        return None
    if month is None and not feast and not ordinals:
        return None
    after = tokens[stop].text if stop < len(tokens) else ""
    if len(words) == 1 and (after in PHONETIC or (len(after) == 1 and after.isalpha() and after not in "ai")):
        return None
    linked = any(word.text in {"of", "the"} for word in words[1:])
    if month is None and not feast and len(ordinals) < 2 and not (linked and len(words) > 2):
        return None
    year, has_day = _year_and_day(words)
    return SpokenDate(
        tokens=range(start, stop),
        month=month,
        has_day=feast or bool(ordinals) or has_day,
        year=year,
        named=True,
    )


def _year_and_day(words: Sequence[Token]) -> tuple[int | None, bool]:
    """The year at the end of a date and whether a plain number names the day."""
    numbers: list[int] = []
    for index, word in enumerate(words):
        if index + 1 < len(words) and word.text in TENS and words[index + 1].text in ORDINALS:
            continue
        if word.text in TENS:
            numbers.append(int(TENS[word.text]) * 10)
        elif word.text in UNITS or word.text in TEENS:
            value = int(UNITS.get(word.text) or TEENS[word.text])
            if numbers and numbers[-1] in range(20, 100, 10) and value < 10:
                numbers[-1] += value
            else:
                numbers.append(value)
        elif word.text in SCALES and numbers:
            numbers[-1] *= SCALES[word.text]
        elif word.text.isdigit():
            numbers.append(int(word.text))
    if len(numbers) >= 2 and numbers[-2] in (2000, 1900) and numbers[-1] < 100:
        numbers[-2:] = [numbers[-2] + numbers[-1]]
    if len(numbers) >= 2 and numbers[-2] in (19, 20) and numbers[-1] < 100:
        numbers[-2:] = [numbers[-2] * 100 + numbers[-1]]
    year = next((value for value in reversed(numbers) if 1900 <= value <= 2100), None)
    if year is None:
        year = next((value for value in reversed(numbers[-1:]) if 31 < value < 100), None)
    if year is None and len(numbers) == 2 and numbers[-1] < 100:
        year = numbers[-1]
    return year, any(1 <= value <= 31 for value in numbers if value != year)
