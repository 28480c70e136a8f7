import json

import pytest
from typer.testing import CliRunner

from callveil.adapters.ed25519 import public_pem
from callveil.cli.keys import app
from callveil.cli.output import exit_code
from callveil.errors import CallveilError
from callveil.testing import throw_away_signer

OTHER = throw_away_signer("other")


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("CALLVEIL_KEYS_DIR", str(tmp_path / "keys"))
    return lambda *arguments: CliRunner().invoke(app, list(map(str, arguments)))


def listed(run):
    return json.loads(run("list", "--json").stdout)


def test_create_makes_a_key_once(run, tmp_path):
    made = run("create")
    assert made.exit_code == 0
    (key,) = listed(run)["keys"]
    assert made.stdout == f"signing key {key['key_id']} made in {tmp_path / 'keys'}\n"
    assert (key["state"], key["retired_at"]) == ("active", None)
    error = run("create").exception
    assert isinstance(error, CallveilError)
    assert (error.code, exit_code(error)) == ("refused", 4)
    assert listed(run)["keys"] == [key]


def test_rotate_retires_the_active_key(run):
    run("create")
    (old,) = listed(run)["keys"]
    assert run("rotate").exit_code == 0
    states = {key["key_id"]: key["state"] for key in listed(run)["keys"]}
    assert states.pop(old["key_id"]) == "retired"
    assert list(states.values()) == ["active"]
    assert all(state in run("list").stdout for state in ("active", "retired", old["key_id"]))


def test_export_prints_a_public_key_that_trust_takes(run, tmp_path, monkeypatch):
    run("create")
    pem = run("export").stdout
    assert pem.startswith("-----BEGIN PUBLIC KEY-----\n")
    (key,) = listed(run)["keys"]
    assert run("export", key["key_id"]).stdout == pem
    (tmp_path / "centre.pem").write_text(pem)
    monkeypatch.setenv("CALLVEIL_KEYS_DIR", str(tmp_path / "elsewhere"))
    trusted = run("trust", tmp_path / "centre.pem")
    assert trusted.stdout == f"key {key['key_id']} is in {tmp_path / 'elsewhere'}: trusted\n"
    assert [(k["key_id"], k["state"]) for k in listed(run)["keys"]] == [(key["key_id"], "trusted")]


def test_the_key_of_the_environment_wins_and_is_said(run, monkeypatch):
    run("create")
    monkeypatch.setenv("CALLVEIL_SIGNING_KEY", OTHER.private_pem().decode())
    assert run("export").stdout.encode() == public_pem(OTHER.public_key)
    assert run("export", OTHER.key_id).stdout.encode() == public_pem(OTHER.public_key)
    assert listed(run)["environment_key"] == OTHER.key_id
    assert f"calls are signed with key {OTHER.key_id}" in run("list").stdout


def test_no_verb_prints_a_private_key(run, tmp_path, monkeypatch):
    monkeypatch.setenv("CALLVEIL_SIGNING_KEY", OTHER.private_pem().decode())
    secret = OTHER.private_pem().decode().splitlines()[1]
    for verb in ("create", "rotate", "list", "export"):
        result = run(verb)
        assert result.exit_code == 0
        assert "PRIVATE" not in result.output
        assert secret not in result.output


def test_an_empty_folder_lists_nothing_and_is_not_made(run, tmp_path):
    assert listed(run) == {"folder": str(tmp_path / "keys"), "environment_key": None, "keys": []}
    assert run("list").exit_code == 0
    assert not (tmp_path / "keys").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rotate"], "callveil keys create"),
        (["export"], "callveil keys create"),
        (["export", "f" * 16], "KEY_ID: no such key"),
        (["trust", "/nowhere/k.pem"], "/nowhere/k.pem: cannot be read"),
        (["trust", __file__], "is no public key"),
    ],
)
def test_wrong_use_is_an_error_of_ours(run, arguments, message):
    error = run(*arguments).exception
    assert isinstance(error, CallveilError)
    assert message in str(error)
    assert exit_code(error) == 2
