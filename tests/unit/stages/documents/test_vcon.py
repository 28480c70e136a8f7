import base64
import hashlib
import json
from dataclasses import replace
from datetime import timedelta

import pytest

from callveil.stages.documents.certificate import AudioFacts
from callveil.stages.documents.vcon import (
    VconFacts,
    VconSyntax,
    content_hash,
    redaction_of,
    vcon_json,
    vcon_uuid,
)
from callveil.testing import START, call
from callveil.vocabulary.call import Identifiers, Party, Role
from callveil.vocabulary.transcript import MaskedTurn, MaskedWord

SHA = "ab" * 32
AUDIO = b"flac"


def said(speaker, text, start_s, channel):
    word = MaskedWord(text=text, start_s=start_s, end_s=start_s + 1.5, entity=None)
    return MaskedTurn(speaker=speaker, channel=channel, start_s=start_s, end_s=word.end_s, words=(word,))


TURNS = (said("agent", "hello", 0.5, 0), said("customer", "[PERSON]", 2.25, 1))
FACTS = VconFacts(
    call=call(),
    input_sha256=SHA,
    turns=TURNS,
    audio=AudioFacts(rate_hz=8000, channels=2, n_samples=80000),
    audio_sha512=hashlib.sha512(AUDIO).hexdigest(),
    created_at=START + timedelta(hours=1),
)


def written(facts=FACTS, **options):
    return json.loads(vcon_json(facts, **options).content)


def test_recording_dialog():
    (dialog,) = written()["dialog"]
    assert dialog["type"] == "recording"
    assert dialog["url"] == "audio.flac"
    assert dialog["mediatype"] == "audio/flac"
    assert dialog["start"] == "2026-11-23T09:30:00.000Z"
    assert dialog["duration"] == 10.0
    assert dialog["parties"] == [[0], [1]]
    algorithm, digest = dialog["content_hash"].split("-", 1)
    assert algorithm == "sha512"
    assert base64.urlsafe_b64decode(digest + "==") == hashlib.sha512(AUDIO).digest()


def test_transcript_analysis():
    (analysis,) = written()["analysis"]
    assert analysis["type"] == "transcript-redacted"
    assert analysis["encoding"] == "json"
    assert analysis["body"] == [
        {"parties": 0, "start": "2026-11-23T09:30:00.500Z", "duration": 1.5, "text": "hello"},
        {"parties": 1, "start": "2026-11-23T09:30:02.250Z", "duration": 1.5, "text": "[PERSON]"},
    ]


def test_nothing_of_the_metadata_identifies_anybody():
    secret = Identifiers(phone="+15550100", email="a@example.com", customer_id="cust-77")
    parties = tuple(replace(party, identifiers=secret) for party in call().parties)
    known = replace(call(), parties=parties, agent="agent-login-9", queue="vip-lines")
    content = vcon_json(replace(FACTS, call=known)).content.decode()
    for value in ("5550100", "example.com", "cust-77", "agent-login-9", "vip-lines"):
        assert value not in content
    assert json.loads(content)["parties"] == [{"role": "agent"}, {"role": "customer"}]


def test_third_party_has_the_name_of_the_draft():
    call_with_friend = replace(call(), parties=(*call().parties, Party(role=Role.THIRD_PARTY)))
    document = written(replace(FACTS, call=call_with_friend))
    assert document["parties"][2] == {"role": "thirdparty"}
    assert document["dialog"][0]["parties"] == [[0, 2], [1, 2]]


def test_parties_are_heard_when_the_metadata_has_none():
    document = written(replace(FACTS, call=replace(call(), parties=())))
    assert document["parties"] == [{"role": "agent"}, {"role": "customer"}]
    assert document["dialog"][0]["parties"] == [[0], [1]]
    assert [a["party"] for a in document["attachments"]] == [0, 1]


def test_mono_with_unnamed_speakers():
    turns = (said("speaker_1", "hello", 0.0, 0), said("speaker_2", "hi", 2.0, 0))
    facts = replace(
        FACTS,
        call=replace(call(), parties=()),
        turns=turns,
        audio=AudioFacts(rate_hz=8000, channels=1, n_samples=80000),
    )
    document = written(facts)
    assert document["parties"] == [{}, {}]
    assert document["dialog"][0]["parties"] == [0, 1]
    assert [line["parties"] for line in document["analysis"][0]["body"]] == [0, 1]


def test_a_speaker_nobody_can_place_has_no_party():
    no_channels = tuple(replace(party, channel=None) for party in call().parties)
    facts = replace(
        FACTS, call=replace(call(), parties=no_channels), turns=(said("speaker_1", "hm", 0.0, 0),)
    )
    assert "parties" not in written(facts)["analysis"][0]["body"][0]


def test_silent_call_without_parties_still_has_somebody_to_consent():
    document = written(replace(FACTS, call=replace(call(), parties=()), turns=()))
    assert document["parties"] == [{}]
    assert {a["party"] for a in document["attachments"]} == {0}


@pytest.mark.parametrize(
    ("syntax", "name"), [(VconSyntax.V0_4_0, "redacted"), (VconSyntax.V0_5_0, "redacted_from")]
)
def test_both_syntaxes_are_written_and_read(syntax, name):
    document = written(syntax=syntax)
    assert document["vcon"] == syntax.value
    assert document[name] == {"type": "PII masked"}
    assert redaction_of(document) == {"type": "PII masked"}


def test_an_unredacted_vcon_has_no_redaction():
    assert redaction_of({"vcon": "0.4.0"}) is None


def test_uuid_is_version_8_and_depends_on_call_and_content():
    uuid = vcon_uuid(call(), SHA)
    assert uuid.version == 8
    assert uuid.variant == "specified in RFC 4122"
    assert uuid == vcon_uuid(call(), SHA)
    assert uuid.int >> 80 == int(START.timestamp() * 1000)
    assert len({uuid, vcon_uuid(call("c-2"), SHA), vcon_uuid(call(), "cd" * 32)}) == 3


def test_content_hash_of_nothing():
    # Digest of the empty string: FIPS 180-4 examples.
    assert content_hash(hashlib.sha512().hexdigest()).startswith(
        "sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg_SpIdNs6c5H0NE8XYXysP-"
    )


def test_same_input_same_bytes():
    assert vcon_json(FACTS).content == vcon_json(FACTS).content
