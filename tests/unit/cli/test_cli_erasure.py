"""The verbs of erasure, holds, requests and recipients, in words and in JSON, over a folder of real parts."""

import dataclasses
import json
import re
import stat

import pytest
from typer.testing import CliRunner

from callveil.adapters import webhook
from callveil.adapters.webhook import Answer
from callveil.cli import app, recipient
from callveil.config import load_config, load_site
from callveil.kit import build_enlisting, build_office
from callveil.rights.identifiers import identities_of
from callveil.stages.retention_tags import call_prefix
from callveil.testing import call
from callveil.vocabulary.call import Identifiers
from callveil.vocabulary.ledger import CallState, NewCall, Settlement
from callveil.vocabulary.recording import MaskedDocument, Part, PublishedPart

PHONE = "+442079460018"
TRANSCRIPT = b'{"turns": [{"speaker": "agent", "start_s": 0.0, "words": [{"text": "hello"}]}]}'


@pytest.fixture
def run(tmp_path, monkeypatch):
    for name in ("CALLVEIL_DATA", "CALLVEIL_RECIPIENTS", "CALLVEIL_RECIPIENTS_FILE"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments, code=0):
        done = CliRunner().invoke(app, [*arguments, "--data", str(tmp_path)])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            return done.exception
        assert done.exit_code == code, done.output
        return " ".join(done.output.split())

    return run


@pytest.fixture
def office(tmp_path, run):
    """Two calls of a person and one of somebody else, as `callveil process` leaves them."""
    config, site = load_config("default"), load_site(tmp_path)
    enlisting = build_enlisting(config, site, "test")
    office = build_office(config, site)
    for call_id, phone in (("c-1", PHONE), ("c-2", PHONE), ("c-3", "+442079460019")):
        made = call(call_id)
        agent, customer = made.parties
        customer = dataclasses.replace(customer, identifiers=Identifiers(phone=phone))
        made = dataclasses.replace(made, parties=(agent, customer), queue="care")
        new = NewCall(
            call=made,
            landing=None,
            source="process",
            content_sha256="ab" * 32,
            n_bytes=1,
            identities=identities_of(made, enlisting.hasher),
        )
        now = enlisting.clock.now()
        office.ledger.enlist(new, actor="test", now=now)
        parts = [
            PublishedPart(part=part, body=MaskedDocument(content=TRANSCRIPT), media_type="x/y")
            for part in Part
        ]
        tags = {"callveil-hold": "no", "callveil-restricted": "no"}
        office.store.publish(call_prefix(made), parts, tags=tags, retain_until=None)
        done = Settlement(state=CallState.PUBLISHED, prefix=call_prefix(made), duration_s=60.0)
        office.ledger.record(call_id, done, actor="test", now=now)
    return office


def states(office):
    return [office.ledger.get(call_id).state.value for call_id in ("c-1", "c-2", "c-3")]


def test_an_erasure_is_told_first_and_done_with_yes(run, office, tmp_path):
    told = run("subject", "erase", "--phone", PHONE)
    assert "2 calls would be erased, 0 locked away." in told
    assert "Nothing was changed." in told
    assert states(office) == ["published"] * 3
    fields = json.loads(run("subject", "erase", "--phone", PHONE, "--json"))
    assert [each["outcome"] for each in fields["calls"]] == ["erased", "erased"]
    done = run("subject", "erase", "--phone", PHONE, "--yes")
    assert "2 calls erased." in done
    assert states(office) == ["erased", "erased", "published"]
    request_id = re.search(r"req-[0-9a-f]{12}", done)[0]
    proof = tmp_path / "erasures" / f"{request_id}.json"
    assert "nothing is left of 2 erased calls" in run("subject", "verify-erasure", str(proof))
    proof.write_bytes(proof.read_bytes().replace(b'"erased"', b'"Erased"', 1))
    assert "was changed since it was signed" in run("subject", "verify-erasure", str(proof), code=3)
    assert json.loads(run("subject", "verify-erasure", str(proof), "--json", code=3))["holds"] is False
    assert "cannot be read" in str(run("subject", "verify-erasure", str(tmp_path / "none")))
    assert "There is no call to erase." in run("subject", "erase", "--phone", PHONE)
    assert PHONE not in told + done


