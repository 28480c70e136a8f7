"""The books beside the ledger, in its database: accounts, policies, subjects, holds, requests, removals, ...

As for the ledger, every change is one transaction with its entry in the audit chain, times come in as
arguments, aware UTC, and every method raises `LedgerError` when the database fails; nothing has changed then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from callveil.ports.accounts import Accounts
from callveil.ports.policy_sets import PolicySets
from callveil.ports.reviews import Proposals, Reviews
from callveil.vocabulary.retention import CallFacts, CallGroup, Hold, KeptPart
from callveil.vocabulary.rights import (
    IdentifierKind,
    Identity,
    ItemState,
    Notice,
    Removal,
    RemovalWhy,
    Request,
    RequestItem,
    RequestKind,
    RequestState,
    Sighting,
)


class SubjectHasher(Protocol):
    """Turns identifiers into the keyed hashes that the subject index knows them by."""

    @property
    def generation(self) -> int:
        """The newest generation of the key, from 1; what `identity` makes is of it."""

    def identity(self, kind: IdentifierKind, value: str, party: int) -> Identity:
        """The identity of an identifier.

        Args:
            kind: Of the identifier.
            value: Normalised, see `rights.identifiers`.
            party: Index into `Call.parties`.
        """

    def digests(self, kind: IdentifierKind, value: str) -> tuple[str, ...]:
        """Digests of an identifier of every generation, the newest first."""

    def step(self, generation: int) -> Callable[[str], str]:
        """From a digest of this generation to that of the next."""


class SubjectIndex(Protocol):
    """Which calls a person is in. `Ledger.accept` writes it with the call."""

    def find(self, digests: Sequence[str]) -> tuple[Sighting, ...]:
        """Where any of these identifiers was seen, by call id."""

    def beside(self, call_ids: Sequence[str]) -> tuple[Sighting, ...]:
        """All identifiers seen in these calls, by call id."""

    def generations(self) -> Mapping[int, int]:
        """How many identifiers there are of each generation of the key; those of holds and requests too."""

    def rekey(self, generation: int, step: Callable[[str], str], *, limit: int) -> int:
        """Take identifiers from one generation to the next, in index, holds and open requests.

        Args:
            generation: The one they are of.
            step: From a digest to that of the next generation.
            limit: At most so many in this transaction.

        Returns:
            How many were taken; 0 when all are done.
        """


class Holds(Protocol):
    """Legal holds. The ledger is the truth, the store is made to follow."""

    def place(
        self,
        hold: Hold,
        *,
        call_ids: Sequence[str] = (),
        identities: Sequence[Identity] = (),
        actor: str,
        now: datetime,
    ) -> Hold:
        """Place a hold on calls, and on all present and future calls of these identities.

        Raises:
            NotFoundError: One of the calls is not there, or is erased; no hold is placed.
        """

    def release(self, hold_id: str, *, reason: str, actor: str, now: datetime) -> Hold:
        """End a hold. Restricted items of requests whose calls no hold is on any more are due for review.

        Raises:
            NotFoundError: No such hold.
            RefusedError: It has ended already.
        """

    def holds(self, *, standing: bool = True) -> tuple[Hold, ...]:
        """Holds by the time they were placed; with `standing` only those that have not ended."""

    def of(self, call_id: str) -> tuple[Hold, ...]:
        """Holds that stand on a call."""

    def calls_of(self, hold_id: str, *, after: str | None = None, limit: int = 500) -> tuple[str, ...]:
        """Calls a hold is on, by id, a page at a time."""

    def differing(self, *, after: str | None = None, limit: int = 500) -> tuple[tuple[str, bool], ...]:
        """Published calls whose hold in the store may not be as it should be, and how it should be."""

    def mark(self, call_id: str, on: bool) -> None:
        """Note that the store has the hold of a call, or has it no more."""


class Requests(Protocol):
    """The register of what data subjects ask for, and what their calls await."""

    def open(self, request: Request, items: Sequence[RequestItem], *, actor: str, now: datetime) -> Request:
        """Enter a request with its calls; one whose id is there already stays as it is.

        Raises:
            NotFoundError: One of the calls is not there; nothing is entered.
        """

    def get(self, request_id: str) -> Request:
        """One request.

        Raises:
            NotFoundError: No such request.
        """

    def requests(
        self, *, kind: RequestKind | None = None, states: Sequence[RequestState] = ()
    ) -> tuple[Request, ...]:
        """Requests by the time they came; all states when none is named."""

    def items(
        self,
        request_id: str,
        *,
        state: ItemState | None = None,
        after: str | None = None,
        limit: int = 500,
    ) -> tuple[RequestItem, ...]:
        """Calls of a request by id, a page at a time."""

    def items_of(self, call_id: str) -> tuple[tuple[Request, RequestItem], ...]:
        """What open requests there are for a call."""

    def change(
        self,
        request_id: str,
        *,
        actor: str,
        now: datetime,
        state: RequestState | None = None,
        due_at: datetime | None = None,
        extension_reason: str | None = None,
        note: str | None = None,
        forget_identities: bool = False,
    ) -> Request:
        """Change what is given. DONE and REFUSED set `closed_at`.

        Raises:
            NotFoundError: No such request.
        """

    def settle_item(self, item: RequestItem, *, actor: str, now: datetime) -> None:
        """Write down where a call of a request stands now."""

    def due_for_review(self, *, now: datetime, limit: int = 500) -> tuple[RequestItem, ...]:
        """Restricted items whose date has come, or that waited for a hold and no hold is on their call."""

    def restrict(self, call_id: str, reason: str | None, *, actor: str, now: datetime) -> None:
        """Restrict a call (GDPR Art. 18), or with None lift that.

        Raises:
            NotFoundError: No such call.
        """

    def restriction(self, call_id: str) -> str | None:
        """Why a call is restricted; None when it is not."""


class Notices(Protocol):
    """What recipients are told, until their receipts are there."""

    def owe(self, notices: Sequence[Notice], *, actor: str, now: datetime) -> None:
        """Enter notices; those whose id is there already stay as they are."""

    def due(self, *, now: datetime, limit: int = 100) -> tuple[Notice, ...]:
        """Waiting notices to be sent now."""

    def update(self, notice: Notice, *, actor: str, now: datetime) -> None:
        """Write down what came of an attempt, a receipt or an escalation."""

    def get(self, notice_id: str) -> Notice:
        """One notice.

        Raises:
            NotFoundError: No such notice.
        """

    def notices(self, *, request_id: str | None = None, waiting: bool = False) -> tuple[Notice, ...]:
        """Notices of a request, or all; with `waiting` only those without a receipt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SweptCall:
    """A call with all that decides about it.

    Attributes:
        facts: As retention sees it.
        holds: Holds that stand on it.
        requests: Open requests for it: erasure and restriction.
        restricted: Why it is restricted; None when it is not.
        duration_s: Length of the published recording in seconds; 0 when none is.
    """

    facts: CallFacts
    holds: tuple[Hold, ...]
    requests: tuple[Request, ...]
    restricted: str | None
    duration_s: float = 0.0


