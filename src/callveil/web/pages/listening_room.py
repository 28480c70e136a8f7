"""Raw audio for players: its outline, and its bytes in small pieces. See `pipeline.listening` for who may.

Nothing of it is kept here but how long a recording is: every piece is decrypted and decoded anew, in memory.
"""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, TypeVar

from fastapi import Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from callveil.adapters.raw_wav import WavShape, measure, piece
from callveil.errors import NotFoundError, PrivilegeError, RefusedError
from callveil.kit import Office
from callveil.pipeline.listening import Listener, Opened, Play, Raw, find_play, last_play, opened
from callveil.vocabulary.accounts import Privilege, WebRole
from callveil.web.pages.access import Access
from callveil.web.problems import ProblemError

PIECE_BYTES = 2**21
"""Of one answer: a minute of two telephone channels. Players ask for the next one by themselves, so no
connection holds a decrypted recording while somebody pauses."""

_N_BINS = 6000
_AT_ONCE, _MOST_WAITING = 2, 32
_MOST_LENGTHS = 256

_RANGE = re.compile(r"bytes=(\d{0,12})-(\d{0,12})", re.ASCII)

_T = TypeVar("_T")


class ListeningRoom:
    """Answers what players ask for.

    Args:
        office: Every place.
    """

    def __init__(self, office: Office) -> None:
        self._office = office
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._waiting = 0
        self._shapes: OrderedDict[str, WavShape] = OrderedDict()

    async def outline(self, access: Access, call_id: str, raw: Raw, play_id: str) -> Response:
        """The outline of what a playing is of, as JSON."""
        listener = listener_of(access)

        def work() -> dict[str, Any]:
            play = find_play(play_id, call_id, raw, listener, self._office)
            with opened(play, listener, self._office) as audio:
                shape, outline = self._measure(audio)
            return {"duration_s": shape.duration_s, "channels": shape.channels, "outline": outline}

        return JSONResponse(await self._in_turn(work), headers={"Cache-Control": "no-store"})

    async def audio(self, request: Request, access: Access, call_id: str, raw: Raw, play_id: str) -> Response:
        """Some bytes of the audio as WAV; only to players, which ask for ranges."""
        listener = listener_of(access)
        given = request.headers.get("range")
        if given is None:
            raise ProblemError(400, "This is for the player of the page, which asks for parts.")

        def work() -> Response:
            play = find_play(play_id, call_id, raw, listener, self._office)
            with opened(play, listener, self._office) as audio:
                shape = self._shapes.get(audio.version) or self._measure(audio)[0]
                wanted = _range_of(given, shape.n_bytes)
                content = b"" if wanted is None else piece(audio.source, shape, *wanted)
            if wanted is None:
                return Response(status_code=416, headers={"Content-Range": f"bytes */{shape.n_bytes}"})
            headers = {
                "Content-Range": f"bytes {wanted[0]}-{wanted[1] - 1}/{shape.n_bytes}",
                "Accept-Ranges": "bytes",
                "Cache-Control": "no-store",
            }
            return Response(content, 206, headers, media_type="audio/wav")

        return await self._in_turn(work)

    def _measure(self, audio: Opened) -> tuple[WavShape, tuple[tuple[float, ...], ...]]:
        shape, outline = measure(audio.source, until_s=audio.until_s, n_bins=_N_BINS)
        self._shapes[audio.version] = shape
        while len(self._shapes) > _MOST_LENGTHS:
            self._shapes.popitem(last=False)
        return shape, outline

    async def _in_turn(self, work: Callable[[], _T]) -> _T:
        if self._waiting >= _MOST_WAITING:
            raise ProblemError(503, "Very many people are listening. Try again in a moment.")
        self._waiting += 1
        try:
            async with self._places:
                return await run_in_threadpool(work)
        finally:
            self._waiting -= 1


def listener_of(access: Access) -> Listener:
    """Who listens, for the audit chain.

    Raises:
        PrivilegeError: A machine, or somebody without the role or the privilege.
    """
    if not may_hear(access) or access.session is None:
        raise PrivilegeError(f"this needs the privilege {Privilege.REPLAY_ORIGINAL.value}")
    return Listener(actor=access.actor, session=access.session.digest[:16])


def may_hear(access: Access) -> bool:
    """Whether somebody may hear what is not redacted: a reviewer or privacy officer with the privilege."""
    is_fit = access.user.has_role(WebRole.REVIEWER, WebRole.PRIVACY)
    return is_fit and access.session is not None and access.has_privilege(Privilege.REPLAY_ORIGINAL)


def check_seen(call_id: str, access: Access, office: Office) -> None:
    """Answer a call of another queue like one that is not there.

    Raises:
        NotFoundError: It is not there, or not to be seen.
    """
    if not office.ledger.search.may_see(call_id, within=access.user.queues or None):
        raise NotFoundError("the ledger has no such call")


def play_shown(
    call_id: str, raw: Raw, access: Access, office: Office, play_id: str
) -> tuple[Play | None, Play | None]:
    """The playing that a page is for, if it is good still; and the last one of this session."""
    if not may_hear(access):
        return None, None
    listener = listener_of(access)
    last = last_play(call_id, raw, listener, office)
    if not play_id:
        return None, last
    try:
        return find_play(play_id, call_id, raw, listener, office), last
    except RefusedError:
        return None, last


def _range_of(text: str, n_bytes: int) -> tuple[int, int] | None:
    """First byte, and the one behind the last: not more than a piece. None when there is no such range."""
    parts = _RANGE.fullmatch(text.strip())
    if parts is None or parts.groups() == ("", ""):
        return None
    first, last = parts.groups()
    if not first:
        start, stop = max(0, n_bytes - int(last)), n_bytes
    else:
        start, stop = int(first), min(int(last) + 1 if last else n_bytes, n_bytes)
    stop = min(stop, start + PIECE_BYTES)
    return (start, stop) if start < stop else None
