"""The privacy officer's endpoints for persons: search, export, erasure, restriction, the register."""

from __future__ import annotations

import os
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request, Response
from fastapi.responses import StreamingResponse

from callveil.kit import Office
from callveil.pipeline import erasure, register, restrict
from callveil.pipeline.erasure_proof import proof_of
from callveil.pipeline.export import export_subject
from callveil.pipeline.notices import late
from callveil.pipeline.office_documents import (
    notice_fields,
    preview_fields,
    request_fields,
    request_row,
    seen_calls,
    subject_fields,
)
from callveil.pipeline.outlook import named, note_preview, preview
from callveil.pipeline.subjects import note_search
from callveil.vocabulary.rights import Request as Asked
from callveil.vocabulary.rights import RequestState
from callveil.web.export_file import export_folder, pieces
from callveil.web.office_bodies import (
    ClosureBody,
    ErasureBody,
    ExportBody,
    ExtensionBody,
    PersonBody,
    ReasonBody,
    RestrictionBody,
    SubjectLiftBody,
    SubjectRestrictionBody,
)
from callveil.web.office_desk import NO_STORE, PRIVACY, Answer, Desk
from callveil.web.office_paths import CallId, RequestId
from callveil.web.office_person import came, find, identifiers_of, meant
from callveil.web.openapi import for_office

_BEGUN = {202: "Begun; the workers go on with what is left"}
_ZIP = {"description": "The archive", "content": {"application/zip": {}}}


def install(app: FastAPI, desk: Desk) -> None:
    """Add the endpoints."""
    _add_search(app, desk)
    _add_erasure(app, desk)
    _add_restriction(app, desk)
    _add_register(app, desk)


def _add_search(app: FastAPI, desk: Desk) -> None:
    @app.post("/v1/subjects/search", **for_office(PersonBody, PRIVACY))
    async def search(request: Request) -> Response:
        """Find all calls of a person."""
        return await desk.ask(request, PRIVACY, PersonBody, lambda b, who: _search(desk.office, b, who))

    said = for_office(ExportBody, PRIVACY)
    said["responses"][200] = _ZIP

    @app.post("/v1/subjects/export", response_class=Response, **said)
    async def export(request: Request) -> Response:
        """Give a person's calls in one archive; the request is entered in the register and closed."""
        return await desk.ask(request, PRIVACY, ExportBody, lambda b, who: _export(desk.office, b, who))


def _add_erasure(app: FastAPI, desk: Desk) -> None:
    @app.post("/v1/subjects/erasure", **for_office(ErasureBody, PRIVACY, also=_BEGUN))
    async def erase(request: Request) -> Response:
        """Erase all calls of a person, or named calls; without `confirm` tell what that would do."""
        return await desk.ask(request, PRIVACY, ErasureBody, lambda b, who: _erase(desk.office, b, who))

    @app.get("/v1/erasures/{request_id}", **for_office(None, PRIVACY))
    async def proof(request: Request, request_id: RequestId) -> Response:
        """Give the signed proof of an erasure, byte by byte as it was signed."""
        return await desk.read(request, PRIVACY, lambda who: _proof(desk, request_id, who))


def _add_restriction(app: FastAPI, desk: Desk) -> None:
    office = desk.office

    @app.post("/v1/subjects/restriction", **for_office(SubjectRestrictionBody, PRIVACY, also=_BEGUN))
    async def restrict_subject(request: Request) -> Response:
        """Lock all calls of a person away, or named calls."""

        def work(body: SubjectRestrictionBody, actor: str) -> Answer:
            sought, when = meant(body, office), came(body.received, office)
            return _carried(
                restrict.restrict(sought, office, reason=body.reason, actor=actor, received_at=when), office
            )

        return await desk.ask(request, PRIVACY, SubjectRestrictionBody, work)

    @app.post("/v1/subjects/restriction/lift", **for_office(SubjectLiftBody, PRIVACY, also=_BEGUN))
    async def lift_subject(request: Request) -> Response:
        """Lift the restriction of all calls of a person, or of named calls."""

        def work(body: SubjectLiftBody, actor: str) -> Answer:
            return _carried(
                restrict.lift(meant(body, office), office, reason=body.reason, actor=actor), office
            )

        return await desk.ask(request, PRIVACY, SubjectLiftBody, work)

    @app.post("/v1/calls/{call_id}/restriction", **for_office(RestrictionBody, PRIVACY, also=_BEGUN))
    async def restrict_call(request: Request, call_id: CallId) -> Response:
        """Lock one call away."""

        def work(body: RestrictionBody, actor: str) -> Answer:
            sought, when = named([call_id], office), came(body.received, office)
            return _carried(
                restrict.restrict(sought, office, reason=body.reason, actor=actor, received_at=when), office
            )

        return await desk.ask(request, PRIVACY, RestrictionBody, work)

    @app.delete("/v1/calls/{call_id}/restriction", **for_office(ReasonBody, PRIVACY, also=_BEGUN))
    async def lift_call(request: Request, call_id: CallId) -> Response:
        """Lift the restriction of one call; the person has to be told before."""

        def work(body: ReasonBody, actor: str) -> Answer:
            sought = named([call_id], office)
            return _carried(restrict.lift(sought, office, reason=body.reason, actor=actor), office)

        return await desk.ask(request, PRIVACY, ReasonBody, work)


