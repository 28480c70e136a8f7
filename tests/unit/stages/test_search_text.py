"""What is searched of a call, and what people may type."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callveil.errors import MetadataError
from callveil.stages.search_text import MASK, MOST_BYTES, TURN, excerpt, folded, parse, search_text
from callveil.vocabulary.transcript import MaskedTurn, MaskedWord

SAID = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


def turn(*words):
    made = [MaskedWord(text=text, start_s=0, end_s=1, entity=entity) for text, entity in words]
    return MaskedTurn(speaker="agent", channel=0, start_s=0, end_s=1, words=tuple(made))


def test_what_was_masked_is_in_no_word():
    turns = [
        turn(("It's", None), ("[IBAN]", "IBAN"), ("", "IBAN"), ("[PII]", "PERSON"), ("ok", None)),
        turn(("Ja", None)),
    ]
    assert search_text(turns) == f"It's {MASK} ok {TURN}\nJa {TURN}"
    assert folded(search_text(turns)) == ["it", "s", MASK, "ok", TURN, "ja", TURN]


def test_nobody_speaks_a_mask():
    assert search_text([turn((f"a{MASK}b{TURN}", None))]) == f"a b  {TURN}"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Straße STRASSE", ["strasse", "strasse"]),
        ("U\u0308ber über ÜBER", ["uber", "uber", "uber"]),
        ("don't e-mail 24/7 a_b", ["don", "t", "e", "mail", "24", "7", "a", "b"]),
        ("ﬁn ½ x²", ["fin", "12", "x2"]),
        ("привет 你好", ["привет", "你好"]),
        ("x" * 300, ["x" * 100]),
        ("?! — ", []),
    ],
)
def test_words_are_folded(text, words):
    assert folded(text) == words


@given(SAID)
def test_folded_words_are_plain_whatever_was_said(text):
    for word in folded(text.replace(MASK, "").replace(TURN, "")):
        assert word.isalnum()
        assert folded(word) == [word]


@given(st.lists(SAID, min_size=1, max_size=12))
def test_whatever_was_said_is_found_as_it_was_said(said):
    text = search_text([turn(*[(word, None) for word in said])])
    for word in said:
        if len(words := folded(word.replace(MASK, " ").replace(TURN, " "))) == 1:
            terms = parse(words[0])
            assert any(part.is_hit for part in excerpt(text, terms))


def test_a_very_long_call_is_cut_between_words():
    text = search_text([turn(*[("wörd", None)] * 200_000)])
    assert MOST_BYTES - 10 < len(text.encode()) <= MOST_BYTES
    assert set(folded(text)) == {"word"}


@pytest.mark.parametrize("asked", ["", "  ", "*", '"', "[]", MASK, "w " * 13, "x" * 201])
def test_what_holds_no_words_is_refused(asked):
    with pytest.raises(MetadataError, match="allowed"):
        parse(asked)


def test_terms_are_words_phrases_and_beginnings():
    terms = parse('Cancel "my  Contract" can* e-mail')
    assert [(term.words, term.is_beginning) for term in terms] == [
        (("cancel",), False),
        (("my", "contract"), False),
        (("can",), True),
        (("e", "mail"), False),
    ]
    assert parse('"never closed')[0].words == ("never", "closed")
    assert unicodedata.category(MASK) == unicodedata.category(TURN) == "Co"


def test_an_excerpt_of_nothing_is_empty():
    assert excerpt("some words", parse("other")) == ()
    assert excerpt("", parse("other")) == ()
