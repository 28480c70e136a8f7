"""The outbox: events that changes owe. They are written with the change and go when the broker has them."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from callveil.adapters.ledger_sql.tables import calls, outbox
from callveil.vocabulary.ledger import TOPIC_OF, CallState, Event, Topic

BATCH = 500
"""How many values one statement takes at most."""


def owe(
    connection: sa.Connection,
    *,
    call_id: str,
    state: CallState,
    prefix: str | None,
    error_code: str | None,
    due_at: datetime,
    now: datetime,
    topic: Topic | None = None,
) -> str | None:
    """Owe the event of a state, or another one; returns its id, None when the state owes none."""
    topic = topic or TOPIC_OF.get(state)
    if topic is None:
        return None
    event_id = str(uuid.uuid4())
    connection.execute(
        sa.insert(outbox).values(
            event_id=event_id,
            topic=topic.value,
            call_id=call_id,
            at=now,
            state=state.value,
            prefix=prefix,
            error_code=error_code,
            due_at=due_at,
        )
    )
    return event_id


def take(
    connection: sa.Connection, *, owner: str, limit: int, until: datetime, now: datetime
) -> tuple[Event, ...]:
    """Lease events that are due to one sender, oldest first."""
    is_free = sa.or_(outbox.c.lease_until.is_(None), outbox.c.lease_until <= now)
    query = (
        sa.select(outbox)
        .where(outbox.c.due_at <= now, is_free)
        .order_by(outbox.c.due_at, outbox.c.number)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    rows = connection.execute(query).all()
    for start in range(0, len(rows), BATCH):
        numbers = [row.number for row in rows[start : start + BATCH]]
        connection.execute(
            sa.update(outbox).where(outbox.c.number.in_(numbers)).values(lease_owner=owner, lease_until=until)
        )
    return tuple(_event(row) for row in rows)


def sent(connection: sa.Connection, event_ids: Sequence[str], *, now: datetime) -> None:
    """Note that events have reached the broker; ids that are not owed any more are passed over."""
    for start in range(0, len(event_ids), BATCH):
        ids = list(event_ids[start : start + BATCH])
        query = sa.select(outbox.c.call_id).where(outbox.c.event_id.in_(ids))
        call_ids = sorted(set(connection.scalars(query)))
        if not call_ids:
            continue
        # Calls first and in order, as everybody locks them, so that nobody waits in a circle.
        lock_calls(connection, call_ids)
        connection.execute(
            sa.update(calls)
            .where(calls.c.call_id.in_(call_ids), calls.c.last_event.in_(ids))
            .values(sent_at=now)
        )
        connection.execute(sa.delete(outbox).where(outbox.c.event_id.in_(ids)))


def lock_calls(connection: sa.Connection, call_ids: Sequence[str]) -> None:
    """Lock rows of calls in the order of their ids."""
    query = sa.select(calls.c.call_id).where(calls.c.call_id.in_(call_ids)).order_by(calls.c.call_id)
    connection.execute(query.with_for_update()).all()


def lease_end(now: datetime, lease_s: float) -> datetime:
    """End of a lease.

    Raises:
        ValueError: The lease is not positive.
    """
    if not lease_s > 0:
        raise ValueError("a lease takes more than 0 s")
    return now + timedelta(seconds=lease_s)


def _event(row: sa.Row[Any]) -> Event:
    return Event(
        event_id=row.event_id,
        topic=Topic(row.topic),
        call_id=row.call_id,
        at=row.at,
        state=CallState(row.state),
        prefix=row.prefix,
        error_code=row.error_code,
    )
