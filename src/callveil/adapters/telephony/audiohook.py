"""Genesys AudioHook version 2, the server's side of a session, without a socket.

After purecloudlabs/audiohook-reference-implementation (commit 2871b01), app/audiohook/src/server. The
client's clock of the call runs on while the stream is paused, so what was not sent is a gap and times stay
true.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import Enum, auto
from typing import Any, Final, Literal

from callveil.adapters.telephony.audiohook_messages import (
    RATE_HZ,
    ROLES,
    Message,
    OpenRequest,
    live_format,
    parse_close,
    parse_message,
    parse_open,
    samples,
)
from callveil.adapters.telephony.audiohook_timeline import Timeline
from callveil.adapters.telephony.call_settings import Side, language_code, make_call, phone_number
from callveil.adapters.telephony.live import (
    MAX_DURATION_S,
    Begin,
    CallTooLongError,
    Close,
    End,
    Gate,
    LanguageChanged,
    LiveFormat,
    LiveStart,
    Output,
    Samples,
    Send,
)
from callveil.errors import ProtocolError
from callveil.vocabulary.call import Call
from callveil.vocabulary.consent import Action

MAX_BINARY_BYTES: Final = 65_536
"""Longest binary frame: 4 s of two channels of mu-law. The reference client sends 0.2 s at once."""

_TOLERANCE: Final = RATE_HZ
"""How far, in samples, the client's position may be from the audio that came. Ours: 1 s, as its clock and its
frames need not agree to the sample."""

DisconnectReason = Literal["completed", "unauthorized", "error"]


class _State(Enum):
    PREPARING = auto()
    """Before `open`."""
    OPEN = auto()
    LEAVING = auto()
    """We said `disconnect`; only the client's `close` is waited for."""
    DONE = auto()


