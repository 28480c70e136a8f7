"""Figures from the field: what reviewers say of what was masked."""

from __future__ import annotations

from collections import Counter

import pytest

from callveil.evaluation.score_interval import wilson
from callveil.pipeline.correct import beyond, whole_turns
from callveil.pipeline.field_scores import FieldScore, distinct, score_fields
from callveil.vocabulary.pii import Entity, Finding, MaskSpan
from callveil.vocabulary.reviews import Stretch
from callveil.vocabulary.transcript import MaskedTurn


def stretch(start_s, end_s, channel=0, entity=Entity.PERSON):
    return Stretch(channel=channel, start_s=start_s, end_s=end_s, entity=entity)


@pytest.mark.parametrize(
    ("hits", "cases", "low", "high"),
    # Brown, Cai, DasGupta 2001 and R's prop.test(correct = FALSE).
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (5, 10, 0.2366, 0.7634), (81, 263, 0.2553, 0.3662)],
)
def test_an_interval_is_that_of_the_books(hits, cases, low, high):
    assert wilson(hits, cases) == pytest.approx((low, high), abs=1e-4)
    assert wilson(0, 0) == (0.0, 1.0)


def test_two_people_who_mark_the_same_count_once():
    given = [stretch(1, 2), stretch(1.5, 2.5), stretch(1, 2, 1), stretch(3, 4)]
    assert distinct(given) == (given[0], given[2], given[3])


def test_the_figures_per_kind_and_in_all():
    scores = [
        FieldScore(
            masked=Counter({Entity.PERSON: 8, Entity.ADDRESS: 1}),
            missed=(stretch(1, 2), stretch(3, 4, entity=Entity.MEDICAL)),
            over=(stretch(5, 6),),
            reported=(),
            duration_s=60.0,
            again=(2, 1, 1, 0),
        ),
        FieldScore(
            masked=Counter({Entity.PERSON: 1}), missed=(), over=(), reported=(stretch(1, 2),), duration_s=30.0
        ),
    ]
    fields = score_fields(scores)
    assert (fields["calls"], fields["minutes"]) == (2, 1.5)
    assert (fields["calls_without_miss"]["hits"], fields["calls_without_miss"]["cases"]) == (1, 2)
    person = fields["by_entity"]["PERSON"]
    assert (person["recall"]["hits"], person["recall"]["cases"], person["recall"]["share"]) == (9, 10, 0.9)
    assert (person["over_rate"]["hits"], person["over_rate"]["cases"]) == (1, 10)
    assert person["over_reported"] == 1
    assert fields["by_entity"]["MEDICAL"]["recall"]["share"] == 0.0
    assert fields["total"]["recall"]["cases"] == 12
    assert fields["again"]["missed_then_caught_now"]["share"] == 0.5
    assert score_fields([])["total"]["recall"]["share"] is None


def span(start_s, end_s, channel=0):
    return MaskSpan(
        channel=channel, start_s=start_s, end_s=end_s, entity=Entity.PERSON, detector="test", score=0.9
    )


def test_new_masks_are_what_no_earlier_one_covers():
    earlier = [span(2, 3), span(5, 6), span(1, 9, 1)]
    assert [(s.start_s, s.end_s) for s in beyond([span(1, 7)], earlier)] == [(1, 2), (3, 5), (6, 7)]
    assert beyond([span(2.2, 2.8), span(2, 8, 1)], earlier) == []
    assert beyond([span(10, 11)], earlier) == [span(10, 11)]


def test_a_leak_that_stays_is_masked_with_its_turn():
    turns = [
        MaskedTurn(speaker="agent", channel=0, start_s=1, end_s=4, words=()),
        MaskedTurn(speaker="agent", channel=0, start_s=6, end_s=8, words=()),
        MaskedTurn(speaker="customer", channel=1, start_s=0, end_s=9, words=()),
    ]

    def leak(start_s, end_s):
        return Finding(entity=Entity.PERSON, channel=0, start_s=start_s, end_s=end_s, score=0.9, detector="t")

    wide = whole_turns([leak(3, 4.5), leak(4.6, 5)], turns)
    assert [(each.start_s, each.end_s) for each in wide] == [(1, 4.5), (4.6, 5)]
