"""Signing in and out.

Who guesses learns nothing: a name that nobody has, a wrong password and a user who is shut out are answered
alike and take as long, for a password is hashed each time and the same is written.
"""

from __future__ import annotations

import math
import secrets
from typing import Annotated
from urllib.parse import quote, urlsplit

from fastapi import Depends, FastAPI, Form, Query, Request, Response
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool

from callveil.kit import Service
from callveil.ports import IdentityProvider
from callveil.web.pages.access import Access, Cookies, access_of, csrf_of, require
from callveil.web.pages.password_desk import PasswordDesk, drop_cookie, have_to_wait, set_cookie
from callveil.web.pages.render import render

_NOT_KNOWN = "Name and password do not fit. After several attempts you have to wait."

Next = Annotated[str, Query(alias="next", max_length=2000)]


def install(app: FastAPI, service: Service, desk: PasswordDesk, provider: IdentityProvider | None) -> None:
    """Add /login and /logout.

    Args:
        app: The pages.
        service: Its books hold the accounts.
        desk: Checks passwords.
        provider: Vouches for users; None for nobody.
    """
    web = service.config.profile.web

    @app.get("/login")
    async def form(request: Request, target: Next = "/") -> Response:
        """The form; who is signed in goes on."""
        if access_of(request) is not None:
            return RedirectResponse(local_path(target), 303)
        return sign_in_form(request, service, provider, target)

    @app.post("/login")
    async def sign_in(
        request: Request,
        name: Annotated[str, Form(max_length=200)] = "",
        password: Annotated[str, Form(max_length=1000)] = "",
        target: Annotated[str, Form(alias="next", max_length=2000)] = "/",
    ) -> Response:
        """Begin a session."""
        wait_s, token = await desk.enter(request, name, password)
        if token is not None:
            return signed_in(request, service, token, target)
        problem = have_to_wait(wait_s) if wait_s else _NOT_KNOWN
        return sign_in_form(request, service, provider, target, problem=problem, wait_s=wait_s)

    @app.post("/logout")
    async def sign_out(request: Request, access: Annotated[Access, Depends(require())]) -> Response:
        """End the session."""
        if access.session is not None:
            digest, now = access.session.digest, service.clock.now()
            accounts = service.books.accounts
            await run_in_threadpool(lambda: accounts.end_session(digest, actor=access.actor, now=now))
        answer = RedirectResponse("/login", 303)
        cookies = Cookies(request, web)
        drop_cookie(answer, cookies.session_name, cookies.secure)
        return answer


def local_path(target: str) -> str:
    """Where to go on: a path of ours, else the start. A link to the form must not lead to another site."""
    plain = target.isascii() and target.isprintable() and "\\" not in target and " " not in target
    if not plain or not target.startswith("/") or target.startswith("//"):
        return "/"
    parts = urlsplit(target)
    return "/" if parts.scheme or parts.netloc else target


def signed_in(request: Request, service: Service, token: str, target: str) -> Response:
    """The answer that begins a session in the browser."""
    answer = RedirectResponse(local_path(target), 303)
    cookies = Cookies(request, service.config.profile.web)
    set_cookie(answer, cookies.session_name, token, cookies.secure)
    drop_cookie(answer, cookies.sign_in_name, cookies.secure)
    return answer


def sign_in_form(
    request: Request,
    service: Service,
    provider: IdentityProvider | None,
    target: str,
    *,
    status: int = 401,
    problem: str = "",
    wait_s: float = 0.0,
    subject: str | None = None,
) -> Response:
    """The form.

    Args:
        request: What is answered.
        service: For the settings.
        provider: Gets a button when there is one.
        target: Where to go on.
        status: Of HTTP, when there is a problem.
        problem: What went wrong; empty when nothing did.
        wait_s: Seconds until the next attempt may be made.
        subject: Whom the provider vouched for, when that is nobody's here.
    """
    cookies = Cookies(request, service.config.profile.web)
    token = cookies.sign_in or secrets.token_urlsafe(32)
    request.state.csrf = csrf_of(token)
    path = local_path(target)
    status = 429 if wait_s else status if problem else 200
    answer = render(
        request,
        "login.html.j2",
        status=status,
        target=path,
        problem=problem,
        provider=None if provider is None else provider.name,
        provider_url=f"/login/oidc?next={quote(path, safe='')}",
        subject=subject,
    )
    if cookies.sign_in is None:
        set_cookie(answer, cookies.sign_in_name, token, cookies.secure)
    if status == 401:
        answer.headers["WWW-Authenticate"] = "Callveil-Form"
    if wait_s:
        answer.headers["Retry-After"] = str(math.ceil(wait_s))
    return answer
