"""The ingest API: calls in, answers about consent in, states out."""

from __future__ import annotations

import hashlib
import time
from datetime import datetime
from typing import Annotated, Any

from fastapi import FastAPI, Header, Path, Query, Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from callveil import __version__
from callveil.adapters.call_document import CALL_ID
from callveil.adapters.call_metadata import parse_call, parse_consent
from callveil.adapters.metrics import CONTENT_TYPE, ApiMetrics
from callveil.config import KeyRole
from callveil.errors import CallveilError
from callveil.kit import Service
from callveil.pipeline.intake import take_in, waiting_calls
from callveil.ports import LandingWriter
from callveil.stages.documents.forms import utc
from callveil.vocabulary.ledger import CallState, LedgerCall
from callveil.vocabulary.recording import Part
from callveil.web import office_api, problems, telephony
from callveil.web.bodies import check_length, read_body
from callveil.web.openapi import API_DESCRIPTION, PATCH_CONSENT, POST_CALLS, answers
from callveil.web.problems import ProblemError, status_of_error
from callveil.web.signatures import KEY_HEADER, SIGNATURE_HEADER, Signed
from callveil.web.upload import Upload

_MOST_OVERHEAD_BYTES = 2**21
"""Metadata, boundaries and headers of parts, beside the audio."""

_MOST_PATCH_BYTES = 2**20

_BACKLOG_S = 1.0
"""How long a count of waiting calls is believed."""

CallId = Annotated[str, Path(pattern=CALL_ID, max_length=128, description="The call.")]


def build_api(service: Service, *, open_status: bool = False) -> FastAPI:
    """Make the web application.

    Args:
        service: Ledger, landing, store.
        open_status: Answer status reads that are not signed; only for an address nobody else reaches.
    """
    app = FastAPI(
        title="Callveil",
        version=__version__,
        description=API_DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        openapi_url="/v1/openapi.json",
    )
    problems.install(app)
    metrics = ApiMetrics(service.ledger, service.books, service.clock)
    ingest = _Ingest(service, metrics)
    _add_ingest(app, ingest)
    _add_status(app, service, ingest, open_status=open_status)
    _add_health(app, service, metrics)
    office_api.install(app, service)
    telephony.install(app, service, metrics)
    return app


def _add_ingest(app: FastAPI, ingest: _Ingest) -> None:
    @app.post(
        "/v1/calls",
        status_code=201,
        responses=answers(200, 401, 403, 409, 413, 415, 422, 429, 503),
        openapi_extra=POST_CALLS,
    )
    async def push(
        request: Request,
        idempotency_key: Annotated[
            str | None, Header(min_length=1, max_length=255, pattern=r"^[!-~]+$")
        ] = None,
    ) -> Response:
        """Push one call: its metadata and its audio."""
        call, created = await ingest.push(request, idempotency_key)
        headers = {"Location": f"/v1/calls/{call.call_id}"}
        return JSONResponse(status_of(call), 201 if created else 200, headers)

    @app.patch(
        "/v1/calls/{call_id}/consent",
        responses=answers(401, 403, 404, 409, 413, 422, 429, 503),
        openapi_extra=PATCH_CONSENT,
    )
    async def consent(request: Request, call_id: CallId) -> Response:
        """Add an answer about consent; the call is decided anew."""
        return JSONResponse(status_of(await ingest.consent(request, call_id)))


def _add_status(app: FastAPI, service: Service, ingest: _Ingest, *, open_status: bool) -> None:
    def check(request: Request) -> None:
        if open_status and not {KEY_HEADER, SIGNATURE_HEADER} & {name.title() for name in request.headers}:
            return
        ingest.signed(request).check(hashlib.sha256(b"").hexdigest(), tuple(KeyRole))

    @app.get("/v1/calls/{call_id}", responses=answers(401, 404, 422, 503))
    async def status(request: Request, call_id: CallId) -> Response:
        """Tell where a call stands."""
        check(request)
        return JSONResponse(status_of(await run_in_threadpool(service.ledger.get, call_id)))

    @app.get("/v1/calls", responses=answers(401, 422, 503))
    async def calls(
        request: Request,
        state: Annotated[CallState | None, Query(description="Only calls in this state.")] = None,
        after: Annotated[
            str | None, Query(max_length=128, pattern=CALL_ID, description="Only ids after this one.")
        ] = None,
        limit: Annotated[int, Query(ge=1, le=1000, description="Calls on a page.")] = 100,
    ) -> Response:
        """List calls by id, a page at a time."""
        check(request)
        page = await run_in_threadpool(lambda: service.ledger.calls(state=state, after=after, limit=limit))
        following = page[-1].call_id if len(page) == limit else None
        return JSONResponse({"calls": [status_of(call) for call in page], "next_after": following})


