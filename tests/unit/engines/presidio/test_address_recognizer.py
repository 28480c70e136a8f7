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
    "C: there's water here, I'm over at [fourteen Larch Close in Ripon], it's the kitchen",
    "C: it's the flat above the bakery on [Mill Street]",
    "C: we've moved to [Bishop's Stortford]",
    "C: he lives at [eleven Rue des Tilleuls]",
    "C: she's at [number nine], next door",
    "A: hello\nC: it's about the bill for my flat\nA: I've one customer at [Derwent Way]",
    "C: I'm at [~lenten ~bully] these days",
    "C: it's [two Church Lane in ~ripping].",
    "A: Where are we coming to?\nC: [Fern Cottage].",
    "A: And whereabouts are you?\nC: [Gortnamona, outside Ballinrobe].",
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
    "C: I'm at work on Saturdays",
    "C: we're in the car park on the left",
    "C: I'm on four hundred a month",
    "A: Hello, Bridge Street Dental, how can I help?",
    "C: it's in August, on the way back",
    "A: Our branch is on Castle Street",
    "A: What's the postcode?\nC: I can't remember",
    "A: That comes to forty-one eleven",
]


@pytest.mark.parametrize("script", POSITIVE)
def test_takes(script, found, marked):
    assert found(AddressRecognizer, script) == marked(script)


@pytest.mark.parametrize("script", NEGATIVE)
def test_leaves(script, found):
    assert found(AddressRecognizer, script) == ""
