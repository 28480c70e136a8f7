"""Search: what lists of calls go by, the index of their text, and filters that users keep."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TSVECTOR

from callveil.adapters.ledger_sql.tables import CallId, Number, UtcTime

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_SQLITE = (
    "CREATE VIRTUAL TABLE call_words USING fts5(words, content='call_texts', content_rowid='number',"
    " tokenize='ascii')",
    "CREATE TRIGGER call_texts_in AFTER INSERT ON call_texts BEGIN"
    " INSERT INTO call_words(rowid, words) VALUES (new.number, new.words); END",
    "CREATE TRIGGER call_texts_out AFTER DELETE ON call_texts BEGIN"
    " INSERT INTO call_words(call_words, rowid, words) VALUES ('delete', old.number, old.words); END",
)


def upgrade() -> None:
    """Make them, and fill the columns of the calls that are there; their text is owed to the index."""
    _add_columns()
    _make_tables()
    _fill(op.get_bind())
    _make_indexes()


def downgrade() -> None:
    """There is no way back: what was recorded is kept."""
    raise NotImplementedError


def _where(condition: str) -> dict[str, Any]:
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


def _add_columns() -> None:
    zero: dict[str, Any] = {"server_default": "0", "nullable": False}
    epoch: dict[str, Any] = {"server_default": "1970-01-01T00:00:00.000000Z", "nullable": False}
    op.add_column("calls", sa.Column("started_at", UtcTime, **epoch))
    op.add_column("calls", sa.Column("queue", sa.Text(), nullable=True))
    op.add_column("calls", sa.Column("agent", sa.Text(), nullable=True))
    op.add_column("calls", sa.Column("length_s", sa.Float(53), **zero))
    op.add_column("calls", sa.Column("masked_total_s", sa.Float(53), **zero))
    op.add_column("calls", sa.Column("text_owed", sa.Boolean(), server_default=sa.false(), nullable=False))


def _make_indexes() -> None:
    by_start = ["started_at", "call_id"]
    op.create_index("calls_by_start", "calls", by_start)
    op.create_index("calls_by_queue", "calls", ["queue", *by_start])
    op.create_index("calls_by_agent", "calls", ["agent", *by_start])
    op.create_index("calls_by_state_and_start", "calls", ["state", *by_start])
    op.create_index("calls_by_length", "calls", ["length_s", "call_id"])
    op.create_index("calls_by_masked", "calls", ["masked_total_s", "call_id"])
    op.create_index("calls_on_hold", "calls", by_start, **_where("n_holds > 0"))
    op.create_index("calls_restricted", "calls", by_start, **_where("restricted IS NOT NULL"))
    op.create_index("calls_with_gone", "calls", by_start, **_where("gone <> ''"))
    op.create_index("calls_text_owed", "calls", ["call_id"], **_where("text_owed"))
    op.create_index("audit_by_call", "audit", ["call_id", "number"], **_where("call_id IS NOT NULL"))


def _make_tables() -> None:
    op.create_table(
        "call_texts",
        sa.Column("number", Number, autoincrement=False, nullable=False),
        sa.Column("call_id", CallId, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("words", TSVECTOR().with_variant(sa.Text(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(["call_id"], ["calls.call_id"]),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("call_id", name="call_texts_once"),
    )
    op.create_table(
        "call_kinds",
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("started_at", UtcTime, nullable=False),
        sa.Column("call_id", CallId, nullable=False),
        sa.ForeignKeyConstraint(["call_id"], ["calls.call_id"]),
        sa.PrimaryKeyConstraint("kind", "started_at", "call_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("call_kinds_by_call", "call_kinds", ["call_id", "kind"])
    op.create_table(
        "saved_filters",
        sa.Column("user", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("query", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("user", "name"),
    )
    if op.get_bind().dialect.name == "postgresql":
        op.create_index("call_texts_words", "call_texts", ["words"], postgresql_using="gin")
        return
    for statement in _SQLITE:
        op.get_bind().exec_driver_sql(statement)


def _fill(connection: sa.Connection) -> None:
    """The database reads the metadata itself: of a million calls in some ten seconds."""
    if connection.dialect.name == "postgresql":
        columns = (
            "started_at = CAST(CAST(call AS json) ->> 'started_at' AS timestamptz),"
            " queue = CAST(call AS json) ->> 'queue', agent = CAST(call AS json) ->> 'agent',"
            " masked_total_s = (SELECT coalesce(sum(CAST(value AS double precision)), 0)"
            " FROM json_each_text(CAST(masked_s AS json)))"
        )
        kinds = "json_each_text(CAST(calls.masked_s AS json))"
    else:
        columns = (
            "started_at = json_extract(call, '$.started_at'), queue = json_extract(call, '$.queue'),"
            " agent = json_extract(call, '$.agent'),"
            " masked_total_s = (SELECT coalesce(sum(value), 0) FROM json_each(calls.masked_s))"
        )
        kinds = "json_each(calls.masked_s)"
    owed = (
        "state = 'published' AND prefix IS NOT NULL AND restricted IS NULL AND gone NOT LIKE '%transcript%'"
        " AND NOT EXISTS (SELECT 1 FROM removals WHERE removals.call_id = calls.call_id"
        " AND removals.done_at IS NULL AND removals.parts LIKE '%transcript%')"
    )
    for statement in (
        f"UPDATE calls SET {columns}, length_s = coalesce(duration_s, 0), text_owed = ({owed})",  # noqa: S608
        "INSERT INTO call_kinds (kind, started_at, call_id)"  # noqa: S608
        f" SELECT key, started_at, call_id FROM calls, {kinds}",
    ):
        connection.execute(sa.text(statement))