class AudioHookSession:
    """One session: what came goes in, what to do comes out. Never raises for what the client sends.

    Nothing is recorded unless the gate says KEEP: on HOLD the session opens paused, and `resume()` lets the
    audio in; on DISCARD it is ended. Not safe for several threads.
    """

    def __init__(
        self,
        *,
        session_id: str,
        organization_id: str,
        now: datetime,
        gate: Gate,
        languages: Sequence[str] = (),
        max_duration_s: float = MAX_DURATION_S,
    ) -> None:
        """Wait for `open`.

        What the gate raises comes out of `receive_text`.

        Args:
            session_id: Of the signed header; every message must carry it.
            organization_id: Of the signed header; `open` must name it.
            now: Aware; when the connection was made.
            gate: Decides whether the call may be recorded.
            languages: BCP 47 tags that the client is told when it asks.
            max_duration_s: After so many seconds the recording ends, incomplete.
        """
        self._id = session_id.lower()
        self._organization_id = organization_id.lower()
        self._now = now
        self._gate = gate
        self._languages = list(languages)
        self._state = _State.PREPARING
        self._seq = self._client_seq = 0
        self._format: LiveFormat | None = None
        self._recording = False
        self._line = Timeline(int(max_duration_s * RATE_HZ))
        self._last_said = 0
        """Client's position in its last message."""
        self._client_paused = False
        self._muted = False
        """We asked for the pause: audio that is still under way is thrown away."""
        self._resuming = False
        """We asked to go on; the mute ends with `resumed`."""

    @property
    def is_done(self) -> bool:
        """True once `Close` was emitted or the connection was lost."""
        return self._state is _State.DONE

    def receive_text(self, text: str) -> list[Output]:
        """Take in a text message."""
        if self.is_done:
            return []
        try:
            message = parse_message(text)
            self._check(message)
            late = self._check_position(message)
            if self._state is _State.LEAVING and message.type != "close":
                return late
            return [*late, *self._dispatch(message)]
        except CallTooLongError as error:
            return self._too_long(error)
        except ProtocolError as error:
            return self._violation(error)

    def receive_binary(self, data: bytes) -> list[Output]:
        """Take in audio."""
        if self._state in (_State.LEAVING, _State.DONE):
            return []  # audio that was under way when we said disconnect
        try:
            return self._audio(data)
        except CallTooLongError as error:
            return self._too_long(error)
        except ProtocolError as error:
            return self._violation(error)

    def pause(self) -> list[Output]:
        """Stop recording at once and ask the client not to send; for consent withdrawn, card numbers."""
        if self._state is not _State.OPEN:
            return []
        self._muted, self._resuming = True, False
        self._line.open_gap()
        return [self._send("pause")]

    def resume(self) -> list[Output]:
        """Ask the client to send; what comes after its `resumed` is recorded."""
        if self._state is not _State.OPEN:
            return []
        self._resuming = True
        return [self._send("resume")]

    def reconnect(self) -> list[Output]:
        """Ask the client to come back in a new session, before this server goes away."""
        return [self._send("reconnect")] if self._state is _State.OPEN else []

    def disconnect(self, reason: DisconnectReason, info: str = "") -> list[Output]:
        """End the session.

        Args:
            reason: `completed` when nothing is wrong.
            info: Shown to the administrators of the Genesys organisation; nothing of the call.
        """
        if self._state in (_State.LEAVING, _State.DONE):
            return []
        self._state = _State.LEAVING
        parameters = {"reason": reason, "info": info} if info else {"reason": reason}
        ended = self._end(complete=reason == "completed", reason=f"ended by this server: {reason}")
        return [self._send("disconnect", parameters), *ended]

    def lost(self) -> list[Output]:
        """The socket is gone."""
        ended = self._end(complete=False, reason="the connection was lost")
        self._state = _State.DONE
        return ended

    def _check(self, message: Message) -> None:
        if message.seq != self._client_seq + 1:
            raise ProtocolError("seq: does not follow the number of the message before")
        self._client_seq = message.seq
        if message.serverseq > self._seq:
            raise ProtocolError("serverseq: is higher than any number sent")
        if message.id != self._id:
            raise ProtocolError("id: is not that of the session in the signed header")
        if message.position < self._last_said:
            raise ProtocolError("position: lies before that of the message before")
        self._last_said = message.position

    def _dispatch(self, message: Message) -> list[Output]:
        if message.type == "close":
            return self._on_close(message)
        if message.type == "error":
            return []  # the client says what follows from it, with close
        if message.type == "ping":
            return [self._send("pong")]
        if message.type == "open":
            return self._on_open(message)
        if self._state is not _State.OPEN:
            raise ProtocolError(f"{message.type}: came before open")
        handlers = {
            "paused": self._on_paused,
            "resumed": self._on_resumed,
            "discarded": self._on_discarded,
            "update": self._on_update,
        }
        return handlers[message.type](message)

    def _on_open(self, message: Message) -> list[Output]:
        if self._state is not _State.PREPARING:
            raise ProtocolError("open: came twice")
        request = parse_open(message.parameters)
        if request.organization_id != self._organization_id:
            error = ProtocolError("organizationId: is not that of the signed header", close_code=1008)
            return self._violation(error, "unauthorized")
        if request.media is None:
            return self.disconnect("completed", "no offered media can be recorded: PCMU or L16 at 8000 Hz")
        self._format = live_format(request.media)
        if request.is_probe:
            return [self._opened(request, hold=False)]
        call, problem = self._call(request)
        action = self._gate(call)
        if problem is not None and action is Action.KEEP:
            action = Action.HOLD  # what could not be read may have been a denial
        if action is Action.DISCARD:
            return self.disconnect("completed", "not recorded: no consent")
        hold = action is not Action.KEEP
        self._recording = True
        self._line.origin = message.position
        if hold:
            self._muted = self._client_paused = True
            self._line.open_gap()
        start = LiveStart(
            call=call,
            format=self._format,
            hold=hold,
            stream_id=self._id,
            continues=request.continued,
            problem=problem,
        )
        return [Begin(start=start), self._opened(request, hold=hold)]

    def _opened(self, request: OpenRequest, *, hold: bool) -> Send:
        self._state = _State.OPEN
        parameters: dict[str, Any] = {"media": [request.media], "startPaused": hold}
        if request.wants_languages:
            parameters["supportedLanguages"] = self._languages
        return self._send("opened", parameters)

    def _call(self, request: OpenRequest) -> tuple[Call, str | None]:
        """The call; a session that goes on after a reconnect is a recording, so a name, of its own."""
        suffix = f".{len(request.continued) + 1}" if request.continued else ""
        channels: list[str] = request.media["channels"] if request.media else []
        sides = [
            Side(
                role=ROLES[name],
                channel=channel,
                phone=phone_number(request.ani) if name == "external" else None,
            )
            for channel, name in enumerate(channels)
        ]
        settings = next((found for found in map(_settings, request.settings) if found is not None), None)
        return make_call(
            call_id=request.conversation_id + suffix,
            started_at=self._now,
            sides=sides,
            settings=settings,
            source="open",
            may_name=False,
            language=request.language if isinstance(request.language, str) else None,
        )

    def _audio(self, data: bytes) -> list[Output]:
        if self._state is not _State.OPEN or self._format is None:
            raise ProtocolError("audio: came before opened")
        if self._client_paused:
            raise ProtocolError("audio: came while paused")
        if len(data) > MAX_BINARY_BYTES:
            raise ProtocolError(f"audio: is longer than {MAX_BINARY_BYTES} bytes", close_code=1009)
        n_samples, rest = divmod(len(data), self._format.frame_bytes)
        if rest or not n_samples:
            raise ProtocolError("audio: is not a whole number of samples of every channel")
        if not self._recording:
            return []
        start = self._line.add(n_samples)
        return [] if self._muted else [Samples(data=bytes(data), start_sample=start)]

    def _on_paused(self, _message: Message) -> list[Output]:
        self._client_paused = True
        self._line.open_gap()
        return []

    def _on_resumed(self, message: Message) -> list[Output]:
        gap = self._without_audio(self._stretch(message), "paused")
        self._client_paused = False
        if self._resuming:
            self._muted = self._resuming = False
        return gap if self._muted or not self._recording else [*gap, *self._line.close_gap()]

    def _on_discarded(self, message: Message) -> list[Output]:
        return self._without_audio(self._stretch(message), "discarded")

    def _without_audio(self, until: int, reason: Literal["paused", "discarded"]) -> list[Output]:
        return self._line.advance(until, reason) if self._recording else []

    def _on_update(self, message: Message) -> list[Output]:
        code = language_code(message.parameters.get("language"))
        answer = self._send("updated")
        return [LanguageChanged(language=code), answer] if code and self._recording else [answer]

    def _on_close(self, message: Message) -> list[Output]:
        reason = parse_close(message.parameters)
        if self._line.in_gap:
            self._line.stretch_gap(self._line.counted(message.position))
        # The recording is landed before the client hears that all is done.
        ended = self._end(complete=reason in ("end", "disconnect"), reason=f"closed by the client: {reason}")
        answer = self._send("closed")
        self._state = _State.DONE
        return [*ended, answer, Close(code=1000, reason="closed")]

    def _stretch(self, message: Message) -> int:
        """Where the stretch ends that `resumed` and `discarded` name."""
        start = self._line.counted(samples(message.parameters.get("start"), "start"))
        length = samples(message.parameters.get("discarded"), "discarded")
        if start + length > self._line.counted(message.position) + _TOLERANCE:
            raise ProtocolError("discarded: reaches beyond the position of the message")
        return start + length

    def _check_position(self, message: Message) -> list[Output]:
        """Compare the client's clock with the audio that came; some messages explain the difference."""
        if not self._recording or self._line.in_gap or message.type in ("resumed", "discarded"):
            return []
        ahead = self._line.counted(message.position) - self._line.position
        if ahead < -_TOLERANCE:
            raise ProtocolError("position: lies before the end of audio that was already sent")
        return self._line.advance(self._line.position + ahead, "lost") if ahead > _TOLERANCE else []

    def _too_long(self, error: CallTooLongError) -> list[Output]:
        return [*self._end(complete=False, reason=str(error)), *self.disconnect("completed", str(error))]

    def _end(self, *, complete: bool, reason: str) -> list[Output]:
        if not self._recording:
            return []
        gap = self._line.close_gap()
        self._recording = False
        return [*gap, End(complete=complete, reason=reason)]

    def _violation(self, error: ProtocolError, reason: DisconnectReason = "error") -> list[Output]:
        info = str(error)
        ended = self._end(complete=False, reason=f"protocol error: {info}")
        farewell = [] if self._state is _State.LEAVING else [self._disconnect_message(reason, info)]
        self._state = _State.DONE
        return [*ended, *farewell, Close(code=error.close_code, reason=info)]

    def _disconnect_message(self, reason: DisconnectReason, info: str) -> Send:
        return self._send("disconnect", {"reason": reason, "info": info})

    def _send(self, kind: str, parameters: Mapping[str, Any] | None = None) -> Send:
        self._seq += 1
        message = {
            "version": "2",
            "type": kind,
            "id": self._id,
            "seq": self._seq,
            "clientseq": self._client_seq,
            "parameters": dict(parameters or {}),
        }
        return Send(text=json.dumps(message))


def _settings(config: object) -> object:
    """Callveil's part of a configuration: the field `callveil`, or only `consent` beside foreign fields."""
    if not isinstance(config, dict):
        return None
    if config.get("callveil") is not None:
        return config["callveil"]
    return {"consent": config["consent"]} if config.get("consent") is not None else None
