"""Leases on calls. A call's fence rises with every claim, so a worker that was overtaken changes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from callveil.adapters.ledger_sql import audit_chain, search_rows
from callveil.adapters.ledger_sql.audit_chain import SETTLED, Action
from callveil.adapters.ledger_sql.call_rows import call_from_json, dump
from callveil.adapters.ledger_sql.call_state import change, enter, find, owe_again, read
from callveil.adapters.ledger_sql.outbox import lease_end
from callveil.adapters.ledger_sql.retention_columns import end_of
from callveil.adapters.ledger_sql.tables import OUTSIDE, attempts, calls
from callveil.errors import LeaseLostError, NotFoundError, RefusedError
from callveil.vocabulary.ledger import TRANSITIONS, CallState, Claim, LedgerCall, Settlement

_STANDS = frozenset({CallState.DISCARDED})
"""What answers that come in while somebody works do not undo."""

_LOST = "worker_lost"
"""Family of the error that a dead worker did not live to tell."""

_ENTERED = {
    CallState.RECEIVED: CallState.RECEIVED,
    CallState.KEPT: CallState.PROCESSING,
    CallState.PROCESSING: CallState.PROCESSING,
}
"""Where a claim takes a call."""

_WITH_FACTS = frozenset({CallState.PUBLISHED, CallState.DISCARDED})
"""What is published, or that nothing is any more; other results leave an earlier recording as it is."""

_RETRIED = frozenset({CallState.RECEIVED, CallState.KEPT})

_RETRIES = frozenset({(CallState.RECEIVED, CallState.RECEIVED), (CallState.PROCESSING, CallState.KEPT)})


def claim(
    connection: sa.Connection,
    call_id: str,
    *,
    owner: str,
    states: Sequence[CallState],
    lease_s: float,
    now: datetime,
) -> Claim | None:
    """See `Ledger.claim`."""
    until = lease_end(now, lease_s)
    try:
        row = find(connection, call_id, lock=True)
    except NotFoundError:
        return None
    if not _is_free(row, now) or _ENTERED[CallState(row.state)] not in states:
        return None
    fence = row.fence + 1
    lease = {"lease_owner": owner, "lease_until": until, "fence": fence}
    if row.state == CallState.RECEIVED:
        change(connection, call_id, **lease, attempts=row.attempts + 1, not_before=None)
    else:
        begun = {**lease, "attempts": row.attempts + 1, "reason": row.reason, "error_code": row.error_code}
        if row.state == CallState.KEPT:
            enter(connection, row, CallState.PROCESSING, now=now, **begun)
        else:
            change(connection, call_id, **begun, updated_at=now)
    connection.execute(
        sa.insert(attempts).values(call_id=call_id, fence=fence, owner=owner, state=row.state, claimed_at=now)
    )
    return Claim(found=read(connection, call_id), owner=owner, fence=fence, until=until)


def _is_free(row: sa.Row[Any], now: datetime) -> bool:
    """Whether there is something to do for a call now that nobody does."""
    if row.lease_until is not None and row.lease_until > now:
        return False
    if row.not_before is not None and row.not_before > now:
        return False
    return CallState(row.state) in _ENTERED and row.source != OUTSIDE


def renew(connection: sa.Connection, held: Claim, *, lease_s: float, now: datetime) -> Claim | None:
    """See `Ledger.renew`."""
    until = lease_end(now, lease_s)
    changed = connection.execute(
        sa.update(calls)
        .where(
            calls.c.call_id == held.found.call_id,
            calls.c.fence == held.fence,
            calls.c.lease_owner == held.owner,
        )
        .values(lease_until=until)
    )
    return replace(held, until=until) if changed.rowcount else None


def settle(connection: sa.Connection, held: Claim, result: Settlement, *, now: datetime) -> LedgerCall:
    """See `Ledger.settle`."""
    call_id = held.found.call_id
    row = find(connection, call_id, lock=True)
    if (row.fence, row.lease_owner) != (held.fence, held.owner):
        raise LeaseLostError("another worker has the call now")
    came_from = CallState(row.state)
    if result.state not in TRANSITIONS[came_from] or result.state is CallState.ERASED:
        raise ValueError(f"a call that is {came_from} cannot become {result.state}")
    if result.state is CallState.HELD and result.hold_until is None:
        raise ValueError("a call is not held without end: hold_until is missing")
    is_overtaken = row.consent_version != held.found.consent_version and result.state not in _STANDS
    to = CallState.RECEIVED if is_overtaken else result.state
    is_retry = (came_from, to) in _RETRIES and not is_overtaken
    begins_anew = to in _RETRIED and not is_retry
    values: dict[str, Any] = {"attempts": 0 if begins_anew else row.attempts}
    if result.state in _WITH_FACTS:
        values |= {
            "prefix": result.prefix,
            "keep_until_s": result.keep_until_s,
            "duration_s": result.duration_s,
            "masked_s": dump(dict(result.masked_s)),
            **end_of(call_from_json(row.call), result.duration_s),
            **search_rows.length_columns(result.duration_s, result.masked_s),
        }
        search_rows.set_kinds(connection, call_id, row.started_at, tuple(result.masked_s))
        if result.state is CallState.PUBLISHED and result.prefix is not None:
            # What was deleted of an earlier recording is there again; reconcile puts a hold on the new one.
            values |= {"gone": "", "store_hold": False} if row.prefix is None else {}
    enter(
        connection,
        row,
        to,
        now=now,
        not_before=result.not_before if to in _RETRIED and not is_overtaken else None,
        reason="Answers came in while it was worked on." if is_overtaken else result.reason,
        error_code=result.error_code,
        hold_until=result.hold_until if to is CallState.HELD else None,
        **values,
    )
    if result.state not in _RETRIED or is_overtaken:
        search_rows.settled(connection, call_id, result.turns)
    connection.execute(
        sa.update(attempts)
        .where(attempts.c.call_id == call_id, attempts.c.fence == held.fence)
        .values(settled_at=now, result=to.value, error_code=result.error_code)
    )
    action = Action.RETRIED if is_retry else SETTLED[to]
    detail = {"fence": held.fence, "error_code": result.error_code, "prefix": result.prefix}
    if is_overtaken:
        detail["overtaken"] = result.state.value
    audit_chain.append(
        connection, actor=f"worker:{held.owner}", action=action, call_id=call_id, detail=detail, now=now
    )
    return read(connection, call_id)


def release(connection: sa.Connection, owner: str, *, now: datetime) -> int:
    """See `Ledger.release`."""
    # What it corrected is given back by `Reviews.release`.
    states = [state.value for state in _ENTERED]
    query = sa.select(calls).where(calls.c.lease_owner == owner, calls.c.state.in_(states))
    query = query.order_by(calls.c.call_id)
    held = connection.execute(query.with_for_update()).all()
    for row in held:
        if row.state == CallState.PROCESSING:
            enter(connection, row, CallState.KEPT, now=now, reason=row.reason, error_code=row.error_code)
        else:
            change(connection, row.call_id, lease_owner=None, lease_until=None)
            owe_again(connection, row, now=now)
    # All calls are locked before the chain is: in turns, two of these would wait for each other.
    for row in held:
        audit_chain.append(
            connection,
            actor=f"worker:{owner}",
            action=Action.REEMITTED,
            call_id=row.call_id,
            detail={"fence": row.fence},
            now=now,
        )
    return len(held)


def failures(connection: sa.Connection, call_id: str) -> Mapping[str, int]:
    """See `Ledger.failures`."""
    row = find(connection, call_id)
    query = sa.select(attempts).where(attempts.c.call_id == call_id)
    found: Counter[str] = Counter()
    for attempt in connection.execute(query.order_by(attempts.c.fence.desc()).limit(row.attempts)):
        is_under_way = attempt.fence == row.fence and row.lease_owner is not None
        if attempt.settled_at is None and not is_under_way:
            found[_LOST] += 1
        elif attempt.error_code is not None:
            found[attempt.error_code] += 1
    return found


def replay(connection: sa.Connection, call_id: str, *, actor: str, now: datetime) -> LedgerCall:
    """See `Ledger.replay`."""
    row = find(connection, call_id, lock=True)
    if row.state not in (CallState.FAILED, CallState.QUARANTINED):
        raise RefusedError(f"only failed and quarantined calls are replayed; this one is {row.state}")
    if row.landing is None:
        raise RefusedError("the call's audio is gone")
    # Somebody who corrects what is published of it keeps the claim until that is done.
    lease = {"lease_owner": row.lease_owner, "lease_until": row.lease_until}
    enter(connection, row, CallState.RECEIVED, now=now, **lease)
    detail = {"from": str(row.state)}
    audit_chain.append(
        connection, actor=actor, action=Action.REPLAYED, call_id=call_id, detail=detail, now=now
    )
    return read(connection, call_id)
