"""SIPREC recording metadata (RFC 7865) as a call's metadata, with the dialects of Cisco, Oracle and Avaya.

A session recording server records the audio; this reads who spoke on which stream, and what was agreed.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import iterparse

from callveil.adapters.call_metadata import parse_call
from callveil.adapters.strict_json import BadJsonError, strict_json
from callveil.adapters.telephony.call_settings import phone_number
from callveil.adapters.telephony.siprec_body import read_body, sdp_streams
from callveil.errors import MetadataError
from callveil.vocabulary.call import Call, Direction, Role
from callveil.vocabulary.consent import ConsentRecord, Flag, Purpose

EXTENSION: Final = "urn:callveil:metadata:1"
"""Namespace of what an integrator adds: see TELEPHONY.md."""

MAX_XML_BYTES: Final = 262_144
"""Ours; real documents have 2 to 10 kB."""

MAX_DEPTH: Final = 16
MAX_ELEMENTS: Final = 4_000
MAX_OBJECTS: Final = 64
"""Participants, and streams; as many parties as a metadata file may list."""

# The second is that of the drafts, which Oracle and older Avaya systems still write.
_NAMESPACES = frozenset({"", "urn:ietf:params:xml:ns:recording:1", "urn:ietf:params:xml:ns:recording"})
_ROOTS = frozenset({"recording", "recordingsession"})
_MODES = {"complete": True, "partial": False}
_OFFSET = re.compile(r".*\d(?:[Zz]|[+-]\d\d:\d\d)", re.DOTALL)
_NUMBER = re.compile(r"\+?[0-9]{3,32}", re.ASCII)
_NOT_OURS = ("call_id", "started_at", "direction", "parties")


@dataclass(frozen=True, slots=True, kw_only=True)
class SiprecStream:
    """A recorded stream.

    Attributes:
        label: Joins it with a media line of the SDP.
        channel: Where it goes in a recording of two channels: 0 or 1; None for a mix, and when there are
            more than two streams of single parties.
        is_mixed: Whether it carries all parties.
        parties: Who speaks on it, as indices into `Call.parties`.
    """

    label: str
    channel: int | None
    is_mixed: bool
    parties: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SiprecMetadata:
    """What the metadata says.

    Attributes:
        call: The call, with consent unknown unless the document says otherwise.
        streams: In the order of the SDP, else of the document.
        is_complete: False for an update (`partial`), which names only what has changed.
        ucid: Universal call id of an Avaya or Oracle system; None when it has none.
    """

    call: Call
    streams: tuple[SiprecStream, ...]
    is_complete: bool
    ucid: str | None

    @property
    def channels(self) -> dict[str, int]:
        """Label to channel."""
        return {stream.label: stream.channel for stream in self.streams if stream.channel is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Participant:
    id: str
    aor: str = field(repr=False)
    sends: frozenset[str]
    role: Role
    consent: Flag | None
    jurisdiction: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stream:
    id: str
    label: str
    says_mixed: bool


def parse_invite(
    body: bytes,
    content_type: str,
    *,
    default_started_at: datetime,
    is_agent: Callable[[str], bool] | None = None,
    direction: Direction = Direction.UNKNOWN,
) -> SiprecMetadata:
    """Read the metadata out of an INVITE's body; arguments as for `read_body` and `parse_siprec`.

    Raises:
        MetadataError: As these two, or when the SDP and the metadata name different streams.
    """
    parts = read_body(body, content_type)
    labels = None if parts.sdp is None else [stream.label for stream in sdp_streams(parts.sdp)]
    return parse_siprec(
        parts.metadata,
        default_started_at=default_started_at,
        is_agent=is_agent,
        direction=direction,
        labels=labels,
    )


def parse_siprec(
    xml: bytes,
    *,
    default_started_at: datetime,
    is_agent: Callable[[str], bool] | None = None,
    direction: Direction = Direction.UNKNOWN,
    labels: Sequence[str] | None = None,
) -> SiprecMetadata:
    """Read recording metadata.

    Args:
        xml: At most 256 KiB, 16 levels deep, without DTD and entities.
        default_started_at: Aware; taken when the document gives no time with an offset (Oracle's have none).
        is_agent: Tells the address of record (`sip:...`) of an agent; others are then customers.
        direction: Who called whom. With it Oracle's `callingParty` tells customer and agent apart.
        labels: Of the SDP in its order; None when there is none.

    Raises:
        MetadataError: It is not such a document. The message names elements and what is allowed, never
            values.
    """
    root = _root(xml)
    session = _only(root, "session")
    mode = _text(_first(root, "datamode")).lower()
    if mode and mode not in _MODES:
        raise MetadataError("datamode: allowed: complete, partial")
    participants = [_participant(found, root, is_agent, direction) for found in _some(root, "participant")]
    streams = _in_order([_stream(found) for found in _some(root, "stream")], labels)
    senders = {
        stream.id: tuple(i for i, who in enumerate(participants) if stream.id in who.sends)
        for stream in streams
    }
    placed = _placed(streams, senders)
    call = _call(session, participants, placed, default_started_at, direction)
    ucid = next((_text(found).partition(";")[0] for found in session.iter() if _local(found) == "ucid"), "")
    return SiprecMetadata(
        call=call, streams=placed, is_complete=_MODES.get(mode, True), ucid=ucid[:128] or None
    )


def _root(xml: bytes) -> Element:
    """Parse without trust: size, depth and number of elements are bounded while it is read."""
    if len(xml) > MAX_XML_BYTES:
        raise MetadataError(f"document: is larger than {MAX_XML_BYTES} bytes")
    depth = count = 0
    root: Element | None = None
    try:
        for event, element in iterparse(io.BytesIO(xml.strip()), events=("start", "end"), forbid_dtd=True):
            depth += 1 if event == "start" else -1
            count += event == "start"
            root = element if root is None else root
            if depth > MAX_DEPTH or count > MAX_ELEMENTS:
                raise MetadataError(
                    f"document: is deeper than {MAX_DEPTH} levels or has more than {MAX_ELEMENTS} elements"
                )
    except (ParseError, DefusedXmlException, ValueError, LookupError):
        root = None
    if root is None:
        raise MetadataError("document: is not XML, or has a DTD or entities, which are not allowed")
    if _name(root) not in _ROOTS:
        raise MetadataError(
            "document: allowed: the element recording of the namespace urn:ietf:params:xml:ns:recording:1"
        )
    return root


def _participant(
    element: Element, root: Element, is_agent: Callable[[str], bool] | None, direction: Direction
) -> _Participant:
    name_id = _first(element, "nameid")
    who = _id(element, "participant")
    aor = "" if name_id is None else name_id.get("aor", "").strip()
    joined = [found for found in _all(root, "participantstreamassoc") if _id(found, "participant") == who]
    sends = {_text(send) for parent in (element, *joined) for send in _all(parent, "send")}
    word = _extension(element, "role")
    if word is not None and word not in list(Role):
        raise MetadataError(f"participant: role: allowed: {', '.join(Role)}")
    consent = _extension(element, "consent")
    if consent is not None and consent not in list(Flag):
        raise MetadataError(f"participant: consent: allowed: {', '.join(Flag)}")
    calling = next((_text(found) for found in element.iter() if _local(found) == "callingparty"), "")
    return _Participant(
        id=who,
        aor=aor,
        sends=frozenset(sends - {""}),
        role=Role(word) if word is not None else _role(aor, calling.lower(), is_agent, direction),
        consent=None if consent is None else Flag(consent),
        jurisdiction=_extension(element, "jurisdiction"),
    )


def _role(aor: str, calling: str, is_agent: Callable[[str], bool] | None, direction: Direction) -> Role:
    if is_agent is not None:
        return Role.AGENT if aor and is_agent(aor) else Role.CUSTOMER
    if calling in ("true", "false") and direction in (Direction.INBOUND, Direction.OUTBOUND):
        called_us = (calling == "true") == (direction is Direction.INBOUND)
        return Role.CUSTOMER if called_us else Role.AGENT
    # Whoever it is, consent is asked of a third party; an agent's would be assumed.
    return Role.THIRD_PARTY


def _stream(element: Element) -> _Stream:
    label = _text(_first(element, "label"))
    if not 1 <= len(label) <= 256:
        raise MetadataError("stream: label: is missing; allowed: 1 to 256 characters")
    says_mixed = _text(_first(element, "mode")).lower() == "mixed" or "mixed" in label.lower()
    return _Stream(id=_id(element, "stream"), label=label, says_mixed=says_mixed)


def _in_order(streams: list[_Stream], labels: Sequence[str] | None) -> list[_Stream]:
    by_label = {stream.label: stream for stream in streams}
    if len(by_label) < len(streams):
        raise MetadataError("stream: label: stands at two streams")
    if labels is None:
        return streams
    if not by_label.keys() <= set(labels):
        raise MetadataError("stream: label: allowed: the labels (a=label) of the SDP")
    return [by_label[label] for label in labels if label in by_label]


def _placed(streams: Sequence[_Stream], senders: dict[str, tuple[int, ...]]) -> tuple[SiprecStream, ...]:
    n_single = sum(len(senders[stream.id]) == 1 for stream in streams)

    def is_mixed(stream: _Stream) -> bool:
        # A stream that nobody sends, beside one for each of two parties, is made by the recorder.
        n = len(senders[stream.id])
        return stream.says_mixed or n > 1 or (n == 0 and n_single >= 2)

    single = [stream.id for stream in streams if not is_mixed(stream)]
    channels = {found: channel for channel, found in enumerate(single)} if len(single) <= 2 else {}
    return tuple(
        SiprecStream(
            label=stream.label,
            channel=channels.get(stream.id),
            is_mixed=is_mixed(stream),
            parties=senders[stream.id],
        )
        for stream in streams
    )


def _call(
    session: Element,
    participants: Sequence[_Participant],
    streams: Sequence[SiprecStream],
    default_started_at: datetime,
    direction: Direction,
) -> Call:
    channels = {
        party: stream.channel for stream in streams if not stream.is_mixed for party in stream.parties
    }
    agent = next((phone_number(who.aor) for who in participants if who.role is Role.AGENT), None)
    started = _text(_first(session, "starttime")) or _text(_first(session, "associatetime"))
    document: dict[str, Any] = {"agent": agent, **_added(session)}
    document |= {
        "call_id": _call_id(_id(session, "session")),
        # Without an offset nobody can tell what time it was.
        "started_at": started if _OFFSET.fullmatch(started) else None,
        "direction": direction.value,
        "parties": [
            {
                "role": who.role.value,
                "channel": channels.get(index),
                "jurisdiction": who.jurisdiction,
                "identifiers": {"phone": _phone(who)},
            }
            for index, who in enumerate(participants)
        ],
    }
    call = parse_call(json.dumps(document), source="siprec", default_started_at=default_started_at)
    said = tuple(
        ConsentRecord(purpose=purpose, flag=who.consent, party=index)
        for index, who in enumerate(participants)
        if who.consent is not None
        for purpose in Purpose
    )
    return replace(call, consent=call.consent + said)


def _added(session: Element) -> dict[str, Any]:
    """What the integrator added to the session: `call` as in CALLS.md, or only `consent`."""
    whole, consent = _extension(session, "call"), _extension(session, "consent")
    if whole is None:
        return {} if consent is None else {"consent": _json(consent) if consent.startswith("{") else consent}
    added = _json(whole)
    if not isinstance(added, dict) or any(name in added for name in _NOT_OURS):
        raise MetadataError(f"session: call: allowed: a JSON object without {', '.join(_NOT_OURS)}")
    return added


def _json(text: str) -> object:
    try:
        return json.loads(strict_json(text, max_bytes=MAX_XML_BYTES))
    except BadJsonError as error:
        raise MetadataError(f"session: JSON {error}") from None


def _call_id(session_id: str) -> str:
    """A session id is a UUID in base64; "/" and "+" may not stand in a call_id, so it becomes base64url."""
    name = session_id.removeprefix("urn:uuid:")
    return name.rstrip("=").replace("+", "-").replace("/", "_")


def _phone(who: _Participant) -> str | None:
    number = phone_number(who.aor)
    return number if number is not None and who.role is not Role.AGENT and _NUMBER.fullmatch(number) else None


def _id(element: Element, kind: str) -> str:
    found = element.get(f"{kind}_id") or element.get("id") or ""
    if not 1 <= len(found) <= 256:
        raise MetadataError(f"{_name(element)}: {kind}_id: is missing; allowed: 1 to 256 characters")
    return found


def _extension(element: Element, name: str) -> str | None:
    """An attribute or element of our namespace in this element or its extensions, not in what is nested."""
    found = element.get(f"{{{EXTENSION}}}{name}")
    inside = [child for child in element if child.tag == f"{{{EXTENSION}}}{name}"]
    for child in element:
        if _name(child) == "extensiondata":
            inside += [grandchild for grandchild in child if grandchild.tag == f"{{{EXTENSION}}}{name}"]
    texts = [text for text in (found, *map(_text, inside)) if text is not None]
    if len(texts) > 1:
        raise MetadataError(f"{_name(element)}: {name}: stands twice")
    return texts[0].strip() if texts else None


def _local(element: Element) -> str:
    """Name without namespace, `-`, `_` and capitals: `dataMode`, `data-mode` and `datamode` are one."""
    tag = element.tag if isinstance(element.tag, str) else ""
    return tag.rpartition("}")[2].lower().replace("-", "").replace("_", "")


def _name(element: Element) -> str:
    """`_local` of an element of RFC 7865; nothing for others."""
    tag = element.tag if isinstance(element.tag, str) else ""
    return _local(element) if tag.rpartition("}")[0].removeprefix("{") in _NAMESPACES else ""


def _all(parent: Element, name: str) -> Iterator[Element]:
    return (child for child in parent if _name(child) == name)


def _some(parent: Element, name: str) -> list[Element]:
    found = list(_all(parent, name))
    if len(found) > MAX_OBJECTS:
        raise MetadataError(f"{name}: stands more than {MAX_OBJECTS} times")
    return found


def _only(parent: Element, name: str) -> Element:
    found = list(_all(parent, name))
    if len(found) != 1:
        raise MetadataError(f"{name}: allowed: exactly one")
    return found[0]


def _first(parent: Element, name: str) -> Element | None:
    return next(_all(parent, name), None)


def _text(element: Element | None) -> str:
    return "" if element is None else (element.text or "").strip()
