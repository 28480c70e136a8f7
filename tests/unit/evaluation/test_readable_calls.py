"""On the labelled calls: who hears every word reads every value, who hears all but the values reads none."""

from pathlib import Path

import pytest

from callveil.evaluation.readable import read_values
from callveil.evaluation.truth import parse_truth
from callveil.vocabulary.transcript import Word

CALLS = sorted((Path(__file__).parents[2] / "benchmarks" / "calls").glob("*.json"))


def heard(truth, *, with_values, late_s=0.0):
    for piece in (piece for turn in truth.turns for piece in turn.pieces):
        holds_value = any(
            pii.span.channel == piece.channel
            and pii.span.start_s < piece.end_s - 0.05
            and piece.start_s + 0.05 < pii.span.end_s
            for pii in truth.pii
        )
        said = piece.text.split()
        word_s = (piece.end_s - piece.start_s) / max(len(said), 1)
        for number, text in enumerate(said if with_values or not holds_value else ()):
            start_s = piece.start_s + number * word_s + late_s
            yield Word(
                text=text, start_s=start_s, end_s=start_s + word_s, probability=1.0, channel=piece.channel
            )


def test_there_are_calls():
    assert CALLS


@pytest.mark.parametrize("path", CALLS, ids=[path.stem for path in CALLS])
def test_all_values_or_none_are_read(path):
    truth = parse_truth(path.read_bytes(), source=path.name)
    unread = [v.id for v in read_values(truth, heard(truth, with_values=True)) if not v.read]
    assert unread == []
    for late_s in (-0.4, 0.0, 0.4):
        listened = tuple(heard(truth, with_values=False, late_s=late_s))
        assert [v.id for v in read_values(truth, listened) if v.read] == []
