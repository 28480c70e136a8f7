"""How the audit chain is read by those who answer for it."""

from __future__ import annotations

from typing import Protocol

from callveil.vocabulary.audit import AuditCursor, AuditPage, AuditQuery


class AuditTrail(Protocol):
    """Lists of entries, each found by an index however long the chain is.

    Every method raises `LedgerError` when the database fails.
    """

    def page(
        self,
        query: AuditQuery,
        *,
        after: AuditCursor | None = None,
        before: AuditCursor | None = None,
        last: bool = False,
        oldest_first: bool = False,
        limit: int = 50,
    ) -> AuditPage:
        """A page of entries, by their time and number.

        Args:
            query: Which.
            after: The page begins behind this place.
            before: The page ends before this place.
            last: The last page there is. At most one of these three; none for the first page.
            oldest_first: Else the newest come first.
            limit: Entries of a page, 1 to 1000.
        """

    def head(self) -> int:
        """Number of the newest entry; 0 when there is none."""

    def actions(self) -> tuple[str, ...]:
        """Every action that is in the chain, sorted."""

    def actors(self, *, like: str = "", limit: int = 200) -> tuple[str, ...]:
        """Who is in the chain, sorted, those only that begin with `like`."""
