"""The search that the leak tests rely on: it finds what it must, and nothing by chance."""

import importlib.util
import json
from pathlib import Path

import pytest

_PATH = Path(__file__).parents[1] / "leak_search.py"
_SPEC = importlib.util.spec_from_file_location("leak_search", _PATH)
search = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(search)


def pii(entity: str, canonical: str, spoken: str, *, partial: str | None = None, allowed: str = ""):
    return {
        "id": "x-1",
        "entity": entity,
        "canonical_value": canonical,
        "spoken_text": spoken,
        "partial": partial,
        "allowed": allowed,
        "open": set(),
    }


CARD = pii("CREDIT_CARD", "4012888888881881", "forty twelve, eighty-eight eighty-eight")
PHONE = pii("PHONE_NUMBER", "07700 900461", "oh double seven double oh, nine hundred, four six one")
EMAIL = pii("EMAIL_ADDRESS", "n.swar7@example.com", "N dot swar seven at example dot com")
NAME = pii("PERSON", "Tobias Lund", "Tobias Lund")
LAST4 = pii("CREDIT_CARD", "1881", "eighteen eighty-one", partial="last4")


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        ("four one double two", "4122"),
        ("Triple oh, 12-34", "0001234"),
        ("twenty one ninety-nine", "2199"),
        ("four fives and nine hundred", "5555 900"),
        ("eighteen, eighty", "1880"),
        ("one is two", "1 2"),
        ("nothing", ""),
    ],
)
def test_digits_that_are_said(text, digits):
    assert search.spoken_digits(text).strip() == digits


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (CARD, "it's 4012 8888 8888 1881, thanks"),
        (CARD, "four oh one two, eight eight eight eight, 8888, one eight eight one"),
        (CARD, "forty twelve eighty eight eighty eight [CREDIT_CARD]"),
        (PHONE, "07700-900461"),
        (PHONE, "oh seven seven oh oh nine hundred four sixty one"),
        (EMAIL, "write to N.Swar7@Example.com"),
        (EMAIL, "n dot swar seven, at example dot com."),
        (NAME, "this is TOBIAS, Lund."),
        (LAST4, "ending in eighteen eighty one"),
    ],
)
def test_what_is_left_is_found(value, text):
    assert search.ids_in_text(text, [value]) == {"x-1"}
    page = f'<article id="call-a"><p>{text}</p></article>'
    assert search.ids_in_text(search.printed_text(page), [value]) == {"x-1"}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (CARD, "my card is [CREDIT_CARD] okay"),
        (NAME, "this is [PERSON] from Lund"),
        (LAST4, "eighteen and eighty-one"),
        (pii("US_SSN", "987", "nine eight seven", partial="partial"), "nine eight seven"),
        (pii("UK_NINO", "QQ123456C", "Q Q", allowed="call one two three, four five six"), "123456"),
    ],
)
def test_what_is_masked_or_allowed_is_not(value, text):
    assert search.ids_in_text(text, [value]) == set()


def test_times_hashes_and_cells_are_no_numbers():
    page = "<td>18</td><td>81</td> 18:81 <time>0:18</time>81 18.81 <p>ab1881cd1881ef1881aa1881bb1881</p>"
    assert search.ids_in_text(search.printed_text(page), [LAST4]) == set()
    assert search.ids_in_text(search.printed_text("<b>18</b> <span>81</span>"), [LAST4]) == {"x-1"}


def test_bytes_are_searched_for_long_numbers_and_phrases_only():
    assert search.ids_in_bytes(b'{"a": "4012 8888-8888 1881"}', [CARD]) == {"x-1"}
    assert search.ids_in_bytes(b"calls/tobias-lund.json", [NAME]) == {"x-1"}
    assert search.ids_in_bytes(b'{"start_s": 1881}', [LAST4]) == set()


def test_the_texts_of_documents():
    turns = [{"text": "hello [PERSON]", "words": [{"text": "hello", "start_s": 1.5}]}]
    assert search.transcript_text(json.dumps({"turns": turns}).encode()) == "hello [PERSON]"
    vtt = b"WEBVTT\n\n1\n00:00:01.000 --> 00:00:02.000\n<v agent>hello\n"
    assert search.captions_text(vtt).split() == ["WEBVTT", "<v", "agent>hello"]
    vcon = {"analysis": [{"type": "transcript", "body": [{"text": "hello", "start": "2026-11-24"}]}]}
    assert search.vcon_text(json.dumps(vcon).encode()) == "hello"
    parts = search.parts_of_calls("head === a ===\none === b ===\ntwo", r"=== (\S+) ===\n")
    assert parts == {"a": "one ", "b": "two"}