def test_what_is_wrong_is_said(run, office):
    assert type(run("subject", "erase")).__name__ == "MetadataError"
    assert type(run("subject", "erase", "--call", "nobody")).__name__ == "NotFoundError"
    assert type(run("subject", "erase", "--resume", "--yes")).__name__ == "MetadataError"
    assert (
        type(run("subject", "erase", "--call", "c-1", "--received", "2999-01-01")).__name__ == "MetadataError"
    )
    assert type(run("subject", "erase", "--call", "c-1", "--received", "soon")).__name__ == "MetadataError"


def test_a_held_call_is_locked_away_and_erased_when_the_hold_ends(run, office):
    placed = run("hold", "place", "--call", "c-1", "--reason", "matter 7", "--authority", "the court")
    hold_id = re.search(r"hold-[0-9a-f]{12}", placed)[0]
    assert json.loads(run("hold", "list", "--json"))["holds"][0]["authority"] == "the court"
    assert "matter 7" in run("hold", "list")
    told = run("subject", "erase", "--phone", PHONE)
    assert "1 call would be erased, 1 locked away." in told
    assert "the court" in told
    done = run("subject", "erase", "--phone", PHONE, "--yes")
    assert "looked at again when the hold ends: c-1" in done
    assert states(office) == ["published", "erased", "published"]
    assert "partly" in run("request", "list")
    show = run("show", "c-1")
    assert type(show).__name__ == "RefusedError"
    assert "the court" in str(show)
    assert "hello" in run("show", "c-1", "--despite-restriction", "the court asks")
    assert "released: 1 call" in run("hold", "release", hold_id, "--reason", "it is over")
    assert type(run("hold", "release", hold_id, "--reason", "again")).__name__ == "RefusedError"
    assert "1 request carried on" in run("subject", "erase", "--resume")
    assert states(office) == ["erased", "erased", "published"]
    assert "No legal hold stands." in run("hold", "list")
    assert "it is over" in run("hold", "list", "--all")


def test_holds_are_placed_on_persons_and_queries(run, office):
    words = ("--reason", "r", "--authority", "a")
    assert "2 calls" in run("hold", "place", "--phone", PHONE, *words)
    assert "3 calls" in run("hold", "place", "--queue", "care", *words)
    assert "3 calls" in run("hold", "place", "--from", "2026-11-23", "--to", "2026-11-23", *words)
    assert "0 calls" in run("hold", "place", "--to", "2026-11-22", *words)
    for wrong in ([], ["--call", "c-1", "--queue", "care"], ["--from", "yesterday"]):
        assert type(run("hold", "place", *wrong, *words)).__name__ == "MetadataError"


def test_calls_are_restricted_and_freed(run, office):
    done = run("subject", "restrict", "--call", "c-1", "--reason", "Accuracy is contested.")
    assert "1 call locked away." in done
    assert "contested" in str(run("show", "c-1"))
    freed = json.loads(run("subject", "unrestrict", "--call", "c-1", "--reason", "It was right.", "--json"))
    assert (freed["state"], freed["note"]) == ("done", "Lifted: It was right.")
    assert "hello" in run("show", "c-1")


def test_a_restricted_call_is_not_shown_from_a_store_alone(run, office, tmp_path, monkeypatch):
    run("subject", "restrict", "--call", "c-1", "--reason", "r")
    done = CliRunner().invoke(app, ["show", "c-1", "--store", str(tmp_path / "store")])
    assert "restricted" in str(done.exception)
    assert CliRunner().invoke(app, ["show", "c-2", "--store", str(tmp_path / "store")]).exit_code == 0
    assert "--store" in str(CliRunner().invoke(app, ["show", "c-2"]).exception)


