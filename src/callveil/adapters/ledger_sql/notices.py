"""What recipients are told, until their receipts are there. See `ports.Notices`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from callveil.adapters.ledger_sql import audit_chain
from callveil.adapters.ledger_sql.audit_chain import Action
from callveil.adapters.ledger_sql.call_rows import dump
from callveil.adapters.ledger_sql.database import Database
from callveil.adapters.ledger_sql.rights_tables import notices
from callveil.errors import NotFoundError
from callveil.vocabulary.rights import Notice, NoticeState


class SqlNotices:
    """See `ports.Notices`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def owe(self, found: Sequence[Notice], *, actor: str, now: datetime) -> None:
        """See `Notices.owe`."""
        self._database.write(lambda c: _owe(c, found, actor=actor, now=now))

    def due(self, *, now: datetime, limit: int = 100) -> tuple[Notice, ...]:
        """See `Notices.due`."""
        query = sa.select(notices).where(
            notices.c.state == NoticeState.WAITING.value, notices.c.next_at <= now
        )
        return self._notices(query.order_by(notices.c.next_at, notices.c.notice_id).limit(limit))

    def update(self, notice: Notice, *, actor: str, now: datetime) -> None:
        """See `Notices.update`."""
        self._database.write(lambda c: _update(c, notice, actor=actor, now=now))

    def get(self, notice_id: str) -> Notice:
        """See `Notices.get`."""
        found = self._notices(sa.select(notices).where(notices.c.notice_id == notice_id))
        if not found:
            raise NotFoundError("there is no such notice")
        return found[0]

    def notices(self, *, request_id: str | None = None, waiting: bool = False) -> tuple[Notice, ...]:
        """See `Notices.notices`."""
        query = sa.select(notices).order_by(notices.c.due_at, notices.c.notice_id)
        if request_id is not None:
            query = query.where(notices.c.request_id == request_id)
        if waiting:
            query = query.where(notices.c.state == NoticeState.WAITING.value)
        return self._notices(query)

    def _notices(self, query: sa.Select[Any]) -> tuple[Notice, ...]:
        return self._database.read(lambda c: tuple(_notice(row) for row in c.execute(query)))


def _owe(connection: sa.Connection, found: Sequence[Notice], *, actor: str, now: datetime) -> None:
    for notice in found:
        known = sa.select(notices.c.notice_id).where(notices.c.notice_id == notice.notice_id)
        if connection.scalar(known) is None:
            connection.execute(sa.insert(notices).values(notice_id=notice.notice_id, **_values(notice)))
            _note(connection, Action.NOTICE_OWED, notice, actor=actor, now=now)


def _update(connection: sa.Connection, notice: Notice, *, actor: str, now: datetime) -> None:
    query = sa.select(notices.c.state).where(notices.c.notice_id == notice.notice_id)
    state = connection.scalar(query.with_for_update())
    if state is None:
        raise NotFoundError("there is no such notice")
    if state == NoticeState.CONFIRMED and notice.state is not NoticeState.CONFIRMED:
        return  # two sent it: the receipt of one is not undone by the other
    connection.execute(
        sa.update(notices).where(notices.c.notice_id == notice.notice_id).values(**_values(notice))
    )
    _note(connection, Action.NOTICE_CHANGED, notice, actor=actor, now=now)


def _note(connection: sa.Connection, action: Action, notice: Notice, *, actor: str, now: datetime) -> None:
    detail: audit_chain.Detail = {
        "notice": notice.notice_id,
        "recipient": notice.recipient,
        "request": notice.request_id,
        "state": notice.state.value,
        "attempts": notice.attempts,
        "escalated": notice.escalated_at is not None,
    }
    audit_chain.append(connection, actor=actor, action=action, call_id=None, detail=detail, now=now)


def _values(notice: Notice) -> dict[str, Any]:
    return {
        "recipient": notice.recipient,
        "request_id": notice.request_id,
        "event": notice.event,
        "call_ids": dump(list(notice.call_ids)),
        "state": notice.state.value,
        "attempts": notice.attempts,
        "next_at": notice.next_at,
        "due_at": notice.due_at,
        "escalated_at": notice.escalated_at,
        "delivered_at": notice.delivered_at,
        "receipt": notice.receipt,
        "problem": notice.problem,
    }


def _notice(row: sa.Row[Any]) -> Notice:
    return Notice(
        notice_id=row.notice_id,
        recipient=row.recipient,
        request_id=row.request_id,
        event=row.event,
        call_ids=tuple(json.loads(row.call_ids)),
        state=NoticeState(row.state),
        attempts=row.attempts,
        next_at=row.next_at,
        due_at=row.due_at,
        escalated_at=row.escalated_at,
        delivered_at=row.delivered_at,
        receipt=row.receipt,
        problem=row.problem,
    )
