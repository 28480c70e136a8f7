"""Who saw or did what: the audit chain as a list, for other programs, and whether it holds."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Depends, FastAPI, Query, Request, Response
from fastapi.responses import RedirectResponse, StreamingResponse
from starlette.concurrency import run_in_threadpool

from callveil.errors import MetadataError
from callveil.kit import Office, Service
from callveil.pipeline.audit_export import csv_lines, entry_document, json_lines
from callveil.ports import AuditTrail
from callveil.vocabulary.accounts import Scope, WebRole
from callveil.vocabulary.audit import AuditCursor, AuditQuery
from callveil.vocabulary.ledger import AuditEntry
from callveil.web.pages.access import Access, require
from callveil.web.pages.audit_check import ChainCheck
from callveil.web.pages.audit_words import (
    GROUPS,
    action_words,
    actions_of,
    actor_words,
    detail_words,
)
from callveil.web.pages.render import render
from callveil.web.problems import ProblemError

_PER_PAGE = 50
_MOST_EXPORTS = 2
"""At a time; each reads the chain page by page."""

_EXPORTS: Mapping[str, tuple[str, Callable[[AuditQuery, AuditTrail], Iterator[str]]]] = {
    "csv": ("text/csv; charset=utf-8", csv_lines),
    "jsonl": ("application/jsonl; charset=utf-8", json_lines),
}
_CURSOR = re.compile(r"(-?\d{1,17})_(\d{1,18})", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_KNOWN_KINDS = ("user:", "token:", "key:", "worker:", "cli:", "recipient:")

Admin = Annotated[Access, Depends(require(WebRole.ADMIN))]
Reader = Annotated[Access, Depends(require(WebRole.ADMIN, scope=Scope.AUDIT_READ))]
Text = Annotated[str, Query(max_length=200)]


class _Asked:
    """What the form asked for, as it stands in addresses."""

    def __init__(
        self, actor: Text = "", what: Text = "", call: Text = "", since: Text = "", until: Text = ""
    ) -> None:
        given = {"actor": actor, "what": what, "call": call, "since": since, "until": until}
        self.given = {name: value.strip() for name, value in given.items() if value.strip()}

    def __getitem__(self, name: str) -> str:
        return self.given.get(name, "")

    def query(self) -> AuditQuery:
        """The same for the trail.

        Raises:
            MetadataError: A time is none.
        """
        return AuditQuery(
            actor=_actor(self["actor"]),
            actions=actions_of(self["what"]),
            call_id=self["call"] or None,
            since=_moment(self["since"], "since"),
            until=_moment(self["until"], "until"),
        )

    def address(self, path: str, **more: str) -> str:
        """The address of a page with the same filters."""
        values = urlencode({**self.given, **more})
        return f"{path}?{values}" if values else path


def install(app: FastAPI, service: Service, office: Office) -> None:  # noqa: ARG001  as for all pages
    """Add /audit.

    Args:
        app: The pages.
        service: Its ledger has the chain.
        office: Not needed.
    """
    desk = _Desk(service)

    @app.get("/audit")
    async def audit(
        request: Request,
        access: Admin,  # noqa: ARG001  it guards
        asked: Annotated[_Asked, Depends()],
        after: Text = "",
        before: Text = "",
        last: bool = False,
    ) -> Response:
        """Entries, the newest first."""
        values = await run_in_threadpool(desk.page, asked, _place(after), _place(before), last)
        return render(request, "audit.html.j2", status=422 if values["problem"] else 200, **values)

    @app.get("/audit/export.{form}")
    async def export(form: str, access: Reader, asked: Annotated[_Asked, Depends()]) -> Response:
        """Everything that fits, the oldest first, as a file."""
        if form not in _EXPORTS:
            raise ProblemError(404, "There is no such format; allowed: csv, jsonl")
        return await run_in_threadpool(desk.export, form, asked, access.actor)

    @app.post("/audit/check")
    async def check(access: Admin) -> Response:
        """Compute the whole chain again, in the background."""
        await run_in_threadpool(desk.check.start, access.actor)
        return RedirectResponse("/audit/check", 303)

    @app.get("/audit/check")
    async def state(request: Request, access: Admin) -> Response:  # noqa: ARG001  it guards
        """How the check goes, and what came of the last one; for htmx the part of the page only."""
        values = await run_in_threadpool(desk.state)
        name = "audit_check_part.html.j2" if "hx-request" in request.headers else "audit_check.html.j2"
        return render(request, name, **values)


class _Desk:
    def __init__(self, service: Service) -> None:
        self._ledger, self._accounts, self._clock = service.ledger, service.books.accounts, service.clock
        self.check = ChainCheck(service)
        self._lock, self._n_exports = threading.Lock(), 0

    def page(
        self, asked: _Asked, after: AuditCursor | None, before: AuditCursor | None, last: bool
    ) -> dict[str, Any]:
        """What the list shows."""
        trail, problem = self._ledger.trail, ""
        try:
            query = asked.query()
            found = trail.page(
                query, after=after, before=before, last=last and not (after or before), limit=_PER_PAGE
            )
        except MetadataError as error:
            query, found, problem = AuditQuery(), trail.page(AuditQuery(), limit=1), str(error)

        def url(**more: object) -> str:
            return asked.address("/audit", **{name: _address(value) for name, value in more.items()})

        known = {action for group in GROUPS for action in group.words}
        there = trail.actions()
        return {
            "asked": asked,
            "query": query,
            "found": found,
            "rows": [] if problem else [_row(entry) for entry in found.entries],
            "problem": problem,
            "url": url,
            "groups": [
                (group, [(name, words) for name, words in group.words.items() if name in there])
                for group in GROUPS
            ],
            "others": [action for action in there if action not in known],
            "names": [user.name for user in self._accounts.users()],
            "exports": {form: asked.address(f"/audit/export.{form}") for form in _EXPORTS},
            **self.state(),
        }

    def state(self) -> dict[str, Any]:
        """How long the chain is, and whether it holds."""
        result = self.check.last()
        return {
            "n_entries": self._ledger.trail.head(),
            "progress": self.check.progress(),
            "result": result,
            "result_by": None if result is None else actor_words(result.actor),
            "check_problem": self.check.problem,
        }

    def export(self, form: str, asked: _Asked, actor: str) -> Response:
        """Begin an export; it is noted before anything is sent."""
        query, now = asked.query(), self._clock.now()
        with self._lock:
            if self._n_exports >= _MOST_EXPORTS:
                raise ProblemError(503, "Others are exporting now. Try again in a moment.", retry_after_s=30)
        # Their names only: what somebody typed may be anything.
        detail = {"format": form, "filters": ", ".join(sorted(asked.given))}
        self._ledger.note(actor=actor, action="audit.exported", call_id=None, detail=detail, now=now)
        media_type, lines = _EXPORTS[form]
        query = replace(query, most_number=self._ledger.trail.head())
        name = f"callveil-audit-{now:%Y%m%dT%H%M%SZ}.{form}"
        return StreamingResponse(
            self._counted(lines(query, self._ledger.trail)),
            media_type=media_type,
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )

    def _counted(self, lines: Iterator[str]) -> Iterator[str]:
        with self._lock:
            self._n_exports += 1
        try:
            yield from lines
        finally:
            with self._lock:
                self._n_exports -= 1


def _row(entry: AuditEntry) -> dict[str, Any]:
    kind, name = actor_words(entry.actor)
    return {
        "entry": entry,
        "kind": kind,
        "name": name,
        "words": action_words(entry.action),
        "details": detail_words(entry),
        "raw": json.dumps(entry_document(entry), ensure_ascii=False, indent=2),
    }


def _actor(given: str) -> str | None:
    """As in the chain; a name alone is a user's."""
    if not given:
        return None
    if given.startswith(_KNOWN_KINDS) or given in ("reconcile", "service"):
        return given
    return f"user:{given.lower()}"


def _moment(given: str, name: str) -> datetime | None:
    if not given:
        return None
    try:
        moment = datetime.fromisoformat(given)
        moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise MetadataError(f"{name}: allowed: a date and time, such as 2026-11-24T10:00Z") from None


def _address(value: object) -> str:
    if isinstance(value, AuditCursor):
        return f"{(value.at - _EPOCH) // timedelta(microseconds=1)}_{value.number}"
    return str(value)


def _place(given: str) -> AuditCursor | None:
    """A place in the list from an address.

    Raises:
        ProblemError: It is none.
    """
    if not given:
        return None
    found = _CURSOR.fullmatch(given)
    try:
        if found is not None:
            at = _EPOCH + timedelta(microseconds=int(found[1]))
            return AuditCursor(at=at, number=int(found[2]))
    except OverflowError:
        pass
    raise ProblemError(422, "There is no such place in the list.")
