"""With many calls, what runs all the time goes by an index; migrations make the tables of PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from callveil.adapters.ledger_sql.call_rows import call_to_json
from callveil.adapters.ledger_sql.tables import metadata
from callveil.testing import call
from callveil.vocabulary.ledger import CallState, Settlement

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
N_CALLS = 20_000

_NUMBERS = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {n})"
    " SELECT {columns} FROM n",
    "postgresql": "SELECT {columns} FROM generate_series(1, {n}) AS n(i)",
}


def fill(place, n_calls):
    """Many calls that are published and shredded, as they are after years."""
    kind = "sqlite" if place.file else "postgresql"
    at = "'2026-01-01T00:00:00.000000Z'" if place.file else "CAST('2026-01-01T00:00:00Z' AS timestamptz)"
    false = "0" if place.file else "false"
    values = {
        "call_id": "'old-' || i",
        "call": "CAST(:call AS text)",
        "state": "'published'",
        "reason": "''",
        "source": "'push'",
        "incomplete": false,
        "masked_s": "'{}'",
        "attempts": "1",
        "consent_version": "0",
        "received_at": at,
        "arrived_at": at,
        "heartbeat_at": at,
        "updated_at": at,
        "fence": "2",
        "sent_at": at,
    }
    rows = _NUMBERS[kind].format(n=n_calls, columns=", ".join(values.values()))
    place.sql(f"INSERT INTO calls ({', '.join(values)}) {rows}", call=call_to_json(call()))
    engine = sa.create_engine(place.url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        # PostgreSQL reads an index alone only of what it has vacuumed, which it does by itself in real life.
        connection.exec_driver_sql("ANALYZE" if place.file else "VACUUM ANALYZE calls")


def plans(ledger, work):
    """The plan of every statement that `work` runs on the ledger."""
    found = []
    engine = ledger._database.engine
    kind = "EXPLAIN QUERY PLAN" if engine.dialect.name == "sqlite" else "EXPLAIN"

    def explain(connection, cursor, statement, parameters, context, executemany):
        if statement.split()[0] in ("SELECT", "UPDATE", "DELETE") and not executemany:
            cursor.execute(f"{kind} {statement}", parameters)
            found.append((statement, "\n".join(str(row) for row in cursor.fetchall())))

    sa.event.listen(engine, "before_cursor_execute", explain)
    try:
        work()
    finally:
        sa.event.remove(engine, "before_cursor_execute", explain)
    return found


def test_nothing_reads_all_calls(place, new_call):
    ledger = place.open()
    fill(place, N_CALLS)
    for index, state in enumerate(CallState):
        ledger.accept(new_call(f"c-{index}", live=state is CallState.RECEIVED), actor="a", now=NOW)

    def work():
        ledger.accept(new_call("new", idempotency_key="k"), actor="a", now=NOW)
        ledger.heartbeat(["c-0"], now=NOW)
        taken = ledger.take_events(owner="s", limit=100, lease_s=60, now=NOW)
        ledger.mark_sent([event.event_id for event in taken], now=NOW)
        assert ledger.reemit(grace_s=1, now=NOW + timedelta(seconds=9)) == len(CallState)
        assert len(ledger.silent_arrivals(silent_s=1, now=NOW + timedelta(seconds=9))) == 1
        assert ledger.to_shred(limit=10) == ()
        assert ledger.known_landings([ledger.get("new").landing, "other"])
        claim = ledger.claim("new", owner="w", lease_s=60, now=NOW)
        claim = ledger.renew(claim, lease_s=60, now=NOW)
        ledger.settle(claim, Settlement(state=CallState.FAILED), now=NOW)
        assert len(ledger.calls(state=CallState.FAILED)) == 1
        ledger.calls(after="c-5", limit=5)
        ledger.consent_history("new")

    seen = plans(ledger, work)
    assert len(seen) > 30
    for statement, plan in seen:
        if place.file:
            assert "SCAN calls" not in plan or "INDEX" in plan, (statement, plan)
        else:
            assert "Seq Scan on calls" not in plan, (statement, plan)
    for statement, plan in plans(ledger, lambda: ledger.counts(now=NOW)):
        if " calls" in statement:
            assert "INDEX" in plan.upper(), (statement, plan)


@pytest.mark.postgresql
@pytest.mark.parametrize("place", ["postgresql"], indirect=True)
def test_migrations_make_the_tables_of_postgresql(place):
    place.open()
    made = place.server.new_database()
    metadata.create_all(sa.create_engine(made, poolclass=sa.NullPool))
    queries = {
        "indexes": "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'"
        " AND tablename <> 'alembic_version'",
        "columns": "SELECT table_name, column_name, data_type, is_nullable, column_default, collation_name,"
        " character_maximum_length FROM information_schema.columns"
        " WHERE table_schema = 'public' AND table_name <> 'alembic_version'",
        "constraints": "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE connamespace = 'public'::regnamespace AND conname NOT LIKE 'alembic%'",
    }
    for what, query in queries.items():
        found = []
        for url in (place.url, made):
            with sa.create_engine(url, poolclass=sa.NullPool).connect() as connection:
                found.append(sorted(map(str, connection.exec_driver_sql(query.replace("%", "%%")))))
        assert found[0] == found[1], what
        assert len(found[0]) > 5
    with sa.create_engine(place.url, poolclass=sa.NullPool).connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
