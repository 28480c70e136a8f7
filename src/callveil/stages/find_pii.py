"""From hits to findings: whole words, house lists, and every place where a found value is said again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher

from callveil.stages.cues import KEEP, RESET
from callveil.stages.dialogue import Dialogue
from callveil.stages.speaker_stream import Place, Stream
from callveil.stages.spoken_forms import Run, Token, sounds_alike
from callveil.stages.spoken_forms.lexicon import (
    COURTESY,
    FILLERS,
    FUNCTION_WORDS,
    SCALES,
    TEENS,
    TENS,
    UNITS,
    words,
)
from callveil.stages.unheard import INAUDIBLE
from callveil.vocabulary.pii import Entity, Finding

REPEAT_SCORE = 0.75
_SPLIT_GAP_S = 1.5
_CHAR_S = 0.26
_MOST_MISSING_S = 1.5
_REPEAT_MIN_CHARS = 3
_SIMILAR = 0.72
_SIMILAR_MIN_CHARS = 6
_LONGEST_LEAD = 2
_MISHEARD_MIN_CHARS = 5
_NUMBERS = frozenset([*UNITS, *TEENS, *TENS, *SCALES])
_MOST_MISHEARD = 3
_MOST_SPREAD = 4
_UNSURE = 0.6
_UNSURE_COMPOUND = 0.8
_LOST = 0.4
_BREATH_S = 0.4
_QUESTION_S = 20.0
_UNHEARD_GAP_S = 1.0
_NO_NAME = COURTESY | FUNCTION_WORDS | FILLERS
_TITLES = words("mr mrs ms miss missus mister miz dr doctor")
_PRESENTS = words("is are it's that's")
_NO_LEAD = frozenset({Entity.PERSON, Entity.MEDICAL})
"""Kinds whose cues may be words of the value."""
_NO_REPEAT = frozenset({Entity.MEDICAL, Entity.CARD_EXPIRY})
_WORDS_REPEAT = frozenset({Entity.PERSON, Entity.ADDRESS, Entity.EMAIL_ADDRESS, Entity.PASSWORD_OR_PIN})
_LOWER_CASE = frozenset({Entity.PASSWORD_OR_PIN, Entity.EMAIL_ADDRESS})
_EMAIL_WORDS = words(
    "gmail yahoo hotmail outlook icloud example underscore hyphen dash email mail word capital"
)
_STREET_WORDS = words("road street lane avenue drive close court way flat house number unit apartment")


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A place in the dialogue that may hold personal data."""

    place: Place
    entity: Entity
    score: float
    detector: str


def find_pii(
    dialogue: Dialogue,
    candidates: Iterable[Candidate],
    *,
    thresholds: Mapping[Entity, float],
    threshold: float,
    allow: Sequence[str] = (),
    deny: Sequence[str] = (),
    deny_as: Entity = Entity.REFERENCE_NUMBER,
    exempt: Sequence[Place] = (),
    enabled: frozenset[Entity] | None = None,
) -> tuple[Finding, ...]:
    """Decide on candidates and follow what they hold through the dialogue.

    Args:
        dialogue: The dialogue.
        candidates: From the recognisers.
        thresholds: Least score by kind.
        threshold: Least score of kinds not named there.
        allow: Phrases that are never personal here (own company, own numbers), in any spoken form.
        deny: Phrases that always are.
        deny_as: Kind under which denied phrases are reported.
        exempt: Places that hold nothing personal, such as the company's own numbers.
        enabled: Kinds to report; None for all.

    Returns:
        Findings by channel and start; each covers whole words.
    """
    sure = [
        candidate
        for candidate in candidates
        if candidate.score >= thresholds.get(candidate.entity, threshold)
        and (enabled is None or candidate.entity in enabled)
    ]
    allowed = [*exempt]
    allowed += [place for phrase in allow for place in _phrase_places(dialogue, phrase)]
    kept = [candidate for candidate in sure if not _inside(candidate.place, allowed)]
    kept += [
        Candidate(place=place, entity=deny_as, score=1.0, detector="deny-list")
        for phrase in deny
        for place in _phrase_places(dialogue, phrase)
    ]
    kept = [replace(c, place=_without_lead(dialogue, c)) for c in kept]
    kept += [c for c in _repeats(dialogue, kept) if not _inside(c.place, allowed)]
    kept = [replace(c, place=_spread(dialogue, c.place)) for c in kept]
    return tuple(sorted(_findings(dialogue, kept), key=lambda finding: (finding.channel, finding.start_s)))


