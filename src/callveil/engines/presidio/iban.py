"""International bank account numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar

from callveil.engines.presidio.base import EXPECTED, Hit, NumberRecognizer
from callveil.stages.cues import CuePattern, cues
from callveil.stages.dialogue import Dialogue
from callveil.stages.speaker_stream import Place
from callveil.stages.spoken_forms import Run, Token
from callveil.stages.spoken_forms.characters import Strength, strength
from callveil.vocabulary.pii import Entity

_FORM = re.compile(r"[A-Z]{2}\d{2}[A-Z0-9]{11,30}")


_FEWEST_PIECES = 3


def iban_check(text: str) -> bool:
    """True when the check digits are right. Source: ISO 13616-1 (ISO 7064 mod 97-10)."""
    turned = text[4:] + text[:4]
    return int("".join(str(int(char, 36)) for char in turned)) % 97 == 1


def _may_be_characters(token: Token) -> bool:
    return strength(token) is not Strength.NONE or any(char.isdigit() for char in token.text) or token.upper


class IbanRecognizer(NumberRecognizer):
    """Country, check digits and 11 to 30 characters; damaged ones where an IBAN was asked for."""

    entity: ClassVar[Entity] = Entity.IBAN
    cues: ClassVar[tuple[CuePattern, ...]] = cues(
        entity.value,
        r"i ?bans?(?: number)?|ibanes?|i b a n|eye ban|"
        r"international (?:bank )?account(?: number)?|swift(?: code)?|bic(?: code)?",
    )

    def hits(self, dialogue: Dialogue) -> Iterator[Hit]:
        """Runs, and all that sounds like characters in the answer: an IBAN is said in pieces."""
        yield from super().hits(dialogue)
        for place in dialogue.answers(self.entity.value):
            stream = dialogue.streams[place.stream]
            said = [index for index in place.tokens if _may_be_characters(stream.tokens[index])]
            if len(said) >= _FEWEST_PIECES:
                yield Hit(
                    place=Place(stream=stream.number, tokens=range(said[0], said[-1] + 1)), score=EXPECTED
                )

    def fits(self, run: Run) -> bool:
        """The form of an IBAN, or at least ten of its characters."""
        return len(run.text) >= 10

    def alone(self, run: Run) -> float:
        """The form of an IBAN; sure when the check digits are right too."""
        if not _FORM.fullmatch(run.text):
            return 0.0
        return 0.95 if iban_check(run.text) else 0.7
