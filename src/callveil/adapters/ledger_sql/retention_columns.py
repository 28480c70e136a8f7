"""The columns of a call that retention goes by: its traits, its end, and what singles it out from others."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from callveil.adapters.ledger_sql.call_rows import dump
from callveil.adapters.ledger_sql.outbox import BATCH
from callveil.adapters.ledger_sql.rights_tables import (
    call_events,
    hold_calls,
    holds,
    request_items,
    requests,
)
from callveil.adapters.ledger_sql.tables import calls, traits
from callveil.retention.traits import call_traits
from callveil.vocabulary.call import Call
from callveil.vocabulary.retention import CallTraits, KeptPart
from callveil.vocabulary.rights import ItemState, RequestKind, RequestState

OPEN = (RequestState.OPEN.value, RequestState.RUNNING.value, RequestState.PARTLY_DONE.value)
"""Requests that still ask for something."""

DECIDING = (RequestKind.ERASURE.value, RequestKind.RESTRICTION.value)
"""Requests that decide about a call."""


def columns_of(connection: sa.Connection, call: Call, duration_s: float | None) -> dict[str, Any]:
    """Columns that follow from a call's metadata and length.

    Args:
        connection: In a transaction that writes.
        call: Its metadata, with the consent that now stands.
        duration_s: Length of what is published, in seconds; None when nothing is.
    """
    return {
        "traits": _number(connection, traits_to_json(call_traits(call, ""))),
        **end_of(call, duration_s),
        "started_at": call.started_at,
        "queue": call.queue,
        "agent": call.agent,
    }


def end_of(call: Call, duration_s: float | None) -> dict[str, Any]:
    """The columns of a call's end; where its length is not known, of its beginning."""
    ended_at: datetime = call.started_at.astimezone(UTC) + timedelta(seconds=duration_s or 0.0)
    return {"ended_at": ended_at, "ended_on": f"{ended_at:%Y-%m-%d}"}


def _number(connection: sa.Connection, text: str) -> int:
    query = sa.select(traits.c.number).where(traits.c.traits == text)
    number = connection.scalar(query)
    if number is None:
        insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
        connection.execute(insert(traits).values(traits=text).on_conflict_do_nothing())
        number = connection.scalar(query)
    return int(number or 0)


def traits_to_json(found: CallTraits) -> str:
    """Traits without the outcome, which is the call's state: equal traits are equal texts."""
    return dump(
        {
            "direction": found.direction,
            "jurisdictions": sorted(found.jurisdictions),
            "purposes": sorted(found.purposes),
            "queue": found.queue,
            "tags": sorted(found.tags),
        }
    )


@lru_cache(maxsize=1024)
def traits_from_json(text: str, outcome: str) -> CallTraits:
    """What `traits_to_json` wrote."""
    document = json.loads(text)
    return CallTraits(
        outcome=outcome,
        queue=document["queue"],
        direction=document["direction"],
        jurisdictions=frozenset(document["jurisdictions"]),
        purposes=frozenset(document["purposes"]),
        tags=frozenset(document["tags"]),
    )


def parts_to_text(parts: Iterable[KeptPart]) -> str:
    """Parts, sorted, with "+" between."""
    return "+".join(sorted(part.value for part in parts))


@lru_cache(maxsize=64)
def parts_from_text(text: str) -> frozenset[KeptPart]:
    """What `parts_to_text` wrote."""
    return frozenset(KeptPart(name) for name in text.split("+") if name)


def refresh(connection: sa.Connection, *call_ids: str) -> None:
    """Count the holds of calls anew, and tell whether they are singled out.

    Args:
        connection: In a transaction that has locked the calls.
        call_ids: Of the calls.
    """
    c = calls.c
    on = hold_calls.join(holds)
    standing = (hold_calls.c.call_id == c.call_id, holds.c.released_at.is_(None))
    n_holds = sa.select(sa.func.count()).select_from(on).where(*standing).correlate(calls).scalar_subquery()
    held = sa.select(1).select_from(on).where(*standing).correlate(calls).exists()
    asked = (
        sa.select(1)
        .select_from(request_items.join(requests))
        .where(
            request_items.c.call_id == c.call_id,
            request_items.c.state != ItemState.DONE.value,
            requests.c.state.in_(OPEN),
            requests.c.kind.in_(DECIDING),
        )
        .correlate(calls)
        .exists()
    )
    noted = sa.select(1).where(call_events.c.call_id == c.call_id).correlate(calls).exists()
    singled_out = sa.or_(held, asked, noted, c.restricted.is_not(None))
    for start in range(0, len(call_ids), BATCH):
        connection.execute(
            sa.update(calls)
            .where(c.call_id.in_(call_ids[start : start + BATCH]))
            .values(n_holds=n_holds, singled_out=singled_out)
        )
