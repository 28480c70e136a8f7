"""Lists of calls and the index of their text. See `ports.CallSearch`."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from callveil.adapters.ledger_sql import search_rows
from callveil.adapters.ledger_sql.call_state import find
from callveil.adapters.ledger_sql.database import Database
from callveil.adapters.ledger_sql.retention_columns import parts_from_text
from callveil.adapters.ledger_sql.search_query import Wanted, count_query, page_query, wanted
from callveil.adapters.ledger_sql.search_tables import call_texts
from callveil.adapters.ledger_sql.tables import TEXT_OWED, calls
from callveil.errors import NotFoundError, RefusedError
from callveil.stages.search_text import excerpt
from callveil.vocabulary.ledger import CallState
from callveil.vocabulary.search import CallFlag, CallPage, CallQuery, Counted, Cursor, FoundCall, Unindexed
from callveil.vocabulary.transcript import MaskedTurn

_T = TypeVar("_T")

_MOST_S = 5.0
"""A query that takes longer is given up: it would keep others waiting."""

_CANCELED = "57014"
"""PostgreSQL's code for a statement that ran into its timeout."""

_BATCH = 500


class SqlCallSearch:
    """See `ports.CallSearch`.

    Args:
        database: The ledger's.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(
        self,
        query: CallQuery,
        *,
        within: frozenset[str] | None,
        after: Cursor | None = None,
        before: Cursor | None = None,
        last: bool = False,
        limit: int = 50,
    ) -> CallPage:
        """See `CallSearch.page`."""
        if not 1 <= limit <= 200:
            raise ValueError("limit: allowed: 1 to 200")
        if (after is not None) + (before is not None) + last > 1:
            raise ValueError("after, before, last: only one of them is allowed")
        asked, backward = wanted(query, within), before is not None or last
        if asked.is_empty:
            return CallPage(calls=(), before=None, after=None)

        def work(connection: sa.Connection) -> list[sa.Row[Any]]:
            statement = page_query(
                connection, asked, start=after or before, backward=backward, limit=limit + 1
            )
            return list(connection.execute(statement))

        rows = self._read(work)
        more, rows = len(rows) > limit, rows[:limit]
        if backward:
            rows.reverse()
        has_before, has_after = (more, before is not None) if backward else (after is not None, more)
        return CallPage(
            calls=tuple(_found(row, asked) for row in rows),
            before=asked.cursor(rows[0]) if rows and has_before else None,
            after=asked.cursor(rows[-1]) if rows and has_after else None,
        )

    def count(self, query: CallQuery, *, within: frozenset[str] | None, most: int = 1000) -> Counted:
        """See `CallSearch.count`."""
        asked = wanted(query, within)
        if asked.is_empty:
            return Counted(n_calls=0, more=False)
        found = self._read(lambda c: c.scalar(count_query(c, asked, most=most)) or 0)
        return Counted(n_calls=min(found, most), more=found > most)

    def queues(self, *, within: frozenset[str] | None, limit: int = 200) -> tuple[str, ...]:
        """See `CallSearch.queues`."""
        found = self._database.read(lambda c: _distinct(c, calls.c.queue, limit))
        return tuple(queue for queue in found if within is None or queue in within)

    def agents(self, *, within: frozenset[str] | None, limit: int = 200) -> tuple[str, ...]:
        """See `CallSearch.agents`."""

        def work(connection: sa.Connection) -> tuple[str, ...]:
            if within is None:
                return _distinct(connection, calls.c.agent, limit)
            each = [_distinct(connection, calls.c.agent, limit, calls.c.queue == queue) for queue in within]
            return tuple(sorted({agent for agents in each for agent in agents})[:limit])

        return self._database.read(work)

    def may_see(self, call_id: str, *, within: frozenset[str] | None) -> bool:
        """See `CallSearch.may_see`."""
        query = sa.select(calls.c.queue).where(calls.c.call_id == call_id)
        row = self._database.read(lambda c: c.execute(query).one_or_none())
        return row is not None and (within is None or row.queue in within)

    def index(self, call_id: str, turns: Sequence[MaskedTurn], *, as_of: datetime) -> bool:
        """See `CallSearch.index`."""

        def work(connection: sa.Connection) -> bool:
            try:
                row = find(connection, call_id, lock=True)
            except NotFoundError:
                return False
            if not row.text_owed or row.updated_at != as_of:
                return False
            if not search_rows.may_be_searched(connection, row):
                search_rows.withdraw(connection, call_id)
                return False
            search_rows.settled(connection, call_id, turns)
            return True

        return self._database.write(work)

    def unindexed(self, *, after: str | None = None, limit: int = 500) -> tuple[Unindexed, ...]:
        """See `CallSearch.unindexed`."""
        c = calls.c
        query = sa.select(c.call_id, c.prefix, c.updated_at).where(TEXT_OWED, c.prefix.is_not(None))
        if after is not None:
            query = query.where(c.call_id > after)
        rows = self._database.read(lambda conn: conn.execute(query.order_by(c.call_id).limit(limit)).all())
        return tuple(
            Unindexed(call_id=row.call_id, prefix=row.prefix, updated_at=row.updated_at) for row in rows
        )

    def forget_index(self) -> None:
        """See `CallSearch.forget_index`. It works in batches, each of them one transaction."""
        while self._database.write(_forget_some):
            pass

    def _read(self, work: Callable[[sa.Connection], _T]) -> _T:
        def limited(connection: sa.Connection) -> _T | None:
            with _limited(connection):
                try:
                    return work(connection)
                except DBAPIError as error:
                    if not _is_late(error):
                        raise
            return None

        found = self._database.read(limited)
        if found is None:
            raise RefusedError("the search takes too long; narrow it: a shorter time, or rarer words")
        return found


@contextmanager
def _limited(connection: sa.Connection) -> Iterator[None]:
    """Give up what takes too long in a transaction."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = {int(_MOST_S * 1000)}")
        yield
        return
    end, driver = time.monotonic() + _MOST_S, connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)  # noqa: S101  for mypy
    driver.set_progress_handler(lambda: time.monotonic() > end, 20_000)
    try:
        yield
    finally:
        driver.set_progress_handler(None, 0)


