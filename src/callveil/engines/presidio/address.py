"""Postal addresses: street, place, postcode."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar

from callveil.engines.presidio.address_slots import (
    STATES,
    STREETS,
    UNITS_OF,
    named_streets,
    place_slots,
    tail,
)
from callveil.engines.presidio.base import (
    EXPECTED,
    EXPECTED_AND_FITS,
    DialogueRecognizer,
    Hit,
    content,
    evades,
    has_content,
    sentences,
    short_answer,
    widen,
)
from callveil.engines.presidio.service_lines import is_ours
from callveil.stages.cues import CuePattern, cues
from callveil.stages.dialogue import Dialogue
from callveil.stages.speaker_stream import Place, Stream
from callveil.stages.spoken_forms import Run
from callveil.stages.spoken_forms.lexicon import TEENS, TENS, UNITS, words
from callveil.vocabulary.pii import Entity

_UK_POSTCODE = re.compile(r"(?:^|(?<=\d))[A-Z]{1,2}\d[A-Z\d]?\d[A-Z]{2}$|^[A-Z]{1,2}\d[A-Z\d]?\d[A-Z]{2}")
"""Source: UK Government Data Standards Catalogue, postcode form, without the space."""
_CANADIAN_POSTCODE = re.compile(r"[A-Z]\d[A-Z]\d[A-Z]\d")

_MISHEARD = words("of the and more a in on old new high low long little big good short back")
_TO_STREET = 4
_LONGEST_HOUSE_NUMBER = 6
_READ_BACK_S = 60.0
_MOST_CONFIRMED = 12
_LONGEST_TOWN = 5
_UNSURE = 0.6
_LONG_ANSWER = 7
_CLAUSE_WORDS = words(
    "i i'm i've we we're we've he he's she she's it it's they they're you you're is are was that's um uh"
)


class AddressRecognizer(DialogueRecognizer):
    """Streets with a number, postcodes, and answers to the question for an address."""

    entity: ClassVar[Entity] = Entity.ADDRESS
    cues: ClassVar[tuple[CuePattern, ...]] = cues(
        entity.value,
        r"(?:home|mailing|postal|billing|shipping|delivery|service|street|full|current|new|"
        r"forwarding|house|business)? ?address(?:es)?",
        r"(?:post|postal|zip|area)(?: |-)?codes?|postcodes?|zips?|zip code|"
        r"first line(?: of (?:the|your) address)?|house (?:name|number)",
        r"where (?:do|are|is) (?:you|we|i|the|it|your)(?: \w+){0,3} (?:liv\w+|based|located|kept|"
        r"stay\w*|parked|sending|deliver\w*)",
        r"where(?:abouts)? (?:are|am|is|will|would|should|shall|can) (?:you|we|i|he|she|they)|whereabouts|"
        r"(?:which|what) (?:area|road|street|town|city|village|house|flat|property|building|suburb|estate)|"
        r"(?:the|what's the) property",
        r"where (?:to|should|shall)|where (?:do|would|should|can|shall) (?:we|you|i|"
        r"they)(?: \w+){0,3} (?:send|deliver|ship|post|collect)",
        r"(?:i|we|he|she|they) (?:still )?(?:live|lives|lived|moved|reside) (?:at|on|in|to)|"
        r"my address|deliver(?:ed)? (?:it )?to|"
        r"(?:wrong|right|flat|apartment|unit|door|house) (?:flat|apartment|unit|number|door)|"
        r"you live|street name|which (?:street|road|town|city)|(?:is it|still) at|what(?:'s| is) the street",
    )

    def hits(self, dialogue: Dialogue) -> Iterator[Hit]:
        """Streets, postcodes, answers."""
        for stream in dialogue.streams:
            for tokens in _streets(dialogue, stream):
                if is_ours(stream, tokens):
                    continue
                score = EXPECTED_AND_FITS if self._expects(dialogue, stream, tokens) else 0.65
                yield Hit(place=Place(stream=stream.number, tokens=tokens), score=score)
            for run in dialogue.runs_of(stream):
                score = self._run_score(dialogue, stream, run)
                if score:
                    yield Hit(place=Place(stream=stream.number, tokens=_with_lead(stream, run)), score=score)
            yield from _confirmed(stream)
            for tokens in (*named_streets(stream), *place_slots(stream)):
                if not is_ours(stream, tokens):
                    yield Hit(place=Place(stream=stream.number, tokens=tokens), score=0.55)
            yield from _states(stream)
        for place in dialogue.answers(self.entity.value):
            yield from self._answer(dialogue.streams[place.stream], place)

    def _expects(self, dialogue: Dialogue, stream: Stream, tokens: range) -> bool:
        return self.entity.value in dialogue.expected(stream, tokens)

    def _run_score(self, dialogue: Dialogue, stream: Stream, run: Run) -> float:
        if run.counts:
            return 0.0
        if (_UK_POSTCODE.search(run.text) and len(run.text) <= 10) or _CANADIAN_POSTCODE.fullmatch(run.text):
            return 0.8
        if run.leans or not self._expects(dialogue, stream, run.tokens) or len(run.text) < 2:
            return 0.0
        return EXPECTED_AND_FITS - 0.05 if len(run.text) in (5, 6, 7, 9) else EXPECTED

    def _answer(self, stream: Stream, place: Place) -> Iterator[Hit]:
        for number, sentence in enumerate(sentences(stream, place.tokens)):
            inside = content(stream, sentence)
            if inside is None or evades(stream, sentence):
                continue
            if number and not _looks_like_address(stream, inside):
                return
            spelled = any(run.tokens.start in sentence for run in stream.runs)
            tokens = widen(stream, inside, sentence) if spelled else inside
            short = short_answer(stream, sentence)
            if short is not None and number == 0:
                tokens = range(min(tokens.start, short.start), max(tokens.stop, short.stop))
            if len(tokens) > _LONG_ANSWER:
                tokens = _from_evidence(stream, tokens)
            if tokens.start > sentence.start and stream.tokens[tokens.start - 1].text == "the":
                tokens = range(tokens.start - 1, tokens.stop)
            yield Hit(place=Place(stream=stream.number, tokens=tokens), score=EXPECTED)


def _from_evidence(stream: Stream, tokens: range) -> range:
    """A long answer without the clauses before the address: "nobody's hurt, um, I'm at two Mill Lane"."""
    start = tokens.start
    for at in tokens:
        token = stream.tokens[at]
        named = token.capital and at > stream.sentence(at).start and has_content(stream, at)
        if named or token.probability < _UNSURE or token.text in STREETS | UNITS_OF or _is_number(stream, at):
            break
        if token.text in _CLAUSE_WORDS:
            start = at + 1
    return range(start, tokens.stop) if start < tokens.stop else tokens


def _confirmed(stream: Stream) -> Iterator[Hit]:
    """What follows "are you still at": an address that the agent has on the screen."""
    for index, token in enumerate(stream.tokens[:-2]):
        follows = stream.tokens[index + 1]
        if (token.text, follows.text) not in {("still", "at"), ("live", "at"), ("living", "at")}:
            continue
        sentence = stream.sentence(index)
        tokens = range(index + 2, min(sentence.stop, index + 2 + _MOST_CONFIRMED))
        telling = any(
            _is_number(stream, at) or stream.tokens[at].capital or stream.tokens[at].probability < _UNSURE
            for at in tokens
        )
        if telling:
            yield Hit(place=Place(stream=stream.number, tokens=tokens), score=EXPECTED)


def _states(stream: Stream) -> Iterator[Hit]:
    """A town, its state and a zip code: "Cullman, Alabama, three five oh five five"."""
    for run in stream.runs:
        at = run.tokens.start
        if at == 0 or stream.tokens[at - 1].text not in STATES or len(run.digits) not in (4, 5, 6):
            continue
        start = at - 1
        while start > 0 and at - start < _LONGEST_TOWN and stream.tokens[start - 1].capital:
            start -= 1
        yield Hit(place=Place(stream=stream.number, tokens=range(start, run.tokens.stop)), score=0.75)


def _looks_like_address(stream: Stream, tokens: range) -> bool:
    """A further sentence of an answer goes on with the address: capitals, numbers, few other words."""
    telling = sum(
        stream.tokens[index].capital or stream.tokens[index].text in STREETS or _is_number(stream, index)
        for index in tokens
    )
    return telling * 2 >= len(tokens)


def _is_number(stream: Stream, at: int) -> bool:
    text = stream.tokens[at].text
    return any(char.isdigit() for char in text) or text in UNITS or text in TEENS or text in TENS


def _streets(dialogue: Dialogue, stream: Stream) -> Iterator[range]:
    """House number, one to four words, "Road": and what follows up to the end of the address."""
    done = 0
    for run in stream.runs:
        number = _house_number(stream, run)
        if number.start < done or run.counts or not number:
            continue
        at = number.stop
        for index in range(at, min(at + _TO_STREET + 1, len(stream.tokens))):
            token = stream.tokens[index]
            if token.text in STREETS and index > at:
                stop = tail(stream, index + 1)
                start = _unit_before(stream, number.start)
                done = stop
                yield range(start, stop)
                break
            misheard = token.text in _MISHEARD and (
                Entity.ADDRESS.value in dialogue.expected(stream, run.tokens)
                or _street_said(dialogue, stream, range(at, at + _TO_STREET + 1))
            )
            if stream.tokens[index - 1].ends_sentence or not (has_content(stream, index) or misheard):
                break


def _house_number(stream: Stream, run: Run) -> range:
    """The tokens of a run that may be a house number: all of a short one, else those after the last comma."""
    if len(run.text) <= _LONGEST_HOUSE_NUMBER:
        return run.tokens
    start = run.tokens.stop - 1
    while start > run.tokens.start and not stream.tokens[start - 1].trail:
        start -= 1
    n_chars = sum(index >= start for _, index in run.chars)
    return range(start, run.tokens.stop) if 1 <= n_chars <= _LONGEST_HOUSE_NUMBER else range(0)


def _street_said(dialogue: Dialogue, stream: Stream, tokens: range) -> bool:
    """The other party said a street of this kind before, so that this one may be read back."""
    kinds = {token.text for token in stream.tokens[tokens.start : tokens.stop]} & STREETS
    start_s = stream.tokens[tokens.start].start_s
    return any(
        token.text in kinds and 0 < start_s - token.start_s < _READ_BACK_S
        for other in dialogue.streams
        if other is not stream
        for token in other.tokens
    )


def _unit_before(stream: Stream, start: int) -> int:
    """Take in "flat three" before a house number."""
    while start > 0 and start and stream.tokens[start - 1].text in UNITS_OF:
        start -= 1
    return start


def _with_lead(stream: Stream, run: Run) -> range:
    """A postcode with the street in front of it, when that stands in the same sentence."""
    if not _UK_POSTCODE.search(run.text):
        return run.tokens
    sentence = stream.sentence(run.tokens.start)
    start = run.tokens.start
    for index in range(run.tokens.start - 1, max(sentence.start, run.tokens.start - 10) - 1, -1):
        if not (has_content(stream, index) or stream.tokens[index].text in {"the", "of"}):
            break
        if not (
            stream.tokens[index].capital or _is_number(stream, index) or stream.tokens[index].text in STREETS
        ):
            break
        start = index
    return range(start, run.tokens.stop)
