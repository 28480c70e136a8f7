"""What of the second recogniser's findings counts as a leak, and that masks hold."""

from dataclasses import replace

import numpy as np
import pytest

from callveil.stages.mask_audio import AudioStyle, mask_audio
from callveil.stages.unheard import INAUDIBLE
from callveil.stages.verify import (
    around,
    leaks,
    mask_holds,
    merged_words,
    remaining_speech,
    suspect_words,
    within,
)
from callveil.testing import noise, words
from callveil.vocabulary.audio import ChannelSpeech, Span
from callveil.vocabulary.pii import Entity, Finding, MaskSpan
from callveil.vocabulary.transcript import Word

STEP = 2.0**-15


def mask(start_s: float, end_s: float, channel: int = 0) -> MaskSpan:
    return MaskSpan(
        channel=channel, start_s=start_s, end_s=end_s, entity=Entity.PERSON, detector="test", score=0.9
    )


def finding(start_s: float, end_s: float, *, score: float = 0.9, channel: int = 0) -> Finding:
    return Finding(
        entity=Entity.PERSON, channel=channel, start_s=start_s, end_s=end_s, score=score, detector="test"
    )


def speech(*islands: tuple[float, float], channel: int = 0) -> ChannelSpeech:
    return ChannelSpeech(channel=channel, islands=tuple(Span(start_s=a, end_s=b) for a, b in islands))


def edges(own: ChannelSpeech) -> list[tuple[float, float]]:
    return [(island.start_s, island.end_s) for island in own.islands]


def word(text: str, start_s: float = 0.0, end_s: float = 0.3, *, probability: float = 0.9, channel: int = 0):
    return Word(text=text, start_s=start_s, end_s=end_s, probability=probability, channel=channel)


REST = [
    ("no mask", [], [(1, 5)]),
    ("in the middle", [(2, 3)], [(1, 2), (3, 5)]),
    ("over the beginning", [(0, 2)], [(2, 5)]),
    ("over the end", [(4, 6)], [(1, 4)]),
    ("over all of it", [(0, 6)], []),
    ("exactly all of it", [(1, 5)], []),
    ("beside it", [(5, 6), (0, 1)], [(1, 5)]),
    ("two, in any order", [(4, 4.5), (2, 3)], [(1, 2), (3, 4), (4.5, 5)]),
    ("two that overlap", [(2, 3), (2.5, 4)], [(1, 2), (4, 5)]),
    ("one inside another", [(2, 4), (2.5, 3)], [(1, 2), (4, 5)]),
    ("rests too short for a syllable", [(1.1, 3), (3.1, 5)], []),
]


@pytest.mark.parametrize(("masks", "rest"), [row[1:] for row in REST], ids=[row[0] for row in REST])
def test_what_masks_leave_of_speech(masks, rest):
    (own,) = remaining_speech([speech((1, 5))], [mask(*each) for each in masks])
    assert edges(own) == rest


def test_a_mask_leaves_the_other_channel_alone():
    first, second = remaining_speech([speech((1, 5)), speech((1, 5), channel=1)], [mask(0, 9, channel=1)])
    assert edges(first) == [(1, 5)]
    assert (second.channel, edges(second)) == (1, [])


WITHIN = [
    ("no region", [], []),
    ("around it", [(0, 9)], [(1, 5), (7, 8)]),
    ("a part", [(2, 3)], [(2, 3)]),
    ("overlapping regions count once", [(2, 4), (3, 4.5)], [(2, 4.5)]),
    ("touching regions are one", [(2, 3), (3, 4)], [(2, 4)]),
    ("in any order", [(7, 9), (0, 2)], [(1, 2), (7, 8)]),
    ("one inside another", [(2, 4), (2.5, 3)], [(2, 4)]),
    ("over a pause", [(4, 7.5)], [(4, 5), (7, 7.5)]),
    ("too short for a syllable", [(4.9, 6)], []),
]


@pytest.mark.parametrize(("regions", "kept"), [row[1:] for row in WITHIN], ids=[row[0] for row in WITHIN])
def test_speech_within_regions(regions, kept):
    own, other = within(
        [speech((1, 5), (7, 8)), speech((1, 5), (7, 8), channel=1)],
        [Span(start_s=a, end_s=b) for a, b in regions],
    )
    assert sorted(edges(own)) == kept
    assert sorted(edges(other)) == kept


def test_around_reaches_to_both_sides_of_all_kinds_of_stretches():
    spans = around([Span(start_s=5, end_s=6), mask(10, 11), word("seven", 20, 21)])
    assert spans == [Span(start_s=2, end_s=9), Span(start_s=7, end_s=14), Span(start_s=17, end_s=24)]
    assert around([Span(start_s=5, end_s=6)], 0.5) == [Span(start_s=4.5, end_s=6.5)]
    assert around([]) == []


