import json
from importlib.resources import files

import jsonschema
import pytest

from callveil.stages.documents.transcript import transcript_json
from callveil.vocabulary.pii import Entity
from callveil.vocabulary.transcript import MaskedTurn, MaskedWord

SCHEMA = json.loads((files("callveil") / "schemas/transcript.schema.json").read_bytes())


def word(text, start_s, end_s, entity=None):
    return MaskedWord(text=text, start_s=start_s, end_s=end_s, entity=entity)


def turn(*words, speaker="customer", channel=1):
    return MaskedTurn(
        speaker=speaker, channel=channel, start_s=words[0].start_s, end_s=words[-1].end_s, words=words
    )


CARD = turn(
    word("It's", 1.0, 1.20049),
    word("[CREDIT_CARD]", 1.3, 1.5, "CREDIT_CARD"),
    word("", 1.6, 1.8, "CREDIT_CARD"),
    word("", 1.9, 2.2, "CREDIT_CARD"),
    word("[PERSON]", 2.3, 2.6, "PERSON"),
    word("thanks.", 2.7, 3.0),
)


def written(*turns):
    return json.loads(transcript_json(call_id="c-1", language="en", turns=turns).content)


def test_words_carry_times_and_masked_runs_their_kind_only():
    document = written(CARD)
    (only,) = document["turns"]
    assert only["text"] == "It's [CREDIT_CARD] [PERSON] thanks."
    assert only["words"] == [
        {"text": "It's", "start_s": 1.0, "end_s": 1.2},
        {"text": "[CREDIT_CARD]", "start_s": 1.3, "end_s": 2.2, "entity": "CREDIT_CARD"},
        {"text": "[PERSON]", "start_s": 2.3, "end_s": 2.6, "entity": "PERSON"},
        {"text": "thanks.", "start_s": 2.7, "end_s": 3.0},
    ]


def test_two_masked_values_of_a_kind_in_a_row_stay_two():
    words = written(turn(word("[PERSON]", 0, 1, "PERSON"), word("[PERSON]", 1, 2, "PERSON")))["turns"][0][
        "words"
    ]
    assert [w["end_s"] for w in words] == [1, 2]


@pytest.mark.parametrize("turns", [(), (CARD,), (CARD, turn(word("no", 4, 4.5), speaker="speaker_1"))])
def test_output_follows_the_schema(turns):
    jsonschema.validate(written(*turns), SCHEMA, cls=jsonschema.Draft202012Validator)


def test_same_input_same_bytes_on_one_line():
    first = transcript_json(call_id="c-1", language="en", turns=(CARD,)).content
    assert first == transcript_json(call_id="c-1", language="en", turns=(CARD,)).content
    assert first.count(b"\n") == 1


def test_repr_of_the_document_shows_no_text():
    assert "thanks" not in repr(transcript_json(call_id="c-1", language="en", turns=(CARD,)))


def test_schema_knows_all_kinds():
    assert set(SCHEMA["$defs"]["word"]["properties"]["entity"]["enum"]) == {kind.value for kind in Entity}


@pytest.mark.parametrize(
    "damage",
    [
        {"call_id": "a b"},
        {"language": "English"},
        {"schema_version": "2.0"},
        {"extra": 1},
        {"turns": [{"speaker": "agent"}]},
    ],
)
def test_schema_refuses_other_forms(damage):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**written(CARD), **damage}, SCHEMA, cls=jsonschema.Draft202012Validator)
