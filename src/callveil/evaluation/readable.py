"""Whether a recogniser can still read personal data: of a redacted recording, the independent leak rate.

A value is read when enough of it is heard where it was said, on its own channel or, as crosstalk, on the
other: in digits and letters for numbers and spellings, as a telling word for names, addresses and passwords.
In doubt it counts as read: one part of an interrupted value is enough.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher

from callveil.evaluation.truth import TruthCall, TruthPii, TruthSpan
from callveil.stages.spoken_forms import Token, find_runs, read, sounds_alike, tokenise
from callveil.stages.spoken_forms.lexicon import (
    COURTESY,
    FILLERS,
    FUNCTION_WORDS,
    JOINERS,
    MONTHS,
    MULTIPLIERS,
    ORDINALS,
    PHONETIC,
    PLURALS,
    SCALES,
    TEENS,
    TENS,
    UNITS,
    words,
)
from callveil.vocabulary.pii import Entity
from callveil.vocabulary.transcript import Turn, Word

NEAR_S = 1.5
"""Words this far before and after a stretch may be of it: recognisers time words beside a silence badly."""

_CROSSTALK_NEAR_S = 0.5
_INSIDE_S = 0.3
_SHORTEST = 3
_WHOLE_UP_TO = 4
_LEAST_RUN = 4
_LEAST_SHARE = 0.6
_LEAST_PIECE = 3
_LEAST_IN_PIECES = 0.8
_LEAST_LETTERS = 3
_LEAST_GLUED_LETTERS = 5
_SPOKEN_WORD_S = 0.4

_DATES = frozenset({Entity.DATE_OF_BIRTH, Entity.CARD_EXPIRY})
_WORDY = frozenset(
    {Entity.PERSON, Entity.ADDRESS, Entity.EMAIL_ADDRESS, Entity.PASSWORD_OR_PIN, Entity.MEDICAL}
)
_LETTERS = re.compile(r"[^\W\d_]+")
_ORDINAL = re.compile(r"(\d{1,2})(?:st|nd|rd|th)")
_UNIT_NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_NUMBERS = {*UNITS, *TEENS, *TENS, *PLURALS, *SCALES, *MULTIPLIERS, *ORDINALS}
_FORMS = words(
    "com org net www gmail googlemail yahoo hotmail outlook icloud example email mail "
    "road street lane avenue drive close court way flat house unit apartment "
    "miz missus mister doctor word words"
)
_COMMON = FUNCTION_WORDS | COURTESY | FILLERS | JOINERS | _NUMBERS | _FORMS
_SPELLED_WITH = PHONETIC.keys() | MONTHS.keys()


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueRead:
    """Whether one value was read. Which, never what.

    Attributes:
        id: Of its first stretch in the truth.
        entity: Its kind.
        read: Any of its stretches was.
    """

    id: str
    entity: Entity
    read: bool


def read_values(truth: TruthCall, heard: Iterable[Word], *, mixed: bool = False) -> tuple[ValueRead, ...]:
    """Look for every value of a labelled call in what a recogniser heard.

    Args:
        truth: The labels.
        heard: Words of all channels, whatever recording they were heard in.
        mixed: They were heard in a mono mix, so each may be of any channel.

    Returns:
        One entry per value; the stretches of an interrupted value are one.
    """
    listened = tuple(heard)
    found: dict[tuple[str, object], ValueRead] = {}
    for pii in truth.pii:
        key = ("id", pii.id) if pii.mention is None else ("mention", pii.mention)
        known = found.get(key)
        if known is None:
            known = found[key] = ValueRead(id=pii.id, entity=pii.entity, read=False)
        if not known.read and can_read(pii, truth, listened, mixed=mixed):
            found[key] = replace(known, read=True)
    return tuple(found.values())


def can_read(pii: TruthPii, truth: TruthCall, heard: Sequence[Word], *, mixed: bool = False) -> bool:
    """True when a stretch of personal data can be read from what was heard about it.

    What was heard inside another labelled stretch counts for that one. Where the same was also said in other
    words close by, only what was heard within the stretch itself counts.

    Args:
        pii: The stretch.
        truth: The labels of its call.
        heard: As in `read_values`.
        mixed: As in `read_values`.
    """
    value = _Value.of(pii, interrupted=sum(other.mention == pii.mention for other in truth.pii) > 1)
    labelled = _labelled(truth, pii)
    for channel in [0] if mixed else range(len(truth.channels)):
        reach_s = NEAR_S if mixed or channel == pii.span.channel else _CROSSTALK_NEAR_S
        others = [span for span in labelled if mixed or span.channel == channel]
        said = [*others, *(span for span in _plain(truth, pii, labelled) if mixed or span.channel == channel)]
        close = " . ".join(span.text for span in said if _gap_s(span, pii.span) < NEAR_S + _INSIDE_S)
        if value.is_in(_as_spoken(close)):
            reach_s = _INSIDE_S
        own = [word for word in heard if mixed or word.channel == channel]
        if value.is_in(tuple(_near(own, pii.span, reach_s, others))):
            return True
    return False


def heard_at(
    pii: TruthPii, truth: TruthCall, heard: Sequence[Word], *, mixed: bool = False
) -> tuple[Word, ...]:
    """The words heard where a stretch of personal data was said, right or wrong; see `can_read`."""
    own = [word for word in heard if mixed or word.channel == pii.span.channel]
    others = [span for span in _labelled(truth, pii) if mixed or span.channel == pii.span.channel]
    return tuple(_near(own, pii.span, _INSIDE_S, others))


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class _Value:
    """What is looked for: any of the character strings, or any of the words."""

    strings: tuple[str, ...]
    words: tuple[str, ...]
    dated: bool

    @classmethod
    def of(cls, pii: TruthPii, *, interrupted: bool) -> _Value:
        dated, wordy = pii.entity in _DATES, pii.entity in _WORDY
        spoken = _characters(_as_spoken(pii.span.text), dated=dated, strict=True)
        is_spelled = len(spoken) >= _SHORTEST
        telling = set(_telling_words(pii)) if wordy or not is_spelled else set()
        # A name of two letters is all there is to look for; two characters of more are not enough.
        strings = {spoken} if is_spelled or (spoken and not telling) else set()
        if pii.canonical and not interrupted and not wordy:
            strings.add("".join(char for char in pii.canonical.upper() if char.isalnum()))
        strings.discard("")
        return cls(strings=tuple(sorted(strings)), words=tuple(sorted(telling)), dated=dated)

    def is_in(self, heard: Sequence[Word]) -> bool:
        """True when words give the value away."""
        characters = _characters(heard, dated=self.dated) if self.strings else ""
        return any(_shares(text, characters) for text in self.strings) or any(
            _same_word(said, word) for said in _letter_words(heard) for word in self.words
        )


def _telling_words(pii: TruthPii) -> Iterator[str]:
    spelled = len(_characters(_as_spoken(pii.span.text), dated=False, strict=True)) >= _SHORTEST
    dropped = _COMMON | _SPELLED_WITH if spelled else _COMMON
    for text, common in ((pii.span.text, dropped), (pii.canonical or "", _COMMON)):
        for word in _LETTERS.findall(text.lower()):
            if len(word) >= _LEAST_LETTERS and word not in common:
                yield word


def _letter_words(heard: Sequence[Word]) -> set[str]:
    return {
        word
        for each in heard
        for word in _LETTERS.findall(each.text.lower().removesuffix("'s"))
        if len(word) >= _LEAST_LETTERS and word not in _COMMON
    }


def _same_word(said: str, word: str) -> bool:
    glued = len(word) >= _LEAST_GLUED_LETTERS and word in said  # as in "annother@example.com"
    return said == word or glued or sounds_alike(said, word)


def _shares(value: str, heard: str) -> bool:
    """Enough of a string is in another: all of a short one, else a long run, or nearly all in pieces."""
    if value.isdigit():
        heard = "".join(char for char in heard if char.isdigit())
    if len(value) <= _WHOLE_UP_TO:
        return value in heard
    blocks = [
        block.size for block in SequenceMatcher(None, value, heard, autojunk=False).get_matching_blocks()
    ]
    run = max(blocks) >= max(_LEAST_RUN, math.ceil(_LEAST_SHARE * len(value)))
    pieces = sum(size for size in blocks if size >= _LEAST_PIECE)
    return run or pieces >= _LEAST_IN_PIECES * len(value)


def _characters(heard: Sequence[Word], *, dated: bool, strict: bool = False) -> str:
    """Digits, and letters that are spelled, one after the other; in dates a month is two digits.

    A digit on its own counts unless `strict`: what is heard of a number may be in pieces.
    """
    if not heard:
        return ""
    tokens = tokenise([Turn(speaker="", channel=heard[0].channel, words=tuple(heard))], 0, [0])
    if dated:
        tokens = tuple(_dated(tokens, at) for at in range(len(tokens)))
    spelled = {index for run in find_runs(tokens, breaks=lambda _, __: False) for index in run.tokens}
    return "".join(
        char for char, index in read(tokens) if index in spelled or (char.isdigit() and not strict)
    )


def _dated(tokens: Sequence[Token], at: int) -> Token:
    """A month or an ordinal as the number it is: "March" 03, "third" three, "23rd" 23."""
    text = tokens[at].text
    if text in MONTHS:
        return replace(tokens[at], text=f"{MONTHS[text]:02}")
    ordinal = _ORDINAL.fullmatch(text)
    if ordinal:
        return replace(tokens[at], text=ordinal.group(1))
    if text in ORDINALS:
        number = ORDINALS[text]
        return replace(tokens[at], text=_UNIT_NAMES[number] if number < len(_UNIT_NAMES) else str(number))
    return tokens[at]


def _as_spoken(text: str) -> tuple[Word, ...]:
    """The words of a label; their times only put them in order."""
    return tuple(
        Word(
            text=word,
            start_s=index * _SPOKEN_WORD_S,
            end_s=(index + 1) * _SPOKEN_WORD_S,
            probability=1.0,
            channel=0,
        )
        for index, word in enumerate(text.split())
    )


def _labelled(truth: TruthCall, pii: TruthPii) -> list[TruthSpan]:
    """The labelled stretches of a call but for one."""
    return [
        *(other.span for other in truth.pii if other is not pii),
        *truth.optional,
        *(benign.span for benign in truth.benign),
    ]


def _plain(truth: TruthCall, pii: TruthPii, labelled: Sequence[TruthSpan]) -> Iterator[TruthSpan]:
    """What is said without a label, where the truth tells the times of it."""
    for turn in truth.turns:
        for piece in turn.pieces:
            if not any(_overlap_s(piece, span) > 0 for span in (pii.span, *labelled)):
                yield piece


def _near(
    heard: Sequence[Word], span: TruthSpan, reach_s: float, others: Sequence[TruthSpan]
) -> Iterator[Word]:
    """Words heard in a stretch or close to it, in order, but not those in the middle of another."""
    for word in sorted(heard, key=lambda each: each.start_s):
        middle_s = (word.start_s + word.end_s) / 2
        away_s = max(span.start_s - middle_s, middle_s - span.end_s, 0.0)
        is_others = any(other.start_s <= middle_s <= other.end_s for other in others)
        if away_s == 0.0 or (away_s <= reach_s and not is_others):
            yield word


def _gap_s(first: TruthSpan, second: TruthSpan) -> float:
    return max(first.start_s, second.start_s) - min(first.end_s, second.end_s)


def _overlap_s(first: TruthSpan, second: TruthSpan) -> float:
    return -_gap_s(first, second) if first.channel == second.channel else 0.0
