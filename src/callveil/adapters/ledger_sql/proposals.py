"""The two-person rule. See `ports.Proposals`."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from callveil.adapters.ledger_sql import audit_chain
from callveil.adapters.ledger_sql.audit_chain import Action
from callveil.adapters.ledger_sql.call_rows import dump
from callveil.adapters.ledger_sql.database import Database
from callveil.adapters.ledger_sql.review_tables import proposals
from callveil.errors import NotFoundError, RefusedError
from callveil.vocabulary.proposals import Proposal, ProposalKind, ProposalState


class SqlProposals:
    """See `ports.Proposals`.

    Args:
        database: The ledger's.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def propose(self, proposal: Proposal, *, now: datetime) -> Proposal:
        """See `Proposals.propose`."""
        return self._database.write(lambda c: _propose(c, proposal, now))

    def get(self, proposal_id: str) -> Proposal:
        """See `Proposals.get`."""
        return self._database.read(lambda c: _get(c, proposal_id))

    def proposals(
        self,
        kind: ProposalKind,
        *,
        state: ProposalState | None = ProposalState.OPEN,
        about: str | None = None,
        limit: int = 200,
    ) -> tuple[Proposal, ...]:
        """See `Proposals.proposals`."""
        query = sa.select(proposals).where(proposals.c.kind == kind.value)
        if about is not None:
            query = query.where(proposals.c.about == about)
        if state is not None:
            query = query.where(proposals.c.state == state.value)
        query = query.order_by(proposals.c.at.desc(), proposals.c.proposal_id).limit(limit)
        return self._database.read(lambda c: tuple(_proposal(row) for row in c.execute(query)))

    def approve(self, proposal_id: str, *, actor: str, now: datetime) -> Proposal:
        """See `Proposals.approve`."""
        return self._database.write(
            lambda c: _decide(c, proposal_id, ProposalState.APPROVED, "", actor=actor, now=now)
        )

    def reject(self, proposal_id: str, *, reason: str, actor: str, now: datetime) -> Proposal:
        """See `Proposals.reject`."""
        return self._database.write(
            lambda c: _decide(c, proposal_id, ProposalState.REJECTED, reason, actor=actor, now=now)
        )


def _propose(connection: sa.Connection, proposal: Proposal, now: datetime) -> Proposal:
    known = sa.select(proposals).where(proposals.c.proposal_id == proposal.proposal_id)
    if (row := connection.execute(known).one_or_none()) is not None:
        return _proposal(row)
    same = sa.select(proposals.c.proposal_id).where(
        proposals.c.kind == proposal.kind.value,
        proposals.c.about == proposal.about,
        proposals.c.state == ProposalState.OPEN.value,
    )
    if (other := connection.scalar(same)) is not None:
        raise RefusedError(f"{other}: waits for a decision about the same already")
    connection.execute(
        sa.insert(proposals).values(
            proposal_id=proposal.proposal_id,
            kind=proposal.kind.value,
            about=proposal.about,
            content=dump(proposal.content),
            by=proposal.by,
            at=now,
            state=ProposalState.OPEN.value,
            reason="",
        )
    )
    _note(connection, Action.PROPOSED, proposal, actor=proposal.by, now=now)
    return _get(connection, proposal.proposal_id)


def _decide(
    connection: sa.Connection,
    proposal_id: str,
    state: ProposalState,
    reason: str,
    *,
    actor: str,
    now: datetime,
) -> Proposal:
    found = _get(connection, proposal_id, lock=True)
    if found.state is not ProposalState.OPEN:
        raise RefusedError(f"{proposal_id}: is {found.state.value} already")
    if state is ProposalState.APPROVED and found.by == actor:
        raise RefusedError(f"{proposal_id}: another person must agree")
    connection.execute(
        sa.update(proposals)
        .where(proposals.c.proposal_id == proposal_id)
        .values(state=state.value, decided_by=actor, decided_at=now, reason=reason)
    )
    is_approved = state is ProposalState.APPROVED
    _note(connection, Action.APPROVED if is_approved else Action.REJECTED, found, actor=actor, now=now)
    return _get(connection, proposal_id)


def _note(
    connection: sa.Connection, action: Action, proposal: Proposal, *, actor: str, now: datetime
) -> None:
    call_id = proposal.about if proposal.kind is ProposalKind.QUARANTINE else None
    detail: audit_chain.Detail = {"proposal": proposal.proposal_id, "kind": proposal.kind.value}
    audit_chain.append(connection, actor=actor, action=action, call_id=call_id, detail=detail, now=now)


def _get(connection: sa.Connection, proposal_id: str, *, lock: bool = False) -> Proposal:
    query = sa.select(proposals).where(proposals.c.proposal_id == proposal_id)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise NotFoundError("there is no such proposal")
    return _proposal(row)


def _proposal(row: sa.Row[Any]) -> Proposal:
    return Proposal(
        proposal_id=row.proposal_id,
        kind=ProposalKind(row.kind),
        about=row.about,
        content=json.loads(row.content),
        by=row.by,
        at=row.at,
        state=ProposalState(row.state),
        decided_by=row.decided_by,
        decided_at=row.decided_at,
        reason=row.reason,
    )
