"""Bank account numbers, sort codes and routing numbers."""

from __future__ import annotations

from typing import ClassVar

from callveil.engines.presidio.base import NumberRecognizer
from callveil.stages.cues import CuePattern, cues
from callveil.stages.spoken_forms import Run
from callveil.vocabulary.pii import Entity


class BankAccountRecognizer(NumberRecognizer):
    """Account numbers of 6 to 17 digits."""

    entity: ClassVar[Entity] = Entity.BANK_ACCOUNT
    cues: ClassVar[tuple[CuePattern, ...]] = cues(
        entity.value,
        r"account numbers?|account no|bank (?:account|details)(?: numbers?)?|(?:checking|savings|"
        r"current) account(?: numbers?)?",
        r"account(?: is|'s)|(?:eight|8) digit(?: account)? number|and account|account",
    )

    def fits(self, run: Run) -> bool:
        """Six to seventeen digits."""
        return not run.n_letters and 6 <= len(run.digits) <= 17


class SortCodeRecognizer(NumberRecognizer):
    """UK sort codes: six digits, said where they were asked for."""

    entity: ClassVar[Entity] = Entity.SORT_CODE
    cues: ClassVar[tuple[CuePattern, ...]] = cues(
        entity.value,
        r"(?:sort|sorting|thought|short|salt|sought|bank|branch|bsb) (?:code|number)s?|bsb|"
        r"(?:six|6) digit (?:sort )?code",
    )

    def fits(self, run: Run) -> bool:
        """Six digits."""
        return not run.n_letters and len(run.digits) == 6


class RoutingNumberRecognizer(NumberRecognizer):
    """US routing numbers: nine digits with a weighted check sum."""

    entity: ClassVar[Entity] = Entity.ROUTING_NUMBER
    cues: ClassVar[tuple[CuePattern, ...]] = cues(
        entity.value,
        r"(?:routing|rooting|aba|transit)(?: transit)?(?: number| code)?s?|(?:nine|"
        r"9) digit (?:routing )?number",
    )

    def fits(self, run: Run) -> bool:
        """Nine digits."""
        return not run.n_letters and len(run.digits) == 9

    def alone(self, run: Run) -> float:
        """Nine digits of which the check sum is right and the prefix is one of a Federal Reserve bank."""
        if not self.fits(run) or run.natural:
            return 0.0
        return 0.5 if routing_check(run.digits) else 0.0


def routing_check(digits: str) -> bool:
    """True when a nine-digit number has the ABA check sum. Source: ABA Key to Routing Numbers."""
    weights = (3, 7, 1) * 3
    total = sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=True))
    return total % 10 == 0 and (1 <= int(digits[:2]) <= 12 or 21 <= int(digits[:2]) <= 32)
