"""Which sessions stand."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

from callveil.adapters.ledger_sql.account_rows import session_of
from callveil.adapters.ledger_sql.account_tables import sessions
from callveil.vocabulary.accounts import Session, SessionLimits


def remove_ended(connection: sa.Connection, limits: SessionLimits, now: datetime) -> None:
    """Remove sessions that have ended by themselves."""
    connection.execute(
        sa.delete(sessions).where(
            sa.or_(
                sessions.c.seen_at <= now - timedelta(seconds=limits.idle_s),
                sessions.c.created_at <= now - timedelta(seconds=limits.longest_s),
            )
        )
    )


def has_ended(created_at: datetime, seen_at: datetime, limits: SessionLimits, now: datetime) -> bool:
    """Whether a session has ended by itself."""
    return (now - seen_at).total_seconds() >= limits.idle_s or (
        now - created_at
    ).total_seconds() >= limits.longest_s


def standing(
    connection: sa.Connection, name: str, limits: SessionLimits, now: datetime
) -> tuple[Session, ...]:
    """See `Accounts.sessions`."""
    query = sa.select(sessions).where(sessions.c.user_name == name)
    rows = connection.execute(query.order_by(sessions.c.created_at.desc(), sessions.c.digest))
    return tuple(session_of(row) for row in rows if not has_ended(row.created_at, row.seen_at, limits, now))
