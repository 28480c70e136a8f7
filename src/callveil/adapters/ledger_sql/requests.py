"""The register of what data subjects ask for. See `ports.Requests`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from callveil.adapters.ledger_sql import audit_chain, search_rows
from callveil.adapters.ledger_sql.audit_chain import Action
from callveil.adapters.ledger_sql.call_rows import dump
from callveil.adapters.ledger_sql.call_state import change, find
from callveil.adapters.ledger_sql.database import Database
from callveil.adapters.ledger_sql.outbox import BATCH, lock_calls
from callveil.adapters.ledger_sql.retention_columns import OPEN, refresh
from callveil.adapters.ledger_sql.rights_rows import request_of
from callveil.adapters.ledger_sql.rights_tables import request_identities, request_items, requests
from callveil.adapters.ledger_sql.subject_index import identity_of
from callveil.adapters.ledger_sql.tables import calls
from callveil.errors import NotFoundError
from callveil.vocabulary.ledger import CallState
from callveil.vocabulary.rights import ItemState, Request, RequestItem, RequestKind, RequestState

_CLOSED = (RequestState.DONE, RequestState.REFUSED)


class SqlRequests:
    """See `ports.Requests`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def open(self, request: Request, items: Sequence[RequestItem], *, actor: str, now: datetime) -> Request:
        """See `Requests.open`. A request whose id is there already stays as it is."""
        return self._database.write(lambda c: _open(c, request, items, actor=actor, now=now))

    def get(self, request_id: str) -> Request:
        """See `Requests.get`."""
        return self._database.read(lambda c: _get(c, request_id))

    def requests(
        self, *, kind: RequestKind | None = None, states: Sequence[RequestState] = ()
    ) -> tuple[Request, ...]:
        """See `Requests.requests`."""
        query = sa.select(requests).order_by(requests.c.received_at, requests.c.request_id)
        if kind is not None:
            query = query.where(requests.c.kind == kind.value)
        if states:
            query = query.where(requests.c.state.in_([state.value for state in states]))
        return self._database.read(lambda c: tuple(_whole(c, row) for row in c.execute(query).all()))

    def items(
        self,
        request_id: str,
        *,
        state: ItemState | None = None,
        after: str | None = None,
        limit: int = 500,
    ) -> tuple[RequestItem, ...]:
        """See `Requests.items`."""
        query = sa.select(request_items).where(request_items.c.request_id == request_id)
        if state is not None:
            query = query.where(request_items.c.state == state.value)
        if after is not None:
            query = query.where(request_items.c.call_id > after)
        return self._items(query.order_by(request_items.c.call_id).limit(limit))

    def items_of(self, call_id: str) -> tuple[tuple[Request, RequestItem], ...]:
        """See `Requests.items_of`."""

        def work(connection: sa.Connection) -> tuple[tuple[Request, RequestItem], ...]:
            query = (
                sa.select(request_items)
                .join(requests, requests.c.request_id == request_items.c.request_id)
                .where(request_items.c.call_id == call_id, requests.c.state.in_(OPEN))
                .order_by(requests.c.received_at, requests.c.request_id)
            )
            found = [_item(row) for row in connection.execute(query).all()]
            return tuple((_get(connection, item.request_id), item) for item in found)

        return self._database.read(work)

    def change(
        self,
        request_id: str,
        *,
        actor: str,
        now: datetime,
        state: RequestState | None = None,
        due_at: datetime | None = None,
        extension_reason: str | None = None,
        note: str | None = None,
        forget_identities: bool = False,
    ) -> Request:
        """See `Requests.change`."""
        given: dict[str, Any] = {
            "state": None if state is None else state.value,
            "due_at": due_at,
            "extension_reason": extension_reason,
            "note": note,
        }
        values = {name: value for name, value in given.items() if value is not None}
        if state is not None:
            values["closed_at"] = now if state in _CLOSED else None
        return self._database.write(
            lambda c: _change(c, request_id, values, forget_identities, actor=actor, now=now)
        )

    def settle_item(self, item: RequestItem, *, actor: str, now: datetime) -> None:
        """See `Requests.settle_item`."""
        self._database.write(lambda c: _settle_item(c, item, actor=actor, now=now))

    def due_for_review(self, *, now: datetime, limit: int = 500) -> tuple[RequestItem, ...]:
        """See `Requests.due_for_review`."""
        is_due = sa.or_(
            request_items.c.review_at <= now,
            sa.and_(request_items.c.review_at.is_(None), calls.c.n_holds == 0),
        )
        query = (
            sa.select(request_items)
            .join(requests, requests.c.request_id == request_items.c.request_id)
            .join(calls, calls.c.call_id == request_items.c.call_id)
            .where(
                request_items.c.state == ItemState.RESTRICTED.value,
                requests.c.kind == RequestKind.ERASURE.value,
                requests.c.state.in_(OPEN),
                is_due,
            )
            .order_by(request_items.c.request_id, request_items.c.call_id)
            .limit(limit)
        )
        return self._items(query)

    def _items(self, query: sa.Select[Any]) -> tuple[RequestItem, ...]:
        return self._database.read(lambda c: tuple(_item(row) for row in c.execute(query)))

    def restrict(self, call_id: str, reason: str | None, *, actor: str, now: datetime) -> None:
        """See `Requests.restrict`."""
        self._database.write(lambda c: _restrict(c, call_id, reason, actor=actor, now=now))

    def restriction(self, call_id: str) -> str | None:
        """See `Requests.restriction`."""
        query = sa.select(calls.c.restricted).where(calls.c.call_id == call_id)
        found: str | None = self._database.read(lambda c: c.scalar(query))
        return found


