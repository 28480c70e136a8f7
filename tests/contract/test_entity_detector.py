"""One suite over every entity detector."""

import os
from pathlib import Path

import pytest

from callveil.adapters.models import ModelFolder, models_folder
from callveil.errors import ConfigError, EngineError, ModelError
from callveil.registry import engine_module
from callveil.vocabulary.pii import Entity
from callveil.vocabulary.transcript import Turn, Word

OPTIONS = [{}, {"rampart_model": None}]


def turns_of(script: str) -> list[Turn]:
    turns, at_s = [], 0.0
    for line in script.strip().splitlines():
        who, text = line.strip().split(":", 1)
        words = []
        for word in text.split():
            words.append(
                Word(text=word, start_s=at_s, end_s=at_s + 0.3, probability=0.9, channel="AC".index(who))
            )
            at_s += 0.35
        at_s += 0.4
        turns.append(
            Turn(speaker={"A": "agent", "C": "customer"}[who], channel="AC".index(who), words=tuple(words))
        )
    return turns


CALL = """
A: Good morning, you're through to Bramble Energy. How can I help?
C: Hi, I'd like to pay my bill of eighty-four pounds twenty.
A: Could I take your full name first?
C: It's Tobias Lindqvist.
A: Thank you, Mr Lindqvist. And the long card number?
C: four one one one, one one one one, one one one one, one one one one
A: That's gone through. It'll be with you in two working days.
"""


@pytest.fixture(scope="module", params=OPTIONS, ids=["rampart", "plain"])
def detector(request):
    module = engine_module("detector", "presidio")
    return module.build(module.Options(**request.param), ModelFolder(models_folder(os.environ)))


@pytest.mark.models
class TestEntityDetector:
    def test_findings_lie_on_words_of_their_channel(self, detector):
        turns = turns_of(CALL)
        starts = {(word.channel, word.start_s) for turn in turns for word in turn.words}
        ends = {(word.channel, word.end_s) for turn in turns for word in turn.words}
        found = detector.find(turns, language="en")
        assert found
        for finding in found:
            assert (finding.channel, finding.start_s) in starts
            assert (finding.channel, finding.end_s) in ends
            assert 0 <= finding.score <= 1
            assert finding.detector

    def test_finds_a_name_and_a_card_and_leaves_the_rest(self, detector):
        turns = turns_of(CALL)
        found = detector.find(turns, language="en")
        masked = {
            word.text
            for turn in turns
            for word in turn.words
            for finding in found
            if finding.channel == word.channel and finding.start_s <= word.start_s < finding.end_s
        }
        assert {"Tobias", "Lindqvist.", "four", "one,"} <= masked
        assert not masked & {"eighty-four", "pounds", "working", "days.", "bill", "morning,"}

    def test_the_same_dialogue_gives_the_same_findings(self, detector):
        turns = turns_of(CALL)
        assert detector.find(turns, language="en") == detector.find(turns, language="en")

    def test_no_turns_no_findings(self, detector):
        assert detector.find([], language="en") == ()

    def test_another_language_is_refused(self, detector):
        with pytest.raises(EngineError, match="'fr'"):
            detector.find(turns_of(CALL), language="fr")

    def test_has_a_name(self, detector):
        assert detector.name.startswith("presidio/")


def test_a_missing_nlp_package_is_named():
    module = engine_module("detector", "presidio")
    options = module.Options(nlp_model="no_such_package", rampart_model=None)
    with pytest.raises(ConfigError, match="no_such_package"):
        module.build(options, ModelFolder(Path("/nowhere")))


def test_a_model_that_is_not_pulled_is_named():
    module = engine_module("detector", "presidio")
    with pytest.raises(ModelError, match="rampart-pii"):
        module.build(module.Options(), ModelFolder(Path("/nowhere")))


def test_a_damaged_model_is_refused(tmp_path):
    module = engine_module("detector", "presidio")
    folder = tmp_path / "rampart-pii"
    folder.mkdir()
    for name in ("model_q4.onnx", "tokenizer.json", "config.json"):
        (folder / name).write_text("{}")
    with pytest.raises(ModelError, match="rampart"):
        module.build(module.Options(), ModelFolder(tmp_path))


def test_unknown_options_are_refused():
    module = engine_module("detector", "presidio")
    with pytest.raises(ValueError, match="entitys"):
        module.Options.model_validate({"entitys": ["PERSON"]})


def test_every_kind_is_found_by_default_health_too():
    module = engine_module("detector", "presidio")
    # Keypad tones are found in the signal, not in the dialogue.
    assert set(module.Options().entities) == set(Entity) - {Entity.DTMF}
