"""Speech without words becomes one unsure word."""

import numpy as np
import pytest

from callveil.stages.speech import FRAME_S
from callveil.stages.unheard import INAUDIBLE, unheard_speech
from callveil.vocabulary.audio import ChannelSpeech, Span
from callveil.vocabulary.transcript import Word


def heard(start_s: float, end_s: float, channel: int = 0) -> Word:
    return Word(text="word", start_s=start_s, end_s=end_s, probability=0.9, channel=channel)


def speech(*islands: tuple[float, float], channel: int = 0) -> ChannelSpeech:
    return ChannelSpeech(channel=channel, islands=tuple(Span(start_s=a, end_s=b) for a, b in islands))


def pauses(*stretches: tuple[float, float], channels: int = 1, duration_s: float = 20.0):
    """Sound all along but in the stretches, which are quiet on every channel."""
    quiet = np.zeros((round(duration_s / FRAME_S), channels), np.bool_)
    for start_s, end_s in stretches:
        quiet[round(start_s / FRAME_S) : round(end_s / FRAME_S)] = True
    return quiet


CASES = [
    ("nothing was heard", [], [(2, 5)], [], [(2, 5)]),
    ("all was heard", [(2, 3), (3, 4), (4, 5)], [(2, 5)], [], []),
    ("a gap between words", [(2, 3), (4.5, 5)], [(2, 5)], [], [(3.25, 4.25)]),
    ("a gap that is too short", [(2, 3), (3.8, 5)], [(2, 5)], [], []),
    ("the gap is a pause", [(2, 3), (4.5, 5)], [(2, 5)], [(3, 4.5)], []),
    ("no speech at all", [], [], [], []),
    ("a word far away", [(10, 11)], [(2, 5)], [], [(2, 5)]),
    ("sound over short pauses is one", [], [(2, 5)], [(3, 3.4)], [(2, 5)]),
    ("over a longer pause it is two", [], [(2, 5)], [(3, 4)], [(2, 3), (4, 5)]),
    ("islands apart are two", [], [(2, 3), (6, 7)], [], [(2, 3), (6, 7)]),
    ("too short to hold a word", [], [(2, 2.3)], [], []),
    ("just long enough", [], [(2, 2.4)], [], [(2, 2.4)]),
    ("little sound over a long time", [], [(2, 5)], [(2.1, 2.5), (2.6, 3.0), (3.1, 5)], []),
    ("beyond the end of the levels", [], [(19, 25)], [], [(19, 20)]),
]


@pytest.mark.parametrize(
    ("said", "islands", "quiet", "missed"), [row[1:] for row in CASES], ids=[row[0] for row in CASES]
)
def test_where_speech_has_no_words(said, islands, quiet, missed):
    found = unheard_speech([heard(*each) for each in said], [speech(*islands)], pauses(*quiet))
    assert [(word.start_s, word.end_s) for word in found] == [pytest.approx(each) for each in missed]


def test_it_becomes_a_word_nobody_is_sure_of():
    (word,) = unheard_speech([], [speech((2, 5))], pauses())
    assert (word.text, word.probability, word.channel) == (INAUDIBLE, 0.0, 0)


def test_each_channel_counts_for_itself():
    own = [speech((2, 3)), speech((2, 3), (6, 7), channel=1)]
    found = unheard_speech([heard(2, 3, channel=0)], own, pauses(channels=2))
    assert [(word.channel, word.start_s) for word in found] == [(1, pytest.approx(2)), (1, pytest.approx(6))]


def test_pauses_of_one_channel_are_not_those_of_the_other():
    quiet = pauses(channels=2)
    quiet[:, 0] = True
    found = unheard_speech([], [speech((2, 3)), speech((2, 3), channel=1)], quiet)
    assert [word.channel for word in found] == [1]


def test_a_call_without_a_frame():
    assert unheard_speech([], [speech()], pauses(duration_s=0.0)) == ()
    assert unheard_speech([], (), pauses()) == ()
