import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callveil.stages.plan_masks import MaskPlan, OtherChannel, plan_masks
from callveil.vocabulary.audio import ChannelSpeech, Span
from callveil.vocabulary.pii import Entity, Finding
from callveil.vocabulary.transcript import Word

PLAN = MaskPlan(pad_before_s=0.2, pad_after_s=0.4, snap_s=0.25, join_s=0.3, other_channel=OtherChannel.NEVER)
LOUD = np.zeros((1000, 2), np.bool_)
SILENT = (ChannelSpeech(channel=0, islands=()), ChannelSpeech(channel=1, islands=()))


def finding(
    start_s: float, end_s: float, channel: int = 0, score: float = 0.9, entity: Entity = Entity.PERSON
) -> Finding:
    return Finding(entity=entity, channel=channel, start_s=start_s, end_s=end_s, score=score, detector="test")


def beside(findings) -> list[Word]:
    """Words that touch each finding, so that no sound beside it can be a part of it."""
    times = [(f.channel, f.start_s - 1, f.start_s) for f in findings]
    times += [(f.channel, f.end_s, f.end_s + 1) for f in findings]
    return [
        Word(text="so", start_s=start_s, end_s=end_s, probability=0.9, channel=channel)
        for channel, start_s, end_s in times
    ]


def plan(findings, settings=PLAN, quiet=LOUD, speech=SILENT, duration_s=10.0):
    masks = plan_masks(
        findings, settings, words=beside(findings), quiet=quiet, speech=speech, duration_s=duration_s
    )
    return [(m.channel, pytest.approx(m.start_s), pytest.approx(m.end_s)) for m in masks]


def quiet_at(*spans: tuple[float, float]) -> np.ndarray:
    quiet = LOUD.copy()
    for start_s, end_s in spans:
        quiet[round(start_s * 100) : round(end_s * 100), 0] = True
    return quiet


def test_padding_without_a_pause():
    assert plan([finding(2, 3)]) == [(0, 1.8, 3.4)]


def test_a_pause_in_reach_ends_the_mask_there():
    assert plan([finding(2, 3)], quiet=quiet_at((1.5, 1.7), (3.5, 3.6))) == [(0, 1.69, 3.5)]


def test_a_pause_within_the_padding_never_shortens_it():
    assert plan([finding(2, 3)], quiet=quiet_at((3.05, 3.2))) == [(0, 1.8, 3.4)]


def test_an_edge_in_a_pause_stays():
    assert plan([finding(2, 3)], quiet=quiet_at((1.0, 1.9), (3.1, 5.0))) == [(0, 1.8, 3.4)]


def test_masks_stay_inside_the_call():
    assert plan([finding(0.1, 0.5), finding(9.5, 9.9)]) == [(0, 0.0, 0.9), (0, 9.3, 10.0)]


def test_close_masks_join_and_keep_the_surer_kind():
    found = [finding(1, 2, score=0.5), finding(2.8, 3, score=0.9, entity=Entity.IBAN)]
    masks = plan_masks(
        found,
        PLAN,
        words=beside(found),
        quiet=LOUD,
        speech=SILENT,
        duration_s=10,
    )
    assert [(m.start_s, m.end_s, m.entity) for m in masks] == [(0.8, 3.4, Entity.IBAN)]


def test_distant_masks_do_not_join():
    assert plan([finding(1, 2), finding(3.2, 4)]) == [(0, 0.8, 2.4), (0, 3.0, 4.4)]


def islands(*spans: tuple[float, float]) -> tuple[ChannelSpeech, ...]:
    return (SILENT[0], ChannelSpeech(channel=1, islands=tuple(Span(start_s=a, end_s=b) for a, b in spans)))


WHEN_QUIET = replace(PLAN, other_channel=OtherChannel.WHEN_QUIET)


@pytest.mark.parametrize(
    ("speech", "other"),
    [
        (islands(), [(1.8, 3.4)]),
        (islands((0, 10)), []),
        (islands((2, 2.5)), [(1.8, 2.0), (2.5, 3.4)]),
        (islands((0, 2)), [(2.0, 3.4)]),
        (islands((3, 9)), [(1.8, 3.0)]),
        (islands((0, 1), (5, 6)), [(1.8, 3.4)]),
    ],
)
def test_the_other_channel_is_masked_where_it_does_not_speak(speech, other):
    found = [finding(2, 3)]
    masks = plan_masks(found, WHEN_QUIET, words=beside(found), quiet=LOUD, speech=speech, duration_s=10)
    assert [(m.start_s, m.end_s) for m in masks if m.channel == 1] == other
    assert {m.detector for m in masks if m.channel == 1} <= {"crosstalk"}