SUSPECT = [
    ("four", 0.9, True),
    ("Four,", 0.9, True),
    ("fourteen", 0.9, True),
    ("forty", 0.9, True),
    ("double", 0.9, True),
    ("oh", 0.9, True),
    ("4122", 0.9, True),
    ("HG1", 0.9, True),
    ("calling", 0.49, True),
    ("calling", 0.5, False),
    ("Tobias", 0.9, False),
    (INAUDIBLE, 0.0, True),
]


@pytest.mark.parametrize(("text", "probability", "is_suspect"), SUSPECT)
def test_suspect_words_are_digits_and_unsure_ones(text, probability, is_suspect):
    assert (list(suspect_words([word(text, probability=probability)])) != []) is is_suspect


def test_merged_words_are_the_firsts_under_masks_and_the_seconds_elsewhere():
    first = words("my name is Tobias Lund thanks", start_s=0.0)
    second = words("my dame is <mask> <mask> banks", start_s=0.0)
    merged = merged_words(first, second, [mask(1.1, 2.0)])
    assert sorted((each.start_s, each.text) for each in merged) == [
        (pytest.approx(0.0), "my"),
        (pytest.approx(0.4), "dame"),
        (pytest.approx(0.8), "is"),
        (pytest.approx(1.2), "Tobias"),
        (pytest.approx(1.6), "Lund"),
        (pytest.approx(2.0), "banks"),
    ]


def test_a_word_half_under_a_mask_is_taken_from_the_second_only():
    merged = merged_words([word("Tobias", 1, 2)], [word("Topaz", 1, 2)], [mask(1.5, 3)])
    assert [each.text for each in merged] == ["Topaz"]


def test_masks_of_the_other_channel_do_not_cover_a_word():
    merged = merged_words([word("Tobias", 1, 2)], [word("Topaz", 1, 2)], [mask(0, 3, channel=1)])
    assert [each.text for each in merged] == ["Topaz"]


def test_what_the_second_heard_in_addition_is_a_leak_cut_to_its_audible_words():
    second = words("this is Tobias Lund calling", start_s=10.0)
    found = leaks([finding(10.8, 11.5)], words("this is", start_s=10.0), second, [])
    (leak,) = found
    assert leak.start_s == pytest.approx(10.8 - 0.25)
    assert leak.end_s == pytest.approx(11.5 + 0.25)
    assert leak.detector == "verify:test"
    assert (leak.entity, leak.channel, leak.score) == (Entity.PERSON, 0, 0.9)


def test_only_what_no_mask_covers_is_left_of_a_finding():
    second = words("Tobias Lund", start_s=10.0)
    (leak,) = leaks([finding(10.0, 10.7)], [], second, [mask(9.9, 10.35)])
    assert (leak.start_s, leak.end_s) == (pytest.approx(10.4 - 0.25), pytest.approx(10.7 + 0.25))
    assert leaks([finding(10.0, 10.7)], [], second, [mask(9.9, 10.8)]) == ()


def test_a_leak_does_not_begin_before_the_call():
    (leak,) = leaks([finding(0.1, 0.4)], [], [word("Tobias", 0.1, 0.4)], [])
    assert leak.start_s == 0.0


def test_what_is_found_without_audible_words_is_no_leak():
    assert leaks([finding(10, 11)], [], [word("Tobias", 20, 21)], []) == ()
    assert leaks([finding(10, 11)], [], [word("Tobias", 10, 11, channel=1)], []) == ()


EVIDENCE = [
    ("a new name", "Tobias", "", 0.9, True),
    ("a name both heard alike", "Tobias", "Tobias", 0.9, False),
    ("in another spelling", "Tobias,", "tobias", 0.9, False),
    ("misheard by one of them", "Lindquist", "Lindqvist", 0.9, False),
    ("a name the first took for a word", "Tobias", "today's", 0.9, True),
    ("small words", "it is the", "", 0.9, False),
    ("courtesy", "thanks okay", "", 0.9, False),
    ("fillers", "um er", "", 0.9, False),
    ("a name among small words", "it is Tobias", "it is", 0.9, True),
    ("a spelt letter", "b", "", 0.9, True),
    ("a new digit", "seven", "", 0.6, True),
    ("two digits both heard alike", "four one", "four one", 0.99, False),
    ("three digits, though heard alike", "four one two", "four one two", 0.85, True),
    ("three digits, unsure", "four one two", "four one two", 0.84, False),
    ("three digits, one of them new", "four one two", "four one", 0.6, True),
    ("double counts", "double four one", "double four one", 0.9, True),
    ("a low score", "Tobias", "", 0.54, False),
    ("just enough of a score", "Tobias", "", 0.55, True),
]


