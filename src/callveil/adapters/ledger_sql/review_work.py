"""The work that reviews owe: who has it, and what came of it, with the call's own claim."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from callveil.adapters.ledger_sql import audit_chain, outbox, search_rows
from callveil.adapters.ledger_sql.audit_chain import Action
from callveil.adapters.ledger_sql.call_rows import call_from_json, dump
from callveil.adapters.ledger_sql.call_state import change, enter, find, owe_again, read
from callveil.adapters.ledger_sql.outbox import lease_end
from callveil.adapters.ledger_sql.retention_columns import end_of, parts_from_text
from callveil.adapters.ledger_sql.review_tables import review_of, reviews
from callveil.adapters.ledger_sql.rights_tables import removals
from callveil.adapters.ledger_sql.tables import OUTSIDE, calls
from callveil.adapters.ledger_sql.tables import outbox as outbox_table
from callveil.errors import LeaseLostError, NotFoundError
from callveil.vocabulary.ledger import CallState, Claim, LedgerCall, Settlement, Topic
from callveil.vocabulary.retention import KeptPart
from callveil.vocabulary.reviews import Review, ReviewClaim, ReviewKind, ReviewState

_RESTING = (CallState.PUBLISHED, CallState.QUARANTINED, CallState.DISCARDED, CallState.FAILED)
"""States in which nobody else works on a call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """What became of reviews; see `Reviews.settle`."""

    state: ReviewState
    reason: str
    result_sha256: str | None
    not_before: datetime | None


def note(connection: sa.Connection, action: Action, review: Review, *, actor: str, now: datetime) -> None:
    """Write about a review into the audit chain."""
    detail: audit_chain.Detail = {
        "review": review.review_id,
        "kind": review.kind.value,
        "stretches": len(review.stretches),
    }
    audit_chain.append(connection, actor=actor, action=action, call_id=review.call_id, detail=detail, now=now)


def change_review(connection: sa.Connection, review_id: str, **values: object) -> None:
    """Set columns of a review."""
    connection.execute(sa.update(reviews).where(reviews.c.review_id == review_id).values(**values))


def owe(connection: sa.Connection, call: sa.Row[Any], *, now: datetime) -> None:
    """Owe the event that tells a worker of reviews. Calls of `process` have no worker."""
    if call.source != OUTSIDE:
        outbox.owe(
            connection,
            call_id=call.call_id,
            state=CallState(call.state),
            prefix=call.prefix,
            error_code=None,
            due_at=now,
            now=now,
            topic=Topic.REVIEWED,
        )


def gone(connection: sa.Connection, call: sa.Row[Any]) -> frozenset[KeptPart]:
    """Parts of a call that are deleted, or are to be."""
    going = sa.select(removals.c.parts).where(
        removals.c.call_id == call.call_id, removals.c.done_at.is_(None)
    )
    texts = [call.gone, *connection.scalars(going)]
    return frozenset[KeptPart]().union(*(parts_from_text(text) for text in texts))


def owed(connection: sa.Connection, *, now: datetime, limit: int) -> tuple[str, ...]:
    """See `Reviews.owed`."""
    return tuple(connection.scalars(_owed(now).limit(limit)))


def _owed(now: datetime) -> sa.Select[Any]:
    return (
        sa.select(reviews.c.call_id)
        .join(calls, calls.c.call_id == reviews.c.call_id)
        .where(
            _is_free(now),
            calls.c.state.in_([state.value for state in _RESTING]),
            calls.c.restricted.is_(None),
            sa.or_(calls.c.lease_until.is_(None), calls.c.lease_until <= now),
            sa.or_(calls.c.n_holds == 0, reviews.c.kind == ReviewKind.RELEASE.value),
        )
        .group_by(reviews.c.call_id)
        .order_by(sa.func.min(reviews.c.at), reviews.c.call_id)
    )


def _is_free(now: datetime) -> sa.ColumnElement[bool]:
    free = sa.or_(reviews.c.lease_until.is_(None), reviews.c.lease_until <= now)
    return sa.and_(reviews.c.state == ReviewState.OWED.value, free)


def reemit(connection: sa.Connection, *, grace_s: float, now: datetime) -> int:
    """See `Reviews.reemit`."""
    waiting = sa.select(outbox_table.c.call_id).where(outbox_table.c.topic == Topic.REVIEWED.value)
    query = _owed(now).where(
        reviews.c.at < now - timedelta(seconds=grace_s),
        calls.c.source != OUTSIDE,
        calls.c.call_id.not_in(waiting),
    )
    found = sorted(connection.scalars(query.limit(outbox.BATCH)))
    for call_id in found:
        owe(connection, find(connection, call_id, lock=True), now=now)
    return len(found)


def claim(
    connection: sa.Connection, call_id: str, *, owner: str, lease_s: float, now: datetime
) -> ReviewClaim | None:
    """See `Reviews.claim`."""
    until = lease_end(now, lease_s)
    try:
        call = find(connection, call_id, lock=True)
    except NotFoundError:
        return None
    is_busy = call.lease_until is not None and call.lease_until > now
    if is_busy or call.state not in _RESTING or call.restricted is not None:
        return None
    query = sa.select(reviews).where(reviews.c.call_id == call_id, _is_free(now))
    rows = connection.execute(query.order_by(reviews.c.at, reviews.c.review_id).with_for_update()).all()
    if call.n_holds:
        rows = [row for row in rows if row.kind == ReviewKind.RELEASE]
    if not rows:
        return None
    for row in rows:
        change_review(connection, row.review_id, lease_owner=owner, lease_until=until)
    fence = call.fence + 1
    change(connection, call_id, lease_owner=owner, lease_until=until, fence=fence)
    return ReviewClaim(
        claim=Claim(found=read(connection, call_id), owner=owner, fence=fence, until=until),
        reviews=tuple(review_of(row) for row in rows),
        gone=gone(connection, call),
    )


