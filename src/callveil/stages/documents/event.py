"""Events of the stream as JSON. FORMATS.md and schemas/event.schema.json have the form."""

from __future__ import annotations

import json

from callveil.stages.documents.forms import utc
from callveil.vocabulary.ledger import Event

EVENT_SCHEMA_VERSION = "1.0"


def event_json(event: Event) -> bytes:
    """Write an event; references only, never content.

    Args:
        event: What happened.
    """
    document = {
        "schema_version": EVENT_SCHEMA_VERSION,
        "event_id": event.event_id,
        "type": event.topic.value,
        "call_id": event.call_id,
        "at": utc(event.at),
        "state": event.state.value,
        "prefix": event.prefix,
        "error_code": event.error_code,
    }
    return json.dumps(document, separators=(",", ":")).encode()
