"""Make a call out of what a telephony system says, and of Callveil's own metadata that it carries along."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from callveil.adapters.call_document import CALL_ID, CallDocument
from callveil.adapters.call_metadata import MAX_BYTES, parse_call
from callveil.adapters.strict_json import BadJsonError, strict_json
from callveil.errors import MetadataError
from callveil.vocabulary.call import Call, Identifiers, Party, Role

_LANGUAGE = re.compile(r"[A-Za-z]{2}(?:-[A-Za-z0-9]{1,8})*")
_CONTROLS = re.compile(r"[\u0000-\u001f\u007f]")
_MAX_NAME = 256  # as in CallDocument
_SIP = re.compile(r"(?:sips?|tel):([^@;?>]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """A party as the telephony system knows it.

    Attributes:
        role: What it is.
        channel: Channel it speaks on, 0 or 1; None in a mix.
        phone: Its number; None when not known. Personal data: never printed.
    """

    role: Role
    channel: int | None
    phone: str | None = None

    def __repr__(self) -> str:
        return f"Side({self.role}, channel {self.channel})"


def make_call(
    *,
    call_id: str,
    started_at: datetime,
    sides: Sequence[Side],
    settings: object,
    source: str,
    may_name: bool,
    language: str | None = None,
) -> tuple[Call, str | None]:
    """Join what the telephony system knows with what Callveil's own metadata says.

    Args:
        call_id: The telephony system's name for the call.
        started_at: Aware; where sample 0 lies.
        sides: Parties by channel. One that the settings list too gives it its channel and number, when
            the role is unique there; others are added behind the settings' parties.
        settings: Fields of CALLS.md, `call_id` can be left out, as an object or as JSON text; None for none.
        source: Name of the place they stood in, for messages.
        may_name: Whether the settings may hold a `call_id` of their own.
        language: BCP 47 tag that the telephony system gave.

    Returns:
        The call, and None. When the settings are wrong: the call without them, so that its consent is
        unknown and it is held, and what is wrong, naming fields and what is allowed.

    Raises:
        MetadataError: The telephony system's own `call_id` is not allowed.
    """
    if re.fullmatch(CALL_ID, call_id) is None:
        raise MetadataError(f"{source}: the call's name is not of the form that a call_id has")
    code = language_code(language)
    bare = Call(
        call_id=call_id,
        started_at=started_at,
        language=code,
        parties=tuple(
            Party(role=side.role, channel=side.channel, identifiers=Identifiers(phone=side.phone))
            for side in sides
        ),
    )
    if settings is None:
        return bare, None
    try:
        document = _document(settings, source)
        if "call_id" in document and not may_name:
            raise MetadataError(
                f"{source}: call_id: is not allowed here, the telephony system names the call"
            )
        document.setdefault("call_id", call_id)
        document.setdefault("language", code)
        _join(document, sides)
        text = json.dumps(document, allow_nan=False)
        return parse_call(text, source=source, default_started_at=started_at), None
    except MetadataError as error:
        return bare, str(error)
    except (ValueError, TypeError, RecursionError):
        return bare, f"{source}: is not such JSON as CALLS.md describes"


def _document(settings: object, source: str) -> dict[str, Any]:
    if isinstance(settings, str):
        try:
            settings = json.loads(strict_json(settings, max_bytes=MAX_BYTES))
        except BadJsonError as error:
            raise MetadataError(f"{source}: {error}") from None
    if not isinstance(settings, Mapping):
        raise MetadataError(f"{source}: is not an object; allowed: {', '.join(CallDocument.model_fields)}")
    return dict(settings)


def _join(document: dict[str, Any], sides: Sequence[Side]) -> None:
    """Add what the sides know to the document's parties, whose order stands: records point at them."""
    listed = document.get("parties", [])
    if not isinstance(listed, list):
        return  # parse_call says what is wrong with it
    parties: list[Any] = [dict(party) if isinstance(party, dict) else party for party in listed]
    for side in sides:
        same = [party for party in parties if isinstance(party, dict) and party.get("role") == side.role]
        if len(same) > 1:
            continue  # nobody can say which of them speaks on the channel
        if not same:
            same = [{"role": side.role.value}]
            parties += same
        if side.channel is not None:
            same[0]["channel"] = side.channel  # the stream knows its channels better than a settings file
        identifiers = same[0].setdefault("identifiers", {})
        if side.phone is not None and isinstance(identifiers, dict) and identifiers.get("phone") is None:
            same[0]["identifiers"] = {**identifiers, "phone": side.phone}
    document["parties"] = parties


def language_code(tag: object) -> str | None:
    """ISO 639-1 code of a BCP 47 tag; None where there is none, as the language is detected then."""
    if isinstance(tag, str) and len(tag) <= 35 and _LANGUAGE.fullmatch(tag):
        return tag[:2].lower()
    return None


def phone_number(address: object) -> str | None:
    """The number or user of a telephone number, a `tel:` or a `sip:` address; None when there is none."""
    if not isinstance(address, str):
        return None
    found = _SIP.match(address.strip())
    number = (found[1] if found else address).strip()
    if not number or len(number) > _MAX_NAME or _CONTROLS.search(number):
        return None
    return number
