"""National identifiers: social security, national insurance, tax and health numbers."""

from __future__ import annotations

import re
from typing import ClassVar

from callveil.engines.presidio.base import NumberRecognizer
from callveil.stages.cues import CuePattern, cues
from callveil.stages.spoken_forms import Run
from callveil.vocabulary.pii import Entity

_NINO = re.compile(r"[A-Z]{2}\d{6}[A-D]?")


class NationalIdRecognizer(NumberRecognizer):
    """SSN, NINO and their like, whole or the last four."""

    entity: ClassVar[Entity] = Entity.NATIONAL_ID
    cues: ClassVar[tuple[CuePattern, ...]] = cues(
        entity.value,
        r"social security(?: number| card)?|(?:your|the|my|of|full|his|her) socials?|"
        r"social (?:number|is)|ssn|s s n",
        r"(?:national|nation) insurance(?: number)?|n\.?i\.? number|ni number|n i number|n i no|"
        r"nino|insurance number",
        r"(?:tax|taxpayer) (?:id|i d|identification|file|reference)(?: number)?|itin|i t i n|tin number|utr",
        r"nhs number|n h s number|medicare (?:number|card|id)|medicaid (?:number|id)|"
        r"health card number|social insurance number",
        r"national id(?:entity)?(?: (?:number|card))?|identity (?:card|number)|"
        r"aadhaar(?: number)?|pan card|s i n number",
        r"last (?:four|4)(?: digits)? of your (?:social|ssn)",
    )

    def fits(self, run: Run) -> bool:
        """Nine digits of an SSN or its last four, a NINO, or nine to twelve characters of another kind."""
        if _NINO.fullmatch(run.text):
            return True
        return 8 <= len(run.text) <= 12 or (len(run.digits) == 4 and not run.n_letters)

    def alone(self, run: Run) -> float:
        """A NINO tells itself; nine digits may be an SSN. Source of the NINO's form: HMRC NIM39110."""
        if _NINO.fullmatch(run.text):
            return 0.85
        return 0.5 if re.fullmatch(r"\d{9}", run.text) and not run.natural else 0.0
