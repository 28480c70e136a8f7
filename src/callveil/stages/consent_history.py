"""Fold the answers to consent that came in one after another into those that now stand."""

from __future__ import annotations

from collections.abc import Sequence

from callveil.vocabulary.consent import ConsentRecord


def fold_answers(
    standing: Sequence[ConsentRecord], answers: Sequence[ConsentRecord]
) -> tuple[ConsentRecord, ...]:
    """What stands when new answers come in.

    A new answer takes the place of earlier ones for the same purpose and party; one for all parties (`party`
    None) takes the place of every earlier one for that purpose. An answer for one party leaves an earlier one
    for all parties in place: the consent gate goes by the most restrictive.

    Answers that come together stand together, so that a grant and its withdrawal at a second of the call can
    be told at once.

    Args:
        standing: What stood so far.
        answers: What came in, together.

    Returns:
        Those that still stand in their order, then the new ones in theirs.
    """
    left = [record for record in standing if not any(_replaces(answer, record) for answer in answers)]
    return (*left, *answers)


def _replaces(answer: ConsentRecord, record: ConsentRecord) -> bool:
    return answer.purpose is record.purpose and answer.party in (None, record.party)