def _without_lead(dialogue: Dialogue, candidate: Candidate) -> Place:
    """Leave out the words that announce a value: "employee number is", "my cell is"."""
    place, start = candidate.place, candidate.place.tokens.start
    if candidate.entity in _NO_LEAD:
        return place
    stream = dialogue.streams[place.stream]
    values = {index for run in stream.runs for index in run.tokens} | stream.in_date
    for cue in dialogue.cues:
        inside = place.tokens.start <= cue.tokens.start and cue.tokens.stop < place.tokens.stop
        if cue.stream != stream.number or cue.kind in {RESET, KEEP} or not inside or cue.tokens.stop <= start:
            continue
        before = range(start, cue.tokens.start)
        if len(before) > _LONGEST_LEAD or any(
            at in values or stream.tokens[at].probability < _UNSURE for at in before
        ):
            break
        after = cue.tokens.stop
        while after < place.tokens.stop - 1 and stream.tokens[after].text in _PRESENTS:
            after += 1
        if after > cue.tokens.stop or after in values:
            start = after
    return Place(stream=place.stream, tokens=range(start, place.tokens.stop))


def _spread(dialogue: Dialogue, place: Place) -> Place:
    """Take in the unsure words beside a place: an unusual value is heard as several words, some right.

    The words of a cue are what they were heard as, however unsure: "his mobile's".
    """
    start, stop, tokens = place.tokens.start, place.tokens.stop, dialogue.streams[place.stream].tokens
    named = [cue for cue in dialogue.cues if cue.stream == place.stream and cue.kind != RESET]
    cues = {index for cue in named for index in cue.tokens}
    floor, ceiling = max(0, start - _MOST_SPREAD), min(len(tokens), stop + _MOST_SPREAD)
    while (
        start > floor
        and start - 1 not in cues
        and _belongs(tokens[start - 1], tokens[start], tokens[start - 1])
    ):
        start -= 1
    while stop < ceiling and stop not in cues and _belongs(tokens[stop - 1], tokens[stop], tokens[stop]):
        stop += 1
    return Place(stream=place.stream, tokens=range(start, stop))


def _belongs(first: Token, second: Token, taken: Token) -> bool:
    """Whether one of two neighbouring tokens is to be taken in because the other is personal data."""
    if second.lead.startswith("-") and first.word != second.word and not first.trail:
        return True
    gap_s = second.start_s - first.end_s
    if taken.probability == 0.0:
        return gap_s < _UNHEARD_GAP_S
    # Whisper writes what it does not know as a compound of words it does: "pre-event".
    limit = _UNSURE_COMPOUND if taken.lead.startswith("-") else _UNSURE
    unsure = taken.probability < limit and taken.text not in COURTESY
    return (
        unsure and gap_s < _BREATH_S and (not first.trail or (taken is first and taken.probability < _LOST))
    )


def _findings(dialogue: Dialogue, candidates: Sequence[Candidate]) -> Iterator[Finding]:
    """One finding per stretch of words without a long gap; equal ones once, the surest first."""
    best: dict[tuple[int, float, float, Entity], Finding] = {}
    for candidate in candidates:
        tokens = dialogue.streams[candidate.place.stream].tokens
        for part in _without_gaps(tokens, candidate.place.tokens):
            finding = Finding(
                entity=candidate.entity,
                channel=tokens[part.start].channel,
                start_s=_start_s(dialogue.streams[candidate.place.stream], part),
                end_s=max(tokens[index].end_s for index in part),
                score=round(candidate.score, 3),
                detector=candidate.detector,
            )
            key = (finding.channel, finding.start_s, finding.end_s, finding.entity)
            if key not in best or best[key].score < finding.score:
                best[key] = finding
    yield from best.values()


