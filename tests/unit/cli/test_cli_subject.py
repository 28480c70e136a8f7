"""`callveil subject find` and `callveil subject-key` on a folder of processed calls, as people use them."""

import json
import stat

import pytest
from typer.testing import CliRunner

from callveil.adapters.subject_keys import SubjectKeys
from callveil.cli import app
from callveil.cli.output import exit_code
from callveil.config import load_config, load_site, make_process_site
from callveil.kit import build_enlisting, build_office
from callveil.testing import call
from callveil.vocabulary.call import Call, Identifiers, Party, Role
from callveil.vocabulary.ledger import NewCall

ADA = "+442079460958"


@pytest.fixture
def out(tmp_path, monkeypatch):
    for name in ("CALLVEIL_DATA", "CALLVEIL_SUBJECT_KEYS", "CALLVEIL_SUBJECT_KEYS_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "160")
    return tmp_path / "out"


@pytest.fixture
def enlist(out):
    """Enter a call with one customer."""
    enlisting = build_enlisting(load_config(), make_process_site(str(out)), "cli:test")

    def enlist(call_id: str, **identifiers: str) -> None:
        from callveil.rights.identifiers import identities_of

        party = Party(role=Role.THIRD_PARTY, jurisdiction="GB", identifiers=Identifiers(**identifiers))
        given = Call(call_id=call_id, started_at=call().started_at, parties=(party,))
        new = NewCall(
            call=given,
            landing=None,
            source="process",
            content_sha256="ab" * 32,
            n_bytes=5,
            identities=identities_of(given, enlisting.hasher),
        )
        enlisting.ledger.enlist(new, actor="cli:test", now=enlisting.clock.now())

    return enlist


@pytest.fixture
def run(out):
    def run(*arguments: str, code: int = 0, error: str = "") -> str:
        done = CliRunner().invoke(app, [*arguments, "--data", str(out)])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            assert (exit_code(done.exception), error in str(done.exception)) == (code, True)
            assert ADA not in str(done.exception)
            return str(done.exception)
        assert done.exit_code == code, done.output
        return done.output

    return run


def office(out):
    return build_office(load_config(), load_site(out))


def test_calls_are_shown_with_what_the_person_was_and_what_stands_on_them(run, enlist, out):
    enlist("c-1", phone=ADA)
    enlist("c-2", phone=ADA)
    books, now = office(out).books, office(out).clock.now()
    books.requests.restrict("c-2", "the person asked for it", actor="cli:test", now=now)
    run("hold", "place", "--call", "c-2", "--reason", "a dispute", "--authority", "court 1")
    shown = run("subject", "find", "--phone", "020 7946 0958", "--region", "GB")
    assert "2 calls of this person" in shown
    assert "third party" in shown
    (row,) = [line for line in shown.splitlines() if "c-2" in line]
    assert "under legal hold, restricted" in row
    assert "2026-11-23 09:30 UTC" in row
    found = json.loads(run("subject", "find", "--phone", ADA, "--json"))["calls"]
    assert [(each["call_id"], each["held"], each["restricted"]) for each in found] == [
        ("c-1", False, False),
        ("c-2", True, True),
    ]
    assert "1 call of this person" not in shown


def test_nobody_is_said_plainly_and_a_number_without_country_is_pointed_out(run, enlist):
    enlist("c-1", phone=ADA)
    assert "no call of this person" in run("subject", "find", "--email", "ada@example.org")
    assert "--region" in run("subject", "find", "--phone", "020 7946 0958")


def test_who_else_it_may_be_is_shown_and_taken_when_named(run, enlist):
    enlist("c-1", phone=ADA, email="ada@example.org")
    enlist("c-2", email="ada@example.org")
    shown = run("subject", "find", "--phone", ADA)
    assert "1 call of this person" in shown
    (line,) = [line for line in shown.splitlines() if "stood beside" in line]
    short_id = next(word for word in line.replace("│", " ").split() if len(word) == 10)
    assert "2 calls of this person" in run("subject", "find", "--phone", ADA, "--with", short_id)
    run("subject", "find", "--phone", ADA, "--with", "0000000000", code=2, error="--with")


def test_a_search_is_written_down_without_the_identifier(run, enlist, out):
    enlist("c-1", phone=ADA)
    run("subject", "find", "--phone", ADA, "--email", "ada@example.org")
    entry = office(out).ledger.audit()[-1]
    assert (entry.action, entry.call_id) == ("subject.searched", None)
    assert dict(entry.detail) == {"phone": 1, "email": 1, "linked": 0, "calls": 1}
    assert entry.actor.startswith("cli:")
    assert ADA.encode() not in (out / "ledger.sqlite3").read_bytes()


def test_a_folder_without_a_ledger_is_not_searched_and_none_is_made(run, out):
    run("subject", "find", "--phone", ADA, code=2, error="no ledger")
    run("subject-key", "rotate", code=2, error="no ledger")
    assert not out.exists()


def test_a_landing_that_is_not_there_stops(run, enlist, out, monkeypatch):
    enlist("c-1", phone=ADA)
    (out / "layout.json").unlink()
    monkeypatch.setenv("CALLVEIL_LANDING", str(out.parent / "unmounted"))
    run("subject", "find", "--phone", ADA, code=2, error="CALLVEIL_LANDING")


def test_keys_are_made_shown_and_rotated(run, enlist, out):
    run("subject-key", "create", code=4, error="stays as it is")
    enlist("c-1", phone=ADA)
    assert "generation 1 is in use" in run("subject-key", "show")
    assert "generation 2 is in use; 1 identifier taken to it" in run("subject-key", "rotate")
    assert "0 identifiers taken" in run("subject-key", "rotate", "--resume")
    shown = run("subject-key", "show", "--json")
    assert json.loads(shown) == {"newest": 2, "generations": [{"generation": 2, "identifiers": 1}]}
    assert stat.S_IMODE((out / "subject-keys.json").stat().st_mode) == 0o600
    assert "c-1" in run("subject", "find", "--phone", ADA)


def test_a_rotation_that_was_stopped_is_told_and_finished(run, enlist, out):
    from callveil.adapters.subject_keys import add_generation

    enlist("c-1", phone=ADA)
    add_generation(out / "subject-keys.json")
    assert "not finished" in run("subject-key", "show")
    assert "not finished" in run("subject", "find", "--phone", ADA)
    run("subject-key", "rotate", "--resume")
    assert "not finished" not in run("subject", "find", "--phone", ADA)


def test_keys_of_the_environment_are_rotated_there(run, enlist, out, monkeypatch):
    enlist("c-1", phone=ADA)
    keys = json.loads((out / "subject-keys.json").read_text())["keys"]
    (out / "subject-keys.json").unlink()
    monkeypatch.setenv("CALLVEIL_SUBJECT_KEYS", json.dumps({"keys": keys}))
    run("subject-key", "rotate", code=4, error="CALLVEIL_SUBJECT_KEYS")
    more = json.loads(SubjectKeys([bytes([9]) * 32]).text())["keys"]
    monkeypatch.setenv("CALLVEIL_SUBJECT_KEYS", json.dumps({"keys": keys + more}))
    assert "1 identifier taken" in run("subject-key", "rotate", "--resume")
    assert "c-1" in run("subject", "find", "--phone", ADA)
    assert not (out / "subject-keys.json").exists()


def test_a_folder_of_processed_calls_needs_no_landing_key(run, enlist):
    enlist("c-1", phone=ADA)
    assert "0 deletions finished" in run("reconcile")
    assert "holds" in run("audit", "verify")
    assert "Dead calls" in run("dead", "list")
