"""Card security codes (CVV, CVC, CID)."""

from __future__ import annotations

from typing import ClassVar

from callveil.engines.presidio.base import NumberRecognizer
from callveil.stages.cues import CuePattern, cues
from callveil.stages.spoken_forms import Run
from callveil.vocabulary.pii import Entity

_COUNT = r"(?:three|3|four|4)"


class SecurityCodeRecognizer(NumberRecognizer):
    """Three digits, four on American Express, only where they are asked for or announced."""

    entity: ClassVar[Entity] = Entity.CARD_SECURITY_CODE
    cues: ClassVar[tuple[CuePattern, ...]] = cues(
        entity.value,
        r"security (?:code|number|digits)|cvv2?|cvc2?|cv2|cvn|c v v|c v c|c v two|csc|"
        r"verification (?:value|digits)",
        rf"(?:last )?{_COUNT}[ -]?(?:digits?|numbers?)(?: (?:security )?(?:code|number))?"
        r" (?:on|at|from|next to|by|near)(?: the)?(?: \w+)? (?:back|front|signature|reverse|strip)",
        rf"{_COUNT} digit (?:security )?code|code (?:on|at) the (?:back|front)|(?:on|"
        rf"off) the back|signature strip",
        rf"{_COUNT} (?:digits|numbers) (?:on|next to|beside) (?:the|your)(?: \w+)?|"
        rf"last {_COUNT} (?:on|digits on) the back",
        r"card code|and (?:the )?code|expiry and code",
    )

    def fits(self, run: Run) -> bool:
        """Three or four digits."""
        return not run.n_letters and len(run.digits) in (3, 4)