def _add_health(app: FastAPI, service: Service, metrics: ApiMetrics) -> None:
    @app.get("/healthz", include_in_schema=False)
    async def health() -> Response:
        return JSONResponse({"status": "alive"})

    @app.get("/readyz", include_in_schema=False)
    async def ready() -> Response:
        await run_in_threadpool(lambda: service.ledger.counts(now=service.clock.now()))
        return JSONResponse({"status": "ready"})

    @app.get("/metrics", include_in_schema=False)
    async def prometheus() -> Response:
        return Response(await run_in_threadpool(metrics.text), media_type=CONTENT_TYPE)


class _Ingest:
    """What the endpoints do."""

    def __init__(self, service: Service, metrics: ApiMetrics) -> None:
        self._service, self._metrics = service, metrics
        self._uploads = 0
        self._waiting, self._waiting_at = 0, -_BACKLOG_S

    def signed(self, request: Request) -> Signed:
        service = self._service
        return Signed(
            request.headers,
            service.site.ingest_keys,
            now=service.clock.now(),
            window_s=service.settings.signature_window_s,
        )

    async def push(self, request: Request, idempotency_key: str | None) -> tuple[LedgerCall, bool]:
        began, status, n_bytes = time.monotonic(), 500, 0
        try:
            call, created = await self._push(request, idempotency_key)
            status, n_bytes = (201, call.n_bytes or 0) if created else (200, 0)
            return call, created
        except (ProblemError, CallveilError) as error:
            status = status_of_error(error)
            raise
        finally:
            self._metrics.pushed(status=status, seconds=time.monotonic() - began, n_bytes=n_bytes)

    async def _push(self, request: Request, idempotency_key: str | None) -> tuple[LedgerCall, bool]:
        signed = self.signed(request)
        most = self._service.config.profile.limits.max_bytes
        check_length(request, most + _MOST_OVERHEAD_BYTES)
        await self._check_room()
        self._uploads += 1
        try:
            with await run_in_threadpool(self._service.landing.begin) as writer:
                upload = await self._read(request, writer, most)
                signed.check(upload.body_sha256)
                return await run_in_threadpool(self._accept, upload, writer, signed.actor, idempotency_key)
        except ClientDisconnect:
            raise ProblemError(400, "body: the connection was closed before its end") from None
        finally:
            self._uploads -= 1

    async def _read(self, request: Request, writer: LandingWriter, most: int) -> Upload:
        upload = Upload(request.headers.get("content-type", ""), writer, most)
        async for chunk in request.stream():
            if chunk:
                await run_in_threadpool(upload.feed, chunk)
        upload.finish()
        return upload

    def _accept(
        self, upload: Upload, writer: LandingWriter, actor: str, idempotency_key: str | None
    ) -> tuple[LedgerCall, bool]:
        service = self._service
        call = parse_call(upload.metadata, source="metadata", default_started_at=service.clock.now())
        return take_in(call, writer, service, source="push", actor=actor, idempotency_key=idempotency_key)

    async def consent(self, request: Request, call_id: str) -> LedgerCall:
        signed = self.signed(request)
        body = await read_body(request, _MOST_PATCH_BYTES)
        signed.check(hashlib.sha256(body).hexdigest(), (KeyRole.INGEST, KeyRole.PRIVACY))
        return await run_in_threadpool(self._record_consent, call_id, body, signed.actor)

    def _record_consent(self, call_id: str, body: bytes, actor: str) -> LedgerCall:
        ledger = self._service.ledger
        records = parse_consent(body, source="body", call=ledger.get(call_id).call)
        return ledger.record_consent(call_id, records, actor=actor, now=self._service.clock.now())

    async def _check_room(self) -> None:
        settings = self._service.settings
        if self._uploads >= settings.max_uploads:
            raise ProblemError(
                429, f"{settings.max_uploads} uploads are under way; try again", retry_after_s=1
            )
        if time.monotonic() - self._waiting_at > _BACKLOG_S:
            self._waiting_at = time.monotonic()
            self._waiting = await run_in_threadpool(waiting_calls, self._service)
        if self._waiting >= settings.max_waiting:
            raise ProblemError(
                429, f"{settings.max_waiting} calls are waiting; try again later", retry_after_s=30
            )


def status_of(call: LedgerCall) -> dict[str, Any]:
    """A call's state as the API tells it; FORMATS.md describes it."""
    return {
        "call_id": call.call_id,
        "state": call.state.value,
        "reason": call.reason or None,
        "error_code": call.error_code,
        "objects": [f"{call.prefix}{part.value}" for part in Part] if call.prefix else [],
        "source": call.source,
        "complete": call.arrived_at is not None and not call.incomplete,
        "attempts": call.attempts,
        "keep_until_s": call.keep_until_s,
        "hold_until": _time(call.hold_until),
        "duration_s": call.duration_s,
        "masked_s": dict(call.masked_s),
        "received_at": _time(call.received_at),
        "updated_at": _time(call.updated_at),
    }


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else utc(moment)
