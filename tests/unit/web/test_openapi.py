"""The API against its own OpenAPI document: whatever fits it, and what does not, gets a documented answer."""

import dataclasses
import hashlib
import re

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from callveil.adapters.signing_keys import KeyFolder
from callveil.adapters.webhook import sign_notice
from callveil.config import IngestKey, KeyRole
from callveil.testing import call
from callveil.vocabulary.ledger import NewCall
from callveil.vocabulary.rights import Recipient
from callveil.web.api import build_api
from callveil.web.signatures import sign_office

CHECKS = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]

KEYS = tuple(
    IngestKey(key_id=f"{role}-1", secret=role[0] * 40, role=role) for role in (KeyRole.PRIVACY, KeyRole.OPS)
)
CRM = Recipient(name="crm", kind="crm", url="https://crm.example/callveil", secret="r" * 40)
RECEIPT = re.compile(r"/v1/notices/[^/]*/receipt")

PRIVACY = [
    ("/v1/subjects/search", "POST"),
    ("/v1/subjects/export", "POST"),
    ("/v1/subjects/erasure", "POST"),
    ("/v1/subjects/restriction", "POST"),
    ("/v1/subjects/restriction/lift", "POST"),
    ("/v1/erasures/{request_id}", "GET"),
    ("/v1/calls/{call_id}/restriction", "POST"),
    ("/v1/calls/{call_id}/restriction", "DELETE"),
    ("/v1/requests", "GET"),
    ("/v1/requests/{request_id}", "GET"),
    ("/v1/requests/{request_id}/extension", "POST"),
    ("/v1/requests/{request_id}/closure", "POST"),
    ("/v1/calls/{call_id}/consent/history", "GET"),
    ("/v1/calls/{call_id}/consent/receipt", "GET"),
    ("/v1/breaches", "POST"),
    ("/v1/processing-record", "GET"),
    ("/v1/holds", "POST"),
]
OPS = [
    ("/v1/holds", "GET"),
    ("/v1/holds/{hold_id}/release", "POST"),
    ("/v1/calls/{call_id}/retention", "GET"),
    ("/v1/recipients", "GET"),
    ("/v1/notices", "GET"),
    ("/v1/notices/{notice_id}/receipt", "POST"),
    ("/v1/retention/simulation", "POST"),
    ("/v1/retention/application", "POST"),
    ("/v1/retention/sweep", "POST"),
    ("/v1/calls/{call_id}/events", "POST"),
]


def plant(service):
    """Call "0", which generated call ids hit."""
    with service.landing.begin() as writer:
        writer.write(b"raw")
        found = writer.finish()
    made = call("0")
    new = NewCall(
        call=made, landing=found.token, source="push", content_sha256=found.sha256, n_bytes=found.n_bytes
    )
    service.ledger.accept(new, actor="test", now=service.clock.now())


class Signing:
    """Signs every request on its way into the app, so that what lies behind the signature is reached."""

    def __init__(self, app, service, helpers, role):
        self._app, self._service, self._helpers, self._role = app, service, helpers, role

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        signed = self._signed(scope, body)
        names = {name.lower().encode() for name in signed}
        headers = [(name, value) for name, value in scope["headers"] if name.lower() not in names]
        headers += [(name.lower().encode(), value.encode()) for name, value in signed.items()]

        async def again():
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app({**scope, "headers": headers}, again, send)

    def _signed(self, scope, body):
        path = scope["raw_path"].decode() + (f"?{query.decode()}" if (query := scope["query_string"]) else "")
        stamp = str(int(self._service.clock.now().timestamp()))
        if RECEIPT.fullmatch(path):
            signature, who = sign_notice(CRM.secret, stamp, path, body), ("X-Callveil-Recipient", CRM.name)
        elif self._role is not None:
            key = next(key for key in KEYS if key.role is self._role)
            digest = hashlib.sha256(body).hexdigest()
            signature = sign_office(key.secret, stamp, scope["method"], path, digest)
            who = ("X-Callveil-Key", key.key_id)
        else:
            signed = self._helpers.signed(body, self._service.clock)
            del signed["Content-Type"]
            return signed
        return {"X-Callveil-Timestamp": stamp, "X-Callveil-Signature": signature, who[0]: who[1]}


@pytest.fixture
def api_schema(service, helpers, tmp_path, request):
    KeyFolder(tmp_path / "keys", service.clock).create()
    site = dataclasses.replace(
        service.site, ingest_keys=(*service.site.ingest_keys, *KEYS), recipients=(CRM,)
    )
    service = dataclasses.replace(service, site=site)
    app = build_api(service)
    plant(service)
    role = getattr(request, "param", None)
    return schemathesis.openapi.from_asgi("/v1/openapi.json", Signing(app, service, helpers, role))


@pytest.mark.parametrize(
    ("api_schema", "path", "method"),
    [
        (None, "/v1/calls", "POST"),
        (None, "/v1/calls", "GET"),
        (None, "/v1/calls/{call_id}", "GET"),
        (None, "/v1/calls/{call_id}/consent", "PATCH"),
        *((KeyRole.PRIVACY, *each) for each in PRIVACY),
        *((KeyRole.OPS, *each) for each in OPS),
    ],
    indirect=["api_schema"],
)
@pytest.mark.parametrize("mode", list(GenerationMode))
def test_every_answer_is_documented(api_schema, path, method, mode):
    statuses = set()

    @given(case=api_schema[path][method].as_strategy(generation_mode=mode))
    @settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    def answers(case):
        response = case.call()
        statuses.add(response.status_code)
        assert response.status_code < 500
        case.validate_response(response, checks=CHECKS)

    answers()
    assert statuses - {401, 403}


def test_the_signature_is_over_the_body(helpers, service):
    signed = helpers.signed(b"body", service.clock)
    stamp = signed["X-Callveil-Timestamp"]
    digest = hashlib.sha256(b"body").hexdigest()
    assert signed["X-Callveil-Signature"] == helpers.sign("s" * 40, stamp, digest)
