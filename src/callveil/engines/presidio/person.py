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
    suspect,
    widen,
)
from callveil.engines.presidio.name_slots import NOT_NAMES, name_slots, names_company
from callveil.stages.cues import CuePattern, cues
from callveil.stages.dialogue import Dialogue
from callveil.stages.speaker_stream import Place, Stream
from callveil.stages.spoken_forms.characters import spelling_link
from callveil.stages.spoken_forms.lexicon import COURTESY
from callveil.vocabulary.pii import Entity

_MAX_CHUNK = 6
_MAX_CHUNKS = 4
_MAX_GARBLED = 10
_CLEAR_WORDS = 5
_CLEAR = 0.8
_LONGEST_SPELLING = 40


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
        r"(?:and |so )?who(?:'s|'ll|'ve| is| was| are| should| shall| will| would| has| have| do| did| else)",
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
            for tokens, score in name_slots(stream):
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
            joined = not _clear_words_before(stream, runs[0].tokens.start, sentence)
            if last - first <= _LONGEST_SPELLING and joined:
                tokens = widen(stream, range(first, min(last, sentence.stop)), sentence)
                yield Hit(place=Place(stream=stream.number, tokens=tokens), score=EXPECTED)
        short = short_answer(stream, sentence)
        if chunks and short is not None and not _written_whole(stream, chunks):
            yield Hit(place=Place(stream=stream.number, tokens=short), score=EXPECTED)
        elif garbled(stream, sentence) and len(sentence) <= _MAX_GARBLED:
            yield Hit(place=Place(stream=stream.number, tokens=suspect(stream, sentence)), score=EXPECTED)

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


def _clear_words_before(stream: Stream, at: int, sentence: range) -> bool:
    """Several clear words before a spelling: it is none of the name's, "and I've just moved up from G"."""
    start = max(sentence.start, at - _CLEAR_WORDS)
    return at - start == _CLEAR_WORDS and all(
        stream.tokens[index].probability >= _CLEAR and not stream.tokens[index].capital
        for index in range(start, at)
        if stream.tokens[index].text not in {"i", "i'm", "i've"}
    )


def _written_whole(stream: Stream, chunks: Sequence[range]) -> bool:
    return all(stream.tokens[index].capital for chunk in chunks for index in chunk)


def _spacy_score(text: str) -> float:
    words = text.split()
    if not words or len(words) > 5 or any(char.isdigit() for char in text):
        return 0.0
    if any(word.lower().strip(".,?!'") in COURTESY | NOT_NAMES for word in words):
        return 0.0
    if not all(word[:1].isupper() for word in words):
        return 0.0
    if names_company(text):
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
        if has_content(stream, index) and stream.tokens[index].text not in NOT_NAMES:
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
