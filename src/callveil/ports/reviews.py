"""What reviewers say of calls, and what waits for a second person. Over the ledger's database.

As for the books: every change is one transaction with its entry in the audit chain, times come in as
arguments, aware UTC, and every method raises `LedgerError` when the database fails; nothing has changed then.
"""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from callveil.vocabulary.ledger import LedgerCall, Settlement
from callveil.vocabulary.proposals import Proposal, ProposalKind, ProposalState
from callveil.vocabulary.retention import KeptPart
from callveil.vocabulary.reviews import Review, ReviewClaim, ReviewState, Stretch


class Reviews(Protocol):
    """Corrections and verdicts. They go with an erased call."""

    def put(self, review: Review, *, now: datetime) -> Review:
        """Enter a review by `review.by`; one with that id is returned as it is.

        MISSED and DISCARD are owed from now on, CLEAN is done, OVER is reported. RELEASE sends a call whose
        audio is in the landing back to RECEIVED and is done; else it is owed.

        Raises:
            NotFoundError: No such call.
            RefusedError: The call is not in a state in which that can be said of it: published, or
                quarantined for RELEASE and DISCARD; or it is restricted.
        """

    def confirm(self, review_id: str, *, actor: str, now: datetime) -> Review:
        """Agree with an OVER after hearing the original: it is owed from now on.

        Raises:
            NotFoundError: No such review.
            RefusedError: It is no OVER, or nothing waits for that any more.
        """

    def refuse(self, review_id: str, *, reason: str, actor: str, now: datetime) -> Review:
        """Disagree with a review that is reported or owed. One that is settled is returned as it is."""

    def get(self, review_id: str) -> Review:
        """One review.

        Raises:
            NotFoundError: No such review.
        """

    def of(self, call_id: str) -> tuple[Review, ...]:
        """Reviews of a call, oldest first."""

    def reported(
        self,
        *,
        within: frozenset[str] | None,
        after: tuple[datetime, str] | None = None,
        limit: int = 50,
    ) -> tuple[Review, ...]:
        """OVER that waits for somebody with the original, oldest first, a page at a time.

        Args:
            within: Queues whose calls may be seen; None for all.
            after: `at` and id of the review that the page begins behind.
            limit: 1 to 500.
        """

    def missed(self, call_id: str) -> tuple[Stretch, ...]:
        """Stretches to mask whenever this call is redacted: of MISSED and RELEASE that are not refused."""

    def vouched(self, call_id: str) -> tuple[Stretch, ...]:
        """Stretches that need no mask: of OVER that somebody confirmed and that are not refused."""

    def gone(self, call_id: str) -> frozenset[KeptPart]:
        """Parts of a call that retention deleted, or is to delete."""

    def owed(self, *, now: datetime, limit: int = 500) -> tuple[str, ...]:
        """Calls with reviews that a worker may carry out now and that none has, oldest first.

        Reviews wait while their call is restricted, or goes its way anew; all but RELEASE while it is under
        legal hold: a copy that is evidence is not changed.
        """

    def reemit(self, *, grace_s: float, now: datetime) -> int:
        """Owe the event of reviews again that are `owed` for longer than that; returns for how many calls."""

    def claim(self, call_id: str, *, owner: str, lease_s: float, now: datetime) -> ReviewClaim | None:
        """Take the right to carry out what is owed of a call; None when there is nothing to do now.

        It is a claim on the call: a gate or another worker that wants the call waits for it. An answer about
        consent, a hold, a restriction or an erasure does not wait; `settle` tells.

        Args:
            call_id: The call.
            owner: Name of the worker.
            lease_s: Seconds until another worker may take it.
            now: Aware UTC.
        """

    def check(self, held: ReviewClaim) -> None:
        """Ask, right before something is published, whether this worker may still do so.

        Raises:
            LeaseLostError: The call was restricted, held, erased or answered about meanwhile, a part of it
                went, or another worker has it.
        """

    def settle(
        self,
        held: ReviewClaim,
        *,
        state: ReviewState,
        reason: str = "",
        result_sha256: str | None = None,
        not_before: datetime | None = None,
        result: Settlement | None = None,
        gone: frozenset[KeptPart] | None = None,
        now: datetime,
    ) -> LedgerCall:
        """Write down what became of reviews that a worker has, and give the claim back.

        Args:
            held: The claim; with fewer `reviews` only those are settled, and the others are owed on.
            state: DONE, REFUSED, or OWED to give them back.
            reason: Of REFUSED, or why they are given back.
            result_sha256: Of the certificate.json that came of it, in hex.
            not_before: Of OWED: when they are tried again, aware UTC; None for now.
            result: What is published of the call now, when that has changed: PUBLISHED, QUARANTINED or
                DISCARDED. A call that was answered about meanwhile stays RECEIVED, with these facts.
            gone: Parts that are gone from what was published; None when nothing was.
            now: Aware UTC.

        Returns:
            The call.

        Raises:
            LeaseLostError: The claim is outdated: the call was erased, or another worker has it. Or other
                parts than `gone` are to be gone by now. Nothing has changed.
        """

    def release(self, owner: str, *, now: datetime) -> int:
        """Give back what a worker has that is known to be dead; returns how many calls."""

    def all(self, *, after: str | None = None, limit: int = 500) -> tuple[Review, ...]:
        """All reviews by id, a page at a time."""


class Proposals(Protocol):
    """What waits for a second person."""

    def propose(self, proposal: Proposal, *, now: datetime) -> Proposal:
        """Enter one; one with that id is returned as it is.

        Raises:
            RefusedError: One of this kind about the same thing is open.
        """

    def get(self, proposal_id: str) -> Proposal:
        """One proposal.

        Raises:
            NotFoundError: No such proposal.
        """

    def proposals(
        self,
        kind: ProposalKind,
        *,
        state: ProposalState | None = ProposalState.OPEN,
        about: str | None = None,
        limit: int = 200,
    ) -> tuple[Proposal, ...]:
        """Those of a kind, newest first.

        Args:
            kind: Of what is proposed.
            state: What became of them; None for whatever did.
            about: Only those about this; None for all.
            limit: At most so many.
        """

    def approve(self, proposal_id: str, *, actor: str, now: datetime) -> Proposal:
        """Agree. Whoever calls this carries it out, and again after a crash: the work must bear that.

        Raises:
            NotFoundError: No such proposal.
            RefusedError: `actor` proposed it, or it is decided.
        """

    def reject(self, proposal_id: str, *, reason: str, actor: str, now: datetime) -> Proposal:
        """Say no, or take back what one proposed.

        Raises:
            NotFoundError: No such proposal.
            RefusedError: It is decided.
        """
