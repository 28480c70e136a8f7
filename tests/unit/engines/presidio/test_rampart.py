"""What of Rampart's labels becomes a finding; the model itself is not asked."""

import pytest

from callveil.engines.presidio.rampart import _merge, _Piece


def labelled(text: str) -> tuple[list[_Piece], str]:
    """Pieces of "word/LABEL" words, and the line they stand in."""
    pieces: list[_Piece] = []
    line = ""
    for part in text.split():
        word, _, label = part.partition("/")
        start = len(line) + bool(line)
        line = f"{line} {word}".strip()
        pieces.append(_Piece(start=start, end=len(line), label=label or "O", score=0.9))
    return pieces, line


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("thanks Tony/GIVEN_NAME Baker/SURNAME for that", ["Tony Baker"]),
        ("thanks Tony/GIVEN_NAME", ["Tony"]),
        ("this is Greenleaf/GIVEN_NAME Pharmacy,/SURNAME speaking", []),
        ("a card at Duncan/GIVEN_NAME Donuts/SURNAME on Monday", []),
        ("Street/SURNAME is my name", ["Street"]),
        ("at 12/BUILDING_NUMBER Mill/STREET_NAME Street/STREET_NAME", ["12 Mill Street"]),
        ("near Mill/STREET_NAME Street/STREET_NAME", []),
    ],
)
def test_what_is_taken(text, found):
    pieces, line = labelled(text)
    assert [line[start:end] for start, end, _, _ in _merge(pieces, line)] == found
