import pytest

from callveil.engines.presidio.card_expiry import CardExpiryRecognizer

POSITIVE = [
    "A: And the expiry date?\nC: [oh eight, twenty-seven].",
    "A: Expiration?\nC: [November twenty twenty-eight].",
    "A: And it expires?\nC: [Ten, twenty-nine].",
    "A: Expiration?\nC: [six twenty-six]",
    "A: Just the expiry date.\nC: [oh four twenty-seven]",
    "A: expiry\nC: [08/27]",
    "C: valid until [March twenty-eight]",
    "A: expiry date\nC: [zero nine thirty-one]",
    "A: So that expires [11 28]?\nC: yes",
    "A: And the expiry on that one?\nC: [zero five thirty]",
    "A: When does it expire?\nC: [twelve twenty-nine]",
    "A: What's the expiry date please?\nC: it's [01/28]",
    "A: And the expiration date?\nC: [3/31]",
    "A: expiry date?\nC: yes, [oh six, two six]",
    "A: Expiry?\nC: [two, twenty-eight]",
    "A: And when does that card expire?\nC: [October twenty thirty]",
    "A: The expiry date on the front?\nC: [July, two thousand and twenty-nine]",
    "A: expiry\nC: [zero one three zero]",
    "A: expiration month and year?\nC: [eleven, twenty twenty-seven]",
    "C: it expires [09/30]",
    "C: the expiry date is [one two two eight]",
    "A: valid through?\nC: [June twenty-nine]",
    "A: And it's good through?\nC: [oh seven twenty-six]",
    "A: when does the card run out?\nC: [5 27]",
    "A: Could I have the expiry?\nC: um, [ten thirty]",
    "A: And the expiry date, month and year?\nC: [04 2029]",
    "A: I have expiry [oh two thirty-one] on the account\nC: right",
    "A: So that's expiring [12 27]?\nC: correct",
    "A: And the exp date?\nC: [six thirty-three]",
    "C: valid thru [oh three, thirty-two]",
    "A: And the expiration?\nC: It's valid until [oh three thirty-two].",
]

NEGATIVE = [
    "A: Your contract ends in August, is that right?\nC: yes",
    "A: it ends on the twenty-first of May",
    "A: expiry date?\nC: I can't see it",
    "C: eight twenty-seven",
    "A: The offer is four for two",
    "C: November",
    "A: The last payment was taken on the third of June at nine",
    "A: expiry date?\nC: hang on, let me find my glasses",
    "C: I was there in March twenty nineteen",
    "A: We open at eight thirty",
    "C: it's ten twenty-nine in the morning",
    "A: The offer ends on the first of May",
    "C: the warranty was two years",
    "A: That's eleven pounds twenty-eight",
    "C: about four or five times",
    "A: The sale runs from the third to the ninth",
    "C: she was born in June",
    "A: I can do nine fifteen or ten thirty",
    "C: we've been customers since two thousand and eight",
    "A: Bus number eight, stop twenty-seven",
    "C: flight oh four twenty-seven to Oslo",
    "A: It's the twelve month plan",
    "A: Has your card expired?\nC: no it hasn't",
    "C: December was colder",
    "A: Aisle six, shelf twenty-six",
    "C: at least 3 of the 12",
    "A: Version 12.28 is out",
    "C: my card arrived yesterday",
    "A: You'll get it between the fourth and the seventh",
    "C: the match ended three two",
    "A: Your cover starts in August",
]


@pytest.mark.parametrize("script", POSITIVE)
def test_takes(script, found, marked):
    assert found(CardExpiryRecognizer, script) == marked(script)


@pytest.mark.parametrize("script", NEGATIVE)
def test_leaves(script, found):
    assert found(CardExpiryRecognizer, script) == ""
