"""What persons asked for, with deadlines, and what recipients were told."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from typing import Annotated, Any

from fastapi import FastAPI, Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from callveil.kit import Office, trusted_by
from callveil.pipeline import erasure, register, restrict
from callveil.pipeline.erasure_proof import CheckedProof, check_proof, proof_of
from callveil.pipeline.notices import late, send_now
from callveil.pipeline.register import items_of
from callveil.vocabulary.rights import ItemState, Removal, RequestKind, RequestState
from callveil.vocabulary.rights import Request as Asked
from callveil.web.office_desk import NO_STORE
from callveil.web.office_paths import NoticeId, RequestId
from callveil.web.pages.access import Access
from callveil.web.pages.privacy_desk import Officer, PrivacyDesk, Text, reason_of
from callveil.web.pages.render import render

_ROWS = 100
"""Requests, calls of a request, or notices on a page."""

_AFTER = r"^[A-Za-z0-9._-]{0,128}$"


class Shown(StrEnum):
    """Which requests are listed."""

    OPEN = "open"
    CLOSED = "closed"
    ALL = "all"


def install(app: FastAPI, desk: PrivacyDesk) -> None:
    """Add the pages."""
    _add_requests(app, desk)
    _add_answers(app, desk)
    _add_proof(app, desk)
    _add_recipients(app, desk)


def _add_requests(app: FastAPI, desk: PrivacyDesk) -> None:
    @app.get("/privacy/requests")
    async def requests(
        request: Request,
        access: Officer,
        show: Shown = Shown.OPEN,
        page: Annotated[int, Query(ge=1, le=100_000)] = 1,
    ) -> Response:
        """The register: what is late first, then what is due next."""
        return await desk.do(lambda: _requests(request, desk, access, show, page))

    @app.get("/privacy/requests/{request_id}")
    async def one(
        request: Request,
        request_id: RequestId,
        access: Officer,
        after: Annotated[str, Query(pattern=_AFTER)] = "",
    ) -> Response:
        """Where a request stands."""

        def work() -> Response:
            if "hx-request" not in request.headers:  # it asks again by itself while it runs
                desk.note(access, "office.read", what=f"request {request_id}")
            return _request_page(request, desk, request_id, after=after)

        return await desk.do(work)


def _add_answers(app: FastAPI, desk: PrivacyDesk) -> None:
    office = desk.office

    @app.post("/privacy/requests/{request_id}/extension")
    async def extend(
        request_id: RequestId,
        access: Officer,
        months: Annotated[int, Form(ge=1, le=2)] = 2,
        reason: Text = "",
    ) -> Response:
        """Extend its deadline, once; the person has to be told."""
        why = reason_of(reason)
        await desk.do(
            lambda: register.extend(request_id, office, months=months, reason=why, actor=access.actor)
        )
        return _to(request_id)

    @app.post("/privacy/requests/{request_id}/closure")
    async def close(
        request_id: RequestId,
        access: Officer,
        refused: Annotated[bool, Form()] = False,
        reason: Text = "",
    ) -> Response:
        """Close it as answered, or refused."""
        why = reason_of(reason)
        await desk.do(
            lambda: register.close(request_id, office, refused=refused, reason=why, actor=access.actor)
        )
        return _to(request_id)

    @app.post("/privacy/requests/{request_id}/resume")
    async def resume(request_id: RequestId, access: Officer) -> Response:
        """Go on with what is not finished."""
        asked = await desk.do(lambda: office.books.requests.get(request_id))
        go_on = {RequestKind.ERASURE: erasure.carry_on, RequestKind.RESTRICTION: restrict.carry_on}
        if asked.kind in go_on and asked.state is RequestState.RUNNING:
            desk.behind(lambda: go_on[asked.kind](request_id, office, actor=access.actor))
        return _to(request_id)


def _add_proof(app: FastAPI, desk: PrivacyDesk) -> None:
    office = desk.office

    @app.get("/privacy/requests/{request_id}/proof")
    async def proof(request_id: RequestId, access: Officer) -> Response:
        """The signed certificate of an erasure, byte by byte as it was signed."""

        def work() -> Response:
            content = proof_of(request_id, office)
            desk.note(access, "office.read", what=f"proof {request_id}")
            headers = {**NO_STORE, "Content-Disposition": f'attachment; filename="erasure-{request_id}.json"'}
            return Response(content, headers=headers, media_type="application/json")

        return await desk.do(work)

    @app.post("/privacy/requests/{request_id}/check")
    async def check(request: Request, request_id: RequestId, access: Officer) -> Response:
        """Look again in every place whether anything is left."""

        def work() -> Response:
            checked = check_proof(proof_of(request_id, office), trusted_by(office), office)
            desk.note(access, "erasure.checked", request_id=request_id, faults=len(checked.faults))
            return _request_page(request, desk, request_id, checked=checked)

        return await desk.do(work)


def _add_recipients(app: FastAPI, desk: PrivacyDesk) -> None:
    office = desk.office

    @app.get("/privacy/recipients")
    async def recipients(
        request: Request, access: Officer, every: Annotated[bool, Query(alias="all")] = False
    ) -> Response:
        """Systems that got copies, and the receipts that they owe."""

        def work() -> Response:
            desk.note(access, "office.read", what="recipients")
            return _recipients(request, office, every=every)

        return await desk.do(work)

    @app.post("/privacy/notices/{notice_id}/send")
    async def send(notice_id: NoticeId, access: Officer, back: Annotated[bool, Form()] = False) -> Response:
        """Send a notice again at once."""

        def work() -> str:
            notice = send_now(notice_id, office, actor=access.actor)
            erasure.prove_anew(notice.request_id, office)
            return notice.request_id

        request_id = await desk.do(work)
        return _to(request_id) if back else RedirectResponse("/privacy/recipients", 303)


def _requests(request: Request, desk: PrivacyDesk, access: Access, show: Shown, page: int) -> Response:
    office, now = desk.office, desk.office.clock.now()
    desk.note(access, "office.read", what="requests")
    every = office.books.requests.requests()
    found = [each for each in every if show is Shown.ALL or (each.closed_at is None) == (show is Shown.OPEN)]
    found.sort(key=lambda each: (each.closed_at is not None, not register.is_late(each, now), each.due_at))
    if show is not Shown.OPEN:
        closed = [each for each in found if each.closed_at is not None]
        closed.sort(key=lambda each: each.closed_at or now, reverse=True)
        found = [each for each in found if each.closed_at is None] + closed
    n_pages = max(1, -(-len(found) // _ROWS))
    page = min(page, n_pages)
    return render(
        request,
        "privacy_requests.html.j2",
        rows=[_row(each, office) for each in found[(page - 1) * _ROWS : page * _ROWS]],
        show=show.value,
        n_open=sum(each.closed_at is None for each in every),
        n_late=sum(register.is_late(each, now) for each in every),
        n_found=len(found),
        page=page,
        n_pages=n_pages,
    )


def _row(asked: Asked, office: Office) -> dict[str, Any]:
    now = office.clock.now()
    return {
        "asked": asked,
        "days_left": register.days_left(asked, now),
        "late": register.is_late(asked, now),
        "days_late": max(0, (now - asked.due_at).days),
    }


def _request_page(
    request: Request,
    desk: PrivacyDesk,
    request_id: str,
    *,
    after: str = "",
    checked: CheckedProof | None = None,
) -> Response:
    office = desk.office
    asked = office.books.requests.get(request_id)
    counts = Counter(item.state for item in items_of(request_id, office))
    items = office.books.requests.items(request_id, after=after or None, limit=_ROWS + 1)
    removals = office.books.removals.removals(request_id=request_id)
    notices = office.books.notices.notices(request_id=request_id)
    overdue = {notice.notice_id for notice in late(notices, office.clock.now())}
    finished = asked.state in (RequestState.DONE, RequestState.PARTLY_DONE)
    return render(
        request,
        "privacy_request.html.j2",
        **_row(asked, office),
        counts={state.value: counts[state] for state in ItemState},
        n_items=sum(counts.values()),
        items=[_item(item, removals) for item in items[:_ROWS]],
        after=after,
        next_after=items[_ROWS - 1].call_id if len(items) > _ROWS else "",
        deleted=_sums(removals),
        notices=[(notice, notice.notice_id in overdue) for notice in notices],
        has_proof=asked.kind is RequestKind.ERASURE and finished,
        can_close=asked.closed_at is None and (asked.kind in _ANSWERED or asked.state is RequestState.OPEN),
        can_extend=_can_extend(asked, office),
        checked=checked,
    )


_ANSWERED = frozenset({RequestKind.ACCESS, RequestKind.PORTABILITY, RequestKind.WITHDRAWAL})
"""Kinds that people answer; the others close themselves."""


def _can_extend(asked: Asked, office: Office) -> bool:
    now = office.clock.now()
    is_owed = register.days_left(asked, now) is not None and asked.extension_reason is None
    return is_owed and now < register.ANSWER_WITHIN.after(asked.received_at)


def _item(item: Any, removals: tuple[Removal, ...]) -> dict[str, Any]:
    its = [removal for removal in removals if removal.call_id == item.call_id]
    return {
        "item": item,
        "deleted": _sums(its),
        "parts": sorted({part for each in its for part in each.parts}),
    }


def _sums(removals: Any) -> dict[str, int]:
    sums: Counter[str] = Counter()
    for removal in removals:
        sums.update(removal.evidence)
    return {what: n for what, n in sums.items() if n}


def _recipients(request: Request, office: Office, *, every: bool) -> Response:
    now = office.clock.now()
    waiting = office.books.notices.notices(waiting=True)
    overdue = {notice.notice_id for notice in late(waiting, now)}
    shown = waiting
    if every:
        shown = tuple(sorted(office.books.notices.notices(), key=lambda each: each.due_at, reverse=True))
    else:
        shown = tuple(sorted(waiting, key=lambda each: each.due_at))
    known = {each.name for each in office.recipients}
    return render(
        request,
        "privacy_recipients.html.j2",
        recipients=[
            {
                "recipient": each,
                "owed": sum(notice.recipient == each.name for notice in waiting),
                "late": sum(
                    notice.recipient == each.name and notice.notice_id in overdue for notice in waiting
                ),
            }
            for each in office.recipients
        ],
        notices=[
            (notice, notice.notice_id in overdue, notice.recipient in known) for notice in shown[:_ROWS]
        ],
        n_notices=len(shown),
        n_waiting=len(waiting),
        n_late=len(overdue),
        every=every,
    )


def _to(request_id: str) -> Response:
    return RedirectResponse(f"/privacy/requests/{request_id}", 303)
