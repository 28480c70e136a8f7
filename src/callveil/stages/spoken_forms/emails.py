"""E-mail addresses, spoken ("john dot smith at example dot com") or written by the recogniser."""

from __future__ import annotations

import re
from collections.abc import Sequence

from callveil.stages.spoken_forms.characters import Strength, strength
from callveil.stages.spoken_forms.lexicon import FILLERS, FUNCTION_WORDS, words
from callveil.stages.spoken_forms.tokens import Token

_WRITTEN = re.compile(r"[^@\s]+@[^@\s]+")
_TOP_LEVEL = words("com org net co uk edu gov io us ca au eu de fr es it ie info biz me tv nz in")
_PROVIDERS = words(
    "gmail googlemail yahoo hotmail outlook icloud aol msn live protonmail proton btinternet comcast "
    "verizon sky me gmx"
)
_LOCAL_JOINERS = words("dot underscore dash hyphen plus point period minus slash")
_PHRASES = words("all one word lower lowercase case capital no spaces letter number digits then with")
_STOP = (FUNCTION_WORDS - _PHRASES) | words("email e-mail mail address is")
_MAX_LOCAL = 40
_UNSURE = 0.5
_MOST_MISHEARD = 6
_BREATH_S = 0.5


def find_emails(tokens: Sequence[Token]) -> tuple[range, ...]:
    """Find e-mail addresses in one speaker's tokens.

    The end is found first ("dot com", "at gmail", a written address); the name in front of it is followed
    back over letters, joiners and words until a word that belongs to the sentence.

    Args:
        tokens: One speaker's tokens in spoken order.

    Returns:
        Ranges of token indices, in order, not overlapping.
    """
    found: list[range] = []
    floor = 0
    for index, token in enumerate(tokens):
        if index < floor:
            continue
        stop = _domain_end(tokens, index)
        if stop is None:
            continue
        sign = _at_sign(tokens, index, floor)
        written = _WRITTEN.search(token.text) is not None
        start = (
            _local_start(tokens, index if written else sign, floor) if written or sign is not None else None
        )
        if start is None:
            continue
        found.append(range(start, stop))
        floor = stop
    return tuple(found)


def _domain_end(tokens: Sequence[Token], at: int) -> int | None:
    """Index after the domain whose telling word stands at `at`; None when there is none."""
    token = tokens[at]
    if _WRITTEN.search(token.text):
        return _more_domain(tokens, at + 1)
    before = tokens[at - 1] if at else None
    if (
        token.text in _TOP_LEVEL
        and before is not None
        and ("." in token.lead or before.text in {"dot", "point"})
    ):
        return _more_domain(tokens, at + 1)
    if "." in token.text and token.text.rsplit(".", 1)[1] in _TOP_LEVEL:
        return _more_domain(tokens, at + 1)
    if token.text in _PROVIDERS and before is not None and (before.text == "at" or "@" in token.lead):
        return _more_domain(tokens, at + 1)
    return None


def _more_domain(tokens: Sequence[Token], at: int) -> int:
    """Take in "dot co dot uk" after what was found."""
    while at < len(tokens):
        if tokens[at].text in _TOP_LEVEL and "." in tokens[at].lead:
            at += 1
        elif (
            tokens[at].text in {"dot", "point"} and at + 1 < len(tokens) and tokens[at + 1].text in _TOP_LEVEL
        ):
            at += 2
        else:
            break
    return at


def _at_sign(tokens: Sequence[Token], at: int, floor: int) -> int | None:
    """The "at" before a domain, within a few words."""
    for index in range(at, max(floor, at - 7) - 1, -1):
        if "@" in tokens[index].text or "@" in tokens[index].lead:
            return index
        if tokens[index].text == "at" and index < at:
            return index
    return None


def _local_start(tokens: Sequence[Token], sign: int | None, floor: int) -> int | None:
    """Where the name in front of the "at" begins; None when nothing stands there."""
    if sign is None:
        return None
    start, plain = sign, 0
    for index in range(sign - 1, max(floor, sign - _MAX_LOCAL) - 1, -1):
        token = tokens[index]
        next_one = tokens[index + 1]
        if next_one.start_s - token.end_s > 6.0:
            break
        joined = "." in next_one.lead or next_one.text in _LOCAL_JOINERS
        spelled = strength(token) is not Strength.NONE or token.text in _LOCAL_JOINERS
        if spelled or token.text in _PHRASES or (token.text in FILLERS and token.text not in _STOP):
            start = index if spelled or token.text in _PHRASES else start
            continue
        unsure = token.probability < _UNSURE
        if (token.text in _STOP and not joined and not unsure) or (
            token.ends_sentence and not joined and start < sign
        ):
            break
        if token.text in _STOP and joined and not unsure and token.text not in {"me", "my", "the", "will"}:
            break
        plain = 0 if joined else plain + 1
        if plain > 3:
            break
        start = index
    if start == sign and "@" not in tokens[sign].text:
        start = _breath_start(tokens, sign, floor)
    return start if start < sign or "@" in tokens[sign].text else None


def _breath_start(tokens: Sequence[Token], sign: int, floor: int) -> int:
    """Where the words right before the "at" begin: a name that was misheard as a part of the sentence."""
    start = sign
    while start > max(floor, sign - _MOST_MISHEARD):
        before = tokens[start - 1]
        if before.ends_sentence or tokens[start].start_s - before.end_s > _BREATH_S:
            break
        start -= 1
    joined = any(token.text in _LOCAL_JOINERS or token.probability < _UNSURE for token in tokens[start:sign])
    return start if joined else sign
