import pytest

from callveil.stages.cues import KEEP, RESET, cues
from callveil.stages.dialogue import Dialogue
from callveil.vocabulary.transcript import Turn, Word

PATTERNS = [
    *cues("CARD", "card number"),
    *cues("CODE", "security code"),
    *cues("SORT", "sort code"),
    *cues(KEEP, "once more"),
    *cues(RESET, "error"),
]


def dialogue_of(script, pause_s=0.4):
    turns, at_s = [], 0.0
    for line in script.strip().splitlines():
        who, text = line.strip().split(":", 1)
        if who == "WAIT":
            at_s += float(text)
            continue
        words = []
        for word in text.split():
            words.append(
                Word(text=word, start_s=at_s, end_s=at_s + 0.3, probability=0.9, channel="AC".index(who))
            )
            at_s += 0.35
        at_s += pause_s
        speaker = {"A": "agent", "C": "customer"}[who]
        turns.append(Turn(speaker=speaker, channel="AC".index(who), words=tuple(words)))
    return Dialogue(turns, PATTERNS)


def expectations(script):
    dialogue = dialogue_of(script)
    return [
        (run.text, dialogue.expected(stream, run.tokens)) for stream, run in sorted(
            dialogue.runs(), key=lambda pair: pair[0].tokens[pair[1].tokens.start].start_s
        )
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("A: card number please?\nC: it is 4111", [("4111", ("CARD",))]),
        ("C: my card number is 4111", [("4111", ("CARD",))]),
        ("C: 4111 is my card number", [("4111", ("CARD",))]),
        ("C: 4111", [("4111", ())]),
        ("A: card number?\nC: one moment\nC: okay 4111", [("4111", ("CARD",))]),
        ("A: sort code and card number?\nC: 404784", [("404784", ("CARD", "SORT"))]),
        (
            "C: sort code is 40 47 84 and the card number is 4111",
            [("404784", ("SORT",)), ("4111", ("CARD",))],
        ),
        ("A: card number?\nC: 4111\nA: so that's 4111\nC: yes", [("4111", ("CARD",)), ("4111", ("CARD",))]),
        ("A: card number?\nC: 4111\nA: How many would you like?\nC: 12", [("4111", ("CARD",)), ("12", ())]),
        ("A: card number?\nC: it shows error 651", [("651", ())]),
        ("A: card number?\nC: 4111\nA: once more?\nC: 4112", [("4111", ("CARD",)), ("4112", ("CARD",))]),
        ("A: card number?\nWAIT: 40\nC: 4111", [("4111", ())]),
        (
            "A: card number?\nC: 4111\nA: and the security code?\nC: 739",
            [("4111", ("CARD",)), ("739", ("CODE",))],
        ),
        ("A: card number?\nC: 4111\nA: your dispute is case 29", [("4111", ("CARD",)), ("29", ())]),
    ],
)
def test_what_is_expected(script, expected):
    assert expectations(script) == expected


def test_a_run_goes_on_over_back_channels_but_not_over_questions():
    dialogue = dialogue_of("C: 4111\nA: mm-hm\nC: 1111\nA: and the security code?\nC: 739")
    assert [run.text for _, run in dialogue.runs() if run.tokens] == ["41111111", "739"]


def test_an_answer_ends_with_the_askers_next_words():
    dialogue = dialogue_of(
        "A: your card number?\nC: I have it here\nA: Please take your time over it\nC: thanks"
    )
    (place,) = dialogue.answers("CARD")
    assert dialogue.streams[place.stream].words(place.tokens) == "i have it here"


def test_nothing_is_an_answer_to_a_statement():
    dialogue = dialogue_of("C: I put my card number in the form on the website yesterday\nA: All right")
    assert dialogue.answers("CARD") == []


def test_places_map_back_to_words():
    dialogue = dialogue_of("A: hello there\nC: it is 415 -555 -0142 thanks")
    at = dialogue.text.index("415")
    (place,) = dialogue.places(at, at + 12)
    assert dialogue.streams[place.stream].words(place.tokens) == "415 555 0142"
    assert dialogue.text[slice(*dialogue.span(place))] == "415-555-0142"


def test_nothing_raw_is_printed():
    dialogue = dialogue_of("C: my card number is 4111")
    shown = (
        repr(dialogue)
        + repr(dialogue.streams)
        + repr(dialogue.streams[0].tokens)
        + repr(dialogue.streams[0].runs)
    )
    assert "4111" not in shown
    assert "card" not in shown