class Removals(Protocol):
    """What retention sees of calls, and deletions that were decided and must be finished."""

    def groups(self) -> Iterator[CallGroup]:
        """Calls that nothing singles out, in groups, in bounded memory."""

    def singled_out(self) -> Iterator[SweptCall]:
        """Calls with a hold, a request, a restriction or an event, in bounded memory."""

    def calls(self, *, after: str | None = None, limit: int = 1000) -> tuple[SweptCall, ...]:
        """All calls that are not erased and not being worked on, by id, a page at a time."""

    def swept(self, call_id: str) -> SweptCall:
        """One call.

        Raises:
            NotFoundError: No such call.
        """

    def note_event(self, call_id: str, name: str, at: datetime, *, actor: str, now: datetime) -> None:
        """Write down that an event which policies count from has come for a call.

        Raises:
            NotFoundError: No such call.
        """

    def decide(
        self,
        call_id: str,
        *,
        prefix: str,
        parts: frozenset[KeptPart],
        why: RemovalWhy,
        reason: str,
        request_id: str | None,
        actor: str,
        now: datetime,
    ) -> Removal:
        """Decide that parts of a call, or all of it, are deleted: from then on there is no way back.

        With all parts the call becomes ERASED: no worker may touch it, whoever has it loses it. A removal of
        the same parts that is not finished is returned as it is.

        Raises:
            NotFoundError: No such call.
            RefusedError: A hold stands on it; nothing has changed.
        """

    def unfinished(self, *, limit: int = 500) -> tuple[Removal, ...]:
        """Removals that are not finished, oldest first."""

    def begin(self, removal_id: str, *, evidence: Mapping[str, int], actor: str, now: datetime) -> Removal:
        """Write down what there is to delete, before any of it goes. Numbers written down before never fall.

        A process that is killed in between leaves true numbers. A removal that is done is returned as it is.
        """

    def finish(self, removal_id: str, *, evidence: Mapping[str, int], actor: str, now: datetime) -> Removal:
        """Write down that a removal is finished; of each number the larger one of `begin` and this stands.

        A removal that is done is returned as it is. Parts are noted as gone. With all parts, all rows of the
        call go but its tombstone: call id, state, times and the removal; and with an erasure its identities
        in the index as well.
        """

    def removals(self, *, request_id: str) -> tuple[Removal, ...]:
        """Removals of a request, oldest first."""

    def scrub(self) -> None:
        """Make the database forget what rows held that are gone: SQLite's log, PostgreSQL's dead rows."""


class Books(Protocol):
    """All of them, over one database."""

    @property
    def accounts(self) -> Accounts:
        """Users, their sessions and tokens."""

    @property
    def subjects(self) -> SubjectIndex:
        """Which calls a person is in."""

    @property
    def holds(self) -> Holds:
        """Legal holds."""

    @property
    def requests(self) -> Requests:
        """The register."""

    @property
    def notices(self) -> Notices:
        """What recipients are told."""

    @property
    def removals(self) -> Removals:
        """What retention sees, and what is being deleted."""

    @property
    def reviews(self) -> Reviews:
        """What reviewers say of calls."""

    @property
    def proposals(self) -> Proposals:
        """What waits for a second person."""

    @property
    def policy_sets(self) -> PolicySets:
        """Retention policies that were put in force on the pages."""
