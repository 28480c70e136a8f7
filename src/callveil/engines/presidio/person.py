"""Names of people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from presidio_analyzer import RecognizerResult
from presidio_analyzer.nlp_engine import NlpArtifacts

from callveil.engines.presidio.base import (
    EXPECTED,
    EXPECTED_AND_FITS,
    DialogueArtifacts,
    DialogueRecognizer,
    Hit,
    evades,
    garbled,
    harmless,
    has_content,
    sentences,
    short_answer,
    widen,
)
from callveil.stages.cues import CuePattern, cues
from callveil.stages.dialogue import Dialogue
from callveil.stages.speaker_stream import Place, Stream
from callveil.stages.spoken_forms.characters import spelling_link
from callveil.stages.spoken_forms.lexicon import COURTESY, words
from callveil.vocabulary.pii import Entity

_TITLES = words("mr mrs ms miss missus mister miz dr doctor madam sir dame lord lady reverend professor")
_GREETINGS = words("thanks you hi hello hey okay ok great bye goodbye sorry welcome right lovely perfect")
_INTRODUCTIONS = tuple(
    tuple(phrase.split())
    for phrase in [
        "my name is",
        "my name's",
        "name is",
        "the name's",
        "name's",
        "this is",
        "i'm",
        "i am",
        "it's",
        "speaking with",
        "speaking to",
        "speak to",
        "speak with",
        "surname is",
        "surname's",
        "called",
        "partner",
        "wife",
        "husband",
        "son",
        "daughter",
        "mother",
        "father",
        "names",
        "first name",
        "last name",
        "for attention of",
        "on behalf of",
        "name of",
    ]
)
_SURE_INTRODUCTIONS = frozenset({("my", "name", "is"), ("my", "name's"), ("surname", "is"), ("surname's",)})
_RELATIONS = words(
    "partner wife husband son daughter mother father mum mom dad brother sister boyfriend girlfriend fiance "
    "fiancee uncle aunt nephew niece cousin neighbour neighbor friend colleague manager landlord"
)
_COMPANY_WORDS = words(
    "bank energy insurance mutual telecom mobile hotel hotels airways airlines air outfitters ltd "
    "limited inc llc plc group company services service health clinic pharmacy care centre center union "
    "loans motors rentals gym media streaming technologies systems solutions foods pizza donuts store "
    "stores shop council university college hospital street road"
)
_MAX_NAME = 5
_MAX_CHUNK = 6
_MAX_CHUNKS = 4
_MAX_GARBLED = 10
_LOST = 0.4
_LONGEST_SPELLING = 40
_NOT_NAMES = words(
    "monday tuesday wednesday thursday friday saturday sunday january february april june july august "
    "september october november december english british american visa mastercard google apple amazon "
    "facebook windows android iphone internet bank card english god jesus christmas"
)


class PersonRecognizer(DialogueRecognizer):
    """Names by title, greeting, introduction and spelling, and answers to the question for one."""

    entity: ClassVar[Entity] = Entity.PERSON
    cues: ClassVar[tuple[CuePattern, ...]] = cues(
        entity.value,
        r"(?:full|first|last|middle|second|family|given|christian|sur|your|his|her|their|whose|"
        r"may i have your|what|the)? ?"
        r"(?:name|names|surname|surnames|forename|last name|first name)(?: please| on (?:the|your) \w+)?",
        r"what's (?:his|her|your|the) name|who (?:am|are|do|did) (?:i|you|"
        r"we)(?: \w+)? (?:speaking|talking|spoke|speak|have)(?: (?:with|to))?",
        r"(?:who|whom|know who) i spoke to|and you are|who's (?:calling|speaking|this)|"
        r"who is (?:calling|speaking|this)|whose name",
        r"how (?:are|do|did|would|is|was) (?:you|i|we|it|that|he|she) (?:spell|spelling|spelled|spelt)|"
        r"(?:spell|spelling) (?:the|your|his|her)(?: \w+)? ?(?:name|surname)?|"
        r"card ?holder(?:'s)?(?: name)?|name as it(?: appears)?",
    )

    def analyze(self, text: str, entities: list[str], nlp_artifacts: NlpArtifacts) -> list[RecognizerResult]:
        """Our own hits, and the names spaCy sees in the written text."""
        results: list[RecognizerResult] = super().analyze(text, entities, nlp_artifacts)
        if results or self.entity.value in entities:
            for span in nlp_artifacts.entities:
                if getattr(span, "label_", "") in {"PERSON", "PER"} and not _in_opening(nlp_artifacts, span):
                    results.append(
                        RecognizerResult(
                            self.entity.value, span.start_char, span.end_char, _spacy_score(span.text)
                        )
                    )
        return results

    def hits(self, dialogue: Dialogue) -> Iterator[Hit]:
        """Titles, greetings, introductions, spellings, answers."""
        for stream in dialogue.streams:
            for tokens, score in _announced(stream):
                yield Hit(place=Place(stream=stream.number, tokens=tokens), score=score)
            yield from self._spelled(dialogue, stream)
        for place in dialogue.answers(self.entity.value):
            yield from self._answer(dialogue.streams[place.stream], place)

    def _spelled(self, dialogue: Dialogue, stream: Stream) -> Iterator[Hit]:
        for run in dialogue.runs_of(stream):
            letters = run.n_letters
            explained = any(spelling_link(stream.tokens, index) for index in run.tokens)
            if (letters < 2 and not explained) or len(run.digits) > 1 or run.leans:
                continue
            expected = self.entity.value in dialogue.expected(stream, run.tokens)
            if expected or letters >= 4 or explained:
                score = EXPECTED_AND_FITS - 0.1 if expected else 0.55
                yield Hit(place=Place(stream=stream.number, tokens=run.tokens), score=score)

    def _misheard(self, stream: Stream, sentence: range, chunks: Sequence[range]) -> Iterator[Hit]:
        """All of a short answer that is not plainly a name, and all of a spelling with other words in it."""
        runs = [run for run in stream.runs if run.tokens.start in sentence and run.n_letters >= 2]
        if runs:
            first = min([runs[0].tokens.start, *(chunk.start for chunk in chunks)])
            last = max([runs[-1].tokens.stop, *(chunk.stop for chunk in chunks)])
            if last - first <= _LONGEST_SPELLING:
                tokens = widen(stream, range(first, min(last, sentence.stop)), sentence)
                yield Hit(place=Place(stream=stream.number, tokens=tokens), score=EXPECTED)
        short = short_answer(stream, sentence)
        if chunks and short is not None and not _written_whole(stream, chunks):
            yield Hit(place=Place(stream=stream.number, tokens=short), score=EXPECTED)
        elif garbled(stream, sentence) and len(sentence) <= _MAX_GARBLED:
            yield Hit(place=Place(stream=stream.number, tokens=sentence), score=EXPECTED)

    def _answer(self, stream: Stream, place: Place) -> Iterator[Hit]:
        """The first chunk with content, and further ones in capitals."""
        found = 0
        for sentence in sentences(stream, place.tokens):
            if harmless(stream, sentence):
                continue
            if evades(stream, sentence) and not _introduces(stream, sentence):
                return
            chunks = list(_name_chunks(stream, sentence))
            if not found:
                yield from self._misheard(stream, sentence, chunks)
            for chunk in chunks:
                capitals = sum(stream.tokens[index].capital for index in chunk)
                goes_on = capitals == len(chunk) or garbled(stream, chunk)
                if len(chunk) > _MAX_CHUNK or (found and not goes_on):
                    return
                found += 1
                score = EXPECTED_AND_FITS - 0.1 if capitals else EXPECTED
                yield Hit(place=Place(stream=stream.number, tokens=chunk), score=score)
                if found >= _MAX_CHUNKS:
                    return


def _written_whole(stream: Stream, chunks: Sequence[range]) -> bool:
    return all(stream.tokens[index].capital for chunk in chunks for index in chunk)


def _spacy_score(text: str) -> float:
    words = text.split()
    if not words or len(words) > 5 or any(char.isdigit() for char in text):
        return 0.0
    if any(word.lower().strip(".,?!'") in COURTESY | _NOT_NAMES for word in words):
        return 0.0
    if not all(word[:1].isupper() for word in words):
        return 0.0
    if words[-1].lower().strip(".,?!'") in _COMPANY_WORDS:
        return 0.0
    return 0.35 if len(words) == 1 else 0.6


def _in_opening(artifacts: NlpArtifacts, span: Any) -> bool:
    """In the agent's greeting stand the company's names; people there are found by "my name is"."""
    if not isinstance(artifacts, DialogueArtifacts):
        return False
    dialogue: Dialogue = artifacts.dialogue
    for place in dialogue.places(span.start_char, span.end_char):
        stream = dialogue.streams[place.stream]
        if stream.speaker == "agent" and place.tokens.start in stream.utterances[0]:
            return True
    return False


def _introduces(stream: Stream, sentence: range) -> bool:
    words = stream.words(sentence)
    return " name" in f" {words}" or words.startswith(("i'm ", "i am ", "it's ", "this is "))


def _name_chunks(stream: Stream, sentence: range) -> Iterator[range]:
    """Stretches of content tokens that a name may be, in order."""
    start: int | None = None
    for index in sentence:
        if has_content(stream, index) and stream.tokens[index].text not in _NOT_NAMES:
            start = index if start is None else start
            if stream.tokens[index].trail:
                yield range(start, index + 1)
                start = None
            continue
        if start is not None:
            yield range(start, index)
            start = None
    if start is not None:
        yield range(start, sentence.stop)


def _announced(stream: Stream) -> Iterator[tuple[range, float]]:
    for index, token in enumerate(stream.tokens):
        following = _name_at(stream, index + 1)
        if token.text in _TITLES and following:
            known = range(index, following.stop)
            yield known, 0.85
        elif token.text in _GREETINGS and following and len(following) <= 3 and _closes(stream, following):
            yield following, 0.6
        elif token.text in _GREETINGS and (lost := _lost_name(stream, index + 1)):
            yield lost, 0.6
        elif related := _related(stream, index):
            yield related, 0.6
        else:
            yield from _introduced(stream, index)


def _introduced(stream: Stream, index: int) -> Iterator[tuple[range, float]]:
    for phrase in _INTRODUCTIONS:
        said = tuple(token.text for token in stream.tokens[index : index + len(phrase)])
        if said == phrase:
            following = _name_at(stream, index + len(phrase))
            if following:
                yield following, 0.8 if phrase in _SURE_INTRODUCTIONS else 0.5
            return


def _lost_name(stream: Stream, start: int) -> range | None:
    """One or two words that the recogniser was lost at and that end a greeting's clause: "thanks, vice,"."""
    for stop in (start + 1, start + 2):
        if stop > len(stream.tokens):
            return None
        token = stream.tokens[stop - 1]
        if token.probability >= _LOST or token.text in COURTESY or not token.text.isalpha():
            return None
        if token.trail:
            return range(start, stop)
    return None


