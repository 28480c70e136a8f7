"""Every route of the pages and who may use it. One that is not here fails the tests that walk all of them.

"public": everybody; "any": whoever is signed in; else roles, of which one is needed (admins have all),
"admin" for admins alone; "+privilege" is needed too, by admins as well; "@scope" lets machines in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi.routing import APIRoute

from callveil.vocabulary.accounts import Privilege, Scope, User, WebRole

WHO: Mapping[str, str] = {
    "GET /": "any",
    "GET /login": "public",
    "POST /login": "public",
    "POST /logout": "any",
    "GET /login/oidc": "public",
    "GET /login/oidc/return": "public",
    # access
    "GET /me": "any",
    "POST /me/password": "any",
    "POST /me/sessions": "any",
    "POST /me/tokens": "any",
    "GET /users": "admin",
    "GET /users/new": "admin",
    "POST /users/new": "admin",
    "GET /users/{name}": "admin",
    "POST /users/{name}": "admin",
    "POST /users/{name}/password": "admin",
    "POST /users/{name}/identity": "admin",
    "GET /users/{name}/disable": "admin",
    "POST /users/{name}/disable": "admin",
    "POST /users/{name}/enable": "admin",
    "POST /users/{name}/tokens": "admin",
    "POST /users/{name}/tokens/revoke": "admin",
    # calls
    "GET /calls": "reviewer ops privacy @calls:read",
    "POST /filters": "reviewer ops privacy",
    "POST /filters/delete": "reviewer ops privacy",
    # audit
    "GET /audit": "admin",
    "GET /audit/check": "admin",
    "POST /audit/check": "admin",
    "GET /audit/export.{form}": "admin @audit:read",
}

CALL_PARAMS = frozenset({"call_id", "call"})
"""Path parameters that name a call."""

ALL_CALLS: Mapping[str, str] = {
    "GET /audit": "admins answer for the chain as a whole",
    "GET /audit/export.{form}": "the same",
}
"""Routes that may name calls of every queue, and why."""


@dataclass(frozen=True, slots=True)
class Who:
    """Who may use a route."""

    is_public: bool
    roles: frozenset[WebRole]
    privilege: Privilege | None
    scope: Scope | None

    def lets(self, user: User) -> bool:
        """Whether a person may."""
        has_role = not self.roles or bool(self.roles & user.roles) or WebRole.ADMIN in user.roles
        return self.is_public or (has_role and (self.privilege is None or self.privilege in user.privileges))


def who(text: str) -> Who:
    words = text.split()
    return Who(
        is_public="public" in words,
        roles=frozenset(WebRole(word) for word in words if word in tuple(WebRole)),
        privilege=next((Privilege(word[1:]) for word in words if word[0] == "+"), None),
        scope=next((Scope(word[1:]) for word in words if word[0] == "@"), None),
    )


@dataclass(frozen=True, slots=True)
class Found:
    """A route as the application has it."""

    method: str
    path: str
    route: APIRoute

    @property
    def key(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def changes(self) -> bool:
        return self.method not in ("GET", "HEAD", "OPTIONS")

    @property
    def call_param(self) -> str | None:
        return next((each.name for each in self.params if each.name in CALL_PARAMS), None)

    @property
    def params(self) -> list[Any]:
        return list(_all(self.route.dependant, "path_params"))

    @property
    def queries(self) -> list[str]:
        return [each.alias for each in _all(self.route.dependant, "query_params")]

    @property
    def fields(self) -> list[str]:
        return [each.alias for each in _all(self.route.dependant, "body_params")]

    def address(self, values: Callable[[str], str]) -> str:
        address = self.path
        for each in self.params:
            address = address.replace(f"{{{each.name}}}", values(each.name))
            address = address.replace(f"{{{each.name}:path}}", values(each.name))
        return address


def routes(app: Any) -> list[Found]:
    """Every route but files, each method on its own."""
    return [
        Found(method, route.path, route)
        for route in app.routes
        if isinstance(route, APIRoute)
        for method in sorted(route.methods)
    ]


def _all(dependant: Any, what: str) -> Iterator[Any]:
    yield from getattr(dependant, what)
    for each in dependant.dependencies:
        yield from _all(each, what)
