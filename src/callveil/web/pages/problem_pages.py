"""Errors for people: pages in the same look. Programs get problem+json, as from the API."""

from __future__ import annotations

from typing import cast
from urllib.parse import quote, urlsplit

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from callveil.errors import CallveilError, PrivilegeError
from callveil.kit import Service
from callveil.web.pages.access import Gate, SignInNeededError, access_of
from callveil.web.pages.render import render
from callveil.web.problems import RETRY_AFTER_S, ProblemError, problem, status_of_error

_WORDS = {
    400: ("That did not work", "The request was not complete. Go back and try again."),
    401: ("Please sign in", "Your session has ended, or you have not signed in yet."),
    403: ("Not allowed", "Your account may not do this. An admin can change that."),
    404: ("Nothing here", "There is no such page, or it is not yours to see."),
    405: ("That did not work", "This page cannot be used that way."),
    409: ("Not possible now", "A rule forbids it."),
    413: ("Too large", "What was sent is too large."),
    422: ("Something is missing or wrong", "Go back and check what was filled in."),
    429: ("Too many attempts", "Wait a little and try again."),
    500: ("Something went wrong", "It is our mistake and stands in the log. Try again later."),
    503: ("Not available now", "A part of Callveil does not answer. Try again in a moment."),
}


def install(app: FastAPI, service: Service, gate: Gate) -> None:
    """Have every error of the pages answered with one."""

    async def http_error(request: Request, error: Exception) -> Response:
        if wants_page(request) and not hasattr(request.state, "access"):
            await gate.look(request)  # no route fitted, so nobody has looked yet
        return _http_error(request, cast(HTTPException, error))

    async def forbidden(request: Request, error: Exception) -> Response:
        await run_in_threadpool(_note_refusal, request, service)
        return problem_page(request, 403, str(error))

    app.add_exception_handler(SignInNeededError, _sign_in_needed)
    app.add_exception_handler(PrivilegeError, forbidden)
    app.add_exception_handler(ProblemError, _problem_error)
    app.add_exception_handler(CallveilError, _callveil_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, http_error)
    app.add_exception_handler(Exception, _unknown_error)


def wants_page(request: Request) -> bool:
    """Whether a person reads the answer."""
    return "text/html" in request.headers.get("accept", "")


def problem_page(
    request: Request, status: int, detail: str = "", *, retry_after_s: int | None = None
) -> Response:
    """An error as who asked can read it.

    Args:
        request: What is answered.
        status: Of HTTP.
        detail: One sentence without values; the usual one when left out.
        retry_after_s: For 429 and 503.
    """
    title, usual = _WORDS.get(status, _WORDS[500 if status >= 500 else 400])
    if wants_page(request):
        answer: Response = render(
            request, "problem.html.j2", status=status, title=title, number=status, detail=detail or usual
        )
        if status in (429, 503):
            answer.headers["Retry-After"] = str(retry_after_s or RETRY_AFTER_S)
    else:
        answer = problem(status, detail or usual, retry_after_s=retry_after_s)
    if status == 401:
        answer.headers["WWW-Authenticate"] = "Bearer"
    return answer


def _note_refusal(request: Request, service: Service) -> None:
    """Who tried what they may not; the path's pattern only, for a path may hold anything."""
    access = access_of(request)
    if access is not None:
        detail = {"method": request.method, "page": request.scope["route"].path}
        service.ledger.note(
            actor=access.actor,
            action="access.refused",
            call_id=None,
            detail=detail,
            now=service.clock.now(),
        )


async def _sign_in_needed(request: Request, _: Exception) -> Response:
    if request.method != "GET" or not wants_page(request):
        answer = problem_page(request, 401)
        if "hx-request" in request.headers:
            answer.headers["HX-Redirect"] = _sign_in_address(request.headers.get("hx-current-url", ""))
        return answer
    target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return RedirectResponse(f"/login?next={quote(target, safe='')}", 303)


def _sign_in_address(page: str) -> str:
    """Where to sign in and come back to the page that htmx sits on."""
    try:
        parts = urlsplit(page)
    except ValueError:
        return "/login"
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    return f"/login?next={quote(target, safe='')}" if target else "/login"


async def _problem_error(request: Request, error: Exception) -> Response:
    error = cast(ProblemError, error)
    return problem_page(request, error.status, error.detail, retry_after_s=error.retry_after_s)


async def _callveil_error(request: Request, error: Exception) -> Response:
    status = status_of_error(cast(CallveilError, error))
    return problem_page(request, status, "" if status == 500 else str(error))


async def _validation_error(request: Request, error: Exception) -> Response:
    fields = sorted({str(each["loc"][-1]) for each in cast(RequestValidationError, error).errors()})
    return problem_page(request, 422, f"Wrong or missing: {', '.join(fields)}.")


def _http_error(request: Request, error: HTTPException) -> Response:
    answer = problem_page(request, error.status_code)
    for name, value in (error.headers or {}).items():
        answer.headers[name] = value
    return answer


async def _unknown_error(request: Request, _: Exception) -> Response:
    return problem_page(request, 500)
