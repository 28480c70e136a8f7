"""The JSON form of an event on the stream. FORMATS.md describes it."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from callveil.adapters.call_document import CALL_ID
from callveil.adapters.strict_json import BadJsonError, strict_json
from callveil.errors import MetadataError
from callveil.vocabulary.ledger import CallState, Event, Topic

SCHEMA_VERSION = "1.0"

MAX_BYTES = 65536

_TIME = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$"


def _utc(value: object) -> object:
    """The one form of a time that is written; anything else is refused."""
    if not isinstance(value, str) or re.fullmatch(_TIME, value, re.ASCII) is None:
        raise ValueError("not a time in UTC with microseconds")
    return datetime.fromisoformat(value)


_Time = Annotated[
    datetime,
    BeforeValidator(_utc, json_schema_input_type=Annotated[str, Field(pattern=_TIME)]),
]


class EventDocument(BaseModel):
    """One event. It names a call; the facts are in the ledger and the store."""

    # Readers ignore fields that they do not know.
    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    schema_version: Annotated[str, Field(pattern=r"^1\.\d+$")] = Field(
        description="Major and minor version of this format."
    )
    event_id: Annotated[
        str, Field(pattern="^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")
    ] = Field(description="UUID; the same however often the event is sent.")
    topic: Topic = Field(description="Where it goes.")
    call_id: Annotated[str, Field(pattern=CALL_ID)] = Field(
        description="The call, and the key of the message."
    )
    at: _Time = Field(description="When the change happened, in UTC with microseconds.")
    state: CallState = Field(description="The state that the call entered.")
    prefix: Annotated[str, Field(min_length=1, max_length=1024)] | None = Field(
        description="Folder of the published recording; null when there is none."
    )
    error_code: Annotated[str, Field(max_length=32)] | None = Field(
        description="Family of the error; null when there was none."
    )


def event_to_json(event: Event) -> bytes:
    """An event as it is sent: UTF-8, without spaces, the fields in a fixed order."""
    document: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "event_id": event.event_id,
        "topic": event.topic,
        "call_id": event.call_id,
        "at": event.at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "state": event.state,
        "prefix": event.prefix,
        "error_code": event.error_code,
    }
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


def event_from_json(content: bytes) -> Event:
    """Read an event.

    Args:
        content: What `event_to_json` wrote, or a later 1.x version of it; at most 64 KiB.

    Raises:
        MetadataError: It is no event. The message holds nothing of it.
    """
    try:
        document = EventDocument.model_validate_json(strict_json(content, max_bytes=MAX_BYTES))
    except (BadJsonError, ValidationError):
        document = None
    if document is None:
        raise MetadataError("event: is not what schemas/event.schema.json allows")
    return Event(
        event_id=document.event_id,
        topic=document.topic,
        call_id=document.call_id,
        at=document.at,
        state=document.state,
        prefix=document.prefix,
        error_code=document.error_code,
    )


def event_schema() -> str:
    """JSON Schema of an event; the package ships this text as `callveil/schemas/event.schema.json`."""
    schema = EventDocument.model_json_schema(mode="validation")
    for field in schema["properties"].values():
        field.pop("title", None)
    for definition in schema["$defs"].values():
        definition.pop("title", None)
        definition.pop("description", None)
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:callveil:schema:event:1",
        "title": "Callveil event",
    }
    schema.pop("title", None)
    return json.dumps(head | schema, indent=2, ensure_ascii=False) + "\n"
