"""Runs of digits that look personal though nothing tells their kind."""

from __future__ import annotations

from typing import ClassVar

from callveil.engines.presidio.base import FORM_ALONE, NumberRecognizer
from callveil.stages.spoken_forms import Run
from callveil.vocabulary.pii import Entity


class PlainNumberRecognizer(NumberRecognizer):
    """Six digits and more that were said one by one."""

    entity: ClassVar[Entity] = Entity.NUMBER

    def fits(self, run: Run) -> bool:  # noqa: ARG002
        """Never expected under this name."""
        return False

    def alone(self, run: Run) -> float:
        """Long runs only; numbers said as a whole ("twelve thousand") are amounts."""
        if run.natural or run.leans or run.n_letters > 2:
            return 0.0
        return FORM_ALONE - 0.05 if len(run.digits) >= 6 else 0.0
