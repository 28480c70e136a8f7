"""What is asked of the audit chain, and a page of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from callveil.vocabulary.ledger import AuditEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditQuery:
    """Which entries; all of it has to fit.

    Attributes:
        actor: Who, as it stands in the chain ("user:ada"); None for everybody.
        actions: What; empty for everything.
        call_id: Entries that name this call; None for all.
        since: From this moment on, aware UTC.
        until: Before this moment, aware UTC.
        most_number: None behind this number: the chain as it was then.
    """

    actor: str | None = None
    actions: frozenset[str] = frozenset()
    call_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    most_number: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditCursor:
    """A place among the entries, which are in the order of their time and number."""

    at: datetime
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditPage:
    """A page of entries.

    Attributes:
        entries: The newest first, or the oldest first, as it was asked for.
        before: Where the page before this one ends; None when there is none.
        after: Where the page behind this one begins; None when there is none.
    """

    entries: tuple[AuditEntry, ...]
    before: AuditCursor | None
    after: AuditCursor | None
