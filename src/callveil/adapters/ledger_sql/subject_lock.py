"""Who enters a call of a person, and who places a hold on a person, do so one after the other.

In PostgreSQL neither would see what the other has not yet committed, and the call would escape the hold.
Take this lock before any call's. SQLite has one writer at a time by itself.
"""

from __future__ import annotations

import sqlalchemy as sa

_PG_LOCK = 0x7375626A65637473
"""Any number that nobody else uses: "subjects"."""


def share(connection: sa.Connection) -> None:
    """Keep out who needs it alone until the transaction ends; others may share it."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock_shared(_PG_LOCK)))


def alone(connection: sa.Connection) -> None:
    """Wait until nobody shares it, and keep all others out until the transaction ends."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_PG_LOCK)))
