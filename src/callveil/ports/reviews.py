"""What reviewers say of calls, and what waits for a second person. Over the ledger's database.

As for the books: every change is one transaction with its entry in the audit chain, times come in as
arguments, aware UTC, and every method raises `LedgerError` when the database fails; nothing has changed then.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Protocol

from callveil.vocabulary.proposals import Proposal, ProposalKind, ProposalState
from callveil.vocabulary.reviews import Review, ReviewState, Stretch


class Reviews(Protocol):
    """Corrections and verdicts. They go with an erased call."""

    def put(self, review: Review, *, now: datetime) -> Review:
        """Enter a review by `review.by`; one with that id is returned as it is.

        MISSED, RELEASE and DISCARD are owed from now on, CLEAN is done, OVER is reported.

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

    def missed(self, call_id: str) -> tuple[Stretch, ...]:
        """Stretches to mask whenever this call is redacted: of MISSED and RELEASE that are not refused."""

    def vouched(self, call_id: str) -> tuple[Stretch, ...]:
        """Stretches that need no mask: of OVER that somebody confirmed and that are not refused."""

    def owed(self, *, now: datetime, limit: int = 500) -> tuple[str, ...]:
        """Calls with reviews that are owed and that no worker has at this time, oldest first."""

    def claim(self, call_id: str, *, owner: str, lease_s: float, now: datetime) -> tuple[Review, ...]:
        """Take all owed reviews of a call for some time; none when there are none, or a worker has them.

        Args:
            call_id: The call.
            owner: Name of the worker.
            lease_s: Seconds until another worker may take them.
            now: Aware UTC.
        """

    def renew(self, call_id: str, *, owner: str, lease_s: float, now: datetime) -> bool:
        """Keep them for some more time; False when another worker has them now."""

    def settle(
        self,
        reviews: Collection[str],
        *,
        owner: str,
        state: ReviewState,
        reason: str = "",
        result_sha256: str | None = None,
        now: datetime,
    ) -> None:
        """Write down what became of reviews that a worker has.

        Args:
            reviews: Their ids.
            owner: Name of the worker.
            state: DONE, REFUSED, or OWED to give them back.
            reason: Of REFUSED.
            result_sha256: Of the certificate.json that came of it, in hex.
            now: Aware UTC.

        Raises:
            LeaseLostError: Another worker has one of them now; nothing has changed.
        """

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
        self, kind: ProposalKind, *, state: ProposalState | None = ProposalState.OPEN, limit: int = 200
    ) -> tuple[Proposal, ...]:
        """Those of a kind, newest first; with `state` None whatever became of them."""

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
