"""Pushes, answers about consent and states over HTTP, with everything that must be refused."""

import dataclasses
import json
from datetime import timedelta

import pytest
from fastapi.testclient import TestClient

from callveil.config import IngestKey, KeyRole
from callveil.errors import LandingError, LedgerError
from callveil.pipeline.work import decide_call
from callveil.vocabulary.ledger import CallState
from callveil.vocabulary.rights import IdentifierKind
from callveil.web.api import build_api


@pytest.fixture
def client(service):
    with TestClient(build_api(service), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def push(client, service, helpers):
    def push(body=None, *, call=None, audio=None, headers=None, **options):
        body = helpers.push_body(call, audio) if body is None else body
        given = helpers.signed(body, service.clock, **options) | (headers or {})
        return client.post("/v1/calls", content=body, headers=given)

    return push


@pytest.fixture
def landed(service):
    return lambda: [
        path.name
        for path in service.site.landing.rglob("*")
        if path.is_file() and not path.name.startswith(".")
    ]


def is_problem(answer, status, *words):
    content = answer.json()
    assert answer.status_code == status, content
    assert answer.headers["content-type"] == "application/problem+json"
    assert content["status"] == status
    for word in words:
        assert word in content["detail"]
    return True


def test_a_push_is_taken(push, service, landed):
    answer = push()
    assert answer.status_code == 201
    assert answer.headers["location"] == "/v1/calls/c-1"
    assert (answer.json()["state"], answer.json()["objects"]) == ("received", [])
    call = service.ledger.get("c-1")
    assert b"".join(service.landing.read(call.landing))[:4] == b"RIFF"
    assert len(landed()) == 2
    assert call.call.parties[1].identifiers.phone is None


def test_the_parties_of_a_push_can_be_found(push, identities, helpers):
    parties = [
        {"role": "agent", "identifiers": {"customer_id": "agent-7"}},
        {
            "role": "customer",
            "jurisdiction": "GB",
            "identifiers": {"phone": "020 7946 0958", "email": "Ada@Example.org"},
        },
    ]
    assert push(call={**helpers.metadata(), "parties": parties}).status_code == 201
    assert identities(
        (IdentifierKind.CUSTOMER_ID, "agent-7", 0),
        (IdentifierKind.PHONE, "+442079460958", 1),
        (IdentifierKind.EMAIL, "ada@example.org", 1),
    ) == [("customer_id", "agent-7", 0), ("phone", "+442079460958", 1), ("email", "ada@example.org", 1)]


def test_nothing_raw_lies_on_disk(push, service, helpers):
    audio = helpers.wav()
    push(audio=audio)
    files = [
        path for path in service.site.data.rglob("*") if path.is_file() and not path.name.startswith(".")
    ]
    assert files
    pieces = [audio[at : at + 32] for at in range(100, len(audio) - 32, 997)]
    for path in files:
        content = path.read_bytes()
        assert not any(piece in content for piece in pieces)
        assert b"+4930123456" not in content


def test_the_same_push_again_is_the_same_call(push, landed):
    assert push().status_code == 201
    assert push().status_code == 200
    assert len(landed()) == 2


def test_other_content_under_the_same_id_is_refused(push, helpers, landed):
    push()
    assert is_problem(push(audio=helpers.wav(seed=1)), 409)
    assert len(landed()) == 2


@pytest.mark.parametrize("role", ["privacy", "ops"])
def test_a_key_of_another_role_pushes_nothing(push, service, landed, role):
    key = IngestKey(key_id="office", secret="o" * 40, role=KeyRole(role))
    object.__setattr__(service.site, "ingest_keys", (*service.site.ingest_keys, key))
    assert is_problem(push(key=key), 403, "role", "ingest")
    assert landed() == []


def test_an_idempotency_key_stands_for_one_push(push, helpers, landed):
    key = {"Idempotency-Key": "once"}
    assert push(headers=key).status_code == 201
    assert push(headers=key).status_code == 200
    retried = push(call=helpers.metadata("made-anew-for-the-retry"), headers=key)
    assert (retried.status_code, retried.json()["call_id"]) == (200, "c-1")
    other = push(call=helpers.metadata("c-2"), audio=helpers.wav(seed=2), headers=key)
    assert is_problem(other, 409, "idempotency key")
    assert len(landed()) == 2


def test_audio_may_come_first(push, helpers):
    call = json.dumps(helpers.metadata()).encode()
    assert push(helpers.form(("audio", helpers.wav()), ("metadata", call))).status_code == 201


def test_the_older_of_two_keys_still_signs(push, helpers):
    assert push(key=helpers.OLD_KEY).status_code == 201


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"X-Callveil-Key": "nobody"}, "X-Callveil-Key"),
        ({"X-Callveil-Key": ""}, "X-Callveil-Key"),
        ({"X-Callveil-Timestamp": "yesterday"}, "X-Callveil-Timestamp"),
        ({"X-Callveil-Timestamp": "0"}, "X-Callveil-Timestamp"),
        ({"X-Callveil-Signature": "00" * 32}, "X-Callveil-Signature"),
        ({"X-Callveil-Signature": "not hex"}, "X-Callveil-Signature"),
    ],
)
def test_what_is_not_signed_is_refused_and_leaves_nothing(push, service, landed, change, word):
    assert is_problem(push(headers=change), 401, word)
    assert landed() == []
    assert service.ledger.calls() == ()


