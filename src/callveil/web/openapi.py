"""What the OpenAPI document says beyond what FastAPI reads from the code."""

from __future__ import annotations

from typing import Any

from callveil.adapters.call_document import CallDocument, ConsentUpdateDocument
from callveil.web.signatures import KEY_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER

API_DESCRIPTION = (
    "Pushes are signed: hex HMAC-SHA256, with the key's secret, of timestamp + '.' + sha256hex(body). "
    "Errors are problem+json (RFC 9457)."
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
