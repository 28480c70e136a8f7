# ruff: noqa: E501  one row, one line
import pytest

from callveil.stages.spoken_forms import find_dates, find_emails, tokenise
from callveil.vocabulary.transcript import Turn, Word


def tokens_of(text):
    words = tuple(
        Word(text=word, start_s=0.4 * index, end_s=0.4 * index + 0.3, probability=0.9, channel=0)
        for index, word in enumerate(text.split())
    )
    return tokenise([Turn(speaker="customer", channel=0, words=words)], 0, [0])


@pytest.mark.parametrize(
    ("text", "month", "has_day", "year"),
    [
        ("the third of March nineteen eighty-two", 3, True, 1982),
        ("3rd March 1982", 3, True, 1982),
        ("March 3rd, 1982", 3, True, 1982),
        ("October twenty-first, ninety-nine", 10, True, 99),
        ("thirtieth of January nineteen ninety", 1, True, 1990),
        ("fourteenth July, two thousand and one", 7, True, 2001),
        ("New Year's Eve, eighty-five", None, True, 85),
        ("November twenty twenty-eight", 11, False, 2028),
        ("May twenty thirty", 5, False, 2030),
        ("the ninth of the second, nineteen forty-six", None, True, 1946),
        ("27th of the 9th 1979", None, True, 1979),
        ("August second", 8, True, None),
        ("in November", 11, False, None),
    ],
)
def test_finds_dates(text, month, has_day, year):
    (date,) = find_dates(tokens_of(text))
    assert (date.month, date.has_day, date.year) == (month, has_day, year)


@pytest.mark.parametrize(
    "text",
    ["first of all", "one second", "the first four digits", "nineteen ninety-nine", "four eleven", "may I ask", "third place",
     "november tango"],
)  # fmt: skip
def test_leaves_other_words(text):
    assert find_dates(tokens_of(text)) == ()


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("it's john dot smith at example dot com thanks", "john dot smith at example dot com"),
        ("it's john.smith@example.com", "john.smith@example.com"),
        ("my email is mary at gmail dot com", "mary at gmail dot com"),
        (
            "J E D hyphen R W dot ninety-nine at example .com",
            "j e d hyphen r w dot ninety nine at example com",
        ),
        (
            "w goldthorpe, all one word, at example dot co dot uk",
            "w goldthorpe all one word at example dot co dot uk",
        ),
        ("it was p v underscore nineteen at example dot org", "p v underscore nineteen at example dot org"),
    ],
)
def test_finds_emails(text, address):
    tokens = tokens_of(text)
    (found,) = find_emails(tokens)
    assert " ".join(tokens[index].text for index in found) == address


@pytest.mark.parametrize(
    "text",
    ["look at the sky", "our website is example dot com", "at nine", "the dot is small", "we met at Gma"],
)
def test_leaves_sentences_without_an_email(text):
    assert find_emails(tokens_of(text)) == ()
