import pytest

from callveil.engines.presidio.phone import PhoneRecognizer

POSITIVE = [
    "A: What's the best number?\nC: [oh one six one, four nine six, oh seven five two]",
    "A: Can I get the phone number on the account?\nC: Yep, it's [415-555-0142]",
    "A: And a contact number?\nC: plus [three four, six hundred, five five five, zero one eight]",
    "C: my mobile is [07700 900123]",
    "C: you can reach me on [oh double seven double oh, nine hundred, four six one]",
    "C: call me on [six two eight, triple five, oh one double nine]",
    "A: And a phone number for him?\nC: [oh seven seven double oh nine double oh three one eight]",
    "C: [three one two five five five oh one seven six]",
    "C: [020 7946 0833]",
    "C: [(415) 555-0142]",
    "A: phone number please\nC: [five five five zero one four two]",
    "A: phone number please\nC: [five five five]\nA: yes\nC: [zero one four two]",
    "A: Is your own number still the one ending [zero four four six]?\nC: Yes.",
    "A: mobile number?\nC: it's [o seven seven o o nine o o one two three]",
    "A: What's the number we can call you back on?\nC: [212 555 0187]",
    "C: the driver can ring me on [07700 900461]",
    "A: landline?\nC: [01632 960983]",
    "A: Daytime number?\nC: uh [zero one six three two, um, nine six zero, nine eight three]",
    "C: my work number is [oh two oh, seven nine four six, oh eight double three, extension four]",
    "A: Your cell?\nC: [seven one eight five five five oh one two three]",
    "A: alternative number\nC: [0131 496 0123]",
    "C: it's [+1 202 555 0143]",
    "A: Which number can I text the code to?\nC: [628 555 0199]",
    "A: Can you confirm your telephone number?\nC: [0 1 6 1 4 9 6 0 7 5 2]",
    "C: [eight eight five five five two one six three zero]",
    "A: phone?\nC: [four one five five five five zero one four]",
    "A: home number\nC: [oh one nine oh four triple five]",
    "A: And her number?\nC: [0115 496 0999]",
    "A: Fax number?\nC: [oh one one four, four nine six, oh one five seven]",
    "C: text me at [three zero five five five five oh one one nine]",
]

NEGATIVE = [
    "A: If you're lost, ring oh seven five, five five oh, one one double two.",
    "A: Our helpline number is oh eight hundred, one two three, four five six",
    "A: You can call us on 0800 123 4567",
    "A: The number for the York branch is oh one nine oh four, five five five, one two three",
    "A: Our number is 0161 496 0000",
    "C: I've been on hold for forty-five minutes",
    "C: It was about three hundred dollars",
    "A: How many lights are on?\nC: four green and one orange",
    "C: two hundred quid",
    "C: the twenty-third of March nineteen seventy-nine",
    "A: It's $1,250.00 a year",
    "C: version 2.4.11",
    "A: from nine fifteen to eleven forty",
    "C: I have two phones",
    "A: What's the phone number?\nC: I don't know it by heart",
    "A: Your average bill is one hundred thirty-one dollars",
    "C: flight four oh two",
    "C: error six five one",
    "A: It is open 24 hours a day, 7 days a week",
    "C: sixty-two thousand",
    "A: We close at half past four",
    "C: it's fifty percent off",
    "C: I called three times",
    "A: press one for sales",
    "C: a Ford Fusion twenty seventeen",
    "A: twelve months",
    "C: room twelve",
    "A: We have two left in stock",
    "C: 8000 miles",
    "A: nine hundred and four kilowatt hours",
    "C: 1500 square feet",
]


@pytest.mark.parametrize("script", POSITIVE)
def test_takes(script, found, marked):
    assert found(PhoneRecognizer, script) == marked(script)


@pytest.mark.parametrize("script", NEGATIVE)
def test_leaves(script, found):
    assert found(PhoneRecognizer, script) == ""
