"""The database under the ledger: how it is opened, and transactions that survive what passes by itself."""

from __future__ import annotations

import os
import random
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, SQLAlchemyError, StatementError

from callveil.adapters.local_files import make_folders
from callveil.errors import ConfigError, LedgerError

_T = TypeVar("_T")

ALLOWED = '"sqlite:////folder/ledger.sqlite3" or "postgresql+psycopg://user@host/database"'

_WAIT_S = 30
"""How long a transaction waits for others."""

_TRIES = 6
"""The waits between them add up to some three seconds: enough for a database that starts again."""

_PASSING = frozenset({"40001", "40P01", "55P03", "57P01", "57P02", "57P03", "53300"})
"""Serialisation failure, deadlock, lock timeout, a server that goes down or comes up, too many clients."""


_CONNECT = {"connect_timeout": 10, "application_name": "callveil"}
"""Unless the URL says otherwise."""


class _CommitUnknownError(Exception):
    """The connection broke while a transaction was committed."""

    def __init__(self, transaction: str | None, result: Any) -> None:
        super().__init__()
        self.transaction = transaction
        self.result = result


def read_url(url: str) -> sa.URL:
    """Check the address of a ledger.

    Raises:
        ConfigError: It is no address of such a database; the message does not repeat it.
    """
    try:
        parsed = sa.make_url(url)
    except (ArgumentError, ValueError):
        parsed = None
    if parsed is not None and parsed.drivername in ("sqlite", "sqlite+pysqlite"):
        if parsed.database not in (None, "", ":memory:") and not str(parsed.database).startswith("file:"):
            return parsed
    elif parsed is not None and parsed.drivername == "postgresql+psycopg":
        return parsed
    raise ConfigError(f"the ledger's URL: allowed: {ALLOWED}")


def sqlite_path(url: sa.URL) -> Path | None:
    """The file of an SQLite ledger, None for PostgreSQL."""
    return Path(str(url.database)) if url.get_backend_name() == "sqlite" else None


def create_engine(url: sa.URL) -> sa.Engine:
    """An engine for an address that was checked.

    Raises:
        LedgerError: The file cannot be made, or the driver is not installed.
    """
    path = sqlite_path(url)
    if path is not None:
        _make_private(path)
        engine = sa.create_engine(
            url, hide_parameters=True, pool_size=8, max_overflow=24, pool_timeout=_WAIT_S
        )
        sa.event.listen(engine, "connect", _set_up_sqlite)
        sa.event.listen(engine, "begin", _begin_sqlite)
        return engine
    missing = False
    try:
        engine = sa.create_engine(
            url,
            hide_parameters=True,
            pool_size=8,
            max_overflow=24,
            pool_timeout=_WAIT_S,
            pool_pre_ping=True,
            connect_args={name: value for name, value in _CONNECT.items() if name not in url.query},
        )
    except ImportError:
        missing = True
    if missing:
        raise LedgerError("PostgreSQL needs the extra callveil[postgresql]")
    sa.event.listen(engine, "connect", _set_up_postgresql)
    return engine


def _make_private(path: Path) -> None:
    """SQLite gives its side files the mode of the database.

    A database that is there is not opened for it: closing a file drops every lock that this process has on
    it, those of another ledger on the same database too, and two writers without locks destroy it.
    """
    problem = None
    try:
        make_folders(path.parent)
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError:
            path.chmod(0o600)
    except OSError as error:
        problem = error.strerror or type(error).__name__
    if problem is not None:
        raise LedgerError(f"the ledger's file cannot be opened: {problem}")


def _set_up_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None
    for setting in (
        f"busy_timeout = {_WAIT_S * 1000}",
        "journal_mode = WAL",
        "synchronous = FULL",
        "foreign_keys = ON",
        "secure_delete = ON",
    ):
        connection.execute(f"PRAGMA {setting}")


def _begin_sqlite(connection: sa.Connection) -> None:
    # A transaction that reads first and then writes could find that somebody else wrote in between.
    if not connection.get_execution_options().get("callveil_writes", False):
        connection.exec_driver_sql("BEGIN")
    elif not _begin_soon(connection.connection.driver_connection):
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _begin_soon(connection: sqlite3.Connection | None) -> bool:
    """Begin to write as soon as others have done; SQLite itself would look only every 100 ms after a while.

    Returns:
        False when it did not come to that, for whatever reason: then the ordinary way tells why.
    """
    if connection is None:
        return False
    end = time.monotonic() + _WAIT_S
    try:
        connection.execute("PRAGMA busy_timeout = 0")
        while time.monotonic() < end:
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                    return False
                time.sleep(random.uniform(0.0005, 0.003))  # noqa: S311  no secret
            else:
                return True
        return False
    except sqlite3.Error:
        return False
    finally:
        connection.execute(f"PRAGMA busy_timeout = {_WAIT_S * 1000}")