def test_always_masks_the_other_channel_even_over_its_speech():
    settings = replace(PLAN, other_channel=OtherChannel.ALWAYS)
    assert [m[0] for m in plan([finding(2, 3)], settings, speech=islands((0, 10)))] == [0, 1]


def test_a_mono_call_has_no_other_channel():
    assert plan([finding(2, 3)], WHEN_QUIET, quiet=LOUD[:, :1], speech=SILENT[:1]) == [(0, 1.8, 3.4)]


times = st.floats(0, 10, allow_nan=False)
findings = st.lists(
    st.tuples(times, times, st.integers(0, 1)).filter(lambda t: t[0] < t[1]).map(lambda t: finding(*t)),
    max_size=8,
)


@given(
    findings=findings,
    quiet=st.integers(0, 2**32).map(lambda seed: np.random.default_rng(seed).random((1000, 2)) < 0.3),
)
def test_every_finding_is_covered_and_masks_do_not_overlap(findings, quiet):
    masks = plan_masks(
        findings, WHEN_QUIET, words=beside(findings), quiet=quiet, speech=islands((1, 4)), duration_s=10
    )
    for f in findings:
        assert any(
            m.channel == f.channel and m.start_s <= f.start_s + 1e-3 and m.end_s >= f.end_s - 1e-3
            for m in masks
        )
    for a, b in itertools.pairwise(masks):
        assert a.channel != b.channel or a.end_s < b.start_s


def word(start_s: float, end_s: float) -> Word:
    return Word(text="so", start_s=start_s, end_s=end_s, probability=0.9, channel=0)


def edges(words, quiet=LOUD):
    found = [finding(4, 5)]
    (mask,) = plan_masks(found, PLAN, words=words, quiet=quiet, speech=SILENT, duration_s=10)
    return mask.start_s, mask.end_s


def test_sound_that_goes_on_beside_a_found_word_belongs_to_it():
    assert edges([word(4, 5)]) == (pytest.approx(3.4), pytest.approx(5.6))


def test_such_sound_ends_at_a_pause():
    start_s, end_s = edges([word(4, 5)], quiet_at((3.5, 3.6), (5.5, 5.7)))
    assert (start_s, end_s) == (pytest.approx(3.59), pytest.approx(5.5))


def test_such_sound_ends_where_another_word_begins():
    assert edges([word(3, 3.7), word(4, 5), word(5.5, 6)]) == (pytest.approx(3.7), pytest.approx(5.5))


def test_words_of_the_other_channel_end_nothing():
    others = [replace(each, channel=1) for each in (word(3, 3.7), word(5.2, 6))]
    assert edges([word(4, 5), *others]) == edges([word(4, 5)])


spans_of_words = st.lists(
    st.tuples(times, st.floats(0.02, 1.0)).map(lambda t: word(t[0], t[0] + t[1])), max_size=12
)


@given(words=spans_of_words, seed=st.integers(0, 2**32))
def test_an_edge_reaches_over_no_other_word_by_more_than_padding_and_snap(words, seed):
    quiet = np.random.default_rng(seed).random((1000, 2)) < 0.1
    start_s, end_s = edges([*words, word(4, 5)], quiet)
    frame_s = 0.011
    assert 4 - 0.6 - PLAN.snap_s - frame_s <= start_s <= 4 - PLAN.pad_before_s + frame_s
    assert 5 + PLAN.pad_after_s - frame_s <= end_s <= 5 + 0.6 + PLAN.snap_s + frame_s
    for each in words:
        if each.end_s <= 4:
            assert start_s >= min(each.end_s, 4 - PLAN.pad_before_s) - PLAN.snap_s - frame_s
        if each.start_s >= 5:
            assert end_s <= max(each.start_s, 5 + PLAN.pad_after_s) + PLAN.snap_s + frame_s
