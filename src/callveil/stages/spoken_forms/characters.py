"""What a run of tokens stands for: digits and letters, each knowing its token."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import Enum

from callveil.stages.spoken_forms.lexicon import (
    COURTESY,
    FUNCTION_WORDS,
    HOMOPHONES,
    LETTER_NAMES,
    MULTIPLIERS,
    PHONETIC,
    PLURALS,
    SCALES,
    SPELLING_LINKS,
    TEENS,
    TENS,
    UNITS,
    words,
)
from callveil.stages.spoken_forms.tokens import Token

Char = tuple[str, int]
"""A character and the index of its token in the sequence that was read."""

_ORDINAL = re.compile(r"\d+(?:st|nd|rd|th)s?")
_MIXED = re.compile(r"(?=.*\d)[a-z0-9]{2,}")
_CLOCK = re.compile(r"\d{1,2}[ap]m")
_NUMERAL = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?")
_NOT_SPELLED = words("ok tv uk us usa eu id pin iban dvd pc it vat cv cvv cvc ni nhs ssn dob am pm mr")


class Strength(Enum):
    """How surely a token is part of a number or a spelling."""

    NONE = 0
    WEAK = 1
    """Only next to a surer one: "a", "oh", "hotel", "double", an upper-case word."""
    STRONG = 2


def strength(token: Token) -> Strength:
    """How surely a token on its own is a digit, a number or a letter."""
    text = token.text
    if _NUMERAL.fullmatch(text) or (_MIXED.fullmatch(text) and not _ORDINAL.fullmatch(text)):
        return Strength.NONE if _CLOCK.fullmatch(text) else Strength.STRONG
    if text in TEENS or text in TENS or text in PLURALS or (text in UNITS and text not in {"oh", "o", "one"}):
        return Strength.STRONG
    if len(text) == 1 and text.isalpha():
        return Strength.WEAK if text in "aio" and not token.lead else Strength.STRONG
    if text in PHONETIC or text in MULTIPLIERS or text in SCALES or text in {"oh", "one", "x-ray"}:
        return Strength.WEAK
    common = text in _NOT_SPELLED or (len(text) >= 3 and text in FUNCTION_WORDS | COURTESY)
    if token.upper and 2 <= len(text) <= 5 and text.isalpha() and not common:
        return Strength.WEAK
    return Strength.NONE


def spelling_link(tokens: Sequence[Token], at: int) -> int:
    """How many tokens after the letter at `at` explain it: 2 in "V for Victor", 0 when none do."""
    letter = tokens[at].text[-1:]
    if not letter.isalpha() or tokens[at].ends_sentence:
        return 0
    for link in SPELLING_LINKS:
        example = at + len(link) + 1
        words = tuple(token.text for token in tokens[at + 1 : example])
        if words == link and example < len(tokens):
            word = tokens[example].text
            if len(word) > 1 and word.isalpha() and (word[0] == letter or word in PHONETIC):
                return len(link) + 1
    return 0


def read(tokens: Sequence[Token]) -> tuple[Char, ...]:
    """The characters that a run of tokens stands for.

    "double four" gives "44", "forty-two" "42", "nine hundred" "900", "four fives" "5555", "V for Victor"
    "V", "triple oh" "000"; words that stand for nothing (dash, fillers) give nothing.

    Args:
        tokens: Tokens of one run, in spoken order.

    Returns:
        Upper-case characters with the index of their token.
    """
    chars: list[Char] = []
    at = 0
    while at < len(tokens):
        if _is_letter_o(tokens, at, chars):
            found, used = [("O", at)], 1
        else:
            found, used = _read_one(tokens, at)
        chars.extend(found)
        at += used
    return tuple(chars)


def _is_letter_o(tokens: Sequence[Token], at: int, chars: Sequence[Char]) -> bool:
    """An "O" is a letter after a letter, or at the beginning before one; else it is a zero."""
    if tokens[at].text != "o":
        return False
    if chars:
        return chars[-1][0].isalpha()
    after = tokens[at + 1].text if at + 1 < len(tokens) else ""
    return len(after) == 1 and after.isalpha() and after != "o"


def _read_one(tokens: Sequence[Token], at: int) -> tuple[list[Char], int]:
    text = tokens[at].text
    if text in MULTIPLIERS and at + 1 < len(tokens):
        inner, used = _read_one(tokens, at + 1)
        if inner:
            return [(inner[0][0], at)] * (MULTIPLIERS[text] - 1) + inner, used + 1
        return [], 1
    repeated = _repeated(tokens, at)
    if repeated:
        return repeated
    number, used = _number(tokens, at)
    if number:
        return [(char, at) for char in number], used
    if text in PLURALS:
        return [(PLURALS[text], at)], 1
    if _NUMERAL.fullmatch(text) or _MIXED.fullmatch(text):
        return [(char, at) for char in text.upper() if char.isalnum()], 1
    link = spelling_link(tokens, at)
    if len(text) == 1 and text.isalpha():
        return [(text.upper(), at)], 1 + link
    if text in PHONETIC:
        return [(PHONETIC[text], at)], 1
    if strength(tokens[at]) is Strength.WEAK and text.isalpha() and tokens[at].upper:
        return [(char, at) for char in text.upper()], 1
    if text in LETTER_NAMES and link:
        return [(LETTER_NAMES[text], at)], 1 + link
    if text in HOMOPHONES and at == 0:
        return [(HOMOPHONES[text], at)], 1
    return [], 1


def _repeated(tokens: Sequence[Token], at: int) -> tuple[list[Char], int] | None:
    """As in "four fives" or "four more fives"."""
    count = UNITS.get(tokens[at].text) or (tokens[at].text if tokens[at].text in "123456789" else None)
    step = 1
    if count is None:
        return None
    if at + 1 < len(tokens) and tokens[at + 1].text == "more":
        step = 2
    if at + step < len(tokens) and tokens[at + step].text in PLURALS:
        return [(PLURALS[tokens[at + step].text], at)] * int(count), step + 1
    return None


def _small(tokens: Sequence[Token], at: int) -> tuple[str, int]:
    """A number below one hundred: "seven", "seventeen", "seventy seven"."""
    token = tokens[at]
    if token.text in UNITS:
        return UNITS[token.text], 1
    if token.text in TEENS:
        return TEENS[token.text], 1
    if token.text in TENS:
        tens = TENS[token.text]
        follows = tokens[at + 1] if at + 1 < len(tokens) and not token.trail else None
        if follows and follows.turn == token.turn and UNITS.get(follows.text, "0") != "0":
            return tens + UNITS[follows.text], 2
        return tens + "0", 1
    if token.text.isdigit() and len(token.text) <= 2:
        return token.text, 1
    return "", 0


def _number(tokens: Sequence[Token], at: int) -> tuple[str, int]:
    """A number with its hundreds and thousands, as digits; ("", 0) when the token begins none."""
    digits, used = _small(tokens, at)
    if not digits:
        return "", 0
    value, total = int(digits), 0
    scaled = False
    while at + used < len(tokens) and tokens[at + used].text in SCALES:
        if tokens[at + used - 1].trail or (value == 0):
            break
        scale = SCALES[tokens[at + used].text]
        used, scaled = used + 1, True
        if scale == 1000:
            total, value = total + value * 1000, 0
        else:
            value *= 100
        rest, rest_used = _rest(tokens, at + used, below=scale)
        value, used = value + rest, used + rest_used
    return (str(total + value), used) if scaled else (digits, used)


def _rest(tokens: Sequence[Token], at: int, *, below: int) -> tuple[int, int]:
    """What follows a hundred or a thousand: "and four", "forty eight"."""
    if at >= len(tokens) or tokens[at - 1].trail:
        return 0, 0
    skip = 1 if tokens[at].text == "and" and at + 1 < len(tokens) else 0
    digits, used = _small(tokens, at + skip)
    after = at + skip + used
    if digits and not skip and len(digits) == 1 and after < len(tokens) and tokens[after].text in UNITS:
        return 0, 0
    if digits and int(digits) > 0 and int(digits) < below:
        return int(digits), used + skip
    return 0, 0
