"""The privacy officer's endpoints for papers: consent of a call, breaches, the record of processing."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import FastAPI, Query, Request, Response

from callveil.errors import MetadataError
from callveil.kit import Office
from callveil.pipeline.breach import Breach, Selection, by_calls, by_objects, by_window, report_breach
from callveil.pipeline.consent_papers import consent_history, history_fields, known_call, make_receipt
from callveil.pipeline.processing_record import make_record
from callveil.rights.breach import Copies
from callveil.rights.processing_record import record_document
from callveil.web.office_bodies import BreachBody
from callveil.web.office_desk import PRIVACY, Answer, Desk
from callveil.web.office_paths import CallId
from callveil.web.openapi import for_office


def install(app: FastAPI, desk: Desk) -> None:
    """Add the endpoints."""
    office = desk.office

    @app.get("/v1/calls/{call_id}/consent/history", **for_office(None, PRIVACY))
    async def history(request: Request, call_id: CallId) -> Response:
        """Tell every answer about consent of a call, oldest first, and those that stand now."""

        def work(_: str) -> Answer:
            known = known_call(office, call_id)
            answers = consent_history(office, call_id)
            return Answer(document=history_fields(known, answers), seen="consent history", call_id=call_id)

        return await desk.read(request, PRIVACY, work)

    @app.get("/v1/calls/{call_id}/consent/receipt", **for_office(None, PRIVACY))
    async def receipt(
        request: Request,
        call_id: CallId,
        party: Annotated[
            int | None, Query(ge=0, le=1000, description="Index into the parties; left out, the customer.")
        ] = None,
        vcon: Annotated[bool, Query(description="As vCon attachments (lawful_basis).")] = False,
    ) -> Response:
        """Make a receipt of what one party agreed to: JSON-LD after ISO/IEC TS 27560."""

        def work(actor: str) -> Answer:
            made = make_receipt(office, call_id, party=party, actor=actor)
            return Answer(document={"attachments": list(made.lawful_basis)} if vcon else made.document)

        return await desk.read(request, PRIVACY, work, query=("party", "vcon"))

    @app.post("/v1/breaches", **for_office(BreachBody, PRIVACY))
    async def breach(request: Request) -> Response:
        """Tell who and what a breach concerns, and until when to notify."""
        return await desk.ask(request, PRIVACY, BreachBody, lambda body, who: _breach(office, body, who))

    @app.get("/v1/processing-record", **for_office(None, PRIVACY))
    async def record(request: Request) -> Response:
        """Give the record of processing activities (GDPR Art. 30) of this service's profile."""

        def work(_: str) -> Answer:
            facts = make_record([office.config], office.site, office.clock.now(), lambda _: office.policies)
            return Answer(document=record_document(facts), seen="processing record")

        return await desk.read(request, PRIVACY, work)


def _breach(office: Office, body: BreachBody, actor: str) -> Answer:
    breach = made_breach(office, body, actor)
    document: dict[str, Any] = dict(breach.document)
    if body.letters:
        document["letters"] = {"authority": breach.authority, "subjects": breach.subjects}
    return Answer(document=document)


def made_breach(office: Office, body: BreachBody, actor: str) -> Breach:
    """Make the report that is asked for, and write into the audit chain that it was made.

    Raises:
        MetadataError: What was exposed is not said, or twice, or it became known in the future.
    """
    if body.known_at > office.clock.now():
        raise MetadataError("known_at: lies in the future")
    selection = _selection(office, body)
    return report_breach(office, selection, known_at=body.known_at, key=body.key, actor=actor)


def _selection(office: Office, body: BreachBody) -> Selection:
    if sum(given is not None for given in (body.call_ids, body.window, body.objects)) != 1:
        raise MetadataError("call_ids, window, objects: give one of them")
    wanted = frozenset(body.copies or (Copies.PUBLISHED,))
    if body.call_ids is not None:
        return by_calls(office, body.call_ids, wanted)
    if body.window is not None:
        if not body.window.since < body.window.until:
            raise MetadataError("window: must end after it begins")
        return by_window(office, body.window.since, body.window.until, wanted)
    if body.copies:
        raise MetadataError("copies: not with objects, whose names say it")
    return by_objects(office, body.objects or ())
