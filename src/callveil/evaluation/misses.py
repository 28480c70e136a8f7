"""Why personal data was missed: where in the way from sound to mask it was lost."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from callveil.evaluation.readable import can_read, heard_at
from callveil.evaluation.truth import TruthCall, TruthPii
from callveil.vocabulary.pii import Finding
from callveil.vocabulary.transcript import Word

_LEAST_OVERLAP_S = 0.1


class Reason(StrEnum):
    """Where a stretch of personal data was lost."""

    NOT_HEARD = "not heard"
    """The recogniser wrote no word there."""
    HEARD_WRONG = "heard wrong"
    """It wrote other words: in their spoken form they are unlike the value."""
    NOT_FOUND = "heard right, not found"
    """The value stands in the transcript, and the detector took it for nothing."""
    FOUND_IN_PART = "found in part"
    """Some of its words were found, others were heard and not found."""
    TIMES_OFF = "found, times off"
    """All words heard there were found; they do not cover the time in which the value was said."""
    FAILED = "call failed"


def miss_reason(
    pii: TruthPii,
    truth: TruthCall,
    heard: Sequence[Word],
    findings: Sequence[Finding],
    *,
    mixed: bool = False,
) -> Reason:
    """Tell why a stretch is not masked.

    Args:
        pii: A stretch that was not caught.
        truth: The labels of its call.
        heard: What the run heard of the original.
        findings: What its detector found, without padding.
        mixed: Words and findings are of a mono mix.
    """
    span = pii.span
    found = [
        finding
        for finding in findings
        if (mixed or finding.channel == span.channel)
        and min(finding.end_s, span.end_s) - max(finding.start_s, span.start_s) > _LEAST_OVERLAP_S
    ]
    own = [word for word in heard if mixed or word.channel == span.channel]
    here = heard_at(pii, truth, own, mixed=mixed)
    if found:
        inside = [word for word in here if span.start_s <= _middle_s(word) <= span.end_s]
        missed = [word for word in inside if not any(_covers(finding, word) for finding in found)]
        return Reason.FOUND_IN_PART if missed else Reason.TIMES_OFF
    if can_read(pii, truth, own, mixed=mixed):
        return Reason.NOT_FOUND
    return Reason.HEARD_WRONG if here else Reason.NOT_HEARD


def _covers(finding: Finding, word: Word) -> bool:
    return finding.start_s <= _middle_s(word) <= finding.end_s


def _middle_s(word: Word) -> float:
    return (word.start_s + word.end_s) / 2
