"""Legal holds. See `ports.Holds`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from callveil.adapters.ledger_sql import audit_chain
from callveil.adapters.ledger_sql.audit_chain import Action
from callveil.adapters.ledger_sql.call_state import change
from callveil.adapters.ledger_sql.database import Database
from callveil.adapters.ledger_sql.outbox import BATCH, lock_calls
from callveil.adapters.ledger_sql.retention_columns import refresh
from callveil.adapters.ledger_sql.rights_rows import hold_of
from callveil.adapters.ledger_sql.rights_tables import hold_calls, hold_identities, holds, identities
from callveil.adapters.ledger_sql.tables import HOLDS_DIFFER, calls
from callveil.errors import NotFoundError, RefusedError
from callveil.vocabulary.ledger import CallState
from callveil.vocabulary.retention import Hold
from callveil.vocabulary.rights import Identity

_PG_PERSONS = 0x63616C6C686F6C64
"""Any number that nobody else uses: "callhold"."""


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


def lock_persons(connection: sa.Connection, *, alone: bool) -> None:
    """Keep a hold on a person, and a new key, apart from calls of theirs that are just coming in.

    Each would else not see what the other has not committed, and the call would be without the hold. SQLite
    lets one write at a time anyway.

    Args:
        connection: In a transaction that has locked nothing yet.
        alone: For what looks for calls; calls that come in do not keep each other out.
    """
    if connection.dialect.name == "postgresql":
        lock = sa.func.pg_advisory_xact_lock if alone else sa.func.pg_advisory_xact_lock_shared
        connection.execute(sa.select(lock(_PG_PERSONS)))


def hold_arriving(
    connection: sa.Connection, call_id: str, found: Sequence[Identity], *, actor: str, now: datetime
) -> None:
    """Put the standing holds on a person on a call of theirs that comes in."""
    query = (
        sa.select(hold_identities.c.hold_id)
        .join(holds, holds.c.hold_id == hold_identities.c.hold_id)
        .where(hold_identities.c.digest.in_([each.digest for each in found]), holds.c.released_at.is_(None))
        .distinct()
    )
    hold_ids = sorted(connection.scalars(query)) if found else []
    new = [hold_id for hold_id in hold_ids if _link(connection, hold_id, [call_id])]
    if new:
        refresh(connection, [call_id])
    for hold_id in new:
        _note(connection, Action.HOLD_PLACED, hold_id, [call_id], actor=actor, now=now)


def hold_rekeyed(connection: sa.Connection, digests: Sequence[str]) -> None:
    """Put holds on calls whose identifiers were of another generation of the key when either came.

    Args:
        connection: In a transaction; `lock_persons` keeps others out.
        digests: As they are now.
    """
    found: dict[str, set[str]] = defaultdict(set)
    for start in range(0, len(digests), BATCH):
        query = (
            sa.select(hold_identities.c.hold_id, identities.c.call_id)
            .join(identities, identities.c.digest == hold_identities.c.digest)
            .join(holds, holds.c.hold_id == hold_identities.c.hold_id)
            .where(
                hold_identities.c.digest.in_(digests[start : start + BATCH]), holds.c.released_at.is_(None)
            )
        )
        for row in connection.execute(query):
            found[row.hold_id].add(row.call_id)
    wanted = _lock_present(connection, sorted(set().union(*found.values())))
    for hold_id in sorted(found):
        _link(connection, hold_id, [call_id for call_id in wanted if call_id in found[hold_id]])
    refresh(connection, wanted)


def _place(
    connection: sa.Connection,
    hold: Hold,
    call_ids: Sequence[str],
    found: Sequence[Identity],
    *,
    actor: str,
    now: datetime,
) -> Hold:
    digests = sorted({each.digest for each in found})
    if digests:
        lock_persons(connection, alone=True)
    persons = set[str]()
    for start in range(0, len(digests), BATCH):
        query = sa.select(identities.c.call_id).where(identities.c.digest.in_(digests[start : start + BATCH]))
        persons.update(connection.scalars(query))
    wanted = _lock_present(connection, sorted({*call_ids, *persons}))
    missing = sorted(set(call_ids).difference(wanted))
    if missing:
        raise NotFoundError(f"call {missing[0]}: is not there, or is erased")
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
    refresh(connection, wanted)
    _note(connection, Action.HOLD_PLACED, hold.hold_id, wanted, actor=actor, now=now)
    return _get(connection, hold.hold_id)


def _release(connection: sa.Connection, hold_id: str, reason: str, *, actor: str, now: datetime) -> Hold:
    if _get(connection, hold_id).released_at is not None:
        raise RefusedError(f"{hold_id}: has ended already")
    on = sorted(connection.scalars(sa.select(hold_calls.c.call_id).where(hold_calls.c.hold_id == hold_id)))
    for start in range(0, len(on), BATCH):
        lock_calls(connection, on[start : start + BATCH])
    ended = connection.execute(
        sa.update(holds)
        .where(holds.c.hold_id == hold_id, holds.c.released_at.is_(None))
        .values(released_by=actor, released_at=now, release_reason=reason)
    )
    if not ended.rowcount:
        raise RefusedError(f"{hold_id}: has ended already")
    # Nobody is looked for any more.
    connection.execute(sa.delete(hold_identities).where(hold_identities.c.hold_id == hold_id))
    refresh(connection, on)
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


def _lock_present(connection: sa.Connection, call_ids: Sequence[str]) -> list[str]:
    """Lock calls in the order of their ids; returns those that are there and not erased."""
    present: list[str] = []
    for start in range(0, len(call_ids), BATCH):
        some = list(call_ids[start : start + BATCH])
        lock_calls(connection, some)
        query = sa.select(calls.c.call_id).where(
            calls.c.call_id.in_(some), calls.c.state != CallState.ERASED.value
        )
        present += connection.scalars(query.order_by(calls.c.call_id))
    return present


def _link(connection: sa.Connection, hold_id: str, call_ids: Sequence[str]) -> int:
    """Put calls under a hold; returns how many were not."""
    n_new = 0
    for start in range(0, len(call_ids), BATCH):
        some = list(call_ids[start : start + BATCH])
        query = sa.select(hold_calls.c.call_id).where(
            hold_calls.c.hold_id == hold_id, hold_calls.c.call_id.in_(some)
        )
        known = set(connection.scalars(query))
        rows = [{"hold_id": hold_id, "call_id": call_id} for call_id in some if call_id not in known]
        if rows:
            connection.execute(sa.insert(hold_calls), rows)
        n_new += len(rows)
    return n_new


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
