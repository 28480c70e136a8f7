"""Where a name stands in a sentence: after titles, greetings, introductions, and beside relations.

A recogniser that does not know a name writes common words for it. So a place where a name must stand tells
more than what is written there: after "my name is" any word is taken, after "this is" one in capitals, or
words that the recogniser was unsure of.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from callveil.engines.presidio.base import garbled, has_content
from callveil.stages.speaker_stream import Stream
from callveil.stages.spoken_forms import Token
from callveil.stages.spoken_forms.lexicon import COURTESY, FILLERS, SCALES, TEENS, TENS, UNITS, words

NOT_NAMES: Final = words(
    "monday tuesday wednesday thursday friday saturday sunday january february april june july august "
    "september october november december english british american visa mastercard google apple amazon "
    "facebook windows android iphone internet bank card english god jesus christmas"
)
_COMPANY_WORDS = words(
    "bank energy insurance mutual telecom mobile hotel hotels airways airlines air outfitters ltd "
    "limited inc llc plc group company services service health clinic pharmacy care centre center union "
    "loans motors rentals gym media streaming technologies systems solutions foods pizza donuts store "
    "stores shop council university college hospital street road"
)
_CIVIL_TITLES = words("mr mrs ms mister miz")
"""Nothing but a name follows these."""
_TITLES = _CIVIL_TITLES | words("miss missus dr doctor madam sir dame lord lady reverend professor")
_GREETINGS = words("thanks you hi hello hey okay ok great bye goodbye sorry welcome right lovely perfect")
_CERTAIN = (
    "my name is", "my name's", "name is", "name's", "surname is", "surname's", "first name", "last name",
    "speaking with", "speaking to", "i speaking to", "ask for", "on behalf of", "name of", "attention of",
)  # fmt: skip
_LIKELY = (
    "this is", "i'm", "i am", "it's", "it is", "that's", "is that", "is it", "speak to", "speak with",
    "called", "named", "names", "it's for", "is for", "under", "it'll be", "it'd be", "that'd be",
    "there's me", "you are",
)  # fmt: skip
_SURE = frozenset({"my name is", "my name's", "surname is", "surname's"})
_PHRASES = {tuple(phrase.split()): phrase for phrase in sorted(_CERTAIN + _LIKELY, key=lambda p: -len(p))}
_RELATIONS = words(
    "partner wife husband hubby son daughter mother father mum mom mam dad brother sister boyfriend "
    "girlfriend fiance fiancee uncle aunt auntie nephew niece cousin grandson granddaughter grandmother "
    "grandfather nan granddad grandma grandpa missus half boy girl neighbour neighbor friend mate colleague "
    "manager supervisor boss assistant landlord landlady tenant lodger flatmate housemate roommate carer "
    "secretary"
)
_NUMBERS = frozenset([*UNITS, *TEENS, *TENS, *SCALES])
_AUXILIARIES = words("will would can could might may should is was has had does did isn't wasn't can't won't")
_POSSESSIVES = words("my his her our their your")
_SIGN_OFFS = words("here calling speaking")
_PAST = re.compile(r"(?:ed|ing)$")
_VERB_ENDING = re.compile(r"(?:s|ed|ing)$")
_MAX_NAME = 5
_PAUSE_S = 0.6
_UNSURE = 0.6
_CLEAR = 0.85
_MAX_LOST = 3


def name_slots(stream: Stream) -> Iterator[tuple[range, float]]:
    """Names by what stands before them, each with a score."""
    for index, token in enumerate(stream.tokens):
        if token.text in _TITLES and (following := _titled(stream, index)):
            yield range(index, following.stop), 0.85
        elif token.text in _GREETINGS and (greeted := _greeted(stream, index + 1)):
            yield greeted, 0.6
        elif token.text in _RELATIONS and (related := _related(stream, index)):
            yield related, 0.6
        elif addressed := _addressed(stream, index):
            yield addressed, 0.6
        else:
            yield from _introduced(stream, index)


def capitals_from(stream: Stream, start: int) -> range | None:
    """Up to five capitalised content tokens from here on; None when the first is none."""
    stop = start
    while stop < min(start + _MAX_NAME, len(stream.tokens)):
        token = stream.tokens[stop]
        numeral = any(char.isdigit() for char in token.text)
        if not token.capital or token.text in {"a", "i"} or numeral or not _may_be_name(stream, stop):
            break
        if stop == start and start and stream.tokens[start - 1].ends_sentence:
            break
        stop += 1
        if token.trail:
            break
    return range(start, stop) if stop > start else None


def not_name(token: Token) -> bool:
    """True for days, months and brands, in the plural too."""
    return token.text in NOT_NAMES or token.text.removesuffix("s") in NOT_NAMES


def names_company(text: str) -> bool:
    """True for what ends as companies' names do: "Northgate Mutual"."""
    last = text.lower().split()[-1:]
    return bool(last) and last[0].strip(".,?!'") in _COMPANY_WORDS


def _may_be_name(stream: Stream, at: int) -> bool:
    return has_content(stream, at) and not not_name(stream.tokens[at])


