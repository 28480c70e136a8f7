"""Where passwords are checked and made, a few at a time, and sessions begin."""

from __future__ import annotations

import asyncio
import math
import secrets
from collections.abc import Callable
from typing import TypeVar

from fastapi import Request, Response
from starlette.concurrency import run_in_threadpool

from callveil.errors import RefusedError
from callveil.kit import Service
from callveil.ports import Passwords
from callveil.vocabulary.accounts import user_name
from callveil.web.pages.access import Cookies, address_of, digest_of
from callveil.web.problems import ProblemError

_AT_ONCE, _MOST_WAITING = 2, 32
"""Passwords that are hashed at a time, 64 MiB each; more have to wait, or to come back."""

T = TypeVar("T")


class Places:
    """So many at a time, so many waiting.

    Args:
        at_once: May work at a time.
        waiting: May wait besides.
    """

    def __init__(self, at_once: int, waiting: int) -> None:
        self._places, self._waiting, self._most = asyncio.Semaphore(at_once), 0, waiting

    async def run(self, work: Callable[[], T]) -> T:
        """Do something slow in a thread.

        Raises:
            ProblemError: 503, too many want to at once.
        """
        if self._waiting >= self._most:
            raise ProblemError(503, "Very many people are signing in. Try again in a moment.")
        self._waiting += 1
        try:
            async with self._places:
                return await run_in_threadpool(work)
        finally:
            self._waiting -= 1


class PasswordDesk:
    """Checks and makes passwords.

    Args:
        service: Its books hold the accounts.
        passwords: Check them.
    """

    def __init__(self, service: Service, passwords: Passwords) -> None:
        self._service, self._passwords = service, passwords
        self._accounts = service.books.accounts
        self._web = service.config.profile.web
        self._places = Places(_AT_ONCE, _MOST_WAITING)

    async def enter(self, request: Request, name: str, password: str) -> tuple[float, str | None]:
        """Try to begin a session.

        Returns:
            Seconds until the next attempt may be made, 0 when this one was one; and the token of the session,
            None when none was begun.

        Raises:
            ProblemError: 503, too many are trying at once.
        """
        earlier, address = Cookies(request, self._web).session, address_of(request)
        return await self._places.run(lambda: self._enter(name, password, address, earlier))

    async def hash(self, password: str) -> str:
        """What is kept of a new password.

        Raises:
            MetadataError: It is too short or too long.
            ProblemError: 503, too many are trying at once.
        """
        return await self._places.run(lambda: self._passwords.hash(password))

    async def change(self, request: Request, name: str, old: str, new: str) -> tuple[float, str | None]:
        """Give a user another password. All sessions end, and a new one begins.

        Returns:
            As `enter`.

        Raises:
            MetadataError: The new one is too short or too long.
            RefusedError: The user has no password, and so gets none here.
            ProblemError: 503, too many are trying at once.
        """
        address = address_of(request)
        return await self._places.run(lambda: self._change(name, old, new, address))

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
            token = self._begin(name, kept, address, earlier)
            if token is not None:
                if self._passwords.is_stale(kept):
                    accounts.refresh_password(name, kept, self._passwords.hash(password))
                return 0.0, token
        accounts.failed(name, address, now=now)
        return 0.0, None

    def _change(self, name: str, old: str, new: str, address: str) -> tuple[float, str | None]:
        accounts, now = self._accounts, self._service.clock.now()
        kept = accounts.kept(name)
        if kept is None:
            raise RefusedError("there is no password to change")
        fresh = self._passwords.hash(new)
        # Who found an open browser must not guess on.
        wait_s = accounts.attempt(name, address, now=now)
        if wait_s > 0:
            return wait_s, None
        if not self._passwords.verify(kept, old):
            accounts.failed(name, address, now=now)
            return 0.0, None
        accounts.set_password(name, fresh, actor=f"user:{name}", now=now)
        return 0.0, self._begin(name, fresh, address, None)

    def _begin(self, name: str, kept: str, address: str, earlier: str | None) -> str | None:
        return begin_session(self._service, name, kept=kept, address=address, earlier=earlier)


def begin_session(
    service: Service, name: str, *, kept: str | None, address: str, earlier: str | None
) -> str | None:
    """Begin a session.

    Args:
        service: Its books hold the accounts.
        name: Of the user.
        kept: Of the password that was checked; None when an identity provider vouched.
        address: Where from.
        earlier: Token of the browser's earlier session, which ends.

    Returns:
        The token of the session; None when the user was shut out or has another password by now.
    """
    token = secrets.token_urlsafe(32)
    begun = service.books.accounts.sign_in(
        name,
        digest_of(token),
        kept=kept,
        ends=[digest_of(earlier)] if earlier else [],
        address=address,
        limits=service.config.profile.web.session_limits,
        now=service.clock.now(),
    )
    return None if begun is None else token


def set_cookie(
    answer: Response, name: str, value: str, secure: bool, *, max_age_s: int | None = None
) -> None:
    """Have a browser keep something for us, out of reach of scripts and of other sites' requests."""
    answer.set_cookie(name, value, path="/", max_age=max_age_s, secure=secure, httponly=True, samesite="lax")


def drop_cookie(answer: Response, name: str, secure: bool) -> None:
    """Have a browser forget it."""
    answer.delete_cookie(name, path="/", secure=secure, httponly=True, samesite="lax")


def have_to_wait(wait_s: float) -> str:
    """What is said to who has to wait."""
    return f"Too many attempts. Try again in {_words(wait_s)}."


def _words(seconds: float) -> str:
    if seconds <= 60:
        n_seconds = math.ceil(seconds)
        return "1 second" if n_seconds == 1 else f"{n_seconds} seconds"
    n_minutes = math.ceil(seconds / 60)
    return f"{n_minutes} minutes"
