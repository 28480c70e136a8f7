"""What reviewers marked, in the form in which the detector's findings come."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from callveil.vocabulary.pii import Finding
from callveil.vocabulary.reviews import Stretch

DETECTOR = "review"
"""Name of the detector in findings and masks that a person asked for."""

_MOSTLY = 0.5


def findings_of(missed: Iterable[Stretch], *, channels: int, duration_s: float) -> list[Finding]:
    """Stretches that somebody marked as findings; what lies behind the end of the call is left out.

    Args:
        missed: In seconds of the call.
        channels: Of the call.
        duration_s: Of what is kept of it.
    """
    return [
        Finding(
            entity=one.entity,
            channel=one.channel,
            start_s=one.start_s,
            end_s=min(one.end_s, duration_s),
            score=1.0,
            detector=DETECTOR,
        )
        for one in missed
        if one.channel < channels and one.start_s < duration_s
    ]


def without_vouched(findings: Iterable[Finding], vouched: Sequence[Stretch]) -> list[Finding]:
    """Findings but those that lie for the larger part where somebody vouched that nothing is to be masked.

    What a person asked to mask stays.

    Args:
        findings: Of the call.
        vouched: Stretches that need no mask, each confirmed by a second person with the original.
    """
    return [each for each in findings if each.detector == DETECTOR or not _is_vouched(each, vouched)]


def _is_vouched(finding: Finding, vouched: Sequence[Stretch]) -> bool:
    covered_s = sum(
        max(0.0, min(finding.end_s, one.end_s) - max(finding.start_s, one.start_s))
        for one in vouched
        if one.channel == finding.channel
    )
    return covered_s > _MOSTLY * (finding.end_s - finding.start_s)


def is_within(one: Stretch, others: Iterable[Stretch]) -> bool:
    """Whether others of its channel cover a stretch from end to end.

    Args:
        one: The stretch.
        others: Any, in any order.
    """
    at_s = one.start_s
    for other in sorted((o for o in others if o.channel == one.channel), key=lambda o: o.start_s):
        if other.start_s <= at_s:
            at_s = max(at_s, other.end_s)
    return at_s >= one.end_s
