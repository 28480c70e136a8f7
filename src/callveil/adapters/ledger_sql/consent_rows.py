"""The history of a call's answers to consent; nothing is ever taken out of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import sqlalchemy as sa

from callveil.adapters.ledger_sql.call_rows import (
    call_from_json,
    call_to_json,
    record_from_json,
    record_to_json,
)
from callveil.adapters.ledger_sql.tables import consent
from callveil.vocabulary.consent import ConsentRecord


def add(
    connection: sa.Connection, call_id: str, records: Sequence[ConsentRecord], *, actor: str, now: datetime
) -> None:
    """Add answers to the history."""
    rows = [
        {"call_id": call_id, "at": now, "actor": actor, "record": record_to_json(record)}
        for record in records
    ]
    if rows:
        connection.execute(sa.insert(consent), rows)


def history(connection: sa.Connection, call_id: str) -> tuple[tuple[datetime, str, ConsentRecord], ...]:
    """All answers, oldest first."""
    query = sa.select(consent).where(consent.c.call_id == call_id).order_by(consent.c.number)
    return tuple((row.at, row.actor, record_from_json(row.record)) for row in connection.execute(query))


def with_consent(call: str, standing: Sequence[ConsentRecord]) -> str:
    """A call's JSON with other answers."""
    return call_to_json(replace(call_from_json(call), consent=tuple(standing)))
