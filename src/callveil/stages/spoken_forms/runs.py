"""Runs: what one speaker says digit by digit and letter by letter, over pauses, fillers and turns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from callveil.stages.spoken_forms.characters import Char, Strength, read, spelling_link, strength
from callveil.stages.spoken_forms.lexicon import (
    COUNT_LEADS,
    COUNTED,
    FILLERS,
    HOMOPHONES,
    JOINERS,
    LETTER_NAMES,
    MULTIPLIERS,
    PLURALS,
    SCALES,
    UNITS,
    words,
)
from callveil.stages.spoken_forms.tokens import Token

_CURRENCY_LEADS = "$£€"
_CURRENCY_WORDS = words("pound pounds quid dollar dollars buck bucks euro euros")
_BEFORE_TO = words("comes came amounts up down from back over on according due next closer")
_MAX_GLUE = 4
_SIGNS = words("dash hyphen slash stroke space underscore")
_UNSURE = 0.4
_NO_COUNT_DIGITS = 7
_NO_LEAN_TOKENS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run of digits and letters of one speaker.

    Attributes:
        tokens: Indices into the stream's tokens, first to last without a hole.
        chars: The characters with the stream index of their token.
        counts: It measures or counts something: a price, a quantity, a time.
        leans: A weaker sign of the same: "about", "from", "version" stands before it.
        signed: The only sign of counting is a currency sign, which recognisers invent.
        natural: Said as one number ("four hundred and twelve", "1,206", "2.4").
    """

    tokens: range
    chars: tuple[Char, ...]
    counts: bool
    leans: bool
    signed: bool
    natural: bool

    def __repr__(self) -> str:
        return f"Run({len(self.chars)} characters)"

    @property
    def text(self) -> str:
        """The characters."""
        return "".join(char for char, _ in self.chars)

    @property
    def digits(self) -> str:
        """Its digits alone."""
        return "".join(char for char, _ in self.chars if char.isdigit())

    @property
    def n_letters(self) -> int:
        """How many of its characters are letters."""
        return sum(char.isalpha() for char, _ in self.chars)


def find_runs(tokens: Sequence[Token], *, breaks: Callable[[Token, Token], bool]) -> tuple[Run, ...]:
    """Find the runs of one speaker.

    Args:
        tokens: The speaker's tokens in spoken order.
        breaks: True when something between two tokens of the speaker ends a run: a question of the other
            party, a long pause.

    Returns:
        Runs in spoken order, not overlapping.
    """
    members = _members(tokens)
    groups: list[list[int]] = []
    for index in members:
        if groups and _connects(tokens, groups[-1][-1], index, breaks):
            groups[-1].append(index)
        else:
            groups.append([index])
    runs = [_run(tokens, group) for group in groups]
    return tuple(run for run in runs if run.chars)


def _members(tokens: Sequence[Token]) -> list[int]:
    """Indices of the tokens that belong to a run: strong ones, and weak ones beside them."""
    kept = {index for index, token in enumerate(tokens) if strength(token) is Strength.STRONG}
    weak = [index for index, token in enumerate(tokens) if strength(token) is Strength.WEAK]
    for index in list(range(len(tokens))):
        token = tokens[index]
        if len(token.text) == 1 or token.text in LETTER_NAMES:
            explained = spelling_link(tokens, index)
            kept.update(range(index, index + explained + 1) if explained else ())
    pairs = {
        index for a, b in pairwise(weak) if b == a + 1 and _pair(tokens[a], tokens[b]) for index in (a, b)
    }
    kept |= pairs
    kept |= {index for index in weak if _after_scale(tokens, index)}
    kept |= {index for index in weak if tokens[index].upper and _before_a_dash(tokens, index, kept)}
    for order in (weak, weak[::-1]):
        for index in order:
            beside = any(near in kept and _near(tokens, near, index) for near in (index - 1, index + 1))
            if beside or _over_a_filler(tokens, index, kept):
                kept.add(index)
    return sorted(kept - {index for index in kept if _stray_article(tokens, index, kept)})


