"""The office over HTTP: who may ask what, what is answered, what stands in the audit chain afterwards."""

import dataclasses
import hashlib
import io
import json
import logging
import os
import time
import zipfile
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from fastapi.testclient import TestClient
from tests.unit.web.planted import EMAIL, PHONE, plant

from callveil.adapters.signing_keys import KeyFolder
from callveil.adapters.store_local import LocalStore
from callveil.adapters.webhook import sign_notice
from callveil.config import IngestKey, KeyRole
from callveil.errors import ConfigError, LedgerError
from callveil.kit import LazyHasher, office_of
from callveil.pipeline import erasure, holds
from callveil.pipeline.outlook import named
from callveil.testing import START
from callveil.vocabulary.ledger import CallState
from callveil.vocabulary.retention import HoldScope
from callveil.vocabulary.rights import (
    ItemState,
    NoticeState,
    Recipient,
    Request,
    RequestItem,
    RequestKind,
    RequestState,
)
from callveil.web.api import build_api
from callveil.web.signatures import sign_office

PERSON = {"identifiers": {"phone": ["+44 20 7946 0018"], "email": [EMAIL]}}
KEYS = {role: IngestKey(key_id=f"{role}-1", secret=role[0] * 40, role=role) for role in KeyRole}
CRM = Recipient(name="crm", kind="crm", url="https://crm.example/callveil", secret="r" * 40)
OTHER = Recipient(name="lake", kind="warehouse", url="https://lake.example/x", secret="q" * 40)
OFFICER, TEAM, BOTH = {KeyRole.PRIVACY}, {KeyRole.OPS}, {KeyRole.PRIVACY, KeyRole.OPS}

ENDPOINTS = [
    ("POST", "/v1/subjects/search", PERSON, OFFICER, 200),
    ("POST", "/v1/subjects/export", PERSON, OFFICER, 200),
    ("POST", "/v1/subjects/erasure", PERSON, OFFICER, 200),
    ("POST", "/v1/subjects/erasure", {"call_ids": ["c-2"], "confirm": True}, OFFICER, 200),
    ("POST", "/v1/subjects/restriction", {**PERSON, "reason": "disputed"}, OFFICER, 200),
    ("POST", "/v1/subjects/restriction/lift", {"call_ids": ["c-2"], "reason": "settled"}, OFFICER, 200),
    ("GET", "/v1/erasures/{erasure}", None, OFFICER, 200),
    ("POST", "/v1/calls/c-1/restriction", {"reason": "disputed"}, OFFICER, 200),
    ("DELETE", "/v1/calls/c-2/restriction", {"reason": "settled"}, OFFICER, 200),
    ("GET", "/v1/requests", None, OFFICER, 200),
    ("GET", "/v1/requests?state=done", None, OFFICER, 200),
    ("GET", "/v1/requests/{access}", None, OFFICER, 200),
    ("POST", "/v1/requests/{access}/extension", {"months": 2, "reason": "much to look for"}, OFFICER, 200),
    ("POST", "/v1/requests/{access}/closure", {"refused": True, "reason": "asked twice"}, OFFICER, 200),
    ("GET", "/v1/calls/c-1/consent/history", None, OFFICER, 200),
    ("GET", "/v1/calls/c-1/consent/receipt", None, OFFICER, 200),
    ("GET", "/v1/calls/c-1/consent/receipt?party=1&vcon=true", None, OFFICER, 200),
    ("POST", "/v1/breaches", {"known_at": "2026-11-23", "call_ids": ["c-1"]}, OFFICER, 200),
    ("GET", "/v1/processing-record", None, OFFICER, 200),
    ("POST", "/v1/holds", {"call_ids": ["c-1"], "reason": "claim", "authority": "court"}, BOTH, 201),
    ("POST", "/v1/holds", {**PERSON, "reason": "claim", "authority": "court"}, BOTH, 201),
    ("POST", "/v1/holds", {"query": {"until": "2026-11-23"}, "reason": "x", "authority": "y"}, BOTH, 201),
    ("GET", "/v1/holds", None, BOTH, 200),
    ("GET", "/v1/holds?standing=false", None, BOTH, 200),
    ("POST", "/v1/holds/{hold}/release", {"reason": "settled"}, BOTH, 200),
    ("GET", "/v1/calls/c-1/retention?at=2031-01-01", None, BOTH, 200),
    ("GET", "/v1/recipients", None, BOTH, 200),
    ("GET", "/v1/notices?waiting=true", None, BOTH, 200),
    ("POST", "/v1/retention/simulation", {"at": "2031-01-01"}, TEAM, 200),
    ("POST", "/v1/retention/application", {"confirm": True}, TEAM, 200),
    ("POST", "/v1/retention/application", {}, TEAM, 200),
    ("POST", "/v1/retention/sweep", {"at": "2031-01-01"}, TEAM, 200),
    ("POST", "/v1/retention/sweep", {"confirm": True, "limit": 5}, TEAM, 200),
    ("POST", "/v1/calls/c-1/events", {"name": "contract_end", "at": "2027-03-01"}, TEAM, 200),
]
NAMES = [f"{method} {path} {sorted(body or ())}" for method, path, body, *_ in ENDPOINTS]

