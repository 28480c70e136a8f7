"""E-mail addresses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from callveil.engines.presidio.base import (
    EXPECTED,
    DialogueRecognizer,
    Hit,
    content,
    evades,
    garbled,
    sentences,
    without_openers,
)
from callveil.stages.cues import CuePattern, cues
from callveil.stages.dialogue import Dialogue
from callveil.stages.speaker_stream import Place, Stream
from callveil.stages.spoken_forms.lexicon import words
from callveil.vocabulary.pii import Entity

_SIGNS = words("at dot underscore com org net co uk gmail yahoo hotmail outlook hyphen dash")
_SHORT_ANSWER = 8
_MOST_GARBLED = 25


class EmailRecognizer(DialogueRecognizer):
    """Addresses by their domain, and answers to the question for one."""

    entity: ClassVar[Entity] = Entity.EMAIL_ADDRESS
    cues: ClassVar[tuple[CuePattern, ...]] = cues(
        entity.value,
        r"e-?mail(?:s)?(?: (?:address|i d|account))?(?:es)?|e mail(?: address)?",
    )

    def hits(self, dialogue: Dialogue) -> Iterator[Hit]:
        """Addresses and answers."""
        for stream in dialogue.streams:
            for tokens in stream.emails:
                yield Hit(place=Place(stream=stream.number, tokens=tokens), score=0.9)
            for run in dialogue.runs_of(stream):
                expected = dialogue.expected(stream, run.tokens)
                first = expected[:1] == (self.entity.value,) and len(run.text) >= 3 and not run.counts
                if first and (run.n_letters >= 2 or _near_email(stream, run.tokens)):
                    yield Hit(place=Place(stream=stream.number, tokens=run.tokens), score=EXPECTED)
        for place in dialogue.answers(self.entity.value):
            yield from self._answer(dialogue.streams[place.stream], place)

    def _answer(self, stream: Stream, place: Place) -> Iterator[Hit]:
        """The sentences of an answer that sound like an address, from the first content word on."""
        for number, sentence in enumerate(sentences(stream, place.tokens)):
            inside = content(stream, sentence)
            if inside is None:
                continue
            words = {stream.tokens[index].text for index in sentence}
            signs = len(words & _SIGNS)
            dotted = any("." in stream.tokens[index].lead for index in sentence)
            if evades(stream, sentence) and not signs:
                return
            if garbled(stream, sentence) and len(sentence) <= _MOST_GARBLED:
                inside = without_openers(stream, sentence)
            if signs >= 2 or dotted or (number == 0 and len(inside) <= _SHORT_ANSWER):
                yield Hit(place=Place(stream=stream.number, tokens=inside), score=EXPECTED + 0.1)
            elif number:
                return


def _near_email(stream: Stream, tokens: range) -> bool:
    return any(
        abs(email.start - tokens.stop) <= 4 or abs(tokens.start - email.stop) <= 4 for email in stream.emails
    )