def _over_a_filler(tokens: Sequence[Token], index: int, kept: set[int]) -> bool:
    """A digit word with a filler between it and the run before it: "five, um, one"."""
    if tokens[index].text == "one" and index + 2 in kept and tokens[index].trail:
        between = tokens[index + 1]
        return between.text in FILLERS | JOINERS and _near(tokens, index, index + 2)
    if index - 2 not in kept or tokens[index].text not in UNITS:
        return False
    between = tokens[index - 1]
    return (
        between.text in FILLERS | JOINERS
        and _near(tokens, index - 2, index - 1)
        and _near(tokens, index - 1, index)
    )


def _after_scale(tokens: Sequence[Token], index: int) -> bool:
    """As the last word of "two thousand and one"."""
    if index < 2 or tokens[index].text != "one" or tokens[index - 1].text != "and":
        return False
    return tokens[index - 2].text in SCALES and not tokens[index - 2].trail


def _before_a_dash(tokens: Sequence[Token], index: int, kept: set[int]) -> bool:
    """Letters before a spoken sign and more characters: "LT dash zero"."""
    return index + 2 in kept and tokens[index + 1].text in _SIGNS


def _pair(first: Token, second: Token) -> bool:
    """Two weak tokens that make each other sure: "double oh", "Charlie Tango", "oh one"."""
    if first.trail and first.ends_sentence:
        return False
    words = {first.text, second.text}
    return not words & {"a", "i", "o"} and not (first.upper and second.upper and len(words) == 1)


def _near(tokens: Sequence[Token], first: int, second: int) -> bool:
    low, high = sorted((first, second))
    return not tokens[low].ends_sentence and tokens[high].start_s - tokens[low].end_s < 1.5


def _stray_article(tokens: Sequence[Token], index: int, kept: set[int]) -> bool:
    """A lone "a" or "I" is a word unless characters stand on the side where a spelling would go on."""
    token = tokens[index]
    if token.text not in {"a", "i"} or token.lead:
        return False
    after = index + 1 < len(tokens) and index + 1 in kept
    before = index > 0 and index - 1 in kept
    if before and (token.trail or after):
        return False
    if not before and after:
        follower = tokens[index + 1].text
        if len(follower) != 1 or not follower.isalpha():
            return True
        return not (bool(token.trail) or token.text == "i" or _letters_from(tokens, index + 1, kept) >= 3)
    return not before


def _letters_from(tokens: Sequence[Token], start: int, kept: set[int]) -> int:
    """How many single letters follow one another from here on."""
    stop = start
    while stop < len(tokens) and stop in kept and len(tokens[stop].text) == 1 and tokens[stop].text.isalpha():
        stop += 1
    return stop - start


def _connects(tokens: Sequence[Token], last: int, index: int, breaks: Callable[[Token, Token], bool]) -> bool:
    between = tokens[last + 1 : index]
    if any(breaks(first, second) for first, second in pairwise(tokens[last : index + 1])):
        return False
    words = [token.text for token in between]
    if len(words) > _MAX_GLUE or tokens[last].trail.startswith("%"):
        return False
    if _signed(tokens[index : index + 1]) or (
        _signed(tokens[last : last + 1]) and "." not in tokens[index].lead
    ):
        return False
    unsure = len(between) == 1 and between[0].probability < _UNSURE
    glue = FILLERS | JOINERS | HOMOPHONES.keys() | {"again", "more"}
    if words[-2:] in (["the", "number"], ["the", "letter"], ["the", "digit"]):
        words = words[:-2]
    return unsure or all(word in glue for word in words)


def _run(tokens: Sequence[Token], group: list[int]) -> Run:
    start, stop = group[0], group[-1] + 1
    start = _edge(tokens, start)
    stop = _times_in_a_row(tokens, start, stop)
    span = range(start, stop)
    chars = tuple((char, start + at) for char, at in read(tokens[start:stop]))
    digits = "".join(char for char, _ in chars if char.isdigit())
    spelled_out = len(digits) >= _NO_COUNT_DIGITS and not _natural(tokens[start:stop])
    return Run(
        tokens=span,
        chars=chars,
        counts=_counts(tokens, span) and not spelled_out,
        # Six digits said one by one are nobody's count: "sure, at zero four zero five one nine eight zero".
        leans=_leans(tokens, span, digits) and len({at for _, at in chars}) < _NO_LEAN_TOKENS,
        signed=_signed(tokens[start:stop]) and not _measured(tokens, span),
        natural=_natural(tokens[start:stop]),
    )