def _add_register(app: FastAPI, desk: Desk) -> None:
    office = desk.office

    @app.get("/v1/requests", **for_office(None, PRIVACY))
    async def requests(
        request: Request,
        state: Annotated[
            RequestState | None, Query(description="Those in this state; left out, those not closed.")
        ] = None,
    ) -> Response:
        """List what persons asked for, and which recipients are late."""
        return await desk.read(request, PRIVACY, lambda _: _requests(office, state), query=("state",))

    @app.get("/v1/requests/{request_id}", **for_office(None, PRIVACY))
    async def one(request: Request, request_id: RequestId) -> Response:
        """Tell where a request stands: its calls, what stays and why, what recipients were told."""

        def work(_: str) -> Answer:
            found = office.books.requests.get(request_id)
            return Answer(document=request_fields(found, office), seen=f"request {request_id}")

        return await desk.read(request, PRIVACY, work)

    @app.post("/v1/requests/{request_id}/extension", **for_office(ExtensionBody, PRIVACY))
    async def extend(request: Request, request_id: RequestId) -> Response:
        """Extend the deadline, once, by up to two months; the person has to be told."""

        def work(body: ExtensionBody, actor: str) -> Answer:
            found = register.extend(request_id, office, months=body.months, reason=body.reason, actor=actor)
            return Answer(document=request_fields(found, office))

        return await desk.ask(request, PRIVACY, ExtensionBody, work)

    @app.post("/v1/requests/{request_id}/closure", **for_office(ClosureBody, PRIVACY))
    async def close(request: Request, request_id: RequestId) -> Response:
        """Close a request that people have answered, or refused."""

        def work(body: ClosureBody, actor: str) -> Answer:
            found = register.close(request_id, office, refused=body.refused, reason=body.reason, actor=actor)
            return Answer(document=request_fields(found, office))

        return await desk.ask(request, PRIVACY, ClosureBody, work)


def _search(office: Office, body: PersonBody, actor: str) -> Answer:
    wanted = identifiers_of(body.identifiers, body.region)
    found = find(wanted, body.linked, office)
    note_search(found, (kind for kind, _ in wanted), len(body.linked), office, actor=actor)
    return Answer(document=subject_fields(found, seen_calls(found, office)))


def _export(office: Office, body: ExportBody, actor: str) -> Response:
    person = find(identifiers_of(body.identifiers, body.region), body.linked, office)
    with export_folder(office.site.data) as folder:
        path = folder / "export.zip"
        exported = export_subject(office, person, path, portable=body.portable, actor=actor)
        file = path.open("rb")
    # The file has no name from here on; what is still to be sent goes with the open handle.
    headers = {
        **NO_STORE,
        "Content-Length": str(os.fstat(file.fileno()).st_size),
        "Content-Disposition": f'attachment; filename="{exported.request_id}.zip"',
        "X-Callveil-Request": exported.request_id,
    }
    return StreamingResponse(pieces(file), headers=headers, media_type="application/zip")


def _erase(office: Office, body: ErasureBody, actor: str) -> Answer:
    sought, when = meant(body, office), came(body.received, office)
    if not body.confirm:
        ahead = preview(sought, office)
        note_preview(ahead, office, actor=actor)
        return Answer(document=preview_fields(ahead))
    request = erasure.erase(sought, office, actor=actor, received_at=when, limit=body.limit)
    return _carried(request, office)


def _proof(desk: Desk, request_id: str, actor: str) -> Response:
    content = proof_of(request_id, desk.office)
    desk.note(actor, "office.read", what=f"proof {request_id}")
    return Response(content, headers=dict(NO_STORE), media_type="application/json")


def _requests(office: Office, state: RequestState | None) -> Answer:
    states = () if state is None else (state,)
    found = office.books.requests.requests(states=states)
    rows = [request_row(each, office) for each in found if state is not None or each.closed_at is None]
    overdue = late(office.books.notices.notices(waiting=True), office.clock.now())
    document: dict[str, Any] = {
        "requests": rows,
        "late_notices": [notice_fields(each, office) for each in overdue],
    }
    return Answer(document=document, seen="requests")


def _carried(request: Asked, office: Office) -> Answer:
    """What came of a request; the workers send its notices, and do what is left."""
    request = office.books.requests.get(request.request_id)
    status = 202 if request.state is RequestState.RUNNING else 200
    return Answer(document=request_fields(request, office), status=status)
