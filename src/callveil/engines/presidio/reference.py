"""Reference numbers: policy, customer, order, booking, licence, passport; user names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from callveil.engines.presidio.base import EXPECTED, Hit, NumberRecognizer, whole_answer
from callveil.stages.cues import CuePattern, cues
from callveil.stages.dialogue import Dialogue
from callveil.stages.speaker_stream import Place
from callveil.stages.spoken_forms import Run
from callveil.vocabulary.pii import Entity

_THINGS = (
    r"policy|customer|order|booking|membership|member|reference|ref|claim|case|ticket|invoice|"
    r"tracking|parcel|"
    r"confirmation|client|patient|employee|student|loyalty|frequent flyer|reservation|application|contract|"
    r"subscriber|subscription|serial|meter|account reference|council tax|tax|vehicle|"
    r"registration|barcode|bar code|"
    r"licen[cs]e|driver's licen[cs]e|drivers licen[cs]e|driving licen[cs]e|passport|vin|imei|"
    r"record|file|plan|group|"
    r"prescription|rx|library|badge|job|work order|purchase order|repair|delivery|shipment|complaint"
)
_MAX_USER_NAME = 10


class ReferenceRecognizer(NumberRecognizer):
    """Runs of four characters and more after such a question, and mixed runs of six and more anywhere."""

    entity: ClassVar[Entity] = Entity.REFERENCE_NUMBER
    shortest: ClassVar[int] = 4
    cues: ClassVar[tuple[CuePattern, ...]] = cues(
        entity.value,
        rf"(?:{_THINGS})(?: i\.?d\.?| i d)? (?:numbers?|no|code|reference|ref|i\.?d\.?|i d|"
        rf"card number|plate)",
        r"(?:member|membership|customer|patient|student|employee|user|client|account) (?:i d|i\.?d\.?)",
        r"(?:the|your|a|my|booking|order|quote) references?(?: number)?|barcode|bar code|"
        r"passport|licen[cs]e|vin|imei",
        r"(?:the|my|our) accounts",
        r"account numbers?|number on (?:the|your) (?:letter|bill|statement|policy|invoice|email|"
        r"screen|letter|account)",
        r"number on the card|do you have the number|policy|membership|number plate|registration",
        r"user ?names?|user i\.?d|log ?in(?: name| i d)?|screen name|your handle",
    )

    def hits(self, dialogue: Dialogue) -> Iterator[Hit]:
        """Runs, and the words of a user name."""
        yield from super().hits(dialogue)
        for place in dialogue.answers(self.entity.value):
            stream = dialogue.streams[place.stream]
            if self._asked_for_user_name(dialogue, place):
                for tokens in whole_answer(stream, place.tokens, longest=_MAX_USER_NAME):
                    yield Hit(place=Place(stream=stream.number, tokens=tokens), score=EXPECTED)

    def fits(self, run: Run) -> bool:
        """Five to twenty characters."""
        return 5 <= len(run.text) <= 20

    def alone(self, run: Run) -> float:
        """Letters and digits mixed, or a long number, are somebody's reference."""
        if run.natural or run.leans:
            return 0.0
        if len(run.text) >= 6 and run.n_letters >= 1 and len(run.digits) >= 3:
            return 0.55
        return 0.0

    def _asked_for_user_name(self, dialogue: Dialogue, place: Place) -> bool:
        start_s = dialogue.streams[place.stream].tokens[place.tokens.start].start_s
        for cue in dialogue.cues:
            if cue.kind == self.entity.value and cue.stream != place.stream and -2 < start_s - cue.end_s < 8:
                words = dialogue.streams[cue.stream].words(cue.tokens)
                if words.startswith(("user", "log", "screen", "your handle")):
                    return True
        return False
