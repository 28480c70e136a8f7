import json

import pytest

from callveil.errors import MetadataError
from callveil.evaluation.truth import parse_truth
from callveil.vocabulary.pii import Entity

DOCUMENT = {
    "call_id": "t1",
    "duration_s": 10,
    "channels": {"0": "agent", "1": "customer"},
    "turns": [
        {
            "speaker": "customer",
            "channel": 1,
            "start_s": 1.0,
            "end_s": 3.0,
            "text": "It's Ann Other",
            "pieces": [
                {"kind": "text", "text": "It's", "start_s": 1.0, "end_s": 1.5},
                {"kind": "pii", "entity": "PERSON", "text": "Ann Other", "start_s": 2.0, "end_s": 3.0},
            ],
        },
        {"speaker": "agent", "channel": 0, "start_s": 3.5, "end_s": 4.0, "text": "Thanks."},
    ],
    "pii": [
        {
            "id": "t1-000",
            "group": 7,
            "entity": "US_SSN",
            "partial": "last4",
            "channel": 1,
            "start_s": 2.0,
            "end_s": 3.0,
            "spoken_text": "Ann Other",
            "canonical_value": "987-65-4321",
        }
    ],
    "optional": [{"kind": "X", "channel": 0, "start_s": 3.5, "end_s": 4.0, "spoken_text": "Bo"}],
    "benign": [{"kind": "PRICE", "channel": 0, "start_s": 5.0, "end_s": 6.0, "spoken_text": "ten"}],
}


def parsed(**changes):
    return parse_truth(json.dumps({**DOCUMENT, **changes}).encode(), source="t1.json")


def test_all_labels_are_read():
    truth = parsed()
    assert (truth.call_id, truth.duration_s, truth.channels) == ("t1", 10.0, ("agent", "customer"))
    assert [piece.start_s for piece in truth.turns[0].pieces] == [1.0, 2.0]
    assert truth.turns[0].pieces[0].channel == 1
    assert truth.turns[1].pieces == ()
    (pii,) = truth.pii
    assert (pii.id, pii.entity, pii.mention, pii.partial) == ("t1-000", Entity.NATIONAL_ID, 7, "last4")
    assert pii.canonical == "987-65-4321"
    assert (truth.benign[0].kind, truth.optional[0].text) == ("PRICE", "Bo")


@pytest.mark.parametrize(
    ("name", "entity"),
    [
        ("UK_NINO", Entity.NATIONAL_ID),
        ("ACCOUNT_OR_POLICY_NUMBER", Entity.REFERENCE_NUMBER),
        ("CREDIT_CARD", Entity.CREDIT_CARD),
    ],
)
def test_names_of_other_sets_become_ours(name, entity):
    assert parsed(pii=[{**DOCUMENT["pii"][0], "entity": name}]).pii[0].entity is entity


def test_ids_groups_and_partial_may_be_absent():
    lean = {key: DOCUMENT["pii"][0][key] for key in ("entity", "channel", "start_s", "end_s", "spoken_text")}
    (pii,) = parsed(pii=[lean]).pii
    assert (pii.id, pii.mention, pii.partial, pii.canonical) == ("0", None, None, None)


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"call_id": 3}, r"t1\.json\.call_id: not text"),
        ({"duration_s": "10"}, r"duration_s: not a number"),
        ({"duration_s": True}, r"duration_s: not a number"),
        ({"channels": ["agent"]}, r"channels: not an object"),
        ({"turns": {}}, r"turns: not a list of objects"),
        ({"pii": ["x"]}, r"pii: not a list of objects"),
        ({"pii": [{**DOCUMENT["pii"][0], "entity": "SHOE_SIZE"}]}, r"pii\[0\]\.entity: unknown kind"),
        ({"pii": [{**DOCUMENT["pii"][0], "channel": 2}]}, r"pii\[0\]\.channel: the call has 2 channels"),
        ({"pii": [{**DOCUMENT["pii"][0], "channel": 0.5}]}, r"pii\[0\]\.channel: not an integer"),
        ({"pii": [{**DOCUMENT["pii"][0], "canonical_value": 7}]}, r"pii\[0\]\.canonical_value: not text"),
        ({"benign": [{**DOCUMENT["benign"][0], "end_s": 5.0}]}, r"benign\[0\]: start_s must be"),
        ({"optional": [{"kind": "X"}]}, r"optional\[0\]\.channel: missing"),
    ],
)
def test_a_wrong_field_is_named(changes, place):
    with pytest.raises(MetadataError, match=place):
        parsed(**changes)


@pytest.mark.parametrize("content", [b"{", b"\xff", b"[]", b"3"])
def test_other_files_are_refused_by_name(content):
    with pytest.raises(MetadataError, match=r"t1\.json: not"):
        parse_truth(content, source="t1.json")


def test_repr_shows_no_words():
    assert "Ann" not in repr(parsed())
    assert "4321" not in repr(parsed())
