"""Twilio Media Streams: the messages that come, checked; Telnyx and Exotel spell them differently.

Twilio: https://www.twilio.com/docs/voice/media-streams/websocket-messages. Telnyx: "Media streaming over
websockets". Exotel's spelling is from its public examples and was not tried on a line.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from callveil.adapters.strict_json import BadJsonError, strict_json
from callveil.adapters.telephony.live import Encoding, LiveFormat
from callveil.errors import ProtocolError

MAX_TEXT_BYTES: Final = 262_144
"""Longest message. Twilio's frames have 20 ms; Exotel speaks of up to 100 kB of audio at once."""

Track = Literal["inbound", "outbound"]
TRACKS: Final[tuple[Track, Track]] = ("inbound", "outbound")

_SPELLINGS: Final = {
    "streamSid": ("streamSid", "stream_sid", "stream_id"),
    "sequenceNumber": ("sequenceNumber", "sequence_number"),
    "callSid": ("callSid", "call_sid", "call_session_id", "call_control_id"),
    "customParameters": ("customParameters", "custom_parameters"),
    "mediaFormat": ("mediaFormat", "media_format"),
    "sampleRate": ("sampleRate", "sample_rate"),
}
# Exotel writes "base64" and sends linear samples.
_ENCODINGS: Final[Mapping[str, Encoding]] = {
    "audio/x-mulaw": "ulaw", "pcmu": "ulaw", "mulaw": "ulaw", "ulaw": "ulaw",
    "l16": "pcm_s16le", "audio/l16": "pcm_s16le", "raw/slin": "pcm_s16le", "base64": "pcm_s16le",
}  # fmt: skip
_RATES: Final = (8000, 16000, 24000, 48000)
_WHOLE = re.compile(r"\d{1,15}", re.ASCII)
_ALL_TRACKS: Final = {
    "inbound": "inbound", "inbound_track": "inbound", "outbound": "outbound", "outbound_track": "outbound",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """The stream begins.

    Attributes:
        stream_id: Name of the stream.
        call_ids: Names of the call, the best one first; the stream's own is the last.
        tracks: What is streamed, inbound first.
        format: Of a frame's payload, one track.
        parameters: Values that the integrator attached. Personal data: never printed.
    """

    stream_id: str
    call_ids: tuple[str, ...]
    tracks: tuple[Track, ...]
    format: LiveFormat
    parameters: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """A frame of one track; `timestamp_ms` counts from the beginning of the stream."""

    track: Track
    timestamp_ms: int | None
    payload: bytes

    def __repr__(self) -> str:
        return f"Media({self.track}, {len(self.payload)} bytes at {self.timestamp_ms} ms)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A key was pressed; which one is not kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """The stream has ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Other:
    """A message that changes nothing: `connected`, `mark`, or one that is not known here."""


Body = Start | Media | Key | Stop | Other


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A message.

    Attributes:
        name: Of the event.
        sequence: Its number in the stream; None when it has none.
        stream_id: The stream it belongs to; None when it does not say.
        body: What it says.
    """

    name: str
    sequence: int | None
    stream_id: str | None
    body: Body


def parse_event(text: str) -> Event:
    """Read a message. What keys were pressed is dropped here.

    Raises:
        ProtocolError: It is not such a message; with the close code 1009 when it is too long, 1007 when it is
            not JSON and 1003 when it is audio of a kind that is not known here.
    """
    if len(text) > MAX_TEXT_BYTES:
        raise ProtocolError(f"message: is longer than {MAX_TEXT_BYTES} bytes", close_code=1009)
    try:
        content = json.loads(strict_json(text, max_bytes=MAX_TEXT_BYTES))
    except BadJsonError as error:
        too_long = len(text.encode("utf-8", "replace")) > MAX_TEXT_BYTES
        raise ProtocolError(f"message: {error}", close_code=1009 if too_long else 1007) from None
    name = content.get("event") if isinstance(content, dict) else None
    if not isinstance(name, str):
        raise ProtocolError("event: is missing")
    number = _get(content, "sequenceNumber")
    stream_id = _get(content, "streamSid")
    if stream_id is not None and not isinstance(stream_id, str):
        raise ProtocolError("streamSid: is not text")
    known = name in ("start", "media", "dtmf", "stop")
    return Event(
        name=name if known or name in ("connected", "mark") else "other",
        sequence=None if number is None else whole_number(number, "sequenceNumber"),
        stream_id=stream_id,
        body=_body(name, content, stream_id),
    )


def whole_number(value: object, name: str) -> int:
    """A number from 0, or its digits as text.

    Raises:
        ProtocolError: It is none.
    """
    text = str(value) if type(value) is int else value
    if not isinstance(text, str) or _WHOLE.fullmatch(text) is None:
        raise ProtocolError(f"{name}: is not a whole number from 0")
    return int(text)


def _body(name: str, content: Mapping[str, Any], stream_id: str | None) -> Body:
    if name == "start":
        return _start(_object(content, "start"), stream_id, is_telnyx="stream_id" in content)
    if name == "media":
        return _media(_object(content, "media"))
    if name == "dtmf":
        return Key()
    return Stop() if name == "stop" else Other()


def _start(start: Mapping[str, Any], stream_id: str | None, *, is_telnyx: bool) -> Start:
    stream_id = stream_id or _get(start, "streamSid")
    if not isinstance(stream_id, str) or not 1 <= len(stream_id) <= 256:
        raise ProtocolError("streamSid: is missing or not text of 1 to 256 characters")
    names = [start.get(key) for key in _SPELLINGS["callSid"]]
    parameters = _get(start, "customParameters")
    if parameters is None:
        parameters = _client_state(start.get("client_state"))
    return Start(
        stream_id=stream_id,
        call_ids=tuple(name for name in [*names, stream_id] if isinstance(name, str)),
        tracks=_tracks(start.get("tracks"), is_telnyx=is_telnyx),
        format=_format(_get(start, "mediaFormat")),
        parameters=parameters if isinstance(parameters, dict) else {},
    )


def _tracks(value: object, *, is_telnyx: bool) -> tuple[Track, ...]:
    # Telnyx does not say which there are. A track that never comes is silent; one that was not expected
    # would be lost. Exotel does not say either, and has one.
    if value is None:
        return TRACKS if is_telnyx else TRACKS[:1]
    if not isinstance(value, list) or not value:
        raise ProtocolError("tracks: is not a list of inbound, outbound")
    found = {_track(name) for name in value}
    return tuple(track for track in TRACKS if track in found)


def _track(value: object) -> Track:
    # Exotel streams one track and does not name it.
    track = "inbound" if value is None else _ALL_TRACKS.get(value) if isinstance(value, str) else None
    if track == "inbound":
        return "inbound"
    if track == "outbound":
        return "outbound"
    raise ProtocolError("track: allowed: inbound, outbound")


def _format(value: object) -> LiveFormat:
    if not isinstance(value, dict):
        raise ProtocolError("mediaFormat: is not an object")
    encoding = _ENCODINGS.get(str(value.get("encoding")).lower())
    if encoding is None:
        raise ProtocolError(f"encoding: allowed: {', '.join(_ENCODINGS)}", close_code=1003)
    rate_hz = whole_number(_get(value, "sampleRate"), "sampleRate")
    if rate_hz not in _RATES:
        raise ProtocolError(f"sampleRate: allowed: {', '.join(map(str, _RATES))}", close_code=1003)
    if whole_number(value.get("channels", 1), "channels") != 1:
        raise ProtocolError("channels: allowed: 1 for each track", close_code=1003)
    return LiveFormat(encoding=encoding, rate_hz=rate_hz, channels=1)


def _media(media: Mapping[str, Any]) -> Media:
    payload = media.get("payload")
    if not isinstance(payload, str):
        raise ProtocolError("payload: is missing")
    try:
        audio = base64.b64decode(payload, validate=True)
    except (binascii.Error, ValueError):
        raise ProtocolError("payload: is not base64", close_code=1007) from None
    stamp = media.get("timestamp")
    return Media(
        track=_track(media.get("track")),
        timestamp_ms=None if stamp is None else whole_number(stamp, "timestamp"),
        payload=audio,
    )


def _client_state(value: object) -> object:
    """Telnyx hands back what the call was made with, in base64; ours is a JSON object, others' is ignored."""
    if not isinstance(value, str):
        return None
    try:
        text = base64.b64decode(value, validate=True).decode("utf-8")
        return json.loads(strict_json(text, max_bytes=MAX_TEXT_BYTES))
    except ValueError:
        return None


def _object(content: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = content.get(name)
    if not isinstance(value, dict):
        raise ProtocolError(f"{name}: is not an object")
    return value


def _get(content: Mapping[str, Any], name: str) -> Any:
    return next((content[key] for key in _SPELLINGS[name] if content.get(key) is not None), None)
