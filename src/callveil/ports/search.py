"""How calls are found by those who review them. Over the ledger's database; masked text only."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from callveil.vocabulary.search import CallPage, CallQuery, Counted, Cursor, SavedFilter, Unindexed
from callveil.vocabulary.transcript import MaskedTurn


class CallSearch(Protocol):
    """Lists of calls, and the index of what was said in them.

    The ledger keeps the index with the state of a call, in the same transaction: it has the text when a call
    is published or recorded with its turns, and has it no more once the call is restricted, discarded or
    erased, or its transcript is to be deleted. What it lacks is owed: see `unindexed`.

    `within` are the queues whose calls somebody may see, None for all; it has no default, so that nobody
    forgets it. Every method raises `LedgerError` when the database fails.
    """

    def page(
        self,
        query: CallQuery,
        *,
        within: frozenset[str] | None,
        after: Cursor | None = None,
        before: Cursor | None = None,
        last: bool = False,
        limit: int = 50,
    ) -> CallPage:
        """A page of calls.

        Args:
            query: Which, and in what order.
            within: Queues whose calls may be seen; None for all.
            after: The page begins behind this place.
            before: The page ends before this place.
            last: The last page there is. At most one of these three; none for the first page.
            limit: Calls of a page, 1 to 200.

        Raises:
            MetadataError: There is no word in the text.
            RefusedError: It takes too long: the query is to be narrower.
        """

    def count(self, query: CallQuery, *, within: frozenset[str] | None, most: int = 1000) -> Counted:
        """How many calls there are, up to a number.

        Raises:
            MetadataError: There is no word in the text.
            RefusedError: It takes too long: the query is to be narrower.
        """

    def queues(self, *, within: frozenset[str] | None, limit: int = 200) -> tuple[str, ...]:
        """Names of queues that there are calls of, sorted."""

    def agents(self, *, within: frozenset[str] | None, limit: int = 200) -> tuple[str, ...]:
        """Agents that there are calls of in these queues, sorted; the first ones."""

    def may_see(self, call_id: str, *, within: frozenset[str] | None) -> bool:
        """Whether there is such a call, in one of these queues."""

    def index(self, call_id: str, turns: Sequence[MaskedTurn], *, as_of: datetime) -> bool:
        """Take the text of a call that was published earlier; False when that is not allowed any more.

        Args:
            call_id: The call.
            turns: Of its published transcript.
            as_of: `Unindexed.updated_at`; whatever changed the call since, the text may be outdated.
        """

    def unindexed(self, *, after: str | None = None, limit: int = 500) -> tuple[Unindexed, ...]:
        """Published calls whose text may be in the index and is not, by id, a page at a time."""

    def forget_index(self) -> None:
        """Empty the index; all of it is owed again."""


class SavedFilters(Protocol):
    """Queries that users keep under names."""

    def of(self, user: str) -> tuple[SavedFilter, ...]:
        """Those of a user, by name."""

    def save(self, user: str, saved: SavedFilter) -> None:
        """Keep one; one with that name is replaced.

        Raises:
            MetadataError: No such name is allowed, or the user has too many.
        """

    def delete(self, user: str, name: str | None = None) -> None:
        """Delete one, or all of a user's; what is not there is no error."""
