"""Words to lexical tokens: lower case, one per spoken unit, each knowing the word it came from."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from callveil.vocabulary.transcript import Turn

_OPENING = "\"'([{“‘«¿¡"
_LEADS = "-–—.,+#$£€@/:_'’"
_CLOSING = "\"')]}”’»"
_SENTENCE_END = re.compile(r"[.?!…]")
_SPLIT = re.compile(r"[-–—/:_]+")
_X_RAY = re.compile(r"\bx-ray\b", re.IGNORECASE)
_TITLES = frozenset({"mr", "mrs", "ms", "dr", "st", "miss", "prof"})
_ABBREVIATION = re.compile(r"(?:[a-z]\.)+[a-z]?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """One lexical token. Raw speech: never printed.

    Attributes:
        text: Lower case, without punctuation around it.
        written: As the recogniser wrote it, punctuation included; empty for further tokens of one word.
        stream: Number of the speaker's stream the token belongs to.
        turn: Index of its turn.
        channel: Channel.
        start_s: Start of its word in seconds.
        end_s: End of its word in seconds.
        probability: Of its word.
        lead: Punctuation glued in front, such as "-", "$" or ".".
        trail: Punctuation behind: "," "." "?" "%" or "".
        capital: Written with a capital letter.
        upper: Written in capitals only.
        word: Running number of the word in the stream.
    """

    text: str
    written: str
    stream: int
    turn: int
    channel: int
    start_s: float
    end_s: float
    probability: float
    lead: str
    trail: str
    capital: bool
    upper: bool
    word: int

    def __repr__(self) -> str:
        return f"Token({len(self.text)} characters, {self.start_s:.2f}-{self.end_s:.2f} s)"

    @property
    def ends_sentence(self) -> bool:
        """True when a full stop, question or exclamation mark follows."""
        return bool(_SENTENCE_END.search(self.trail)) and self.text not in _TITLES


def tokenise(turns: Sequence[Turn], stream: int, turn_numbers: Sequence[int]) -> tuple[Token, ...]:
    """Cut the words of one speaker's turns into tokens.

    Args:
        turns: The speaker's turns in time order.
        stream: Number written into the tokens.
        turn_numbers: Index of each turn in the dialogue.

    Returns:
        Tokens in spoken order; a word of punctuation only gives none.
    """
    tokens: list[Token] = []
    word_number = 0
    for turn, turn_number in zip(turns, turn_numbers, strict=True):
        for word in turn.words:
            pieces = _pieces(word.text)
            for index, (lead, text, trail) in enumerate(pieces):
                letters = [char for char in text if char.isalpha()]
                tokens.append(
                    Token(
                        text=text.lower().replace("’", "'"),
                        written=word.text if index == 0 else "",
                        stream=stream,
                        turn=turn_number,
                        channel=turn.channel,
                        start_s=word.start_s,
                        end_s=word.end_s,
                        probability=word.probability,
                        lead=lead,
                        trail=trail,
                        capital=bool(letters) and letters[0].isupper(),
                        upper=bool(letters) and all(char.isupper() for char in letters),
                        word=word_number,
                    )
                )
            word_number += bool(pieces)
    return tuple(tokens)


def _pieces(written: str) -> list[tuple[str, str, str]]:
    """A written word as (lead, text, trail) pieces, one per spoken unit."""
    text = _X_RAY.sub("xray", written.strip().lstrip(_OPENING))
    body = text.lstrip(_LEADS)
    lead = text[: len(text) - len(body)]
    stripped = body.rstrip(_CLOSING + ".,?!;:…%-–—/")
    trail = body[len(stripped) :]
    if not stripped:
        return []
    if "@" in stripped:
        return [(lead, stripped, trail)]
    if _ABBREVIATION.fullmatch(stripped.lower()):
        stripped = stripped.replace(".", "")
    parts = [part for part in _SPLIT.split(stripped) if part]
    glue = [""] + [match.group()[0] for match in _SPLIT.finditer(stripped)]
    pieces: list[tuple[str, str, str]] = []
    for index, part in enumerate(parts):
        part_lead = lead if index == 0 else glue[min(index, len(glue) - 1)]
        pieces.append((part_lead, part, trail if index == len(parts) - 1 else ""))
    return pieces
