import pytest

from callveil.engines.presidio.security_code import SecurityCodeRecognizer

POSITIVE = [
    "A: And the security code?\nC: [seven three nine]",
    "A: And the last three digits on the back?\nC: [seven three nine]",
    "A: The three numbers next to your signature?\nC: [eight oh five]",
    "A: And the four digit code on the front?\nC: [four four oh six]",
    "A: CVV?\nC: [052]",
    "A: C V V please\nC: [zero five two]",
    "A: Code on the back?\nC: [zero five two]",
    "C: the CVC is [318]",
    "C: and the security code is [three eighteen]",
    "A: What's the three digit code on the back of your card?\nC: it's [one six zero]",
    "A: security number on the back\nC: [9 1 4]",
    "A: The CV2 please\nC: [double six one]",
    "A: last 3 digits on the signature strip\nC: [two zero seven]",
    "A: three digits on the back of the card\nC: [473]",
    "A: And the security code please\nC: um [four seven three]",
    "A: cvv\nC: [four seventy-three]",
    "A: and the card code?\nC: [one one one]",
    "A: the 3 digits on the reverse\nC: [six oh two]",
    "A: security digits?\nC: [3 0 9]",
    "A: I need the verification value\nC: [eight four four]",
    "A: Sorry, was the security code [seven three nine]?\nC: Yes",
    "C: [seven three nine] is the security code",
    "A: csc\nC: [five five one]",
    "A: And the last three on the back?\nC: [nine nine eight]",
    "A: Security code?\nC: [twelve]",
    "A: Security code?\nC: [one two three four five]",
    "A: the number on the back, the last three digits on the back\nC: [oh four two]",
    "C: my CVV is [treble nine]",
    "A: And the three-digit security code?\nC: [two six five]",
    "A: Can you flip the card and read me the three digits on the back\nC: sure [seven zero one]",
]

NEGATIVE = [
    "C: seven three nine",
    "A: That's gone through for thirty pounds",
    "A: What's the security code?\nC: I can't read it",
    "C: I have three cards",
    "A: The sort code please?\nC: forty, forty-seven, eighty-four",
    "A: And your postcode?\nC: H G one five Q T",
    "A: The promo code is four two one",
    "C: the error code is 651",
    "A: in three to five days",
    "A: The security code?\nC: it's on the back, one second",
    "A: Area code?\nC: four one five",
    "C: zip code 60626",
    "A: Room 415",
    "C: I waited 20 minutes",
    "A: The fee is $120",
    "C: nine hundred dollars",
    "A: at half past eight",
    "A: model four twelve",
    "A: 365 days a year",
    "C: about 150 people",
    "A: How much was it?\nC: one sixty",
    "A: What time?\nC: three fifteen",
    "C: 101 Dalmatians",
    "A: We open at 8:30",
    "A: It has 256 gigabytes",
    "C: 10 percent",
    "A: until 2030",
    "C: my son is six",
    "A: in section 230",
    "A: I have added a note",
]


@pytest.mark.parametrize("script", POSITIVE)
def test_takes(script, found, marked):
    assert found(SecurityCodeRecognizer, script) == marked(script)


@pytest.mark.parametrize("script", NEGATIVE)
def test_leaves(script, found):
    assert found(SecurityCodeRecognizer, script) == ""
