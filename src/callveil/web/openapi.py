"""What the OpenAPI document says beyond what FastAPI reads from the code."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from pydantic import BaseModel

from callveil.adapters.call_document import CallDocument, ConsentUpdateDocument
from callveil.config import KeyRole
from callveil.web.signatures import KEY_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER

API_DESCRIPTION = (
    "Pushes are signed: hex HMAC-SHA256, with the key's secret, of timestamp + '.' + sha256hex(body). "
    "Requests to the office (retention, rights; those with x-callveil-roles) are signed over timestamp "
    "+ '.' + METHOD + '.' + path and query + '.' + sha256hex(body). Errors are problem+json (RFC 9457)."
)

_PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "Names fields and what is allowed, never a value."},
        "code": {"type": "string", "description": "Family of the error, as in README."},
    },
}

_WORDS = {
    200: "Taken before: same call, same content",
    401: "Not signed, or not by a known key",
    403: "Not with a key of this role",
    404: "No such call",
    409: "The id or the idempotency key stands for something else",
    413: "Too large",
    415: "No audio of an allowed kind",
    422: "Wrong content",
    429: "Too much at once; see Retry-After",
    503: "Not available now; see Retry-After",
}


def answers(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Documented answers beside the usual one, and 400."""
    found: dict[int | str, dict[str, Any]] = {}
    for status in (400, *statuses):
        content = {} if status == 200 else {"application/problem+json": {"schema": _PROBLEM}}
        found[status] = {"description": _WORDS.get(status, "Bad request")}
        if content:
            found[status]["content"] = content
    return found


def _header(name: str, description: str, pattern: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "header",
        "required": True,
        "description": description,
        "schema": {"type": "string", "pattern": pattern},
    }


_SIGNED = [
    _header(KEY_HEADER, "Id of the key.", "^[!-~]{1,256}$"),
    _header(TIMESTAMP_HEADER, "Whole seconds since 1970.", "^[0-9]{1,12}$"),
    _header(SIGNATURE_HEADER, "Hex HMAC-SHA256.", "^[0-9a-f]{64}$"),
]


def _inline(model: Any) -> dict[str, Any]:
    """A schema whose references point into itself, as it stands in a larger document."""
    schema: dict[str, Any] = model.model_json_schema()
    definitions = schema.pop("$defs", {})

    def resolve(value: Any) -> Any:
        if isinstance(value, dict):
            if "$ref" in value:
                return resolve(definitions[value["$ref"].removeprefix("#/$defs/")])
            return {
                key: resolve(item) for key, item in value.items() if key not in ("title", "discriminator")
            }
        return [resolve(item) for item in value] if isinstance(value, list) else value

    resolved: dict[str, Any] = resolve(schema)
    return resolved


_SENT = [
    _header("X-Callveil-Recipient", "Name of the recipient.", "^[A-Za-z0-9._-]{1,64}$"),
    *_SIGNED[1:],
]

_OFFICE_WORDS = {
    202: "Begun; what is left is in the answer, and is done by the service",
    404: "There is none",
    409: "A rule forbids it: a hold, a closed request, something under way",
    503: "Not available now, or not set up; see Retry-After",
}


def for_office(
    body: type[BaseModel] | None, roles: Collection[KeyRole], *, also: Mapping[int, str] | None = None
) -> dict[str, Any]:
    """What a route of the office tells FastAPI of its answers, its signature and its body.

    Args:
        body: Model of the JSON body; None for no body.
        roles: Of the keys that it answers; none for recipients, who sign with their own secret.
        also: Further answers that are no errors: status to words.
    """
    responses = answers(401, 403, 404, 409, 413, 422, 503)
    for status in responses.keys() & _OFFICE_WORDS.keys():
        responses[status]["description"] = _OFFICE_WORDS[int(status)]
    for status, words in (also or {}).items():
        responses[status] = {"description": words, "content": {"application/json": {}}}
    extra: dict[str, Any] = {"parameters": _SIGNED if roles else _SENT}
    if roles:
        extra["x-callveil-roles"] = sorted(roles)
    if body is not None:
        extra["requestBody"] = {"required": True, "content": {"application/json": {"schema": _inline(body)}}}
    return {"responses": responses, "openapi_extra": extra}


POST_CALLS: dict[str, Any] = {
    "parameters": _SIGNED,
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["metadata", "audio"],
                    "properties": {
                        "metadata": _inline(CallDocument),
                        "audio": {"type": "string", "format": "binary"},
                    },
                },
                "encoding": {"metadata": {"contentType": "application/json"}},
            }
        },
    },
}

PATCH_CONSENT: dict[str, Any] = {
    "parameters": _SIGNED,
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": _inline(ConsentUpdateDocument)}},
    },
}