POLICIES = """
[[policies]]
name = "short"
keep = { audio = "1 day", transcript = "1 day", certificate = "1 day" }
"""


@pytest.fixture
def service(service, tmp_path):
    KeyFolder(tmp_path / "keys", service.clock).create()
    policies = tmp_path / "retention.toml"
    policies.write_text('[[policies]]\nname = "loans"\nsince = "contract_end"\nkeep = { audio = "2 years" }\n'
                        'match = { queues = ["loans"] }\n')  # fmt: skip
    return dataclasses.replace(
        service,
        site=dataclasses.replace(service.site, ingest_keys=tuple(KEYS.values()), recipients=(CRM, OTHER)),
        config=dataclasses.replace(service.config, retention_policies=policies),
        store=LocalStore(tmp_path / "store", clock=service.clock),
    )


@pytest.fixture
def ids(service):
    """Calls c-1 (published) and c-2 (received), an erased one, a hold, an open request for access."""
    office, now = office_of(service), service.clock.now()
    plant(service, "c-1")
    plant(service, "c-2", published=False)
    plant(service, "c-9")
    erased = erasure.erase(named(["c-9"], office), office, actor="test")
    hold = holds.place(
        HoldScope.CALL, named(["c-1"], office), office, reason="claim", authority="court", actor="test"
    ).hold
    holds.release(hold.hold_id, office, reason="over", actor="test")
    standing = holds.place(
        HoldScope.QUERY, named([], office), office, reason="claim", authority="court", actor="test"
    ).hold
    access = Request(
        request_id="req-" + "a" * 12, kind=RequestKind.ACCESS, state=RequestState.OPEN, identities=(),
        received_at=now, due_at=now + timedelta(days=30), n_calls=1,
    )  # fmt: skip
    item = RequestItem(request_id=access.request_id, call_id="c-1", state=ItemState.PENDING)
    service.books.requests.open(access, [item], actor="test", now=now)
    notice = next(each for each in service.books.notices.notices() if each.recipient == "crm")
    return SimpleNamespace(
        erasure=erased.request_id, hold=standing.hold_id, access=access.request_id, notice=notice.notice_id
    )