def _start_s(stream: Stream, part: range) -> float:
    """Start of the first word, or earlier where the words are too short for the characters they stand for.

    Whisper writes a spelled value as one word ("602914") and times only the end of it: measured on
    telephone speech, such words end right and begin up to 1.2 s late.
    """
    start_s = stream.tokens[part.start].start_s
    for run in stream.runs:
        inside = [index for _, index in run.chars if index in part]
        if part.start in run.tokens and inside:
            spoken_s = max(stream.tokens[index].end_s for index in inside) - start_s
            missing_s = min(len(inside) * _CHAR_S - spoken_s, _MOST_MISSING_S)
            return max(0.0, start_s - missing_s) if missing_s > 0 else start_s
    return start_s


def _without_gaps(tokens: Sequence[Token], stretch: range) -> Iterator[range]:
    start = stretch.start
    for index in range(stretch.start + 1, stretch.stop):
        if tokens[index].start_s - tokens[index - 1].end_s > _SPLIT_GAP_S:
            yield range(start, index)
            start = index
    yield range(start, stretch.stop)


def _inside(place: Place, allowed: Sequence[Place]) -> bool:
    """True when all words of a place are allowed ones."""
    indices = set(place.tokens)
    for other in allowed:
        if other.stream == place.stream:
            indices -= set(other.tokens)
    return not indices


def _phrase_places(dialogue: Dialogue, phrase: str) -> Iterator[Place]:
    """Where a phrase is said: as the same words, or, for a number, as the same digits."""
    words = phrase.lower().replace("-", " ").split()
    digits = "".join(char for char in phrase if char.isdigit())
    for stream in dialogue.streams:
        texts = [token.text for token in stream.tokens]
        for start in range(len(texts) - len(words) + 1):
            if words and all(
                _same_word(said, word) for said, word in zip(texts[start:], words, strict=False)
            ):
                yield Place(stream=stream.number, tokens=range(start, start + len(words)))
        if len(digits) >= 3 and not any(char.isalpha() for char in phrase):
            for run in stream.runs:
                if run.digits and (run.digits == digits or (len(run.digits) >= 6 and run.digits in digits)):
                    yield Place(stream=stream.number, tokens=run.tokens)


def _same_word(said: str, word: str) -> bool:
    return said == word or said == f"{word}'s"


def _repeats(dialogue: Dialogue, found: Sequence[Candidate]) -> Iterator[Candidate]:
    """Further places where a found value is said: read back, spelled, in part, on either channel."""
    values = _values(dialogue, found)
    covered: dict[int, set[int]] = defaultdict(set)
    for candidate in found:
        covered[candidate.place.stream].update(candidate.place.tokens)
    for stream in dialogue.streams:
        yield from _repeated_runs(stream, covered[stream.number], values.chars)
        yield from _repeated_words(stream, covered[stream.number], values.words)
        yield from _misheard_words(stream, covered[stream.number], values.words)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class _Values:
    chars: Mapping[str, Entity]
    words: Mapping[str, Entity]


def _values(dialogue: Dialogue, found: Sequence[Candidate]) -> _Values:
    chars: dict[str, Entity] = {}
    words: dict[str, Entity] = {}
    for candidate in found:
        if candidate.entity in _NO_REPEAT:
            continue
        stream = dialogue.streams[candidate.place.stream]
        in_runs: set[int] = set()
        for run in _runs_in(stream, candidate.place.tokens):
            in_runs.update(run.tokens)
            if len(run.text) >= _REPEAT_MIN_CHARS:
                chars.setdefault(run.text, candidate.entity)
        if candidate.entity in _WORDS_REPEAT:
            for index in candidate.place.tokens:
                token = stream.tokens[index]
                bare = token.text.removesuffix("'s")
                if token.written == INAUDIBLE:  # no two of them say the same
                    continue
                if index in in_runs or bare in _NO_NAME or len(bare) < 3 or bare in _STREET_WORDS:
                    continue
                spoken_as_is = bare not in _EMAIL_WORDS and len(bare) >= 4
                said_before = not token.capital and bare in _said_by_others(dialogue, stream, token.start_s)
                if (token.capital or spoken_as_is) and bare.isalpha() and not said_before:
                    words.setdefault(bare, candidate.entity)
    for text, entity in list(chars.items()):
        if text.isalpha() and len(text) >= 3:
            words.setdefault(text.lower(), Entity.PERSON if entity is Entity.PERSON else entity)
    return _Values(chars=chars, words=words)


