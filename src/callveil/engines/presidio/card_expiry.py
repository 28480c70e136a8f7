"""Card expiry dates."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from callveil.engines.presidio.base import EXPECTED_AND_FITS, Hit, NumberRecognizer
from callveil.stages.cues import CuePattern, cues
from callveil.stages.dialogue import Dialogue
from callveil.stages.speaker_stream import Place, Stream
from callveil.stages.spoken_forms import Run, SpokenDate
from callveil.vocabulary.pii import Entity

_CARD_KINDS = {Entity.CARD_EXPIRY.value, Entity.CARD_SECURITY_CODE.value, Entity.CREDIT_CARD.value}
"""Card details are asked for in one breath; the word for the expiry may be misheard."""
_ENDS = frozenset({"ends in", "ending in", "end in", "finishes in", "starts in"})


class CardExpiryRecognizer(NumberRecognizer):
    """Month and year, as digits ("oh eight, twenty-seven") or by name, where an expiry was asked for."""

    entity: ClassVar[Entity] = Entity.CARD_EXPIRY
    shortest: ClassVar[int] = 3
    cues: ClassVar[tuple[CuePattern, ...]] = cues(
        entity.value,
        r"expir(?:y|ation|es|ing|e)(?: date| month)?|exp date|experation|valid (?:until|till|"
        r"through|thru|to|from)",
        r"good (?:through|thru|until)|(?:start|end) date (?:of|on) the card|when does (?:it|"
        r"the card|that card) (?:end|run out)",
        r"month and (?:the )?year",
    )

    def hits(self, dialogue: Dialogue) -> Iterator[Hit]:
        """Runs, and dates by the name of their month."""
        yield from super().hits(dialogue)
        for stream in dialogue.streams:
            for date in stream.dates:
                about_card = bool(_CARD_KINDS & set(dialogue.expected(stream, date.tokens)))
                if date.month and about_card and self._is_expiry(stream, date):
                    yield Hit(place=Place(stream=stream.number, tokens=date.tokens), score=EXPECTED_AND_FITS)

    @staticmethod
    def _is_expiry(stream: Stream, date: SpokenDate) -> bool:
        """A month and perhaps a year; "March twenty-eight" from the customer may be one too.

        A contract "ends in August" where a card "ends in" digits.
        """
        lead = stream.words(range(max(0, date.tokens.start - 2), date.tokens.start))
        if lead in _ENDS and "card" not in stream.words(stream.sentence(date.tokens.start)).split():
            return False
        return date.year is not None or not date.has_day or stream.speaker != "agent"

    def fits(self, run: Run) -> bool:
        """A month and a year of two or four digits."""
        digits = run.digits
        if run.n_letters or len(digits) not in (3, 4, 5, 6):
            return False
        return 1 <= int(digits[: 2 if len(digits) in (4, 6) else 1]) <= 12
