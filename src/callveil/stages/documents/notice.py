"""What a recipient is told, as JSON. FORMATS.md and `schemas/notice.schema.json` say what stands in it."""

from __future__ import annotations

from callveil.stages.documents.forms import compact
from callveil.vocabulary.rights import Notice

SCHEMA_VERSION = "1.0"


def notice_json(notice: Notice) -> bytes:
    """Write a notice; the same however often it is sent. Call ids are all it tells of calls."""
    return compact(
        {
            "schema_version": SCHEMA_VERSION,
            "notice_id": notice.notice_id,
            "request_id": notice.request_id,
            "event": notice.event,
            "call_ids": list(notice.call_ids),
        }
    )
