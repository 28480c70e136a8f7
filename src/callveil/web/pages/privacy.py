"""The privacy officer's pages: finding a person, and all that follows from it."""

from __future__ import annotations

import re
from typing import Annotated

import phonenumbers
from fastapi import FastAPI, Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from callveil.adapters.call_document import CALL_ID, CALL_ID_ALLOWED
from callveil.errors import MetadataError, NotFoundError
from callveil.kit import Office, Service
from callveil.pipeline import register
from callveil.pipeline.notices import late
from callveil.pipeline.outlook import named
from callveil.pipeline.subjects import Person, person_of, with_alike_there
from callveil.rights.identifiers import normalise_all, region_of
from callveil.vocabulary.rights import IdentifierKind
from callveil.web.export_jobs import ExportJobs
from callveil.web.pages import (
    privacy_erase,
    privacy_export,
    privacy_papers,
    privacy_person,
    privacy_register,
)
from callveil.web.pages.person_token import Meant
from callveil.web.pages.privacy_desk import OFFICERS, Officer, PrivacyDesk, session_of
from callveil.web.pages.render import render

__all__ = ["install"]

_FIELDS = {
    IdentifierKind.PHONE: "Telephone numbers",
    IdentifierKind.EMAIL: "E-mail addresses",
    IdentifierKind.CUSTOMER_ID: "Customer ids",
}

_Lines = Annotated[str, Form(max_length=8000)]


def install(app: FastAPI, service: Service, office: Office) -> None:
    """Add the pages under /privacy."""
    desk, jobs = PrivacyDesk(service, office), ExportJobs(office)
    _add_search(app, desk, jobs)
    privacy_person.install(app, desk)
    privacy_erase.install(app, desk)
    privacy_export.install(app, desk, jobs)
    privacy_register.install(app, desk)
    privacy_papers.install(app, desk)


def _add_search(app: FastAPI, desk: PrivacyDesk, jobs: ExportJobs) -> None:
    @app.get("/privacy")
    async def start(
        request: Request,
        access: Officer,
        call: Annotated[str, Query(max_length=128)] = "",
        wrong: Annotated[str, Query(max_length=2000)] = "",
    ) -> Response:
        """The form to find a person, what is late, and the archives of this session."""

        def work() -> Response:
            office, now = desk.office, desk.office.clock.now()
            found = [each for each in office.books.requests.requests() if each.closed_at is None]
            return render(
                request,
                "privacy.html.j2",
                problem=desk.unseal_words(wrong, request),
                call=call,
                n_open=len(found),
                n_late=sum(register.is_late(each, now) for each in found),
                n_silent=len(late(office.books.notices.notices(waiting=True), now)),
                jobs=jobs.of(session_of(access).digest),
                regions=sorted(phonenumbers.SUPPORTED_REGIONS),
            )

        return await desk.do(work)

    @app.post("/privacy/find", dependencies=OFFICERS)
    async def find(
        request: Request,
        phone: _Lines = "",
        email: _Lines = "",
        customer_id: _Lines = "",
        region: Annotated[str, Form(max_length=20)] = "",
        calls: _Lines = "",
    ) -> Response:
        """Turn what was typed into keyed hashes, which are all that goes on.

        It always leads elsewhere: a browser keeps what was sent for a page, to send it again.
        """

        def work() -> Response:
            typed = {
                IdentifierKind.PHONE: _lines(phone),
                IdentifierKind.EMAIL: _lines(email),
                IdentifierKind.CUSTOMER_ID: _lines(customer_id),
            }
            try:
                token = desk.seal(_meant(typed, region, _lines(calls), desk.office), request)
            except (MetadataError, NotFoundError) as error:
                said = desk.seal_words(str(error)[:800], request)
                return RedirectResponse(f"/privacy?wrong={said}", 303)
            return RedirectResponse(f"/privacy/persons/{token}", 303)

        return await desk.do(work)


def _meant(typed: dict[IdentifierKind, list[str]], region: str, call_ids: list[str], office: Office) -> Meant:
    region = region.strip().upper()
    if region and region_of(region) is None:
        raise MetadataError("Country: is none; allowed: two letters, such as GB")
    person: Person | None = None
    if any(typed.values()):
        wanted = normalise_all(typed, region=region_of(region or None), fields=_FIELDS)
        person = with_alike_there(person_of(wanted, office), office)
    elif not call_ids:
        raise MetadataError("Type at least one telephone number, e-mail address, customer id or call id.")
    if not all(re.fullmatch(CALL_ID, call_id) for call_id in call_ids):
        raise MetadataError(f"Call ids: one is none; allowed: {CALL_ID_ALLOWED}")
    return Meant(person=person, call_ids=named(call_ids, office).call_ids)


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]
