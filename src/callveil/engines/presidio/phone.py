"""Telephone numbers."""

from __future__ import annotations

from typing import ClassVar

from callveil.engines.presidio.base import FORM_ALONE, NumberRecognizer
from callveil.stages.cues import CuePattern, cues
from callveil.stages.spoken_forms import Run
from callveil.vocabulary.pii import Entity


class PhoneRecognizer(NumberRecognizer):
    """Numbers of 7 to 15 digits, and whatever was said when one was asked for."""

    entity: ClassVar[Entity] = Entity.PHONE_NUMBER
    cues: ClassVar[tuple[CuePattern, ...]] = cues(
        entity.value,
        r"(?:phone|telephone|mobile|cell|cellphone|contact|landline|home|work|daytime|callback|call back|"
        r"alternat(?:ive|e)|best|different|cell phone|mobile phone|fax|whatsapp)(?: \w+)? numbers?",
        r"(?:mobile|landline|cell|telephone|phone)|numbers? (?:to|we can|i can) (?:call|reach|"
        r"ring|contact|text|get)",
        r"(?:call|ring|reach|text|phone|contact) (?:me|him|her|you|us|them) (?:on|at|back on|back at)",
        r"(?:a|your|my|his|her|their) number|number (?:for|is) (?:him|her|them|you)|best number|"
        r"area code",
        r"calling from|dial(?:ing)? code|what number|own number",
    )

    def fits(self, run: Run) -> bool:
        """Seven to fifteen digits. Source of the upper bound: ITU-T E.164."""
        return not run.n_letters and 7 <= len(run.digits) <= 15

    def alone(self, run: Run) -> float:
        """Ten or eleven digits are most often a telephone number."""
        if run.n_letters or run.natural:
            return 0.0
        if len(run.digits) in (10, 11):
            return FORM_ALONE + 0.05
        return FORM_ALONE if len(run.digits) == 9 or 12 <= len(run.digits) <= 13 else 0.0
