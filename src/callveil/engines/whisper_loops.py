"""Whisper's loops: a word or two written again and again, while what was said goes unheard."""

from __future__ import annotations

from collections.abc import Sequence

from callveil.stages.spoken_forms.lexicon import UNITS
from callveil.vocabulary.transcript import Word

_LONGEST_RUN = 5
_LONGEST_NUMBER_RUN = 20
"""Spoken numbers repeat ("triple oh, oh oh oh"); a card number of one digit has 19 at most."""
_LONGEST_PERIOD = 3


def loops_in(words: Sequence[Word]) -> int:
    """How many words only repeat the one before them, in runs that nobody says."""
    return len(words) - len(without_loops(words))


def without_loops(words: Sequence[Word]) -> list[Word]:
    """Words without those of a loop; what was said there then counts as unheard."""
    texts = [word.text.strip(" -.,").lower() for word in words]
    kept: list[Word] = []
    at = 0
    while at < len(words):
        period, times = max(
            ((size, _times(texts, at, size)) for size in range(1, _LONGEST_PERIOD + 1)),
            key=lambda p: p[0] * p[1],
        )
        numbers = all(text in UNITS for text in texts[at : at + period])
        if times > (_LONGEST_NUMBER_RUN if numbers else _LONGEST_RUN):
            kept += words[at : at + period]
            at += period * times
        else:
            kept.append(words[at])
            at += 1
    return kept


def _times(texts: Sequence[str], at: int, size: int) -> int:
    """How often the next few words are said in a row."""
    first, times = texts[at : at + size], 1
    while texts[at + times * size : at + (times + 1) * size] == first:
        times += 1
    return times if len(first) == size else 1
