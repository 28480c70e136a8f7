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
    "C: I was diagnosed with [diver tickle itis] in May",
    "C: I take [gabber pentin for the nerve pain]",
    "C: he's got me on a [~cyclo ~veer]",
    "C: I'm [allergic to penicillin]",
    "C: I've [an allergy to shellfish]",
    "C: I've had [palpitations] and a [heart murmur]",
    "C: he's got [MS]",
    "A: Are you allergic to anything?\nC: Only [latex].",
    "A: Any medical conditions?\nC: I've a [seal yak]",
    "A: And what's the reason for the absence?\nC: I've [hurt my knee]",
]

NEGATIVE = [
    "C: the carpet in there is ruined",
    "C: I have a pain point with your website",
    "A: press two on the keypad",
    "C: the doctor is in on Monday",
    "C: I was shocked by the price",
    "A: Do you take cash for the deposit?",
    "A: Are you allergic to anything?\nC: No, nothing like that.",
    "A: Any medical conditions?\nC: What do you need that for?",
    "C: ms Jones called about the terms and conditions",
    "C: the heart of the matter",
    "C: for the second season in a row",
    "A: and ten to four on Sundays the number for the York branches is on our site",
]


@pytest.mark.parametrize("script", POSITIVE)
def test_takes(script, found, marked):
    assert found(MedicalRecognizer, script) == marked(script)


@pytest.mark.parametrize("script", NEGATIVE)
def test_leaves(script, found):
    assert found(MedicalRecognizer, script) == ""
