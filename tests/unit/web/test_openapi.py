"""The API against its own OpenAPI document: whatever fits it, and what does not, gets a documented answer."""

import hashlib

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

from callveil.web.api import build_api

CHECKS = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


class Signing:
    """Signs every request on its way into the app, so that what lies behind the signature is reached."""

    def __init__(self, app, service, helpers):
        self._app, self._service, self._helpers = app, service, helpers

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        signed = self._helpers.signed(body, self._service.clock)
        del signed["Content-Type"]
        names = {name.lower().encode() for name in signed}
        headers = [(name, value) for name, value in scope["headers"] if name.lower() not in names]
        headers += [(name.lower().encode(), value.encode()) for name, value in signed.items()]

        async def again():
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app({**scope, "headers": headers}, again, send)


@pytest.fixture
def api_schema(service, helpers):
    app = build_api(service)
    return schemathesis.openapi.from_asgi("/v1/openapi.json", Signing(app, service, helpers))


@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("/v1/calls", "POST"),
        ("/v1/calls", "GET"),
        ("/v1/calls/{call_id}", "GET"),
        ("/v1/calls/{call_id}/consent", "PATCH"),
    ],
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
    assert statuses


def test_the_signature_is_over_the_body(helpers, service):
    signed = helpers.signed(b"body", service.clock)
    stamp = signed["X-Callveil-Timestamp"]
    digest = hashlib.sha256(b"body").hexdigest()
    assert signed["X-Callveil-Signature"] == helpers.sign("s" * 40, stamp, digest)
