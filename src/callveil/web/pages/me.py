"""One's own account: password, sessions, tokens."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, FastAPI, Form, Request, Response
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool

from callveil.errors import MetadataError, NotFoundError
from callveil.kit import Service
from callveil.vocabulary.accounts import ApiToken, Session, User
from callveil.web.pages.access import Access, Cookies, require
from callveil.web.pages.password_desk import PasswordDesk, have_to_wait, set_cookie
from callveil.web.pages.render import render

_DONE = {
    "password": "You have another password. Your other sessions have ended.",
    "session": "The session has ended.",
    "sessions": "Your other sessions have ended.",
    "token": "The token is revoked.",
}
"""What is said after a change, by a word in the address."""

Anybody = Annotated[Access, Depends(require())]


def install(app: FastAPI, service: Service, desk: PasswordDesk) -> None:
    """Add /me.

    Args:
        app: The pages.
        service: Its books hold the accounts.
        desk: Checks and makes passwords.
    """
    page = _Page(service)

    @app.get("/me")
    async def me(request: Request, access: Anybody, done: str = "") -> Response:
        """The account of who asks."""
        return await page.show(request, access, done=_DONE.get(done, ""))

    @app.post("/me/password")
    async def password(
        request: Request,
        access: Anybody,
        old: Annotated[str, Form(max_length=1000)] = "",
        new: Annotated[str, Form(max_length=1000)] = "",
        again: Annotated[str, Form(max_length=1000)] = "",
    ) -> Response:
        """Another password, for who knows the old one."""
        if new != again:
            return await page.show(request, access, status=422, problem="The new passwords are not the same.")
        try:
            wait_s, token = await desk.change(request, access.user.name, old, new)
        except MetadataError as error:
            return await page.show(request, access, status=422, problem=str(error))
        if token is None:
            problem = have_to_wait(wait_s) if wait_s else "The present password is another one."
            return await page.show(request, access, status=429 if wait_s else 403, problem=problem)
        answer = RedirectResponse("/me?done=password", 303)
        cookies = Cookies(request, service.config.profile.web)
        set_cookie(answer, cookies.session_name, token, cookies.secure)
        return answer

    @app.post("/me/sessions")
    async def end_sessions(access: Anybody, end: Annotated[str, Form(max_length=64)] = "others") -> Response:
        """End one other session, or all others."""
        n_ended = await run_in_threadpool(page.end_sessions, access, end)
        return RedirectResponse(f"/me?done={'session' if n_ended == 1 else 'sessions'}", 303)

    @app.post("/me/tokens")
    async def revoke_token(access: Anybody, revoke: Annotated[str, Form(max_length=64)]) -> Response:
        """Make a token of one's own good for nothing."""
        await run_in_threadpool(page.revoke, access, revoke)
        return RedirectResponse("/me?done=token", 303)


class _Page:
    def __init__(self, service: Service) -> None:
        self._service, self._accounts = service, service.books.accounts
        self._limits = service.config.profile.web.session_limits

    async def show(self, request: Request, access: Access, *, status: int = 200, **said: str) -> Response:
        user, sessions, tokens = await run_in_threadpool(self._read, access.user.name)
        now = self._service.clock.now()
        values: dict[str, Any] = {"done": "", "problem": "", **said}
        return render(
            request,
            "me.html.j2",
            status=status,
            user=user,
            sessions=sessions,
            own=access.session.digest if access.session else "",
            tokens=[token for token in tokens if is_good(token, now)],
            **values,
        )

    def end_sessions(self, access: Access, which: str) -> int:
        own = access.session.digest if access.session else ""
        now = self._service.clock.now()
        others = [
            each.digest
            for each in self._accounts.sessions(access.user.name, limits=self._limits, now=now)
            if each.digest != own and which in ("others", each.digest)
        ]
        for digest in others:
            self._accounts.end_session(digest, actor=access.actor, now=now)
        return len(others)

    def revoke(self, access: Access, token_id: str) -> None:
        if token_id not in {token.token_id for token in self._accounts.tokens(access.user.name)}:
            raise NotFoundError("there is no such token")
        self._accounts.revoke_token(token_id, actor=access.actor, now=self._service.clock.now())

    def _read(self, name: str) -> tuple[User, tuple[Session, ...], tuple[ApiToken, ...]]:
        now = self._service.clock.now()
        sessions = self._accounts.sessions(name, limits=self._limits, now=now)
        return self._accounts.get(name), sessions, self._accounts.tokens(name)


def is_good(token: ApiToken, now: Any) -> bool:
    """Whether a token is neither revoked nor expired."""
    return token.revoked_at is None and token.expires_at > now
