"""Twilio Media Streams (and Telnyx, Exotel), the server's side of a stream, without a socket."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from enum import Enum, auto
from typing import Any, Final

from callveil.adapters.call_document import CALL_ID
from callveil.adapters.strict_json import BadJsonError, strict_json
from callveil.adapters.telephony.call_settings import Side, make_call, phone_number
from callveil.adapters.telephony.live import (
    MAX_DURATION_S,
    Begin,
    CallTooLongError,
    Close,
    End,
    Gap,
    Gate,
    KeyPressed,
    LiveFormat,
    LiveStart,
    Output,
)
from callveil.adapters.telephony.twilio_messages import (
    MAX_TEXT_BYTES,
    Event,
    Key,
    Media,
    Start,
    Stop,
    Track,
    parse_event,
)
from callveil.adapters.telephony.two_tracks import WINDOW_MS, TwoTracks
from callveil.errors import ProtocolError
from callveil.vocabulary.call import Call, Role
from callveil.vocabulary.consent import Action

MAX_WAITING: Final = 256
"""Messages held while an earlier one is missing; 2 s of two tracks of 20 ms frames are 200."""

MAX_WAITING_BYTES: Final = 262_144
"""Audio held in them: 16 s of two tracks of mu-law."""

_FIELDS: Final = ("call_id", "started_at", "direction", "queue", "agent", "language", "parties", "consent")
_ROLES: Final[Mapping[Track, Role]] = {"inbound": Role.CUSTOMER, "outbound": Role.AGENT}
"""Inbound is what Twilio receives from the other end, outbound what it plays to it."""


class _State(Enum):
    WAITING = auto()
    STREAMING = auto()
    DONE = auto()


class TwilioStream:
    """One stream: what came goes in, what to do comes out. Never raises for what the client sends.

    Nothing is recorded unless the gate says KEEP: on HOLD audio is thrown away until `resume()`; on DISCARD
    the stream is closed. Not safe for several threads.
    """

    def __init__(self, *, now: datetime, gate: Gate, max_duration_s: float = MAX_DURATION_S) -> None:
        """Wait for `start`.

        Args:
            now: Aware; when the connection was made.
            gate: Decides whether the call may be recorded.
            max_duration_s: After so many seconds the recording ends, incomplete.
        """
        self._now = now
        self._gate = gate
        self._max_duration_s = max_duration_s
        self._state = _State.WAITING
        self._stream_id = ""
        self._tracks: tuple[Track, ...] = ()
        self._format = LiveFormat(encoding="ulaw", rate_hz=8000, channels=1)
        self._audio = TwoTracks(self._format, 1)
        self._next: int | None = None
        """Number of the message that is due."""
        self._waiting: dict[int, Event] = {}
        self._after_loss: set[Track] = set()
        self._held_from: int | None = None
        """Where audio began to be thrown away; None while it is recorded."""
        self._out: list[Output] = []

    @property
    def is_done(self) -> bool:
        """True once `Close` was emitted or the connection was lost."""
        return self._state is _State.DONE

    def receive_text(self, text: str) -> list[Output]:
        """Take in a message."""
        if self.is_done:
            return []
        try:
            event = parse_event(text)
            if self._state is _State.WAITING:
                self._before_start(event)
            else:
                self._in_stream(event)
        except CallTooLongError as error:
            self._finish(False, str(error), Close(code=error.close_code, reason=str(error)))
        except ProtocolError as error:
            close = Close(code=error.close_code, reason=str(error))
            self._finish(False, f"protocol error: {error}", close)
        return self._taken_out()

    def receive_binary(self, data: bytes) -> list[Output]:  # noqa: ARG002 - whatever it is
        """Refuse: everything is text in this protocol."""
        if self.is_done:
            return []
        reason = "binary: only text messages are allowed"
        self._finish(False, f"protocol error: {reason}", Close(code=1003, reason=reason))
        return self._taken_out()

    def pause(self) -> list[Output]:
        """Throw audio away from here on. Twilio cannot be asked to stop sending it."""
        if self._state is _State.STREAMING and self._held_from is None:
            self._settle()
            self._held_from = self._audio.begin
        return self._taken_out()

    def resume(self) -> list[Output]:
        """Record what comes from here on."""
        if self._state is _State.STREAMING and self._held_from is not None:
            self._settle()
            self._close_gap()
        return self._taken_out()

    def disconnect(self, reason: str) -> list[Output]:
        """End the stream; the call itself goes on.

        Args:
            reason: In plain words, nothing of the call.
        """
        if not self.is_done:
            close = Close(code=1000, reason=reason)
            self._finish(True, f"ended by this server: {reason}", close)
        return self._taken_out()

    def lost(self) -> list[Output]:
        """The socket is gone."""
        if not self.is_done:
            self._finish(False, "the connection was lost", None)
        return self._taken_out()

    def _before_start(self, event: Event) -> None:
        if event.name == "connected":
            return
        if not isinstance(event.body, Start):
            raise ProtocolError(f"{event.name}: came before start")
        start = event.body
        self._next = None if event.sequence is None else event.sequence + 1
        self._stream_id = start.stream_id
        self._tracks = start.tracks
        self._format = start.format
        self._audio = TwoTracks(start.format, len(start.tracks))
        call, problem = self._call(start)
        action = self._gate(call)
        if problem is not None and action is Action.KEEP:
            action = Action.HOLD  # what could not be read may have been a denial
        if action is Action.DISCARD:
            self._finish(True, "no consent", Close(code=1000, reason="not recorded: no consent"))
            return
        self._state = _State.STREAMING
        hold = action is not Action.KEEP
        self._held_from = 0 if hold else None
        whole = replace(start.format, channels=len(start.tracks))
        begun = LiveStart(call=call, format=whole, hold=hold, stream_id=start.stream_id, problem=problem)
        self._out.append(Begin(start=begun))

    def _call(self, start: Start) -> tuple[Call, str | None]:
        call_id = next((name for name in start.call_ids if re.fullmatch(CALL_ID, name)), None)
        if call_id is None:
            raise ProtocolError("callSid: is missing or not of the form that a call_id has")
        phone = phone_number(start.parameters.get("customer_phone"))
        sides = [
            Side(role=_ROLES[track], channel=channel, phone=phone if track == "inbound" else None)
            for channel, track in enumerate(start.tracks)
        ]
        return make_call(
            call_id=call_id,
            started_at=self._now,
            sides=sides,
            settings=_settings(start.parameters),
            source="customParameters",
            may_name=True,
        )

    def _in_stream(self, event: Event) -> None:
        if event.name in ("connected", "start"):
            raise ProtocolError(f"{event.name}: came twice")
        if event.stream_id not in (None, self._stream_id):
            raise ProtocolError("streamSid: is not that of start")
        if isinstance(event.body, Stop):
            # What is still missing will not come any more.
            self._finish(True, "stopped", Close(code=1000, reason="stopped"))
        elif event.sequence is None or self._next is None:
            self._take(event)
        elif event.sequence >= self._next:  # a lower one came twice, or too late
            self._waiting.setdefault(event.sequence, event)
            self._take_due()
            while self._waited_enough():
                self._give_up_missing()

    def _take_due(self) -> None:
        while self._next is not None and self._next in self._waiting:
            event = self._waiting.pop(self._next)
            self._next += 1
            self._take(event)

    def _waited_enough(self) -> bool:
        media = [event.body for event in self._waiting.values() if isinstance(event.body, Media)]
        times = [frame.timestamp_ms for frame in media if frame.timestamp_ms is not None]
        return (
            len(self._waiting) > MAX_WAITING
            or sum(len(frame.payload) for frame in media) > MAX_WAITING_BYTES
            or (bool(times) and max(times) - min(times) > WINDOW_MS)
        )

    def _give_up_missing(self) -> None:
        """Go on with the earliest message that is there: what is missing before it counts as lost."""
        self._next = min(self._waiting)
        self._after_loss.update(self._tracks)
        self._take_due()

    def _take(self, event: Event) -> None:
        recorded = self._held_from is None
        if isinstance(event.body, Key) and recorded:
            self._out.append(KeyPressed(at_sample=self._audio.end))
        if not isinstance(event.body, Media):
            return
        frame = event.body
        if frame.track not in self._tracks:
            raise ProtocolError("track: is none of the tracks of start")
        n_samples, rest = divmod(len(frame.payload), self._format.sample_bytes)
        if rest:
            raise ProtocolError("payload: is not a whole number of samples")
        track = self._tracks.index(frame.track)
        after_loss = frame.track in self._after_loss
        start = self._audio.lands_at(track, frame.timestamp_ms, after_loss=after_loss)
        if start + n_samples > self._max_duration_s * self._format.rate_hz:
            raise CallTooLongError
        self._after_loss.discard(frame.track)
        settled = self._audio.add(track, frame.timestamp_ms, frame.payload, after_loss=after_loss)
        if recorded:
            self._out += settled

    def _settle(self) -> None:
        """Bring out all that waits or is held; while held, to nowhere."""
        try:
            while self._waiting:
                self._give_up_missing()
        except ProtocolError:
            # A fault in what is left must not hide why the stream ends, nor can it be answered here.
            self._waiting.clear()
        settled = self._audio.flush()
        if self._held_from is None:
            self._out += settled

    def _close_gap(self) -> None:
        start, self._held_from = self._held_from, None
        if start is not None and self._audio.begin > start:
            n_samples = self._audio.begin - start
            self._out.append(Gap(start_sample=start, n_samples=n_samples, reason="paused"))

    def _finish(self, complete: bool, reason: str, close: Close | None) -> None:
        if self._state is _State.STREAMING:
            self._settle()
            self._close_gap()
            self._out.append(End(complete=complete, reason=reason))
        self._state = _State.DONE
        self._waiting.clear()
        if close is not None:
            self._out.append(close)

    def _taken_out(self) -> list[Output]:
        out, self._out = self._out, []
        return out


def _settings(parameters: Mapping[str, Any]) -> object:
    """Callveil's part of the parameters: `callveil` with all of it, or a parameter for each field."""
    if parameters.get("callveil") is not None:
        return parameters["callveil"]
    found = {name: _decoded(parameters[name]) for name in _FIELDS if parameters.get(name) is not None}
    return found or None


def _decoded(value: object) -> object:
    """Parameters are text; objects and lists come as JSON."""
    if not isinstance(value, str) or not value.lstrip().startswith(("{", "[")):
        return value
    try:
        return json.loads(strict_json(value, max_bytes=MAX_TEXT_BYTES))
    except BadJsonError:
        return value  # is refused as text, naming the field