def _set_up_postgresql(connection: Any, _record: object) -> None:
    # A worker that stops in the middle of a transaction must not keep the audit chain from everybody.
    connection.execute(f"SET lock_timeout = '{_WAIT_S}s'")
    connection.execute(f"SET idle_in_transaction_session_timeout = '{2 * _WAIT_S}s'")
    connection.commit()


class Database:
    """Transactions on an engine. What the database raises comes out as `LedgerError`, without values."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._writing = engine.execution_options(callveil_writes=True)
        # Threads of one process take turns by themselves; only processes meet at SQLite's own lock.
        self._turn: AbstractContextManager[object] = nullcontext() if self.is_postgresql else threading.Lock()

    @property
    def engine(self) -> sa.Engine:
        """The engine."""
        return self._engine

    @property
    def is_postgresql(self) -> bool:
        """PostgreSQL, else SQLite."""
        return self._engine.dialect.name == "postgresql"

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def write(self, work: Callable[[sa.Connection], _T]) -> _T:
        """Do work in one transaction that writes. It may be done more than once, but stands only once.

        Raises:
            LedgerError: The database failed; nothing has changed.
        """
        return self._repeat(lambda: self._write_once(work))

    def read(self, work: Callable[[sa.Connection], _T]) -> _T:
        """Do work in one transaction that reads one moment of the database.

        Raises:
            LedgerError: The database failed.
        """
        level = {"isolation_level": "REPEATABLE READ"} if self.is_postgresql else {}

        def once() -> _T:
            with self._engine.connect().execution_options(**level) as connection, connection.begin():
                return work(connection)

        return self._repeat(once)

    def _write_once(self, work: Callable[[sa.Connection], _T]) -> _T:
        with self._turn, self._writing.connect() as connection:
            connection.begin()
            result = work(connection)
            mark = None
            if self.is_postgresql:
                mark = connection.scalar(sa.text("SELECT CAST(pg_current_xact_id_if_assigned() AS text)"))
            try:
                connection.commit()
            except DBAPIError as error:
                if not error.connection_invalidated or not self.is_postgresql:
                    raise
                raise _CommitUnknownError(mark, result) from None
            return result

    def _repeat(self, once: Callable[[], _T]) -> _T:
        pending: _CommitUnknownError | None = None
        problem = "unknown"
        for n_tries in range(1, _TRIES + 1):
            try:
                if pending is not None and self._has_committed(pending.transaction):
                    return pending.result  # type: ignore[no-any-return]
                pending = None
                return once()
            except _CommitUnknownError as unknown:
                pending = unknown
                problem = "the connection broke while it committed"
            except SQLAlchemyError as error:
                if isinstance(error, StatementError) and isinstance(error.orig, ValueError):
                    raise error.orig from None
                problem = _name(error)
                if not _passes(error):
                    break
            if n_tries < _TRIES:
                time.sleep(0.1 * 2 ** (n_tries - 1) * random.uniform(0.5, 1.0))  # noqa: S311  no secret
        # Raised out here so that no error that holds values hangs on to this one.
        raise LedgerError(f"the ledger's database failed: {problem}")

    def _has_committed(self, transaction: str | None) -> bool:
        """Whether a transaction whose end was not seen stands."""
        if transaction is None:
            return True  # It wrote nothing.
        query = sa.text("SELECT pg_xact_status(CAST(:xid AS xid8))")
        with self._engine.connect() as connection:
            for _ in range(50):
                try:
                    status = connection.scalar(query, {"xid": transaction})
                except DBAPIError as error:
                    # The server went down and forgot that this number was ever given out.
                    if getattr(error.orig, "sqlstate", None) == "22023":
                        return False
                    raise
                connection.rollback()
                if status != "in progress":
                    return bool(status == "committed")
                time.sleep(0.1)
        raise sa.exc.TimeoutError


def _passes(error: SQLAlchemyError) -> bool:
    """Whether the same transaction may go through a moment later."""
    if isinstance(error, IntegrityError):
        return True  # Two took in the same call; the second one finds it the next time.
    if not isinstance(error, DBAPIError):
        return isinstance(error, sa.exc.TimeoutError)
    if error.connection_invalidated:
        return True
    if isinstance(error.orig, sqlite3.Error):
        return getattr(error.orig, "sqlite_errorcode", 0) & 0xFF in (
            sqlite3.SQLITE_BUSY,
            sqlite3.SQLITE_LOCKED,
        )
    state = getattr(error.orig, "sqlstate", None)
    # No state: it could not even connect.
    return (
        state in _PASSING
        or (state is None and isinstance(error, sa.exc.OperationalError))
        or (str(state).startswith("08"))
    )


def _name(error: SQLAlchemyError) -> str:
    """What kind of error it is. Its text may hold values."""
    orig = getattr(error, "orig", None)
    code = getattr(orig, "sqlstate", None) or getattr(orig, "sqlite_errorname", None)
    kind = type(error if orig is None else orig).__name__
    return kind if code is None else f"{kind} {code}"
