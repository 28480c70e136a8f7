"""Where a call changes its state, and nowhere else: under its lock, with the event that it owes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from callveil.adapters.ledger_sql import outbox
from callveil.adapters.ledger_sql.call_rows import ledger_call
from callveil.adapters.ledger_sql.tables import calls
from callveil.errors import NotFoundError
from callveil.vocabulary.ledger import TRANSITIONS, CallState, LedgerCall

_WAITING = frozenset({CallState.RECEIVED, CallState.KEPT, CallState.PROCESSING})


def find(connection: sa.Connection, call_id: str, *, lock: bool = False) -> sa.Row[Any]:
    """Row of a call.

    Args:
        connection: In a transaction.
        call_id: Of the call.
        lock: Keep others from it until the transaction ends.

    Raises:
        NotFoundError: No such call.
    """
    query = sa.select(calls).where(calls.c.call_id == call_id)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise NotFoundError("the ledger has no such call")
    return row


def read(connection: sa.Connection, call_id: str) -> LedgerCall:
    """A call as it now is."""
    return ledger_call(find(connection, call_id))


def change(connection: sa.Connection, call_id: str, **values: object) -> None:
    """Set columns of a call other than its state."""
    connection.execute(sa.update(calls).where(calls.c.call_id == call_id).values(**values))


def enter(
    connection: sa.Connection,
    row: sa.Row[Any],
    to: CallState,
    *,
    now: datetime,
    not_before: datetime | None = None,
    **values: Any,
) -> None:
    """Move a locked call to a state.

    Args:
        connection: In a transaction that has locked the call.
        row: The call as it is.
        to: The new state; its event is owed.
        now: Aware UTC.
        not_before: When its event is due; None for now.
        values: Other columns to set. Left out, the reason is empty, there is no error, no lease and no
            deadline.

    Raises:
        ValueError: `TRANSITIONS` does not allow it.
    """
    came_from = CallState(row.state)
    if to not in TRANSITIONS[came_from]:
        raise ValueError(f"a call that is {came_from} cannot become {to}")
    left: dict[str, Any] = {
        "reason": "",
        "error_code": None,
        "hold_until": None,
        "lease_owner": None,
        "lease_until": None,
    }
    if to is CallState.RECEIVED:
        left["attempts"] = 0
    since = None
    if to in _WAITING and row.arrived_at is not None:
        since = row.waiting_since or now
    new = {**left, "waiting_since": since, "not_before": not_before, "updated_at": now, **values}
    event = outbox.owe(
        connection,
        call_id=row.call_id,
        state=to,
        prefix=new.get("prefix", row.prefix),
        error_code=new["error_code"],
        due_at=not_before or now,
        now=now,
    )
    change(connection, row.call_id, **new, state=to.value, last_event=event, sent_at=None)


def owe_again(connection: sa.Connection, row: sa.Row[Any], *, now: datetime) -> None:
    """Owe the event of the state that a locked call is in once more."""
    event = outbox.owe(
        connection,
        call_id=row.call_id,
        state=CallState(row.state),
        prefix=row.prefix,
        error_code=row.error_code,
        due_at=now,
        now=now,
    )
    change(connection, row.call_id, last_event=event, sent_at=None)
