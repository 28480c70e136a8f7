# ruff: noqa: E501  one row, one line
import pytest

from callveil.engines.presidio.address import AddressRecognizer

POSITIVE = [
    "C: At home, [fourteen Larkspur Lane, Harrogate, H G one, five Q T].",
    "A: And the mailing address on file?\nC: [twenty-two eighty Pinecrest Avenue, apartment four B, Duluth, Minnesota, five five eight oh two].",
    "A: And the delivery address?\nC: [flat three, ninety-one Wetherby Road, Leeds, L S eight, two J X].",
    "A: [Number fourteen Larkspur Lane]. Lovely.\nC: yes",
    "A: And the zip for the card?\nC: [six oh six two six]",
    "A: Could I just check your postcode?\nC: [Charlie Tango five, one Quebec Lima].",
    "C: my postcode is [L S nine, eight Q D]",
    "C: [SW1A 1AA]",
    "A: And the first line?\nC: [Hawthorn Cottage, Ferry Lane].",
    "C: I live at [1509 Sycamore Drive, Knoxville]",
    "A: postcode please\nC: [w20 a b]",
    "A: postcode please\nC: [whiskey 2 0 alpha bravo]",
    "A: And the address?\nC: [four eighteen West Juneway Terrace, unit twelve].",
    "A: Where shall I send it?\nC: [Rose Villa, Church Road, Ely]",
]

NEGATIVE = [
    "C: somewhere between Fifth Avenue and the station",
    "A: There was an outage in Leeds and Bradford",
    "A: We have six in York and none here",
    "C: the second floor",
    "A: Our office is at one hundred Victoria Street, London",
    "C: I'm moving to New Zealand in November",
    "A: It's open six a m to ten p m",
    "A: Is it the right address?\nC: I don't think so",
    "C: about 12 megabits",
    "C: two doors down the road",
    "A: What's the postcode?\nC: I can't remember",
    "A: That comes to forty-one eleven",
]


@pytest.mark.parametrize("script", POSITIVE)
def test_takes(script, found, marked):
    assert found(AddressRecognizer, script) == marked(script)


@pytest.mark.parametrize("script", NEGATIVE)
def test_leaves(script, found):
    assert found(AddressRecognizer, script) == ""
