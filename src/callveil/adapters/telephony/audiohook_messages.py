"""Genesys AudioHook version 2: the messages a client sends, checked.

After purecloudlabs/audiohook-reference-implementation (commit 2871b01), app/audiohook/src/protocol.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from callveil.adapters.strict_json import BadJsonError, strict_json
from callveil.adapters.telephony.live import LiveFormat
from callveil.errors import ProtocolError
from callveil.vocabulary.call import Role

RATE_HZ: Final = 8000
"""The only rate of the protocol."""

MAX_TEXT_BYTES: Final = 65_535
"""The server of the reference implementation refuses more."""

NULL_UUID: Final = "00000000-0000-0000-0000-000000000000"

CLIENT_TYPES: Final = frozenset(
    {"open", "close", "discarded", "error", "paused", "ping", "resumed", "update"}
)
CLOSE_REASONS: Final = frozenset({"end", "error", "disconnect", "reconnect"})
ROLES: Final = {"external": Role.CUSTOMER, "internal": Role.AGENT}
"""The external side is whoever talks to the contact centre."""

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_DURATION = re.compile(r"PT(\d{1,7})(?:\.(\d{1,12}))?S", re.ASCII)
_MAX_SEQ = 2**53
_MAX_CONTINUED = 64  # sessions that one conversation may have had before
_ENCODINGS: Final = {"PCMU": "ulaw", "L16": "pcm_s16le"}
_CHANNELS = (("external", "internal"), ("internal", "external"), ("external",), ("internal",))


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A well-formed message of the client.

    Attributes:
        type: One of `CLIENT_TYPES`.
        id: The session.
        seq: Number of the message, from 1.
        serverseq: Last number that the client has seen of ours.
        position: Where the client is in the call, in samples from the beginning.
        parameters: Not yet checked. Personal data: never printed.
    """

    type: str
    id: str
    seq: int
    serverseq: int
    position: int
    parameters: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRequest:
    """What `open` asks for.

    Attributes:
        organization_id: Of the Genesys organisation.
        conversation_id: Of the call.
        ani: The external party's number or address. Personal data: never printed.
        media: The offered format that is taken, as it was offered; None when none fits.
        continued: Sessions of the same call that came before this one, oldest first.
        language: BCP 47 tag, not checked; None when not given.
        wants_languages: Whether the answer should list the languages that are supported.
        settings: What stands in `inputVariables` and `customConfig`, in this order; None for absent ones.
    """

    organization_id: str
    conversation_id: str
    ani: object = field(repr=False)
    media: Mapping[str, Any] | None
    continued: tuple[str, ...]
    language: object
    wants_languages: bool
    settings: tuple[object, ...] = field(repr=False)

    @property
    def is_probe(self) -> bool:
        """True for a connection test: nobody speaks."""
        return self.conversation_id == NULL_UUID


def parse_message(text: str) -> Message:
    """Read a text message.

    Raises:
        ProtocolError: It is not a message of a client. With the close code 1009 when it is too long and 1007
            when it is not JSON.
    """
    if len(text) > MAX_TEXT_BYTES:
        raise ProtocolError(f"message: is longer than {MAX_TEXT_BYTES} bytes", close_code=1009)
    try:
        content = json.loads(strict_json(text, max_bytes=MAX_TEXT_BYTES))
    except BadJsonError as error:
        too_long = len(text.encode("utf-8", "replace")) > MAX_TEXT_BYTES
        raise ProtocolError(f"message: {error}", close_code=1009 if too_long else 1007) from None
    if not isinstance(content, dict) or content.get("version") != "2":
        raise ProtocolError('message: is not an object with the version "2"')
    if not isinstance(content.get("type"), str) or content["type"] not in CLIENT_TYPES:
        raise ProtocolError(f"type: allowed: {', '.join(sorted(CLIENT_TYPES))}")
    parameters = content.get("parameters")
    if not isinstance(parameters, dict):
        raise ProtocolError("parameters: is not an object")
    return Message(
        type=content["type"],
        id=uuid(content.get("id"), "id"),
        seq=_number(content.get("seq"), "seq"),
        serverseq=_number(content.get("serverseq"), "serverseq"),
        position=samples(content.get("position"), "position"),
        parameters=parameters,
    )


