import hashlib
import json
from importlib.resources import files

import pytest

from callveil.stages.documents.check_certificate import (
    FaultKind,
    check_certificate,
    check_content,
    check_models,
    check_names,
    check_place,
    check_tags,
    listed_names,
    unknown_models,
)
from callveil.stages.documents.signature import signed_json
from callveil.testing import throw_away_signer

SIGNER = throw_away_signer()
KEYS = {SIGNER.key_id: SIGNER.public_key}
SCHEMA = json.loads((files("callveil") / "schemas/certificate.schema.json").read_bytes())
SHA = "ab" * 32
FIELDS = {
    "schema_version": "1.1",
    "call_id": "c-1",
    "started_at": "2026-11-23T09:30:00.000Z",
    "created_at": "2026-11-23T09:35:00.000Z",
    "tool": {"name": "callveil", "version": "0.1.0"},
    "profile": "default",
    "input_sha256": SHA,
    "outputs": {"audio.flac": SHA, "transcript.json": SHA},
    "audio": {"rate_hz": 8000, "channels": 2, "n_samples": 8000, "duration_s": 1.0},
    "consent": {"action": "keep", "rule": "r", "reason": "R.", "keep_until_s": None, "hold_until": None},
    "engines": [
        {"role": "transcriber", "name": "x/m", "files": {"m/model.bin": SHA, "m/deep/vocab.txt": SHA}}
    ],
    "masking": {
        "audio_style": "tone",
        "text_style": "pii",
        "pad_before_s": 0.2,
        "pad_after_s": 0.4,
        "snap_s": 0.25,
        "join_s": 0.3,
        "other_channel": "never",
    },
    "masked_spans": [],
    "verify": {"result": "clean", "scope": "all", "rounds": 1, "heard_s": 12.5, "widened": 0, "left": 0},
    "timings_s": {"decode": 0.1},
}  # fmt: skip


def checked(content):
    return check_certificate(content, KEYS, SCHEMA)


def signed(**changes):
    return signed_json({**FIELDS, **changes}, SIGNER)


def whats(found):
    return [(fault.kind.value, fault.what) for fault in found.faults]


def test_what_was_signed_is_without_fault():
    found = checked(signed())
    assert found.faults == ()
    assert (found.key_id, found.document["call_id"]) == (SIGNER.key_id, "c-1")


def test_fields_of_a_later_minor_version_are_ignored():
    assert checked(signed(schema_version="1.7", news={"a": [1]})).faults == ()


@pytest.mark.parametrize(
    ("content", "kind", "what"),
    [
        (b"", "altered", "is not JSON"),
        (b"\xff\xfe", "altered", "is not JSON"),
        (b"[]", "altered", "is not JSON"),
        (b"[" * 200_000, "altered", "is not JSON"),
        (b'{"a": ' * 200_000, "altered", "is not JSON"),
        (b"{}", "unproven", "schema_version: this version of Callveil knows 1.x"),
        (b'{"schema_version": 1.1}', "unproven", None),
        (signed(schema_version="2.0"), "unproven", "schema_version: this version of Callveil knows 1.x"),
    ],
)
def test_what_is_no_certificate(content, kind, what):
    found = checked(content)
    assert found.document is None
    assert found.faults[0].kind == kind
    assert what in (None, found.faults[0].what)


@pytest.mark.parametrize("name", [name for name in FIELDS if name != "schema_version"])
def test_a_missing_field_is_named_and_nothing_is_built_on_it(name):
    found = checked(signed_json({key: value for key, value in FIELDS.items() if key != name}, SIGNER))
    assert found.document is None
    assert whats(found) == [("unproven", f"{name} is missing or of another kind")]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"outputs": {"audio.flac": 5}}, "outputs.*"),
        ({"outputs": {"audio.flac": "ab"}}, "outputs.*"),
        ({"outputs": []}, "outputs"),
        ({"call_id": "../c"}, "call_id"),
        ({"audio": {"rate_hz": 8000, "channels": 2, "n_samples": True, "duration_s": 1}}, "audio.n_samples"),
        ({"engines": [{"role": "x", "name": "y"}]}, "engines.*.files"),
        ({"engines": [{"role": "x", "name": "y", "files": {"m/f": None}}]}, "engines.*.files.*"),
    ],
)
def test_a_field_of_another_kind_is_named(changes, field):
    assert whats(checked(signed(**changes))) == [("unproven", f"{field} is missing or of another kind")]


def test_an_unsigned_certificate_proves_nothing_and_its_parts_are_compared():
    found = checked(json.dumps({**FIELDS, "schema_version": "1.0"}).encode())
    assert whats(found) == [("unproven", "is not signed")]
    assert found.document is not None


def test_an_unknown_key_is_named():
    found = check_certificate(signed(), {}, SCHEMA)
    assert whats(found) == [("unproven", f"is signed by key {SIGNER.key_id}, which is not known here")]
    assert found.key_id == SIGNER.key_id


def test_a_key_under_the_name_of_another_one_does_not_help():
    found = check_certificate(signed(), {SIGNER.key_id: throw_away_signer("other").public_key}, SCHEMA)
    assert whats(found) == [("altered", "content differs from what was signed")]


