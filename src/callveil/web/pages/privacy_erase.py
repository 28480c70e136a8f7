"""Erasing a person's calls: what would happen, a word that is typed, and then it happens behind the page."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated

from fastapi import FastAPI, Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from callveil.kit import Office
from callveil.pipeline import erasure
from callveil.pipeline.office_documents import preview_fields
from callveil.pipeline.outlook import Preview, note_preview, preview
from callveil.pipeline.person_page import spans_of
from callveil.web.pages.access import Access
from callveil.web.pages.privacy_desk import (
    OFFICERS,
    Officer,
    Once,
    PersonToken,
    PrivacyDesk,
    Text,
    new_once,
    received_of,
    request_id_of,
)
from callveil.web.pages.render import render
from callveil.web.problems import ProblemError

WORD = "ERASE"
"""What is typed by who means it."""

_MOST_ROWS = 200
"""Calls that are shown; all are counted."""

_PATH = "/privacy/persons/{person}/erasure"


def install(app: FastAPI, desk: PrivacyDesk) -> None:
    """Add the pages."""

    @app.get(_PATH)
    async def ahead(
        request: Request,
        person: PersonToken,
        access: Officer,
        changed: Annotated[bool, Query()] = False,
    ) -> Response:
        """What would go, what would stay and why, and who would be told."""
        return await desk.do(lambda: _preview_page(request, desk, access, person, changed=changed))

    @app.get(_PATH + "/confirm", dependencies=OFFICERS)
    async def confirm(request: Request, person: PersonToken) -> Response:
        """The word, and the day the request came."""

        def work() -> Response:
            found = preview(desk.find(person, request).sought, desk.office)
            if not found.calls:
                return RedirectResponse(f"/privacy/persons/{person}/erasure", 303)
            return _confirm_page(request, desk, person, found)

        return await desk.do(work)

    @app.post(_PATH)
    async def erase(
        request: Request,
        person: PersonToken,
        access: Officer,
        once: Once,
        seen: Annotated[str, Form(pattern=r"^[0-9a-f]{64}$")],
        word: Annotated[str, Form(max_length=100)] = "",
        received: Text = "",
    ) -> Response:
        """Begin, when what was seen is still what would happen."""

        def work() -> Response:
            office = desk.office
            request_id = request_id_of(once, access)
            if _is_begun(request_id, office):
                return RedirectResponse(f"/privacy/requests/{request_id}", 303)
            sought = desk.find(person, request).sought
            found = preview(sought, office)
            if fingerprint(found) != seen or not found.calls:
                return RedirectResponse(f"/privacy/persons/{person}/erasure?changed=1", 303)
            if word.strip().upper() != WORD:
                return _confirm_page(request, desk, person, found, problem=True)
            erasure.begin(
                sought,
                office,
                actor=access.actor,
                received_at=received_of(received, office.clock.now()),
                request_id=request_id,
            )
            _carry_on(desk, request_id, access)
            return RedirectResponse(f"/privacy/requests/{request_id}", 303)

        return await desk.do(work)


def fingerprint(found: Preview) -> str:
    """Of what an erasure would do, so that nobody confirms what they have not seen."""
    fields = preview_fields(found)
    for call in fields["calls"]:
        del call["there"], call["state"]  # a worker may change them meanwhile; what goes stays the same
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()


def _is_begun(request_id: str, office: Office) -> bool:
    return any(True for _ in office.books.requests.items(request_id, limit=1))


def _carry_on(desk: PrivacyDesk, request_id: str, access: Access) -> None:
    try:
        desk.behind(lambda: erasure.carry_on(request_id, desk.office, actor=access.actor))
    except ProblemError:
        return  # it is entered: the workers do it


def _preview_page(
    request: Request, desk: PrivacyDesk, access: Access, token: str, *, changed: bool
) -> Response:
    found = preview(desk.find(token, request).sought, desk.office)
    note_preview(found, desk.office, actor=access.actor)
    return render(
        request,
        "privacy_erasure.html.j2",
        token=token,
        changed=changed,
        calls=found.calls[:_MOST_ROWS],
        spans_of=spans_of,
        recipients=_deadlines(found, desk.office),
        **_numbers(found),
    )


def _confirm_page(
    request: Request, desk: PrivacyDesk, token: str, found: Preview, *, problem: bool = False
) -> Response:
    return render(
        request,
        "privacy_erase.html.j2",
        status=422 if problem else 200,
        token=token,
        problem=problem,
        word=WORD,
        seen=fingerprint(found),
        once=new_once(),
        today=desk.office.clock.now().date().isoformat(),
        recipients=_deadlines(found, desk.office),
        **_numbers(found),
    )


def _numbers(found: Preview) -> dict[str, int]:
    n_erased = sum(each.is_erased for each in found.calls)
    n_untouched = sum(not each.is_erased and not each.goes for each in found.calls)
    return {
        "n_calls": len(found.calls),
        "n_erased": n_erased,
        "n_partly": len(found.calls) - n_erased - n_untouched,
        "n_untouched": n_untouched,
    }


def _deadlines(found: Preview, office: Office) -> list[tuple[str, int, int]]:
    """Recipient, of how many calls it is told, days it has to confirm."""
    days = {each.name: each.deadline_days for each in office.recipients}
    return [(name, n, days[name]) for name, n in sorted(found.recipients.items())]
