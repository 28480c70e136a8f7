import pytest

from callveil.engines.presidio.medical import MedicalRecognizer

POSITIVE = [
    "C: He has [type one diabetes]",
    "C: She's got [rheumatoid arthritis], so she stays upstairs",
    "C: I take [Metformin, five hundred milligrams]",
    "C: something for her [high blood pressure]",
    "C: she takes [met forming 500 milligrams]",
    "C: I had a [heart attack]",
    "C: my [asthma] device ran out",
]

NEGATIVE = [
    "C: the carpet in there is ruined",
    "C: I have a pain point with your website",
    "A: press two on the keypad",
    "C: the doctor is in on Monday",
    "C: I was shocked by the price",
]


@pytest.mark.parametrize("script", POSITIVE)
def test_takes(script, found, marked):
    assert found(MedicalRecognizer, script) == marked(script)


@pytest.mark.parametrize("script", NEGATIVE)
def test_leaves(script, found):
    assert found(MedicalRecognizer, script) == ""
