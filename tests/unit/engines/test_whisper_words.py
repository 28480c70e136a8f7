from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callveil.engines.whisper_words import (
    LONGEST_WINDOW_S,
    RATE_HZ,
    HeardSegment,
    HeardWord,
    Numerals,
    call_words,
    is_hallucination,
    is_silent,
    numeral_tokens,
    other_script_tokens,
    transcribe_in_windows,
    unheard_s,
    windows,
)
from callveil.errors import EngineError
from callveil.vocabulary.audio import Audio


def segment(*words, start_s=0.0, end_s=2.0, text="", no_speech=0.0, log_probability=-0.2):
    return HeardSegment(
        start_s=start_s,
        end_s=end_s,
        text=text,
        words=[HeardWord(text=t, start_s=a, end_s=b, probability=p) for t, a, b, p in words],
        no_speech_probability=no_speech,
        mean_log_probability=log_probability,
    )


def noise(duration_s, level=0.1):
    rng = np.random.default_rng(7)
    return (level * rng.standard_normal(int(duration_s * RATE_HZ))).astype(np.float32)


def audio(samples, start_sample=0, rate_hz=RATE_HZ):
    return Audio(samples=samples.reshape(len(samples), -1), rate_hz=rate_hz, start_sample=start_sample)


@given(duration_s=st.floats(0, 130), quiet_s=st.floats(0, 130))
@settings(max_examples=25, deadline=None)
def test_windows_cover_the_stretch_and_none_is_longer_than_whisper_takes(duration_s, quiet_s):
    samples = noise(duration_s)
    samples[int(quiet_s * RATE_HZ) : int((quiet_s + 0.3) * RATE_HZ)] = 0.0
    cut = windows(samples)
    assert sum(last - first for first, last in cut) == len(samples)
    assert all(a[1] == b[0] for a, b in pairwise(cut))
    assert all(0 < last - first <= LONGEST_WINDOW_S * RATE_HZ for first, last in cut)


def test_a_window_is_cut_in_its_pause():
    samples = noise(45.0)
    samples[int(23.0 * RATE_HZ) : int(23.6 * RATE_HZ)] = 0.0
    (_, cut), _ = windows(samples)
    assert 23.0 <= cut / RATE_HZ <= 23.6


@pytest.mark.parametrize("duration_s", [0.01, 1.0, 28.0])
def test_a_short_stretch_is_one_window(duration_s):
    samples = noise(duration_s)
    assert windows(samples) == [(0, len(samples))]


@pytest.mark.parametrize(
    ("level", "expected"),
    [(0.0, True), (0.0001, True), (0.003, False), (0.1, False)],
    ids=["digital silence", "-80 dBFS", "-50 dBFS, a very quiet caller", "-20 dBFS"],
)
def test_only_what_is_below_any_speech_counts_as_silence(level, expected):
    assert is_silent(noise(3.0, level)) is expected


def test_one_syllable_in_silence_is_not_silent():
    samples = np.zeros(10 * RATE_HZ, dtype=np.float32)
    samples[5 * RATE_HZ : 5 * RATE_HZ + 1600] = noise(0.1, 0.01)
    assert not is_silent(samples)


@pytest.mark.parametrize(
    ("no_speech", "log_probability", "expected"),
    [(0.99, -1.5, True), (0.99, -0.5, False), (0.7, -1.5, False), (0.0, -3.0, False)],
    ids=["both sure", "words are probable", "in doubt", "speech"],
)
def test_doubtful_text_is_kept(no_speech, log_probability, expected):
    heard = segment(("no", 0.0, 1.0, 0.1), no_speech=no_speech, log_probability=log_probability)
    assert is_hallucination(heard) is expected


def test_words_without_times_get_the_span_of_their_segment():
    heard = segment((" nine", None, None, 0.5), (" two", math.nan, 1.0, 0.5), start_s=1.0, end_s=3.0)
    words = call_words(heard, window_start_s=100.0, window_end_s=110.0, channel=1)
    assert [(w.text, w.start_s, w.end_s, w.channel) for w in words] == [
        ("nine", 101.0, 103.0, 1),
        ("two", 101.0, 103.0, 1),
    ]


def test_text_that_came_without_words_is_not_lost():
    words = call_words(
        segment(text=" oh two", start_s=0.5, end_s=2.0), window_start_s=10.0, window_end_s=20.0, channel=0
    )
    assert [(w.text, w.start_s, w.end_s, w.probability) for w in words] == [
        ("oh", 10.5, 12.0, 0.0),
        ("two", 10.5, 12.0, 0.0),
    ]


_time = st.floats(-50, 90) | st.none() | st.just(math.nan)


@given(start=_time, end=_time, probability=st.floats(allow_nan=True), window_s=st.floats(0.05, 28))
def test_words_stay_inside_their_window(start, end, probability, window_s):
    heard = segment(("a", start, end, probability), start_s=-1.0, end_s=40.0)
    (word,) = call_words(heard, window_start_s=5.0, window_end_s=5.0 + window_s, channel=0)
    assert 5.0 <= word.start_s < word.end_s <= 5.0 + window_s
    assert 0.0 <= word.probability <= 1.0


def test_spaces_are_no_words():
    heard = segment(("  ", 0.0, 1.0, 0.9), (" yes ", 1.0, 1.5, 0.9))
    words = call_words(heard, window_start_s=0.0, window_end_s=2.0, channel=0)
    assert [w.text for w in words] == ["yes"]


