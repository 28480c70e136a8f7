"""The list of calls: search, sort, page, and filters that users keep."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Annotated, Any
from urllib.parse import parse_qsl

from fastapi import Depends, FastAPI, Form, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import QueryParams

from callveil.errors import MetadataError, PrivilegeError, RefusedError
from callveil.kit import Office, Service
from callveil.vocabulary.accounts import Scope, WebRole
from callveil.vocabulary.pii import Entity
from callveil.vocabulary.search import (
    MOST_WORDS,
    CallFlag,
    CallPage,
    CallQuery,
    CallSort,
    Counted,
    SavedFilter,
)
from callveil.web.pages.access import Access, require
from callveil.web.pages.call_address import (
    CallList,
    address_of_page,
    address_of_query,
    list_of,
    query_of,
)
from callveil.web.pages.call_list_documents import call_list_document
from callveil.web.pages.render import render
from callveil.web.pages.words import FLAGS, PARTS, STATES, kind_words
from callveil.web.problems import status_of_error

_ROLES = (WebRole.REVIEWER, WebRole.OPS, WebRole.PRIVACY)
_HEAR = (WebRole.REVIEWER, WebRole.PRIVACY)
"""Who may read what was said; the others see what is known about calls."""

_MOST_COUNTED = 1000
_MOST_CHOICES = 500
"""Queues, and agents, that the form offers."""

Reader = Annotated[Access, Depends(require(*_ROLES))]
ReaderOrMachine = Annotated[Access, Depends(require(*_ROLES, scope=Scope.CALLS_READ))]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    page: CallPage
    counted: Counted | None
    """None when counting takes too long."""


def install(app: FastAPI, service: Service, office: Office) -> None:  # noqa: ARG001  as every page
    """Add /calls and /filters.

    Args:
        app: The pages.
        service: Its ledger has the calls.
        office: Not needed.
    """

    @app.get("/calls")
    async def calls(request: Request, access: ReaderOrMachine) -> Response:
        """The list; as JSON for programs."""
        if access.token is not None or _wants_json(request):
            asked = list_of(request.query_params)
            found = await run_in_threadpool(_find, service, access, asked)
            return JSONResponse(call_list_document(found.page, found.counted))
        return await run_in_threadpool(_list, request, service, access)

    @app.post("/filters")
    async def save(
        request: Request,  # noqa: ARG001  as every route
        access: Reader,
        name: Annotated[str, Form(max_length=60)] = "",
        query: Annotated[str, Form(max_length=4000)] = "",
    ) -> Response:
        """Keep a query under a name."""
        kept = SavedFilter(name=name.strip(), query=query_of(_params(query)))
        await run_in_threadpool(service.ledger.filters.save, access.user.name, kept)
        return RedirectResponse(address_of_query(kept.query), 303)

    @app.post("/filters/delete")
    async def delete(
        request: Request,  # noqa: ARG001  as every route
        access: Reader,
        name: Annotated[str, Form(min_length=1, max_length=60)],
        query: Annotated[str, Form(max_length=4000)] = "",
    ) -> Response:
        """Keep it no longer; the list stays as it is."""
        await run_in_threadpool(service.ledger.filters.delete, access.user.name, name)
        return RedirectResponse(address_of_query(query_of(_params(query))), 303)


def _params(query: str) -> QueryParams:
    return QueryParams(parse_qsl(query, max_num_fields=400))


def _wants_json(request: Request) -> bool:
    accept = request.headers.get("accept", "")
    return "application/json" in accept and "text/html" not in accept


def _find(service: Service, access: Access, asked: CallList) -> _Found:
    """Search, and write it down when it shows what was said.

    Raises:
        PrivilegeError: The words of calls are not for this user.
        MetadataError: There is no word in the text.
        RefusedError: It takes too long.
    """
    search, within = service.ledger.search, access.user.queues or None
    by_text = bool(asked.query.text.strip())
    if by_text and not access.user.has_role(*_HEAR):
        raise PrivilegeError("this needs the role reviewer or privacy: it looks into what was said")
    page = search.page(
        asked.query,
        within=within,
        after=asked.after,
        before=asked.before,
        last=asked.last,
        limit=asked.limit,
    )
    if by_text:
        service.ledger.note(
            actor=access.actor,
            action="calls.searched",
            call_id=None,
            detail={"shown": len(page.calls)},
            now=service.clock.now(),
        )
    if asked.is_first and page.after is None:
        return _Found(page=page, counted=Counted(n_calls=len(page.calls), more=False))
    try:
        counted = search.count(asked.query, within=within, most=_MOST_COUNTED)
    except RefusedError:
        return _Found(page=page, counted=None)
    return _Found(page=page, counted=counted)


def _list(request: Request, service: Service, access: Access) -> Response:
    """The page; what cannot be searched is said on it."""
    asked, found, problem, status = CallList(), None, "", 200
    try:
        asked = list_of(request.query_params)
        found = _find(service, access, asked)
    except (MetadataError, RefusedError) as error:
        problem, status = str(error).capitalize(), status_of_error(error)
    return render(
        request,
        "calls.html.j2",
        status=status,
        asked=asked,
        query=asked.query,
        found=found,
        problem=problem,
        typed=request.query_params.get("q", "")[:MOST_WORDS],
        sorts={sort.value: _sort(asked.query, sort) for sort in CallSort},
        url=lambda **place: address_of_page(asked.query, **place),
        **_choices(service, access, asked.query, is_part="hx-request" in request.headers),
        **_filters(service, access, asked.query),
    )


def _choices(service: Service, access: Access, query: CallQuery, *, is_part: bool) -> Mapping[str, Any]:
    """What the form offers; nothing for htmx, which leaves the form as it is."""
    within, search = access.user.queues or None, service.ledger.search
    queues = () if is_part else search.queues(within=within, limit=_MOST_CHOICES)
    return {
        "queues": {queue: queue for queue in sorted({*queues, *query.queues})},
        "agents": () if is_part else search.agents(within=within, limit=_MOST_CHOICES),
        "states": {state: words for state, (words, _) in STATES.items()},
        "kinds": {kind: kind_words(kind) for kind in Entity},
        "flags": FLAGS,
        "parts_gone": PARTS,
        "by_text": access.user.has_role(*_HEAR),
        "gone_flag": CallFlag.GONE,
        "words_of": _words_of,
        "last_day": None if query.until is None else (query.until - timedelta(microseconds=1)).date(),
    }


def _words_of(words: Mapping[Any, str], chosen: Iterable[Any]) -> list[str]:
    """What is chosen, in the order of the choices."""
    among = frozenset(chosen)
    return [text for value, text in words.items() if value in among]


def _filters(service: Service, access: Access, query: CallQuery) -> Mapping[str, Any]:
    saved = service.ledger.filters.of(access.user.name)
    current = next((each.name for each in saved if each.query == query), None)
    return {
        "saved": tuple((each.name, address_of_query(each.query), each.name == current) for each in saved),
        "current": current,
        "is_everything": query == CallQuery(),
        "query_text": address_of_query(query).partition("?")[2],
    }


def _sort(query: CallQuery, sort: CallSort) -> Mapping[str, Any]:
    """A column's head: where a click on it leads, and how it is sorted now."""
    is_now = query.sort is sort
    turned = replace(query, sort=sort, descending=not query.descending if is_now else True)
    order = ("descending" if query.descending else "ascending") if is_now else ""
    return {"name": sort.value, "url": address_of_query(turned), "order": order}
