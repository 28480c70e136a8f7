"""Alembic's revisions of the ledger's tables, and how they are brought to a database."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from callveil.adapters.ledger_sql.database import Database, create_engine, read_url, sqlite_path
from callveil.adapters.local_files import locked
from callveil.errors import ConfigError, LedgerError

HEAD = "0008"
"""The newest revision."""

_PG_LOCK = 0x63616C6C7665696C
"""Any number that nobody else uses: "callveil"."""

# Alembic keeps what it works on in a global.
_ONE_AT_A_TIME = threading.Lock()


def upgrade(url: str) -> None:
    """Bring a ledger's tables to the newest revision; does nothing when they are there.

    Several processes may do so together: one does it, the others wait.

    Raises:
        ConfigError: Not the address of a ledger, or a newer version of Callveil has written it.
        LedgerError: The database failed; nothing has changed.
    """
    checked = read_url(url)
    database = Database(create_engine(checked))
    try:
        with _ONE_AT_A_TIME, _file_lock(sqlite_path(checked)):
            database.write(_upgrade)
    finally:
        database.close()


@contextmanager
def _file_lock(path: Path | None) -> Iterator[None]:
    """Keep other processes out while SQLite switches its journal, which does not wait by itself."""
    if path is None:
        yield
        return
    lock = locked(path.with_name(path.name + ".lock"))
    problem = None
    try:
        lock.__enter__()
    except OSError as error:
        problem = error.strerror or type(error).__name__
    if problem is not None:
        raise LedgerError(f"the ledger's lock cannot be taken: {problem}")
    try:
        yield
    finally:
        lock.__exit__(None, None, None)


def _upgrade(connection: sa.Connection) -> None:
    if _revision(connection) == HEAD:
        return
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_PG_LOCK)))
    # Imported here: a ledger that is up to date does without.
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError:
        is_known = False
    else:
        is_known = True
    if not is_known:
        raise ConfigError("the ledger was written by a newer version of Callveil")


def _revision(connection: sa.Connection) -> str | None:
    """Revision of the tables; None when there are none."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
    return revision
