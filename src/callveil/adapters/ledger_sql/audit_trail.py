"""Lists of the audit chain's entries. See `ports.AuditTrail`.

The chain may have many millions of entries, and a list goes by time. So a page is put together from one list
per action, each read from an index only as far as the page reaches: two indexes serve every query, and none
of them ever sorts more than that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from callveil.adapters.ledger_sql import audit_chain
from callveil.adapters.ledger_sql.database import Database
from callveil.adapters.ledger_sql.tables import UtcTime, audit, audit_head
from callveil.vocabulary.audit import AuditCursor, AuditPage, AuditQuery
from callveil.vocabulary.ledger import AuditEntry

_MOST_ACTIONS = 400
"""SQLite takes a union of 500 at most; we know some 80."""

_MOST_ACTORS = 2000
"""Workers have a new name at each start."""


class SqlAuditTrail:
    """See `ports.AuditTrail`.

    Args:
        database: The ledger's.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(
        self,
        query: AuditQuery,
        *,
        after: AuditCursor | None = None,
        before: AuditCursor | None = None,
        last: bool = False,
        oldest_first: bool = False,
        limit: int = 50,
    ) -> AuditPage:
        """See `AuditTrail.page`."""
        if not 1 <= limit <= 1000:
            raise ValueError("limit: allowed: 1 to 1000")
        if (after is not None) + (before is not None) + last > 1:
            raise ValueError("after, before, last: only one of them is allowed")
        backward = before is not None or last
        ascending = oldest_first != backward
        start = after or before

        def work(connection: sa.Connection) -> tuple[AuditEntry, ...]:
            return _entries(connection, query, start, ascending, limit + 1)

        entries = self._database.read(work)
        more, entries = len(entries) > limit, entries[:limit]
        if backward:
            entries = entries[::-1]
        has_before, has_after = (more, before is not None) if backward else (after is not None, more)
        return AuditPage(
            entries=entries,
            before=_place(entries[0]) if entries and has_before else None,
            after=_place(entries[-1]) if entries and has_after else None,
        )

    def head(self) -> int:
        """See `AuditTrail.head`."""
        return self._database.read(lambda c: c.scalar(sa.select(audit_head.c.number)) or 0)

    def actions(self) -> tuple[str, ...]:
        """See `AuditTrail.actions`."""
        return tuple(sorted(self._database.read(lambda c: _actions(c, None))))

    def actors(self, *, like: str = "", limit: int = 200) -> tuple[str, ...]:
        """See `AuditTrail.actors`."""
        found = self._database.read(lambda c: _distinct(c, audit.c.actor, [], _MOST_ACTORS))
        return tuple(sorted(actor for actor in found if actor.startswith(like)))[:limit]


def _place(entry: AuditEntry) -> AuditCursor:
    return AuditCursor(at=entry.at, number=entry.number)


def _entries(
    connection: sa.Connection,
    query: AuditQuery,
    start: AuditCursor | None,
    ascending: bool,
    limit: int,
) -> tuple[AuditEntry, ...]:
    conditions, values = _conditions(query, start, ascending)
    order = "ASC" if ascending else "DESC"
    tail = f"ORDER BY at {order}, number {order} LIMIT :limit"
    if query.call_id is not None:
        # Few entries name a call.
        conditions.append("call_id = :call_id")
        actions = sorted(query.actions)
        names = {f"action_{index}": action for index, action in enumerate(actions)}
        if actions:
            conditions.append(f"action IN ({', '.join(f':{name}' for name in names)})")
        text = f"SELECT number FROM audit WHERE {' AND '.join(conditions)} {tail}"  # noqa: S608  own words
    else:
        actions = sorted(query.actions) or list(_actions(connection, query.actor))
        names = {f"action_{index}": action for index, action in enumerate(actions[:_MOST_ACTIONS])}
        if not names:
            return ()
        lists = [
            "SELECT * FROM (SELECT at, number FROM audit"  # noqa: S608  our own words and names of values
            f" WHERE {' AND '.join([f'action = :{name}', *conditions])} {tail}) AS l_{name}"
            for name in names
        ]
        text = f"SELECT number FROM ({' UNION ALL '.join(lists)}) AS found {tail}"  # noqa: S608
    types = [sa.bindparam(name, type_=UtcTime()) for name in ("since", "until", "start_at") if name in values]
    statement = sa.text(text).bindparams(*types)
    numbers = list(connection.scalars(statement, {**values, **names, "limit": limit}))
    rows = {
        row.number: row
        for first in range(0, len(numbers), 500)
        for row in connection.execute(
            sa.select(audit).where(audit.c.number.in_(numbers[first : first + 500]))
        )
    }
    return tuple(audit_chain.entry_of(rows[number]) for number in numbers)


def _conditions(
    query: AuditQuery, start: AuditCursor | None, ascending: bool
) -> tuple[list[str], dict[str, Any]]:
    conditions: list[str] = []
    values: dict[str, Any] = {}
    for text, name, value in (
        ("actor = :actor", "actor", query.actor),
        ("at >= :since", "since", query.since),
        ("at < :until", "until", query.until),
        ("number <= :most_number", "most_number", query.most_number),
    ):
        if value is not None:
            conditions.append(text)
            values[name] = value
    if query.call_id is not None:
        values["call_id"] = query.call_id
    if start is not None:
        conditions.append(f"(at, number) {'>' if ascending else '<'} (:start_at, :start_number)")
        values |= {"start_at": start.at, "start_number": start.number}
    return conditions, values


def _actions(connection: sa.Connection, actor: str | None) -> tuple[str, ...]:
    given = [] if actor is None else [audit.c.actor == actor]
    return _distinct(connection, audit.c.action, given, _MOST_ACTIONS)


def _distinct(
    connection: sa.Connection,
    column: sa.Column[Any],
    given: Sequence[sa.ColumnElement[bool]],
    limit: int,
) -> tuple[str, ...]:
    """Different values of a column, each found by one look into an index."""
    least = sa.select(sa.func.min(column).label("value")).where(*given)
    found = least.cte("found", recursive=True)
    following = least.where(column > found.c.value).scalar_subquery()
    found = found.union_all(sa.select(following).where(found.c.value.is_not(None)))
    query = sa.select(found.c.value).where(found.c.value.is_not(None)).limit(limit)
    return tuple(connection.scalars(query))
