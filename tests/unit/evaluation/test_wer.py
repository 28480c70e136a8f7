import pytest

from callveil.evaluation.truth import TruthCall, TruthSpan, TruthTurn
from callveil.evaluation.wer import compare, normalise, score_wer
from callveil.testing import words


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("Four one one one.", "4111"),
        ("four one, one one", "41 11"),
        ("nineteen eighty-two", "1982"),
        ("twenty seventeen", "2017"),
        ("two thousand and seventeen", "2,017"),
        ("the third of March", "the 3rd of March"),
        ("the twenty-first", "the 21st"),
        ("double two", "22"),
        ("triple seven", "777"),
        ("double oh seven", "007"),
        ("oh seven nine", "079"),
        ("one hundred and five", "105"),
        ("three million two hundred thousand and one", "3200001"),
        ("£13.60", "thirteen pounds sixty"),
        ("fifteen percent", "15%"),
        ("I'm sure, um, it's fine!", "Im sure its fine"),
        ("mm-hm yes", "Yes"),
    ],
)
def test_ways_of_writing_come_out_alike(a, b):
    assert normalise(a) == normalise(b)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("four one", "four two"),
        ("forty", "fourteen"),
        ("oh dear", "0 dear"),
        ("double check", "check check"),
        ("seven hundred", "seven thousand"),
        ("won", "one"),
    ],
)
def test_different_things_stay_different(a, b):
    assert normalise(a) != normalise(b)


def test_normalised_form():
    assert normalise("My number is 4111, OK?") == ["my", "number", "is", "4", "1", "1", "1", "ok"]
    assert normalise("") == []


@pytest.mark.parametrize(
    ("said", "heard", "expected"),
    [
        ("a b c d", "a b c d", (4, 0, 0, 0)),
        ("a b c d", "a x c d", (4, 1, 0, 0)),
        ("a b c d", "a c d", (4, 0, 1, 0)),
        ("a b c d", "a b c d e", (4, 0, 0, 1)),
        ("a b", "", (2, 0, 2, 0)),
        ("", "a b", (0, 0, 0, 2)),
        ("", "", (0, 0, 0, 0)),
    ],
)
def test_errors_are_counted_by_kind(said, heard, expected):
    result = compare(said, heard)
    assert (result.words, result.substituted, result.deleted, result.inserted) == expected


def test_rates_of_several_texts_are_weighted_by_words():
    total = compare("a b c d", "a b c d") + compare("a", "b")
    assert total.rate == pytest.approx(0.2)
    assert compare("", "a").rate == 0.0


def call(*turns):
    return TruthCall(
        call_id="t",
        duration_s=20,
        channels=("agent", "customer"),
        pii=(),
        turns=tuple(
            TruthTurn(
                speaker=speaker,
                span=TruthSpan(channel=channel, start_s=start_s, end_s=start_s + 1, text=text),
            )
            for speaker, channel, start_s, text in turns
        ),
    )


def test_channels_are_scored_apart_and_in_order_of_time():
    truth = call(
        ("customer", 1, 5.0, "three four"), ("agent", 0, 0.0, "hello"), ("customer", 1, 1.0, "one two")
    )
    heard = [*words("3 4", channel=1, start_s=5), *words("1 2", channel=1, start_s=1), *words("hello")]
    assert score_wer(truth, heard).rate == 0.0
    wrong_channel = [*words("hello", channel=1), *words("1 2", start_s=1), *words("3 4", start_s=5)]
    assert score_wer(truth, wrong_channel).rate > 0.5
    assert score_wer(truth, wrong_channel, mixed=True).rate == 0.0