def _edge(tokens: Sequence[Token], start: int) -> int:
    """Take in "for" or "to" before a digit: a recogniser writes them for four and two."""
    before = tokens[start - 1] if start else None
    first = tokens[start]
    if (
        before is not None
        and before.text in {"for", "to", "too"}
        and ((first.text.isdigit() and len(first.text) >= 3) or _digit_by_digit(tokens, start))
        and not first.lead
        and not before.trail
        and not (start > 1 and tokens[start - 2].text in _BEFORE_TO)
        and before.turn == first.turn
    ):
        return start - 1
    return start


def _digit_by_digit(tokens: Sequence[Token], start: int) -> bool:
    """Three single digits from here on: "for zero three six"."""
    return (
        len(tokens) >= start + 3
        and all(token.text in UNITS and not token.trail for token in tokens[start : start + 2])
        and tokens[start + 2].text in UNITS
    )


def _times_in_a_row(tokens: Sequence[Token], start: int, stop: int) -> int:
    """Take in "four times in a row" after a run."""
    if stop < len(tokens) and tokens[stop].text == "times" and stop - start >= 3:
        stop += 1
        for word in ("in", "a", "row"):
            if stop < len(tokens) and tokens[stop].text == word:
                stop += 1
    return stop


def _counts(tokens: Sequence[Token], span: range) -> bool:
    return _signed(tokens[span.start : span.stop]) or _measured(tokens, span)


def _signed(tokens: Sequence[Token]) -> bool:
    signed = any(sign in token.lead for token in tokens for sign in _CURRENCY_LEADS)
    decimals = [len(token.text) for token in tokens if token.lead == "." and token.text.isdigit()]
    decimals += [len(token.text.partition(".")[2]) for token in tokens if "." in token.text]
    return signed and all(n_decimals == 2 for n_decimals in decimals)


def _measured(tokens: Sequence[Token], span: range) -> bool:
    """A unit, a currency or a clock stands around the run."""
    first, last = tokens[span.start], tokens[span.stop - 1]
    if last.trail.startswith("%") or ":" in first.written[1:-1]:
        return True
    clock = any(a.text in {"a", "p"} and b.text == "m" for a, b in pairwise(tokens[span.start : span.stop]))
    if clock and not (len(first.text) == 1 and first.text.isalpha()):
        return True
    before = tokens[span.start - 1] if span.start else None
    if before and before.text in _CURRENCY_WORDS and not before.ends_sentence:
        return first.start_s - before.end_s < 1.0
    if span.stop < len(tokens) and not last.ends_sentence:
        after = tokens[span.stop]
        same_breath = after.start_s - last.end_s < 1.0
        if same_breath and after.text in {"a", "p"} and span.stop + 1 < len(tokens):
            return tokens[span.stop + 1].text == "m" or (after.text == "a" and _per(tokens, span.stop))
        if same_breath and after.text in {"to", "until", "till"} and span.stop + 1 < len(tokens):
            return tokens[span.stop + 1].text.endswith(("am", "pm"))
        return same_breath and (
            after.text in COUNTED or (after.text in {"a", "an"} and _per(tokens, span.stop))
        )
    return False


def _per(tokens: Sequence[Token], at: int) -> bool:
    """As in "a day" or "a month"."""
    return at + 1 < len(tokens) and tokens[at + 1].text in {
        "day", "week", "month", "year", "night", "hour", "minute", "unit", "piece", "person", "pop",
    }  # fmt: skip


def _leans(tokens: Sequence[Token], span: range, digits: str) -> bool:
    if span.start == 0 or tokens[span.start - 1].ends_sentence:
        return False
    before = tokens[span.start - 1].text
    is_year = len(digits) == 4 and digits[:2] in {"19", "20"}
    return before in COUNT_LEADS or (before == "in" and is_year)


def _natural(tokens: Sequence[Token]) -> bool:
    if any("." in token.lead and token.text.isdigit() for token in tokens):
        return True
    if any("," in token.lead and token.text.isdigit() and len(token.text) == 3 for token in tokens):
        return True
    if any("," in token.text or "." in token.text for token in tokens):
        return True
    scales = sum(token.text in SCALES for token in tokens)
    return (
        scales > 0
        and len(tokens) - scales <= 2 * scales + 3
        and not any(token.text in MULTIPLIERS or token.text in PLURALS for token in tokens)
    )
