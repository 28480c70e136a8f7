"""Export, receipts, breach report and processing record, as a person uses them on a real ledger and store."""

import importlib.util
import json
import signal
import stat
import subprocess
import sys
import zipfile
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from callveil.adapters.ledger_sql import open_ledger
from callveil.adapters.store_local import LocalStore
from callveil.cli import app
from callveil.config import load_config, load_site
from callveil.kit import build_office
from callveil.rights.identifiers import identities_of
from callveil.testing import START
from callveil.testing import call as make_call
from callveil.vocabulary.call import Identifiers
from callveil.vocabulary.consent import ConsentRecord, Flag, Method, Purpose
from callveil.vocabulary.ledger import CallState, NewCall, Settlement
from callveil.vocabulary.rights import RequestKind, RequestState

PHONE = "+442079460958"
SECRETS = (PHONE, "2079460958", "ada@example.org")


def helper():
    path = Path(__file__).parents[1] / "pipeline" / "rights_office.py"
    spec = importlib.util.spec_from_file_location("rights_office", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A data folder with three calls of a person, one of somebody else, and one without identifiers."""
    monkeypatch.delenv("CALLVEIL_DATA", raising=False)
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "own.toml").write_text('[controller]\nname = "Acme"\n')
    open_ledger(f"sqlite:///{folder}/ledger.sqlite3").close()
    assert run(folder, "subject-key", "create", with_profile=False)
    office = build_office(load_config(str(folder / "own.toml")), load_site(folder, {}))
    maker = helper().FakeOffice(tmp_path)
    maker.store = LocalStore(folder / "store")
    given = {
        "c-1": Identifiers(phone=PHONE),
        "c-2": Identifiers(phone=PHONE, email="ada@example.org"),
        "c-3": Identifiers(phone=PHONE),
        "c-4": Identifiers(phone="+442079460000"),
        "c-5": Identifiers(),
    }
    for i, (call_id, identifiers) in enumerate(given.items()):
        answer = ConsentRecord(
            purpose=Purpose.RECORDING, flag=Flag.GRANTED, party=1, method=Method.KEYPRESS, given_at=START
        )
        call = replace(
            make_call(call_id, consent=(answer,)), started_at=START + timedelta(days=i), queue="billing"
        )
        agent, customer = call.parties
        whole = replace(call, parties=(agent, replace(customer, identifiers=identifiers)))
        new = NewCall(
            call=call, landing=None, source="process", identities=identities_of(whole, office.hasher)
        )
        office.ledger.enlist(new, actor="cli:test", now=START)
        prefix = f"calls/{call.started_at:%Y/%m/%d}/{call_id}/"
        maker.publish(prefix, call, 2.0)
        done = Settlement(
            state=CallState.PUBLISHED, prefix=prefix, duration_s=2.0, masked_s={"CREDIT_CARD": 1.5}
        )
        office.ledger.record(call_id, done, actor="cli:test", now=START)
    return folder


def run(data, *arguments, code=0, with_profile=True):
    profile = ["--profile", str(data / "own.toml")] if with_profile else []
    done = CliRunner().invoke(app, [*arguments, "--data", str(data), *profile])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        return done.exception
    assert done.exit_code == code, done.output
    assert not any(secret in done.output for secret in SECRETS)
    return done.output


def office_of(data):
    return build_office(load_config(str(data / "own.toml")), load_site(data, {}))


def test_an_export_is_written_registered_and_audited(data, tmp_path):
    out = tmp_path / "ada.zip"
    said = run(data, "subject", "export", "--phone", PHONE, "--out", str(out))
    assert "3 calls written, 3 of them with their redacted recording." in said
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    with zipfile.ZipFile(out) as archive:
        assert archive.testzip() is None
        document = json.loads(archive.read("data.json"))
        contents = b"".join(archive.read(name) for name in archive.namelist())
    assert [call["call_id"] for call in document["calls"]] == ["c-1", "c-2", "c-3"]
    assert document["controller"]["name"] == "Acme"
    assert {part["policy"] for part in document["calls"][0]["kept"]} == {"standard"}
    assert not any(secret.encode() in contents for secret in SECRETS)
    office = office_of(data)
    (request,) = office.books.requests.requests()
    assert (request.kind, request.state, request.n_calls) == (RequestKind.ACCESS, RequestState.DONE, 3)
    assert request.identities == ()
    (entry,) = [entry for entry in office.ledger.audit() if entry.action == "subject.exported"]
    assert entry.detail["calls"] == 3
    assert office.ledger.check_audit() is None


def test_restricted_calls_are_exported_too(data, tmp_path):
    office = office_of(data)
    office.books.requests.restrict("c-1", "asked for", actor="cli:test", now=START)
    said = run(data, "subject", "export", "--phone", PHONE, "--out", str(tmp_path / "a.zip"))
    assert "1 of them restricted" in said


def test_an_erased_call_is_not_exported(data, tmp_path):
    from callveil.vocabulary.retention import KeptPart
    from callveil.vocabulary.rights import RemovalWhy

    office = office_of(data)
    office.books.removals.decide(
        "c-2", prefix="calls/2026/11/24/c-2/", parts=frozenset(KeptPart), why=RemovalWhy.RETENTION,
        reason="over", request_id=None, actor="cli:test", now=START,
    )  # fmt: skip
    printed = run(data, "subject", "export", "--phone", PHONE, "--out", str(tmp_path / "a.zip"), "--json")
    assert json.loads(printed)["n_calls"] == 2


def test_a_stranger_gets_nothing(data, tmp_path):
    error = run(data, "subject", "export", "--phone", "+442079461111", "--out", str(tmp_path / "a.zip"))
    assert type(error).__name__ == "NotFoundError"
    assert "2079461111" not in str(error)
    assert not (tmp_path / "a.zip").exists()
    assert office_of(data).books.requests.requests() == ()


def test_a_receipt_is_printed_written_and_audited(data, tmp_path):
    said = run(data, "consent", "receipt", "--call", "c-1", "--out", str(tmp_path / "r.jsonld"))
    assert "Receipt for the customer of call c-1" in said
    assert "recording the call: agreed by pressing a key" in said
    assert "controller.address" in said
    document = json.loads((tmp_path / "r.jsonld").read_bytes())
    assert document["@type"] == "dpv:ConsentReceipt"
    assert len(document["dpv:hasRecordOfActivity"]) == 1
    attachments = json.loads(run(data, "consent", "receipt", "--call", "c-1", "--vcon", "--json"))
    assert [a["type"] for a in attachments["attachments"]] == ["lawful_basis"]
    assert type(run(data, "consent", "receipt", "--call", "c-1", "--party", "7")).__name__ == "MetadataError"
    assert type(run(data, "consent", "receipt", "--call", "no")).__name__ == "NotFoundError"
    notes = [entry.action for entry in office_of(data).ledger.audit()]
    assert notes.count("consent.receipt") == 2


def test_the_history_shows_what_was_replaced(data):
    office = office_of(data)
    later = ConsentRecord(purpose=Purpose.RECORDING, flag=Flag.DENIED, party=1)
    office.ledger.record_consent("c-1", [later], actor="cli:test", now=START + timedelta(days=1))
    shown = json.loads(run(data, "consent", "history", "--call", "c-1", "--json"))
    assert [answer["answer"] for answer in shown["history"]] == ["granted", "denied"]
    assert [answer["answer"] for answer in shown["standing"]] == ["denied"]
    assert "replaced" in run(data, "consent", "history", "--call", "c-1")


def test_a_breach_is_reported(data, tmp_path):
    arguments = (
        "breach",
        "report",
        "--known-at",
        "2025-11-23T10:30+01:00",
        "--window",
        "2026-11-23",
        "2026-12-23",
    )
    report = json.loads(run(data, *arguments, "--json"))
    assert report["calls"] == 5
    assert report["known_at"] == "2025-11-23T09:30:00.000Z"
    persons = report["persons"]
    assert (persons["identified"], persons["at_least"], persons["at_most"]) == (2, 2, 3)
    said = run(data, *arguments, "--out", str(tmp_path / "breach"))
    assert "Callers and customers: at least 2, at most about 3." in said
    assert (tmp_path / "breach" / "calls.txt").read_text().split() == ["c-1", "c-2", "c-3", "c-4", "c-5"]
    assert "Acme" in (tmp_path / "breach" / "authority.md").read_text()


def test_calls_of_a_breach_come_from_a_file(data, tmp_path):
    (tmp_path / "ids.txt").write_text("c-1\nc-2\n\nc-99\n")
    report = json.loads(
        run(
            data, "breach", "report", "--known-at", "2025-11-23", "--calls", f"@{tmp_path}/ids.txt",
            "--calls", "c-3,c-4", "--json",
        )
    )  # fmt: skip
    assert report["call_ids"] == ["c-1", "c-2", "c-3", "c-4"]
    assert report["not_there"] == 1
    objects = ("--objects", "calls/2026/11/23/c-1/audio.flac,what/ever")
    report = json.loads(run(data, "breach", "report", "--known-at", "2025-11-23", *objects, "--json"))
    assert (report["call_ids"], report["unmatched_objects"]) == (["c-1"], 1)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--known-at", "yesterday", "--calls", "c-1"), "--known-at"),
        (("--known-at", "2025-11-23T09:30", "--calls", "c-1"), "--known-at"),
        (("--known-at", "2999-01-01", "--calls", "c-1"), "--known-at"),
        (("--known-at", "2025-11-23"), "--calls"),
        (("--known-at", "2025-11-23", "--calls", "c-1", "--objects", "x"), "--calls"),
        (("--known-at", "2025-11-23", "--objects", "x", "--copies", "landing"), "--copies"),
        (("--known-at", "2025-11-23", "--window", "2026-11-24", "2026-11-23"), "--window"),
        (("--known-at", "2025-11-23", "--calls", "@/no/such/file"), "--calls"),
        (("--known-at", "2025-11-23", "--calls", ","), "--calls"),
    ],
)
def test_wrong_use_names_the_option(data, arguments, named):
    error = run(data, "breach", "report", *arguments)
    assert type(error).__name__ == "MetadataError"
    assert str(error).startswith(named)


def test_the_processing_record_is_written_once(data, tmp_path):
    out = tmp_path / "record.md"
    assert "Left to fill in by you" in run(data, "processing", "record", "--out", str(out))
    assert "| Controller | Acme |" in out.read_text()
    assert type(run(data, "processing", "record", "--out", str(out))).__name__ == "RefusedError"
    assert json.loads(run(data, "processing", "record", "--json"))["a_controller"]["name"] == "Acme"
    assert run(data, "processing", "record").startswith("# Record of processing activities")


@pytest.mark.parametrize("step", ["put_in_place", "_write"])
def test_an_export_that_is_killed_leaves_no_file_and_is_taken_up(data, tmp_path, step):
    out = tmp_path / "ada.zip"
    arguments = ["subject", "export", "--phone", PHONE, "--out", str(out), "--data", str(data)]
    killed = (
        "import os, signal, callveil.pipeline.export as module\n"
        f"module.{step} = lambda *given, **more: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"from callveil.cli import app\napp({arguments!r})\n"
    )
    done = subprocess.run([sys.executable, "-c", killed], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert not out.exists()
    (request,) = office_of(data).books.requests.requests()
    assert request.state is RequestState.RUNNING
    printed = json.loads(run(data, *arguments[:6], "--json"))
    assert printed["request_id"] == request.request_id
    assert [path.name for path in tmp_path.iterdir() if "zip" in path.name] == ["ada.zip"]
    with zipfile.ZipFile(out) as archive:
        assert archive.testzip() is None
    (request,) = office_of(data).books.requests.requests()
    assert request.state is RequestState.DONE
