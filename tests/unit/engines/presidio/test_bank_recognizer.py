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
    "C: The sort code is [forty, forty-seven, eighty-four], thanks",
    "C: sort code [two zero, nine nine, five six]",
    "A: And the sort code?\nC: [30-98-97]",
    "A: sort code please\nC: [three zero, nine eight]",
    "C: The sort code is [30 98 97], and the account number is 10472963",
    "A: I need the six digit sort code\nC: [double two, double four, double six]",
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
]


@pytest.mark.parametrize("script", ROUTING_NUMBERS)
def test_takes_routing_numbers(script, found, marked):
    assert found(RoutingNumberRecognizer, script) == marked(script)


@pytest.mark.parametrize("kind", [SortCodeRecognizer, RoutingNumberRecognizer])
@pytest.mark.parametrize(
    "script",
    [
        "C: forty, forty-seven, eighty-four",
        "C: the code to the gate",
        "A: 300000 pounds",
        "C: 021000022",
        "A: six digits",
    ],
)
def test_leaves_without_context(kind, script, found):
    assert found(kind, script) == ""


@pytest.mark.parametrize(
    ("digits", "holds"), [("021000021", True), ("091000019", True), ("021000022", False)]
)
def test_routing_check(digits, holds):
    assert routing_check(digits) is holds
