"""Legal holds. See `ports.Holds`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

import sqlalchemy as sa

from callveil.adapters.ledger_sql import audit_chain, subject_lock
from callveil.adapters.ledger_sql.audit_chain import Action
from callveil.adapters.ledger_sql.call_state import change
from callveil.adapters.ledger_sql.database import Database
from callveil.adapters.ledger_sql.outbox import BATCH
from callveil.adapters.ledger_sql.retention_columns import refresh
from callveil.adapters.ledger_sql.rights_rows import hold_of
from callveil.adapters.ledger_sql.rights_tables import hold_calls, hold_identities, holds, identities
from callveil.adapters.ledger_sql.tables import HOLDS_DIFFER, calls
from callveil.errors import NotFoundError, RefusedError
from callveil.vocabulary.ledger import CallState
from callveil.vocabulary.retention import Hold
from callveil.vocabulary.rights import Identity


class SqlHolds:
    """See `ports.Holds`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def place(
        self,
        hold: Hold,
        *,
        call_ids: Sequence[str] = (),
        identities: Sequence[Identity] = (),
        actor: str,
        now: datetime,
    ) -> Hold:
        """See `Holds.place`."""
        return self._database.write(lambda c: _place(c, hold, call_ids, identities, actor=actor, now=now))

    def release(self, hold_id: str, *, reason: str, actor: str, now: datetime) -> Hold:
        """See `Holds.release`."""
        return self._database.write(lambda c: _release(c, hold_id, reason, actor=actor, now=now))

    def holds(self, *, standing: bool = True) -> tuple[Hold, ...]:
        """See `Holds.holds`."""
        query = _with_counts().order_by(holds.c.placed_at, holds.c.hold_id)
        if standing:
            query = query.where(holds.c.released_at.is_(None))
        return self._holds(query)

    def of(self, call_id: str) -> tuple[Hold, ...]:
        """See `Holds.of`."""
        its = sa.select(hold_calls.c.hold_id).where(hold_calls.c.call_id == call_id)
        query = _with_counts().where(holds.c.released_at.is_(None), holds.c.hold_id.in_(its))
        return self._holds(query.order_by(holds.c.placed_at, holds.c.hold_id))

    def _holds(self, query: sa.Select[Any]) -> tuple[Hold, ...]:
        return self._database.read(
            lambda c: tuple(hold_of(row, n_calls=row.n_calls) for row in c.execute(query))
        )

    def calls_of(self, hold_id: str, *, after: str | None = None, limit: int = 500) -> tuple[str, ...]:
        """See `Holds.calls_of`."""
        query = sa.select(hold_calls.c.call_id).where(hold_calls.c.hold_id == hold_id)
        if after is not None:
            query = query.where(hold_calls.c.call_id > after)
        query = query.order_by(hold_calls.c.call_id).limit(limit)
        return self._database.read(lambda c: tuple(c.scalars(query)))

    def differing(self, *, after: str | None = None, limit: int = 500) -> tuple[tuple[str, bool], ...]:
        """See `Holds.differing`."""
        query = sa.select(calls.c.call_id, calls.c.n_holds).where(HOLDS_DIFFER)
        if after is not None:
            query = query.where(calls.c.call_id > after)
        query = query.order_by(calls.c.call_id).limit(limit)
        return self._database.read(
            lambda c: tuple((row.call_id, row.n_holds > 0) for row in c.execute(query))
        )

    def mark(self, call_id: str, on: bool) -> None:
        """See `Holds.mark`."""
        self._database.write(lambda c: change(c, call_id, store_hold=on))


def hold_arriving(
    connection: sa.Connection, call_id: str, found: Sequence[Identity], *, actor: str, now: datetime
) -> None:
    """Put the standing holds on a person on a call of theirs that comes in."""
    if found:
        for hold_id, on in hold_covered(connection, [call_id]):
            _note(connection, Action.HOLD_PLACED, hold_id, [on], actor=actor, now=now)


def hold_covered(connection: sa.Connection, call_ids: Sequence[str]) -> list[tuple[str, str]]:
    """Put the standing holds on persons on those of these calls that they are in.

    Args:
        connection: In a transaction that has the lock of `subject_lock`, and has locked the calls.
        call_ids: Of the calls; none of them is erased.

    Returns:
        Hold and call of those that were not on it.
    """
    new: list[tuple[str, str]] = []
    for start in range(0, len(call_ids), BATCH):
        query = (
            sa.select(hold_identities.c.hold_id, identities.c.call_id)
            .join(holds, holds.c.hold_id == hold_identities.c.hold_id)
            .join(identities, identities.c.digest == hold_identities.c.digest)
            .where(identities.c.call_id.in_(call_ids[start : start + BATCH]), holds.c.released_at.is_(None))
            .distinct()
        )
        found = connection.execute(query.order_by(hold_identities.c.hold_id)).all()
        for hold_id, rows in groupby(found, key=lambda row: str(row.hold_id)):
            linked = _link(connection, hold_id, [row.call_id for row in rows])
            new += [(hold_id, call_id) for call_id in linked]
        refresh(connection, *sorted({row.call_id for row in found}))
    return new


