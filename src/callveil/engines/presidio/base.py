"""What our recognisers share: they read the dialogue that rides on Presidio's NLP artifacts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from presidio_analyzer import EntityRecognizer, RecognizerResult
from presidio_analyzer.nlp_engine import NlpArtifacts

from callveil.engines.presidio.service_lines import is_service_line
from callveil.stages.cues import CuePattern
from callveil.stages.dialogue import Dialogue
from callveil.stages.speaker_stream import Place, Stream
from callveil.stages.spoken_forms import Run
from callveil.stages.spoken_forms.lexicon import (
    COURTESY,
    FILLERS,
    FUNCTION_WORDS,
    words,
)
from callveil.vocabulary.pii import Entity

EXPECTED_AND_FITS = 0.9
EXPECTED = 0.6
"""Asked for, but of another length or form: recognisers lose and add digits."""
FORM_ALONE = 0.55
_NO_AMOUNT_DIGITS = 12
_NO_LABEL_DIGITS = 9
_CLOCK_DIGITS = 4
_MAX_OTHER_WORDS = 2
_DAMAGED_CHARS = 3
_SHORT_ANSWER_TOKENS = 7
_UNSURE = 0.6
_UNSURE_SHARE = 0.4
_LOST = 0.1
_TELLING_TOKENS = 4
_CLEAR = 0.75
_SURE = 0.7
_MOST_GARBLED = 20
_EVASIONS = (
    "i'm ", "i've ", "i'd ", "i'll ", "we ", "you ", "can ", "could ", "do ", "did ",
    "what ", "how ", "don't ", "let me",
)  # fmt: skip
_OPENERS = words(
    "yes yeah yep yup sure okay ok it's its it is that's thats that would be my name name's i'm i am "
    "this the um uh er erm hm of course hi hello so certainly please here oh right alright no problem "
    "and was born on postcode"
)
"""Words that open an answer and are no part of the value, even misheard."""
_LETTER_SOUNDS = words(
    "a i u o be bee see sea cee you are why tea tee pea pee eye in an and end am em us as is ex oh el "
    "ell jay kay queue cue double for to too"
)
"""What a recogniser writes for a letter or digit in the middle of a spelling."""

_PRESENTS = frozenset({"it's", "its", "that's", "it"})
"""A sentence that begins with one of these gives the value, in whatever words: "it's clementine"."""
_SPELLING_REMARKS = (
    "all one",
    "all lower",
    "lower case",
    "with a capital",
    "no space",
    "all small",
    "in capitals",
)
_NOT_CONTENT = COURTESY | FUNCTION_WORDS | FILLERS


class DialogueArtifacts(NlpArtifacts):  # type: ignore[misc]
    """Presidio's NLP artifacts of the dialogue's text, with the dialogue itself."""

    def __init__(self, artifacts: NlpArtifacts, dialogue: Dialogue) -> None:
        self.__dict__.update(artifacts.__dict__)
        self.dialogue = dialogue


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A place that holds personal data, and how sure that is."""

    place: Place
    score: float


class DialogueRecognizer(EntityRecognizer, ABC):  # type: ignore[misc]
    """A recogniser of one kind that works on the dialogue.

    Attributes:
        entity: The kind it finds.
        cues: Words that announce the kind or ask for it.
    """

    entity: ClassVar[Entity]
    cues: ClassVar[tuple[CuePattern, ...]] = ()

    def __init__(self) -> None:
        super().__init__(supported_entities=[self.entity.value], name=self.entity.value.lower())

    def load(self) -> None:
        """Nothing to load."""

    def analyze(
        self,
        text: str,  # noqa: ARG002  given by Presidio
        entities: list[str],
        nlp_artifacts: NlpArtifacts,
    ) -> list[RecognizerResult]:
        """Presidio's entry: hits as character spans of `text`."""
        if not isinstance(nlp_artifacts, DialogueArtifacts) or self.entity.value not in entities:
            return []
        results = []
        for hit in self.hits(nlp_artifacts.dialogue):
            start, end = nlp_artifacts.dialogue.span(hit.place)
            results.append(
                RecognizerResult(entity_type=self.entity.value, start=start, end=end, score=hit.score)
            )
        return results

    @abstractmethod
    def hits(self, dialogue: Dialogue) -> Iterator[Hit]:
        """All places of this kind in a dialogue."""


