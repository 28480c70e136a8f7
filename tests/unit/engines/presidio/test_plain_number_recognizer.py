import pytest

from callveil.engines.presidio.number import PlainNumberRecognizer


@pytest.mark.parametrize(
    "script",
    [
        "C: so [one two three four five six seven]",
        "C: [nine oh one three, nine four two]",
        "A: I have [55 19 27 38 41]",
        "C: [4 4 1 2 0 9 8]",
    ],
)
def test_takes_long_runs(script, found, marked):
    assert found(PlainNumberRecognizer, script) == marked(script)


@pytest.mark.parametrize(
    "script",
    [
        "C: one two three",
        "C: forty million pounds",
        "A: 1,250,000",
        "A: We are open 9 to 5 30 and 10 to 4",
        "A: Our helpline number is oh eight hundred, nine eight seven, six five four",
        "C: two hundred and fifty thousand",
        "C: twenty twenty-four",
    ],
)
def test_leaves_amounts(script, found):
    assert found(PlainNumberRecognizer, script) == ""