def _related(stream: Stream, index: int) -> range | None:
    """The name between commas after "my partner,", whatever its case: names are words too."""
    token = stream.tokens[index]
    if token.text not in _RELATIONS or index + 1 >= len(stream.tokens) or token.ends_sentence:
        return None
    name = stream.tokens[index + 1]
    inside = token.trail and name.trail and has_content(stream, index + 1) and name.text.isalpha()
    return range(index + 1, index + 2) if inside else None


def _closes(stream: Stream, tokens: range) -> bool:
    """A greeting's name ends its clause: "Thank you, Mr Brown." and not "Hello London is calling"."""
    last = stream.tokens[tokens.stop - 1]
    return (
        bool(last.trail)
        or tokens.stop == len(stream.tokens)
        or (stream.tokens[tokens.stop].start_s - last.end_s > 0.4)
    )


def _name_at(stream: Stream, start: int) -> range | None:
    """Up to five capitalised content tokens from here on; None when the first is none."""
    stop = start
    while stop < min(start + _MAX_NAME, len(stream.tokens)):
        token = stream.tokens[stop]
        numeral = any(char.isdigit() for char in token.text)
        if (
            not token.capital
            or token.text in {"a", "i"}
            or numeral
            or not has_content(stream, stop)
            or token.text in _NOT_NAMES
        ):
            break
        if stop == start and start and stream.tokens[start - 1].ends_sentence:
            break
        stop += 1
        if token.trail:
            break
    return range(start, stop) if stop > start else None
