"""Search for what was really said in what is written: digits, spoken digits and phrases.

Nothing here returns a value, only the ids of those that were found. Tests load it by its path.
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from html import unescape
from pathlib import Path
from typing import Any

from callveil.stages.spoken_forms.lexicon import MULTIPLIERS, PLURALS, TEENS, TENS, UNITS

FEWEST_DIGITS = 4
FEWEST_RAW_DIGITS = 6
"""Fewer are searched in text for people only: a certificate is full of numbers."""
FEWEST_RAW_LETTERS = 6
"""Fewer, such as a spelt name's two letters, stand in any compressed audio by chance."""
_PHRASE_KINDS = frozenset(
    ["PERSON", "EMAIL_ADDRESS", "ADDRESS", "MEDICAL", "DATE_OF_BIRTH", "PASSWORD_OR_PIN", "CARD_EXPIRY"]
)
_SAID_WITH_DATES = frozenset(["DATE_OF_BIRTH", "CARD_EXPIRY", "MEDICAL"])
_NAMING_KINDS = frozenset(["PERSON", "EMAIL_ADDRESS", "ADDRESS"])
_SHORTEST_SECRET = 6
_SHORTEST_NAME = 5
_BREAK = " "


def spoken_digits(text: str) -> str:
    """A text's digits, said or written; a space wherever something else stands between them.

    >>> spoken_digits("it's four one, double two; and 07-00")
    ' 4122 0700'
    """
    found: list[str] = []
    tokens = re.findall(r"\d+|[^\W\d_]+|[^\W\d_]*'\w+", text.lower())
    at = 0
    while at < len(tokens):
        token = tokens[at]
        after = tokens[at + 1] if at + 1 < len(tokens) else ""
        digits, used = _BREAK, 1
        if token.isdigit():
            digits = token
        elif token in MULTIPLIERS and after in UNITS:
            digits, used = UNITS[after] * MULTIPLIERS[token], 2
        elif token in UNITS and after in PLURALS:
            digits, used = PLURALS[after] * int(UNITS[token]), 2
        elif token in UNITS and after == "hundred":
            digits, used = UNITS[token] + "00", 2
        elif token in UNITS or token in TEENS:
            digits = UNITS.get(token) or TEENS[token]
        elif token in TENS and UNITS.get(after, "0") != "0":
            digits, used = TENS[token] + UNITS[after], 2
        elif token in TENS:
            digits = TENS[token] + "0"
        found.append(digits)
        at += used
    return re.sub(r" +", _BREAK, "".join(found))


def phrase(text: str) -> str:
    """A text in small letters, its words between single spaces, with one at either end."""
    return " ".join(["", *re.findall(r"[^\W_]+", text.lower()), ""])


def labelled(path: Path) -> list[dict[str, Any]]:
    """The personal data of a labelled call, each knowing what may be said there: "allowed", "open"."""
    truth = json.loads(path.read_text())
    allowed = "\n".join(part["spoken_text"] for part in [*truth["benign"], *truth["optional"]])
    said_openly = _said_openly(path.parent)
    return [{**pii, "allowed": allowed, "open": said_openly} for pii in truth["pii"]]


@cache
def _said_openly(folder: Path) -> frozenset[str]:
    """Every word that is said outside of personal data in any of the calls."""
    pieces = (
        piece["text"]
        for path in folder.glob("*.json")
        for turn in json.loads(path.read_text())["turns"]
        for piece in turn["pieces"]
        if piece["kind"] != "pii"
    )
    return frozenset(phrase("\n".join(pieces)).split())


def digit_values(pii: dict[str, Any]) -> set[str]:
    """The digit strings of 4 and more that give a labelled value away, written and said."""
    written = re.findall(r"\d+", re.sub(r"(?<=\d)[^\w]+(?=\d)", "", pii["canonical_value"]))
    said = [] if pii["entity"] in _SAID_WITH_DATES else spoken_digits(pii["spoken_text"]).split()
    allowed = spoken_digits(pii["allowed"])
    return {d for d in [*written, *said] if len(d) >= FEWEST_DIGITS and d not in allowed}


