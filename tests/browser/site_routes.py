"""Every route of the pages and who may use it. One that is not here fails the tests that walk all of them.

"public": everybody; "any": whoever is signed in; else roles, of which one is needed (admins have all),
"admin" for admins alone; "+privilege" is needed too, by admins as well; "all-queues" keeps those out who see
calls of some queues only; "|" another way in. "@scope" lets machines in.
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
    # one's own account, users
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
    "GET /calls/{call_id}": "reviewer ops privacy",
    "POST /calls/{call_id}/despite": "privacy",
    "GET /calls/{call_id}/certificate": "reviewer ops privacy",
    "GET /calls/{call_id}/audio": "reviewer privacy @media:read",
    "GET /calls/{call_id}/outline": "reviewer privacy",
    "GET /calls/{call_id}/transcript": "reviewer privacy @calls:read",
    "POST /calls/{call_id}/missed": "reviewer @reviews:write",
    "POST /calls/{call_id}/over": "reviewer @reviews:write",
    "POST /calls/{call_id}/clean": "reviewer @reviews:write",
    "GET /calls/{call_id}/reviews": "reviewer privacy",
    # quarantine, originals
    "GET /quarantine": "reviewer | privacy +replay-original",
    "GET /quarantine/{call_id}": "reviewer | privacy +replay-original",
    "GET /quarantine/{call_id}/progress": "reviewer | privacy +replay-original",
    "POST /quarantine/{call_id}/listen": "reviewer privacy +replay-original",
    "GET /quarantine/{call_id}/outline": "reviewer privacy +replay-original",
    "GET /quarantine/{call_id}/audio": "reviewer privacy +replay-original",
    "POST /quarantine/{call_id}/confirm": "reviewer",
    "POST /quarantine/{call_id}/decide": "reviewer",
    "POST /quarantine/{call_id}/approve": "reviewer",
    "POST /quarantine/{call_id}/reject": "reviewer",
    "GET /reviews": "reviewer privacy",
    "GET /calls/{call_id}/original": "reviewer privacy +replay-original",
    "POST /calls/{call_id}/original/listen": "reviewer privacy +replay-original",
    "GET /calls/{call_id}/original/outline": "reviewer privacy +replay-original",
    "GET /calls/{call_id}/original/audio": "reviewer privacy +replay-original",
    "POST /calls/{call_id}/original/reviews/{review_id}": "reviewer privacy +replay-original",
    # pipeline
    "GET /ops": "ops",
    "GET /ops/now": "ops",
    "GET /ops/hours": "ops",
    "GET /ops/health": "ops",
    "POST /ops/replay": "ops",
    # retention, holds
    "GET /retention": "ops privacy",
    "GET /retention/policies.toml": "ops privacy",
    "GET /retention/outlook": "ops privacy",
    "GET /retention/sets/{number}": "ops privacy",
    "GET /retention/run": "ops privacy",
    "GET /retention/edit": "ops",
    "POST /retention/edit": "ops",
    "POST /retention/simulations": "ops",
    "GET /retention/simulations/{job_id}": "ops",
    "POST /retention/confirm": "ops",
    "POST /retention/policies": "ops",
    "POST /retention/proposals/{proposal_id}/agree": "ops",
    "POST /retention/proposals/{proposal_id}/reject": "ops",
    "POST /retention/apply": "ops",
    "GET /holds": "ops privacy",
    "GET /retention/holds": "ops privacy",
    "GET /retention/holds/new": "ops privacy",
    "POST /retention/holds/preview": "ops privacy",
    "POST /retention/holds": "ops privacy",
    "GET /retention/holds/{hold_id}": "ops privacy",
    "POST /retention/holds/{hold_id}/release": "ops privacy",
    # persons
    "GET /privacy": "privacy all-queues",
    "POST /privacy/find": "privacy all-queues",
    "GET /privacy/persons/{person}": "privacy all-queues",
    "POST /privacy/persons/{person}/linked": "privacy all-queues",
    "GET /privacy/persons/{person}/restriction": "privacy all-queues",
    "POST /privacy/persons/{person}/restriction": "privacy all-queues",
    "GET /privacy/persons/{person}/lift": "privacy all-queues",
    "POST /privacy/persons/{person}/lift": "privacy all-queues",
    "GET /privacy/persons/{person}/erasure": "privacy all-queues",
    "POST /privacy/persons/{person}/erasure": "privacy all-queues",
    "GET /privacy/persons/{person}/erasure/confirm": "privacy all-queues",
    "GET /privacy/persons/{person}/export": "privacy all-queues +export",
    "POST /privacy/persons/{person}/export": "privacy all-queues +export",
    "GET /privacy/exports/{job}": "privacy all-queues +export",
    "POST /privacy/exports/{job}/file": "privacy all-queues +export",
    "POST /privacy/exports/{job}/delete": "privacy all-queues +export",
    "GET /privacy/requests": "privacy all-queues",
    "GET /privacy/requests/{request_id}": "privacy all-queues",
    "POST /privacy/requests/{request_id}/extension": "privacy all-queues",
    "POST /privacy/requests/{request_id}/closure": "privacy all-queues",
    "POST /privacy/requests/{request_id}/resume": "privacy all-queues",
    "GET /privacy/requests/{request_id}/proof": "privacy all-queues",
    "POST /privacy/requests/{request_id}/check": "privacy all-queues",
    "GET /privacy/recipients": "privacy all-queues",
    "POST /privacy/notices/{notice_id}/send": "privacy all-queues",
    "GET /privacy/breach": "privacy all-queues",
    "POST /privacy/breach": "privacy all-queues",
    "GET /privacy/record": "privacy all-queues",
    "GET /privacy/record/{name}": "privacy all-queues",
    "GET /privacy/calls/{call_id}": "privacy all-queues",
    "GET /privacy/calls/{call_id}/receipt": "privacy all-queues",
    "POST /privacy/calls/{call_id}/find": "privacy all-queues",
    "POST /privacy/calls/{call_id}/withdrawal": "privacy all-queues",
    # audit
    "GET /audit": "admin",
    "GET /audit/check": "admin",
    "POST /audit/check": "admin",
    "GET /audit/export.{form}": "admin @audit:read",
}

NOT_ALWAYS = frozenset({"GET /login/oidc", "GET /login/oidc/return"})
"""There with an identity provider only; tests/unit/web has them."""

CALL_PARAMS = frozenset({"call_id", "call"})
"""Path parameters that name a call."""

ALL_CALLS: Mapping[str, str] = {
    "GET /audit": "admins answer for the chain as a whole",
    "GET /audit/export.{form}": "the same",
}
"""Routes that may name calls of every queue, and why."""


@dataclass(frozen=True, slots=True)
class Who:
    """Who may use a route: words of `WHO`."""

    words: str

    @property
    def is_public(self) -> bool:
        return self.words == "public"

    @property
    def all_queues(self) -> bool:
        return "all-queues" in self.words

    @property
    def needs_privilege(self) -> bool:
        return "+" in self.words

    @property
    def scope(self) -> Scope | None:
        return next((Scope(word[1:]) for word in self.words.split() if word[0] == "@"), None)

    def lets(self, user: User) -> bool:
        """Whether a person may."""
        return self.is_public or any(self._fits(way.split(), user) for way in self.words.split("|"))

    def _fits(self, words: list[str], user: User) -> bool:
        roles = {WebRole(word) for word in words if word in tuple(WebRole)}
        privileges = {Privilege(word[1:]) for word in words if word[0] == "+"}
        has_role = not roles or bool(roles & user.roles) or WebRole.ADMIN in user.roles
        return has_role and privileges <= user.privileges and not (self.all_queues and user.queues)


def who(found: Found) -> Who:
    return Who(WHO[found.key])


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
        return next((each.alias for each in self.params if each.alias in CALL_PARAMS), None)

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
            address = address.replace(f"{{{each.alias}}}", values(each.alias))
            address = address.replace(f"{{{each.alias}:path}}", values(each.alias))
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
