"""What is decided about quarantined calls: by one person, or where the profile says so, by two.

A decision is a review (`vocabulary.reviews`) that a worker carries out. Where a second person must agree it
is a proposal first; the review is entered when somebody else approves. Its id is in the proposal, so whoever
approves once more after a crash enters nothing twice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from callveil.errors import MetadataError, NotFoundError, RefusedError
from callveil.kit import Office
from callveil.pipeline import reviews
from callveil.pipeline.listening import check_not_restricted
from callveil.vocabulary.ledger import CallState, LedgerCall
from callveil.vocabulary.pii import Entity
from callveil.vocabulary.proposals import Proposal, ProposalKind, ProposalState
from callveil.vocabulary.reviews import Review, ReviewKind, ReviewState, Stretch
from callveil.vocabulary.search import CallPage, CallQuery, CallSort, Cursor, FoundCall

_REVIEW_ID = re.compile(r"rev-([0-9a-f]{12})")
_KINDS = (ReviewKind.RELEASE, ReviewKind.DISCARD)
_MOST_OPEN = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What is to become of a quarantined call.

    Attributes:
        review_id: Of the review that it is, or will be.
        kind: RELEASE or DISCARD.
        stretches: What is masked before it is proven once more; none for DISCARD.
    """

    review_id: str
    kind: ReviewKind
    stretches: tuple[Stretch, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where the deciding about a call stands.

    Attributes:
        proposal: Waits for a second person; None when none does.
        agreed: Was approved, but its review was not entered: somebody's process died in between. Else None.
        owed: A worker has it, or will; None when none does.
        last: The last decision that was carried out or refused; None when there was none.
    """

    proposal: Proposal | None
    agreed: Proposal | None
    owed: Review | None
    last: Review | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A line of the list of quarantined calls.

    Attributes:
        found: As calls are listed.
        call: As the ledger has it: why, and since when.
        is_proposed: A second person is waited for.
    """

    found: FoundCall
    call: LedgerCall
    is_proposed: bool

    @property
    def since(self) -> datetime:
        """Since when it waits, aware UTC."""
        return self.call.updated_at


def is_in_work(found: LedgerCall) -> bool:
    """Whether a call goes through the pipeline, as one that was released does: masked, heard once more."""
    return found.state in (CallState.RECEIVED, CallState.KEPT, CallState.PROCESSING)


def needs_two(office: Office) -> bool:
    """Whether a second person must agree."""
    return ProposalKind.QUARANTINE in office.config.profile.web.two_person


def quarantined(
    office: Office,
    *,
    within: frozenset[str] | None,
    after: Cursor | None = None,
    before: Cursor | None = None,
    limit: int = 50,
) -> tuple[CallPage, tuple[Waiting, ...]]:
    """Quarantined calls, the oldest first, a page at a time.

    Args:
        office: For the ledger.
        within: Queues whose calls may be seen; None for all.
        after: See `CallSearch.page`.
        before: See `CallSearch.page`.
        limit: Calls of a page.

    Raises:
        LedgerError: The ledger failed.
    """
    query = CallQuery(states=frozenset({CallState.QUARANTINED}), sort=CallSort.START, descending=False)
    page = office.ledger.search.page(query, within=within, after=after, before=before, limit=limit)
    proposed = {
        each.about for each in office.books.proposals.proposals(ProposalKind.QUARANTINE, limit=_MOST_OPEN)
    }
    return page, tuple(
        Waiting(found=each, call=office.ledger.get(each.call_id), is_proposed=each.call_id in proposed)
        for each in page.calls
    )


def standing(call_id: str, office: Office) -> Standing:
    """Where the deciding about a call stands.

    Raises:
        LedgerError: The ledger failed.
    """
    given = [each for each in office.books.reviews.of(call_id) if each.kind in _KINDS]
    known = {each.review_id for each in given}
    proposals = office.books.proposals.proposals(ProposalKind.QUARANTINE, state=None, about=call_id)
    settled = [each for each in given if each.state in (ReviewState.DONE, ReviewState.REFUSED)]
    return Standing(
        proposal=next((each for each in proposals if each.state is ProposalState.OPEN), None),
        agreed=next(
            (
                each
                for each in proposals
                if each.state is ProposalState.APPROVED and decision_of(each).review_id not in known
            ),
            None,
        ),
        owed=next((each for each in given if each.state is ReviewState.OWED), None),
        last=settled[-1] if settled else None,
    )


def check(decision: Decision, call_id: str, office: Office, *, as_of: datetime | None = None) -> None:
    """Refuse what cannot be done about a call now.

    Args:
        decision: What is to be done.
        call_id: The call.
        office: Every place.
        as_of: When it was proposed, aware UTC; what was quarantined anew since is another thing.

    Raises:
        NotFoundError: No such call.
        RefusedError: It is not quarantined, is restricted, has no audio any more, or is worked on already.
        MetadataError: A stretch does not lie in the call, or the id is not one.
    """
    if not _REVIEW_ID.fullmatch(decision.review_id) or decision.kind not in _KINDS:
        raise MetadataError("decision: allowed: one from the page of a quarantined call")
    check_not_restricted(call_id, office)
    shown = reviews.quarantine_shown(call_id, office)
    if shown.decided_at and as_of is not None and datetime.fromisoformat(shown.decided_at) > as_of:
        raise RefusedError(f"call {call_id}: was heard once more since that was proposed")
    if decision.kind is ReviewKind.RELEASE and not shown.may_release:
        raise RefusedError(f"call {call_id}: its audio is gone, so it cannot be masked anew")
    if decision.stretches:
        reviews.check_stretches(decision.stretches, duration_s=shown.duration_s, channels=shown.channels or 2)


def decide(decision: Decision, call_id: str, office: Office, *, actor: str) -> Review | Proposal:
    """Decide about a quarantined call, or propose that where a second person must agree.

    Raises:
        NotFoundError: No such call.
        RefusedError: See `check`; or a decision about the call waits already.
        MetadataError: See `check`.
        LedgerError: The ledger failed; nothing is entered.
    """
    if (known := _known(decision.review_id, call_id, office)) is not None:
        return known
    check(decision, call_id, office)
    if not needs_two(office):
        _check_idle(call_id, office)
        return _enter(decision, call_id, office, by=actor)
    proposal_id = f"pro-{decision.review_id.removeprefix('rev-')}"
    with_same_id = _proposal(proposal_id, office)
    if with_same_id is not None:
        if with_same_id.about != call_id:
            raise MetadataError("decision: allowed: one from the page of a quarantined call")
        return with_same_id
    _check_idle(call_id, office)
    proposal = Proposal(
        proposal_id=proposal_id,
        kind=ProposalKind.QUARANTINE,
        about=call_id,
        content=_content(decision),
        by=actor,
        at=office.clock.now(),
    )
    return office.books.proposals.propose(proposal, now=office.clock.now())


def approve(proposal_id: str, call_id: str, office: Office, *, actor: str) -> Review:
    """Agree with what somebody else proposed, and enter it.

    What is approved and not entered yet is entered; whoever asks for that must not have proposed it either.

    Raises:
        NotFoundError: No such proposal about that call.
        RefusedError: `actor` proposed it, it is decided otherwise, or it cannot be done any more.
        LedgerError: The ledger failed.
    """
    proposal = _about(proposal_id, call_id, office)
    decision = decision_of(proposal)
    if (known := _known(decision.review_id, call_id, office)) is not None:
        return known
    if proposal.by == actor:
        raise RefusedError("Another person must agree.")
    check(decision, call_id, office, as_of=proposal.at)
    if standing(call_id, office).owed is not None:
        raise RefusedError(f"call {call_id}: is worked on already, as somebody decided")
    if proposal.state is not ProposalState.APPROVED:
        office.books.proposals.approve(proposal_id, actor=actor, now=office.clock.now())
    return _enter(decision, call_id, office, by=proposal.by)


def reject(proposal_id: str, call_id: str, office: Office, *, reason: str, actor: str) -> Proposal:
    """Say no, or take back what one proposed oneself.

    Raises:
        NotFoundError: No such proposal about that call.
        RefusedError: It is decided.
        MetadataError: The reason is missing.
        LedgerError: The ledger failed.
    """
    proposal = _about(proposal_id, call_id, office)
    said = reason.strip() or ("Taken back." if proposal.by == actor else "")
    if not 1 <= len(said) <= 500:
        raise MetadataError("reason: allowed: 1 to 500 characters")
    return office.books.proposals.reject(proposal_id, reason=said, actor=actor, now=office.clock.now())


def decision_of(proposal: Proposal) -> Decision:
    """What is proposed."""
    content: Mapping[str, Any] = proposal.content
    return Decision(
        review_id=content["review_id"],
        kind=ReviewKind(content["decision"]),
        stretches=tuple(
            Stretch(
                channel=each["channel"],
                start_s=each["start_s"],
                end_s=each["end_s"],
                entity=Entity(each["entity"]),
            )
            for each in content["stretches"]
        ),
    )


def _content(decision: Decision) -> dict[str, Any]:
    return {
        "decision": decision.kind.value,
        "review_id": decision.review_id,
        "stretches": stretch_fields(decision.stretches),
    }


def stretch_fields(stretches: Sequence[Stretch]) -> list[dict[str, Any]]:
    """Stretches as JSON."""
    return [
        {
            "channel": each.channel,
            "start_s": round(each.start_s, 3),
            "end_s": round(each.end_s, 3),
            "entity": each.entity.value,
        }
        for each in stretches
    ]


def _enter(decision: Decision, call_id: str, office: Office, *, by: str) -> Review:
    if decision.kind is ReviewKind.DISCARD:
        return reviews.discard(office, call_id, by=by, review_id=decision.review_id)
    return reviews.release(office, call_id, decision.stretches, by=by, review_id=decision.review_id)


def _check_idle(call_id: str, office: Office) -> None:
    now = standing(call_id, office)
    if now.owed is not None:
        raise RefusedError(f"call {call_id}: is worked on already, as somebody decided")
    if now.proposal is not None:
        raise RefusedError(f"call {call_id}: a decision about it waits already")


def _known(review_id: str, call_id: str, office: Office) -> Review | None:
    """The review of a form that was sent before."""
    try:
        found = office.books.reviews.get(review_id)
    except NotFoundError:
        return None
    if found.call_id != call_id:
        raise MetadataError("decision: allowed: one from the page of a quarantined call")
    return found


def _proposal(proposal_id: str, office: Office) -> Proposal | None:
    try:
        return office.books.proposals.get(proposal_id)
    except NotFoundError:
        return None


def _about(proposal_id: str, call_id: str, office: Office) -> Proposal:
    found = office.books.proposals.get(proposal_id)
    if found.kind is not ProposalKind.QUARANTINE or found.about != call_id:
        raise NotFoundError("there is no such proposal")
    return found
