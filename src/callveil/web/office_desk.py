"""How the office is asked: signed, by a key of the right role, on the record, and never in another's way."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from callveil.config import KeyRole
from callveil.errors import ConfigError, MetadataError
from callveil.kit import Office
from callveil.web.bodies import read_body
from callveil.web.office_bodies import MOST_BYTES, BodyT, parse_body
from callveil.web.problems import ProblemError
from callveil.web.signatures import Signed

PRIVACY, OPS = (KeyRole.PRIVACY,), (KeyRole.OPS,)
BOTH = (KeyRole.PRIVACY, KeyRole.OPS)

NO_STORE: Mapping[str, str] = {"Cache-Control": "no-store"}

_AT_ONCE = 4
"""Requests that the office works on at a time: its long ones must not keep the pushes from their threads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is answered.

    Attributes:
        document: JSON, the same as of the verb.
        status: Of HTTP.
        seen: What was read, for the audit chain; None where the work has its own entry.
        call_id: The call that was looked at; None when it was no single one.
    """

    document: Mapping[str, Any]
    status: int = 200
    seen: str | None = None
    call_id: str | None = None


class Desk:
    """Answers requests to the office.

    Args:
        office: What is worked with.
    """

    def __init__(self, office: Office) -> None:
        self.office = office
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def ask(
        self,
        request: Request,
        roles: Collection[KeyRole],
        model: type[BodyT],
        work: Callable[[BodyT, str], Answer | Response],
    ) -> Response:
        """Answer a request with a body.

        Args:
            request: Its body is read before anything is done.
            roles: Of the keys that may ask.
            model: Of the body.
            work: Gets the body and who asks, as in the audit chain; in a thread.

        Raises:
            SignatureError: It is not signed, or not by a known key.
            PrivilegeError: The key is of another role.
            ProblemError: The body is too large, or a part of the office is not set up.
            MetadataError: The body is something else.
        """
        actor, content = await self._admit(request, roles)
        body = parse_body(content, model)
        return await self._do(lambda: work(body, actor), actor)

    async def read(
        self,
        request: Request,
        roles: Collection[KeyRole],
        work: Callable[[str], Answer | Response],
        query: Collection[str] = (),
    ) -> Response:
        """Answer a request without a body.

        Args:
            request: As it came.
            roles: Of the keys that may ask.
            work: Gets who asks, as in the audit chain; in a thread.
            query: Names that its query may have; with another one it would be answered something else.

        Raises:
            SignatureError: It is not signed, or not by a known key.
            PrivilegeError: The key is of another role.
            ProblemError: A part of the office is not set up.
            MetadataError: Something else stands in the query.
        """
        actor, _ = await self._admit(request, roles)
        if not set(request.query_params) <= set(query):
            raise MetadataError(f"query: allowed: {', '.join(sorted(query)) or 'none'}")
        return await self._do(lambda: work(actor), actor)

    async def _admit(self, request: Request, roles: Collection[KeyRole]) -> tuple[str, bytes]:
        office = self.office
        signed = Signed(
            request.headers,
            office.site.ingest_keys,
            now=office.clock.now(),
            window_s=office.config.profile.service.signature_window_s,
        )
        body = await read_body(request, MOST_BYTES)
        signed.check_office(roles, request.method, target(request), hashlib.sha256(body).hexdigest())
        return signed.actor, body

    async def _do(self, work: Callable[[], Answer | Response], actor: str) -> Response:
        async with self._places:
            return await run_in_threadpool(self._worked, work, actor)

    def _worked(self, work: Callable[[], Answer | Response], actor: str) -> Response:
        try:
            found = work()
        except ConfigError as error:
            raise ProblemError(503, f"not set up: {error}", code=error.code) from None
        if isinstance(found, Response):
            return found
        if found.seen is not None:
            self.note(actor, "office.read", found.call_id, what=found.seen)
        return JSONResponse(found.document, found.status, NO_STORE)

    def note(self, actor: str, action: str, call_id: str | None = None, **detail: str | int | None) -> None:
        """Write into the audit chain what has no entry of its own."""
        office = self.office
        office.ledger.note(actor=actor, action=action, call_id=call_id, detail=detail, now=office.clock.now())


def target(request: Request) -> str:
    """Path and query as they were sent."""
    path: str = request.scope["raw_path"].decode("latin-1")
    query: str = request.scope["query_string"].decode("latin-1")
    return f"{path}?{query}" if query else path
