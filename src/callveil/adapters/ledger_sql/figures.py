"""What the pipeline does, in numbers. See `ports.Figures`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from callveil.adapters.ledger_sql.database import Database
from callveil.adapters.ledger_sql.tables import (
    HAS_ENDED,
    IS_DEAD,
    IS_PROCESSING,
    attempts,
    calls,
    outbox,
    time_of,
)
from callveil.vocabulary.figures import AtWork, Dead, Hour
from callveil.vocabulary.ledger import FINAL, CallState

_HOUR = timedelta(hours=1)


class SqlFigures:
    """See `ports.Figures`.

    Args:
        database: The ledger's.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def hours(self, since: datetime, until: datetime) -> tuple[Hour, ...]:
        """See `Figures.hours`."""
        first, last = _hour(since), _hour(until)
        arrived = self._by_hour(calls.c.received_at, first, last + _HOUR)
        settled = self._by_hour(
            attempts.c.settled_at, first, last + _HOUR, attempts.c.result, attempts.c.error_code.is_not(None)
        )
        came: dict[datetime, int] = defaultdict(int)
        ended: dict[datetime, dict[CallState, int]] = defaultdict(dict)
        errors: dict[datetime, int] = defaultdict(int)
        for hour, n in arrived:
            came[hour] += n
        for hour, result, is_error, n in settled:
            errors[hour] += n if is_error else 0
            state = CallState(result)
            if state in FINAL:
                ended[hour][state] = ended[hour].get(state, 0) + n
        n_hours = (last - first) // _HOUR + 1
        return tuple(
            Hour(begins_at=hour, arrived=came[hour], ended=ended[hour], errors=errors[hour])
            for hour in (first + number * _HOUR for number in range(n_hours))
        )

    def _by_hour(
        self, column: sa.Column[Any], since: datetime, until: datetime, *others: sa.ColumnElement[Any]
    ) -> list[tuple[Any, ...]]:
        """Rows by hour and `others`, with how many there are at the end."""
        if self._database.is_postgresql:
            hour: sa.ColumnElement[Any] = sa.func.date_trunc("hour", column, "UTC")
        else:
            hour = sa.func.substr(sa.type_coerce(column, sa.String), 1, 13)
        query = sa.select(hour, *others, sa.func.count()).where(column >= since, column < until)
        if column.table is attempts:
            query = query.where(HAS_ENDED)
        query = query.group_by(hour, *others)
        rows = self._database.read(lambda c: c.execute(query).all())
        return [(_moment(row[0]), *row[1:]) for row in rows]

    def errors(self, since: datetime) -> Mapping[str, int]:
        """See `Figures.errors`."""
        code, n = attempts.c.error_code, sa.func.count()
        query = sa.select(code, n).where(HAS_ENDED, attempts.c.settled_at >= since, code.is_not(None))
        rows = self._database.read(lambda c: c.execute(query.group_by(code).order_by(n.desc(), code)).all())
        return {str(row[0]): int(row[1]) for row in rows}

    def dead(self) -> tuple[Dead, ...]:
        """See `Figures.dead`."""
        n = sa.func.count()
        query = sa.select(calls.c.state, calls.c.error_code, n).where(IS_DEAD)
        query = query.group_by(calls.c.state, calls.c.error_code).order_by(n.desc(), calls.c.error_code)
        rows = self._database.read(lambda c: c.execute(query).all())
        return tuple(
            Dead(state=CallState(state), error_code=code, n_calls=n_calls) for state, code, n_calls in rows
        )

    def at_work(self) -> tuple[AtWork, ...]:
        """See `Figures.at_work`."""
        owner = calls.c.lease_owner
        # Any time will do: SQLite goes by the index only where there is something to look for in it.
        has_lease = calls.c.lease_until > datetime(1970, 1, 1, tzinfo=UTC)
        query = sa.select(owner, sa.func.count(), sa.func.min(calls.c.lease_until)).where(
            IS_PROCESSING, has_lease, owner.is_not(None)
        )
        rows = self._database.read(lambda c: c.execute(query.group_by(owner).order_by(owner)).all())
        return tuple(AtWork(owner=name, n_calls=n, until=until) for name, n, until in rows)

    def oldest_unsent(self) -> datetime | None:
        """See `Figures.oldest_unsent`."""
        query = sa.select(sa.func.min(outbox.c.due_at))
        found: datetime | None = self._database.read(lambda c: c.scalar(query))
        return found


def _hour(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _moment(hour: datetime | str) -> datetime:
    """Of "2026-11-24T12", or of a time."""
    return time_of(f"{hour}:00:00Z") if isinstance(hour, str) else hour.astimezone(UTC)
