"""What is known of every call, and what is owed for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from callveil.ports.audit import AuditTrail
from callveil.ports.figures import Figures
from callveil.ports.search import CallSearch, SavedFilters
from callveil.vocabulary.consent import ConsentRecord
from callveil.vocabulary.ledger import (
    AuditEntry,
    CallState,
    Claim,
    Event,
    LedgerCall,
    LedgerCounts,
    NewCall,
    Settlement,
)


class Ledger(Protocol):
    """What is known of every call, and what is owed for it. The record of truth, not the broker.

    Every change is one transaction with the event it owes (see `vocabulary.ledger.TOPIC_OF`) and its entry in
    the audit chain: all of it stands, or nothing. Changes that `TRANSITIONS` does not know are impossible.
    Safe for several threads and processes. Times come in as arguments, aware UTC. Every method raises
    `LedgerError` when the database fails; nothing has changed then.
    """

    def accept(self, new: NewCall, *, actor: str, now: datetime) -> tuple[LedgerCall, bool]:
        """Take a call in as RECEIVED.

        Returns:
            The call, and True when it is new. False when the same call is there already: the same id and
            content, or the same idempotency key and content; its landing token then differs from `new`'s.
            Asked again with the same landing token it says True again, for that audio is the call's.

        Raises:
            RefusedError: The call was erased, or is one that was enlisted. Or the id, or the idempotency key,
                stands for another content or another call. A live call is refused wherever one of its id or
                key is there, and so is a recording while a live call of its id still arrives.
        """

    def enlist(self, new: NewCall, *, actor: str, now: datetime) -> LedgerCall:
        """Note a call that is processed outside of the service, before it is, so that its persons are found.

        It has no audio in the landing, owes no event, and no worker touches it. A call that is there already
        stays in its state; its metadata, consent and identities become those of `new`.

        Raises:
            RefusedError: The call was erased, or the service has its audio in the landing.
        """

    def record(self, call_id: str, result: Settlement, *, actor: str, now: datetime) -> LedgerCall:
        """Write down how an enlisted call ended. It goes the whole way at once and owes no event.

        Raises:
            NotFoundError: No such call.
            RefusedError: The call was erased meanwhile.
        """

    def heartbeat(self, call_ids: Sequence[str], *, now: datetime) -> None:
        """Say that these calls still arrive."""

    def arrived(
        self,
        call_id: str,
        *,
        content_sha256: str,
        n_bytes: int,
        incomplete: bool,
        actor: str,
        now: datetime,
    ) -> None:
        """All of a live call is there. A second time changes nothing.

        Its state stays; when that is RECEIVED or KEPT, its event is owed again.

        Raises:
            NotFoundError: No such call.
        """

    def get(self, call_id: str) -> LedgerCall:
        """One call.

        Raises:
            NotFoundError: No such call.
        """

    def calls(
        self, *, state: CallState | None = None, after: str | None = None, limit: int = 100
    ) -> tuple[LedgerCall, ...]:
        """Calls by id, a page at a time.

        Args:
            state: Only those in this state.
            after: Only ids after this one.
            limit: 1 to 1000.
        """

    def record_consent(
        self, call_id: str, records: Sequence[ConsentRecord], *, actor: str, now: datetime
    ) -> LedgerCall:
        """Add answers to a call's history and raise its `consent_version`.

        A new answer for a purpose takes the place of earlier ones for the same purpose and party; one for all
        parties takes the place of all for that purpose. The history keeps every answer. RECEIVED, HELD, KEPT,
        PUBLISHED, QUARANTINED and FAILED calls become RECEIVED, to be decided anew: the audio of a FAILED
        one is still there, and must go with a denial. One that is PROCESSING stays so, and `settle` sends it
        back; a DISCARDED one only notes it. Answers that come together stand together: a grant and its
        withdrawal at a second of the call do not take each other's place. No answers change nothing.

        Raises:
            NotFoundError: No such call.
        """

    def consent_history(self, call_id: str) -> tuple[tuple[datetime, str, ConsentRecord], ...]:
        """Every answer with its time and who brought it, oldest first.

        Raises:
            NotFoundError: No such call.
        """

    def claim(
        self,
        call_id: str,
        *,
        owner: str,
        states: Sequence[CallState] = (CallState.RECEIVED, CallState.PROCESSING),
        lease_s: float,
        now: datetime,
    ) -> Claim | None:
        """Take the right to work on a call: to decide a RECEIVED one, to redact a KEPT one.

        A KEPT call becomes PROCESSING; its `attempts` rise, as do those of a RECEIVED one. A PROCESSING call
        whose lease has ended is claimed again.

        Args:
            call_id: The call.
            owner: Name of the worker.
            states: RECEIVED, PROCESSING (which stands for KEPT too), or both: what the worker can do.
            lease_s: Seconds until the right ends.
            now: Aware UTC.

        Returns:
            None when there is nothing to do now: another state, another owner, too early for a retry, or no
            such call. In `found` the state is RECEIVED or PROCESSING, and `attempts` counts this one.

        Raises:
            ValueError: `lease_s` is not positive.
        """

    def renew(self, claim: Claim, *, lease_s: float, now: datetime) -> Claim | None:
        """Prolong a lease; None when it was lost, and then the work must stop.

        A lease that has ended is not lost before somebody else claims the call or `reemit` takes it back.
        """

    def settle(self, claim: Claim, result: Settlement, *, now: datetime) -> LedgerCall:
        """Write down what came of the work, and give the claim back.

        When answers came in since the claim was made, the facts are noted but the state becomes RECEIVED,
        whatever `result` says (only a DISCARDED one stands).

        Raises:
            LeaseLostError: The claim is outdated; nothing has changed.
            ValueError: `TRANSITIONS` does not allow it, it is ERASED, which only a removal makes a call, or
                HELD without `hold_until`.
        """

    def release(self, owner: str, *, now: datetime) -> int:
        """Take back every claim of a worker that is known to be dead; returns how many.

        Its PROCESSING calls become KEPT and its RECEIVED ones are owed again, at once.
        """

    def failures(self, call_id: str) -> Mapping[str, int]:
        """What the attempts that `LedgerCall.attempts` counts came to, by family of the error.

        Attempts that never ended, because their worker died, are "worker_lost". One that is under way, or
        ended without an error, is not counted.

        Raises:
            NotFoundError: No such call.
        """

    def replay(self, call_id: str, *, actor: str, now: datetime) -> LedgerCall:
        """Send a FAILED or QUARANTINED call back to RECEIVED, with no attempts counted.

        Raises:
            NotFoundError: No such call.
            RefusedError: It is in another state, or its audio is gone.
        """

    def take_events(self, *, owner: str, limit: int, lease_s: float, now: datetime) -> tuple[Event, ...]:
        """Events that are due and not sent, oldest first; nobody gets them again while the lease lasts.

        Args:
            owner: The sender.
            limit: 1 to 1000.
            lease_s: More than 0.
            now: Aware UTC.
        """

    def mark_sent(self, event_ids: Sequence[str], *, now: datetime) -> None:
        """These have reached the broker."""

    def reemit(self, *, grace_s: float, now: datetime) -> int:
        """Owe again what seems to be lost; returns for how many calls.

        A HELD call past its deadline becomes RECEIVED. A PROCESSING call whose lease has ended becomes KEPT.
        A RECEIVED or KEPT call without a running lease whose last event was sent more than `grace_s` ago (and
        whose retry is due) owes it again, as a new event, unless it still arrives.
        """

    def silent_arrivals(self, *, silent_s: float, now: datetime) -> tuple[LedgerCall, ...]:
        """Calls that still arrive and had no heartbeat for so long: their receiver is gone."""

    def to_shred(self, *, limit: int) -> tuple[LedgerCall, ...]:
        """PUBLISHED and DISCARDED calls that have arrived and whose audio still lies in the landing.

        Not DISCARDED ones under legal hold: their audio stays until the hold ends.
        """

    def shredded(self, call_id: str, *, actor: str, now: datetime) -> None:
        """The call's audio is gone from the landing; a second time changes nothing.

        Raises:
            NotFoundError: No such call.
        """

    def known_landings(self, tokens: Sequence[str]) -> frozenset[str]:
        """Which of these landing tokens belong to a call."""

    def note(
        self,
        *,
        actor: str,
        action: str,
        call_id: str | None,
        detail: Mapping[str, str | int | float | bool | None],
        now: datetime,
    ) -> None:
        """Add an entry to the audit chain that goes with no other change."""

    def audit(self, *, after: int = 0, limit: int = 1000) -> tuple[AuditEntry, ...]:
        """Entries of the audit chain after a number, in order."""

    def history(self, call_id: str, *, after: int = 0, limit: int = 1000) -> tuple[AuditEntry, ...]:
        """Entries of the audit chain that name a call, after a number, in order."""

    def check_audit(self, on_progress: Callable[[int], None] | None = None) -> int | None:
        """Compute the whole chain again, in little memory, whatever its length.

        Args:
            on_progress: Told now and then how many entries hold so far; what it raises ends the check.

        Returns:
            None when it holds, else the number of the first entry that was changed or is missing.
        """

    def counts(self, *, now: datetime) -> LedgerCounts:
        """The ledger in numbers."""

    @property
    def trail(self) -> AuditTrail:
        """Lists of the audit chain."""

    @property
    def search(self) -> CallSearch:
        """Lists of its calls, over the same database."""

    @property
    def filters(self) -> SavedFilters:
        """Queries that users keep, over the same database."""

    @property
    def figures(self) -> Figures:
        """What its pipeline does, in numbers, over the same database."""
