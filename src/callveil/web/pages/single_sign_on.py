"""Signing in through an identity provider. Only users whom an admin entered with their identity there."""

from __future__ import annotations

import base64
import secrets
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request, Response
from fastapi.responses import RedirectResponse

from callveil.errors import SignatureError, UnavailableError
from callveil.kit import Service
from callveil.ports import IdentityProvider
from callveil.vocabulary.accounts import ExternalIdentity
from callveil.web.pages.access import Cookies, access_of, address_of, digest_of
from callveil.web.pages.password_desk import Places, begin_session, drop_cookie, have_to_wait, set_cookie
from callveil.web.pages.sign_in import local_path, sign_in_form, signed_in
from callveil.web.problems import RETRY_AFTER_S

RETURN_PATH = "/login/oidc/return"

_AT_ONCE, _MOST_WAITING = 4, 32
"""Questions to the provider at a time."""

_LASTS_S = 600
"""Until who went to the provider must be back."""

_NOT_OURS = "This sign-in was begun in another browser, or too long ago. Try again."
_NOT_VOUCHED = "The sign-in did not succeed. Try again."
_AWAY = "Single sign-on does not answer now. Try again in a moment."
_NOBODY = "You are known there, but there is no user for you here. Give an admin this identity:"

Next = Annotated[str, Query(alias="next", max_length=2000)]


def install(app: FastAPI, service: Service, provider: IdentityProvider | None) -> None:
    """Add /login/oidc, where it begins, and /login/oidc/return; nothing without a provider.

    Args:
        app: The pages.
        service: Its books hold the accounts.
        provider: Vouches for users.
    """
    if provider is None:
        return
    way = _Way(service, provider)

    @app.get("/login/oidc")
    async def begin(request: Request, target: Next = "/") -> Response:
        """Send the browser to the provider."""
        if access_of(request) is not None:
            return RedirectResponse(local_path(target), 303)
        return await way.out(request, local_path(target))

    @app.get(RETURN_PATH)
    async def finish(request: Request) -> Response:
        """Take the browser back from the provider."""
        return await way.back(request)


class _Way:
    def __init__(self, service: Service, provider: IdentityProvider) -> None:
        self._service, self._provider = service, provider
        self._web = service.config.profile.web
        self._places = Places(_AT_ONCE, _MOST_WAITING)
        # Never out of the request: who forges a Host header must not get the answer.
        self._return_url = f"{self._web.public_url}{RETURN_PATH}"

    async def out(self, request: Request, target: str) -> Response:
        secret = secrets.token_urlsafe(32)
        try:
            url = await self._places.run(lambda: self._provider.begin(secret, self._return_url))
        except UnavailableError:
            return self._away(request, target)
        answer = RedirectResponse(url, 303)
        cookies = Cookies(request, self._web)
        value = f"{secret}.{_packed(target)}"
        set_cookie(answer, cookies.provider_name, value, cookies.secure, max_age_s=_LASTS_S)
        return answer

    async def back(self, request: Request) -> Response:
        cookies = Cookies(request, self._web)
        target = _unpacked(cookies.provider_rest)
        if cookies.provider is None:
            return self._form(request, target, problem=_NOT_OURS)
        answer = await self._answer(request, cookies.provider, target)
        drop_cookie(answer, cookies.provider_name, cookies.secure)
        return answer

    async def _answer(self, request: Request, secret: str, target: str) -> Response:
        given, address = dict(request.query_params), address_of(request)
        earlier = Cookies(request, self._web).session
        try:
            wait_s, identity, token = await self._places.run(
                lambda: self._finish(given, secret, address, earlier)
            )
        except SignatureError:
            return self._form(request, target, problem=_NOT_VOUCHED)
        except UnavailableError:
            return self._away(request, target)
        if token is not None:
            return signed_in(request, self._service, token, target)
        if identity is None:
            return self._form(request, target, problem=have_to_wait(wait_s), wait_s=wait_s)
        return self._form(request, target, status=403, problem=_NOBODY, subject=identity.subject)

    def _finish(
        self, given: dict[str, str], secret: str, address: str, earlier: str | None
    ) -> tuple[float, ExternalIdentity | None, str | None]:
        """Seconds to wait, or whom the provider vouched for, and the session's token if that is a user."""
        accounts, now = self._service.books.accounts, self._service.clock.now()
        # Counted by address; of the name nobody knows anything yet.
        wait_s = accounts.attempt(f"oidc {digest_of(secret)}", address, now=now)
        if wait_s > 0:
            return wait_s, None, None
        try:
            identity = self._provider.finish(given, secret, self._return_url)
        except SignatureError:
            accounts.failed("", address, now=now)
            raise
        user, token = accounts.with_identity(identity), None
        if user is not None:
            token = begin_session(self._service, user.name, kept=None, address=address, earlier=earlier)
        if token is None:
            accounts.failed("", address, now=now)
        return 0.0, identity, token

    def _form(self, request: Request, target: str, **how: Any) -> Response:
        return sign_in_form(request, self._service, self._provider, target, **how)

    def _away(self, request: Request, target: str) -> Response:
        answer = self._form(request, target, status=503, problem=_AWAY)
        answer.headers["Retry-After"] = str(RETRY_AFTER_S)
        return answer


def _packed(target: str) -> str:
    return base64.urlsafe_b64encode(target.encode()).rstrip(b"=").decode()


def _unpacked(text: str) -> str:
    """Where to go on; the start when that cannot be read. It comes from a cookie, so it is checked again."""
    try:
        return local_path(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("ascii"))
    except ValueError:
        return "/"
