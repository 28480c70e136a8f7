import pytest
from pydantic import ValidationError

from callveil.engines.presidio.custom import CustomPattern, CustomRecognizer
from callveil.errors import ConfigError
from callveil.stages.dialogue import Dialogue
from callveil.vocabulary.pii import Entity


def places(pattern, turns):
    recogniser = CustomRecognizer(pattern)
    dialogue = Dialogue(turns, recogniser.cues)
    return [dialogue.streams[hit.place.stream].words(hit.place.tokens) for hit in recogniser.hits(dialogue)]


def test_canonical_form_matches_a_spoken_run(turns):
    pattern = CustomPattern(name="meter", entity=Entity.REFERENCE_NUMBER, regex=r"M[A-Z]\d{3}")
    script = "C: it is M Q one double two\nC: or M Q one two"
    assert places(pattern, turns(script)) == ["m q one double two"]


def test_lexical_form_matches_words(turns):
    pattern = CustomPattern(name="ward", entity=Entity.MEDICAL, regex=r"ward \w+", form="lexical")
    assert places(pattern, turns("C: she is on ward seven now")) == ["ward seven"]


def test_context_is_needed_where_it_is_given(turns):
    pattern = CustomPattern(
        name="badge", entity=Entity.REFERENCE_NUMBER, regex=r"\d{3}", context=("badge number",)
    )
    assert places(pattern, turns("A: What is your badge number?\nC: four one two")) == ["four one two"]
    assert places(pattern, turns("A: How old is it?\nC: four one two")) == []


def test_a_bad_regex_is_named():
    pattern = CustomPattern(name="broken", entity=Entity.PERSON, regex="(")
    with pytest.raises(ConfigError, match="broken"):
        CustomRecognizer(pattern)


def test_an_unknown_entity_is_refused():
    with pytest.raises(ValidationError, match="entity"):
        CustomPattern.model_validate({"name": "x", "entity": "SHOE_SIZE", "regex": "x"})