def test_consent_is_withdrawn_with_its_consequence(run, office):
    told = run("consent", "withdraw", "--call", "c-1")
    assert "The withdrawal is written down." in told
    assert "is deleted with its original" in told
    assert states(office)[0] == "discarded"
    done = json.loads(run("consent", "withdraw", "--call", "c-2", "--purpose", "analytics", "--json"))
    assert (done["call_id"], done["state"]) == ("c-2", "published")


def test_recipients_are_registered_and_tried(run, office, tmp_path, monkeypatch):
    assert "No recipient is registered" in run("recipient", "list")
    made = run("recipient", "add", "crm", "--kind", "crm", "--url", "https://crm.example/forget")
    assert "A secret was made for it" in made
    file = tmp_path / "recipients.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    secret = json.loads(file.read_text())[0]["secret"]
    assert len(secret) == 64
    secrets = tmp_path / "secret"
    secrets.write_text("t" * 40)
    more = ("--secret-file", str(secrets), "--queue", "care", "--deadline-days", "3")
    run("recipient", "add", "dwh", "--kind", "warehouse", "--url", "https://dwh.example/", *more)
    listed = run("recipient", "list", "--json")
    assert [each["name"] for each in json.loads(listed)["recipients"]] == ["crm", "dwh"]
    assert secret not in listed + made + run("recipient", "list")
    again = run("recipient", "add", "crm", "--kind", "crm", "--url", "https://crm.example/forget")
    assert type(again).__name__ == "RefusedError"
    wrong = run("recipient", "add", "x", "--kind", "crm", "--url", "http://crm.example/")
    assert type(wrong).__name__ == "ConfigError"
    for answer, code, words in (
        (Answer(accepted=True, receipt="r"), 0, "confirmed"),
        (Answer(accepted=True), 3, "has not confirmed it yet"),
        (Answer(problem="HTTP 500"), 3, "HTTP 500"),
    ):
        monkeypatch.setattr(recipient, "post_notice", lambda *_, answer=answer: answer)
        assert words in run("recipient", "test", "crm", code=code)
    assert type(run("recipient", "test", "nobody")).__name__ == "MetadataError"
    run("recipient", "remove", "dwh")
    assert type(run("recipient", "remove", "dwh")).__name__ == "MetadataError"
    monkeypatch.setenv("CALLVEIL_RECIPIENTS", file.read_text())
    assert type(run("recipient", "remove", "crm")).__name__ == "RefusedError"
    assert "crm" in run("recipient", "list")


def test_late_recipients_and_requests_are_shown_and_end_with_3(run, office, monkeypatch):
    run("recipient", "add", "crm", "--kind", "crm", "--url", "https://crm.example/forget")
    monkeypatch.setattr(webhook, "_post", lambda *_: Answer(problem="HTTP 503"))
    done = run("subject", "erase", "--call", "c-1", "--yes", "--json")
    fields = json.loads(done)
    assert (fields["state"], fields["recipients"][0]["state"]) == ("done", "waiting")
    assert "No request is open." in run("request", "list")
    assert "waiting, due" in run("request", "show", fields["request_id"])
    [notice] = office.books.notices.notices()
    late = dataclasses.replace(notice, due_at=office.ledger.get("c-1").received_at)
    office.books.notices.update(late, actor="t", now=office.clock.now())
    assert f"LATE: crm has not confirmed {notice.notice_id}" in run("request", "list", code=3)
    assert "crm: LATE" in run("request", "show", fields["request_id"], code=3)
    listed = json.loads(run("request", "list", "--all", "--json", code=3))
    assert listed["late_notices"][0]["state"] == "late"
    assert [each["state"] for each in listed["requests"]] == ["done"]


def test_deadlines_are_kept_in_words(run, office):
    run("subject", "erase", "--phone", PHONE, "--yes", "--received", "2020-01-31")
    [request] = office.books.requests.requests()
    assert request.due_at.isoformat()[:10] == "2020-02-29"
    assert type(run("request", "extend", request.request_id, "--reason", "r")).__name__ == "RefusedError"
    assert type(run("request", "close", request.request_id, "--reason", "r")).__name__ == "RefusedError"
    assert type(run("request", "show", "req-none")).__name__ == "NotFoundError"
