"""Word error rate, blind to case, punctuation and the way numbers are written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from callveil.errors import ConfigError
from callveil.evaluation.truth import TruthCall
from callveil.vocabulary.transcript import Word

_DIGITS = {
    "zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8,
    "nine": 9,
}  # fmt: skip
_TEENS = {
    "ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16,
    "seventeen": 17, "eighteen": 18, "nineteen": 19,
}  # fmt: skip
_TENS = {
    "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80,
    "ninety": 90,
}  # fmt: skip
_ORDINALS = {
    "first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8,
    "ninth": 9, "tenth": 10, "eleventh": 11, "twelfth": 12, "thirteenth": 13, "fourteenth": 14,
    "fifteenth": 15, "sixteenth": 16, "seventeenth": 17, "eighteenth": 18, "nineteenth": 19,
    "twentieth": 20, "thirtieth": 30,
}  # fmt: skip
_SCALES = {"hundred": 100, "thousand": 1000, "million": 1_000_000}
_REPEATS = {"double": 2, "triple": 3}
_DROPPED = {
    "um", "uh", "er", "erm", "hm", "hmm", "mm", "mhm", "mmhm", "uhhuh",
    "dollar", "dollars", "pound", "pounds", "euro", "euros", "cents", "pence", "percent", "point",
}  # fmt: skip
_TOKEN = re.compile(r"\d+|[^\W\d_]+")
_INSIDE_NUMBER = re.compile(r"(?<=\d)[,.](?=\d)")
_ORDINAL_END = re.compile(r"(?<=\d)(st|nd|rd|th)\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class WerScore:
    """Errors against a reference. Scores of several calls are added up with `+`.

    Attributes:
        words: Words of the reference, each digit of a number being one.
        substituted: Heard as another word.
        deleted: Not heard.
        inserted: Heard, but not said.
    """

    words: int
    substituted: int
    deleted: int
    inserted: int

    @property
    def rate(self) -> float:
        """The word error rate, 0 and up."""
        wrong = self.substituted + self.deleted + self.inserted
        return wrong / self.words if self.words else 0.0

    def __add__(self, other: WerScore) -> WerScore:
        return WerScore(
            words=self.words + other.words,
            substituted=self.substituted + other.substituted,
            deleted=self.deleted + other.deleted,
            inserted=self.inserted + other.inserted,
        )


def score_wer(call: TruthCall, words: Iterable[Word], *, mixed: bool = False) -> WerScore:
    """Score what a recogniser heard in a labelled call, channel by channel.

    Args:
        call: What was said.
        words: What was heard, on the channels of the call.
        mixed: The words were heard in a mono mix, so all turns are one reference.

    Raises:
        ConfigError: The extra "evaluate" is not installed.
    """
    heard = sorted(words, key=lambda word: word.start_s)
    turns = sorted(call.turns, key=lambda turn: turn.span.start_s)
    total = WerScore(words=0, substituted=0, deleted=0, inserted=0)
    for channel in [None] if mixed else range(len(call.channels)):
        said = " ".join(t.span.text for t in turns if channel is None or t.span.channel == channel)
        text = " ".join(w.text for w in heard if channel is None or w.channel == channel)
        total += compare(said, text)
    return total


def compare(said: str, heard: str) -> WerScore:
    """Score one text against another.

    Args:
        said: The reference.
        heard: The hypothesis.

    Raises:
        ConfigError: The extra "evaluate" is not installed.
    """
    try:
        import jiwer
    except ModuleNotFoundError as error:
        raise ConfigError("word error rate: needs jiwer; pip install 'callveil[evaluate]'") from error
    reference, hypothesis = normalise(said), normalise(heard)
    if not reference:  # jiwer refuses an empty reference
        return WerScore(words=0, substituted=0, deleted=0, inserted=len(hypothesis))
    output = jiwer.process_words(" ".join(reference), " ".join(hypothesis))
    return WerScore(
        words=len(reference),
        substituted=output.substitutions,
        deleted=output.deletions,
        inserted=output.insertions,
    )


def normalise(text: str) -> list[str]:
    """Lower-case words without punctuation, fillers and currency; every number as its digits, one by one.

    "four one one one", "4111" and "41 11" come out alike; so do "twenty seventeen" and "2017", "the 3rd" and
    "the third", "double two" and "22".

    Args:
        text: English, spoken or written form.
    """
    flat = text.lower().replace("'", "").replace("’", "").replace("mm-hm", "").replace("uh-huh", "")
    flat = _ORDINAL_END.sub("", _INSIDE_NUMBER.sub("", flat))
    tokens = [token for token in _TOKEN.findall(flat) if token not in _DROPPED]
    words: list[str] = []
    at = 0
    while at < len(tokens):
        digits, used = _number(tokens, at)
        words.extend(digits or [tokens[at]])
        at += max(used, 1)
    return words


def _number(tokens: Sequence[str], at: int) -> tuple[str, int]:
    """Digits of the number that begins at a token and how many tokens it takes; ("", 0) for none."""
    token = tokens[at]
    following = tokens[at + 1] if at + 1 < len(tokens) else ""
    if token.isdigit():
        return token, 1
    if token in _REPEATS and (following in _DIGITS or following == "oh" or following.isdigit()):
        digit = following if following.isdigit() else str(_DIGITS.get(following, 0))
        return digit * _REPEATS[token], 2
    if token in {"oh", "o"} and (_is_number(following) or (at > 0 and _is_number(tokens[at - 1]))):
        return "0", 1
    return _cardinal(tokens, at)


def _cardinal(tokens: Sequence[str], at: int) -> tuple[str, int]:
    value, used = _below_hundred(tokens, at)
    if not used:
        return "", 0
    total = 0
    while at + used < len(tokens) and tokens[at + used] in _SCALES:
        scale = _SCALES[tokens[at + used]]
        used += 1
        if scale == 100:
            value *= 100
        else:
            total, value = total + value * scale, 0
        skip = 1 if tokens[at + used : at + used + 1] == ["and"] else 0
        more, extra = _below_hundred(tokens, at + used + skip)
        if extra:
            value, used = value + more, used + skip + extra
    return str(total + value), used


def _below_hundred(tokens: Sequence[str], at: int) -> tuple[int, int]:
    token = tokens[at] if at < len(tokens) else ""
    following = tokens[at + 1] if at + 1 < len(tokens) else ""
    if token in _TENS:
        unit = _DIGITS.get(following, 0) or (_ORDINALS.get(following, 0) if following in _ORDINALS else 0)
        return (_TENS[token] + unit, 2) if 0 < unit < 10 else (_TENS[token], 1)
    for names in (_DIGITS, _TEENS, _ORDINALS):
        if token in names:
            return names[token], 1
    return 0, 0


def _is_number(token: str) -> bool:
    return token.isdigit() or token in _DIGITS or token in _TEENS or token in _TENS or token in {"oh", "o"}
