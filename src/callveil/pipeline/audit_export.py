"""The audit chain for other programs: CSV and JSON lines, a page in memory at a time."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC
from typing import Any

from callveil.ports import AuditTrail
from callveil.vocabulary.audit import AuditQuery
from callveil.vocabulary.ledger import AuditEntry

COLUMNS = ("number", "at", "actor", "action", "call_id", "detail", "digest")

_PAGE = 500
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What spreadsheets take for the beginning of a formula (OWASP, CSV injection)."""


def csv_lines(query: AuditQuery, trail: AuditTrail) -> Iterator[str]:
    """Entries as CSV, a header first, the oldest first.

    A text that a spreadsheet would take for a formula has an apostrophe before it.

    Raises:
        LedgerError: The ledger failed.
    """
    yield _csv_row(COLUMNS)
    for entries in _pages(query, trail):
        yield "".join(_csv_row(_cells(entry)) for entry in entries)


def json_lines(query: AuditQuery, trail: AuditTrail) -> Iterator[str]:
    """Entries as JSON lines, the oldest first.

    Raises:
        LedgerError: The ledger failed.
    """
    for entries in _pages(query, trail):
        yield "".join(f"{json.dumps(entry_document(entry), ensure_ascii=False)}\n" for entry in entries)


def entry_document(entry: AuditEntry) -> dict[str, Any]:
    """An entry with all that its digest is made of; FORMATS.md has the rule."""
    return {
        "number": entry.number,
        "at": entry.at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "actor": entry.actor,
        "action": entry.action,
        "call_id": entry.call_id,
        "detail": dict(entry.detail),
        "digest": entry.digest,
    }


def _pages(query: AuditQuery, trail: AuditTrail) -> Iterator[tuple[AuditEntry, ...]]:
    """Everything there is now: what is added meanwhile is not in it."""
    head = trail.head()
    query = replace(query, most_number=head if query.most_number is None else min(head, query.most_number))
    page = trail.page(query, oldest_first=True, limit=_PAGE)
    yield page.entries
    while page.after is not None:
        page = trail.page(query, after=page.after, oldest_first=True, limit=_PAGE)
        yield page.entries


def _cells(entry: AuditEntry) -> tuple[str, ...]:
    document = entry_document(entry)
    document["detail"] = json.dumps(document["detail"], ensure_ascii=False, sort_keys=True)
    return tuple("" if document[name] is None else str(document[name]) for name in COLUMNS)


def _csv_row(cells: tuple[str, ...]) -> str:
    text = io.StringIO()
    csv.writer(text).writerow([f"'{cell}" if cell.startswith(_FORMULA) else cell for cell in cells])
    return text.getvalue()
