import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from callveil.adapters.ed25519 import public_pem
from callveil.adapters.signing_keys import KeyFolder
from callveil.adapters.store_local import LocalStore
from callveil.cli import app
from callveil.cli.output import exit_code
from callveil.errors import CallveilError
from callveil.stages.documents.certificate import (
    AudioFacts,
    CertificateFacts,
    certificate_json,
)
from callveil.stages.mask_audio import AudioStyle
from callveil.stages.mask_text import TextStyle
from callveil.stages.plan_masks import MaskPlan
from callveil.testing import CLEAN, START, ManualClock, throw_away_signer
from callveil.vocabulary.consent import Action, ConsentDecision
from callveil.vocabulary.recording import MaskedDocument, Part, PublishedPart

DAY = "calls/2026/11/23/"
OTHER = throw_away_signer("other")
TRANSCRIPT = PublishedPart(
    part=Part.TRANSCRIPT, body=MaskedDocument(content=b"{}\n"), media_type="application/json"
)
FACTS = CertificateFacts(
    call_id="c-1",
    started_at=START,
    tool_version="0.1.0",
    profile="default",
    input_sha256="ab" * 32,
    outputs=(TRANSCRIPT,),
    audio=AudioFacts(rate_hz=8000, channels=2, n_samples=8000),
    decision=ConsentDecision(action=Action.KEEP, rule="r", reason="R."),
    engines=(),
    masked=(),
    plan=MaskPlan(),
    audio_style=AudioStyle.SILENCE,
    text_style=TextStyle.ENTITY,
    timings_s={},
    created_at=START,
    verification=CLEAN,
)


@pytest.fixture
def keys(tmp_path, monkeypatch) -> KeyFolder:
    folder = KeyFolder(tmp_path / "keys", ManualClock())
    folder.create()
    monkeypatch.setenv("CALLVEIL_KEYS_DIR", str(folder.root))
    return folder


@pytest.fixture
def store(tmp_path, keys) -> Path:
    """Calls c-1, c-2 and c-3."""
    root = tmp_path / "store"
    for name in ("c-1", "c-2", "c-3"):
        body = certificate_json(replace(FACTS, call_id=name), keys.signer())
        certificate = PublishedPart(part=Part.CERTIFICATE, body=body, media_type="application/json")
        LocalStore(root).publish(
            f"{DAY}{name}/", [TRANSCRIPT, certificate], tags={"callveil-call": name}, retain_until=None
        )
    return root


def run(*arguments: object):
    return CliRunner().invoke(app, ["verify", *map(str, arguments)])


def calls(*arguments: object) -> list[dict]:
    return json.loads(run(*arguments, "--json").stdout)["calls"]


def test_an_intact_call(store, keys):
    done = run("c-1", "--store", store)
    assert done.exit_code == 0
    assert done.stdout == f"intact c-1 in {DAY}c-1/, signed by {keys.signer().key_id}\n1 intact\n"


def test_an_altered_call_is_named_with_what_was_altered(store):
    (store / DAY / "c-2" / "transcript.json").write_bytes(b"{ }\n")
    done = run("c-2", "--store", store)
    assert done.exit_code == 3
    assert done.stdout == (
        f"altered c-2 in {DAY}c-2/\n  transcript.json: content differs from the certificate\n1 altered\n"
    )


def test_all_calls_are_checked_though_one_is_altered(store):
    (store / DAY / "c-2" / "transcript.json").unlink()
    done = run("--all", "--store", store)
    assert done.exit_code == 3
    assert done.stdout.endswith("\n1 altered, 2 intact\n")
    assert [(call["call_id"], call["result"]) for call in calls("--all", "--store", store)] == [
        ("c-1", "intact"),
        ("c-2", "altered"),
        ("c-3", "intact"),
    ]


