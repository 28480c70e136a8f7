"""Queries that users keep. See `ports.SavedFilters`."""

from __future__ import annotations

import sqlalchemy as sa

from callveil.adapters.call_query import query_from_text, query_to_text
from callveil.adapters.ledger_sql.database import Database
from callveil.adapters.ledger_sql.search_tables import saved_filters
from callveil.errors import MetadataError
from callveil.vocabulary.search import SavedFilter

_MOST = 50
"""Filters of a user."""


class SqlSavedFilters:
    """See `ports.SavedFilters`.

    Args:
        database: The ledger's.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, user: str) -> tuple[SavedFilter, ...]:
        """See `SavedFilters.of`."""
        query = sa.select(saved_filters).where(saved_filters.c.user == user)
        rows = self._database.read(lambda c: c.execute(query).all())
        found = [SavedFilter(name=row.name, query=query_from_text(row.query)) for row in rows]
        return tuple(sorted(found, key=lambda saved: (saved.name.casefold(), saved.name)))

    def save(self, user: str, saved: SavedFilter) -> None:
        """See `SavedFilters.save`."""
        name = saved.name.strip()
        if not 1 <= len(name) <= 60 or not name.isprintable():
            raise MetadataError("name: allowed: 1 to 60 characters that can be printed")
        text = query_to_text(saved.query)

        def work(connection: sa.Connection) -> bool:
            of_user = saved_filters.c.user == user
            connection.execute(sa.delete(saved_filters).where(of_user, saved_filters.c.name == name))
            n_there = sa.select(sa.func.count()).select_from(saved_filters).where(of_user)
            if (connection.scalar(n_there) or 0) >= _MOST:
                return False
            connection.execute(sa.insert(saved_filters).values(user=user, name=name, query=text))
            return True

        if not self._database.write(work):
            raise MetadataError(f"name: allowed: {_MOST} filters; delete one first")

    def delete(self, user: str, name: str | None = None) -> None:
        """See `SavedFilters.delete`."""
        query = sa.delete(saved_filters).where(saved_filters.c.user == user)
        if name is not None:
            query = query.where(saved_filters.c.name == name)
        self._database.write(lambda c: c.execute(query).rowcount)
