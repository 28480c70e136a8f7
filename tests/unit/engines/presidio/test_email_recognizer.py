import pytest

from callveil.engines.presidio.email import EmailRecognizer

POSITIVE = [
    "C: It's [priya dot venkataraman at example dot com].",
    "C: Yeah. [P, R, I, Y, A, dot, V, E, N, K,]\nA: uh-huh\nC: [A, T, A, R, A, M, A, N, at example dot com].",
    "C: It was [p v underscore nineteen eighty-eight at example dot org]",
    "C: it's [john.smith@gmail.com]",
    "C: [jane at gmail dot com]",
    "A: And your email?\nC: It's [w goldthorpe, all one word, at example dot com].",
    "A: Is that [J E D dash R W dot nine nine at example dot com]?\nC: yes",
    "A: Is it still [N dot Swarbrick seven at example dot com]?\nC: yes",
    "A: What's your email address?\nC: [priya .venkat at example .com]",
    "C: send it to [info at bbc dot co dot uk]",
    "A: email please\nC: [mary hill forty-two at yahoo dot co dot uk]",
    "A: And an email for the contract?\nC: [jed, J E D, hyphen, R W, dot, ninety-nine, at example dot com]",
]

NEGATIVE = [
    "C: Could I get an email with that?",
    "C: I'm not getting my order emails",
    "C: look at example one",
    "C: I was at home at nine",
    "A: It's on our website, halcyon dot com",
    "C: at the dot",
    "A: I've just sent you an email with a link",
    "C: we met at ten",
]


@pytest.mark.parametrize("script", POSITIVE)
def test_takes(script, found, marked):
    assert found(EmailRecognizer, script) == marked(script)


@pytest.mark.parametrize("script", NEGATIVE)
def test_leaves(script, found):
    assert found(EmailRecognizer, script) == ""
