"""Legal holds: the ledger says which calls are held, and the store is made to follow."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from callveil.errors import CallveilError, MetadataError
from callveil.kit import Office
from callveil.pipeline.outlook import Sought
from callveil.pipeline.restrict import tag
from callveil.pipeline.withdraw import carry_out_consent
from callveil.ports import Books, Ledger, ObjectStore
from callveil.vocabulary.ledger import CallState
from callveil.vocabulary.retention import Hold, HoldScope
from callveil.vocabulary.search import CallQuery, Counted, Cursor

log = logging.getLogger(__name__)

_PAGE = 500
_LISTED, _MOST_COUNTED = 200, 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldQuery:
    """Which calls a hold of `HoldScope.QUERY` is placed on: those that fit all that is given.

    Attributes:
        queue: Name of a queue.
        agent: An agent's login or number.
        since: Calls that started then or later, aware UTC.
        until: Calls that started before then, aware UTC.
    """

    queue: str | None = None
    agent: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def is_empty(self) -> bool:
        """It would fit every call there is."""
        return self == HoldQuery()

    @property
    def wanted(self) -> CallQuery:
        """The same as the list of calls asks it; it leaves out what is erased."""
        return CallQuery(
            queues=frozenset() if self.queue is None else frozenset({self.queue}),
            agent=self.agent,
            since=self.since,
            until=self.until,
            descending=False,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A hold, and how far the store follows.

    Attributes:
        hold: As it stands in the ledger.
        behind: Calls whose objects the store could not hold, or free, yet; `mend` goes on.
    """

    hold: Hold
    behind: int


def place(
    scope: HoldScope,
    sought: Sought,
    office: Office,
    *,
    reason: str,
    authority: str,
    actor: str,
    follow: bool = True,
) -> Placed:
    """Place a hold: from then on nothing of its calls is deleted.

    Args:
        scope: What it is placed on; for a subject, later calls of that person are held too.
        sought: The calls, and for a subject who it is.
        office: For ledger and store.
        reason: Why; no personal data of callers.
        authority: Who demands it.
        actor: As in the audit chain.
        follow: Make the store follow now; without it the caller does, with `make_follow`.

    Raises:
        MetadataError: Reason or authority is missing.
        NotFoundError: One of the calls is not there, or is erased; no hold is placed.
        LedgerError: The ledger failed; no hold is placed.
    """
    _check_words(reason=reason, authority=authority)
    now = office.clock.now()
    hold = Hold(
        hold_id=f"hold-{secrets.token_hex(6)}",
        scope=scope,
        reason=reason.strip(),
        authority=authority.strip(),
        placed_by=actor,
        placed_at=now,
    )
    identities = sought.identities if scope is HoldScope.SUBJECT else ()
    hold = office.books.holds.place(
        hold, call_ids=sought.call_ids, identities=identities, actor=actor, now=now
    )
    return Placed(hold=hold, behind=make_follow(hold.hold_id, office) if follow else hold.n_calls)


def release(hold_id: str, office: Office, *, reason: str, actor: str, follow: bool = True) -> Placed:
    """End a hold. Calls that no other hold is on are free; erasures that waited for it are due.

    Without `follow` the caller makes the store follow, with `make_follow`.

    Raises:
        MetadataError: The reason is missing.
        NotFoundError: No such hold.
        RefusedError: It has ended already.
    """
    _check_words(reason=reason)
    hold = office.books.holds.release(hold_id, reason=reason.strip(), actor=actor, now=office.clock.now())
    return Placed(hold=hold, behind=make_follow(hold_id, office) if follow else hold.n_calls)


def matching(query: HoldQuery, ledger: Ledger) -> Iterator[str]:
    """Calls that fit a query and are not erased, in little memory.

    Raises:
        MetadataError: The query fits every call there is.
    """
    _check_query(query)
    after: Cursor | None = None
    while True:
        page = ledger.search.page(query.wanted, within=None, after=after, limit=_LISTED)
        yield from (found.call_id for found in page.calls)
        if page.after is None:
            return
        after = page.after


def how_many(query: HoldQuery, ledger: Ledger) -> Counted:
    """How many calls a query fits, up to a number.

    Raises:
        MetadataError: The query fits every call there is.
        RefusedError: It takes too long to count.
    """
    _check_query(query)
    return ledger.search.count(query.wanted, within=None, most=_MOST_COUNTED)


def _check_query(query: HoldQuery) -> None:
    if query.is_empty:
        raise MetadataError("hold: name calls, a person, or a queue, an agent or a time")


def mend(office: Office) -> tuple[int, int]:
    """Make the store follow the ledger where it may not; returns how many calls, and how many failed.

    Raises:
        LedgerError: The ledger failed.
    """
    done = failed = 0
    after: str | None = None
    while page := office.books.holds.differing(after=after, limit=_PAGE):
        for call_id, held in page:
            ok = _apply(call_id, held, office)
            done, failed = done + ok, failed + (not ok)
        after = page[-1][0]
    return done, failed


def mark_published(call_id: str, prefix: str, books: Books, store: ObjectStore) -> None:
    """Put the holds and the restriction of a call onto what was just published of it.

    A hold that fails here is mended by `mend`. A restriction stands in the ledger, which everything here
    asks before it shows a call; its tag is for those who read the store alone.
    """
    try:
        if books.holds.of(call_id):
            store.set_legal_hold(prefix, True)
        if books.requests.restriction(call_id) is not None:
            tag(prefix, True, store)
    except CallveilError as error:
        log.error(
            "a hold or restriction is not in the store", extra={"call_id": call_id, "error": error.code}
        )


def make_follow(hold_id: str, office: Office) -> int:
    """Make the store follow a hold that was placed or ended; returns for how many calls it could not yet."""
    behind, after = 0, None
    while page := office.books.holds.calls_of(hold_id, after=after, limit=_PAGE):
        for call_id in page:
            behind += not _apply(call_id, bool(office.books.holds.of(call_id)), office)
        after = page[-1]
    return behind


def _apply(call_id: str, held: bool, office: Office) -> bool:
    """Hold or free the objects of one call; True when the store is as it should be."""
    try:
        found = office.ledger.get(call_id)
        if found.state is CallState.ERASED or found.prefix is None:
            return True  # who publishes it holds it
        office.store.set_legal_hold(found.prefix, held)
        if not held:
            # What was said about consent while the hold stood has not been carried out.
            carry_out_consent(found, office, actor="hold")
        office.books.holds.mark(call_id, held)
    except CallveilError as error:
        log.error(
            "a hold is not in the store as it should be", extra={"call_id": call_id, "error": error.code}
        )
        return False
    return True


def _check_words(**words: str) -> None:
    for name, text in words.items():
        if not 1 <= len(text.strip()) <= 500:
            raise MetadataError(f"--{name}: allowed: 1 to 500 characters")
