import pytest

from callveil.engines.presidio.bank import (
    BankAccountRecognizer,
    RoutingNumberRecognizer,
    SortCodeRecognizer,
    routing_check,
)

POSITIVE = [
    "A: And the account number?\nC: [seven oh eight seven, two four nine oh]",
    "C: the account number is [70872490]",
    "A: And account number please\nC: [triple zero, one two three, four five six, seven eight nine]",
    "A: What's your bank account number?\nC: [three one nine two six eight one nine]",
    "C: my account number is [10472963] okay",
    "A: account number\nC: [one oh four seven]\nA: yes\nC: [two nine six three]",
    "C: account [five five three, double oh nine two]",
    "A: The checking account number?\nC: [000123456789]",
    "A: account number please\nC: [seven zero eight seven two four nine]",
    "A: account number please\nC: [seven zero eight seven two four nine zero one]",
    "A: And account?\nC: [12 34 56 78]",
    "A: eight digit account number?\nC: [six six three seven four nine five eight]",
    "A: savings account number\nC: [double five three double oh nine two]",
    "A: the current account number\nC: um [eight eight, seven seven, six six, five five]",
    "C: the account is [five five seven seven nine nine one one]",
    "A: bank details please\nC: [two zero four three six six one nine]",
    "A: Account number?\nC: it's [forty-one thirty-two seventeen ninety]",
    "A: Account number?\nC: [9 8 7 6 5 4 3 2]",
    "A: Your account number?\nC: yes [oh oh one seven two double four nine]",
    "A: the account number you'd like it paid into\nC: [31926819]",
    "A: I've got account [31926819]\nC: right",
    "A: So account number [three one nine two six eight one nine]\nC: yes",
    "A: account number?\nC: [1-0-4-7-2-9-6-3]",
    "C: account no [5530092]",
    "A: account number?\nC: [seventy, eighty-seven, twenty-four, ninety]",
    "A: Please give me the account number\nC: okay [two two, one one, nine nine, four four]",
    "A: account number?\nC: [ten forty-seven, twenty-nine sixty-three]",
    "A: What is the account number for the refund?\nC: [6 3 8 4 9 9 5 8]",
    "A: and the number of the account? the account number\nC: [41 41 56 56]",
    "A: account number\nC: [one one two two three three four four sorry four five]",
]

NEGATIVE = [
    "C: I've opened a new account",
    "A: Your account is in credit by forty pounds",
    "A: account number?\nC: I'd have to look it up",
    "C: I have two accounts",
    "A: the account was opened in two thousand and five",
    "A: The balance on the account is \u00a31,206.00",
    "C: it's fifty thousand pounds",
    "A: twelve month contract",
    "C: we paid nine hundred and forty pounds",
    "A: in thirty days",
    "C: four and a half percent",
    "A: The savings rate is 4.25 percent",
    "A: How long have you had the account?\nC: ten years",
    "A: thirty seconds please",
    "C: two years ago",
    "A: I've added a credit of seven pounds fifty",
    "C: August second",
    "A: the first of October",
    "A: at nine a m",
    "C: room type deluxe twelve",
    "A: We have fourteen left",
    "C: page 12",
    "A: version 10",
    "A: error 404",
    "C: about 72 degrees",
    "A: six in York and none here",
    "C: one hundred miles",
    "A: level 3",
    "A: 2 adults",
    "C: nothing else",
]


@pytest.mark.parametrize("script", POSITIVE)
def test_takes(script, found, marked):
    assert found(BankAccountRecognizer, script) == marked(script)


@pytest.mark.parametrize("script", NEGATIVE)
def test_leaves(script, found):
    assert found(BankAccountRecognizer, script) == ""


SORT_CODES = [
    "C: the sort code's [oh nine, oh one, twenty nine]",
    "C: The sort code is [forty, forty-seven, eighty-four], thanks",
    "C: sort code [two zero, nine nine, five six]",
    "A: And the sort code?\nC: [30-98-97]",
    "A: sort code please\nC: [three zero, nine eight]",
    "C: The sort code is [30 98 97], and the account number is 10472963",
    "A: I need the six digit sort code\nC: [double two, double four, double six]",
    "A: sort code?\nC: [four zero, one two, three four]",
    "C: my sort code is [20-31-47]",
    "C: sort code [601613]",
    "A: the sort code first\nC: [sixty, sixteen, thirteen]",
    "A: And your sort code please?\nC: it's [one one, two two, three three]",
    "A: Sort code?\nC: [oh nine, oh one, two eight]",
    "A: The six digit code from the card?\nC: [forty, thirty, twenty]",
    "A: What's the sort code?\nC: [8 2 6 0 1 7]",
    "A: sort code\nC: [double zero, double one, double two]",
    "A: So sort code [11-22-33].\nC: yes",
    "A: I have the sort code as [nine eight, oh one, five six]\nC: right",
    "A: branch code?\nC: [five six, three one, nine oh]",
    "A: And the bank code?\nC: [16 00 38]",
    "A: BSB number?\nC: [oh six two, nine eight one]",
    "A: sort code and account number?\nC: [83 06 08]",
    "A: Could you read me the sort code?\nC: um [thirty, ninety-eight, ninety]",
    "A: sort code please\nC: okay [2 0 4 5 1 9]",
    "A: sort code?\nC: [seventy seven, eleven, oh five]",
    "A: And the sorting code?\nC: [four oh, two seven, one five]",
    "C: here's the sort code, [three oh, one one, nine four]",
    "A: The sort code is [6 0] what?\nC: [6 0 8 3 7 1]",
    "A: sort code?\nC: [one six, five seven, one]",
    "A: sort code?\nC: [eighty, forty-two, sixty-six]",
    "C: sort code, [seven seven, four nine, oh one]",
]


