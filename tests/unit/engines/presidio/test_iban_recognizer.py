# ruff: noqa: E501  one row, one line
import pytest

from callveil.engines.presidio.iban import IbanRecognizer, iban_check

POSITIVE = [
    "C: It is [E S nine one, two one zero zero, zero four one eight, four five zero two, zero zero zero five, one three three two]",
    "A: I need the IBAN for the transfer.\nC: [E S ninety-one, twenty-one hundred, oh four eighteen, forty-five oh two, triple oh five, thirteen thirty-two]",
    "C: [GB29NWBK60161331926819]",
    "C: [DE89 3704 0044 0532 0130 00]",
    "A: And the IBAN?\nC: [D E eight nine, three seven zero four, zero zero four four]",
    "C: [FR14 2004 1010 0505 0001 3M02 606]",
    "C: [NL91ABNA0417164300]",
    "C: [NL91 ABNA 0417 1643 00] thanks",
    "C: [BE68 5390 0754 7034]",
    "C: [CH93 0076 2011 6238 5295 7]",
    "C: [AT61 1904 3002 3457 3201]",
    "C: [PT50000201231234567890154]",
    "C: [IT60X0542811101000000123456]",
    "C: [NO9386011117947]",
    "C: [SE45 5000 0000 0583 9825 7466]",
    "A: Could I have the IBAN?\nC: [N L nine one, A B N A, zero four one seven, one six four three, zero zero]",
    "A: IBAN please\nC: [B E six eight, five three nine zero, zero seven five four, seven zero three four]",
    "A: What is the IBAN of the account?\nC: It's [D K five zero, double zero four zero, zero four four zero, one one six two, four three]",
    "A: And the IBAN?\nC: [I E twenty-nine, A I B K, nine three one one, five two one two, three four five six, seven eight]",
    "A: the international bank account number?\nC: [GB29 NWBK 6016 1331 9268 19]",
    "A: iban number?\nC: [F I two one, one two three four, five six, triple zero, zero seven, eight five]",
    "A: Your IBAN?\nC: yes, [LU28 0019 4006 4475 0000]",
    "C: my IBAN is [P L six one, one zero nine zero, one zero one four]",
    "C: the IBAN is [CZ65 0800 0000 1920 0014 5399]",
    "A: So the IBAN is [DE89 3704 0044 0532 0130 00].\nC: that's right",
    "A: IBAN?\nC: [GR16 0110 1250 0000 0001 2300 695]",
    "A: I need the IBAN.\nC: [H U four two, one one seven seven]\nA: mm-hm\nC: [three zero one six, one one one one]",
    "A: And what's the IBAN?\nC: [SE4550000000058398257466]",
    "A: the IBAN for the refund?\nC: [A T sixty-one, nineteen oh four, thirty oh two, three four five seven, three two oh one]",
    "C: transfer it to [DE89370400440532013000] please",
]

NEGATIVE = [
    "C: E S",
    "A: flight D E eight nine",
    "C: nine one two one zero zero",
    "A: What's the IBAN?\nC: I don't have one",
    "C: forty pounds",
    "C: I already sent you the IBAN",
    "A: The IBAN is on your statement",
    "C: what's an IBAN?",
    "A: We'll send it by bank transfer",
    "C: G B is my number plate sticker",
    "A: Seat twenty-nine B",
    "C: D E or A T, I forget",
    "A: order L U two eight",
    "C: I live in the N L",
    "A: ninety-one pounds and four pence",
    "A: Our swift response team will call",
    "C: a transfer of two thousand euros",
    "A: the exchange rate is 1.16",
    "C: it took five working days",
    "A: gate B sixty-eight",
    "C: IBAN? No idea",
    "A: What's the IBAN?\nC: can I call you back",
    "A: terms and conditions apply, section 4",
    "C: room F R fourteen",
    "A: the fee is 0.5 percent",
    "C: the account is with a bank in Spain",
    "A: We closed that branch in twenty nineteen",
    "C: I E the bit at the bottom",
    "A: bus route P L six",
    "C: no, just the letters please",
]


@pytest.mark.parametrize("script", POSITIVE)
def test_takes(script, found, marked):
    assert found(IbanRecognizer, script) == marked(script)


@pytest.mark.parametrize("script", NEGATIVE)
def test_leaves(script, found):
    assert found(IbanRecognizer, script) == ""


@pytest.mark.parametrize(
    ("text", "holds"),
    [("GB29NWBK60161331926819", True), ("DE89370400440532013000", True), ("GB28NWBK60161331926819", False)],
)
def test_check_digits(text, holds):
    # Examples of the SWIFT IBAN registry; the last one is altered.
    assert iban_check(text) is holds