def _said_by_others(dialogue: Dialogue, stream: Stream, before_s: float) -> set[str]:
    """Words of the question: in an answer they are no part of the secret."""
    return {
        token.text
        for other in dialogue.streams
        if other is not stream
        for token in other.tokens
        if before_s - _QUESTION_S < token.start_s < before_s
    }


def _runs_in(stream: Stream, tokens: range) -> list[Run]:
    return [run for run in stream.runs if run.tokens.start < tokens.stop and tokens.start < run.tokens.stop]


def _repeated_runs(stream: Stream, covered: set[int], values: Mapping[str, Entity]) -> Iterator[Candidate]:
    for run in stream.runs:
        if run.counts or len(run.text) < _REPEAT_MIN_CHARS or covered.issuperset(run.tokens):
            continue
        for text, entity in values.items():
            if _of_letters(run.text) == _of_letters(text) and _same_value(run.text, text):
                yield Candidate(
                    place=Place(stream=stream.number, tokens=run.tokens),
                    entity=entity,
                    score=REPEAT_SCORE,
                    detector="repeat",
                )
                break


def _of_letters(text: str) -> bool:
    """True for a spelling, False for a number; a name is not found again in a number of the same length."""
    return sum(char.isalpha() for char in text) * 2 > len(text)


def _same_value(said: str, known: str) -> bool:
    """The same characters, a part of them at either end, or long ones that differ in a few."""
    if said == known:
        return True
    short, long_ = sorted((said, known), key=len)
    if len(short) >= 4 and len(long_) >= 6 and (long_.endswith(short) or long_.startswith(short) or
                                                (len(short) >= 5 and short in long_)):  # fmt: skip
        return True
    if len(short) < _SIMILAR_MIN_CHARS:
        return False
    return SequenceMatcher(None, said, known, autojunk=False).ratio() >= _SIMILAR


def _repeated_words(stream: Stream, covered: set[int], values: Mapping[str, Entity]) -> Iterator[Candidate]:
    for index, token in enumerate(stream.tokens):
        if index in covered:
            continue
        bare = token.text.removesuffix("'s")
        if len(bare) < 3 or not bare.isalpha() or bare in _NO_NAME:
            continue
        entity = values.get(bare)
        if entity not in _LOWER_CASE and not token.capital:
            entity = None
        if entity is None and token.capital and len(bare) >= 4:
            entity = next((kind for word, kind in values.items() if sounds_alike(bare, word)), None)
        if entity is not None:
            start = index
            while start > 0 and stream.tokens[start - 1].text in _TITLES:
                start -= 1
            yield Candidate(
                place=Place(stream=stream.number, tokens=range(start, index + 1)),
                entity=entity,
                score=REPEAT_SCORE,
                detector="repeat",
            )


def _misheard_words(stream: Stream, covered: set[int], values: Mapping[str, Entity]) -> Iterator[Candidate]:
    """Unsure words that together sound like a found value: "star vross" for "Stavros"."""
    known = {word: kind for word, kind in values.items() if len(word) >= _MISHEARD_MIN_CHARS}
    for start in range(len(stream.tokens)):
        for stop in range(start + 1, min(start + _MOST_MISHEARD, len(stream.tokens)) + 1):
            last = stream.tokens[stop - 1]
            if stop - 1 in covered or not last.text.isalpha() or last.text in _NUMBERS:
                break
            heard = stream.tokens[start:stop]
            joined = "".join(token.text for token in heard)
            unsure = any(token.probability < _UNSURE and token.text not in _NO_NAME for token in heard)
            if unsure and len(joined) >= _MISHEARD_MIN_CHARS:
                kind = next((kind for word, kind in known.items() if sounds_alike(joined, word)), None)
                if kind is not None:
                    place = Place(stream=stream.number, tokens=range(start, stop))
                    yield Candidate(place=place, entity=kind, score=REPEAT_SCORE, detector="repeat")
            if last.trail:
                break
