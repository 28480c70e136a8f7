"""Calls as retention sees them, one by one or in groups; a few queries a page, however many there are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from callveil.adapters.ledger_sql.outbox import BATCH
from callveil.adapters.ledger_sql.retention_columns import (
    DECIDING,
    OPEN,
    parts_from_text,
    traits_from_json,
)
from callveil.adapters.ledger_sql.rights_rows import hold_of, request_of
from callveil.adapters.ledger_sql.rights_tables import (
    call_events,
    hold_calls,
    holds,
    request_items,
    requests,
)
from callveil.adapters.ledger_sql.tables import NOT_SINGLED_OUT, SINGLED_OUT, calls, traits
from callveil.ports import SweptCall
from callveil.vocabulary.ledger import CallState
from callveil.vocabulary.retention import CallFacts, CallGroup, Hold
from callveil.vocabulary.rights import ItemState, Request

_SWEPT = tuple(
    state.value
    for state in (CallState.PUBLISHED, CallState.QUARANTINED, CallState.DISCARDED, CallState.FAILED)
)
"""What rests. A held call has a deadline of its own, and the others are being worked on."""

_NO_TRAITS = '{"direction":"unknown","jurisdictions":[],"purposes":[],"queue":null,"tags":[]}'


GroupKey = tuple[int, str, str, str]
"""Number of the traits, state, day and parts that are gone: what groups are made by, in their order."""


def groups(
    connection: sa.Connection, after: GroupKey | None, limit: int
) -> tuple[tuple[CallGroup, ...], GroupKey | None]:
    """Groups that come after one, in the order of their keys.

    Args:
        connection: In a transaction.
        after: Key of the last one before; None for the first.
        limit: At most so many.

    Returns:
        The groups, and the key of the last one; None when there is none.
    """
    c = calls.c
    key = (c.traits, c.state, c.ended_on, c.gone)
    query = (
        sa.select(*key, sa.func.count().label("n_calls"), sa.func.sum(c.duration_s).label("duration_s"))
        .where(NOT_SINGLED_OUT, c.state.in_(_SWEPT))
        .group_by(*key)
        .order_by(*key)
        .limit(limit)
    )
    if after is not None:
        query = query.where(sa.tuple_(*key) > sa.tuple_(*after))
    found = query.subquery()
    # Their texts come afterwards: the order of the index would be lost in one go.
    texts = sa.select(found, traits.c.traits.label("text")).outerjoin(
        traits, traits.c.number == found.c.traits
    )
    rows = connection.execute(
        texts.order_by(found.c.traits, found.c.state, found.c.ended_on, found.c.gone)
    ).all()
    last = (rows[-1].traits, rows[-1].state, rows[-1].ended_on, rows[-1].gone) if rows else None
    return tuple(_group(row) for row in rows), last


def _group(row: sa.Row[Any]) -> CallGroup:
    return CallGroup(
        traits=traits_from_json(row.text or _NO_TRAITS, row.state),
        ended_on=date.fromisoformat(row.ended_on),
        gone=parts_from_text(row.gone),
        n_calls=row.n_calls,
        duration_s=row.duration_s or 0.0,
    )


def page(after: str | None, limit: int, *, singled_out: bool) -> sa.Select[Any]:
    """A page of the calls that rest."""
    query = _calls().where(calls.c.state.in_(_SWEPT)).order_by(calls.c.call_id).limit(limit)
    if singled_out:
        query = query.where(SINGLED_OUT)
    return query if after is None else query.where(calls.c.call_id > after)


def one(call_id: str) -> sa.Select[Any]:
    """One call, in whatever state."""
    return _calls().where(calls.c.call_id == call_id)


def _calls() -> sa.Select[Any]:
    c = calls.c
    columns = (c.call_id, c.state, c.ended_at, c.received_at, c.gone, c.restricted, c.duration_s, c.n_holds)
    joined = calls.outerjoin(traits, traits.c.number == c.traits)
    return sa.select(*columns, c.singled_out, traits.c.traits.label("text")).select_from(joined)


def read(connection: sa.Connection, query: sa.Select[Any]) -> tuple[SweptCall, ...]:
    """The calls of a query with all that decides about them."""
    rows = connection.execute(query).all()
    special = [row.call_id for row in rows if row.singled_out]
    held, asked, events = (
        _holds(connection, special),
        _requests(connection, special),
        _events(connection, special),
    )
    return tuple(
        SweptCall(
            facts=CallFacts(
                call_id=row.call_id,
                traits=traits_from_json(row.text or _NO_TRAITS, row.state),
                ended_at=row.ended_at or row.received_at,
                events=events.get(row.call_id, {}),
                gone=parts_from_text(row.gone),
            ),
            holds=tuple(held.get(row.call_id, ())),
            requests=tuple(asked.get(row.call_id, ())),
            restricted=row.restricted,
            duration_s=row.duration_s or 0.0,
        )
        for row in rows
    )


def _batches(call_ids: Sequence[str]) -> list[Sequence[str]]:
    return [call_ids[start : start + BATCH] for start in range(0, len(call_ids), BATCH)]


def _holds(connection: sa.Connection, call_ids: Sequence[str]) -> dict[str, list[Hold]]:
    found: dict[str, list[Hold]] = defaultdict(list)
    for some in _batches(call_ids):
        query = (
            sa.select(holds, hold_calls.c.call_id)
            .join(hold_calls, hold_calls.c.hold_id == holds.c.hold_id)
            .where(hold_calls.c.call_id.in_(some), holds.c.released_at.is_(None))
            .order_by(holds.c.placed_at, holds.c.hold_id)
        )
        for row in connection.execute(query):
            found[row.call_id].append(hold_of(row, n_calls=0))
    return found


def _requests(connection: sa.Connection, call_ids: Sequence[str]) -> dict[str, list[Request]]:
    found: dict[str, list[Request]] = defaultdict(list)
    for some in _batches(call_ids):
        query = (
            sa.select(requests, request_items.c.call_id)
            .join(request_items, request_items.c.request_id == requests.c.request_id)
            .where(
                request_items.c.call_id.in_(some),
                request_items.c.state != ItemState.DONE.value,
                requests.c.state.in_(OPEN),
                requests.c.kind.in_(DECIDING),
            )
            .order_by(requests.c.received_at, requests.c.request_id)
        )
        for row in connection.execute(query):
            found[row.call_id].append(request_of(row, identities=(), n_calls=0))
    return found


def _events(connection: sa.Connection, call_ids: Sequence[str]) -> dict[str, dict[str, datetime]]:
    found: dict[str, dict[str, datetime]] = defaultdict(dict)
    for some in _batches(call_ids):
        for row in connection.execute(sa.select(call_events).where(call_events.c.call_id.in_(some))):
            found[row.call_id][row.name] = row.at
    return found