class NumberRecognizer(DialogueRecognizer):
    """A kind that is a run of digits and letters.

    A run is taken when its kind is expected there, whatever its length, or when its form alone tells.
    """

    shortest: ClassVar[int] = 2
    """Characters that a run must have even where the kind is expected."""

    def hits(self, dialogue: Dialogue) -> Iterator[Hit]:
        """Runs whose place or form tells this kind, and answers with a run among few other words."""
        for stream, run in dialogue.runs():
            score = self.score(dialogue, stream, run)
            if score > 0:
                yield Hit(
                    place=Place(stream=stream.number, tokens=_with_first_letter(stream, run)), score=score
                )
        for place in dialogue.answers(self.entity.value):
            stream = dialogue.streams[place.stream]
            for sentence in sentences(stream, place.tokens):
                if evades(stream, sentence):
                    break
                inside = content(stream, sentence)
                if inside is not None:
                    if self._is_value(stream, inside) or self._is_garbled_value(stream, inside):
                        yield Hit(place=Place(stream=stream.number, tokens=inside), score=EXPECTED - 0.1)
                    break

    def _is_value(self, stream: Stream, tokens: range) -> bool:
        """A damaged value: characters, and at most two words that are none."""
        runs = [run for run in stream.runs if run.tokens.start in tokens]
        if not runs or any(run.counts or run.leans or run.natural for run in runs):
            return False
        if any(len(run.text) > _DAMAGED_CHARS for run in runs):
            return False
        in_runs = {index for run in runs for index in run.tokens}
        others = [index for index in tokens if index not in in_runs and has_content(stream, index)]
        n_chars = sum(len(run.text) for run in runs)
        return len(others) <= _MAX_OTHER_WORDS and n_chars >= max(self.shortest, 2)

    def _is_garbled_value(self, stream: Stream, tokens: range) -> bool:
        """Characters among words that the recogniser was unsure of."""
        runs = [run for run in stream.runs if run.tokens.start in tokens]
        if not runs or any(run.counts or run.leans or run.natural for run in runs):
            return False
        return garbled(stream, tokens) and len(tokens) <= _MOST_GARBLED

    def score(self, dialogue: Dialogue, stream: Stream, run: Run) -> float:
        """How surely a run is of this kind, 0 to 1."""
        expected = dialogue.expected(stream, run.tokens)
        fits = self.fits(run)
        if run.counts and not self._overrules(dialogue, stream, run):
            return 0.0
        if is_service_line(dialogue, stream, run):
            return 0.0
        if self.entity.value not in expected or len(run.text) < self.shortest:
            if is_date(stream, run) or (
                len(run.digits) < _NO_LABEL_DIGITS and dialogue.explained_away(stream, run.tokens)
            ):
                return 0.0
            return self.alone(run)
        leans = run.leans and not (fits and self._cued(dialogue, stream, run, within=0))  # "valid until"
        if leans and (not fits or len(run.text) <= _CLOCK_DIGITS):
            return 0.0
        if run.natural and not fits and len(run.digits) <= _CLOCK_DIGITS:
            return 0.0
        if fits:
            return EXPECTED_AND_FITS - 0.05 * expected.index(self.entity.value)
        return EXPECTED if expected[0] == self.entity.value else EXPECTED - 0.1

    def _overrules(self, dialogue: Dialogue, stream: Stream, run: Run) -> bool:
        """Whether a run that looks like an amount is of this kind all the same.

        Recognisers write currency signs into card numbers and codes: "ending $4.242".
        """
        if not run.signed or not self.fits(run):
            return False
        cued = self._cued(dialogue, stream, run, within=1)
        return (cued and len(run.digits) <= _CLOCK_DIGITS) or len(run.digits) >= _NO_AMOUNT_DIGITS

    def _cued(self, dialogue: Dialogue, stream: Stream, run: Run, *, within: int) -> bool:
        """The speaker names this kind right before the run, at most some words away."""
        return any(
            cue.kind == self.entity.value
            and cue.stream == stream.number
            and 0 <= run.tokens.start - cue.tokens.stop <= within
            for cue in dialogue.cues
        )

    @abstractmethod
    def fits(self, run: Run) -> bool:
        """True when the run has the length and form of this kind."""

    def alone(self, run: Run) -> float:  # noqa: ARG002  for subclasses
        """Score of a run that nothing announces; 0 when its form alone does not tell."""
        return 0.0


def _with_first_letter(stream: Stream, run: Run) -> range:
    """A reference may begin with the letter A or I, which looks like a word."""
    before = stream.tokens[run.tokens.start - 1] if run.tokens.start else None
    if before and run.n_letters and before.text in {"a", "i"} and not before.ends_sentence:
        return range(run.tokens.start - 1, run.tokens.stop)
    return run.tokens


def is_date(stream: Stream, run: Run) -> bool:
    """True when the run is a part of a date."""
    return any(index in stream.in_date for index in run.tokens) and len(run.digits) <= 8


