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
]

NEGATIVE = [
    "A: it ends on the twenty-first of May",
    "A: expiry date?\nC: I can't see it",
    "C: eight twenty-seven",
    "A: The offer is four for two",
    "C: November",
    "A: The last payment was taken on the third of June at nine",
]


@pytest.mark.parametrize("script", POSITIVE)
def test_takes(script, found, marked):
    assert found(CardExpiryRecognizer, script) == marked(script)


@pytest.mark.parametrize("script", NEGATIVE)
def test_leaves(script, found):
    assert found(CardExpiryRecognizer, script) == ""
