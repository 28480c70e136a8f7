"""`detector:standin`: the marker word is a name."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from callveil.vocabulary.pii import Entity, Finding
from callveil.vocabulary.transcript import Turn
from callveil_standin.tones import MARKER_WORD


class Options(BaseModel):
    """None."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class StandInDetector:
    """See `EntityDetector`."""

    name = "standin"

    def find(self, turns: Sequence[Turn], *, language: str) -> tuple[Finding, ...]:
        return tuple(
            Finding(
                entity=Entity.PERSON,
                channel=word.channel,
                start_s=word.start_s,
                end_s=word.end_s,
                score=1.0,
                detector="standin",
            )
            for turn in turns
            for word in turn.words
            if word.text == MARKER_WORD
        )


def build(options: Options, models: object) -> StandInDetector:
    return StandInDetector()
