"""Deletions that were decided, until they are finished. See `ports.Removals`."""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from callveil.adapters.ledger_sql import audit_chain, search_index, search_rows, swept_calls
from callveil.adapters.ledger_sql.audit_chain import Action
from callveil.adapters.ledger_sql.call_rows import call_from_json, call_to_json, dump
from callveil.adapters.ledger_sql.call_state import change, enter, find
from callveil.adapters.ledger_sql.database import Database
from callveil.adapters.ledger_sql.retention_columns import parts_from_text, parts_to_text, refresh
from callveil.adapters.ledger_sql.review_tables import reviews
from callveil.adapters.ledger_sql.rights_tables import (
    call_events,
    hold_calls,
    hold_identities,
    identities,
    removals,
    request_identities,
    request_items,
)
from callveil.adapters.ledger_sql.search_tables import call_kinds, call_texts
from callveil.adapters.ledger_sql.tables import attempts, calls, consent, outbox
from callveil.errors import LedgerError, NotFoundError, RefusedError
from callveil.ports import SweptCall
from callveil.vocabulary.call import Call
from callveil.vocabulary.ledger import CallState, Topic
from callveil.vocabulary.retention import CallGroup, KeptPart
from callveil.vocabulary.rights import Removal, RemovalWhy

_EVERYTHING = frozenset(KeptPart)
_PAGE = 500
_GROUPS = 5000
_FORGOTTEN = (
    *(calls, identities, consent, outbox, attempts, call_events, hold_calls, hold_identities),
    *(request_items, request_identities, removals, call_texts, call_kinds, reviews),
)
"""Tables that rows of a person go from, or are blanked in."""


