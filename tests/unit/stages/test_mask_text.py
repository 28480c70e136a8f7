from dataclasses import replace

import pytest

from callveil.stages.mask_text import TextStyle, mask_text
from callveil.stages.unheard import INAUDIBLE
from callveil.vocabulary.pii import Entity, Finding, MaskSpan
from callveil.vocabulary.transcript import Turn, Word


def turn(text: str, channel: int = 0) -> Turn:
    """One word a second, each 0.8 s long."""
    words = tuple(
        Word(text=word, start_s=float(i), end_s=i + 0.8, probability=0.9, channel=channel)
        for i, word in enumerate(text.split())
    )
    return Turn(speaker="customer", channel=channel, words=words)


def finding(start_s: float, end_s: float, entity: Entity = Entity.PERSON, channel: int = 0) -> Finding:
    return Finding(entity=entity, channel=channel, start_s=start_s, end_s=end_s, score=0.9, detector="test")


def span(start_s: float, end_s: float, entity: Entity = Entity.PERSON, channel: int = 0) -> MaskSpan:
    return MaskSpan(channel=channel, start_s=start_s, end_s=end_s, entity=entity, detector="test", score=0.9)


CASES = [
    ("nothing found", "my bill please", [], [], "my bill please"),
    ("one word", "it's Tobias here", [finding(1, 1.8)], [], "it's [PERSON] here"),
    ("a run is one replacement", "it's Tobias Lund here", [finding(1, 2.8)], [], "it's [PERSON] here"),
    (
        "two kinds are two",
        "Tobias 4111 x",
        [finding(0, 0.8), finding(1, 1.8, Entity.CREDIT_CARD)],
        [],
        "[PERSON] [CREDIT_CARD] x",
    ),
    ("a touched word is masked whole", "it's Tobias here", [finding(1.7, 1.8)], [], "it's [PERSON] here"),
    ("a word the sound mask covers", "it's Tobias here", [], [span(0.9, 2.0)], "it's [PERSON] here"),
    ("a word the padding only brushes", "it's Tobias here", [], [span(0.6, 2.2)], "it's [PERSON] here"),
    (
        "an unmasked stretch without words is left out",
        f"it's {INAUDIBLE} here",
        [],
        [],
        "it's here",
    ),
    (
        "a masked one is a part of its run",
        f"it's Tobias {INAUDIBLE} here",
        [finding(1, 2.8)],
        [],
        "it's [PERSON] here",
    ),
    (
        "one that only the sound mask covers too",
        f"it's {INAUDIBLE} here",
        [],
        [span(0.9, 2.0)],
        "it's [PERSON] here",
    ),
    (
        "one between two runs does not part them",
        f"Tobias {INAUDIBLE} Lund",
        [finding(0, 0.8), finding(2, 2.8)],
        [],
        "[PERSON]",
    ),
    (
        "another channel",
        "it's Tobias here",
        [finding(1, 1.8, channel=1)],
        [span(1, 1.8, channel=1)],
        "it's Tobias here",
    ),
]


@pytest.mark.parametrize(
    ("findings", "spans", "text", "expected"),
    [(c[2], c[3], c[1], c[4]) for c in CASES],
    ids=[c[0] for c in CASES],
)
def test_masked_text(findings, spans, text, expected):
    (masked,) = mask_text([turn(text)], findings, spans, TextStyle.ENTITY)
    assert masked.text == expected


def test_pii_style_tells_no_kind():
    (masked,) = mask_text([turn("it's Tobias here")], [finding(1, 1.8)], [], TextStyle.PII)
    assert masked.text == "it's [PII] here"


def test_times_and_speaker_stay():
    (masked,) = mask_text([turn("it's Tobias here")], [finding(1, 1.8)], [], TextStyle.ENTITY)
    assert (masked.speaker, masked.start_s, masked.end_s) == ("customer", 0.0, 2.8)
    assert [(word.start_s, word.entity) for word in masked.words] == [
        (0.0, None),
        (1.0, "PERSON"),
        (2.0, None),
    ]


def test_raw_types_do_not_print_their_words():
    raw = turn("it's Tobias here")
    assert "Tobias" not in repr(raw)
    assert "Tobias" not in repr(raw.words)


def test_a_turn_without_any_word_is_left_out():
    silent = replace(turn(f"{INAUDIBLE} {INAUDIBLE}"), speaker="agent")
    masked = mask_text([turn("good morning"), silent], [], [], TextStyle.ENTITY)
    assert [each.speaker for each in masked] == ["customer"]


def test_a_masked_stretch_without_words_is_a_turn_that_tells_no_more():
    (masked,) = mask_text([turn(INAUDIBLE)], [finding(0, 0.5)], [], TextStyle.ENTITY)
    assert [(word.text, word.entity) for word in masked.words] == [("[PERSON]", "PERSON")]


@pytest.mark.parametrize("style", list(TextStyle))
def test_speech_without_words_is_never_named(style):
    said = turn(f"{INAUDIBLE} it's {INAUDIBLE} {INAUDIBLE} Tobias {INAUDIBLE}")
    for found in ([], [finding(2, 4.5)], [finding(0, 6)]):
        (masked,) = mask_text([said], found, [], style)
        assert INAUDIBLE not in masked.text
