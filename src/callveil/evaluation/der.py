"""Diarization error rate."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from callveil.errors import ConfigError
from callveil.evaluation.truth import TruthCall
from callveil.vocabulary.transcript import SpeakerSegment

if TYPE_CHECKING:
    from pyannote.core import Annotation


@dataclass(frozen=True, slots=True, kw_only=True)
class DerScore:
    """Seconds of speaker time that are wrong, by how. Scores of several calls are added up with `+`.

    Attributes:
        spoken_s: Speaker time of the reference.
        missed_s: Spoken, but given to nobody.
        false_alarm_s: Given to somebody, but not spoken.
        confused_s: Given to another speaker.
    """

    spoken_s: float
    missed_s: float
    false_alarm_s: float
    confused_s: float

    @property
    def rate(self) -> float:
        """The diarization error rate, 0 and up."""
        wrong_s = self.missed_s + self.false_alarm_s + self.confused_s
        return wrong_s / self.spoken_s if self.spoken_s else 0.0

    def __add__(self, other: DerScore) -> DerScore:
        return DerScore(
            spoken_s=self.spoken_s + other.spoken_s,
            missed_s=self.missed_s + other.missed_s,
            false_alarm_s=self.false_alarm_s + other.false_alarm_s,
            confused_s=self.confused_s + other.confused_s,
        )


def score_der(
    reference: Sequence[SpeakerSegment],
    hypothesis: Sequence[SpeakerSegment],
    *,
    collar_s: float = 0.0,
    skip_overlap: bool = False,
) -> DerScore:
    """Compare who spoke when with who is said to have spoken; names are matched in the best way.

    Args:
        reference: What is true.
        hypothesis: What a diarizer said.
        collar_s: Seconds before and after each edge of the reference that do not count; NIST used 0.25.
        skip_overlap: Leave out where several people really spoke at once.

    Raises:
        ConfigError: The extra "evaluate" is not installed.
    """
    try:
        from pyannote.core import Segment, Timeline
        from pyannote.metrics.diarization import DiarizationErrorRate
    except ModuleNotFoundError as error:
        raise ConfigError(
            "diarization error rate: needs pyannote.metrics; pip install 'callveil[evaluate]'"
        ) from error
    # pyannote counts the whole width of a collar, half of it on either side of an edge.
    metric = DiarizationErrorRate(collar=2 * collar_s, skip_overlap=skip_overlap)
    ends = [segment.end_s for segment in (*reference, *hypothesis)]
    whole = Timeline([Segment(0.0, max(ends, default=0.0))])
    parts = metric(_annotation(reference), _annotation(hypothesis), uem=whole, detailed=True)
    return DerScore(
        spoken_s=float(parts["total"]),
        missed_s=float(parts["missed detection"]),
        false_alarm_s=float(parts["false alarm"]),
        confused_s=float(parts["confusion"]),
    )


def true_segments(call: TruthCall) -> tuple[SpeakerSegment, ...]:
    """The turns of a labelled call as segments."""
    return tuple(
        SpeakerSegment(
            speaker=turn.speaker,
            channel=turn.span.channel,
            start_s=turn.span.start_s,
            end_s=turn.span.end_s,
        )
        for turn in call.turns
    )


def _annotation(segments: Iterable[SpeakerSegment]) -> Annotation:
    from pyannote.core import Annotation, Segment

    annotation = Annotation()
    for track, segment in enumerate(segments):
        annotation[Segment(segment.start_s, segment.end_s), track] = segment.speaker
    return annotation
