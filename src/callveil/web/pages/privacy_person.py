"""One person: the calls, what is held of them, who else it may be, locking calls away and freeing them."""

from __future__ import annotations

from typing import Annotated

from fastapi import FastAPI, Form, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import StringConstraints

from callveil.errors import MetadataError
from callveil.pipeline import restrict
from callveil.pipeline.person_page import held_calls, roles_of, spans_of, told_of
from callveil.pipeline.subjects import find_person, note_search
from callveil.vocabulary.accounts import Privilege
from callveil.web.pages.access import Access
from callveil.web.pages.person_token import Meant
from callveil.web.pages.privacy_desk import (
    OFFICERS,
    Officer,
    Once,
    PersonToken,
    PrivacyDesk,
    Text,
    new_once,
    reason_of,
    received_of,
    request_id_of,
)
from callveil.web.pages.render import render
from callveil.web.problems import ProblemError

_ROWS = 50
"""Calls on a page."""

_PATH = "/privacy/persons/{person}"

_ShortId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{10}$")]
_ShortIds = Annotated[list[_ShortId] | None, Form(max_length=100)]
_Page = Annotated[int, Query(ge=1, le=100_000)]


def install(app: FastAPI, desk: PrivacyDesk) -> None:
    """Add the pages."""
    _add_person(app, desk)
    _add_restriction(app, desk)


def _add_person(app: FastAPI, desk: PrivacyDesk) -> None:
    @app.get(_PATH)
    async def person(request: Request, person: PersonToken, access: Officer, page: _Page = 1) -> Response:
        """What is held of a person."""
        return await desk.do(lambda: _person(request, desk, access, person, page))

    @app.post(_PATH + "/linked")
    async def linked(
        request: Request, person: PersonToken, access: Officer, also: _ShortIds = None
    ) -> Response:
        """Take those that were ticked for the same person."""

        def work() -> Response:
            meant = desk.meant(person, request)
            if meant.person is None:
                raise ProblemError(404, "No person was looked for.")
            if not also:
                return RedirectResponse(f"/privacy/persons/{person}", 303)
            try:
                subject = find_person(meant.person, also, desk.office)
            except MetadataError:
                raise ProblemError(409, "Somebody was suggested who is not there any more.") from None
            token = desk.seal(Meant(person=subject.person, call_ids=meant.call_ids), request)
            desk.note(access, "subject.linked", linked=len(also))
            return RedirectResponse(f"/privacy/persons/{token}", 303)

        return await desk.do(work)


def _person(request: Request, desk: PrivacyDesk, access: Access, token: str, page: int) -> Response:
    office, found = desk.office, desk.find(token, request)
    call_ids, subject = found.sought.call_ids, found.subject
    n_pages = max(1, -(-len(call_ids) // _ROWS))
    page = min(page, n_pages)
    if subject is None:
        desk.note(access, "office.read", what="calls", calls=len(call_ids))
    else:
        kinds = [each.kind for each in subject.person.known]
        note_search(subject, kinds, 0, office, actor=access.actor)
    shown = call_ids[(page - 1) * _ROWS : page * _ROWS]
    return render(
        request,
        "privacy_person.html.j2",
        token=token,
        subject=subject,
        calls=held_calls(shown, {} if subject is None else roles_of(subject), office),
        n_calls=len(call_ids),
        spans_of=spans_of,
        page=page,
        n_pages=n_pages,
        may_export=access.has_privilege(Privilege.EXPORT),
    )


def _add_restriction(app: FastAPI, desk: PrivacyDesk) -> None:
    @app.get(_PATH + "/restriction", dependencies=OFFICERS)
    async def form(request: Request, person: PersonToken) -> Response:
        """What locking away means, and the form."""
        return await desk.do(lambda: _restriction_page(request, desk, person, lifting=False))

    @app.get(_PATH + "/lift", dependencies=OFFICERS)
    async def lift_form(request: Request, person: PersonToken) -> Response:
        """What freeing means, and the form."""
        return await desk.do(lambda: _restriction_page(request, desk, person, lifting=True))

    @app.post(_PATH + "/restriction")
    async def lock(
        request: Request,
        person: PersonToken,
        access: Officer,
        once: Once,
        reason: Text = "",
        received: Text = "",
    ) -> Response:
        """Lock the calls away."""

        def work() -> Response:
            sought, office = desk.find(person, request).sought, desk.office
            made = restrict.restrict(
                sought,
                office,
                reason=reason_of(reason),
                actor=access.actor,
                received_at=received_of(received, office.clock.now()),
                request_id=request_id_of(once, access),
            )
            return RedirectResponse(f"/privacy/requests/{made.request_id}", 303)

        return await desk.do(work)

    @app.post(_PATH + "/lift")
    async def free(
        request: Request,
        person: PersonToken,
        access: Officer,
        once: Once,
        reason: Text = "",
        told: Annotated[bool, Form()] = False,
    ) -> Response:
        """Free the calls; the person has to be told before (Art. 18(3))."""

        def work() -> Response:
            if not told:
                raise ProblemError(422, "Tell the person first (Art. 18(3)), and tick that you did.")
            made = restrict.lift(
                desk.find(person, request).sought,
                desk.office,
                reason=reason_of(reason),
                actor=access.actor,
                request_id=request_id_of(once, access),
            )
            return RedirectResponse(f"/privacy/requests/{made.request_id}", 303)

        return await desk.do(work)


def _restriction_page(request: Request, desk: PrivacyDesk, token: str, *, lifting: bool) -> Response:
    office, found = desk.office, desk.find(token, request)
    call_ids = found.sought.call_ids
    n_restricted = sum(office.books.requests.restriction(each) is not None for each in call_ids)
    return render(
        request,
        "privacy_restriction.html.j2",
        token=token,
        lifting=lifting,
        n_calls=len(call_ids),
        n_restricted=n_restricted,
        told=told_of(found.sought, office),
        once=new_once(),
        today=office.clock.now().date().isoformat(),
    )
