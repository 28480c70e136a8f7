"""Signing in and out.

Who guesses learns nothing: a name that nobody has, a wrong password and a user who is shut out are answered
alike and take as long, for a password is hashed each time and the same is written.
"""

from __future__ import annotations

import asyncio
import math
import secrets
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, FastAPI, Form, Query, Request, Response
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool

from callveil.kit import Service
from callveil.ports import Passwords
from callveil.vocabulary.accounts import user_name
from callveil.web.pages.access import Access, Cookies, access_of, address_of, csrf_of, digest_of, require
from callveil.web.pages.render import render
from callveil.web.problems import ProblemError

_AT_ONCE, _MOST_WAITING = 2, 32
"""Passwords that are hashed at a time, 64 MiB each; more have to wait, or to come back."""

_NOT_KNOWN = "Name and password do not fit. After several attempts you have to wait."

Next = Annotated[str, Query(alias="next", max_length=2000)]


def install(app: FastAPI, service: Service, passwords: Passwords) -> None:
    """Add /login and /logout.

    Args:
        app: The pages.
        service: Its books hold the accounts.
        passwords: Check them.
    """
    desk = _Desk(service, passwords)
    web = service.config.profile.web

    @app.get("/login")
    async def form(request: Request, target: Next = "/") -> Response:
        """The form; who is signed in goes on."""
        if access_of(request) is not None:
            return RedirectResponse(local_path(target), 303)
        return _form(request, service, target)

    @app.post("/login")
    async def sign_in(
        request: Request,
        name: Annotated[str, Form(max_length=200)] = "",
        password: Annotated[str, Form(max_length=1000)] = "",
        target: Annotated[str, Form(alias="next", max_length=2000)] = "/",
    ) -> Response:
        """Begin a session."""
        wait_s, token = await desk.enter(request, name, password)
        if token is None:
            problem = f"Too many attempts. Try again in {_words(wait_s)}." if wait_s else _NOT_KNOWN
            answer = _form(request, service, target, status=429 if wait_s else 401, problem=problem)
            if wait_s:
                answer.headers["Retry-After"] = str(math.ceil(wait_s))
            return answer
        answer = RedirectResponse(local_path(target), 303)
        cookies = Cookies(request, web)
        _set_cookie(answer, cookies.session_name, token, cookies.secure)
        _drop_cookie(answer, cookies.sign_in_name, cookies.secure)
        return answer

    @app.post("/logout")
    async def sign_out(request: Request, access: Annotated[Access, Depends(require())]) -> Response:
        """End the session."""
        if access.session is not None:
            digest, now = access.session.digest, service.clock.now()
            accounts = service.books.accounts
            await run_in_threadpool(lambda: accounts.end_session(digest, actor=access.actor, now=now))
        answer = RedirectResponse("/login", 303)
        cookies = Cookies(request, web)
        _drop_cookie(answer, cookies.session_name, cookies.secure)
        return answer


def local_path(target: str) -> str:
    """Where to go on: a path of ours, else the start. A link to the form must not lead to another site."""
    plain = target.isascii() and target.isprintable() and "\\" not in target and " " not in target
    if not plain or not target.startswith("/") or target.startswith("//"):
        return "/"
    parts = urlsplit(target)
    return "/" if parts.scheme or parts.netloc else target


class _Desk:
    def __init__(self, service: Service, passwords: Passwords) -> None:
        self._service, self._passwords = service, passwords
        self._accounts = service.books.accounts
        self._web = service.config.profile.web
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._waiting = 0

    async def enter(self, request: Request, name: str, password: str) -> tuple[float, str | None]:
        """Try to begin a session.

        Returns:
            Seconds until the next attempt may be made, 0 when this one was one; and the token of the session,
            None when none was begun.

        Raises:
            ProblemError: 503, too many are trying at once.
        """
        if self._waiting >= _MOST_WAITING:
            raise ProblemError(503, "Very many people are signing in. Try again in a moment.")
        earlier = Cookies(request, self._web).session
        self._waiting += 1
        try:
            async with self._places:
                return await run_in_threadpool(self._enter, name, password, address_of(request), earlier)
        finally:
            self._waiting -= 1

    def _enter(
        self, given: str, password: str, address: str, earlier: str | None
    ) -> tuple[float, str | None]:
        accounts, now = self._accounts, self._service.clock.now()
        name = user_name(given) or ""
        wait_s = accounts.attempt(name or given, address, now=now)
        if wait_s > 0:
            return wait_s, None
        kept = accounts.kept(name)
        if self._passwords.verify(kept, password) and kept is not None:
            token = secrets.token_urlsafe(32)
            begun = accounts.sign_in(
                name,
                digest_of(token),
                kept=kept,
                ends=[digest_of(earlier)] if earlier else [],
                address=address,
                limits=self._web.session_limits,
                now=now,
            )
            if begun is not None:
                if self._passwords.is_stale(kept):
                    accounts.refresh_password(name, kept, self._passwords.hash(password))
                return 0.0, token
        accounts.failed(name, address, now=now)
        return 0.0, None


def _form(
    request: Request, service: Service, target: str, *, status: int = 200, problem: str = ""
) -> Response:
    cookies = Cookies(request, service.config.profile.web)
    token = cookies.sign_in or secrets.token_urlsafe(32)
    request.state.csrf = csrf_of(token)
    answer = render(request, "login.html.j2", status=status, target=local_path(target), problem=problem)
    if cookies.sign_in is None:
        _set_cookie(answer, cookies.sign_in_name, token, cookies.secure)
    if status == 401:
        answer.headers["WWW-Authenticate"] = "Callveil-Form"
    return answer


def _set_cookie(answer: Response, name: str, token: str, secure: bool) -> None:
    answer.set_cookie(name, token, path="/", secure=secure, httponly=True, samesite="lax")


def _drop_cookie(answer: Response, name: str, secure: bool) -> None:
    answer.delete_cookie(name, path="/", secure=secure, httponly=True, samesite="lax")


def _words(seconds: float) -> str:
    if seconds <= 60:
        n_seconds = math.ceil(seconds)
        return "1 second" if n_seconds == 1 else f"{n_seconds} seconds"
    n_minutes = math.ceil(seconds / 60)
    return f"{n_minutes} minutes"