@pytest.fixture
def client(service):
    with TestClient(build_api(service), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def ask(client, service):
    def ask(method, path, body=None, role=KeyRole.PRIVACY, **changes):
        content = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        stamp = str(int(service.clock.now().timestamp()) + changes.pop("skew_s", 0))
        key, digest = KEYS[role], hashlib.sha256(content).hexdigest()
        signed_path, method_ = changes.pop("signed_path", path), changes.pop("signed_method", method)
        headers = {
            "X-Callveil-Key": key.key_id,
            "X-Callveil-Timestamp": stamp,
            "X-Callveil-Signature": sign_office(key.secret, stamp, method_, signed_path, digest),
            **changes.pop("headers", {}),
        }
        return client.request(method, path, content=content, headers=headers)

    return ask


@pytest.fixture
def confirm(client, service):
    def confirm(notice_id, receipt="gone", recipient=CRM, path=None, **headers):
        path = path or f"/v1/notices/{notice_id}/receipt"
        body = json.dumps({"receipt": receipt}).encode()
        stamp = str(int(service.clock.now().timestamp()))
        signed = {
            "X-Callveil-Recipient": recipient.name,
            "X-Callveil-Timestamp": stamp,
            "X-Callveil-Signature": sign_notice(recipient.secret, stamp, path, body),
            **headers,
        }
        return client.post(f"/v1/notices/{notice_id}/receipt", content=body, headers=signed)

    return confirm


@pytest.fixture
def entries(service):
    """What was added to the audit chain since, without its times."""
    seen = [0]

    def entries():
        new = service.ledger.audit(after=seen[0])
        seen[0] += len(new)
        return [(entry.actor, entry.action, entry.call_id, dict(entry.detail)) for entry in new]

    return entries


def is_problem(answer, status, *words):
    content = answer.json()
    assert answer.status_code == status, content
    assert answer.headers["content-type"] == "application/problem+json"
    for word in words:
        assert word in content["detail"], content
    return True


def names_nobody(text):
    return not any(value in text for value in (PHONE, "7946", EMAIL, "maud", "ferring"))


@pytest.mark.parametrize(("method", "path", "body", "roles", "status"), ENDPOINTS, ids=NAMES)
def test_the_right_roles_are_answered_on_the_record(
    ask, ids, entries, caplog, service, method, path, body, roles, status
):
    caplog.set_level(logging.DEBUG)
    for role in sorted(roles):
        entries()
        answer = ask(method, path.format(**vars(ids)), body, role)
        if role == sorted(roles)[-1] and len(roles) > 1 and path.endswith("/release"):
            assert is_problem(answer, 409)  # the other role has released it
            continue
        assert answer.status_code == status, answer.text
        assert answer.headers["cache-control"] == "no-store"
        added = entries()
        assert f"key:{role}-1" in {actor for actor, *_ in added}, added
        assert {actor for actor, *_ in added} <= {f"key:{role}-1", "hold"}
        assert names_nobody(json.dumps(added))
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("callveil")]
    assert names_nobody("\n".join(ours))
    assert service.ledger.check_audit() is None


@pytest.mark.parametrize("role", list(KeyRole))
def test_other_roles_are_refused_everywhere(ask, ids, entries, role):
    entries()
    for method, path, body, roles, _ in ENDPOINTS:
        if role not in roles:
            answer = ask(method, path.format(**vars(ids)), body, role)
            assert is_problem(answer, 403, "role"), path
    assert entries() == []


def test_nothing_is_answered_without_a_signature(client, ask, ids, entries):
    entries()
    for method, path, body, roles, _ in ENDPOINTS:
        path = path.format(**vars(ids))
        assert is_problem(client.request(method, path, json=body), 401)
        role = min(roles)
        assert is_problem(ask(method, path, body, role, headers={"X-Callveil-Signature": "0" * 64}), 401)
        assert is_problem(ask(method, path, body, role, headers={"X-Callveil-Key": "nobody"}), 401)
        assert is_problem(ask(method, path, body, role, skew_s=-301), 401, "X-Callveil-Timestamp")
    assert entries() == []


def test_a_signed_request_is_good_for_nothing_else(ask, ids, entries):
    entries()
    paths = [
        (method, path.format(**vars(ids)), body, min(roles)) for method, path, body, roles, _ in ENDPOINTS
    ]
    for method, path, body, role in paths:
        assert is_problem(ask(method, path, body, role, signed_path=path + "?"), 401)
        assert is_problem(ask(method, path, body, role, signed_path="/v1/subjects/find"), 401)
        assert is_problem(ask(method, path, body, role, signed_method="PUT"), 401)
    assert is_problem(ask("DELETE", "/v1/calls/c-1/restriction", {"reason": "x"}, signed_method="POST"), 401)
    assert entries() == []


def test_a_push_s_signature_is_no_signature_for_the_office(client, service, helpers):
    headers = helpers.signed(b"{}", service.clock, KEYS[KeyRole.PRIVACY])
    assert is_problem(client.post("/v1/subjects/search", content=b"{}", headers=headers), 401, "method")