def test_a_strange_key_id_is_not_printed():
    content = signed().replace(SIGNER.key_id.encode(), b"\\u001b[2J")
    found = checked(content)
    assert found.key_id is None
    assert "\x1b" not in "".join(map(str, found.faults))


FORM = "is not in the form in which Callveil writes it"


@pytest.mark.parametrize(
    "alter",
    [
        lambda text: text + b"\n",
        lambda text: text[:-1],
        lambda text: b"\xef\xbb\xbf" + text,
        lambda text: text.decode().encode("utf-16"),
        lambda text: text.replace(b"\n", b"\r\n"),
        lambda text: text.replace(b'"profile": ', b'"profile":  '),
        lambda text: text.replace(b'"default"', b'"def\\u0061ult"'),
        lambda text: text.replace(b'"call_id": "c-1"', b'"call_id": "c-2",\n  "call_id": "c-1"'),
        lambda text: text.replace(b'"join_s": 0.3', b'"join_s": 0.30'),
        lambda text: text.replace(b'"algorithm": "Ed25519"', b'"algorithm": "Ed25519",\n    "more": 1'),
        lambda text: text[:-4] + b',\n  "outputs": {}\n}\n',
    ],
)
def test_another_spelling_of_the_same_is_found(alter):
    altered = alter(signed())
    assert altered != signed()
    found = checked(altered)
    assert found.faults != ()
    assert all(fault.kind is FaultKind.ALTERED for fault in found.faults)


def test_reordered_fields_of_the_signature_are_found():
    document = json.loads(signed())
    document["signature"] = dict(reversed(document["signature"].items()))
    content = (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()
    assert whats(checked(content)) == [("altered", FORM)]


def test_the_unused_bits_of_base64_are_found():
    text = signed().decode()
    value = json.loads(text)["signature"]["value"]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    last = alphabet[alphabet.index(value[-3]) + 1]
    assert whats(checked(text.replace(value, value[:-3] + last + "==").encode())) == [("altered", FORM)]


def test_not_a_number_is_found():
    assert checked(signed().replace(b'"decode": 0.1', b'"decode": NaN')).faults != ()


def test_half_a_character_is_found():
    assert checked(signed().replace(b'"profile": "default"', b'"profile": "\\ud800"')).faults != ()


def test_place():
    assert list(check_place(FIELDS, "calls/2026/11/23/c-1/")) == []
    for other in ("calls/2026/11/23/c-2/", "calls/2026/11/24/c-1/", "calls/2026/11/23/c-1/c-1/", ""):
        (fault,) = check_place(FIELDS, other)
        assert str(fault) == "certificate.json: belongs to another call than its folder"


def test_names():
    assert list(check_names(FIELDS, ["audio.flac", "certificate.json", "transcript.json"])) == []
    faults = list(check_names(FIELDS, ["audio.flac", "raw.wav", "\x1b[2J"]))
    assert [(fault.part, fault.kind.value) for fault in faults] == [
        ("transcript.json", "missing"),
        ("'\\x1b[2J'", "unlisted"),
        ("raw.wav", "unlisted"),
    ]


@pytest.mark.parametrize("name", ["../audio.flac", "/etc/passwd", "certificate.json", "", ".", "..", "a/b"])
def test_a_listed_name_that_leads_elsewhere_is_a_fault_and_not_followed(name):
    document = {**FIELDS, "outputs": {"audio.flac": SHA, name: SHA}}
    assert listed_names(document) == ["audio.flac"]
    (fault,) = check_names(document, ["audio.flac", "certificate.json"])
    assert fault.kind is FaultKind.ALTERED


def test_tags():
    right = {"callveil-call": "c-1", "callveil-part": "audio.flac", "callveil-hold": "yes"}
    assert list(check_tags(FIELDS, "audio.flac", right)) == []
    (fault,) = check_tags(FIELDS, "audio.flac", {**right, "callveil-call": "c-2"})
    assert str(fault) == "audio.flac: its tag callveil-call names another one than the certificate"
    assert [fault.what for fault in check_tags(FIELDS, "audio.flac", {})] == [
        "its tag callveil-call is missing",
        "its tag callveil-part is missing",
    ]


def test_models():
    models = {"m": {"model.bin": SHA, "deep/vocab.txt": SHA}}
    assert list(check_models(FIELDS, models)) == list(unknown_models(FIELDS, models)) == []
    (fault,) = check_models(FIELDS, {"m": {"model.bin": "cd" * 32}})
    assert str(fault) == (
        "certificate.json: transcriber: m/model.bin is not the file of that model's manifest"
    )
    assert list(check_models(FIELDS, {})) == []
    assert list(unknown_models(FIELDS, {"m": {"model.bin": SHA}})) == [
        "transcriber: m/deep/vocab.txt is not known here"
    ]


def test_content_that_is_no_flac_though_it_was_certified():
    document = {**FIELDS, "outputs": {"audio.flac": hashlib.sha256(b"RIFF").hexdigest()}}
    (fault,) = check_content(document, "audio.flac", b"RIFF")
    assert str(fault) == "audio.flac: is not FLAC"