def test_windows_are_heard_in_call_time_and_the_language_is_detected_once():
    asked = []

    def hear(samples, language, *, numerals, skips_doubtful):
        asked.append(language)
        return "de", [segment((" ja", 1.0, 1.5, 0.9), (" ja", 1.5, 60.0, 0.9))]

    heard = transcribe_in_windows(
        audio(noise(45.0), start_sample=160000),
        hear,
        engine="x",
        numerals=Numerals.WRITTEN,
        language=None,
        channel=1,
    )
    assert asked == [None, "de"]
    assert heard.language == "de"
    first, _, second, _ = heard.words
    assert first.start_s == pytest.approx(11.0)
    assert 28.0 <= second.start_s <= 39.0


def test_silent_windows_are_not_shown_to_the_engine():
    def hear(samples, language, *, numerals, skips_doubtful):
        raise AssertionError("must not be called")

    silence = audio(np.zeros(60 * RATE_HZ, dtype=np.float32))
    heard = transcribe_in_windows(
        silence, hear, engine="x", numerals=Numerals.WRITTEN, language="en", channel=0
    )
    assert (heard.words, heard.language) == ((), "en")


@pytest.mark.parametrize(
    "wrong",
    [
        audio(noise(1.0), rate_hz=8000),
        Audio(samples=np.zeros((16000, 2), dtype=np.float32), rate_hz=RATE_HZ),
        audio(np.full(16000, np.nan, dtype=np.float32)),
    ],
    ids=["8 kHz", "two channels", "not finite"],
)
def test_other_audio_is_refused(wrong):
    with pytest.raises(EngineError, match=r"^engine-x: "):
        transcribe_in_windows(
            wrong,
            lambda *_: ("en", []),
            engine="engine-x",
            numerals=Numerals.WRITTEN,
            language="en",
            channel=0,
        )


def test_heard_text_does_not_print_itself():
    heard = segment((" secret", 0.0, 1.0, 0.9), text=" secret")
    assert "secret" not in repr(heard) + repr(heard.words[0])


def test_numeral_tokens_are_those_with_digits_or_signs_of_money():
    vocabulary = {"a": 1, "1": 2, " 20": 3, "$": 4, "one": 5, "£": 6, "<|0.00|>": 100}
    assert numeral_tokens(vocabulary, 50) == [2, 3, 4, 6]


def test_tokens_of_other_scripts_are_found_by_their_bytes():
    def as_bytes(text):
        # The byte-level vocabulary's characters for bytes that are no printable Latin-1 letters.
        spare = iter(range(256, 400))
        kept = {*range(33, 127), *range(161, 173), *range(174, 256)}
        table = {byte: chr(byte) if byte in kept else chr(next(spare)) for byte in range(256)}
        return "".join(table[byte] for byte in text.encode())

    texts = [" the", "é", " naïve", "ő", "“", "—", "Д", "ب", "ה", "日", "한", "€", "£", " four"]
    vocabulary = {as_bytes(text): i for i, text in enumerate(texts)}
    found = [texts[i] for i in other_script_tokens(vocabulary, 100)]
    assert found == ["Д", "ب", "ה", "日", "한", "€", "£"]


def words_at(*spans):
    heard = segment(*[("a", start, end, 0.9) for start, end in spans])
    return call_words(heard, window_start_s=0.0, window_end_s=60.0, channel=0)


@pytest.mark.parametrize(
    ("spans", "expected_s"),
    [
        ([(2.0, 4.0), (4.0, 8.0)], 0.0),
        ([], 6.0),
        ([(2.0, 5.0)], 2.6),
        ([(3.0, 7.0)], 0.0),
        ([(20.0, 21.0)], 6.0),
    ],
    ids=["all heard", "nothing heard", "the end is missing", "short bits are not counted", "words elsewhere"],
)
def test_speech_without_words_is_noticed(spans, expected_s):
    samples = noise(10.0, 0.0005)
    samples[2 * RATE_HZ : 8 * RATE_HZ] = noise(6.0, 0.1)
    assert unheard_s(samples, words_at(*spans), 0.0) == pytest.approx(expected_s, abs=0.1)


@pytest.mark.parametrize("numerals", list(Numerals))
def test_a_window_whose_words_are_missing_is_heard_again_with_digits(numerals):
    asked = []

    def hear(samples, language, *, numerals, skips_doubtful):
        asked.append((numerals, skips_doubtful))
        if skips_doubtful:
            return "en", [segment((" it", 0.0, 0.3, 0.9))]
        return "en", [segment((" it", 0.0, 0.3, 0.9), (" 4111", 0.5, 9.8, 0.9))]

    heard = transcribe_in_windows(
        audio(noise(10.0)), hear, engine="x", numerals=numerals, language="en", channel=0
    )
    assert asked == [(numerals, True), (Numerals.WRITTEN, False)]
    assert [word.text for word in heard.words] == ["it", "4111"]


def test_a_window_that_was_heard_is_not_heard_again():
    def hear(samples, language, *, numerals, skips_doubtful):
        assert numerals is Numerals.SPOKEN
        return "en", [segment((" four", 0.0, 5.0, 0.9), (" one", 5.0, 9.9, 0.9))]

    heard = transcribe_in_windows(
        audio(noise(10.0)), hear, engine="x", numerals=Numerals.SPOKEN, language="en", channel=0
    )
    assert [word.text for word in heard.words] == ["four", "one"]
