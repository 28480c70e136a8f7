import pytest

from callveil.engines.presidio.card import CardRecognizer, luhn_holds

POSITIVE = [
    "C: it's [four one one one one one one one one one one one one one one one]",
    "C: [four one one one, one one one one, one one one one, one one one one]",
    "C: [4111 1111 1111 1111]",
    "C: [4111-1111-1111-1111]",
    "C: [5555 5555 5555 4444] thanks",
    "C: [forty-two forty-two forty-two forty-two forty-two forty-two forty-two forty-two]",
    "C: [three seven eight two, eight double two four six three, one triple zero five]",
    "C: [six oh one one, oh oh oh nine, nine oh one three, nine four two four]",
    "C: [four double zero zero five six six five five six six five five five six]",
    "C: [four zero zero zero five six six five, um, five six six five five five six]",
    "A: Can I take the card number?\nC: [5555 5555 5555 444]",
    "A: Can I take the card number?\nC: [5555 5555 5555 4444 4]",
    "A: And the long number across the front?\nC: [four nine one seven, six one double oh, eight zeros]",
    "A: What's the long card number?\nC: Okay, it's [4917 6100]",
    "A: Which card would you like to use?\nC: [4242 4242 4242 4242]",
    "A: I see a card ending in [eighteen eighty-one].\nC: Yes.",
    "A: the card ending [four two four two]\nC: that's right",
    "A: What are the last four digits of the card?\nC: [one eight eight one]",
    "C: my Visa is [4000 0566 5566 5556]",
    "C: I pay by American Express, [3782 822463 10005]",
    "A: Number on the front of the card please?\nC: [four fives four fives four fives and four fours]",
    "A: Card number?\nC: [four one one one sorry no four one one two one one one one]",
    "A: And the sixteen digit number?\nC: [5 5 5 5 3 4 1 2 4 4 4 4 1 1 1 5]",
    "A: The card number please.\nC: [4111]\nA: mm-hm\nC: [1111]\nA: yes\nC: [1111 1111]",
    "A: Could I have your debit card number?\nC: yes [six three zero four double nine eight seven]",
    "C: [four one one one one one one one one one one one one one one two]",
    "A: Card number?\nC: [double four double one triple three two one zero]",
    "C: the new one is [4242 4242 4242 4242]",
    "A: And which card was it?\nC: the card ending in [4 2 4 2]",
    "A: card number please\nC: it is [forty-nine seventeen sixty-one hundred]",
]

NEGATIVE = [
    "C: I owe eighty-four pounds twenty",
    "A: That comes to forty-one eleven with the tip. Cash or what?",
    "C: it cost $1,299.99",
    "A: Your balance is one thousand two hundred and six pounds",
    "C: I have had this card for twelve years",
    "A: We replaced sixteen cards in the exchange",
    "A: Can I take the card number?\nC: I don't have it with me",
    "C: about 8000 miles a year",
    "A: You'll get twenty percent off with the store card",
    "C: I passed my test in two thousand and eleven",
    "A: How many cards do you have?\nC: four",
    "C: flight S L four oh two to Madrid",
    "A: It weighs four point five kilos",
    "A: Open from 8 until 6, Monday to Saturday",
    "C: the Galaxy S twenty-four",
    "C: about 148 megabits",
    "A: The rate is 4.25 percent",
    "C: three hundred and twenty-nine dollars",
    "A: within seven to ten days",
    "C: version two point four point one one",
    "A: at 15:30 on Tuesday",
    "A: nine fifteen to eleven forty",
    "C: the year two thousand and nineteen",
    "A: It takes 24 hours",
    "C: I tried three times",
    "A: section four of the policy",
    "A: We paid out forty million pounds",
    "C: one hundred and fifty thousand",
    "A: The total is 412.60 for the year",
    "C: twenty-four square metres",
]


@pytest.mark.parametrize("script", POSITIVE)
def test_takes_card_numbers(script, found, marked):
    assert found(CardRecognizer, script) == marked(script)


@pytest.mark.parametrize("script", NEGATIVE)
def test_leaves_other_numbers(script, found):
    assert found(CardRecognizer, script) == ""


@pytest.mark.parametrize(
    ("digits", "holds"),
    [("4111111111111111", True), ("378282246310005", True), ("6011000990139424", True),
     ("4111111111111112", False), ("4012888888881882", False)],
)  # fmt: skip
def test_luhn(digits, holds):
    # Published test numbers of the card schemes; the last two have a wrong check digit.
    assert luhn_holds(digits) is holds