def _is_late(error: DBAPIError) -> bool:
    if isinstance(error.orig, sqlite3.Error):
        return getattr(error.orig, "sqlite_errorcode", 0) == sqlite3.SQLITE_INTERRUPT
    return getattr(error.orig, "sqlstate", None) == _CANCELED


def _forget_some(connection: sa.Connection) -> int:
    some = list(connection.scalars(sa.select(call_texts.c.call_id).limit(_BATCH)))
    for call_id in some:
        find(connection, call_id, lock=True)
        search_rows.drop(connection, call_id)
        search_rows.owe_if_allowed(connection, call_id)
    return len(some)


def _distinct(
    connection: sa.Connection, column: sa.Column[Any], limit: int, *where: sa.ColumnElement[bool]
) -> tuple[str, ...]:
    """Different values of a column, the first ones, each found by one look into its index."""
    least = sa.select(sa.func.min(column).label("value")).where(*where)
    found = least.cte("found", recursive=True)
    following = least.where(column > found.c.value).scalar_subquery()
    found = found.union_all(sa.select(following).where(found.c.value.is_not(None)))
    query = sa.select(found.c.value).where(found.c.value.is_not(None)).limit(limit)
    return tuple(sorted(connection.scalars(query)))


def _found(row: sa.Row[Any], asked: Wanted) -> FoundCall:
    flags = {
        CallFlag.ON_HOLD: row.n_holds > 0,
        CallFlag.RESTRICTED: row.restricted is not None,
        CallFlag.GONE: row.gone != "",
    }
    return FoundCall(
        call_id=row.call_id,
        started_at=row.started_at,
        state=CallState(row.state),
        queue=row.queue,
        agent=row.agent,
        duration_s=row.length_s,
        masked_s=json.loads(row.masked_s),
        flags=frozenset(flag for flag, is_set in flags.items() if is_set),
        gone=parts_from_text(row.gone),
        excerpt=excerpt(row.text, asked.terms) if asked.terms else (),
    )