def check(connection: sa.Connection, held: ReviewClaim) -> None:
    """See `Reviews.check`."""
    found = held.claim.found
    call = find(connection, found.call_id)
    _check_claim(call, held)
    unchanged = (call.state, call.consent_version, call.restricted) == (
        found.state,
        found.consent_version,
        None,
    )
    if not unchanged or call.n_holds or gone(connection, call) != held.gone:
        raise LeaseLostError("something was decided about this call meanwhile")


def _check_claim(call: sa.Row[Any], held: ReviewClaim) -> None:
    if (call.fence, call.lease_owner) != (held.claim.fence, held.claim.owner):
        raise LeaseLostError("another worker has this call, or it is erased")


def settle(
    connection: sa.Connection,
    held: ReviewClaim,
    outcome: Carried,
    *,
    result: Settlement | None,
    went: frozenset[KeptPart] | None,
    now: datetime,
) -> LedgerCall:
    """See `Reviews.settle`."""
    call_id, actor = held.claim.found.call_id, f"worker:{held.claim.owner}"
    call = find(connection, call_id, lock=True)
    _check_claim(call, held)
    if went is not None and gone(connection, call) != went:
        raise LeaseLostError("other parts of this call went meanwhile")
    if result is not None:
        _write(connection, call, result, actor=actor, now=now)
    elif call.state == CallState.RECEIVED:
        owe_again(connection, call, now=now)  # what came in meanwhile waited for this claim
    change(connection, call_id, lease_owner=None, lease_until=None)
    is_owed = outcome.state is ReviewState.OWED
    settled: list[Review] = []
    for review in held.reviews:
        where = (reviews.c.review_id == review.review_id, reviews.c.state == ReviewState.OWED.value)
        changed = connection.execute(
            sa.update(reviews)
            .where(*where)
            .values(
                state=outcome.state.value,
                reason=outcome.reason,
                result_sha256=outcome.result_sha256,
                settled_at=None if is_owed else now,
                lease_owner=None,
                lease_until=outcome.not_before,
            )
        )
        if changed.rowcount and not is_owed:
            settled.append(review)
    _give_back_others(connection, call, held.claim.owner, now=now)
    action = Action.REVIEW_DONE if outcome.state is ReviewState.DONE else Action.REVIEW_REFUSED
    for review in settled:
        note(connection, action, review, actor=actor, now=now)
    return read(connection, call_id)


def _give_back_others(connection: sa.Connection, call: sa.Row[Any], owner: str, *, now: datetime) -> None:
    """Reviews that were claimed with these, and that nothing became of now, are owed on."""
    mine = (reviews.c.call_id == call.call_id, reviews.c.lease_owner == owner)
    left = connection.execute(
        sa.update(reviews)
        .where(*mine, reviews.c.state == ReviewState.OWED.value)
        .values(lease_owner=None, lease_until=None)
    )
    if left.rowcount:
        owe(connection, call, now=now)


_SETTLED = {
    CallState.PUBLISHED: Action.PUBLISHED,
    CallState.QUARANTINED: Action.QUARANTINED,
    CallState.DISCARDED: Action.DISCARDED,
}


def _write(
    connection: sa.Connection, call: sa.Row[Any], result: Settlement, *, actor: str, now: datetime
) -> None:
    """Write down what is published of a call now, and owe the event of that."""
    values: dict[str, Any] = {
        "prefix": result.prefix,
        "keep_until_s": result.keep_until_s,
        "duration_s": result.duration_s,
        "masked_s": dump(dict(result.masked_s)),
        **end_of(call_from_json(call.call), result.duration_s),
        **search_rows.length_columns(result.duration_s, result.masked_s),
    }
    search_rows.set_kinds(connection, call.call_id, call.started_at, tuple(result.masked_s))
    if call.state == CallState.RECEIVED:
        change(connection, call.call_id, **values)
        owe_again(connection, call, now=now)
    elif call.state == result.state:
        change(connection, call.call_id, **values, updated_at=now, reason=result.reason)
        owe_again(connection, find(connection, call.call_id), now=now)
    else:
        enter(connection, call, result.state, now=now, reason=result.reason, **values)
    search_rows.settled(connection, call.call_id, result.turns)
    detail: audit_chain.Detail = {"prefix": result.prefix, "corrected": True}
    audit_chain.append(
        connection,
        actor=actor,
        action=_SETTLED[result.state],
        call_id=call.call_id,
        detail=detail,
        now=now,
    )


def release(connection: sa.Connection, owner: str, *, now: datetime) -> int:
    """See `Reviews.release`."""
    query = sa.select(reviews.c.call_id).where(
        reviews.c.lease_owner == owner, reviews.c.state == ReviewState.OWED.value
    )
    found: Sequence[str] = sorted(set(connection.scalars(query)))
    outbox.lock_calls(connection, found)
    connection.execute(
        sa.update(reviews).where(reviews.c.lease_owner == owner).values(lease_owner=None, lease_until=None)
    )
    for call_id in found:
        call = find(connection, call_id)
        if call.lease_owner == owner:
            change(connection, call_id, lease_owner=None, lease_until=None)
            if call.state == CallState.RECEIVED:
                owe_again(connection, call, now=now)
        owe(connection, call, now=now)
    return len(found)