def test_the_document_tells_every_endpoint_and_its_roles(client):
    document = client.get("/v1/openapi.json").json()
    told = {
        (method.upper(), path): set(operation["x-callveil-roles"])
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if "x-callveil-roles" in operation
    }
    tested = {}
    for method, path, _, roles, _ in ENDPOINTS:
        known = path.partition("?")[0]
        for given, name in (("c-1", "{call_id}"), ("c-2", "{call_id}"), ("{erasure}", "{request_id}"),
                            ("{access}", "{request_id}"), ("{hold}", "{hold_id}")):  # fmt: skip
            known = known.replace(given, name)
        tested[method, known] = {role.value for role in roles}
    assert tested == told
    service = (Path(__file__).parents[3] / "SERVICE.md").read_text()
    for (method, path), roles in told.items():
        row = next(
            (line for line in service.splitlines() if f"`{method} {path.replace('_id}', '}')}" in line), ""
        )
        assert row, (method, path)
        assert f"| {', '.join(sorted(roles, reverse=True))} |" in row, row


def test_a_person_is_found(ask, ids, entries):
    entries()
    found = ask("POST", "/v1/subjects/search", PERSON).json()
    assert [(each["call_id"], each["state"]) for each in found["calls"]] == [
        ("c-1", "published"),
        ("c-2", "received"),
    ]
    assert entries() == [
        ("key:privacy-1", "subject.searched", None, {"phone": 1, "email": 1, "linked": 0, "calls": 2})
    ]


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("/v1/subjects/search", b"", ["body"]),
        ("/v1/subjects/search", b"{", ["body"]),
        ("/v1/subjects/search", b'{"identifiers": {}, "identifiers": {}}', ["twice"]),
        ("/v1/subjects/search", {"identifiers": {}}, ["identifiers.phone", "0 are given"]),
        ("/v1/subjects/search", {"identifiers": {"phone": ["maud.ferring"]}}, ["identifiers.phone"]),
        ("/v1/subjects/search", {"identifiers": {"email": ["7946"]}}, ["identifiers.email"]),
        ("/v1/subjects/search", {"identifiers": {PHONE: ["x"]}}, ["unknown field"]),
        ("/v1/subjects/search", {"identifiers": {"phone": PHONE}}, ["identifiers.phone", "list"]),
        ("/v1/subjects/search", {**PERSON, "region": "XX"}, ["region"]),
        ("/v1/subjects/search", {**PERSON, "linked": ["0123456789"]}, ["linked"]),
        ("/v1/subjects/erasure", {}, ["identifiers", "call_ids"]),
        ("/v1/subjects/erasure", {"call_ids": ["c-1"], "linked": ["0123456789"]}, ["call_ids"]),
        ("/v1/subjects/erasure", {"call_ids": ["c-1"], "received": "2099-01-01"}, ["received", "future"]),
        ("/v1/subjects/erasure", {"call_ids": ["c-1"], "received": "24.11.2026"}, ["received"]),
        ("/v1/subjects/erasure", {"call_ids": ["c-1"], "confirm": "yes"}, ["confirm"]),
        ("/v1/calls/c-1/restriction", {"reason": "  "}, ["reason"]),
        ("/v1/breaches", {"known_at": "2026-11-23"}, ["one of them"]),
        ("/v1/breaches", {"known_at": "2099-01-01", "call_ids": ["c-1"]}, ["known_at"]),
        ("/v1/holds", {"query": {}, "reason": "x", "authority": "y"}, ["query"]),
        ("/v1/holds", {**PERSON, "call_ids": ["c-1"], "reason": "x", "authority": "y"}, ["one of them"]),
    ],
)  # fmt: skip
def test_a_wrong_body_is_explained_without_its_values(ask, ids, entries, path, body, words):
    entries()
    answer = ask("POST", path, body)
    assert is_problem(answer, 422, *words)
    assert names_nobody(answer.text)
    assert entries() == []


def test_an_identifier_in_the_query_is_refused_unread(ask, ids, entries):
    entries()
    answer = ask("GET", "/v1/requests?phone=%2B442079460018")
    assert is_problem(answer, 422, "state")
    assert names_nobody(answer.text)
    assert entries() == []


def test_a_body_of_more_than_a_mebibyte_is_refused(ask):
    assert is_problem(ask("POST", "/v1/subjects/search", b" " * (2**20 + 1)), 413)