@pytest.mark.parametrize("skew_s", [-301, 301])
def test_a_signature_that_is_too_old_or_too_young_is_refused(push, skew_s):
    assert is_problem(push(skew_s=skew_s), 401, "X-Callveil-Timestamp")
    assert push(skew_s=skew_s // 2).status_code == 201


def test_a_changed_body_is_refused(client, service, helpers, landed):
    body = helpers.push_body()
    headers = helpers.signed(body, service.clock)
    changed = body.replace(b"granted", b"unknown")
    assert is_problem(client.post("/v1/calls", content=changed, headers=headers), 401)
    assert landed() == []


@pytest.mark.parametrize(
    ("parts", "status", "words"),
    [
        ([("audio", None)], 422, ["metadata"]),
        ([("metadata", None)], 422, ["audio"]),
        ([("metadata", None), ("audio", None), ("audio", None)], 422, ["two parts", "audio"]),
        ([("metadata", None), ("audio", None), ("extra", b"x")], 422, ["metadata and audio"]),
        ([("metadata", None), ("audio", b"")], 422, ["audio"]),
        ([("metadata", None), ("audio", b"this is no sound at all")], 415, ["audio", "WAV"]),
        ([("metadata", b"{"), ("audio", None)], 422, ["document"]),
        ([("metadata", b'{"call_id": "../x"}'), ("audio", None)], 422, ["call_id"]),
        ([("metadata", b'{"call_id": "c", "consent": "sure"}'), ("audio", None)], 422, ["consent"]),
        ([("metadata", b'{"call_id": "c", "secret_name": "Lund"}'), ("audio", None)], 422, ["unknown field"]),
        ([("metadata", b" " * (2**20 + 1)), ("audio", None)], 413, ["metadata"]),
    ],
)
def test_a_wrong_push_is_explained_and_leaves_nothing(push, helpers, landed, service, parts, status, words):
    whole = {"metadata": json.dumps(helpers.metadata()).encode(), "audio": helpers.wav()}
    body = helpers.form(*((name, whole[name] if content is None else content) for name, content in parts))
    answer = push(body)
    assert is_problem(answer, status, *words)
    assert "sure" not in answer.text
    assert "Lund" not in answer.text
    assert landed() == []
    assert service.ledger.calls() == ()


@pytest.mark.parametrize(
    ("content_type", "status"),
    [("application/json", 415), ("multipart/form-data", 415), ("multipart/form-data; boundary=other", 422)],
)
def test_another_content_type_is_refused(push, content_type, status):
    assert is_problem(push(headers={"Content-Type": content_type}), status)


def test_a_body_that_ends_early_is_refused(push, helpers, landed):
    assert is_problem(push(helpers.push_body()[:-30]), 422)
    assert landed() == []


@pytest.mark.parametrize("service", [{"limits": {"max_bytes": 20000}}], indirect=True)
def test_audio_that_is_too_large_is_refused(push, landed):
    assert is_problem(push(), 413, "20000")
    assert landed() == []


@pytest.mark.parametrize("service", [{"service": {"max_waiting": 1}}], indirect=True)
def test_too_many_waiting_calls_hold_pushes_back(client, service, helpers, push):
    assert push().status_code == 201
    with TestClient(build_api(service)) as fresh:
        body = helpers.push_body(helpers.metadata("c-2"))
        answer = fresh.post("/v1/calls", content=body, headers=helpers.signed(body, service.clock))
    assert is_problem(answer, 429)
    assert int(answer.headers["retry-after"]) > 0


def broken(error):
    def fail(*args, **kwargs):
        raise error

    return fail


def test_a_ledger_that_fails_is_told_and_nothing_stays(service, helpers, landed, monkeypatch):
    monkeypatch.setattr(type(service.ledger), "accept", broken(LedgerError("ledger: away")))
    body = helpers.push_body()
    with TestClient(build_api(service)) as client:
        answer = client.post("/v1/calls", content=body, headers=helpers.signed(body, service.clock))
    assert is_problem(answer, 503)
    assert answer.headers["retry-after"]
    assert landed() == []


def test_a_full_disk_is_told(service, helpers, monkeypatch):
    monkeypatch.setattr(type(service.landing), "begin", broken(LandingError("landing: no space left")))
    body = helpers.push_body()
    with TestClient(build_api(service)) as client:
        answer = client.post("/v1/calls", content=body, headers=helpers.signed(body, service.clock))
    assert is_problem(answer, 503)


def test_an_unknown_error_shows_its_kind_only(service, helpers, monkeypatch):
    monkeypatch.setattr(type(service.ledger), "accept", broken(ValueError("my name is Tobias Lund")))
    body = helpers.push_body()
    with TestClient(build_api(service), raise_server_exceptions=False) as client:
        answer = client.post("/v1/calls", content=body, headers=helpers.signed(body, service.clock))
    assert is_problem(answer, 500, "ValueError")
    assert "Lund" not in answer.text


@pytest.fixture
def answer_consent(client, service, helpers):
    def send(content, call_id="c-1"):
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        headers = helpers.signed(body, service.clock) | {"Content-Type": "application/json"}
        return client.patch(f"/v1/calls/{call_id}/consent", content=body, headers=headers)

    return send


@pytest.mark.parametrize(
    ("given", "update", "before", "after"),
    [
        ("unknown", "granted", CallState.HELD, CallState.KEPT),
        ("unknown", "denied", CallState.HELD, CallState.DISCARDED),
        ("granted", "denied", CallState.KEPT, CallState.DISCARDED),
        ("granted", {"flag": "withdrawn", "withdrawn_at_s": 42.5}, CallState.KEPT, CallState.KEPT),
        ("granted", {"recording": "denied"}, CallState.KEPT, CallState.DISCARDED),
        ("unknown", {"recording": "granted"}, CallState.HELD, CallState.HELD),
        (
            "unknown",
            {"recording": "granted", "transcription": {"flag": "granted", "party": "customer"}},
            CallState.HELD,
            CallState.HELD,
        ),
    ],
)
def test_an_answer_is_decided_anew(push, answer_consent, service, helpers, given, update, before, after):
    push(call=helpers.metadata(consent=given))
    assert decide_call("c-1", service, "w").state is before
    answer = answer_consent({"consent": update})
    assert (answer.status_code, answer.json()["state"]) == (200, "received")
    assert decide_call("c-1", service, "w").state is after
    assert service.ledger.consent_history("c-1")[-1][1] == "key:key-1"


def test_a_discarded_call_is_shredded(push, service, helpers, landed):
    push(call=helpers.metadata(consent="denied"))
    assert decide_call("c-1", service, "w").state is CallState.DISCARDED
    assert landed() == []
    assert service.ledger.get("c-1").landing is None
    assert [stored.key for stored in service.store.list_objects("")] == ["decisions/2026/11/23/c-1.json"]


@pytest.mark.parametrize(
    "content",
    [b"{", {}, {"consent": "sure"}, {"consent": {}}, {"consent": None}, {"consent": "granted", "x": 1},
     {"consent": {"flag": "granted", "party": "supervisor"}}, {"consent": {"recording": []}}],
)  # fmt: skip
def test_a_wrong_answer_changes_nothing(push, answer_consent, service, content):
    push()
    assert is_problem(answer_consent(content), 422)
    assert service.ledger.get("c-1").consent_version == service.ledger.get("c-1").consent_version
    assert len(service.ledger.consent_history("c-1")) == 4


def test_an_answer_for_an_unknown_call(answer_consent):
    assert is_problem(answer_consent({"consent": "granted"}, "nobody"), 404)


def test_an_answer_that_is_not_signed(client, push):
    push()
    assert is_problem(client.patch("/v1/calls/c-1/consent", json={"consent": "denied"}), 401)


def get(client, service, helpers, path):
    return client.get(path, headers=helpers.signed(b"", service.clock))


def test_states_are_read_with_a_signature(client, push, service, helpers):
    push()
    assert is_problem(client.get("/v1/calls/c-1"), 401)
    assert is_problem(client.get("/v1/calls"), 401)
    answer = get(client, service, helpers, "/v1/calls/c-1")
    assert answer.json()["state"] == "received"
    assert is_problem(get(client, service, helpers, "/v1/calls/nobody"), 404)
    assert is_problem(get(client, service, helpers, "/v1/calls/.."), 404)
    assert is_problem(get(client, service, helpers, "/v1/calls/%2e%2e%2fx"), 404)
    assert is_problem(get(client, service, helpers, "/v1/calls?state=lost"), 422, "state")
    assert is_problem(get(client, service, helpers, "/v1/calls?limit=0"), 422, "limit")


def test_on_a_loopback_address_states_may_be_open(service, push):
    push()
    with TestClient(build_api(service, open_status=True)) as client:
        assert client.get("/v1/calls/c-1").json()["call_id"] == "c-1"
        assert is_problem(client.get("/v1/calls/c-1", headers={"X-Callveil-Key": "key-1"}), 401)


def test_calls_are_listed_a_page_at_a_time(client, push, service, helpers):
    for number in range(5):
        push(call=helpers.metadata(f"c-{number}", consent="denied" if number == 3 else "granted"))
    decide_call("c-3", service, "w")
    found, after = [], ""
    while after is not None:
        page = get(client, service, helpers, f"/v1/calls?limit=2{after and f'&after={after}'}").json()
        found += [call["call_id"] for call in page["calls"]]
        after = page["next_after"]
    assert found == [f"c-{number}" for number in range(5)]
    page = get(client, service, helpers, "/v1/calls?state=discarded").json()
    assert [call["call_id"] for call in page["calls"]] == ["c-3"]


def test_a_held_call_ends_discarded_at_its_deadline(push, service, helpers):
    push(call=helpers.metadata(consent="unknown"))
    assert decide_call("c-1", service, "w").state is CallState.HELD
    service.clock.advance(timedelta(days=service.rules.hold_days + 1))
    assert service.ledger.reemit(grace_s=1, now=service.clock.now()) == 1
    assert decide_call("c-1", service, "w").state is CallState.DISCARDED


def test_health_and_metrics(client, push):
    push()
    push(headers={"X-Callveil-Key": "nobody"})
    assert client.get("/healthz").json() == {"status": "alive"}
    assert client.get("/readyz").json() == {"status": "ready"}
    text = client.get("/metrics").text
    assert 'callveil_calls{state="received"} 1.0' in text
    assert 'callveil_pushes_total{status="201"} 1.0' in text
    assert 'callveil_pushes_total{status="401"} 1.0' in text
    assert "c-1" not in text


def test_readiness_follows_the_ledger(service, monkeypatch):
    monkeypatch.setattr(type(service.ledger), "counts", broken(LedgerError("ledger: away")))
    with TestClient(build_api(service)) as client:
        assert is_problem(client.get("/readyz"), 503)
        assert client.get("/healthz").status_code == 200
        assert "callveil_ledger_up 0.0" in client.get("/metrics").text


def test_every_answer_is_in_the_openapi_document(client):
    document = client.get("/v1/openapi.json").json()
    responses = document["paths"]["/v1/calls"]["post"]["responses"]
    assert {"200", "201", "401", "409", "413", "415", "422", "429", "503"} <= set(responses)
    assert "multipart/form-data" in document["paths"]["/v1/calls"]["post"]["requestBody"]["content"]
    assert {"/v1/calls", "/v1/calls/{call_id}", "/v1/calls/{call_id}/consent"} <= set(document["paths"])


def test_a_service_is_not_shown(service):
    assert "s" * 40 not in repr(dataclasses.replace(service.site))