@pytest.mark.parametrize("script", SORT_CODES)
def test_takes_sort_codes(script, found, marked):
    assert found(SortCodeRecognizer, script) == marked(script)


ROUTING_NUMBERS = [
    "A: I need the nine digit routing number.\nC: It's [zero two one, zero zero zero, zero two one].",
    "A: I have [oh two one, triple oh, oh two one] as the routing number.\nC: Right.",
    "C: That one's routing [oh nine one, triple zero, zero nineteen]",
    "C: [021000021]",
    "A: routing number?\nC: [zero two one zero zero]",
    "A: What's the routing number?\nC: [zero one one, four zero one, five three three]",
    "A: Routing number please?\nC: [122105155]",
    "A: routing number\nC: [one two two, one oh five, one five five]",
    "C: routing number [oh seven one, nine oh four, seven seven nine]",
    "C: the routing number is [three two two, two seven one, six two seven]",
    "A: And the ABA number?\nC: [zero two six, zero zero nine, five nine three]",
    "A: the nine digit number on the left?\nC: [1 1 1 0 0 0 0 2 5]",
    "A: transit number?\nC: [zero six one, zero zero zero, one zero four]",
    "A: your bank's routing number?\nC: [053000219]",
    "A: So the routing number is [oh two one, two oh oh, three three nine].\nC: yes",
    "C: it's routing [zero eight four, zero zero zero, zero two six]",
    "A: Routing?\nC: yes it's [2 5 3 1 7 7 0 4 9]",
    "A: routing number?\nC: [double one one, nine oh one, two three four]",
    "A: ABA?\nC: [oh nine six, double zero one, oh one three]",
    "A: I need the routing number.\nC: um [zero three one, two zero one, three six zero]",
    "A: routing number?\nC: [zero four two, zero zero zero, zero one]",
    "A: routing number?\nC: [oh six three, one oh seven, five one three, four]",
    "C: my rooting number is [065000090]",
    "A: And the routing code?\nC: [three one four, oh seven four, two six nine]",
    "A: the routing number from the check?\nC: [0 8 1 0 0 0 0 3 2]",
    "A: routing transit number?\nC: [oh one one, oh oh oh, one three eight]",
    "C: [122105155]",
    "C: [053000219] and that's it",
    "A: please read the routing number\nC: okay [zero seven two, zero zero zero, three two six]",
    "A: routing number?\nC: it's [oh five one, four oh five, five one five]",
    "A: I've got [026009593] as your routing number\nC: right",
]


@pytest.mark.parametrize("script", ROUTING_NUMBERS)
def test_takes_routing_numbers(script, found, marked):
    assert found(RoutingNumberRecognizer, script) == marked(script)


NO_SORT_CODES = [
    "C: forty, forty-seven, eighty-four",
    "C: the code to the gate",
    "A: 300000 pounds",
    "C: 021000022",
    "A: six digits",
    "A: What sort of code is it?",
    "C: I don't have the sort code",
    "A: sort code?\nC: one moment please",
    "C: thirty, forty or fifty",
    "A: twenty to twelve",
    "C: it cost sixty pounds thirteen",
    "A: the door code is on the letter",
    "C: that sort of thing",
    "A: your discount code is SAVE twenty",
    "A: we sorted it in two days",
    "C: six or seven years",
    "A: in 1983",
    "C: about 30 or 40 people",
    "A: bank holidays are the third and the sixth",
    "C: my bank closed in twenty twenty",
    "A: it opens at nine thirty",
    "C: he sorted out four of the twelve",
    "A: 12,500 points",
    "C: our branch is number four",
    "A: we have eight hundred branches",
    "C: no code at all",
    "A: three hundred and one thousand",
    "C: 25 by 30 by 40 centimetres",
    "A: the bank opens at ten",
    "C: half past eleven",
]


@pytest.mark.parametrize("script", NO_SORT_CODES)
def test_leaves_other_than_sort_codes(script, found):
    assert found(SortCodeRecognizer, script) == ""


NO_ROUTING_NUMBERS = [
    "C: forty, forty-seven, eighty-four",
    "C: the code to the gate",
    "A: 300000 pounds",
    "C: 021000022",
    "A: six digits",
    "C: I don't know the routing number",
    "A: What is the routing number?\nC: where do I find that",
    "C: 122105156",
    "A: We are rooting for you",
    "C: one hundred and twenty-two thousand",
    "A: the bus route is nine",
    "C: the transit took nine days",
    "A: it's in transit and arrives on the fourth",
    "C: nine nine nine",
    "A: route sixty-six",
    "A: $21,000.00",
    "C: about 210 million",
    "A: in twenty one days",
    "C: two one zero",
    "A: eleven hundred dollars",
    "C: the train at nine oh one",
    "A: we routed your call to sales",
    "C: 7 to 10 business days",
    "A: one in nine people",
    "C: my transit card ran out",
    "A: press nine for more",
    "C: October the ninth",
    "A: 31,200 square feet",
    "C: twelve or thirteen",
    "A: four zero four error",
]


@pytest.mark.parametrize("script", NO_ROUTING_NUMBERS)
def test_leaves_other_than_routing_numbers(script, found):
    assert found(RoutingNumberRecognizer, script) == ""


@pytest.mark.parametrize(
    ("digits", "holds"), [("021000021", True), ("091000019", True), ("021000022", False)]
)
def test_routing_check(digits, holds):
    assert routing_check(digits) is holds