def test_the_archive_is_sent_and_nothing_of_it_stays(ask, ids, service):
    left = service.site.data / "exports" / "killed"
    left.mkdir(parents=True)
    (left / "export.zip").write_bytes(b"of somebody")
    for path in (left / "export.zip", left):
        os.utime(path, (time.time() - 7200,) * 2)
    answer = ask("POST", "/v1/subjects/export", {"identifiers": {"phone": [PHONE]}})
    assert answer.headers["content-type"] == "application/zip"
    assert len(answer.content) == int(answer.headers["content-length"])
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert {"index.html", "data.json"} <= set(archive.namelist())
        data = json.loads(archive.read("data.json"))
    assert list((service.site.data / "exports").iterdir()) == []
    request = service.books.requests.get(answer.headers["x-callveil-request"])
    assert (request.state, request.kind) == (RequestState.DONE, RequestKind.ACCESS)
    assert data


def test_an_export_that_fails_leaves_nothing(ask, ids, service):
    assert is_problem(ask("POST", "/v1/subjects/export", {"identifiers": {"phone": ["+442079460099"]}}), 404)
    assert list((service.site.data / "exports").iterdir()) == []


def test_an_erasure_is_told_first_and_then_done_and_proven(ask, ids, service):
    ahead = ask("POST", "/v1/subjects/erasure", PERSON).json()
    assert [(each["call_id"], each["outcome"]) for each in ahead["calls"]] == [
        ("c-1", "erased"),
        ("c-2", "erased"),
    ]
    assert service.ledger.get("c-1").state is CallState.PUBLISHED
    answer = ask("POST", "/v1/subjects/erasure", {**PERSON, "confirm": True, "received": "2026-11-20"})
    done = answer.json()
    assert (answer.status_code, done["state"], done["received_at"][:10]) == (200, "done", "2026-11-20")
    assert {each["state"] for each in done["calls"]} == {"done"}
    assert service.ledger.get("c-1").state is CallState.ERASED
    assert {each["recipient"] for each in done["recipients"]} == {"crm", "lake"}
    proof = ask("GET", f"/v1/erasures/{done['request_id']}")
    on_disk = service.site.data / "erasures" / f"{done['request_id']}.json"
    assert proof.content == on_disk.read_bytes()
    on_disk.unlink()  # it was finished by a process with another data folder
    again = ask("GET", f"/v1/erasures/{done['request_id']}").json()
    assert [each["call_id"] for each in again["calls"]] == ["c-1", "c-2"]


def test_a_long_erasure_answers_with_what_is_left(ask, ids, service):
    answer = ask("POST", "/v1/subjects/erasure", {**PERSON, "confirm": True, "limit": 1})
    begun = answer.json()
    assert (answer.status_code, begun["state"]) == (202, "running")
    assert [each["state"] for each in begun["calls"]] == ["done", "pending"]
    assert is_problem(ask("GET", f"/v1/erasures/{begun['request_id']}"), 409, "not finished")
    erasure.resume(office_of(service), actor="reconcile", post=lambda *_: erasure_answer())
    assert ask("GET", f"/v1/requests/{begun['request_id']}").json()["state"] == "done"


def erasure_answer():
    from callveil.adapters.webhook import Answer

    return Answer(accepted=True)


def test_what_is_held_is_only_restricted(ask, ids):
    ask("POST", "/v1/holds", {**PERSON, "reason": "claim", "authority": "court"}, KeyRole.OPS)
    done = ask("POST", "/v1/subjects/erasure", {**PERSON, "confirm": True}).json()
    assert (done["state"], {each["state"] for each in done["calls"]}) == ("partly_done", {"restricted"})
    assert is_problem(ask("DELETE", "/v1/calls/c-1/restriction", {"reason": "x"}), 409, "waits to be erased")


def test_a_restriction_begins_and_ends(ask, ids, service):
    assert ask("POST", "/v1/calls/c-1/restriction", {"reason": "disputed"}).json()["state"] == "done"
    assert service.books.requests.restriction("c-1") == "disputed"
    assert ask("DELETE", "/v1/calls/c-1/restriction", {"reason": "settled"}).status_code == 200
    assert service.books.requests.restriction("c-1") is None
    assert is_problem(ask("POST", "/v1/calls/nobody/restriction", {"reason": "x"}), 404)


