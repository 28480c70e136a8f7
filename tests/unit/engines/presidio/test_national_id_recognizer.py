# ruff: noqa: E501  one row, one line
import pytest

from callveil.engines.presidio.national_id import NationalIdRecognizer

POSITIVE = [
    "A: Can I get your social security number?\nC: [nine eight seven, six five, four three two nine]",
    "A: And your full social?\nC: It's [nine eighty-seven, sixty-five, forty-three twenty-five]",
    "A: what are the last four of your social?\nC: [forty-three twenty-one]",
    "A: the last four of your social please\nC: [Oh nine eighteen]",
    "A: Can I have your national insurance number?\nC: Yes. [Q Q, twelve, thirty-four, fifty-six, C]",
    "A: So, [Quebec Quebec, one two, three four, five six, Charlie].\nC: yes",
    "C: [QQ123456C]",
    "C: [Q Q one two three four five six C]",
    "A: And do you have your N I number handy?\nC: Yes, [double Z, double five, oh one, seventy-three, D for David]",
    "A: national insurance number please\nC: [N T, eight four,]\nA: mm-hm\nC: [seven zero, two nine, B]",
    "C: my social is [987 65 4320]",
    "C: [987-65-4320]",
    "A: ssn?\nC: [987654320]",
    "A: social security number\nC: [nine eight seven six five four three two]",
    "A: social security number\nC: [nine eight seven six five four three two oh oh]",
    "A: NHS number?\nC: [nine four three, four seven six, five nine one nine]",
    "A: your tax ID?\nC: [nine one two, seven zero, one two three four]",
    "C: my national insurance number is [ZZ 55 01 73 D]",
    "A: And the social for the policy holder? the social security number\nC: [987, 65, 4320]",
    "A: Your SSN?\nC: um [nine eight seven, uh, six five, four three two one]",
    "A: Medicare number\nC: [1 E G 4 T E 5 M K 7 3]",
    "A: social insurance number please\nC: [zero four six, four five four, two eight six]",
    "A: your utr number, the tax reference number\nC: [one two three four five six seven eight nine zero]",
    "A: National insurance?\nC: [K N one one two two three three A]",
    "C: [November Tango, eighty-four, seventy, twenty-nine, Bravo]",
    "A: Last four digits of your social?\nC: [four three two zero]",
    "A: social security number?\nC: [9 8 7 6 5 4 3 2 1]",
    "A: your social is [987 65 4325]?\nC: yes",
    "A: And the last 4 of your SSN, the ssn\nC: [1 1 2 2]",
    "A: ni number\nC: [B G, oh one, oh two, oh three, A]",
]

NEGATIVE = [
    "C: I'm on social media",
    "A: the national grid",
    "C: I paid two hundred",
    "A: What's your social security number?\nC: I'd rather not say",
    "A: flight B A four oh two",
    "C: nine hundred dollars",
    "A: the insurance premium is forty pounds",
    "C: my insurance has gone up to 300 pounds",
    "C: about 150 miles",
    "A: The policy value is two hundred and fifty thousand pounds",
    "A: thirty days",
    "C: I moved in 1998",
    "A: half past nine",
    "C: four point five kilos",
    "A: four weeks",
    "C: I have 2 kids",
    "A: ten percent",
    "C: it was the third of June",
    "A: section 8",
    "C: model X 5",
    "A: Q and A session",
    "A: open ten till four",
    "C: NT 4",
    "A: twenty photographs",
    "A: under ten megabytes",
    "C: the F one fifty",
    "A: up to 50 pounds",
    "A: lane 3",
    "A: 24 square metres",
    "C: zero problems",
]


@pytest.mark.parametrize("script", POSITIVE)
def test_takes(script, found, marked):
    assert found(NationalIdRecognizer, script) == marked(script)


@pytest.mark.parametrize("script", NEGATIVE)
def test_leaves(script, found):
    assert found(NationalIdRecognizer, script) == ""