def parse_open(parameters: Mapping[str, Any]) -> OpenRequest:
    """Read the parameters of `open`.

    Raises:
        ProtocolError: One is missing or wrong.
    """
    participant = parameters.get("participant")
    if not isinstance(participant, dict):
        raise ProtocolError("participant: is not an object")
    earlier = parameters.get("continuedSessions", [])
    if not isinstance(earlier, list) or len(earlier) > _MAX_CONTINUED:
        raise ProtocolError(f"continuedSessions: is not a list of at most {_MAX_CONTINUED} sessions")
    if not all(isinstance(session, dict) for session in earlier):
        raise ProtocolError("continuedSessions: holds something other than sessions")
    return OpenRequest(
        organization_id=uuid(parameters.get("organizationId"), "organizationId"),
        conversation_id=uuid(parameters.get("conversationId"), "conversationId"),
        ani=participant.get("ani"),
        media=_choose(parameters.get("media")),
        continued=tuple(uuid(session.get("id"), "continuedSessions.id") for session in earlier),
        language=parameters.get("language"),
        wants_languages=parameters.get("supportedLanguages") is True,
        settings=(parameters.get("inputVariables"), parameters.get("customConfig")),
    )


def parse_close(parameters: Mapping[str, Any]) -> str:
    """Why the client closes: one of `CLOSE_REASONS`.

    Raises:
        ProtocolError: It does not say.
    """
    reason = parameters.get("reason")
    if not isinstance(reason, str) or reason not in CLOSE_REASONS:
        raise ProtocolError(f"reason: allowed: {', '.join(sorted(CLOSE_REASONS))}")
    return reason


def live_format(media: Mapping[str, Any]) -> LiveFormat:
    """The format of an offered medium that `parse_open` has chosen."""
    encoding: Any = _ENCODINGS[media["format"]]
    return LiveFormat(encoding=encoding, rate_hz=RATE_HZ, channels=len(media["channels"]))


def samples(value: object, name: str) -> int:
    """A duration such as `PT12.3S` in samples, rounded to the nearest one.

    Raises:
        ProtocolError: It is not such a duration.
    """
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ProtocolError(f"{name}: is not a duration in seconds such as PT12.3S")
    fraction = found[2] or "0"
    part = float(f"0.{fraction}") * RATE_HZ
    return int(found[1]) * RATE_HZ + round(part)


def uuid(value: object, name: str) -> str:
    """A UUID in small letters.

    Raises:
        ProtocolError: It is none.
    """
    if not isinstance(value, str) or _UUID.fullmatch(value) is None:
        raise ProtocolError(f"{name}: is not a UUID")
    return value.lower()


def _number(value: object, name: str) -> int:
    if type(value) is not int or not 0 <= value < _MAX_SEQ:
        raise ProtocolError(f"{name}: is not a whole number from 0")
    return value


def _choose(offered: object) -> Mapping[str, Any] | None:
    """Both sides before one, mu-law before linear: the line is mu-law, and half as long."""
    if not isinstance(offered, list) or not all(isinstance(medium, dict) for medium in offered):
        raise ProtocolError("media: is not a list of objects")
    for channels in _CHANNELS:
        for encoding in _ENCODINGS:
            for medium in offered:
                if (medium.get("type"), medium.get("format")) == ("audio", encoding) and (
                    medium.get("rate") == RATE_HZ and medium.get("channels") == list(channels)
                ):
                    return {"type": "audio", "format": encoding, "channels": list(channels), "rate": RATE_HZ}
    return None