def lock_present(connection: sa.Connection, call_ids: Iterable[str]) -> list[str]:
    """Lock calls in the order of their ids; returns those that are there and not erased."""
    wanted, present = sorted(set(call_ids)), []
    for start in range(0, len(wanted), BATCH):
        query = sa.select(calls.c.call_id, calls.c.state).where(
            calls.c.call_id.in_(wanted[start : start + BATCH])
        )
        rows = connection.execute(query.order_by(calls.c.call_id).with_for_update()).all()
        present += [row.call_id for row in rows if row.state != CallState.ERASED]
    return present


def calls_with(connection: sa.Connection, digests: Sequence[str]) -> set[str]:
    """Calls that these persons are in."""
    found = set[str]()
    for start in range(0, len(digests), BATCH):
        query = sa.select(identities.c.call_id).where(identities.c.digest.in_(digests[start : start + BATCH]))
        found.update(connection.scalars(query))
    return found


def _place(
    connection: sa.Connection,
    hold: Hold,
    call_ids: Sequence[str],
    found: Sequence[Identity],
    *,
    actor: str,
    now: datetime,
) -> Hold:
    known = sa.select(holds.c.hold_id).where(holds.c.hold_id == hold.hold_id)
    if connection.scalar(known) is not None:
        return _get(connection, hold.hold_id)
    digests = sorted({each.digest for each in found})
    if digests:
        subject_lock.alone(connection)
    wanted = lock_present(connection, {*call_ids, *calls_with(connection, digests)})
    missing = sorted({*call_ids} - {*wanted})
    if missing:
        raise NotFoundError(f"call {missing[0]}: is not in the ledger, or erased; no hold is placed")
    connection.execute(
        sa.insert(holds).values(
            hold_id=hold.hold_id,
            scope=hold.scope.value,
            reason=hold.reason,
            authority=hold.authority,
            placed_by=hold.placed_by,
            placed_at=hold.placed_at,
        )
    )
    if digests:
        rows = [
            {"hold_id": hold.hold_id, "kind": e.kind.value, "digest": e.digest, "generation": e.generation}
            for e in {each.digest: each for each in found}.values()
        ]
        connection.execute(sa.insert(hold_identities), rows)
    _link(connection, hold.hold_id, wanted)
    refresh(connection, *wanted)
    _note(connection, Action.HOLD_PLACED, hold.hold_id, wanted, actor=actor, now=now)
    return _get(connection, hold.hold_id)


def _release(connection: sa.Connection, hold_id: str, reason: str, *, actor: str, now: datetime) -> Hold:
    if _get(connection, hold_id).released_at is not None:
        raise RefusedError(f"{hold_id}: has ended already")
    subject_lock.alone(connection)
    its = sa.select(hold_calls.c.call_id).where(hold_calls.c.hold_id == hold_id)
    on = lock_present(connection, connection.scalars(its))
    ended = connection.execute(
        sa.update(holds)
        .where(holds.c.hold_id == hold_id, holds.c.released_at.is_(None))
        .values(released_by=actor, released_at=now, release_reason=reason)
    )
    if not ended.rowcount:
        raise RefusedError(f"{hold_id}: has ended already")
    # Nobody is looked for any more.
    connection.execute(sa.delete(hold_identities).where(hold_identities.c.hold_id == hold_id))
    refresh(connection, *on)
    _note(connection, Action.HOLD_RELEASED, hold_id, on, actor=actor, now=now)
    return _get(connection, hold_id)


def _note(
    connection: sa.Connection,
    action: Action,
    hold_id: str,
    on: Sequence[str],
    *,
    actor: str,
    now: datetime,
) -> None:
    detail: audit_chain.Detail = {"hold": hold_id, "calls": len(on)}
    call_id = on[0] if len(on) == 1 else None
    audit_chain.append(connection, actor=actor, action=action, call_id=call_id, detail=detail, now=now)


def _link(connection: sa.Connection, hold_id: str, call_ids: Sequence[str]) -> list[str]:
    """Put calls under a hold; returns those that were not."""
    new: list[str] = []
    for start in range(0, len(call_ids), BATCH):
        some = call_ids[start : start + BATCH]
        query = sa.select(hold_calls.c.call_id).where(
            hold_calls.c.hold_id == hold_id, hold_calls.c.call_id.in_(some)
        )
        known = set(connection.scalars(query))
        rows = [{"hold_id": hold_id, "call_id": call_id} for call_id in some if call_id not in known]
        if rows:
            connection.execute(sa.insert(hold_calls), rows)
        new += [row["call_id"] for row in rows]
    return new


def _with_counts() -> sa.Select[Any]:
    counted = (
        sa.select(sa.func.count())
        .select_from(hold_calls)
        .where(hold_calls.c.hold_id == holds.c.hold_id)
        .scalar_subquery()
    )
    return sa.select(holds, counted.label("n_calls"))


def _get(connection: sa.Connection, hold_id: str) -> Hold:
    row = connection.execute(_with_counts().where(holds.c.hold_id == hold_id)).one_or_none()
    if row is None:
        raise NotFoundError(f"there is no hold {hold_id}")
    return hold_of(row, n_calls=row.n_calls)
