"""Whisper's loops: what only repeats is taken away, what people say in a row is kept."""

import numpy as np
import pytest

from callveil.engines.whisper_loops import loops_in, without_loops
from callveil.engines.whisper_words import RATE_HZ, HeardSegment, HeardWord, Numerals, transcribe_in_windows
from callveil.testing import noise, words
from callveil.vocabulary.audio import Audio


def texts(found) -> str:
    return " ".join(word.text for word in found)


LOOPS = [
    ("period 1", "I said " + "you " * 20 + "then", "I said you then"),
    ("period 2", "so " + "thank you " * 12 + "bye", "so thank you bye"),
    ("period 3", "well " + "I don't know " * 8 + "okay", "well I don't know okay"),
    ("with punctuation", "Yes. yes, Yes -yes yes. YES yes", "Yes."),
    ("six times is one too many", "no " * 6, "no"),
    ("at the very end", "my name is " + "is " * 9, "my name is"),
    ("two loops", "a " * 9 + "pause " + "b c " * 9, "a pause b c"),
    ("more digits than any card", "one " * 21, "one"),
    ("pairs of digits beyond any number", "five six " * 21, "five six"),
]


@pytest.mark.parametrize(("said", "left"), [row[1:] for row in LOOPS], ids=[row[0] for row in LOOPS])
def test_loops_are_taken_away(said, left):
    heard = words(said)
    assert texts(without_loops(heard)) == left
    assert loops_in(heard) == len(heard) - len(left.split()) > 0


KEPT = [
    ("nothing", ""),
    ("one word", "hello"),
    ("a sentence", "I'd like to pay my bill please"),
    ("two, thirteen times", "two " * 13),
    ("zeros", "triple oh oh oh oh"),
    ("a card of one digit", "four " * 19),
    ("as many digits as are allowed", "one " * 20),
    ("pairs of digits", "four two " * 8),
    ("triples of digits", "five five six " * 5),
    ("five times", "no " * 5),
    ("a phrase, five times", "I don't know " * 5),
    ("period 4", "one moment please now " * 8),
    ("words that come back", "yes I see yes I know yes I do yes I hope yes"),
]


@pytest.mark.parametrize("said", [row[1] for row in KEPT], ids=[row[0] for row in KEPT])
def test_what_people_say_is_kept(said):
    heard = words(said)
    assert without_loops(heard) == list(heard)
    assert loops_in(heard) == 0


def test_the_first_words_of_a_loop_keep_their_times():
    heard = words("well " + "you know " * 10)
    assert without_loops(heard) == list(heard[:3])


class LoopingHear:
    """Loops over any window longer than it can take; remembers what it was shown."""

    def __init__(self, longest_s: float, text: str = "fine") -> None:
        self.longest_s = longest_s
        self.text = text
        self.shown: list[tuple[float, Numerals, bool]] = []

    def __call__(self, samples, language, *, numerals, skips_doubtful):
        length_s = len(samples) / RATE_HZ
        self.shown.append((length_s, numerals, skips_doubtful))
        n_words = max(1, int(length_s / 0.4))
        loops = length_s > self.longest_s
        heard = [
            HeardWord(
                text="you" if loops else f"{self.text}{i}",
                start_s=i * 0.4,
                end_s=min(i * 0.4 + 0.4, length_s),
                probability=0.9,
            )
            for i in range(n_words)
        ]
        segment = HeardSegment(
            start_s=0.0,
            end_s=length_s,
            text="",
            words=heard,
            no_speech_probability=0.0,
            mean_log_probability=-0.2,
        )
        return "en", [segment]


def transcribe(audio: Audio, hear: LoopingHear):
    return transcribe_in_windows(
        audio, hear, engine="fake", numerals=Numerals.SPOKEN, language="en", channel=1
    )


def test_a_window_that_loops_twice_is_heard_in_pieces():
    hear = LoopingHear(longest_s=10.0)
    audio = noise(25.0)
    heard = transcribe(audio, hear)
    first, again, *pieces = hear.shown
    assert first == (25.0, Numerals.SPOKEN, True)
    assert again == (25.0, Numerals.WRITTEN, False)
    assert len(pieces) >= 3
    assert all(length_s <= 9.0 for length_s, _, _ in pieces)
    assert sum(length_s for length_s, _, _ in pieces) == pytest.approx(25.0)
    assert {(numerals, skips) for _, numerals, skips in pieces} == {(Numerals.SPOKEN, True)}
    assert "you" not in {word.text for word in heard.words}
    # The words of every piece lie where the piece is: they follow each other over the whole window.
    starts_s = [word.start_s for word in heard.words]
    assert starts_s == sorted(starts_s)
    assert np.diff(starts_s).max() < 1.0
    assert heard.words[-1].end_s == pytest.approx(25.0, abs=0.5)
    assert {word.channel for word in heard.words} == {1}


def test_pieces_of_a_later_stretch_are_placed_in_call_time():
    piece = noise(12.0)
    heard = transcribe(
        Audio(samples=piece.samples, rate_hz=RATE_HZ, start_sample=100 * RATE_HZ), LoopingHear(10.0)
    )
    assert heard.words[0].start_s == pytest.approx(100.0)
    assert heard.words[-1].end_s == pytest.approx(112.0, abs=0.5)


def test_a_piece_that_loops_too_costs_only_itself():
    heard = transcribe(noise(25.0), LoopingHear(longest_s=0.1))
    assert {word.text for word in heard.words} == {"you"}
    assert 3 <= len(heard.words) <= 9  # one for each piece


def test_silent_pieces_are_not_shown():
    hear = LoopingHear(longest_s=10.0)
    samples = noise(25.0).samples.copy()
    samples[: 12 * RATE_HZ] = 0.0
    heard = transcribe(Audio(samples=samples, rate_hz=RATE_HZ), hear)
    assert sum(length_s for length_s, _, _ in hear.shown[2:]) < 25.0
    assert all(word.text != "you" for word in heard.words)


def test_a_short_window_is_not_cut_further():
    hear = LoopingHear(longest_s=0.1)
    transcribe(noise(8.0), hear)
    assert len(hear.shown) == 2


def test_a_window_without_loops_is_heard_once():
    hear = LoopingHear(longest_s=60.0)
    heard = transcribe(noise(25.0), hear)
    assert len(hear.shown) == 1
    assert len(heard.words) == 62


def test_a_second_hearing_without_loops_is_taken():
    class LoopsInWords(LoopingHear):
        def __call__(self, samples, language, *, numerals, skips_doubtful):
            self.longest_s = 0.1 if numerals is Numerals.SPOKEN else 60.0
            return super().__call__(samples, language, numerals=numerals, skips_doubtful=skips_doubtful)

    hear = LoopsInWords(longest_s=0.1)
    heard = transcribe(noise(25.0), hear)
    assert len(hear.shown) == 2
    assert "you" not in {word.text for word in heard.words}
