# ruff: noqa: E501  one row, one line
import pytest

from callveil.engines.presidio.iban import IbanRecognizer, iban_check

POSITIVE = [
    "C: It is [E S nine one, two one zero zero, zero four one eight, four five zero two, zero zero zero five, one three three two]",
    "A: I need the IBAN for the transfer.\nC: [E S ninety-one, twenty-one hundred, oh four eighteen, forty-five oh two, triple oh five, thirteen thirty-two]",
    "C: [GB29NWBK60161331926819]",
    "C: [DE89 3704 0044 0532 0130 00]",
    "A: And the IBAN?\nC: [D E eight nine, three seven zero four, zero zero four four]",
]

NEGATIVE = [
    "C: E S",
    "A: flight D E eight nine",
    "C: nine one two one zero zero",
    "A: What's the IBAN?\nC: I don't have one",
    "C: forty pounds",
]


@pytest.mark.parametrize("script", POSITIVE)
def test_takes(script, found, marked):
    assert found(IbanRecognizer, script) == marked(script)


@pytest.mark.parametrize("script", NEGATIVE)
def test_leaves(script, found):
    assert found(IbanRecognizer, script) == ""


@pytest.mark.parametrize(
    ("text", "holds"),
    [("GB29NWBK60161331926819", True), ("DE89370400440532013000", True), ("GB28NWBK60161331926819", False)],
)
def test_check_digits(text, holds):
    # Examples of the SWIFT IBAN registry; the last one is altered.
    assert iban_check(text) is holds
