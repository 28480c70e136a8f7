import pytest

from callveil.engines.presidio.number import PlainNumberRecognizer

POSITIVE = [
    "C: so [one two three four five six seven]",
    "C: [nine oh one three, nine four two]",
    "A: I have [55 19 27 38 41]",
    "C: [4 4 1 2 0 9 8]",
    "C: [three eight two nine one seven four]",
    "C: it says [double seven, oh four, one nine three]",
    "A: I can see [88214073] here",
    "C: [20 31 47 86 59]",
    "C: I wrote down [six six one, two two nine, four]",
    "C: [1 3 5 7 9 2 4 6]",
    "C: it was [nine nine four oh one seven two eight]",
    "A: that's [oh seven two double five one three eight]",
    "C: [triple four two one nine eight]",
    "C: then [58 23 91 77]",
    "C: [four seven one, two eight six, nine three five]",
    "A: reading back [7 0 3 9 1 1 4 2]",
    "C: [two one seven four six nine zero three]",
    "C: the sticker says [60418275]",
    "C: [eighty-three, forty-one, seventy-six, twenty-nine]",
    "C: [five double nine, three double one, six]",
    "C: so that's [three one four one five nine two]",
    "C: and [oh oh seven three eight one nine]",
    "A: let me read [9 2 8 4 6 1 0]",
    "C: [one nine seven, three three eight, two two]",
    "C: [64-19-28-57]",
    "C: mine starts [eight one one four two seven five nine]",
    "C: they gave me [4728 1936]",
    "C: [seven two nine eight one four six]",
    "C: [six oh four, double three, one eight]",
    "C: [0 5 1 9 8 8 3 2 7]",
]

NEGATIVE = [
    "C: one two three",
    "C: forty million pounds",
    "A: 1,250,000",
    "A: We are open 9 to 5 30 and 10 to 4",
    "A: Our helpline number is oh eight hundred, nine eight seven, six five four",
    "C: two hundred and fifty thousand",
    "C: twenty twenty-four",
    "A: That's three thousand four hundred and fifty pounds",
    "C: $12,500.00",
    "A: two point five million customers",
    "C: one, two, three, four",
    "C: five or six",
    "A: twenty percent off until the thirtieth",
    "C: four hundred and seventy-two miles",
    "A: Ten days, or fourteen",
    "C: 50,000 miles on the clock",
    "A: call us on oh eight hundred, one one two, three three four",
    "C: in nineteen ninety-seven",
    "A: between 1990 and 2005",
    "C: a two by four",
    "A: the thirty-first of December",
    "C: seven days a week",
    "A: we have three thousand stores",
    "C: from 10 to 12 and 2 to 4",
    "A: 1.5 gigabytes a month",
    "C: the score was twenty-one eleven",
    "A: six hundred thousand households",
    "C: eight to ten weeks",
    "A: it's 99.9 percent",
    "C: I called three times on Monday and two on Tuesday",
]


@pytest.mark.parametrize("script", POSITIVE)
def test_takes_long_runs(script, found, marked):
    assert found(PlainNumberRecognizer, script) == marked(script)


@pytest.mark.parametrize("script", NEGATIVE)
def test_leaves_amounts(script, found):
    assert found(PlainNumberRecognizer, script) == ""
