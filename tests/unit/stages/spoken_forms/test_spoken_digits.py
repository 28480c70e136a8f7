# ruff: noqa: E501  one row, one line
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callveil.stages.spoken_forms import find_runs, tokenise
from callveil.vocabulary.transcript import Turn, Word

NAMES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
TEENS = [
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
TENS = ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]


def tokens_of(text):
    words = tuple(
        Word(text=word, start_s=0.4 * index, end_s=0.4 * index + 0.3, probability=0.9, channel=0)
        for index, word in enumerate(text.split())
    )
    return tokenise([Turn(speaker="customer", channel=0, words=words)], 0, [0])


def runs_of(text):
    return find_runs(tokens_of(text), breaks=lambda first, second: False)


@pytest.mark.parametrize(
    ("spoken", "canonical"),
    [
        ("four one one one", "4111"),
        ("forty-one eleven", "4111"),
        ("double four one", "441"),
        ("triple oh five", "0005"),
        ("treble nine", "999"),
        ("nine hundred, four six one", "900461"),
        ("two thousand and one", "2001"),
        ("one hundred and five", "105"),
        ("four fives", "5555"),
        ("four more fives", "5555"),
        ("oh eight, twenty-seven", "0827"),
        ("4111-1111", "41111111"),
        ("07700 900123", "07700900123"),
        ("1-2-3", "123"),
        ("H G one, five Q T", "HG15QT"),
        ("V for Victor, A, S as in Sam", "VAS"),
        ("Quebec Quebec, one two, Charlie", "QQ12C"),
        ("double Z five", "ZZ5"),
        ("J-O-N-E-S", "JONES"),
        ("K W O, then hyphen, B for Bravo", "KWOB"),
        ("four um five uh six", "456"),
        ("nineteen eighty-two", "1982"),
        ("twenty, one", "201"),
        ("zed zed five", "ZZ5"),
        ("HG1 5QT", "HG15QT"),
        ("niner five", "95"),
        ("nought seven", "07"),
        ("x-ray five", "X5"),
    ],
)
def test_reads_spoken_runs(spoken, canonical):
    assert [run.text for run in runs_of(spoken)] == [canonical]


@pytest.mark.parametrize(
    "text",
    ["I am here", "oh that's good", "a cup of tea", "see you at the hotel", "I went to india", "it was okay", "may I ask",
     "on the first day", "6am", "golf is fun"],
)  # fmt: skip
def test_leaves_plain_words(text):
    assert runs_of(text) == ()


@pytest.mark.parametrize(
    "text",
    ["eighty-four pounds", "$84.20", "20%", "twenty percent", "two working days", "six a m", "five p m", "3 days",
     "four weeks", "forty dollars", "eighty-nine a day", "£1,640", "seventy two degrees", "12 megabits"],
)  # fmt: skip
def test_knows_counts(text):
    assert all(run.counts for run in runs_of(text))
    assert runs_of(text)


@pytest.mark.parametrize("text", ["$4.242", "four one one one two two two days", "eight oh five"])
def test_no_count_without_a_sign_of_one(text):
    assert not any(run.counts for run in runs_of(text))


def test_every_character_knows_its_word():
    (run,) = runs_of("it is double four then forty-two")
    tokens = tokens_of("it is double four then forty-two")
    assert [(char, tokens[index].text) for char, index in run.chars] == [
        ("4", "double"),
        ("4", "four"),
        ("4", "forty"),
        ("2", "forty"),
    ]


def test_a_break_ends_a_run():
    tokens = tokens_of("one two three four")
    runs = find_runs(tokens, breaks=lambda first, second: second.text == "three")
    assert [run.text for run in runs] == ["12", "34"]


def test_an_unsure_word_inside_a_run_belongs_to_it():
    words = [Word(text=t, start_s=i, end_s=i + 0.5, probability=p, channel=0)
             for i, (t, p) in enumerate([("four", 0.9), ("won't", 0.2), ("one", 0.9), ("two", 0.9)])]  # fmt: skip
    tokens = tokenise([Turn(speaker="customer", channel=0, words=tuple(words))], 0, [0])
    (run,) = find_runs(tokens, breaks=lambda first, second: False)
    assert run.tokens == range(0, 4)


def say(digits: str, rng: random.Random) -> str:
    """Digits as somebody might say them."""
    parts: list[str] = []
    at = 0
    while at < len(digits):
        left = digits[at:]
        if len(left) >= 3 and left[0] == left[1] == left[2] and rng.random() < 0.6:
            parts.append(f"triple {NAMES[int(left[0])]}")
            at += 3
        elif len(left) >= 2 and left[0] == left[1] and rng.random() < 0.5:
            parts.append(f"double {NAMES[int(left[0])]}")
            at += 2
        elif len(left) >= 2 and left[0] == "1" and rng.random() < 0.4:
            parts.append(TEENS[int(left[1])])
            at += 2
        elif len(left) >= 2 and left[0] in "23456789" and left[1] != "0" and rng.random() < 0.4:
            parts.append(f"{TENS[int(left[0])]}-{NAMES[int(left[1])]}")
            at += 2
        elif rng.random() < 0.2:
            size = rng.randint(1, min(4, len(left)))
            parts.append(left[:size])
            at += size
        else:
            zero_as_oh = left[0] == "0" and at > 0 and rng.random() < 0.5
            parts.append("oh" if zero_as_oh else NAMES[int(left[0])])
            at += 1
        if rng.random() < 0.3:
            parts[-1] += ","
            if rng.random() < 0.3:
                parts.append(rng.choice(["um", "uh", "then", "and", "dash"]))
    return " ".join(parts)


@given(st.text("0123456789", min_size=4, max_size=19), st.integers(0, 10_000))
def test_spoken_digits_come_back(digits, seed):
    spoken = say(digits, random.Random(seed))
    assert "".join(run.text for run in runs_of(spoken)) == digits
