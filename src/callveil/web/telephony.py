"""The telephony servers: WebSockets in, live calls out. TELEPHONY.md tells integrators what to configure."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from callveil.adapters.metrics import ApiMetrics
from callveil.adapters.telephony import audiohook_signature, twilio_signature
from callveil.adapters.telephony.audiohook import AudioHookSession
from callveil.adapters.telephony.audiohook_signature import AudioHookCaller
from callveil.adapters.telephony.live import Begin, Close, End, Gap, Output, Samples, Send
from callveil.adapters.telephony.twilio_media import TwilioStream
from callveil.errors import CallveilError, RefusedError, SignatureError
from callveil.kit import Service
from callveil.vocabulary.consent import Action
from callveil.web.live_call import LiveCall, gate
from callveil.web.problems import problem

log = logging.getLogger(__name__)

_REFUSAL_S = 0.5
"""A bad signature is answered after so long, whatever its reason (AudioHook asks it): time tells nothing."""

_TICK_S = 0.5
_ASK_S = 1.0
_HEARTBEAT_S = 5.0
_OPENING_S = 5.0
_LEAVING_S = 10.0
_SILENCE_S = 60.0


class Machine(Protocol):
    """The state machine of a protocol."""

    @property
    def is_done(self) -> bool:
        """Nothing more comes."""

    def receive_text(self, text: str) -> list[Output]:
        """Take in a message."""

    def receive_binary(self, data: bytes) -> list[Output]:
        """Take in audio."""

    def pause(self) -> list[Output]:
        """Record nothing from now on."""

    def resume(self) -> list[Output]:
        """Record again."""

    def lost(self) -> list[Output]:
        """The socket is gone."""


def install(app: FastAPI, service: Service, metrics: ApiMetrics) -> None:
    """Add the WebSocket routes to an app.

    Args:
        app: The app.
        service: Landing, ledger, keys.
        metrics: Counts the streams that are open.
    """
    seen = _Nonces()

    @app.websocket("/v1/audiohook")
    async def audiohook(websocket: WebSocket) -> None:
        try:
            caller = _audiohook_caller(websocket, service, seen)
        except SignatureError as error:
            await _refuse(websocket, error)
            return
        session = AudioHookSession(
            session_id=caller.session_id,
            organization_id=caller.organization_id,
            now=service.clock.now(),
            gate=lambda call: gate(service, call),
            max_duration_s=service.config.profile.limits.max_duration_s,
        )

        def stop() -> list[Output]:
            return session.disconnect("completed")

        await _Connection(websocket, session, stop, service, "audiohook", metrics).run()

    @app.websocket("/v1/twilio")
    async def twilio(websocket: WebSocket) -> None:
        try:
            _check_twilio(websocket, service)
        except SignatureError as error:
            await _refuse(websocket, error)
            return
        stream = TwilioStream(
            now=service.clock.now(),
            gate=lambda call: gate(service, call),
            max_duration_s=service.config.profile.limits.max_duration_s,
        )

        def stop() -> list[Output]:
            return stream.disconnect("consent was denied or withdrawn")

        await _Connection(websocket, stream, stop, service, "twilio", metrics).run()


def _audiohook_caller(websocket: WebSocket, service: Service, seen: _Nonces) -> AudioHookCaller:
    if not service.site.audiohook_keys:
        raise SignatureError("signature: cannot be checked: no AudioHook key is configured")
    caller = audiohook_signature.verify_signature(
        headers=websocket.headers,
        request_target=_target(websocket),
        keys=service.site.audiohook_keys,
        now=service.clock.now(),
    )
    if not seen.is_new(caller.nonce):
        raise SignatureError("signature: its nonce was used before")
    return caller


def _check_twilio(websocket: WebSocket, service: Service) -> None:
    public_url = service.settings.public_url
    if public_url is None:
        raise SignatureError("x-twilio-signature: cannot be checked: service.public_url is not set")
    query = websocket.scope["query_string"].decode("latin-1")
    url = f"{public_url}?{query}" if query else public_url
    signature = websocket.headers.get("x-twilio-signature")
    twilio_signature.verify_signature(url, {}, signature, service.site.twilio_tokens)


def _target(websocket: WebSocket) -> str:
    path: str = websocket.scope["raw_path"].decode("latin-1")
    query: str = websocket.scope["query_string"].decode("latin-1")
    return f"{path}?{query}" if query else path


async def _refuse(websocket: WebSocket, error: SignatureError) -> None:
    log.warning("a telephony connection was refused", extra={"error": error.code})
    await asyncio.sleep(_REFUSAL_S)
    refusal: Response = problem(401, "The request is not signed, or not by a known key.", code=error.code)
    await websocket.send_denial_response(refusal)


class _Nonces:
    """Nonces seen in the last moments; an older signature is refused for its age."""

    def __init__(self, keep_s: float = 30.0) -> None:
        self._keep_s = keep_s
        self._seen: dict[str, float] = {}

    def is_new(self, nonce: str) -> bool:
        now = time.monotonic()
        self._seen = {known: at for known, at in self._seen.items() if now - at < self._keep_s}
        if nonce in self._seen:
            return False
        self._seen[nonce] = now
        return True


class _Connection:
    """One socket: feeds the machine, does what it says in order, and looks after consent meanwhile."""

    def __init__(
        self,
        websocket: WebSocket,
        machine: Machine,
        stop: Callable[[], list[Output]],
        service: Service,
        source: str,
        metrics: ApiMetrics,
    ) -> None:
        self._websocket, self._machine, self._stop = websocket, machine, stop
        self._service, self._source, self._metrics = service, source, metrics
        self._call: LiveCall | None = None
        self._call_id = ""
        self._may_record = False
        self._order = asyncio.Lock()
        self._opened = self._heard = time.monotonic()
        self._asked = self._beat = 0.0
        self._leaving: float | None = None

    async def run(self) -> None:
        """Until either side is done."""
        await self._websocket.accept()
        self._metrics.live.inc()
        ticker = asyncio.create_task(self._tick())
        try:
            await self._receive()
        except WebSocketDisconnect:
            pass
        except CallveilError as error:
            log.error("a live call was cut off", extra={"call_id": self._call_id, "error": error.code})
            await self._close(1011, "the service cannot take the call now")
        finally:
            ticker.cancel()
            self._metrics.live.dec()
            await asyncio.shield(self._lost())

    async def _receive(self) -> None:
        while not self._machine.is_done:
            message = await self._websocket.receive()
            if message["type"] == "websocket.disconnect":
                return
            self._heard = time.monotonic()
            async with self._order:
                text, data = message.get("text"), message.get("bytes")
                outputs = (
                    self._machine.receive_text(text)
                    if text is not None
                    else self._machine.receive_binary(data or b"")
                )
                await self._do(outputs)

    async def _lost(self) -> None:
        async with self._order:
            try:
                await self._do([out for out in self._machine.lost() if not isinstance(out, Send | Close)])
            except CallveilError as error:
                log.error("a live call was not closed", extra={"call_id": self._call_id, "error": error.code})

    async def _do(self, outputs: Sequence[Output]) -> None:
        for output in outputs:
            match output:
                case Samples():
                    if self._call is not None:
                        self._call.add(output.data)
                case Gap():
                    if self._call is not None:
                        await run_in_threadpool(self._call.add_silence, output.n_samples)
                case Begin():
                    await self._begin(output)
                case Send():
                    await self._websocket.send_text(output.text)
                case End():
                    await self._end(output)
                case Close():
                    await self._close(output.code, output.reason)
                case _:
                    pass  # a key that was pressed, another language: nothing to store

    async def _begin(self, begin: Begin) -> None:
        start = begin.start
        self._call_id = start.call.call_id
        if start.problem is not None:
            log.warning("metadata of a live call was not taken", extra={"call_id": self._call_id})
        try:
            self._call = await run_in_threadpool(LiveCall, self._service, self._source, start)
        except RefusedError:
            log.warning("a live call has an id that is taken", extra={"call_id": self._call_id})
            await self._do(self._stop())
            return
        self._may_record = not start.hold

    async def _end(self, end: End) -> None:
        call, self._call = self._call, None
        if call is not None:
            await run_in_threadpool(lambda: call.end(complete=end.complete))
            log.info("a live call ended", extra={"call_id": self._call_id, "complete": end.complete})

    async def _close(self, code: int, reason: str) -> None:
        try:
            await self._websocket.close(code, reason)
        except RuntimeError:
            return  # the other side was quicker

    async def _tick(self) -> None:
        """What is due without a message: flush, heartbeat, ask for consent, give up on a silent client."""
        while True:
            await asyncio.sleep(_TICK_S)
            try:
                async with self._order:
                    await self._due(time.monotonic())
            except CallveilError as error:
                log.warning("a live call waits", extra={"call_id": self._call_id, "error": error.code})
            except (RuntimeError, WebSocketDisconnect):
                return  # the socket closed meanwhile; the receiver knows
            if self._is_overdue(time.monotonic()):
                await self._close(1008, "nothing came for too long")
                return

    async def _due(self, now: float) -> None:
        call = self._call
        if call is None:
            return
        await run_in_threadpool(call.flush)
        if now - self._beat > _HEARTBEAT_S:
            self._beat = now
            await run_in_threadpool(call.heartbeat)
        if now - self._asked > _ASK_S:
            self._asked = now
            await self._follow(await run_in_threadpool(call.decision))

    async def _follow(self, action: Action) -> None:
        """Do as the consent gate says now, after the answers that came in."""
        if action is Action.DISCARD:
            self._leaving = time.monotonic()
            await self._do(self._stop())
        elif (action is Action.KEEP) != self._may_record:
            self._may_record = action is Action.KEEP
            await self._do(self._machine.resume() if self._may_record else self._machine.pause())

    def _is_overdue(self, now: float) -> bool:
        if self._leaving is not None:
            return now - self._leaving > _LEAVING_S
        began = self._call_id != ""
        return now - self._heard > (_SILENCE_S if began else _OPENING_S)
