"""Addresses nobody asked for: "I'm over at", "we've moved to", "the one on Mill Street", and what follows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from callveil.engines.presidio.base import has_content
from callveil.engines.presidio.name_slots import doubtful, heard_at, not_name
from callveil.stages.speaker_stream import Stream
from callveil.stages.spoken_forms.lexicon import words

STREETS: Final = words(
    "street st road rd lane avenue ave drive close court way terrace place crescent gardens square "
    "grove mews row walk boulevard blvd highway parkway circle trail alley vale cottage cottages villas "
    "quay wharf bank esplanade parade promenade broadway turnpike heights hollow loop crossing"
)
UNITS_OF: Final = words("flat apartment apt unit suite house number floor block building po box room")
STATES: Final = words(
    "alabama alaska arizona arkansas california colorado connecticut delaware florida georgia hawaii "
    "idaho illinois indiana iowa kansas kentucky louisiana maine maryland massachusetts michigan "
    "minnesota mississippi missouri montana nebraska nevada ohio oklahoma oregon pennsylvania tennessee "
    "texas utah vermont virginia washington wisconsin wyoming england scotland wales ireland ontario "
    "quebec"
)
_PLAIN_STREETS = words(
    "street road lane avenue crescent terrace boulevard grove mews parade esplanade turnpike cottage cottages"
)
"""These are streets in any case; "way", "close", "drive" are also words."""
_PASSING = words("between near past opposite behind along down up towards by off and")
"""Before a street these say where something happened, not where somebody lives."""
_LINKS = words("in and near outside off on of the by upon under de des du la le el van")
"""Stand between the parts of an address when another part follows."""
_SLOT = re.compile(
    r"(?P<sure>\b(?:live|lives|lived|living|stay|stays|staying|moved|moving|relocated|based|located|reside|"
    r"resides|residing)(?: \w+)? (?:at|in|on|to|with|near)"
    r"|\b(?:deliver|send|post|ship|come|bring)(?:ed|ing)?(?: it| them| that| me| us)?(?: out| over)? to"
    r"|\bat number)\b"
    r"|\b(?:i'm|we're|he's|she's|they're|you're|i am|we are|house|flat|place|home|office|property|apartment|"
    r"one|that's|it's|over|out|round|down|up)(?: (?:over|out|down|up|round|back|now|still))?"
    r" (?:at|in|on|outside|near)\b"
)
"""Words before a place where somebody lives or is. After the sure ones a number alone is one, too."""
_MAX_TAIL = 14
_PAUSE_S = 2.0
_DOUBTFUL = 0.8


def place_slots(stream: Stream) -> Iterator[range]:
    """Places after "I live at", "we've moved to", "over in"."""
    for sentence in stream.sentences():
        words_said = stream.words(sentence)
        for match in _SLOT.finditer(words_said):
            start = sentence.start + words_said[: match.end()].count(" ") + 1
            if start >= sentence.stop or stream.tokens[start - 1].trail:
                continue
            yield from _place_at(stream, start, sure=match["sure"] is not None)


def _place_at(stream: Stream, start: int, *, sure: bool) -> Iterator[range]:
    stop = tail(stream, start)
    runs = [run for run in stream.runs if start <= run.tokens.start < stop]
    if stop == start:
        heard = doubtful(stream, heard_at(stream, start))
        if heard and stream.tokens[start].probability < _DOUBTFUL:
            yield heard
        return
    in_runs = {index for run in runs for index in run.tokens}
    rest = [index for index in range(start, stop) if index not in in_runs]
    if any(run.counts or (run.leans and not sure) for run in runs):
        return
    if any(not_name(stream.tokens[at]) for at in rest):
        return
    named = any(stream.tokens[at].capital and has_content(stream, at) for at in rest)
    numbered = bool(runs) and (sure or any(stream.tokens[at].text in UNITS_OF for at in rest))
    if sure and runs and runs[-1].tokens.stop == stop and (heard := heard_at(stream, stop)):
        stop = heard.stop
    if named or numbered:
        yield range(start, stop)


def named_streets(stream: Stream) -> Iterator[range]:
    """Streets by their names, with or without a number: "the one on Mill Street"."""
    opening = stream.utterances[0] if stream.speaker == "agent" and stream.utterances else range(0)
    for index, token in enumerate(stream.tokens):
        if token.text not in STREETS or index in opening:
            continue
        start = index
        while start > 0 and _names(stream, start - 1):
            start -= 1
        passed = start > 0 and stream.tokens[start - 1].text in _PASSING
        if start < index and not passed and (token.capital or token.text in _PLAIN_STREETS):
            yield range(start, tail(stream, index + 1))


def _names(stream: Stream, at: int) -> bool:
    token = stream.tokens[at]
    return token.capital and has_content(stream, at) and not token.trail and not not_name(token)


def tail(stream: Stream, at: int) -> int:
    """Where an address that goes on here ends: flat, town, state, code, and the small words between them."""
    stop = at
    if at and stream.tokens[at - 1].ends_sentence:
        return stop
    for index in range(at, min(at + _MAX_TAIL, len(stream.tokens))):
        if _goes_on(stream, index):
            stop = index + 1
        elif stream.tokens[index].text not in _LINKS or index > stop + 1:
            break
        if stream.tokens[index].ends_sentence:
            break
    return stop


def _goes_on(stream: Stream, at: int) -> bool:
    token, before = stream.tokens[at], stream.tokens[at - 1]
    if token.text in STATES or token.text in UNITS_OF or any(at in run.tokens for run in stream.runs):
        return True
    if not has_content(stream, at) or token.start_s - before.end_s >= _PAUSE_S:
        return False
    return token.capital or (before.text in {"in", "near"} and token.probability < _DOUBTFUL)