def test_the_register_is_read_and_answered(ask, ids):
    rows = ask("GET", "/v1/requests").json()["requests"]
    assert [row["request_id"] for row in rows] == [ids.access]
    done = ask("GET", "/v1/requests?state=done").json()["requests"]
    assert [row["request_id"] for row in done] == [ids.erasure]
    extended = ask("POST", f"/v1/requests/{ids.access}/extension", {"reason": "much"}).json()
    assert extended["extension_reason"] == "much"
    assert is_problem(ask("POST", f"/v1/requests/{ids.access}/extension", {"reason": "more"}), 409)
    closed = ask("POST", f"/v1/requests/{ids.access}/closure", {"reason": "answered by letter"}).json()
    assert (closed["state"], closed["note"]) == ("done", "answered by letter")
    assert is_problem(ask("GET", f"/v1/erasures/{ids.access}"), 404, "no erasure")
    assert is_problem(ask("GET", "/v1/requests/req-000000000000"), 404)


def test_a_hold_on_a_day_takes_the_whole_day(ask, ids):
    def calls(**query):
        body = {"query": query, "reason": "x", "authority": "y"}
        return ask("POST", "/v1/holds", body, KeyRole.OPS).json()["calls"]

    assert f"{START:%Y-%m-%d}" == "2026-11-23"
    assert calls(since="2026-11-23", until="2026-11-23") == 2
    assert calls(since="2026-11-24") == 0
    assert calls(until="2026-11-23T09:29:59Z") == 0


def test_breaches_come_with_letters_when_asked(ask, ids):
    body = {"known_at": "2026-11-23T08:00:00Z", "window": {"since": "2026-11-23", "until": "2026-11-24"}}
    plain = ask("POST", "/v1/breaches", body).json()
    assert "letters" not in plain
    assert "c-1" in json.dumps(plain)
    letters = ask("POST", "/v1/breaches", {**body, "letters": True}).json()["letters"]
    assert set(letters) == {"authority", "subjects"}


def test_changed_policies_are_tried_out_and_explained(ask, ids, service):
    found = ask("POST", "/v1/retention/simulation", {"at": "2027-06-01", "policies": POLICIES}, KeyRole.OPS)
    parts = found.json()["parts_due"]["audio"]
    assert (parts["before"]["calls"], parts["after"]["calls"]) == (0, 1)
    for text, word in (
        ("x", "TOML"),
        ('[[policies]]\nname = "x"', "policies"),
        ("x=" + "[" * 9000, "policies"),
    ):
        assert is_problem(ask("POST", "/v1/retention/simulation", {"policies": text}, KeyRole.OPS), 422, word)
    assert service.ledger.get("c-1").state is CallState.PUBLISHED


def test_what_is_due_is_told_and_then_deleted(ask, ids, service):
    plant(service, "c-3")
    far = {"at": "2099-01-01", "limit": 1}
    told = ask("POST", "/v1/retention/sweep", far, KeyRole.OPS).json()
    assert (told["done"], told["due"], told["deleted"]) == (False, 2, 0)
    done = ask("POST", "/v1/retention/sweep", {**far, "confirm": True}, KeyRole.OPS).json()
    assert (done["done"], done["deleted"], done["more"]) == (True, 1, True)
    assert service.ledger.get("c-1").state is CallState.ERASED


def test_policies_are_applied_a_page_at_a_time(ask, ids, service):
    plant(service, "c-3")
    first = ask("POST", "/v1/retention/application", {"limit": 1, "confirm": True}, KeyRole.OPS).json()
    assert (first["calls"], first["next_after"]) == (1, "c-1")
    more = {"limit": 1, "after": "c-1", "confirm": True}
    last = ask("POST", "/v1/retention/application", more, KeyRole.OPS).json()
    assert (last["calls"], last["next_after"]) == (1, None)


def test_an_event_that_no_policy_counts_from_is_refused(ask, ids):
    body = {"name": "birthday", "at": "2027-03-01"}
    assert is_problem(ask("POST", "/v1/calls/c-1/events", body, KeyRole.OPS), 422, "contract_end")
    assert is_problem(
        ask("POST", "/v1/calls/nobody/events", {"name": "contract_end", "at": "2027-03-01"}, KeyRole.OPS), 404
    )


def test_recipients_are_listed_without_their_secrets(ask, ids):
    answer = ask("GET", "/v1/recipients")
    assert [each["name"] for each in answer.json()["recipients"]] == ["crm", "lake"]
    assert CRM.secret not in answer.text
    assert "secret" not in answer.text


