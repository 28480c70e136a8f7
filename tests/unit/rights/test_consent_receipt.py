import json
from dataclasses import replace
from datetime import timedelta
from importlib.resources import files

import jsonschema
import pytest

from callveil.errors import MetadataError
from callveil.rights.consent_receipt import CONTEXT, ReceiptFacts, consent_receipt, receipt_party
from callveil.rights.controller import Controller
from callveil.testing import START
from callveil.testing import call as make_call
from callveil.vocabulary.call import Party, Role
from callveil.vocabulary.consent import ConsentRecord, Flag, LawfulBasis, Method, Purpose

SCHEMA = json.loads((files("callveil") / "schemas/consent-receipt.schema.json").read_bytes())
ACME = Controller(
    name="Acme", address="1 Quay", contact="privacy@acme.example", officer="dpo@acme.example",
    authority="ICO", notice="https://acme.example/privacy",
)  # fmt: skip


def answer(purpose=Purpose.RECORDING, flag=Flag.GRANTED, **more):
    return ConsentRecord(purpose=purpose, flag=flag, **{"party": 1, "given_at": START, **more})


def receipt(*history, call=None, party=1, controller=ACME, **more):
    call = call or make_call("c-1", consent=history[-1:])
    facts = ReceiptFacts(
        call=call,
        party=party,
        history=[(START + timedelta(minutes=i), record) for i, record in enumerate(history)],
        controller=controller,
        **{
            "kept_until": START + timedelta(days=365),
            "kept_why": "Kept a year.",
            "recipients": ("crm",),
            "created_at": START,
            **more,
        },
    )
    document = consent_receipt(facts)
    jsonschema.validate(document, SCHEMA, cls=jsonschema.Draft202012Validator)
    return document


def records(document):
    return document["dpv:hasRecordOfActivity"]


def test_there_is_one_record_for_each_purpose():
    document = receipt(answer(), answer(Purpose.ANALYTICS, Flag.DENIED))
    purposes = [r["dpv:hasProcess"]["dpv:hasPurpose"]["@id"] for r in records(document)]
    assert purposes == ["urn:callveil:purpose:recording", "urn:callveil:purpose:analytics"]
    assert [r["dpv:hasConsentStatus"][0]["@type"] for r in records(document)] == [
        ["dpv:ConsentGiven"],
        ["dpv:ConsentRefused"],
    ]


def test_a_record_keeps_all_that_happened():
    (record,) = records(
        receipt(answer(method=Method.KEYPRESS), answer(flag=Flag.WITHDRAWN, given_at=None, withdrawn_at_s=90))
    )
    given, withdrawn = record["dpv:hasConsentStatus"]
    assert given["@type"] == ["dpv:ConsentGiven", "dpv:ExpressedConsent"]
    assert given["dpv:hasIndicationMethod"] == "by pressing a key"
    assert withdrawn["@type"] == ["dpv:ConsentWithdrawn"]
    assert withdrawn["dpv:isIndicatedAtTime"] == "2026-11-23T09:31:30.000Z"
    assert withdrawn["dct:date"] == "2026-11-23T09:31:00.000Z"


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        (Method.ANNOUNCEMENT, "dpv:ImpliedConsent"),
        (Method.VERBAL, "dpv:ExpressedConsent"),
        (Method.CONTRACT, "dpv:ExpressedConsent"),
    ],
)
def test_the_type_of_consent_follows_how_it_was_given(method, expected):
    (record,) = records(receipt(answer(method=method)))
    assert record["dpv:hasConsentStatus"][0]["@type"][1] == expected


@pytest.mark.parametrize(("basis", "letter"), list(zip(LawfulBasis, "abcdef", strict=True)))
def test_the_lawful_basis_is_named_by_its_letter(basis, letter):
    (record,) = records(receipt(answer(lawful_basis=basis)))
    assert record["dpv:hasProcess"]["dpv:hasLegalBasis"] == [f"eu-gdpr:A6-1-{letter}"]


def test_the_others_answers_are_not_in_it():
    document = receipt(answer(party=0), answer(Purpose.ANALYTICS, party=None), answer())
    purposes = [r["dpv:hasProcess"]["dpv:hasPurpose"]["@id"] for r in records(document)]
    assert purposes == ["urn:callveil:purpose:recording", "urn:callveil:purpose:analytics"]
    assert len(records(document)[0]["dpv:hasConsentStatus"]) == 1


def test_ids_are_the_same_each_time_and_differ_by_party_and_purpose():
    first, again = receipt(answer(party=None)), receipt(answer(party=None))
    other = receipt(answer(party=None), party=0)
    assert first == again
    assert records(first)[0]["@id"] != records(other)[0]["@id"]
    assert first["@id"] != receipt(answer(party=None), created_at=START + timedelta(days=1))["@id"]


def test_what_nobody_told_is_said_to_be_missing():
    document = receipt(answer(), controller=replace(ACME, name="", notice=""))
    assert document["callveil:missing"] == ["controller.name", "controller.notice"]
    assert document["dpv:hasEntity"][0]["dpv:hasName"] is None
    assert receipt(answer())["callveil:missing"] == []


def test_an_end_that_is_not_known_is_an_event():
    (record,) = records(receipt(answer(), kept_until=None, kept_why="until a claim has ended"))
    (condition,) = record["dpv:hasProcess"]["dpv:hasStorageCondition"]
    assert condition["dpv:hasDuration"] == {
        "@type": "dpv:UntilEventDuration",
        "rdf:value": "until a claim has ended",
    }


def test_every_prefix_is_in_the_context():
    def words(value):
        if isinstance(value, dict):
            for key, inner in value.items():
                yield key
                yield from words(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from words(inner)
        elif isinstance(value, str) and value.count(":") == 1 and "/" not in value and " " not in value:
            yield value

    document = receipt(answer(method=Method.VERBAL))
    document.pop("@context")
    prefixes = {word.split(":")[0] for word in words(document) if ":" in word and not word[0].isdigit()}
    assert prefixes <= set(CONTEXT)


def test_whose_receipt():
    call = make_call("c-1")
    assert receipt_party(call, None) == 1
    assert receipt_party(call, 0) == 0
    assert receipt_party(replace(call, parties=()), None) is None
    with pytest.raises(MetadataError, match="0 to 1"):
        receipt_party(call, 2)
    two = replace(call, parties=(Party(role=Role.CUSTOMER), Party(role=Role.CUSTOMER)))
    with pytest.raises(MetadataError, match="2 customers"):
        receipt_party(two, None)
