import pytest

from callveil.engines.presidio.date_of_birth import DateOfBirthRecognizer

POSITIVE = [
    "A: And your date of birth?\nC: the [twenty-third of March, nineteen seventy-nine].",
    "A: date of birth\nC: [23rd of March 1979]",
    "A: And date of birth?\nC: [April Fool's Day, ninety-four]",
    "A: your date of birth please?\nC: [four, eleven, ninety-two]",
    "A: So that's the [fourth of November nineteen ninety-two]?\nC: Born then, yes.",
    "A: And Matteo's date of birth?\nC: [June seventeenth, twenty fourteen]",
    "A: date of birth, sir?\nC: [Seventeen, zero two, nineteen seventy]",
    "A: And date of birth?\nC: [nine, two, sixty-eight]",
    "A: And your date of birth?\nC: [New Year's Eve, eighty-five. Thirty-first of the twelfth]",
    "A: her date of birth?\nC: the [ninth of the second, nineteen forty-six]",
    "C: my partner, born [thirtieth of January nineteen ninety]",
    "A: confirm your date of birth?\nC: [fourteenth July, two thousand and one]",
    "A: And your birthday?\nC: [October twenty-first, ninety-nine]",
    "A: date of birth\nC: [03/04/1982]",
    "A: D O B\nC: [3 4 82]",
    "C: I was born on the [3rd of June 1959]",
    "A: When were you born?\nC: [27th of the 9th 1979]",
    "A: dob please\nC: [oh one oh two nineteen eighty]",
    "A: date of birth?\nC: [2109 1968]",
    "A: date of birth?\nC: [26 04 1932]",
    "A: date of birth\nC: [1st of August 1931]",
    "A: birth date?\nC: [March 29th 1929]",
    "A: And the date of birth?\nC: [zero four slash one two slash one nine eight nine]",
    "C: my date of birth is [May the fifth nineteen sixty]",
    "A: date of birth?\nC: [tune November 2008]",
    "A: birthday?\nC: [Christmas Day sixty-one]",
    "A: Your date of birth?\nC: the [second of the second two thousand and two]",
    "A: year of birth?\nC: [nineteen fifty-five]",
    "A: date of birth for the policy holder\nC: [6th October 64]",
    "C: the [23rd of March 1979] is when she was born",
]

NEGATIVE = [
    "A: It goes up on the first of October",
    "C: I moved out on the twelfth of August",
    "A: The earliest I have is Thursday the nineteenth",
    "C: from the fifth to the eighth of May",
    "A: It ships by Thursday the ninth",
    "C: Since nineteen ninety-eight",
    "C: in March we had it fitted",
    "A: due on the first of the month",
    "A: off until September thirtieth",
    "A: Is it the third of June twenty twenty-six?",
    "C: the month of May",
    "C: may I ask something",
    "A: the twenty-eighth",
    "A: What's your date of birth?\nC: I don't want to say",
    "C: two thousand and eleven",
    "A: How many miles?\nC: eight thousand",
    "C: in the second half",
    "A: first of all",
    "A: second floor",
    "C: a third of it",
    "A: You have 14 days",
    "C: twenty-five years",
    "A: August second",
    "C: at four thirty",
    "A: Sunday to Friday",
    "C: nineteen ninety-nine for the shirt, I mean pounds",
    "A: five percent",
    "C: one in a million",
    "A: the end of April",
    "C: next year",
]


@pytest.mark.parametrize("script", POSITIVE)
def test_takes(script, found, marked):
    assert found(DateOfBirthRecognizer, script) == marked(script)


@pytest.mark.parametrize("script", NEGATIVE)
def test_leaves(script, found):
    assert found(DateOfBirthRecognizer, script) == ""
