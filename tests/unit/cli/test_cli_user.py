"""`callveil user` as an admin uses it."""

import hashlib
import json
from datetime import timedelta

import pytest
from typer.testing import CliRunner

from callveil.adapters.ledger_sql import open_ledger
from callveil.adapters.passwords import Argon2Passwords
from callveil.cli import app
from callveil.cli.output import exit_code
from callveil.config import load_site
from callveil.kit import SystemClock

PASSWORD = "geheim-und-lang"


@pytest.fixture
def run(tmp_path, monkeypatch):
    for name in ("CALLVEIL_DATA", "CALLVEIL_LEDGER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments, code=0, text=None):
        done = CliRunner().invoke(app, ["user", *arguments, "--data", str(tmp_path / "data")], input=text)
        assert PASSWORD not in done.output
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            assert exit_code(done.exception) == code, done.exception
            assert PASSWORD not in str(done.exception)
            return str(done.exception)
        assert done.exit_code == code, done.output
        return done.output

    return run


@pytest.fixture
def accounts(tmp_path):
    return lambda: open_ledger(load_site(tmp_path / "data").ledger.get_secret_value()).books.accounts


def test_the_first_admin_is_entered_before_anything_else_is_there(run, accounts):
    said = run("add", "Ada", "--role", "admin", "--password-stdin", text=f"{PASSWORD}\n")
    assert "ada is entered: admin." in said
    assert Argon2Passwords().verify(accounts().kept("ada"), PASSWORD)
    assert "already" in run("add", "ada", "--role", "ops", "--password-stdin", text=PASSWORD, code=4)


def test_what_a_user_may_is_told_and_can_be_changed(run, accounts):
    given = (
        "--role",
        "reviewer",
        "--role",
        "ops",
        "--privilege",
        "export",
        "--queue",
        "north",
        "--queue",
        "a b",
    )
    run("add", "bea", *given, "--password-stdin", text=PASSWORD)
    row = json.loads(run("list", "--json"))["users"][0]
    assert (row["roles"], row["privileges"], row["queues"]) == (
        ["ops", "reviewer"],
        ["export"],
        ["a b", "north"],
    )
    run("change", "bea", "--role", "privacy", "--no-privilege", "--all-queues")
    user = accounts().get("bea")
    assert (set(user.roles), set(user.privileges), set(user.queues)) == ({"privacy"}, set(), set())
    run("change", "bea", "--queue", "south", "--privilege", "replay-original")
    user = accounts().get("bea")
    assert (set(user.roles), set(user.privileges), set(user.queues)) == (
        {"privacy"},
        {"replay-original"},
        {"south"},
    )
    assert "bea" in run("list")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("add", "x y", "--role", "ops", "--password-stdin"), PASSWORD),
        (("add", "ada", "--password-stdin"), PASSWORD),
        (("add", "ada", "--role", "ops"), None),
        (("add", "ada", "--role", "ops", "--password-stdin"), ""),
        (("add", "ada", "--role", "ops", "--password-stdin"), f"{PASSWORD}\n{PASSWORD}\n"),
        (("add", "ada", "--role", "ops", "--password-stdin"), "short"),
        (("add", "ada", "--role", "ops", "--password-stdin"), "aaaaaaaaaaaa"),
        (("add", "ada", "--role", "ops", "--password-stdin", "--no-password"), PASSWORD),
        (("add", "ada", "--role", "ops", "--queue", " ", "--password-stdin"), PASSWORD),
        (("add", "ada", "--role", "boss", "--password-stdin"), PASSWORD),
    ],
)
def test_wrong_use_enters_nobody(run, tmp_path, arguments, text):
    run(*arguments, text=text, code=2)
    assert not (tmp_path / "data").exists()


def test_a_misspelt_folder_is_no_empty_list(run):
    assert "no ledger" in run("list", code=2)


def test_a_user_is_disabled_and_let_in_again(run, accounts):
    run("add", "ada", "--role", "ops", "--password-stdin", text=PASSWORD)
    run("disable", "ada")
    assert accounts().kept("ada") is None
    run("enable", "ADA")
    assert accounts().kept("ada") is not None
    run("password", "ada", "--password-stdin", text="another-one-too")
    assert Argon2Passwords().verify(accounts().kept("ada"), "another-one-too")
    for verb in (("disable",), ("enable",), ("change", "--role", "ops"), ("token", "--scope", "ops")):
        run(verb[0], "nobody", *verb[1:], code=1)
    run("password", "nobody", "--password-stdin", text=PASSWORD, code=1)
    run("change", "ada", code=2)


def test_a_token_is_shown_once_and_can_be_revoked(run, accounts):
    run("add", "bot", "--role", "reviewer", "--no-password")
    made = json.loads(run("token", "bot", "--scope", "calls:read", "--days", "7", "--label", "BI", "--json"))
    now = SystemClock().now()
    digest = hashlib.sha256(made["token"].encode()).hexdigest()
    found, user = accounts().token(digest, now=now)
    assert (user.name, set(found.scopes), found.label) == ("bot", {"calls:read"}, "BI")
    assert timedelta(days=6) < found.expires_at - now < timedelta(days=7)
    listed = run("list", "--json")
    assert made["token_id"] in listed
    assert made["token"] not in listed
    run("token", "bot", "--revoke", "tok-unknown", code=1)
    run("token", "bot", "--revoke", made["token_id"])
    assert accounts().token(digest, now=now) is None
    run("token", "bot", code=2)
    run("disable", "bot")
    run("token", "bot", "--scope", "ops", code=4)


@pytest.fixture
def profile(tmp_path):
    file = tmp_path / "with-oidc.toml"
    file.write_text(
        '[web]\npublic_url = "https://calls.example"\n'
        '[web.oidc]\nissuer = "https://id.example"\nclient_id = "callveil"\n'
    )
    return ("--profile", str(file))


def test_a_user_of_an_identity_provider_has_no_password(run, accounts, profile):
    run("add", "eve", "--role", "ops", "--oidc-subject", "17", *profile)
    user = accounts().get("eve")
    assert (user.identity.issuer, user.identity.subject) == ("https://id.example", "17")
    assert not user.has_password
    assert "already" in run("add", "eva", "--role", "ops", "--oidc-subject", "17", *profile, code=4)
    both = ("--oidc-subject", "18", "--password-stdin")
    run("add", "zoe", "--role", "ops", *both, *profile, text=PASSWORD)
    assert accounts().get("zoe").has_password
    assert json.loads(run("list", "--json"))["users"][1]["oidc_subject"] == "18"


def test_who_vouches_for_a_user_can_be_changed(run, accounts, profile):
    run("add", "ada", "--role", "admin", "--password-stdin", text=PASSWORD)
    run("identity", "ada", "--oidc-subject", "17", *profile)
    assert accounts().get("ada").identity.subject == "17"
    run("identity", "ada", "--no-oidc")
    assert accounts().get("ada").identity is None
    assert "web.oidc.issuer" in run("identity", "ada", "--oidc-subject", "17", code=2)
    assert "--no-oidc" in run("identity", "ada", code=2)
    assert "--oidc-subject" in run("identity", "ada", "--oidc-subject", "a\nb", *profile, code=2)
    run("identity", "nobody", "--no-oidc", code=1)