def phrases(pii: dict[str, Any]) -> set[str]:
    """The phrases that give a labelled value away: of several words, or a secret word."""
    if pii["entity"] not in _PHRASE_KINDS:
        return set()
    both = {phrase(pii["canonical_value"]), phrase(pii["spoken_text"])}
    is_secret = pii["entity"] == "PASSWORD_OR_PIN"
    return {
        each
        for each in both
        if len(each.split()) > 1 or (is_secret and len(each.strip()) >= _SHORTEST_SECRET)
    }


def telling_words(pii: dict[str, Any]) -> set[str]:
    """The single words of a name or address that are said nowhere else, with a space at either end."""
    if pii["entity"] not in _NAMING_KINDS:
        return set()
    words = phrase(f"{pii['canonical_value']} {pii['spoken_text']}").split()
    return {
        f" {word} "
        for word in words
        if len(word) >= _SHORTEST_NAME and word.isalpha() and word not in pii["open"]
    }


def is_too_short(pii: dict[str, Any]) -> bool:
    """True for a partial value of fewer than 4 characters: it would be found anywhere."""
    return bool(pii["partial"]) and len(re.sub(r"\W", "", pii["canonical_value"])) < FEWEST_DIGITS


def ids_in_text(text: str, truth: Iterable[dict[str, Any]]) -> set[str]:
    """Ids of the values that can be read in a text for people."""
    runs, flat = spoken_digits(text), phrase(text)
    return {
        pii["id"]
        for pii in truth
        if not is_too_short(pii)
        and (
            any(v in runs for v in digit_values(pii))
            or any(p in flat for p in phrases(pii) | telling_words(pii))
        )
    }


def ids_of_numbers_in_bytes(content: bytes, truth: Iterable[dict[str, Any]]) -> set[str]:
    """Ids of the numbers of 6 digits and more that stand in a file, whatever its format."""
    joined = re.sub(r"(?<=\d)[ /-](?=\d)", "", content.decode("utf-8", "replace"))
    return {
        pii["id"]
        for pii in truth
        if any(v in joined for v in digit_values(pii) if len(v) >= FEWEST_RAW_DIGITS)
    }


def ids_in_bytes(content: bytes, truth: Sequence[dict[str, Any]]) -> set[str]:
    """Ids of the numbers and phrases that stand in a file, whatever its format."""
    flat = phrase(content.decode("utf-8", "replace"))
    return ids_of_numbers_in_bytes(content, truth) | {
        pii["id"]
        for pii in truth
        if any(
            p in flat
            for p in phrases(pii) | telling_words(pii)
            if len(p.replace(" ", "")) >= FEWEST_RAW_LETTERS
        )
    }


def transcript_text(content: bytes) -> str:
    """What people read in transcript.json."""
    return "\n".join(turn["text"] for turn in json.loads(content)["turns"])


def captions_text(content: bytes) -> str:
    """What people read in captions, without their times."""
    lines = content.decode().splitlines()
    return "\n".join(line for line in lines if "-->" not in line and not line.isdigit())


def vcon_text(content: bytes) -> str:
    """All that people read in a vCon: the texts in its analysis, without hashes and dates."""
    return "\n".join(_texts(json.loads(content).get("analysis", [])))


def _texts(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key in ("text", "body") and isinstance(value, str):
                yield from _texts(json.loads(value)) if value.startswith("{") else [value]
            else:
                yield from _texts(value)
    elif isinstance(node, list):
        for value in node:
            yield from _texts(value)


def printed_text(text: str) -> str:
    """What people read on a page or a terminal, without times, measures and hashes.

    A tag that ends a line or a cell ends a number too; one within a line does not.
    """
    text = re.sub(r"(?s)<(script|style)\b.*?</\1>", " x ", text)
    text = re.sub(r"</?(?:span|b|em|strong|mark|a|i)\b[^>]*>", " ", text)
    text = unescape(re.sub(r"<[^>]*>", " x ", text))
    text = re.sub(r"\b(?=\w*\d)[0-9A-Za-z+/=_-]{24,}", " x ", text)  # hashes and signatures
    return re.sub(r"\d+:\d\d(\.\d+)?|\d+\.\d+|\d{4}-\d\d-\d\dT?", " x ", text)


def parts_of_calls(text: str, heading: str) -> dict[str, str]:
    """A text about several calls, cut at a pattern whose first group is the call id."""
    _, *parts = re.split(heading, text)
    return dict(zip(parts[::2], parts[1::2], strict=True))
