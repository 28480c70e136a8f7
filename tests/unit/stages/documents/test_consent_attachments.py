from dataclasses import replace
from datetime import timedelta

import pytest

from callveil.stages.documents.consent import lawful_basis_attachments
from callveil.testing import START, call
from callveil.vocabulary.consent import ConsentRecord, Flag, LawfulBasis, Method, Purpose


def record(**changes):
    fields = {"purpose": Purpose.RECORDING, "flag": Flag.GRANTED, "party": 1, **changes}
    return ConsentRecord(**fields)


def attachments(*records):
    return lawful_basis_attachments(call(consent=records), n_parties=2)


def test_no_records_no_attachments():
    assert attachments() == []


def test_a_record_for_everybody_is_written_for_each_party():
    assert [a["party"] for a in attachments(record(party=None))] == [0, 1]


def test_records_of_one_party_basis_and_end_share_an_attachment():
    ends = START + timedelta(days=30)
    found = attachments(
        record(),
        record(purpose=Purpose.TRANSCRIPTION),
        record(purpose=Purpose.ANALYTICS, expires_at=ends),
        record(purpose=Purpose.QUALITY_REVIEW, lawful_basis=LawfulBasis.CONTRACT),
    )
    bodies = [a["body"] for a in found]
    assert [(b["lawful_basis"], b["expiration"], len(b["purpose_grants"])) for b in bodies] == [
        ("consent", None, 2),
        ("consent", "2026-12-23T09:30:00.000Z", 1),
        ("contract", None, 1),
    ]


@pytest.mark.parametrize(
    ("flag", "changes", "granted", "conditions"),
    [
        (Flag.GRANTED, {}, True, None),
        (Flag.DENIED, {}, False, None),
        (Flag.UNKNOWN, {}, False, ["not answered"]),
        (Flag.WITHDRAWN, {}, False, ["withdrawn"]),
        (Flag.WITHDRAWN, {"withdrawn_at_s": 63.25}, False, ["withdrawn at second 63.250 of the call"]),
    ],
)
def test_only_a_granted_flag_is_a_grant(flag, changes, granted, conditions):
    (grant,) = attachments(record(flag=flag, **changes))[0]["body"]["purpose_grants"]
    assert grant["granted"] is granted
    assert grant.get("conditions") == conditions


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "2026-11-23T09:30:00.000Z"),
        ({"given_at": START - timedelta(days=1)}, "2026-11-22T09:30:00.000Z"),
        ({"verbal_at_s": 12.5}, "2026-11-23T09:30:12.500Z"),
    ],
)
def test_time_of_the_grant(changes, expected):
    (only,) = attachments(record(**changes))
    assert only["start"] == expected
    assert only["body"]["purpose_grants"][0]["granted_at"] == expected


@pytest.mark.parametrize(
    ("method", "proof_type"),
    [
        (Method.VERBAL, "verbal_confirmation"),
        (Method.KEYPRESS, "external_system"),
        (Method.ANNOUNCEMENT, "external_system"),
        (Method.CONTRACT, "signed_document"),
    ],
)
def test_proof_names_the_method_and_never_the_words(method, proof_type):
    (proof,) = attachments(record(method=method, verbal_at_s=3725.9))[0]["body"]["proof_mechanisms"]
    assert proof["proof_type"] == proof_type
    assert proof["proof_data"]["method"] == method.value
    assert "confirmation_text" not in proof["proof_data"]
    assert proof["proof_data"].get("time_offset") == ("01:02:05" if method is Method.VERBAL else None)


def test_an_unstated_method_gives_no_proof():
    assert "proof_mechanisms" not in attachments(replace(record(), method=None))[0]["body"]