@pytest.mark.parametrize(
    ("second", "first", "score", "is_leak"), [row[1:] for row in EVIDENCE], ids=[row[0] for row in EVIDENCE]
)
def test_what_counts_as_evidence(second, first, score, is_leak):
    heard = words(second, start_s=10.0)
    found = leaks([finding(10.0, heard[-1].end_s, score=score)], words(first, start_s=10.0), heard, [])
    assert (found != ()) is is_leak


@pytest.mark.parametrize(
    ("start_s", "channel", "is_leak"),
    [(10.0, 0, False), (10.6, 0, False), (9.4, 0, False), (10.8, 0, True), (9.2, 0, True), (10.0, 1, True)],
)
def test_heard_alike_means_at_about_the_same_time_on_the_same_channel(start_s, channel, is_leak):
    first = [word("Tobias", start_s, start_s + 0.3, channel=channel)]
    found = leaks([finding(10.0, 10.3)], first, [word("Tobias", 10.0, 10.3)], [])
    assert (found != ()) is is_leak


@pytest.mark.parametrize(("probability", "is_leak"), [(0.9, False), (0.5, False), (0.49, True), (None, True)])
def test_speech_without_words_is_a_leak_where_the_first_was_lost_too(probability, is_leak):
    first = [] if probability is None else [word("calling", 10.1, 10.4, probability=probability)]
    second = [word(INAUDIBLE, 10.0, 10.6, probability=0.0)]
    assert (leaks([finding(10.0, 10.6)], first, second, []) != ()) is is_leak


SPANS = (mask(0.2, 0.5), mask(0.7, 0.8001, channel=1))


@pytest.mark.parametrize("style", AudioStyle)
@pytest.mark.parametrize("rate_hz", [8000, 11025, 48000])
def test_masked_audio_holds_also_as_16_bits(style, rate_hz):
    masked = mask_audio(noise(rate_hz=rate_hz, channels=2), SPANS, style)
    audio = replace(noise(rate_hz=rate_hz, channels=2), samples=masked.samples)
    assert mask_holds(audio, SPANS, style)
    as_written = (np.round(masked.samples / STEP) * STEP).astype(np.float32)
    assert mask_holds(replace(audio, samples=as_written), SPANS, style)


@pytest.mark.parametrize("style", AudioStyle)
@pytest.mark.parametrize("steps", [2, -2])
@pytest.mark.parametrize(("at_s", "channel"), [(0.2, 0), (0.35, 0), (0.4999, 0), (0.75, 1)])
def test_one_altered_sample_under_a_mask_is_seen(style, steps, at_s, channel):
    audio = noise(rate_hz=8000, channels=2)
    samples = mask_audio(audio, SPANS, style).samples.copy()
    samples[int(at_s * 8000), channel] += steps * STEP
    assert not mask_holds(replace(audio, samples=samples), SPANS, style)


def test_outside_masks_anything_goes_and_one_step_is_rounding():
    audio = noise(rate_hz=8000, channels=2)
    samples = mask_audio(audio, SPANS, AudioStyle.SILENCE).samples.copy()
    samples[round(0.35 * 8000), 1] += 0.5  # channel 1 is not masked there
    samples[round(0.9 * 8000), 0] += 0.5
    samples[round(0.35 * 8000), 0] += STEP
    assert mask_holds(replace(audio, samples=samples), SPANS, AudioStyle.SILENCE)


@pytest.mark.parametrize("style", AudioStyle)
def test_masks_hold_in_every_block_of_a_call(style):
    whole = noise(rate_hz=8000, channels=2)
    for first in range(0, whole.n_samples, 1500):
        block = replace(whole, samples=whole.samples[first : first + 1500], start_sample=first)
        masked = replace(block, samples=mask_audio(block, SPANS, style).samples)
        assert mask_holds(masked, SPANS, style)
        touches = first < 0.5 * 8000 and first + 1500 > 0.2 * 8000
        assert mask_holds(block, SPANS[:1], style) is not touches


def test_another_filling_than_the_profile_says_does_not_hold():
    audio = noise(rate_hz=8000, channels=2)
    tone = replace(audio, samples=mask_audio(audio, SPANS, AudioStyle.TONE).samples)
    assert not mask_holds(tone, SPANS, AudioStyle.SILENCE)
    assert not mask_holds(audio, SPANS, AudioStyle.SILENCE)
    assert mask_holds(audio, (), AudioStyle.SILENCE)
