"""Tables of search: the text of calls, the kinds that are masked in them, and filters that users keep."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import TSVECTOR

from callveil.adapters.ledger_sql.tables import CallId, Number, UtcTime, metadata

_CALL = "calls.call_id"

call_texts = sa.Table(
    "call_texts",
    metadata,
    # Microseconds from 1970 to the call's start, or the next free number: the index is in the order of time.
    sa.Column("number", Number, primary_key=True, autoincrement=False),
    sa.Column("call_id", CallId, sa.ForeignKey(_CALL), nullable=False),
    # As it is shown, and folded as it is searched.
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("words", TSVECTOR().with_variant(sa.Text(), "sqlite"), nullable=False),
    sa.UniqueConstraint("call_id", name="call_texts_once"),
)
words_index = sa.Index("call_texts_words", call_texts.c.words, postgresql_using="gin").ddl_if(
    dialect="postgresql"
)

call_kinds = sa.Table(
    "call_kinds",
    metadata,
    sa.Column("kind", sa.String(32), primary_key=True),
    sa.Column("started_at", UtcTime, primary_key=True),
    sa.Column("call_id", CallId, sa.ForeignKey(_CALL), primary_key=True),
    sa.Index("call_kinds_by_call", "call_id", "kind"),
    sqlite_with_rowid=False,
)

saved_filters = sa.Table(
    "saved_filters",
    metadata,
    sa.Column("user", sa.String(64), primary_key=True),
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("query", sa.Text, nullable=False),
)

SQLITE_INDEX = (
    # It keeps no text of its own, and its words are folded already: only spaces part them.
    "CREATE VIRTUAL TABLE call_words USING fts5(words, content='call_texts', content_rowid='number',"
    " tokenize='ascii')",
    "CREATE TRIGGER call_texts_in AFTER INSERT ON call_texts BEGIN"
    " INSERT INTO call_words(rowid, words) VALUES (new.number, new.words); END",
    "CREATE TRIGGER call_texts_out AFTER DELETE ON call_texts BEGIN"
    " INSERT INTO call_words(call_words, rowid, words) VALUES ('delete', old.number, old.words); END",
)
"""SQLite's full-text index. A row of `call_texts` is never updated, it is replaced."""

call_words = sa.table("call_words", sa.column("rowid", sa.Integer), sa.column("words", sa.Text))


@sa.event.listens_for(call_texts, "after_create")
def _index_on_sqlite(_table: Any, connection: sa.Connection, **_: Any) -> None:
    if connection.dialect.name == "sqlite":
        for statement in SQLITE_INDEX:
            connection.exec_driver_sql(statement)
