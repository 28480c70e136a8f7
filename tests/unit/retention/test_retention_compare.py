"""What is different between two sets of policies."""

from __future__ import annotations

from dataclasses import replace

from callveil.retention.compare import NOTHING, Difference, compare
from callveil.vocabulary.retention import KeptPart, Match, Period, Policy

SALES = Policy(
    name="sales",
    match=Match(queues=frozenset({"sales"})),
    keep={KeptPart.AUDIO: Period(days=90)},
    law="ours",
)
TAX = Policy(name="tax", duty={KeptPart.AUDIO: Period(months=120)})


def test_the_same_is_no_change():
    assert compare((SALES, TAX), (TAX, SALES)) == ()


def test_each_difference_is_told_in_words():
    changed = replace(
        SALES,
        match=Match(),
        keep={KeptPart.AUDIO: Period(months=6), KeptPart.ORIGINAL: Period(days=1)},
        law="",
    )
    (change,) = compare((SALES, TAX), (changed, TAX))
    assert (change.name, change.kind) == ("sales", "changed")
    assert change.differences == (
        Difference(what="is for", before="calls of queue sales", after="all calls"),
        Difference(what="keeps the audio", before="90 days", after="6 months"),
        Difference(what="because of", before="ours", after=NOTHING),
        Difference(what="keeps the original", before=NOTHING, after="1 day"),
    )


def test_new_ones_and_those_that_are_gone():
    new, gone = compare((SALES,), (TAX,))
    assert [(each.name, each.kind) for each in (new, gone)] == [("tax", "new"), ("sales", "gone")]
    assert Difference(what="must keep the audio", before=NOTHING, after="10 years") in new.differences
    assert Difference(what="keeps the audio", before="90 days", after=NOTHING) in gone.differences


def test_what_is_for_every_call_is_told_as_that():
    (change,) = compare((), (replace(TAX, fallback=True),))
    assert change.differences[0].after == "calls that no other policy is for"