def test_json_tells_all(store, keys):
    (store / DAY / "c-2" / "more").touch()
    assert json.loads(run("c-2", "--store", store, "--json").stdout) == {
        "calls": [
            {
                "place": f"{DAY}c-2/",
                "call_id": "c-2",
                "key_id": keys.signer().key_id,
                "result": "altered",
                "faults": [
                    {
                        "part": "more",
                        "kind": "unlisted",
                        "what": "is there and is not listed in the certificate",
                    }
                ],
                "notes": [],
            }
        ],
        "results": {"altered": 1},
    }


def test_a_file_is_checked_without_a_store(store):
    path = store / DAY / "c-1" / "certificate.json"
    assert run(path).exit_code == 0
    path.write_bytes(path.read_bytes() + b"\n")
    assert run(path).exit_code == 3


def test_a_file_that_says_nothing_is_altered(tmp_path):
    path = tmp_path / "certificate.json"
    path.write_bytes(b"\x1b[2J")
    done = run(path)
    assert done.exit_code == 3
    assert done.stdout.endswith(
        "certificate.json: is not JSON\n  the other parts were not checked\n1 altered\n"
    )


def test_an_unknown_key_proves_nothing(store, tmp_path, keys):
    theirs, ours = tmp_path / "other.pem", tmp_path / "ours.pem"
    theirs.write_bytes(public_pem(OTHER.public_key))
    ours.write_bytes(public_pem(keys.signer().public_key))
    done = run("c-1", "--store", store, "--public-key", theirs)
    assert done.exit_code == 3
    assert f"is signed by key {keys.signer().key_id}, which is not known here" in done.stdout
    assert run("c-1", "--store", store, "--public-key", ours).exit_code == 0


def test_another_folder_of_keys(store, tmp_path, keys, monkeypatch):
    monkeypatch.setenv("CALLVEIL_KEYS_DIR", str(tmp_path / "nothing"))
    assert run("c-1", "--store", store).exit_code == 3
    assert run("c-1", "--store", store, "--keys", keys.root).exit_code == 0


def test_the_key_of_the_environment_is_known(store, tmp_path, keys, monkeypatch):
    monkeypatch.setenv("CALLVEIL_SIGNING_KEY", keys.signer().private_pem().decode())
    monkeypatch.setenv("CALLVEIL_KEYS_DIR", str(tmp_path / "nothing"))
    assert run("c-1", "--store", store).exit_code == 0


def test_a_rotated_key_is_known_and_a_deleted_one_is_not(store, keys):
    old = keys.signer().key_id
    keys.rotate()
    assert run("--all", "--store", store).exit_code == 0
    (keys.root / f"{old}.pem").unlink()
    assert calls("c-1", "--store", store)[0]["result"] == "unproven"


def test_no_private_key_is_needed(store, keys):
    (keys.root / "private.pem").unlink()
    assert run("--all", "--store", store).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "name a CALL"),
        (["--all"], 2, "name a CALL"),
        (["c-1", "--all", "--store", "STORE"], 2, "name a CALL"),
        (["--store", "STORE"], 2, "name a CALL"),
        (["c-1"], 2, "is no certificate.json"),
        (["c-9", "--store", "STORE"], 1, "'c-9' is not published"),
        (["--all", "--store", "misspelt"], 2, "no published call"),
        (["c-1", "--store", "STORE", "--keys", "/nowhere"], 2, "/nowhere is not a folder"),
        (["c-1", "--store", "STORE", "--public-key", "/nowhere"], 2, "/nowhere: cannot be read"),
        (["c-1", "--store", "STORE", "--public-key", __file__], 2, "is no public key"),
        (["c-1", "--store", "STORE", "--keys", "/", "--public-key", "/"], 2, "only one of them"),
        (["c-1", "--store", "ftp://x"], 2, "s3://bucket/prefix"),
    ],
)
def test_wrong_use_is_an_error_of_ours(store, monkeypatch, tmp_path, arguments, code, message):
    monkeypatch.chdir(tmp_path)
    error = run(*(str(store) if each == "STORE" else each for each in arguments)).exception
    assert isinstance(error, CallveilError)
    assert message in str(error)
    assert exit_code(error) == code
