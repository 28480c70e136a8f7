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

_OTHERS = tuple(state.value for state in CallState if state.value not in _SWEPT)

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
        The groups, and the key to go on from; None when there are no more.
    """
    c = calls.c
    key = (c.traits, c.state, c.ended_on, c.gone)
    query = (
        sa.select(*key, sa.func.count().label("n_calls"), sa.func.sum(c.duration_s).label("duration_s"))
        .where(NOT_SINGLED_OUT, c.traits.is_not(None))  # an erased call has none
        .group_by(*key)
        .order_by(*key)
        .limit(limit)
    )
    if after is not None:
        query = query.where(sa.tuple_(*key) > sa.tuple_(*after))
    rows = connection.execute(query).all()
    last = (rows[-1].traits, rows[-1].state, rows[-1].ended_on, rows[-1].gone) if rows else None
    # A condition on the state would lead SQLite to another index, and away from the order of this one.
    resting = [row for row in rows if row.state in _SWEPT]
    texts = _texts(connection, sorted({row.traits for row in resting}))
    return tuple(_group(row, texts[row.traits]) for row in resting), last if len(rows) == limit else None


def _texts(connection: sa.Connection, numbers: Sequence[int]) -> dict[int, str]:
    found: dict[int, str] = {}
    for start in range(0, len(numbers), BATCH):
        query = sa.select(traits).where(traits.c.number.in_(numbers[start : start + BATCH]))
        found |= {row.number: row.traits for row in connection.execute(query)}
    return found


def _group(row: sa.Row[Any], text: str) -> CallGroup:
    return CallGroup(
        traits=traits_from_json(text, row.state),
        ended_on=date.fromisoformat(row.ended_on),
        gone=parts_from_text(row.gone),
        n_calls=row.n_calls,
        duration_s=row.duration_s or 0.0,
    )


def page(after: str | None, limit: int, *, singled_out: bool) -> sa.Select[Any]:
    """A page of the calls that rest.

    They are named by the states they are not in: told the states they are in, SQLite looks all of them up by
    state and sorts them, for every page.
    """
    query = _calls().where(calls.c.state.not_in(_OTHERS)).order_by(calls.c.call_id).limit(limit)
    if singled_out:
        query = query.where(SINGLED_OUT)
    return query if after is None else query.where(calls.c.call_id > after)


def one(call_id: str) -> sa.Select[Any]:
    """One call, in whatever state."""
    return _calls().where(calls.c.call_id == call_id)


def _calls() -> sa.Select[Any]:
    c = calls.c
    ended_at = sa.func.coalesce(c.ended_at, c.received_at).label("ended_at")
    columns = (c.call_id, c.state, ended_at, c.gone, c.restricted, c.duration_s, c.n_holds)
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
                ended_at=row.ended_at,
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
