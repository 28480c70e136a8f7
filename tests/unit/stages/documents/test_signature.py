import base64
import json

import pytest

from callveil.stages.documents.signature import (
    Signature,
    is_signed_by,
    key_id_of,
    parse_signature,
    signed_bytes,
    signed_json,
)
from callveil.testing import throw_away_signer

SIGNER = throw_away_signer()
FIELDS = {"schema_version": "1.1", "who": 'é ",\n  "signature": {', "list": [1, 2.5, None], "empty": {}}
ORDER = 2**252 + 27742317777372353535851937790883648493  # of the group, RFC 8032 section 5.1


def test_the_signature_is_the_last_field():
    document = json.loads(signed_json(FIELDS, SIGNER))
    assert list(document) == [*FIELDS, "signature"]
    assert document["signature"]["algorithm"] == "Ed25519"
    assert document["signature"]["key_id"] == SIGNER.key_id
    assert len(base64.b64decode(document["signature"]["value"])) == 64


def test_signed_is_what_stands_before_the_comma():
    content = signed_json(FIELDS, SIGNER)
    message, mark, _ = content.partition(b',\n  "signature": {')
    assert mark
    assert message == signed_bytes(FIELDS)
    assert json.loads(message + b"}") == FIELDS


def test_the_same_key_gives_the_same_bytes():
    assert signed_json(FIELDS, SIGNER) == signed_json(FIELDS, throw_away_signer())


def signature() -> Signature:
    found = parse_signature(json.loads(signed_json(FIELDS, SIGNER))["signature"])
    assert found is not None
    return found


def test_a_signature_holds_for_its_message_and_key_only():
    message = signed_bytes(FIELDS)
    assert is_signed_by(SIGNER.public_key, message, signature())
    assert not is_signed_by(SIGNER.public_key, message + b" ", signature())
    assert not is_signed_by(throw_away_signer("other").public_key, message, signature())
    renamed = Signature(key_id="0" * 16, value=signature().value)
    assert not is_signed_by(SIGNER.public_key, message, renamed)


def test_the_second_spelling_of_a_signature_does_not_hold():
    value = signature().value
    scalar = int.from_bytes(value[32:], "little") + ORDER
    other = Signature(key_id=SIGNER.key_id, value=value[:32] + scalar.to_bytes(32, "little"))
    assert not is_signed_by(SIGNER.public_key, signed_bytes(FIELDS), other)


@pytest.mark.parametrize("length", [0, 63, 65])
def test_a_signature_of_another_length_does_not_hold(length):
    value = Signature(key_id=SIGNER.key_id, value=bytes(length))
    assert not is_signed_by(SIGNER.public_key, signed_bytes(FIELDS), value)


@pytest.mark.parametrize(
    "field",
    [
        None,
        [],
        "Ed25519",
        {},
        {"algorithm": "none", "key_id": "a", "value": ""},
        {"algorithm": "Ed25519", "key_id": 1, "value": ""},
        {"algorithm": "Ed25519", "key_id": "a", "value": None},
        {"algorithm": "Ed25519", "key_id": "a", "value": "not base64"},
        {"algorithm": "Ed25519", "key_id": "a", "value": "é"},
    ],
)
def test_what_is_no_signature(field):
    assert parse_signature(field) is None


def test_the_key_id_of_a_known_key():
    # First key of RFC 8032, section 7.1; the digest by sha256sum.
    key = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
    assert key_id_of(key) == "21fe31dfa154a261"
