"""Passwords, PINs, one-time codes and the answers to security questions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from callveil.engines.presidio.base import EXPECTED, Hit, NumberRecognizer, whole_answer
from callveil.stages.cues import CuePattern, cues
from callveil.stages.dialogue import Dialogue
from callveil.stages.speaker_stream import Place, Stream
from callveil.stages.spoken_forms import Run
from callveil.stages.spoken_forms.lexicon import words
from callveil.vocabulary.pii import Entity

_MAX_SECRET_WORDS = 14
_LONGEST_DICTATED = 18
_SIGNS = words("capital uppercase lowercase exclamation asterisk ampersand hash hashtag underscore dollar")


def _is_dictated(stream: Stream, sentence: range) -> bool:
    """A password read out sign by sign, as nothing else is: "capital M, maple, exclamation mark"."""
    words = [stream.tokens[index].text for index in sentence]
    signs = sum(word in _SIGNS for word in words)
    return (
        signs >= 2
        and len(words) <= _LONGEST_DICTATED
        and not any(email.start in sentence for email in stream.emails)
    )


class PinRecognizer(NumberRecognizer):
    """Codes as digits, and the words said when a password or a security answer was asked for."""

    entity: ClassVar[Entity] = Entity.PASSWORD_OR_PIN
    cues: ClassVar[tuple[CuePattern, ...]] = cues(
        entity.value,
        r"pass ?codes?|pass ?words?|pass ?phrases?|verbal password|telephone password|"
        r"memorable (?:word|date|place|name|information)",
        r"pins?|p i n|pin (?:number|code)|(?:four|4|six|6) digit (?:pin|passcode|code)|"
        r"digits of your (?:pin|passcode|password)",
        r"(?:one[ -]?time|verification|authori[sz]ation|access|authentication|confirmation|"
        r"activation|two factor|login|log in)"
        r" (?:pass)?codes?|code (?:i|we|that|you)(?:'ve)?(?: \w+){0,3}(?: sent| texted|"
        r" received)?|sent (?:you )?a code|otp|o t p",
        r"maiden names?|security (?:question|answer|word|phrase)s?|secret (?:word|answer|question)",
        r"(?:first|favou?rite|childhood) (?:pet|school|car|teacher|food|film|movie|colou?r|team|"
        r"band|street|friend|job|concert)(?:'s)?",
        r"name of your (?:\w+ ){0,2}(?:pet|school|dog|cat|teacher|street)|your (?:dog|cat|"
        r"pet)'s name|(?:pet|dog|cat)'s name",
        r"code|town (?:you were|were you) born|city (?:you were|were you) born|place of birth",
    )

    def hits(self, dialogue: Dialogue) -> Iterator[Hit]:
        """Runs, and the content of answers."""
        yield from super().hits(dialogue)
        for stream in dialogue.streams:
            for sentence in stream.sentences():
                if _is_dictated(stream, sentence):
                    yield Hit(place=Place(stream=stream.number, tokens=sentence), score=EXPECTED)
        for place in dialogue.answers(self.entity.value):
            stream = dialogue.streams[place.stream]
            for tokens in whole_answer(stream, place.tokens, longest=_MAX_SECRET_WORDS):
                yield Hit(place=Place(stream=stream.number, tokens=tokens), score=EXPECTED)

    def fits(self, run: Run) -> bool:
        """Three to ten characters."""
        return 3 <= len(run.text) <= 10
