"""Payment card numbers."""

from __future__ import annotations

from typing import ClassVar

from callveil.engines.presidio.base import NumberRecognizer
from callveil.stages.cues import CuePattern, cues
from callveil.stages.spoken_forms import Run
from callveil.vocabulary.pii import Entity

_BRANDS = "visa|mastercard|master card|maestro|amex|american express|discover card|diners club|diners"


def luhn_holds(digits: str) -> bool:
    """True when the check digit is right. Source: ISO/IEC 7812-1, annex B."""
    total = 0
    for index, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + index % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


class CardRecognizer(NumberRecognizer):
    """Card numbers of 13 to 19 digits, their last four, and what was said when one was asked for."""

    entity: ClassVar[Entity] = Entity.CREDIT_CARD
    cues: ClassVar[tuple[CuePattern, ...]] = cues(
        entity.value,
        r"card numbers?|card details|card no|number (?:on|of|from|for) (?:the|your|my|that|"
        r"this)(?: \w+){0,2} card",
        r"long (?:card )?number|(?:sixteen|16|fifteen|15) digits?(?: number)?|across the (?:front|middle)",
        rf"(?:{_BRANDS})(?: card)?",
        r"(?:credit|debit|bank|new|other|my|corporate|payment) card|card (?:ending|that ends|"
        r"i have|is|it's|to hold)",
        r"a card(?: to| for| on)?|card ends|ending (?:in|with)|cards? ending|ends (?:in|with)|"
        r"last (?:four|4)(?: digits| numbers)? (?:of|on) (?:the|your|that|my)(?: \w+)? card|"
        r"last (?:four|4) digits?",
        r"pay (?:by|with) (?:a )?card|card",
    )

    def fits(self, run: Run) -> bool:
        """13 to 19 digits, or four."""
        return not run.n_letters and (13 <= len(run.digits) <= 19 or len(run.digits) == 4)

    def alone(self, run: Run) -> float:
        """A full number with a right check digit is sure; one near that length is likely."""
        if run.n_letters or run.natural:
            return 0.0
        if 13 <= len(run.digits) <= 19:
            return 0.95 if luhn_holds(run.digits) else 0.7
        return 0.6 if 12 <= len(run.digits) <= 21 else 0.0
