import hashlib
import json
from dataclasses import replace
from datetime import timedelta
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest

from callveil.errors import MetadataError
from callveil.stages.documents.certificate import (
    AudioFacts,
    CertificateFacts,
    EngineUsed,
    certificate_json,
    decision_json,
)
from callveil.stages.mask_audio import AudioStyle
from callveil.stages.mask_text import TextStyle
from callveil.stages.plan_masks import MaskPlan
from callveil.testing import CLEAN, START, throw_away_signer
from callveil.vocabulary.consent import Action, ConsentDecision
from callveil.vocabulary.pii import Entity, MaskSpan
from callveil.vocabulary.recording import MaskedDocument, MaskedFile, Part, PublishedPart

KEEP = ConsentDecision(action=Action.KEEP, rule="all_party", reason="Every party agreed.")
SHA = "ab" * 32
SIGNER = throw_away_signer()


def schema(name):
    return json.loads((files("callveil") / f"schemas/{name}.schema.json").read_bytes())


def check(content, name):
    document = json.loads(content)
    jsonschema.validate(document, schema(name), cls=jsonschema.Draft202012Validator)
    return document


def part(which, body):
    return PublishedPart(part=which, body=body, media_type="application/octet-stream")


FACTS = CertificateFacts(
    call_id="c-1",
    started_at=START,
    tool_version="0.1.0",
    profile="default",
    input_sha256=SHA,
    outputs=(
        part(Part.CERTIFICATE, MaskedDocument(content=b"itself")),
        part(Part.TRANSCRIPT, MaskedDocument(content=b"{}")),
        part(Part.AUDIO, MaskedFile(path=Path("a.flac"), sha256="cd" * 32, n_bytes=3)),
    ),
    audio=AudioFacts(rate_hz=8000, channels=2, n_samples=12001),
    decision=KEEP,
    engines=(
        EngineUsed(role="transcriber", name="x/y", files={"vocab.txt": SHA, "model.bin": SHA}),
        EngineUsed(role="diarizer", name="channels"),
    ),
    masked=(
        MaskSpan(channel=1, start_s=4.0, end_s=5.0, entity=Entity.PERSON, detector="ner", score=0.85),
        MaskSpan(channel=0, start_s=1.00049, end_s=2.0, entity=Entity.IBAN, detector="spoken", score=1 / 3),
    ),
    plan=MaskPlan(),
    audio_style=AudioStyle.TONE,
    text_style=TextStyle.ENTITY,
    timings_s={"decode": 0.12345},
    created_at=START + timedelta(minutes=5),
    verification=CLEAN,
)


def test_certificate_follows_its_schema_and_says_what_was_done():
    document = check(certificate_json(FACTS, SIGNER).content, "certificate")
    assert document["audio"] == {"rate_hz": 8000, "channels": 2, "n_samples": 12001, "duration_s": 1.5}
    assert document["consent"]["action"] == "keep"
    assert document["verify"] == {
        "result": "clean",
        "scope": "all",
        "rounds": 2,
        "heard_s": 41.5,
        "widened": 3,
        "left": 0,
    }
    assert document["timings_s"] == {"decode": 0.123}
    assert document["masking"]["pad_after_s"] == 0.4
    assert document["engines"][0]["files"] == {"model.bin": SHA, "vocab.txt": SHA}


def test_the_certificate_is_signed_by_the_signer():
    document = check(certificate_json(FACTS, SIGNER).content, "certificate")
    assert list(document)[-1] == "signature"
    assert document["signature"]["key_id"] == SIGNER.key_id
    assert document["schema_version"] == "1.2"


def test_outputs_are_hashed_without_the_certificate_itself():
    document = json.loads(certificate_json(FACTS, SIGNER).content)
    assert document["outputs"] == {
        "audio.flac": "cd" * 32,
        "transcript.json": hashlib.sha256(b"{}").hexdigest(),
    }


def test_spans_are_in_order_and_rounded():
    spans = json.loads(certificate_json(FACTS, SIGNER).content)["masked_spans"]
    assert [(s["start_s"], s["score"]) for s in spans] == [(1.0, 0.333), (4.0, 0.85)]


def test_bytes_do_not_depend_on_the_order_of_outputs_spans_and_files():
    engines = (
        replace(FACTS.engines[0], files=dict(reversed(FACTS.engines[0].files.items()))),
        FACTS.engines[1],
    )
    other = replace(FACTS, outputs=FACTS.outputs[::-1], masked=FACTS.masked[::-1], engines=engines)
    assert certificate_json(other, SIGNER).content == certificate_json(FACTS, SIGNER).content


def test_kept_up_to_a_withdrawal():
    facts = replace(FACTS, decision=replace(KEEP, keep_until_s=63.25))
    document = check(certificate_json(facts, SIGNER).content, "certificate")
    assert document["consent"]["keep_until_s"] == 63.25


@pytest.mark.parametrize(
    ("action", "hold_until"), [(Action.DISCARD, None), (Action.HOLD, START + timedelta(days=3))]
)
def test_decision_record_follows_its_schema(action, hold_until):
    decision = ConsentDecision(action=action, rule="unknown", reason="No answer.", hold_until=hold_until)
    content = decision_json(call_id="c-1", decision=decision, decided_at=START, input_sha256=SHA)
    document = check(content, "decision")
    assert set(document) == {
        "schema_version", "call_id", "action", "rule", "reason", "hold_until", "decided_at", "input_sha256",
    }  # fmt: skip
    assert document["action"] == action.value


def test_a_kept_call_has_no_decision_record():
    with pytest.raises(MetadataError, match="action"):
        decision_json(call_id="c-1", decision=KEEP, decided_at=START, input_sha256=SHA)


def test_a_hold_without_end_breaks_the_schema():
    decision = ConsentDecision(action=Action.HOLD, rule="unknown", reason="No answer.")
    content = decision_json(call_id="c-1", decision=decision, decided_at=START, input_sha256=SHA)
    with pytest.raises(jsonschema.ValidationError):
        check(content, "decision")


@pytest.mark.parametrize("name", ["certificate", "decision", "transcript"])
def test_schemas_are_schemas_and_closed(name):
    jsonschema.Draft202012Validator.check_schema(schema(name))
    assert schema(name)["additionalProperties"] is False


def test_certificate_schema_knows_all_kinds_and_parts():
    spans = schema("certificate")["properties"]["masked_spans"]["items"]["properties"]
    assert set(spans["entity"]["enum"]) == {kind.value for kind in Entity}
    outputs = schema("certificate")["properties"]["outputs"]["propertyNames"]["enum"]
    assert set(outputs) == {p.value for p in Part} - {"certificate.json"}
