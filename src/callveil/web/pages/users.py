"""Users, for admins: who there is, what they may, how they sign in, their tokens."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

from fastapi import Depends, FastAPI, Form, Request, Response
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool

from callveil.errors import MetadataError, NotFoundError, RefusedError
from callveil.kit import Service, new_token
from callveil.vocabulary.accounts import Scope, User, WebRole
from callveil.web.pages.access import Access, require
from callveil.web.pages.me import is_good
from callveil.web.pages.password_desk import PasswordDesk
from callveil.web.pages.render import render
from callveil.web.pages.user_forms import (
    PRIVILEGE_WORDS,
    ROLE_WORDS,
    SCOPE_WORDS,
    check_days,
    check_other,
    identity_of,
    name_of,
    rights_of,
    words_of,
)
from callveil.web.problems import status_of_error

_DONE = {
    "new": "The user is entered.",
    "rights": "Changed. It counts from the next request on.",
    "password": "The user has another password. Sessions have ended.",
    "identity": "Changed. Sessions have ended.",
    "disabled": "The user is shut out. Sessions have ended and tokens are revoked.",
    "enabled": "The user may sign in again. Revoked tokens stay so.",
    "token": "The token is revoked.",
}
"""What is said after a change, by a word in the address."""

Admin = Annotated[Access, Depends(require(WebRole.ADMIN))]
_ADMINS = [Depends(require(WebRole.ADMIN))]
Words = Annotated[list[str], Form(max_length=20)]
Text = Annotated[str, Form(max_length=25_000)]
Short = Annotated[str, Form(max_length=1000)]


def install(app: FastAPI, service: Service, desk: PasswordDesk) -> None:
    """Add /users and what lies below it.

    Args:
        app: The pages.
        service: Its books hold the accounts.
        desk: Makes passwords.
    """
    pages = _Pages(service)
    _add_list(app, pages)
    _add_new(app, pages, desk)
    _add_changes(app, pages, desk)
    _add_tokens(app, pages)


def _add_list(app: FastAPI, pages: _Pages) -> None:
    @app.get("/users", dependencies=_ADMINS)
    async def users(request: Request) -> Response:
        """Everybody."""
        found, tokens = await run_in_threadpool(pages.everybody)
        return render(request, "users.html.j2", users=found, tokens=tokens, provider=pages.issuer)

    # Before /users/{name}, which fits it too; nobody is called "new".
    @app.get("/users/new", dependencies=_ADMINS)
    async def new(request: Request) -> Response:
        """The form for somebody new."""
        return pages.form(request)


def _add_new(app: FastAPI, pages: _Pages, desk: PasswordDesk) -> None:
    @app.post("/users/new")
    async def add(
        request: Request,
        access: Admin,
        name: Short = "",
        roles: Words = [],  # noqa: B006  FastAPI makes a new one
        privileges: Words = [],  # noqa: B006
        queues: Text = "",
        password: Short = "",
        subject: Short = "",
    ) -> Response:
        """Enter somebody."""
        given = {"name": name, "roles": roles, "privileges": privileges, "queues": queues, "subject": subject}
        try:
            known, rights = name_of(name), rights_of(roles, privileges, queues)
            identity = identity_of(subject, pages.issuer)
            kept = await desk.hash(password) if password else None
            now = pages.service.clock.now()
            user = User(
                name=known,
                roles=rights.roles,
                privileges=rights.privileges,
                queues=rights.queues,
                created_at=now,
            )
            add = pages.accounts.add
            await run_in_threadpool(
                lambda: add(user, kept=kept, identity=identity, actor=access.actor, now=now)
            )
        except (MetadataError, RefusedError) as error:
            return pages.form(request, status=status_of_error(error), problem=str(error), given=given)
        return pages.done(known, "new")


def _add_changes(app: FastAPI, pages: _Pages, desk: PasswordDesk) -> None:
    accounts = pages.accounts

    @app.get("/users/{name}")
    async def user(request: Request, access: Admin, name: str, done: str = "") -> Response:
        """One user."""
        return await pages.show(request, access, name, done=_DONE.get(done, ""))

    @app.post("/users/{name}")
    async def change(
        request: Request,
        access: Admin,
        name: str,
        roles: Words = [],  # noqa: B006
        privileges: Words = [],  # noqa: B006
        queues: Text = "",
    ) -> Response:
        """What the user may, from now on."""
        check_other(access, name)
        try:
            rights = rights_of(roles, privileges, queues)
        except MetadataError as error:
            return await pages.show(request, access, name, status=422, problem=str(error))
        await pages.change(
            lambda now: accounts.change(
                name,
                roles=rights.roles,
                privileges=rights.privileges,
                queues=rights.queues,
                actor=access.actor,
                now=now,
            )
        )
        return pages.done(name, "rights")

    @app.post("/users/{name}/password")
    async def password(request: Request, access: Admin, name: str, password: Short = "") -> Response:
        """Another password."""
        check_other(access, name)
        await run_in_threadpool(accounts.get, name)
        try:
            kept = await desk.hash(password)
        except MetadataError as error:
            return await pages.show(request, access, name, status=422, problem=str(error))
        await pages.change(lambda now: accounts.set_password(name, kept, actor=access.actor, now=now))
        return pages.done(name, "password")

    @app.post("/users/{name}/identity")
    async def identity(request: Request, access: Admin, name: str, subject: Short = "") -> Response:
        """Who the user is at the identity provider; nobody when the field is empty."""
        check_other(access, name)
        try:
            found = identity_of(subject, pages.issuer)
            await pages.change(lambda now: accounts.set_identity(name, found, actor=access.actor, now=now))
        except (MetadataError, RefusedError) as error:
            status = status_of_error(error)
            return await pages.show(request, access, name, status=status, problem=str(error))
        return pages.done(name, "identity")

    @app.get("/users/{name}/disable")
    async def ask(request: Request, access: Admin, name: str) -> Response:
        """What shutting out will do."""
        check_other(access, name)
        found, tokens = await run_in_threadpool(pages.one, name)
        return render(request, "user_disable.html.j2", user=found, n_tokens=len(tokens))

    @app.post("/users/{name}/disable")
    async def disable(access: Admin, name: str) -> Response:
        """Shut the user out."""
        check_other(access, name)
        await pages.change(lambda now: accounts.disable(name, actor=access.actor, now=now))
        return pages.done(name, "disabled")

    @app.post("/users/{name}/enable")
    async def enable(access: Admin, name: str) -> Response:
        """Let the user in again."""
        check_other(access, name)
        await pages.change(lambda now: accounts.enable(name, actor=access.actor, now=now))
        return pages.done(name, "enabled")


def _add_tokens(app: FastAPI, pages: _Pages) -> None:
    accounts = pages.accounts

    @app.post("/users/{name}/tokens")
    async def add_token(
        request: Request,
        access: Admin,
        name: str,
        scopes: Words = [],  # noqa: B006
        days: Annotated[int, Form()] = 90,
        label: Annotated[str, Form(max_length=200)] = "",
    ) -> Response:
        """A token for a machine; its text is in this answer, and nowhere after it."""
        try:
            check_days(days)
            chosen = words_of(Scope, scopes, "scopes")
            if not chosen:
                raise MetadataError("scopes: choose one or more")
            await run_in_threadpool(accounts.get, name)
            made, secret = new_token(
                name, chosen, days=days, label=label.strip(), now=pages.service.clock.now()
            )
            await pages.change(lambda now: accounts.add_token(made, actor=access.actor, now=now))
        except (MetadataError, RefusedError) as error:
            status = status_of_error(error)
            return await pages.show(request, access, name, status=status, problem=str(error))
        return await pages.show(request, access, name, secret=secret)

    @app.post("/users/{name}/tokens/revoke")
    async def revoke(access: Admin, name: str, revoke: Short = "") -> Response:
        """Make a token good for nothing."""
        _, tokens = await run_in_threadpool(pages.one, name)
        if revoke not in {token.token_id for token in tokens}:
            raise NotFoundError("there is no such token")
        await pages.change(lambda now: accounts.revoke_token(revoke, actor=access.actor, now=now))
        return pages.done(name, "token")


class _Pages:
    def __init__(self, service: Service) -> None:
        self.service, self.accounts = service, service.books.accounts
        self.issuer = service.config.profile.web.oidc.issuer

    def everybody(self) -> tuple[tuple[User, ...], dict[str, int]]:
        """Users, and how many good tokens each has."""
        now, counts = self.service.clock.now(), dict[str, int]()
        for token in self.accounts.tokens():
            counts[token.user] = counts.get(token.user, 0) + is_good(token, now)
        return self.accounts.users(), counts

    def one(self, name: str) -> tuple[User, list[Any]]:
        """A user, and the tokens that are good."""
        now = self.service.clock.now()
        found = self.accounts.get(name)
        return found, [token for token in self.accounts.tokens(name) if is_good(token, now)]

    async def change(self, work: Any) -> None:
        """Do something in a thread."""
        now = self.service.clock.now()
        await run_in_threadpool(lambda: work(now))

    def done(self, name: str, what: str) -> Response:
        """Back to the user's page."""
        return RedirectResponse(f"/users/{quote(name, safe='')}?done={what}", 303)

    def form(
        self, request: Request, *, status: int = 200, problem: str = "", given: dict[str, Any] | None = None
    ) -> Response:
        """The form for somebody new."""
        empty = {"name": "", "roles": [], "privileges": [], "queues": "", "subject": ""}
        return render(
            request,
            "user_new.html.j2",
            status=status,
            problem=problem,
            given=given or empty,
            provider=self.issuer,
            role_words=ROLE_WORDS,
            privilege_words=PRIVILEGE_WORDS,
        )

    async def show(
        self, request: Request, access: Access, name: str, *, status: int = 200, **said: str
    ) -> Response:
        """The page of one user."""
        user, tokens = await run_in_threadpool(self.one, name)
        values = {"done": "", "problem": "", "secret": "", **said}
        return render(
            request,
            "user.html.j2",
            status=status,
            user=user,
            tokens=tokens,
            is_own=user.name == access.user.name,
            provider=self.issuer,
            role_words=ROLE_WORDS,
            privilege_words=PRIVILEGE_WORDS,
            scope_words=SCOPE_WORDS,
            **values,
        )
