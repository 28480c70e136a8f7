"""The list of calls as JSON. FORMATS.md has it."""

from __future__ import annotations

from typing import Any

from callveil.adapters.call_query import cursor_to_text
from callveil.vocabulary.search import CallPage, Counted, FoundCall
from callveil.web.pages.words import iso


def call_list_document(page: CallPage, counted: Counted | None) -> dict[str, Any]:
    """A page of calls.

    Args:
        page: What was found.
        counted: Of all pages; None when it is not known.
    """
    return {
        "calls": [_call(found) for found in page.calls],
        "count": None if counted is None else {"calls": counted.n_calls, "more": counted.more},
        "before": None if page.before is None else cursor_to_text(page.before),
        "after": None if page.after is None else cursor_to_text(page.after),
    }


def _call(found: FoundCall) -> dict[str, Any]:
    document: dict[str, Any] = {
        "call_id": found.call_id,
        "started_at": iso(found.started_at),
        "state": found.state.value,
        "queue": found.queue,
        "agent": found.agent,
        "duration_s": found.duration_s,
        "masked_s": dict(found.masked_s),
        "flags": sorted(found.flags),
        "deleted": sorted(found.gone),
    }
    if found.excerpt:
        document["excerpt"] = [{"text": each.text, "hit": each.is_hit} for each in found.excerpt]
    return document
