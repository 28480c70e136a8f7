"""SQLite's full-text index forgets for good only when its pieces are merged."""

from __future__ import annotations

import sqlalchemy as sa

from callveil.adapters.ledger_sql.database import Database

_PAGES = 500
"""Of some 4 KiB that one step merges, so that others can write in between."""

_MOST_STEPS = 1_000_000


def merge(database: Database) -> None:
    """Merge the whole index, in steps: what was deleted is nowhere in it then.

    Up to SQLite 3.41 nothing else makes FTS5 forget (https://www.sqlite.org/fts5.html#the_merge_command);
    later versions have "secure-delete". It takes as long as the index is large, whatever has gone.

    Raises:
        LedgerError: The database failed.
    """
    steps = -_PAGES  # a negative number begins to merge all pieces into one
    for _ in range(_MOST_STEPS):
        if not database.write(lambda connection, n=steps: _step(connection, n)):  # type: ignore[misc]
            return
        steps = _PAGES


def _step(connection: sa.Connection, pages: int) -> bool:
    """True when it may have more to do."""
    changes = sa.text("SELECT total_changes()")
    before = connection.scalar(changes) or 0
    connection.exec_driver_sql("INSERT INTO call_words(call_words, rank) VALUES ('merge', ?)", (pages,))
    after = connection.scalar(changes) or 0
    return bool(after - before >= 2)