def heard_at(stream: Stream, start: int) -> range | None:
    """What was heard where a name begins, up to a clear small word, a pause or the end of the clause."""
    stop = start
    while stop < min(start + _MAX_NAME, len(stream.tokens)):
        token, before = stream.tokens[stop], stream.tokens[stop - 1]
        clear = token.probability >= _UNSURE
        if before.trail or token.start_s - before.end_s > _PAUSE_S or token.text in FILLERS:
            break
        if token.text in _NUMBERS or token.text.isdigit() or (clear and not _may_be_name(stream, stop)):
            break
        if token.probability >= _CLEAR and not token.capital and _PAST.search(token.text):
            break
        stop += 1
    in_run = any(run.tokens.start < stop and start < run.tokens.stop for run in stream.runs)
    return range(start, stop) if stop > start and not in_run else None


def doubtful(stream: Stream, heard: range | None) -> range | None:
    """Words that may stand for a name where one is only likely: unsure ones, and not only small ones."""
    if heard is None or not garbled(stream, heard):
        return None
    telling = any(_may_be_name(stream, index) for index in heard)
    return heard if telling and not stream.tokens[heard.start].text.endswith("ing") else None


def _signed_off(stream: Stream, start: int) -> range | None:
    """Words before "calling" or "here", none of them a clear small word: "it's fur gal here"."""
    for stop in range(start, min(start + _MAX_NAME + 1, len(stream.tokens))):
        token = stream.tokens[stop]
        if token.text in _SIGN_OFFS and any(has_content(stream, index) for index in range(start, stop)):
            return range(start, stop)
        if token.trail or (token.probability >= _CLEAR and not _may_be_name(stream, stop)):
            return None
    return None


def _titled(stream: Stream, at: int) -> range | None:
    if stream.tokens[at].text == "ms" and stream.tokens[at].upper:  # the illness
        return None
    following = capitals_from(stream, at + 1)
    if following or at + 1 >= len(stream.tokens) or stream.tokens[at].trail.startswith(","):
        return following
    if stream.tokens[at].text in _CIVIL_TITLES:
        rest = heard_at(stream, at + 2)
        return range(at + 1, rest.stop if rest else at + 2)
    return doubtful(stream, heard_at(stream, at + 1))


def _introduced(stream: Stream, index: int) -> Iterator[tuple[range, float]]:
    for words_of, phrase in _PHRASES.items():
        start = index + len(words_of)
        said = tuple(token.text for token in stream.tokens[index:start])
        if said != words_of:
            continue
        following = capitals_from(stream, start)
        if following is None:
            heard = heard_at(stream, start)
            likely = doubtful(stream, heard) or _signed_off(stream, start)
            following = heard if phrase in _CERTAIN else likely
        if following:
            yield following, 0.8 if phrase in _SURE else 0.5
        return


def _greeted(stream: Stream, start: int) -> range | None:
    """The name that ends a greeting's clause: "Thank you, Mr Brown.", or what was heard in its place."""
    following = capitals_from(stream, start)
    if following:
        company = len(following) > 1 and names_company(stream.words(following))
        return following if len(following) <= 3 and _closes(stream, following) and not company else None
    if stream.speaker == "agent" and start in stream.utterances[0]:  # "Hello, Bramble Energy,"
        return None
    return _lost_name(stream, start)


def _lost_name(stream: Stream, start: int) -> range | None:
    """A few words that the recogniser was lost at and that end a clause: "thanks, vice,"."""
    for stop in range(start + 1, min(start + _MAX_LOST, len(stream.tokens)) + 1):
        token = stream.tokens[stop - 1]
        courteous = token.text in COURTESY and token.probability >= _UNSURE
        if courteous or token.text in _NUMBERS or not token.text.isalpha():
            return None
        if token.trail:
            return doubtful(stream, range(start, stop))
    return None


def _addressed(stream: Stream, at: int) -> range | None:
    """What the agent ends a sentence with after a comma: "all done for you, key."."""
    token = stream.tokens[at]
    if stream.speaker != "agent" or "," not in token.trail:
        return None
    lost = _lost_name(stream, at + 1)
    return lost if lost and stream.tokens[lost.stop - 1].ends_sentence else None


def _related(stream: Stream, at: int) -> range | None:
    """The name beside "my partner": in capitals, between commas, before a verb, or where it was unsure."""
    token = stream.tokens[at]
    if at + 1 >= len(stream.tokens) or token.ends_sentence:
        return None
    if capitals := capitals_from(stream, at + 1):
        return capitals
    name = stream.tokens[at + 1]
    if token.trail:
        inside = name.trail and has_content(stream, at + 1) and name.text.isalpha()
        return range(at + 1, at + 2) if inside else None
    heard = heard_at(stream, at + 1)
    if heard is None:
        return None
    before_verb = heard.stop < len(stream.tokens) and stream.tokens[heard.stop].text in _AUXILIARIES
    mine = any(before.text in _POSSESSIVES for before in stream.tokens[max(0, at - 2) : at])
    noun = mine and not _VERB_ENDING.search(name.text) and name.probability < _CLEAR
    return heard if before_verb or noun else doubtful(stream, heard)


def _closes(stream: Stream, tokens: range) -> bool:
    """A greeting's name ends its clause: "Thank you, Mr Brown." and not "Hello London is calling"."""
    last = stream.tokens[tokens.stop - 1]
    return (
        bool(last.trail)
        or tokens.stop == len(stream.tokens)
        or (stream.tokens[tokens.stop].start_s - last.end_s > 0.4)
    )
