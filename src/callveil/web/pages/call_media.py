"""The redacted recording of a call for the browser: in ranges, never whole in memory, every play audited."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import Depends, FastAPI, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.concurrency import run_in_threadpool

from callveil.errors import NotFoundError
from callveil.kit import Office, Service
from callveil.pipeline.call_page import readable, waveform
from callveil.ports import ObjectStore
from callveil.vocabulary.accounts import Scope, WebRole
from callveil.vocabulary.recording import Part
from callveil.web.pages.access import Access, require
from callveil.web.problems import ProblemError

HEARS = (WebRole.REVIEWER, WebRole.PRIVACY)
"""Who may read what was said, and hear it; the others see what is known about calls."""

PLAYED, VIEWED = "call.played", "call.viewed"

_BLOCK_BYTES = 2**18
_MOST_BINS = 4000
_RANGE = re.compile(r"bytes=(\d{0,15})-(\d{0,15})", re.ASCII)

Hearer = Annotated[Access, Depends(require(*HEARS))]
MediaReader = Annotated[Access, Depends(require(*HEARS, scope=Scope.MEDIA_READ))]
TextReader = Annotated[Access, Depends(require(*HEARS, scope=Scope.CALLS_READ))]


def install(app: FastAPI, service: Service, office: Office) -> None:  # noqa: ARG001  as every page
    """Add /calls/{call_id}/audio, /outline and /transcript."""
    plays = _Plays()

    @app.get("/calls/{call_id}/audio")
    async def audio(request: Request, call_id: str, access: MediaReader) -> Response:
        """The redacted recording, or a range of it."""
        return await run_in_threadpool(_audio, request, call_id, access, office, plays)

    @app.get("/calls/{call_id}/outline")
    async def outline(call_id: str, access: Hearer) -> Response:
        """What the waveform is drawn of."""
        found = await run_in_threadpool(_outline, call_id, access, office)
        return JSONResponse({"outline": found})

    @app.get("/calls/{call_id}/transcript")
    async def transcript(call_id: str, access: TextReader) -> Response:
        """transcript.json as it is published: every word with its times."""
        content = await run_in_threadpool(_transcript, call_id, access, office)
        return Response(content, media_type="application/json")


def _outline(call_id: str, access: Access, office: Office) -> tuple[tuple[float, ...], ...]:
    within = access.user.queues or None
    found = waveform(call_id, office, within=within, actor=access.actor, n_bins=_MOST_BINS)
    if found is None:
        raise NotFoundError("there is no recording of this call")
    return found


def _transcript(call_id: str, access: Access, office: Office) -> bytes:
    prefix = readable(call_id, office, within=access.user.queues or None)
    content = office.store.get(prefix + Part.TRANSCRIPT)
    if access.token is not None:  # a person's page has written it down already
        _note(office, access, VIEWED, call_id, office.clock.now())
    return content


def _audio(request: Request, call_id: str, access: Access, office: Office, plays: _Plays) -> Response:
    prefix = readable(call_id, office, within=access.user.queues or None)
    key, now = prefix + Part.AUDIO, office.clock.now()
    n_bytes = office.store.size(key)
    asked = _asked(request.headers.get("range"), n_bytes)
    start, stop = asked or (0, n_bytes)
    who = f"{access.actor} {access.session.digest if access.session else ''}"
    if plays.is_new((who, call_id), from_start=start == 0, now=now):
        # Before the first sample goes out: no play without its entry.
        _note(office, access, PLAYED, call_id, now)
    headers = {"Accept-Ranges": "bytes", "Content-Length": str(stop - start)}
    if asked is not None:
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{n_bytes}"
    status = 200 if asked is None else 206
    blocks = _blocks(office.store, key, start, stop)
    return StreamingResponse(blocks, status, headers, media_type="audio/flac")


def _blocks(store: ObjectStore, key: str, start: int, stop: int) -> Iterator[bytes]:
    while start < stop:
        block = store.get_range(key, start, min(_BLOCK_BYTES, stop - start))
        if not block:
            return  # it was replaced by a shorter version; the browser sees that it is cut off
        yield block
        start += len(block)


def _asked(header: str | None, n_bytes: int) -> tuple[int, int] | None:
    """First byte and the one behind the last; None for all of it.

    A header in another form, or of several ranges, asks for all of it (RFC 9110, section 14.2).

    Raises:
        ProblemError: 416, nothing of the recording is in the range.
    """
    match = _RANGE.fullmatch(header.strip()) if header else None
    if match is None or not any(match.groups()):
        return None
    first, last = match.groups()
    start = int(first) if first else max(0, n_bytes - int(last))
    stop = min(int(last) + 1, n_bytes) if first and last else n_bytes
    if first and last and int(last) < int(first):
        return None
    if start >= stop:
        raise ProblemError(416, "Range: nothing of the recording lies there")
    return start, stop


def _note(office: Office, access: Access, action: str, call_id: str, now: datetime) -> None:
    office.ledger.note(actor=access.actor, action=action, call_id=call_id, detail={}, now=now)


class _Plays:
    """Which plays stand in the audit chain: a browser asks for one recording in many ranges.

    Whoever begins at the start plays anew. Every process keeps its own; two entries of one play do no harm.
    """

    _PAUSE = timedelta(minutes=15)
    _MOST = 2000

    def __init__(self) -> None:
        self._seen: OrderedDict[tuple[str, str], datetime] = OrderedDict()

    def is_new(self, play: tuple[str, str], *, from_start: bool, now: datetime) -> bool:
        """Whether this is to be written down."""
        seen = self._seen.pop(play, None)
        self._seen[play] = now
        while len(self._seen) > self._MOST:
            self._seen.popitem(last=False)
        return from_start or seen is None or now - seen > self._PAUSE
