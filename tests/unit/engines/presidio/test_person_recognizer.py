# ruff: noqa: E501  one row, one line
import pytest

from callveil.engines.presidio.person import PersonRecognizer

POSITIVE = [
    "A: Could I take your full name first?\nC: It's [Tobias Lindqvist].",
    "A: Thank you, [Mr Lindqvist]. And the account number?\nC: hello",
    "A: May I take your name please?\nC: Yes, it's [Anneliese Okonkwo-Brandt].",
    "A: Could you spell the surname for me?\nC: Sure. [O, K, O, N, K, W, O, then hyphen, B for Bravo, R, A, N, D, T for Tango].",
    "A: And who am I speaking with?\nC: This is [Marcus Delacroix].",
    "A: Hi [Marcus]. How are you?\nC: fine",
    "C: my name is [Emma Bell]",
    "A: And your full name please?\nC: [katie marshall]",
    "A: whose name is on it?\nC: My wife's, [Oluwaseun Fairbrother].",
    "A: spell your surname\nC: [m a x]",
    "A: Thanks, [Guinevere]. Take care.\nC: bye",
    "A: What's his name?\nC: [Matteo Bianchi-Harlow].",
    "A: name?\nC: [Mikayla Brzezinski].",
    "A: And you are?\nC: [Xiomara Villanueva].",
    "C: this is [Ashley Bryant]",
    "C: Hi, this is [~tie rail boo ~dro] and it's about a wire",
    "C: yes my name is [ray mount] and I moved",
    "A: Am I speaking with [rod rego]?\nC: yes",
    "A: It went to a [Mrs okay].\nC: fine",
    "A: I spoke to [mister ~by ~a stairs].\nC: fine",
    "A: I'll tell [doctor ~where lick].\nC: fine",
    "C: My husband [~deck land] turned it off",
    "C: my neighbour [~when] will collect it",
    "C: ask our lodger, [Pat], he knows",
    "C: it's [~fur gal] here",
    "A: Go on\nC: I had a bump in the car park\nA: Thank you, [~on a ~car].",
    "A: That's all done for you, [~key].\nC: bye",
    "A: Who's your line manager?\nC: That'd be [Precious Ndlovu].",
    "A: And who shall he ask for?\nC: [Dilys].",
    "A: You're welcome, [Ms Thibodeaux].\nC: thanks",
    "A: Hello, [Street].\nC: hi",
]

NEGATIVE = [
    "C: Yes please, that would be great",
    "A: Thank you. And your postcode?\nC: fine",
    "A: What's your name?\nC: Why do you need that?",
    "C: I'd like to pay my bill",
    "A: Thank you for calling",
    "C: I'm moving in November",
    "C: This is about my Visa",
    "A: Great. I can do Wednesday.\nC: ok",
    "C: I'm Sorry about that",
    "A: Hello, how can I help?\nC: hi",
    "C: it's Monday",
    "C: this is ~about a wire",
    "C: this is ridiculous",
    "C: my name is on the account",
    "C: he's got MS and it's worse",
    "C: my husband turned it off",
    "C: my wife will be pleased",
    "A: Thanks for ~calling.\nC: hi",
    "A: Great, ~twenty four hours.\nC: hi",
    "A: Hello, ~severn ~vale water, how can I help?\nC: hi",
    "C: I'm ~driving for a living",
    "A: Hello, Northgate Mutual, motor team.\nC: hi",
    "A: I'm ~hum.\nC: hi",
    "C: the people who pay by card",
    "A: Okay. Anything else?\nC: no",
]


@pytest.mark.parametrize("script", POSITIVE)
def test_takes(script, found, marked):
    assert found(PersonRecognizer, script) == marked(script)


@pytest.mark.parametrize("script", NEGATIVE)
def test_leaves(script, found):
    assert found(PersonRecognizer, script) == ""
