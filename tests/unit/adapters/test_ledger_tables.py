"""The tables of the ledger: what the migrations make, how they are opened, and which queries use an index."""

from __future__ import annotations

import os
import re
import stat
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from alembic.config import Config
from alembic.script import ScriptDirectory

from callveil.adapters.ledger_sql import migrations, open_ledger, tables
from callveil.adapters.ledger_sql.database import Database, create_engine, read_url
from callveil.errors import ConfigError, LedgerError
from callveil.testing import temporary_ledger

NOW = datetime(2026, 11, 24, tzinfo=UTC)


def schema(url):
    with sa.create_engine(url, poolclass=sa.NullPool).connect() as connection:
        rows = connection.execute(
            sa.text("SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE '%alembic%'")
        )
        # Names alone would let a condition or a default differ; a column added later stands elsewhere.
        return {(row.type, row.name): _pieces(row.sql) for row in rows}


def _pieces(sql):
    return sql and sorted(piece.strip() for piece in re.split(r",\s", sql.replace("\n)", "")))


def test_migrations_make_the_tables(tmp_path):
    migrated, made = (f"sqlite:///{tmp_path}/{name}.sqlite3" for name in ("migrated", "made"))
    migrations.upgrade(migrated)
    engine = sa.create_engine(made, poolclass=sa.NullPool)
    tables.metadata.create_all(engine)
    assert len(schema(made)) > 15
    assert schema(migrated) == schema(made)


def test_the_newest_revision_is_the_one_that_is_looked_for():
    config = Config()
    config.set_main_option("script_location", os.path.dirname(migrations.__file__))
    assert ScriptDirectory.from_config(config).get_heads() == [migrations.HEAD]


def test_a_ledger_of_a_newer_version_is_left_alone(tmp_path):
    url = f"sqlite:///{tmp_path}/l.sqlite3"
    open_ledger(url).close()
    with sa.create_engine(url, poolclass=sa.NullPool).begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(ConfigError, match="newer version"):
        open_ledger(url)


def test_the_file_is_private_and_set_up_to_last(tmp_path):
    path = tmp_path / "100 %" / "l.sqlite3"
    ledger = open_ledger(f"sqlite:///{path}")
    assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}
    with ledger._database.engine.connect() as connection:
        names = ("journal_mode", "synchronous", "foreign_keys", "secure_delete", "busy_timeout")
        found = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names]
    assert found == ["wal", 2, 1, 1, 30000]
    ledger.close()
    path.chmod(0o644)
    open_ledger(f"sqlite:///{path}").close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "url",
    [
        "",
        "geheim",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///file:x?uri=true",
        "mysql://a:geheim@b/c",
        "postgresql://a:geheim@b/c",
        "postgresql+psycopg2://a:geheim@b/c",
        "postgresql+psycopg://a:geheim@b:port/c",
    ],
)
def test_other_urls_are_refused_and_not_repeated(url):
    with pytest.raises(ConfigError, match="allowed") as caught:
        open_ledger(url)
    assert "geheim" not in str(caught.value)


def test_a_place_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(LedgerError) as caught:
        open_ledger(f"sqlite:///{tmp_path}/file/l.sqlite3")
    assert str(tmp_path) not in str(caught.value)


def test_what_is_no_database_is_an_error_without_its_text(tmp_path):
    path = tmp_path / "l.sqlite3"
    path.write_text("geheim" * 1000)
    with pytest.raises(LedgerError, match="SQLITE_NOTADB") as caught:
        open_ledger(f"sqlite:///{path}")
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_a_database_that_is_locked_for_long_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr("callveil.adapters.ledger_sql.database._WAIT_S", 0)
    monkeypatch.setattr("callveil.adapters.ledger_sql.database._TRIES", 2)
    url = f"sqlite:///{tmp_path}/l.sqlite3"
    ledger = open_ledger(url)
    ledger._database.close()
    other = Database(create_engine(read_url(url)))
    with other.engine.connect() as connection:
        connection.exec_driver_sql("ROLLBACK")
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        with pytest.raises(LedgerError, match="SQLITE_BUSY"):
            ledger.note(actor="a", action="b", call_id=None, detail={}, now=NOW)
        connection.exec_driver_sql("ROLLBACK")
    ledger.note(actor="a", action="b", call_id=None, detail={}, now=NOW)
    ledger.close()
    other.close()


def test_times_are_utc_to_the_microsecond():
    east = datetime.fromisoformat("2026-06-01T12:00:00.000001+02:00")
    assert tables.time_text(east) == "2026-06-01T10:00:00.000001Z"
    assert tables.time_of(tables.time_text(east)) == east
    assert tables.time_text(NOW) == "2026-11-24T00:00:00.000000Z"
    assert tables.time_text(NOW - timedelta(days=365 * 1500)) < tables.time_text(NOW)
    with pytest.raises(ValueError, match="time zone"):
        tables.time_text(datetime(2026, 1, 1))  # noqa: DTZ001


def test_a_temporary_ledger_is_a_ledger():
    with temporary_ledger() as ledger:
        assert ledger.counts(now=NOW).unsent == 0
