"""Detection alone, on what was really said: with every word heard right, no number is left in the text."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from callveil.adapters.models import ModelFolder
from callveil.config import load_config
from callveil.registry import engine_module
from callveil.stages.mask_text import TextStyle, mask_text
from callveil.vocabulary.transcript import Turn, Word

TESTS = Path(__file__).parents[2]
CALLS = sorted((TESTS / "benchmarks" / "calls").glob("*.json"))
_SPEC = importlib.util.spec_from_file_location("leak_search", TESTS / "leak_search.py")
search = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(search)
FEWEST_DIGITS = 6

pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def detector():
    config = load_config()
    module = engine_module("detector", config.profile.detector.engine)
    options = module.Options.model_validate(config.profile.detector.options)
    return module.build(options, ModelFolder(config.models))


def true_turn(turn: dict[str, Any]) -> Turn:
    """A turn as a perfect recogniser would hear it, its words spread evenly over each piece's time."""
    heard = []
    for piece in turn["pieces"]:
        texts = piece["text"].split()
        step_s = (piece["end_s"] - piece["start_s"]) / max(len(texts), 1)
        heard += [
            Word(
                text=text,
                start_s=piece["start_s"] + i * step_s,
                end_s=piece["start_s"] + (i + 1) * step_s,
                probability=0.95,
                channel=turn["channel"],
            )
            for i, text in enumerate(texts)
        ]
    return Turn(speaker=turn["speaker"], channel=turn["channel"], words=tuple(heard))


def true_turns(path: Path) -> list[Turn]:
    turns = [true_turn(turn) for turn in json.loads(path.read_text())["turns"]]
    return [turn for turn in turns if turn.words]


def numbers(path: Path) -> dict[str, set[str]]:
    """Id to the values of six digits and more."""
    return {
        pii["id"]: {value for value in search.digit_values(pii) if len(value) >= FEWEST_DIGITS}
        for pii in search.labelled(path)
    }


@pytest.mark.parametrize("path", CALLS, ids=[path.stem for path in CALLS])
def test_no_number_survives_in_the_masked_text(path, detector):
    turns = true_turns(path)
    masked = mask_text(turns, detector.find(turns, language="en"), (), TextStyle.ENTITY)
    left = search.spoken_digits("\n".join(turn.text for turn in masked))
    assert [name for name, values in numbers(path).items() if any(value in left for value in values)] == []


def test_the_search_finds_the_numbers_in_what_was_really_said():
    found = 0
    for path in CALLS:
        said = search.spoken_digits("\n".join(turn.text for turn in true_turns(path)))
        found += sum(any(value in said for value in values) for values in numbers(path).values())
    assert found > 60