class SqlRemovals:
    """See `ports.Removals`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def groups(self) -> Iterator[CallGroup]:
        """See `Removals.groups`."""
        after: swept_calls.GroupKey | None = None
        while True:
            page, after = self._database.read(
                lambda c, after=after: swept_calls.groups(c, after, _GROUPS)  # type: ignore[misc]
            )
            yield from page
            if after is None:
                return

    def singled_out(self) -> Iterator[SweptCall]:
        """See `Removals.singled_out`."""
        after: str | None = None
        while page := self._page(after, _PAGE, singled_out=True):
            yield from page
            after = page[-1].facts.call_id

    def calls(self, *, after: str | None = None, limit: int = 1000) -> tuple[SweptCall, ...]:
        """See `Removals.calls`."""
        return self._page(after, limit, singled_out=False)

    def _page(self, after: str | None, limit: int, *, singled_out: bool) -> tuple[SweptCall, ...]:
        if not 1 <= limit <= 1000:
            raise ValueError("limit: allowed: 1 to 1000")
        query = swept_calls.page(after, limit, singled_out=singled_out)
        return self._database.read(lambda c: swept_calls.read(c, query))

    def swept(self, call_id: str) -> SweptCall:
        """See `Removals.swept`."""
        found = self._database.read(lambda c: swept_calls.read(c, swept_calls.one(call_id)))
        if not found:
            raise NotFoundError("the ledger has no such call")
        return found[0]

    def note_event(self, call_id: str, name: str, at: datetime, *, actor: str, now: datetime) -> None:
        """See `Removals.note_event`. A second time moves it."""
        self._database.write(lambda c: _note_event(c, call_id, name, at, actor=actor, now=now))

    def decide(
        self,
        call_id: str,
        *,
        prefix: str,
        parts: frozenset[KeptPart],
        why: RemovalWhy,
        reason: str,
        request_id: str | None,
        actor: str,
        now: datetime,
    ) -> Removal:
        """See `Removals.decide`."""
        new = {
            "prefix": prefix,
            "parts": parts_to_text(parts),
            "why": why.value,
            "reason": reason,
            "request_id": request_id,
        }
        return self._database.write(lambda c: _decide(c, call_id, parts, new, actor=actor, now=now))

    def unfinished(self, *, limit: int = 500) -> tuple[Removal, ...]:
        """See `Removals.unfinished`."""
        query = sa.select(removals).where(removals.c.done_at.is_(None)).order_by(removals.c.decided_at)
        return self._removals(query.limit(limit))

    def begin(self, removal_id: str, *, evidence: Mapping[str, int], actor: str, now: datetime) -> Removal:  # noqa: ARG002
        """See `Removals.begin`. The audit chain has the numbers with the end of the removal."""
        return self._database.write(lambda c: _begin(c, removal_id, evidence))

    def finish(self, removal_id: str, *, evidence: Mapping[str, int], actor: str, now: datetime) -> Removal:
        """See `Removals.finish`."""
        return self._database.write(lambda c: _finish(c, removal_id, evidence, actor=actor, now=now))

    def removals(self, *, request_id: str) -> tuple[Removal, ...]:
        """See `Removals.removals`."""
        query = sa.select(removals).where(removals.c.request_id == request_id)
        return self._removals(query.order_by(removals.c.decided_at, removals.c.removal_id))

    def _removals(self, query: sa.Select[Any]) -> tuple[Removal, ...]:
        return self._database.read(lambda c: tuple(_removal(row) for row in c.execute(query)))

    def scrub(self) -> None:
        """See `Removals.scrub`.

        SQLite overwrites rows that go (secure_delete), but its log has them until it is emptied, and its
        full-text index only notes that words are gone until its pieces are merged: see `search_index`.
        PostgreSQL gives the room of dead rows free, and overwrites it when it is needed; its own log has them
        until it is recycled. Only hashes and metadata ever stood there.

        Raises:
            LedgerError: The database failed, or somebody reads on while SQLite's log is to be emptied.
        """
        problem = None
        try:
            if self._database.is_postgresql:
                self._vacuum()
            else:
                search_index.merge(self._database)
            if not self._database.is_postgresql and not self._empty_log():
                problem = "another process reads its log"
        except (SQLAlchemyError, sqlite3.Error) as error:
            problem = type(error).__name__
        if problem is not None:
            raise LedgerError(
                f"what the ledger's database has forgotten cannot be overwritten now: {problem}"
            )

    def _vacuum(self) -> None:
        engine = self._database.engine.execution_options(isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            for table in _FORGOTTEN:
                connection.exec_driver_sql(f"VACUUM {table.name}")

    def _empty_log(self) -> bool:
        """False when a reader is in the way."""
        connection = self._database.engine.raw_connection()
        try:
            row = connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        finally:
            connection.close()
        return bool(row[0] == 0)


def _note_event(
    connection: sa.Connection, call_id: str, name: str, at: datetime, *, actor: str, now: datetime
) -> None:
    if find(connection, call_id, lock=True).state == CallState.ERASED:
        raise NotFoundError(f"call {call_id}: is erased")
    where = (call_events.c.call_id == call_id, call_events.c.name == name)
    connection.execute(sa.delete(call_events).where(*where))
    connection.execute(sa.insert(call_events).values(call_id=call_id, name=name, at=at))
    refresh(connection, call_id)
    audit_chain.append(
        connection, actor=actor, action=Action.EVENT, call_id=call_id, detail={"event": name}, now=now
    )


def _decide(
    connection: sa.Connection,
    call_id: str,
    parts: frozenset[KeptPart],
    new: Mapping[str, Any],
    *,
    actor: str,
    now: datetime,
) -> Removal:
    row = find(connection, call_id, lock=True)
    same = sa.select(removals).where(
        removals.c.call_id == call_id, removals.c.parts == new["parts"], removals.c.done_at.is_(None)
    )
    present = connection.execute(same.limit(1)).one_or_none()
    if present is not None:
        return _removal(present)
    if row.n_holds:
        raise RefusedError(f"call {call_id}: is under a legal hold; nothing of it is deleted")
    if row.state == CallState.ERASED:
        raise RefusedError(f"call {call_id}: is erased already")
    removal_id = f"rem-{secrets.token_hex(6)}"
    connection.execute(
        sa.insert(removals).values(
            removal_id=removal_id,
            call_id=call_id,
            landing=row.landing,
            decided_at=now,
            evidence="{}",
            **new,
        )
    )
    if parts | parts_from_text(row.gone) >= _EVERYTHING:
        # The lease goes too: a worker that has the call finds that it has lost it.
        # A live call arrives no more: nobody is to look for its receiver.
        enter(
            connection,
            row,
            CallState.ERASED,
            now=now,
            reason=new["reason"],
            fence=row.fence + 1,
            arrived_at=row.arrived_at or now,
        )
    if KeptPart.TRANSCRIPT in parts:
        search_rows.withdraw(connection, call_id)
    detail: audit_chain.Detail = {
        "removal": removal_id,
        "why": new["why"],
        "parts": new["parts"],
        "request": new["request_id"],
    }
    audit_chain.append(
        connection, actor=actor, action=Action.REMOVAL_DECIDED, call_id=call_id, detail=detail, now=now
    )
    return _get(connection, removal_id)


def _begin(connection: sa.Connection, removal_id: str, evidence: Mapping[str, int]) -> Removal:
    found = _get(connection, removal_id, lock=True)
    if found.done_at is None:
        _change(connection, removal_id, evidence=dump(_larger(found.evidence, evidence)))
    return _get(connection, removal_id)


def _finish(
    connection: sa.Connection, removal_id: str, evidence: Mapping[str, int], *, actor: str, now: datetime
) -> Removal:
    call_id = _get(connection, removal_id).call_id
    row = find(connection, call_id, lock=True)
    found = _get(connection, removal_id, lock=True)
    if found.done_at is not None:
        return found
    numbers = _larger(found.evidence, evidence)
    gone = parts_from_text(row.gone) | found.parts
    # The end of an older removal of some parts says nothing of the others, which may all be there yet.
    if row.state == CallState.ERASED and gone >= _EVERYTHING:
        numbers["rows"] = _forget(connection, row, now)
    else:
        landing = None if KeptPart.ORIGINAL in found.parts else row.landing
        change(connection, call_id, gone=parts_to_text(gone), landing=landing, updated_at=now)
    _change(connection, removal_id, evidence=dump(numbers), done_at=now)
    detail: audit_chain.Detail = {"removal": removal_id, "parts": parts_to_text(found.parts), **numbers}
    audit_chain.append(
        connection, actor=actor, action=Action.REMOVED, call_id=call_id, detail=detail, now=now
    )
    return _get(connection, removal_id)


def _forget(connection: sa.Connection, row: sa.Row[Any], now: datetime) -> int:
    """Leave of a call its tombstone only; returns how many rows went."""
    call_id, n_rows = row.call_id, 0
    for table in (identities, consent, attempts, call_events, hold_calls, call_kinds, call_texts, reviews):
        n_rows += connection.execute(sa.delete(table).where(table.c.call_id == call_id)).rowcount
    told = outbox.c.topic == Topic.ERASED.value
    n_rows += connection.execute(sa.delete(outbox).where(outbox.c.call_id == call_id, ~told)).rowcount
    connection.execute(
        sa.update(request_items).where(request_items.c.call_id == call_id).values(parties="[]")
    )
    bare = Call(call_id=call_id, started_at=call_from_json(row.call).started_at)
    change(
        connection,
        call_id,
        call=call_to_json(bare),
        landing=None,
        stream=None,
        content_sha256=None,
        n_bytes=None,
        idempotency_sha256=None,
        prefix=None,
        keep_until_s=None,
        duration_s=None,
        masked_s="{}",
        traits=None,
        gone=parts_to_text(_EVERYTHING),
        restricted=None,
        n_holds=0,
        store_hold=False,
        singled_out=False,
        queue=None,
        agent=None,
        length_s=0.0,
        masked_total_s=0.0,
        text_owed=False,
        updated_at=now,
    )
    return n_rows


def _larger(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {name: max(one.get(name, 0), other.get(name, 0)) for name in sorted({*one, *other})}


def _change(connection: sa.Connection, removal_id: str, **values: object) -> None:
    connection.execute(sa.update(removals).where(removals.c.removal_id == removal_id).values(**values))


def _get(connection: sa.Connection, removal_id: str, *, lock: bool = False) -> Removal:
    query = sa.select(removals).where(removals.c.removal_id == removal_id)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise NotFoundError("there is no such removal")
    return _removal(row)


def _removal(row: sa.Row[Any]) -> Removal:
    return Removal(
        removal_id=row.removal_id,
        call_id=row.call_id,
        prefix=row.prefix,
        landing=row.landing,
        parts=parts_from_text(row.parts),
        why=RemovalWhy(row.why),
        reason=row.reason,
        request_id=row.request_id,
        decided_at=row.decided_at,
        done_at=row.done_at,
        evidence=json.loads(row.evidence),
    )
