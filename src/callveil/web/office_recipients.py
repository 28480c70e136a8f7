"""Endpoints for recipients: who they are, what they were told, and the receipts that they send themselves."""

from __future__ import annotations

import hmac
from typing import Annotated

from fastapi import FastAPI, Query, Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from callveil.adapters.webhook import RECIPIENT_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER, sign_notice
from callveil.errors import SignatureError
from callveil.kit import Office
from callveil.pipeline.erasure import prove_anew
from callveil.pipeline.notices import confirm
from callveil.pipeline.office_documents import notice_fields, recipient_fields
from callveil.web.bodies import read_body
from callveil.web.office_bodies import MOST_BYTES, ReceiptBody, parse_body
from callveil.web.office_desk import BOTH, NO_STORE, Answer, Desk, target
from callveil.web.office_paths import NoticeId
from callveil.web.openapi import for_office
from callveil.web.signatures import check_form


def install(app: FastAPI, desk: Desk) -> None:
    """Add the endpoints."""
    office = desk.office

    @app.get("/v1/recipients", **for_office(None, BOTH))
    async def recipients(request: Request) -> Response:
        """List the systems that got copies, without their secrets."""

        def work(_: str) -> Answer:
            found = [recipient_fields(each) for each in office.recipients]
            return Answer(document={"recipients": found}, seen="recipients")

        return await desk.read(request, BOTH, work)

    @app.get("/v1/notices", **for_office(None, BOTH))
    async def notices(
        request: Request,
        waiting: Annotated[bool, Query(description="Only those without a receipt.")] = False,
    ) -> Response:
        """List what recipients were told, and what came of it."""

        def work(_: str) -> Answer:
            found = office.books.notices.notices(waiting=waiting)
            return Answer(
                document={"notices": [notice_fields(notice, office) for notice in found]}, seen="notices"
            )

        return await desk.read(request, BOTH, work, query=("waiting",))

    @app.post("/v1/notices/{notice_id}/receipt", **for_office(ReceiptBody, ()))
    async def receipt(request: Request, notice_id: NoticeId) -> Response:
        """Confirm a notice that was accepted with 202; for its recipient, signed as its webhooks are."""
        name, content = await _sender(request, office)
        body = parse_body(content, ReceiptBody)
        return await run_in_threadpool(_confirm, office, notice_id, name, body.receipt)


async def _sender(request: Request, office: Office) -> tuple[str, bytes]:
    """Who sends this, and its body; only when the signature is that recipient's.

    Raises:
        SignatureError: It is not.
    """
    name, timestamp = request.headers.get(RECIPIENT_HEADER, ""), request.headers.get(TIMESTAMP_HEADER, "")
    signature = request.headers.get(SIGNATURE_HEADER, "")
    window_s = office.config.profile.service.signature_window_s
    if not (name and timestamp and signature):
        raise SignatureError(
            f"headers {RECIPIENT_HEADER}, {TIMESTAMP_HEADER} and {SIGNATURE_HEADER} are all needed"
        )
    check_form(timestamp, signature, now=office.clock.now(), window_s=window_s)
    found = [r for r in office.recipients if hmac.compare_digest(r.name.encode(), name.encode())]
    if not found:
        raise SignatureError(f"{RECIPIENT_HEADER}: there is no such recipient")
    content = await read_body(request, MOST_BYTES)
    expected = sign_notice(found[0].secret, timestamp, target(request), content)
    if not hmac.compare_digest(expected, signature):
        raise SignatureError(f"{SIGNATURE_HEADER}: does not fit timestamp, path and body")
    return found[0].name, content


def _confirm(office: Office, notice_id: str, recipient: str, receipt: str) -> Response:
    notice = confirm(notice_id, recipient, receipt, office)
    prove_anew(notice.request_id, office)
    return JSONResponse(notice_fields(notice, office), headers=dict(NO_STORE))