def _open(
    connection: sa.Connection,
    request: Request,
    items: Sequence[RequestItem],
    *,
    actor: str,
    now: datetime,
) -> Request:
    request_id = request.request_id
    query = sa.select(requests.c.request_id).where(requests.c.request_id == request_id)
    if connection.scalar(query) is not None:
        return _get(connection, request_id)
    on = sorted({item.call_id for item in items})
    for start in range(0, len(on), BATCH):
        some = on[start : start + BATCH]
        lock_calls(connection, some)
        n_there = sa.select(sa.func.count()).select_from(calls).where(calls.c.call_id.in_(some))
        if connection.scalar(n_there) != len(some):
            raise NotFoundError("the ledger lacks a call of the request; nothing is entered")
    connection.execute(
        sa.insert(requests).values(
            request_id=request_id,
            kind=request.kind.value,
            state=request.state.value,
            received_at=request.received_at,
            due_at=request.due_at,
            extension_reason=request.extension_reason,
            closed_at=request.closed_at,
            note=request.note,
        )
    )
    persons = [
        {
            "request_id": request_id,
            "kind": each.kind.value,
            "digest": each.digest,
            "generation": each.generation,
            "party": each.party,
        }
        for each in request.identities
    ]
    if persons:
        connection.execute(sa.insert(request_identities), persons)
    if items:
        connection.execute(sa.insert(request_items), [_values(item) for item in items])
    refresh(connection, *on)
    detail: audit_chain.Detail = {"request": request_id, "kind": request.kind.value, "calls": len(on)}
    _note(connection, Action.REQUEST_OPENED, None, detail, actor=actor, now=now)
    return _get(connection, request_id)


def _change(
    connection: sa.Connection,
    request_id: str,
    values: dict[str, Any],
    forget_identities: bool,
    *,
    actor: str,
    now: datetime,
) -> Request:
    _get(connection, request_id)
    its = sa.select(request_items.c.call_id).where(request_items.c.request_id == request_id)
    on = sorted(connection.scalars(its)) if "state" in values else []
    for start in range(0, len(on), BATCH):
        lock_calls(connection, on[start : start + BATCH])
    if values:
        connection.execute(sa.update(requests).where(requests.c.request_id == request_id).values(**values))
    if forget_identities:
        connection.execute(sa.delete(request_identities).where(request_identities.c.request_id == request_id))
    refresh(connection, *on)
    detail: audit_chain.Detail = {
        "request": request_id,
        "state": values.get("state"),
        "extended": "due_at" in values,
        "forgotten": forget_identities,
    }
    _note(connection, Action.REQUEST_CHANGED, None, detail, actor=actor, now=now)
    return _get(connection, request_id)


def _settle_item(connection: sa.Connection, item: RequestItem, *, actor: str, now: datetime) -> None:
    find(connection, item.call_id, lock=True)
    where = (request_items.c.request_id == item.request_id, request_items.c.call_id == item.call_id)
    values = _values(item)
    changed = connection.execute(
        sa.update(request_items)
        .where(*where)
        .values(state=values["state"], reason=values["reason"], review_at=values["review_at"])
    )
    if not changed.rowcount:
        raise NotFoundError("the request has no such call")
    refresh(connection, item.call_id)
    detail: audit_chain.Detail = {"request": item.request_id, "state": item.state.value}
    _note(connection, Action.REQUEST_ITEM, item.call_id, detail, actor=actor, now=now)


def _restrict(
    connection: sa.Connection, call_id: str, reason: str | None, *, actor: str, now: datetime
) -> None:
    row = find(connection, call_id, lock=True)
    if row.restricted == reason or row.state == CallState.ERASED:
        return  # of an erased call there is nothing left that could be used
    change(connection, call_id, restricted=reason)
    refresh(connection, call_id)
    if reason is None:
        search_rows.owe_if_allowed(connection, call_id)
    else:
        search_rows.withdraw(connection, call_id)
    action = Action.UNRESTRICTED if reason is None else Action.RESTRICTED
    _note(connection, action, call_id, {}, actor=actor, now=now)


def _note(
    connection: sa.Connection,
    action: Action,
    call_id: str | None,
    detail: audit_chain.Detail,
    *,
    actor: str,
    now: datetime,
) -> None:
    audit_chain.append(connection, actor=actor, action=action, call_id=call_id, detail=detail, now=now)


def _values(item: RequestItem) -> dict[str, Any]:
    return {
        "request_id": item.request_id,
        "call_id": item.call_id,
        "state": item.state.value,
        "reason": item.reason,
        "review_at": item.review_at,
        "parties": dump(list(item.parties)),
    }


def _item(row: sa.Row[Any]) -> RequestItem:
    return RequestItem(
        request_id=row.request_id,
        call_id=row.call_id,
        state=ItemState(row.state),
        reason=row.reason,
        review_at=row.review_at,
        parties=tuple(json.loads(row.parties)),
    )


def _get(connection: sa.Connection, request_id: str) -> Request:
    row = connection.execute(sa.select(requests).where(requests.c.request_id == request_id)).one_or_none()
    if row is None:
        raise NotFoundError(f"there is no request {request_id}")
    return _whole(connection, row)


def _whole(connection: sa.Connection, row: sa.Row[Any]) -> Request:
    query = sa.select(request_identities).where(request_identities.c.request_id == row.request_id)
    persons = tuple(
        identity_of(each, each.party)
        for each in connection.execute(query.order_by(request_identities.c.number))
    )
    counted = sa.select(sa.func.count()).where(request_items.c.request_id == row.request_id)
    return request_of(row, identities=persons, n_calls=connection.scalar(counted) or 0)