def has_content(stream: Stream, at: int) -> bool:
    """True for a token that may be a value: no filler, courtesy or function word."""
    return stream.tokens[at].text not in _NOT_CONTENT


def content(stream: Stream, tokens: range) -> range | None:
    """The stretch from the first to the last content token; None when there is none."""
    inside = [index for index in tokens if has_content(stream, index)]
    return range(inside[0], inside[-1] + 1) if inside else None


def sentences(stream: Stream, tokens: range) -> Iterator[range]:
    """The parts of a stretch between full stops."""
    start = tokens.start
    for index in tokens:
        if stream.tokens[index].ends_sentence or index == tokens.stop - 1:
            yield range(start, index + 1)
            start = index + 1


def short_answer(stream: Stream, sentence: range) -> range | None:
    """All of a short answer but its opening words: a misheard value may be written with any word."""
    start = sentence.start
    while start < sentence.stop and stream.tokens[start].text in _OPENERS:
        start += 1
    if start == sentence.stop or sentence.stop - start > _SHORT_ANSWER_TOKENS:
        return None
    return range(start, sentence.stop) if content(stream, range(start, sentence.stop)) else None


def widen(stream: Stream, tokens: range, within: range) -> range:
    """Take in the words beside a spelling that may be misheard letters."""
    start, stop = tokens.start, tokens.stop
    while start > within.start and stream.tokens[start - 1].text in _LETTER_SOUNDS:
        start -= 1
    while stop < within.stop and stream.tokens[stop].text in _LETTER_SOUNDS:
        stop += 1
    return range(start, stop)


def whole_answer(stream: Stream, tokens: range, *, longest: int) -> Iterator[range]:
    """The content of an answer's sentences, as long as each is short and none evades.

    Words of the recogniser's own making count as content: it was asked for a value, and heard something.
    """
    found = False
    for sentence in sentences(stream, tokens):
        inside = content(stream, sentence)
        if garbled(stream, sentence) and len(sentence) <= longest:
            inside = without_openers(stream, sentence)
        elif found and inside is None and stream.words(sentence).startswith(_SPELLING_REMARKS):
            inside = sentence
        if inside is None:
            continue
        if evades(stream, sentence):
            if found:
                return
            continue
        if len(inside) > longest:
            return
        found = True
        yield inside


def without_openers(stream: Stream, sentence: range) -> range:
    """A sentence without the words that open an answer; all of it where it has no others."""
    start = sentence.start
    while start < sentence.stop - 1 and stream.tokens[start].text in _OPENERS:
        start += 1
    return range(start, sentence.stop)


def garbled(stream: Stream, tokens: range) -> bool:
    """True where the recogniser was so unsure that its words say little about what was said."""
    words = [stream.tokens[index] for index in tokens]
    unsure = [word for word in words if word.probability < _UNSURE]
    if not any(word.text not in COURTESY | FILLERS for word in unsure):
        return False
    return len(unsure) >= _UNSURE_SHARE * len(words) or min(w.probability for w in words) < _LOST


def suspect(stream: Stream, tokens: range) -> range:
    """What of a garbled stretch may be a value: without the clear small words at its ends."""
    telling = [at for at in tokens if stream.tokens[at].probability < _UNSURE or has_content(stream, at)]
    return range(telling[0], telling[-1] + 1) if telling else tokens


def harmless(stream: Stream, sentence: range) -> bool:
    """True for a clearly heard sentence of common words, which answers nothing: "send it to my sister"."""
    words = [stream.tokens[index] for index in sentence]
    if len(words) < _TELLING_TOKENS or any(run.tokens.start in sentence for run in stream.runs):
        return False
    mean = sum(word.probability for word in words) / len(words)
    if words[0].text in _PRESENTS:
        return False
    rare = [
        word for word in words[1:] if word.capital and word.text not in {"i", "i'm", "i'll", "i've", "i'd"}
    ]
    common = sum(word.text in _NOT_CONTENT for word in words)
    surely = all(word.probability >= _SURE or word.text in _NOT_CONTENT for word in words)
    return mean >= _CLEAR and surely and not rare and common >= len(words) / 2


def evades(stream: Stream, sentence: range) -> bool:
    """True for a sentence that gives no answer: a question back, "I don't know", "I moved"."""
    if garbled(stream, sentence):
        return False
    if harmless(stream, sentence):
        return True
    if "?" in stream.tokens[sentence.stop - 1].trail:
        return True
    words = [stream.tokens[index].text for index in sentence]
    while words and words[0] in COURTESY | FILLERS | {"and", "but", "because", "i"}:
        if words[0] == "i" and len(words) > 1 and words[1] not in {"think"}:
            return True
        words.pop(0)
    text = " ".join(words)
    return text.startswith(_EVASIONS)
