import pytest

from callveil.engines.presidio.pin import PinRecognizer

POSITIVE = [
    "A: And the account passcode?\nC: [eight eight five zero]",
    "A: your four digit pin?\nC: [1 9 8 4]",
    "A: I've sent a code to your email. Could you read it to me?\nC: It's [six oh two, nine one four]",
    "A: What's the one time code?\nC: [602914]",
    "A: the verification code please\nC: [four four one oh nine two]",
    "A: And your mother's maiden name?\nC: [Castellanos].",
    "A: And the name of your first pet?\nC: It was [Biscuit].",
    "A: Now choose a temporary password.\nC: [blue kettle seventy-seven]",
    "A: Telephone password?\nC: It's [Peppercorn].",
    "C: my pin is [four four one two]",
    "A: memorable word\nC: [Wanderlust]",
    "A: passphrase?\nC: [purple monkey]",
    "A: Your access code\nC: [oh nine one one]",
    "A: security question, what was your first school?\nC: [Hillcrest]",
    "A: What's your password?\nC: [T r o u b l e 7]",
    "A: PIN please\nC: uh [one one two two]",
    "A: passcode\nC: [double eight five zero]",
    "A: the code we sent you\nC: [9 3 3 1]",
    "A: six digit code?\nC: [seven seven one, oh four two]",
    "A: the authorisation code\nC: [A 7 7 Q]",
    "C: passcode [9021]",
    "A: secret word?\nC: [Marmalade]",
    "A: favourite colour\nC: [Turquoise]",
    "A: And your dog's name?\nC: [Rufus]",
    "A: The code [602914]?\nC: yes",
    "A: the login code\nC: [three three eight one]",
    "A: maiden name\nC: [O'Sullivan]",
    "A: place of birth\nC: [Ludlow]",
    "A: first car?\nC: [Ford Escort]",
    "A: pin number\nC: [nine nine zero one]",
]

NEGATIVE = [
    "C: I pinned it to the wall",
    "A: I need to reset your password",
    "C: I'm locked out of my account",
    "A: your password expires in twenty-four hours",
    "A: Do you remember your pin?\nC: I don't",
    "A: What is your password?\nC: What do you mean?",
    "C: error code six five one",
    "A: the promo code is spring twenty",
    "C: it's forty pounds",
    "C: Four weeks",
    "A: thirty seconds",
    "C: the country code is plus four four",
    "A: dress code applies",
    "C: I tried three times",
    "A: the bar is open until ten",
    "C: we waited for two hours",
    "A: two to four a m",
    "C: ten percent",
    "C: seven pounds fifty",
    "A: sixteen cards",
    "A: the twenty-second",
    "C: half each",
    "C: it's grey",
    "A: eleven degrees",
    "C: six hundred dollars",
    "A: model four twelve",
    "A: Lane three is closed",
    "C: I only noticed it now",
    "A: five working days",
    "C: fine thanks",
]


@pytest.mark.parametrize("script", POSITIVE)
def test_takes(script, found, marked):
    assert found(PinRecognizer, script) == marked(script)


@pytest.mark.parametrize("script", NEGATIVE)
def test_leaves(script, found):
    assert found(PinRecognizer, script) == ""
