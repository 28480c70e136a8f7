"""What must be done for calls that nobody asks for: lost events, dead workers, deadlines, audio to shred."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from callveil.adapters.ledger_sql import audit_chain
from callveil.adapters.ledger_sql.audit_chain import Action
from callveil.adapters.ledger_sql.call_rows import ledger_call
from callveil.adapters.ledger_sql.call_state import change, enter, find, owe_again
from callveil.adapters.ledger_sql.outbox import BATCH
from callveil.adapters.ledger_sql.tables import (
    HAS_SENT,
    IN_LANDING,
    IS_HELD,
    IS_PROCESSING,
    IS_WAITING,
    OUTSIDE,
    STILL_ARRIVING,
    TO_SHRED,
    calls,
    outbox,
)
from callveil.vocabulary.ledger import CallState, LedgerCall, LedgerCounts

_ACTOR = "reconcile"


def overdue(*, grace_s: float, now: datetime) -> dict[Action, sa.Select[Any]]:
    """The calls that seem to be lost, by what is done about them, one batch of each."""
    c = calls.c
    is_idle = sa.or_(c.lease_until.is_(None), c.lease_until <= now)
    is_due = sa.or_(c.not_before.is_(None), c.not_before <= now)
    latest = now - timedelta(seconds=grace_s)
    lost: dict[Action, tuple[sa.Column[Any], list[Any]]] = {
        Action.HOLD_ENDED: (c.hold_until, [IS_HELD, c.hold_until <= now, c.source != OUTSIDE]),
        Action.LEASE_ENDED: (c.lease_until, [IS_PROCESSING, c.lease_until <= now]),
        Action.REEMITTED: (c.sent_at, [HAS_SENT, c.sent_at < latest, is_idle, is_due]),
    }
    return {
        # What others have locked is worked on, so it is not lost.
        action: sa.select(calls).where(*where).order_by(order).limit(BATCH).with_for_update(skip_locked=True)
        for action, (order, where) in lost.items()
    }


def reemit(connection: sa.Connection, action: Action, query: sa.Select[Any], *, now: datetime) -> int:
    """Owe again what one query of `overdue` finds; returns for how many calls."""
    rows = connection.execute(query).all()
    for row in rows:
        if action is Action.HOLD_ENDED:
            enter(connection, row, CallState.RECEIVED, now=now, reason=row.reason)
        elif action is Action.LEASE_ENDED:
            enter(connection, row, CallState.KEPT, now=now, reason="Its worker is gone.")
        else:
            owe_again(connection, row, now=now)
    for row in rows:
        audit_chain.append(connection, actor=_ACTOR, action=action, call_id=row.call_id, detail={}, now=now)
    return len(rows)


def silent_arrivals(connection: sa.Connection, *, silent_s: float, now: datetime) -> tuple[LedgerCall, ...]:
    """See `Ledger.silent_arrivals`."""
    latest = now - timedelta(seconds=silent_s)
    query = sa.select(calls).where(STILL_ARRIVING, calls.c.heartbeat_at < latest)
    return _calls(connection, query.order_by(calls.c.heartbeat_at))


def to_shred(connection: sa.Connection, *, limit: int) -> tuple[LedgerCall, ...]:
    """See `Ledger.to_shred`."""
    # The audio of a discarded call under legal hold waits until the hold ends.
    held = sa.and_(calls.c.state == CallState.DISCARDED.value, calls.c.n_holds > 0)
    query = sa.select(calls).where(TO_SHRED, ~held).order_by(calls.c.updated_at).limit(limit)
    return _calls(connection, query)


def _calls(connection: sa.Connection, query: sa.Select[Any]) -> tuple[LedgerCall, ...]:
    return tuple(ledger_call(row) for row in connection.execute(query))


def shredded(connection: sa.Connection, call_id: str, *, actor: str, now: datetime) -> None:
    """See `Ledger.shredded`."""
    row = find(connection, call_id, lock=True)
    if row.landing is None:
        return
    change(connection, call_id, landing=None, updated_at=now)
    audit_chain.append(connection, actor=actor, action=Action.SHREDDED, call_id=call_id, detail={}, now=now)


def known_landings(connection: sa.Connection, tokens: Sequence[str]) -> frozenset[str]:
    """See `Ledger.known_landings`."""
    known: set[str] = set()
    for start in range(0, len(tokens), BATCH):
        some = list(tokens[start : start + BATCH])
        query = sa.select(calls.c.landing).where(IN_LANDING, calls.c.landing.in_(some))
        known.update(str(token) for token in connection.scalars(query))
    return frozenset(known)


def counts(connection: sa.Connection, *, now: datetime) -> LedgerCounts:
    """See `Ledger.counts`."""
    n_calls = sa.func.count()
    by_state = {state: 0 for state in CallState}
    for name, n_found in connection.execute(sa.select(calls.c.state, n_calls).group_by(calls.c.state)):
        by_state[CallState(name)] = n_found
    since = connection.scalar(sa.select(sa.func.min(calls.c.waiting_since)).where(IS_WAITING))
    return LedgerCounts(
        by_state=by_state,
        unsent=connection.scalar(sa.select(n_calls).select_from(outbox)) or 0,
        oldest_waiting_s=0.0 if since is None else max(0.0, (now - since).total_seconds()),
        landed=connection.scalar(sa.select(n_calls).select_from(calls).where(IN_LANDING)) or 0,
    )