def test_a_recipient_confirms_what_it_had_accepted(ask, confirm, ids, service, entries):
    def notices():
        return ask("GET", "/v1/notices?waiting=true").json()["notices"]

    waiting = next(each for each in notices() if each["recipient"] == "crm")
    assert (waiting["notice_id"], waiting["request_id"]) == (ids.notice, ids.erasure)
    entries()
    answer = confirm(ids.notice, "deleted, ticket 77")
    assert (answer.status_code, answer.json()["state"]) == (200, "confirmed")
    assert entries()[0][:2] == ("recipient:crm", "notice.changed")
    again = confirm(ids.notice, "another one")
    assert (again.status_code, again.json()["receipt"]) == (200, "deleted, ticket 77")
    assert service.books.notices.get(ids.notice).state is NoticeState.CONFIRMED
    assert [each["recipient"] for each in notices()] == ["lake"]
    told = {
        each["name"]: each["state"] for each in ask("GET", f"/v1/erasures/{ids.erasure}").json()["recipients"]
    }
    assert told == {"crm": "confirmed", "lake": "waiting"}


def test_nobody_else_confirms_it(ask, confirm, ids, service, entries):
    entries()
    stranger = dataclasses.replace(CRM, name="nobody")
    assert is_problem(confirm(ids.notice, recipient=OTHER), 404)
    assert is_problem(confirm(ids.notice, recipient=stranger), 401)
    assert is_problem(confirm(ids.notice, recipient=dataclasses.replace(CRM, secret="z" * 40)), 401)
    assert is_problem(confirm(ids.notice, path="/v1/notices/ntc-000000000000/receipt"), 401)
    assert is_problem(confirm(ids.notice, **{"X-Callveil-Timestamp": "0"}), 401)
    assert is_problem(confirm(ids.notice, **{"X-Callveil-Signature": ""}), 401)
    assert is_problem(confirm("ntc-000000000000"), 404)
    assert is_problem(confirm(ids.notice, " "), 422, "receipt")
    assert is_problem(ask("POST", f"/v1/notices/{ids.notice}/receipt", {"receipt": "x"}), 401)
    assert service.books.notices.get(ids.notice).state is NoticeState.WAITING
    assert entries() == []


def test_an_office_without_its_keys_says_so(service, ids, tmp_path):
    def gone():
        raise ConfigError("subject keys: there are none")

    (tmp_path / "keys" / "private.pem").unlink()
    config = dataclasses.replace(service.config, keys=tmp_path / "no-keys")
    service = dataclasses.replace(service, config=config, hasher=LazyHasher(gone))
    with TestClient(build_api(service), raise_server_exceptions=False) as client:
        for path, body, word in (
            ("/v1/subjects/search", PERSON, "subject keys"),
            ("/v1/subjects/erasure", {"call_ids": ["c-1"], "confirm": True}, "not set up"),
        ):
            content, stamp = json.dumps(body).encode(), str(int(service.clock.now().timestamp()))
            key, digest = KEYS[KeyRole.PRIVACY], hashlib.sha256(content).hexdigest()
            headers = {
                "X-Callveil-Key": key.key_id,
                "X-Callveil-Timestamp": stamp,
                "X-Callveil-Signature": sign_office(key.secret, stamp, "POST", path, digest),
            }
            answer = client.post(path, content=content, headers=headers)
            assert is_problem(answer, 503, word)
            assert answer.json()["code"] == "config"
    assert service.ledger.get("c-1").state is CallState.PUBLISHED
    assert [each.request_id for each in service.books.requests.requests(kind=RequestKind.ERASURE)] == [
        ids.erasure
    ]


def test_a_ledger_that_fails_is_told(ask, ids, service, monkeypatch):
    def fail(*args, **kwargs):
        raise LedgerError("ledger: away")

    monkeypatch.setattr(type(service.ledger), "note", fail)
    # What cannot be written into the audit chain is not shown either.
    for method, path, body in (
        ("GET", "/v1/holds", None),
        ("POST", "/v1/subjects/search", PERSON),
        ("POST", "/v1/subjects/export", PERSON),
        ("GET", f"/v1/erasures/{ids.erasure}", None),
    ):
        answer = ask(method, path, body)
        assert is_problem(answer, 503)
        assert answer.headers["retry-after"]
