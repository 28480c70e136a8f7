# ruff: noqa: E501  one row, one line
import pytest

from callveil.engines.presidio.reference import ReferenceRecognizer

POSITIVE = [
    "A: the account number at the top of the letter?\nC: That's [B E, four four zero, nine two one seven]",
    "A: And the booking reference?\nC: [Z as in Zulu, K, seven, T as in Tango, four, Q]",
    "A: your policy number?\nC: It's [November Mike, Lima, seven seven zero, three four one, alpha]",
    "A: membership number?\nC: [I W, zero nine zero four one seven]",
    "A: May I have the order number?\nC: It's [R O, double two nine one, double five, X]",
    "A: And your member I D on the card?\nC: It says [J H, eight eight two one three, kilo x-ray]",
    "A: Name and driver's license number?\nC: license number is [D, five one four, eight eight nine oh, two two one seven]",
    "A: What's your council tax reference?\nC: [eight eight three oh, double four seven one, two]",
    "C: the barcode is [D C, five five three one nine, G B]",
    "C: order number [112 6543 8890]",
    "A: customer number\nC: [four four seven one nine]",
    "A: case number?\nC: [C A S nine nine one two]",
    "A: Tracking number?\nC: [1 Z 9 9 9 A A 1 0 1]",
    "A: claim number please\nC: [seven seven zero three four one]",
    "A: passport number\nC: [five three three four one nine seven seven]",
    "A: your reservation code\nC: [H X four T nine P]",
    "C: [AB123456]",
    "C: [BE4409217]",
    "C: it's [X K four four nine seven two]",
    "A: the reference please\nC: [oh oh nine one seven three]",
    "A: registration?\nC: [A B one two C D E]",
    "A: employee number\nC: [double zero seven one two]",
    "A: What's the username?\nC: It's [sunny otter forty-two, all one word]",
    "A: user name?\nC: [sunnyotter42]",
    "A: invoice number\nC: [I N V two oh two two one]",
    "A: ticket number\nC: [nine one one seven six]",
    "A: confirmation number\nC: [five six seven eight]",
    "A: patient ID\nC: [P nine nine three one]",
    "A: Your loyalty number\nC: [three oh eight one four two seven]",
    "A: VIN?\nC: [five six eight seven zero]",
]

NEGATIVE = [
    "C: It's order seven seven one, the one with three flannel shirts",
    "A: The reference for this quote is quote nine",
    "C: version two point four",
    "A: booking for two adults",
    "A: Do you have your policy number?\nC: No I don't",
    "C: error six five one",
    "C: the Galaxy S twenty-four",
    "C: an F one fifty",
    "A: flight S L four oh two",
    "A: The policy value is two hundred and fifty thousand pounds",
    "C: I ordered three shirts",
    "A: parcel seven of nine",
    "A: Band D is 1892 pounds a year",
    "C: The model is Trail Master six hundred pounds",
    "A: from eight until six",
    "C: for thirty dollars",
    "A: seven to ten days",
    "A: the fifth of May",
    "C: twenty percent",
    "A: section four",
    "C: R seven thousand",
    "A: half past four",
    "C: four green",
    "C: I called twice",
    "A: What's the order number?\nC: I can't find it",
    "A: under ten megabytes",
    "A: about 12 megabits",
    "A: room twelve",
    "C: forty-six centimetres",
    "A: one moment",
]


@pytest.mark.parametrize("script", POSITIVE)
def test_takes(script, found, marked):
    assert found(ReferenceRecognizer, script) == marked(script)


@pytest.mark.parametrize("script", NEGATIVE)
def test_leaves(script, found):
    assert found(ReferenceRecognizer, script) == ""
