"""Errors as problem+json (RFC 9457): what is wrong, where, and what is allowed. Never a value."""

from __future__ import annotations

from typing import Any, cast

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from callveil.errors import (
    AudioError,
    CallveilError,
    LandingError,
    LedgerError,
    MetadataError,
    NotFoundError,
    PrivilegeError,
    RefusedError,
    SignatureError,
    StoreError,
    UnavailableError,
)

_STATUS: tuple[tuple[type[CallveilError], int], ...] = (
    (SignatureError, 401),
    (PrivilegeError, 403),
    (NotFoundError, 404),
    (RefusedError, 409),
    (AudioError, 415),
    (MetadataError, 422),
    (LedgerError, 503),
    (LandingError, 503),
    (StoreError, 503),
    (UnavailableError, 503),
)
"""The first that fits."""

_TITLES = {
    400: "Bad request",
    401: "Not signed, or not by a known key",
    403: "Not with this key",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    411: "Length required",
    413: "Too large",
    415: "No audio of an allowed kind",
    422: "Wrong content",
    429: "Too much at once",
    500: "Internal error",
    503: "Not available now",
}

RETRY_AFTER_S = 5


class ProblemError(Exception):
    """An answer that is an error.

    Args:
        status: HTTP status.
        detail: One sentence; names fields and what is allowed, never a value.
        retry_after_s: For 429 and 503.
        code: Family of the error.
    """

    def __init__(
        self, status: int, detail: str, *, retry_after_s: int | None = None, code: str | None = None
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.retry_after_s, self.code = status, detail, retry_after_s, code


def install(app: FastAPI) -> None:
    """Have every error of an app answered as problem+json."""
    app.add_exception_handler(ProblemError, _problem_error)
    app.add_exception_handler(CallveilError, _callveil_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _unknown_error)


def status_of_error(error: ProblemError | CallveilError) -> int:
    """HTTP status of an error."""
    if isinstance(error, ProblemError):
        return error.status
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)


def problem(
    status: int, detail: str, *, code: str | None = None, retry_after_s: int | None = None
) -> JSONResponse:
    """An error answer."""
    content: dict[str, Any] = {
        "type": "about:blank",
        "title": _TITLES.get(status, "Error"),
        "status": status,
        "detail": detail,
    }
    if code is not None:
        content["code"] = code
    headers = {"Cache-Control": "no-store"}
    if status in (429, 503):
        headers["Retry-After"] = str(retry_after_s or RETRY_AFTER_S)
    if status == 401:
        headers["WWW-Authenticate"] = "Callveil-HMAC-SHA256"
    return JSONResponse(content, status, headers, media_type="application/problem+json")


async def _problem_error(_: Request, error: Exception) -> JSONResponse:
    error = cast(ProblemError, error)
    return problem(error.status, error.detail, code=error.code, retry_after_s=error.retry_after_s)


async def _callveil_error(_: Request, error: Exception) -> JSONResponse:
    error = cast(CallveilError, error)
    status = status_of_error(error)
    if status == 500:
        return problem(500, "The service is not set up rightly; its log says more.", code=error.code)
    return problem(status, str(error), code=error.code)


async def _validation_error(_: Request, error: Exception) -> JSONResponse:
    error = cast(RequestValidationError, error)
    # pydantic's own text would quote the input.
    fields = sorted({".".join(str(part) for part in each["loc"]) for each in error.errors()})
    return problem(422, f"wrong or missing: {', '.join(fields)}; the OpenAPI document says what is allowed")


async def _http_error(_: Request, error: Exception) -> JSONResponse:
    error = cast(HTTPException, error)
    answer = problem(error.status_code, _TITLES.get(error.status_code, "Error"))
    for name, value in (error.headers or {}).items():
        answer.headers[name] = value
    return answer


async def _unknown_error(_: Request, error: Exception) -> JSONResponse:
    return problem(500, f"An error nobody expected: {type(error).__name__}.", code="internal")
