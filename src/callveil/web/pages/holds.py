"""Legal holds: which stand, placing one, and ending one; each after a page that says what it does."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Annotated

from fastapi import Depends, FastAPI, Form, Path, Query, Request, Response
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool

from callveil.errors import MetadataError, NotFoundError
from callveil.kit import Office, Service
from callveil.pipeline import holds
from callveil.vocabulary.accounts import WebRole
from callveil.vocabulary.retention import Hold, HoldScope
from callveil.web.pages.access import Access, require
from callveil.web.pages.hold_form import FIELDS, check_sees_all, look_up, read_hold_form, sought
from callveil.web.pages.jobs import Jobs
from callveil.web.pages.render import render

log = logging.getLogger(__name__)

Reader = Annotated[Access, Depends(require(WebRole.OPS, WebRole.PRIVACY))]
HoldId = Annotated[str, Path(pattern=r"^hold-[0-9a-f]{12}$")]
CallIdQuery = Annotated[str, Query(alias="call", max_length=128)]

_SHOWN = 50
_SCOPES = {
    HoldScope.CALL: "named calls",
    HoldScope.SUBJECT: "a person, later calls too",
    HoldScope.QUERY: "calls that fitted a search",
}


def install(app: FastAPI, service: Service, office: Office) -> None:  # noqa: ARG001  as every page
    """Add /retention/holds; /holds leads there.

    Args:
        app: The pages.
        service: Not needed.
        office: For ledger, books and store.
    """
    _add_list(app, office)
    _add_place(app, office, jobs := Jobs())
    _add_release(app, office, jobs)


def _add_list(app: FastAPI, office: Office) -> None:
    @app.get("/holds")
    async def short(access: Reader) -> Response:  # noqa: ARG001  as every route
        """Where they are."""
        return RedirectResponse("/retention/holds", 303)

    @app.get("/retention/holds")
    async def view(
        request: Request,
        access: Reader,  # noqa: ARG001  as every route
        every: Annotated[bool, Query(alias="all")] = False,
        placed: Annotated[str, Query(pattern=r"^(hold-[0-9a-f]{12})?$")] = "",
        released: Annotated[str, Query(pattern=r"^(hold-[0-9a-f]{12})?$")] = "",
    ) -> Response:
        """Those that stand, or all there were."""

        def work() -> Response:
            found = office.books.holds.holds(standing=not every)
            newest_first = list(reversed(found))
            said = {"every": every, "placed": placed, "released": released}
            return render(request, "holds.html.j2", scopes=_SCOPES, holds=newest_first, said=said)

        return await run_in_threadpool(work)


def _add_place(app: FastAPI, office: Office, jobs: Jobs) -> None:
    @app.get("/retention/holds/new")
    async def form(
        request: Request,
        access: Reader,
        scope: Annotated[HoldScope, Query()] = HoldScope.CALL,
        call: CallIdQuery = "",
    ) -> Response:
        """What to place one on."""
        values = dict.fromkeys(FIELDS, "") | {"calls": call, "reason": "", "authority": ""}
        return await run_in_threadpool(lambda: _form(request, office, access, scope, values))

    @app.post("/retention/holds/preview")
    async def preview(request: Request, access: Reader) -> Response:
        """How many calls it would be on; nothing is placed yet."""
        given = await request.form()

        def work() -> Response:
            try:
                asked = read_hold_form(given)
                meant = look_up(asked, access, office)
            except (MetadataError, NotFoundError) as error:
                values = {name: str(given.get(name, "")) for name in (*FIELDS, "reason", "authority")}
                scope = (
                    HoldScope(str(given["scope"])) if given.get("scope") in set(HoldScope) else HoldScope.CALL
                )
                return _form(request, office, access, scope, values, problem=str(error))
            return render(request, "hold_preview.html.j2", form=asked, meant=meant, scopes=_SCOPES)

        return await run_in_threadpool(work)

    @app.post("/retention/holds")
    async def place(request: Request, access: Reader) -> Response:
        """Place it: it stands from now on, and the store follows."""
        asked = read_hold_form(await request.form())

        def work() -> Hold:
            placed = holds.place(
                asked.scope,
                sought(asked, access, office),
                office,
                reason=asked.reason,
                authority=asked.authority,
                actor=access.actor,
                follow=False,
            )
            return placed.hold

        hold = await run_in_threadpool(work)
        _follow(hold.hold_id, office, jobs)
        return RedirectResponse(f"/retention/holds?placed={hold.hold_id}", 303)


def _add_release(app: FastAPI, office: Office, jobs: Jobs) -> None:
    @app.get("/retention/holds/{hold_id}")
    async def one(request: Request, access: Reader, hold_id: HoldId) -> Response:
        """One of them: its calls, and the form that ends it."""

        def work() -> Response:
            hold = _hold(hold_id, office)
            ids = office.books.holds.calls_of(hold_id, limit=_SHOWN)
            within = access.user.queues or None
            seen = [each for each in ids if office.ledger.search.may_see(each, within=within)]
            may_end = hold.released_at is None and not access.user.queues
            return render(request, "hold.html.j2", hold=hold, calls=seen, may_end=may_end, scopes=_SCOPES)

        return await run_in_threadpool(work)

    @app.post("/retention/holds/{hold_id}/release")
    async def release(
        access: Reader, hold_id: HoldId, reason: Annotated[str, Form(max_length=500)] = ""
    ) -> Response:
        """End it; what waited for it goes on."""
        check_sees_all(access)
        await run_in_threadpool(
            lambda: holds.release(hold_id, office, reason=reason, actor=access.actor, follow=False)
        )
        _follow(hold_id, office, jobs)
        return RedirectResponse(f"/retention/holds?released={hold_id}", 303)


def _form(
    request: Request,
    office: Office,
    access: Access,
    scope: HoldScope,
    values: Mapping[str, str],
    *,
    problem: str = "",
) -> Response:
    queues = office.ledger.search.queues(within=access.user.queues or None)
    return render(
        request,
        "hold_new.html.j2",
        status=422 if problem else 200,
        scope=scope,
        values=values,
        queues=queues,
        problem=problem,
    )


def _follow(hold_id: str, office: Office, jobs: Jobs) -> None:
    """Make the store follow behind the page; where that is cut off, reconcile does."""
    try:
        jobs.begin("holds", hold_id, lambda _: holds.make_follow(hold_id, office))
    except Exception as error:  # noqa: BLE001  the hold stands whatever becomes of this
        log.error("the store follows a hold later", extra={"error": type(error).__name__})


def _hold(hold_id: str, office: Office) -> Hold:
    for hold in office.books.holds.holds(standing=False):
        if hold.hold_id == hold_id:
            return hold
    raise NotFoundError("there is no such hold")
