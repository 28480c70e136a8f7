"""The text that is searched: from masked turns, never from raw ones. And what people type to search it.

Words are folded: letters and digits in lower case, without accents. What was masked is in no word, and no
phrase reaches across a mask or from one turn to the next.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from callveil.errors import MetadataError
from callveil.vocabulary.search import MOST_WORDS, Excerpt
from callveil.vocabulary.transcript import MaskedTurn

MASK = "\ue000"
"""Stands for a masked stretch. A private character, which nobody can type as a word."""
TURN = "\ue001"
"""Stands at the end of a turn."""

MOST_BYTES = 400_000
"""Text of a call that is searched, in UTF-8: some seven hours. PostgreSQL's tsvector holds 1 MiB
(https://www.postgresql.org/docs/current/textsearch-limitations.html)."""

_AROUND = 8
"""Words of an excerpt on each side of the one that was found."""

_MOST_TERMS = 12
_LONGEST = 100
"""Characters of a word that are compared."""

_MARKS = "\u0300-\u036f\u0483-\u0487\u0591-\u05c7\u0610-\u061a\u064b-\u065f"
"""Accents that stand apart from their letters: Latin, Cyrillic, Hebrew, Arabic."""
_WORD = re.compile(rf"[^\W_][^\W_{_MARKS}]*(?:[{_MARKS}]+[^\W_{_MARKS}]*)*|[{MASK}{TURN}]")
_ASKED = re.compile(r'"([^"]*)"?|(\S+)')


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One word, or several that follow each other; of the last one perhaps only the beginning."""

    words: tuple[str, ...]
    is_beginning: bool = False


def search_text(turns: Sequence[MaskedTurn]) -> str:
    """The text of a call as it is indexed.

    Args:
        turns: Masked turns, by start.

    Returns:
        The words that were left as they were, with `MASK` for each masked stretch and `TURN` behind each
        turn; cut at `MOST_BYTES`.
    """
    said = []
    for turn in turns:
        words: list[str] = []
        for word in turn.words:
            if word.entity is None:
                words.append(word.text.replace(MASK, " ").replace(TURN, " "))
            elif words[-1:] != [MASK]:
                words.append(MASK)
        said.append(" ".join([*words, TURN]))
    text = "\n".join(said)
    if len(text.encode()) <= MOST_BYTES:
        return text
    return text.encode()[:MOST_BYTES].decode(errors="ignore").rpartition(" ")[0]


def folded(text: str) -> list[str]:
    """The words of a text as they are compared; `MASK` and `TURN` are words of their own."""
    return [word for word, _, _ in _words(text)]


def parse(asked: str) -> tuple[Term, ...]:
    """What somebody looks for: words, "words that follow each other", beginnings*.

    Raises:
        MetadataError: There is no word in it, or it is too long. The message does not repeat it.
    """
    if len(asked) > MOST_WORDS:
        raise MetadataError(f"text: too long; allowed: {MOST_WORDS} characters")
    terms = []
    for phrase, word in _ASKED.findall(asked.replace(MASK, " ").replace(TURN, " ")):
        words = tuple(folded(phrase or word))
        if words:
            terms.append(Term(words=words, is_beginning=word.endswith("*")))
    if not 1 <= len(terms) <= _MOST_TERMS:
        raise MetadataError(f"text: allowed: 1 to {_MOST_TERMS} words or phrases, of letters and digits")
    return tuple(terms)


def excerpt(text: str, terms: Sequence[Term]) -> tuple[Excerpt, ...]:
    """Where the first of the terms stands in an indexed text, with the words around it.

    Returns:
        Runs of found and other words; masks as "[…]". Empty when nothing is found.
    """
    words = list(_words(text))
    first_hit = next((at for at in range(len(words)) if any(_stands_at(words, at, t) for t in terms)), None)
    if first_hit is None:
        return ()
    first, last = max(0, first_hit - _AROUND), min(len(words), first_hit + _AROUND + 1)
    hits: set[int] = set()
    for at in range(first_hit, last):
        for term in terms:
            if _stands_at(words, at, term):
                hits |= set(range(at, at + len(term.words)))
    runs: list[tuple[bool, list[str]]] = []
    for index in range(first, last):
        if not runs or runs[-1][0] != (index in hits):
            runs.append((index in hits, []))
        end = words[index + 1][1] if index + 1 < len(words) else len(text)
        stop = words[index][2] if index == last - 1 or (index + 1 in hits) != (index in hits) else end
        runs[-1][1].append(text[words[index][1] : stop])
    shown = [(is_hit, _shown("".join(parts))) for is_hit, parts in runs]
    return tuple(Excerpt(text=words, is_hit=is_hit) for is_hit, words in shown if words)


def _shown(text: str) -> str:
    return " ".join(text.replace(MASK, "[…]").replace(TURN, "·").split())


def _stands_at(words: Sequence[tuple[str, int, int]], index: int, term: Term) -> bool:
    if index + len(term.words) > len(words):
        return False
    found = [word for word, _, _ in words[index : index + len(term.words)]]
    last = found.pop()
    if found != list(term.words[:-1]):
        return False
    return last.startswith(term.words[-1]) if term.is_beginning else last == term.words[-1]


def _words(text: str) -> Iterator[tuple[str, int, int]]:
    """Folded words with where they begin and end in the text."""
    for found in _WORD.finditer(text):
        if word := _fold(found.group()):
            yield word, found.start(), found.end()


def _fold(word: str) -> str:
    if word.isascii():
        return word.lower()[:_LONGEST]
    if word in (MASK, TURN):
        return word
    apart = unicodedata.normalize("NFKD", word.casefold())
    return "".join(character for character in apart if character.isalnum()).casefold()[:_LONGEST]
