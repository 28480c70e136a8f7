"""Retention and rights: the columns that retention goes by, and the tables beside the calls."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from alembic import op

from callveil.adapters.ledger_sql.tables import CallId, Number, UtcTime, time_of

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_BATCH = 500


def upgrade() -> None:
    """Make them, and fill the columns of the calls that are there."""
    _make_tables()
    _add_columns()
    _fill(op.get_bind())


def downgrade() -> None:
    """There is no way back: what was recorded is kept."""
    raise NotImplementedError


def _where(condition: str) -> dict[str, Any]:
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


def _make_tables() -> None:
    op.create_table(
        "holds",
        sa.Column("hold_id", sa.String(length=32), nullable=False),
        sa.Column("scope", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("authority", sa.Text(), nullable=False),
        sa.Column("placed_by", sa.Text(), nullable=False),
        sa.Column("placed_at", UtcTime, nullable=False),
        sa.Column("released_by", sa.Text(), nullable=True),
        sa.Column("released_at", UtcTime, nullable=True),
        sa.Column("release_reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("hold_id"),
    )
    op.create_table(
        "notices",
        sa.Column("notice_id", sa.String(length=32), nullable=False),
        sa.Column("recipient", sa.String(length=64), nullable=False),
        sa.Column("request_id", sa.String(length=32), nullable=False),
        sa.Column("event", sa.String(length=32), nullable=False),
        sa.Column("call_ids", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", UtcTime, nullable=False),
        sa.Column("due_at", UtcTime, nullable=False),
        sa.Column("escalated_at", UtcTime, nullable=True),
        sa.Column("delivered_at", UtcTime, nullable=True),
        sa.Column("receipt", sa.Text(), nullable=True),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("notice_id"),
    )
    op.create_index("notices_by_request", "notices", ["request_id"])
    op.create_index("notices_due", "notices", ["state", "next_at"])
    op.create_table(
        "requests",
        sa.Column("request_id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("received_at", UtcTime, nullable=False),
        sa.Column("due_at", UtcTime, nullable=False),
        sa.Column("extension_reason", sa.Text(), nullable=True),
        sa.Column("closed_at", UtcTime, nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("request_id"),
    )
    op.create_index("requests_by_state", "requests", ["state", "received_at"])
    op.create_table(
        "traits",
        sa.Column("number", Number, autoincrement=True, nullable=False),
        sa.Column("traits", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("traits", name="traits_once"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "hold_identities",
        sa.Column("number", Number, autoincrement=True, nullable=False),
        sa.Column("hold_id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["hold_id"], ["holds.hold_id"]),
        sa.PrimaryKeyConstraint("number"),
        sqlite_autoincrement=True,
    )
    op.create_index("hold_identities_by_digest", "hold_identities", ["digest"])
    op.create_table(
        "request_identities",
        sa.Column("number", Number, autoincrement=True, nullable=False),
        sa.Column("request_id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("party", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["request_id"], ["requests.request_id"]),
        sa.PrimaryKeyConstraint("number"),
        sqlite_autoincrement=True,
    )
    op.create_index("request_identities_by_request", "request_identities", ["request_id"])
    op.create_table(
        "call_events",
        sa.Column("call_id", CallId, nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("at", UtcTime, nullable=False),
        sa.ForeignKeyConstraint(["call_id"], ["calls.call_id"]),
        sa.PrimaryKeyConstraint("call_id", "name"),
    )
    op.create_table(
        "hold_calls",
        sa.Column("hold_id", sa.String(length=32), nullable=False),
        sa.Column("call_id", CallId, nullable=False),
        sa.ForeignKeyConstraint(["hold_id"], ["holds.hold_id"]),
        sa.ForeignKeyConstraint(["call_id"], ["calls.call_id"]),
        sa.PrimaryKeyConstraint("hold_id", "call_id"),
    )
    op.create_index("hold_calls_by_call", "hold_calls", ["call_id"])
    op.create_table(
        "identities",
        sa.Column("number", Number, autoincrement=True, nullable=False),
        sa.Column("call_id", CallId, nullable=False),
        sa.Column("party", sa.Integer(), nullable=False),
        sa.Column("role", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["call_id"], ["calls.call_id"]),
        sa.PrimaryKeyConstraint("number"),
        sqlite_autoincrement=True,
    )
    op.create_index("identities_by_call", "identities", ["call_id"])
    op.create_index("identities_by_digest", "identities", ["digest", "call_id"])
    op.create_index("identities_by_generation", "identities", ["generation", "number"])
    op.create_table(
        "removals",
        sa.Column("removal_id", sa.String(length=32), nullable=False),
        sa.Column("call_id", CallId, nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("landing", sa.Text(), nullable=True),
        sa.Column("parts", sa.Text(), nullable=False),
        sa.Column("why", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("request_id", sa.String(length=32), nullable=True),
        sa.Column("decided_at", UtcTime, nullable=False),
        sa.Column("done_at", UtcTime, nullable=True),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["call_id"], ["calls.call_id"]),
        sa.PrimaryKeyConstraint("removal_id"),
    )
    op.create_index("removals_by_call", "removals", ["call_id"])
    op.create_index("removals_by_request", "removals", ["request_id"])
    op.create_index("removals_unfinished", "removals", ["decided_at"], **_where("done_at IS NULL"))
    op.create_table(
        "request_items",
        sa.Column("request_id", sa.String(length=32), nullable=False),
        sa.Column("call_id", CallId, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("review_at", UtcTime, nullable=True),
        sa.Column("parties", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["request_id"], ["requests.request_id"]),
        sa.ForeignKeyConstraint(["call_id"], ["calls.call_id"]),
        sa.PrimaryKeyConstraint("request_id", "call_id"),
    )
    op.create_index("request_items_by_call", "request_items", ["call_id"])
    op.create_index("request_items_by_state", "request_items", ["state", "review_at"])


def _add_columns() -> None:
    op.add_column("calls", sa.Column("traits", Number, nullable=True))
    op.add_column("calls", sa.Column("ended_at", UtcTime, nullable=True))
    op.add_column("calls", sa.Column("ended_on", sa.String(length=10), nullable=True))
    op.add_column("calls", sa.Column("gone", sa.String(length=64), server_default="", nullable=False))
    op.add_column("calls", sa.Column("restricted", sa.Text(), nullable=True))
    op.add_column("calls", sa.Column("n_holds", sa.Integer(), server_default="0", nullable=False))
    op.add_column("calls", sa.Column("store_hold", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("calls", sa.Column("singled_out", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.create_index(
        "calls_grouped",
        "calls",
        ["traits", "state", "ended_on", "gone", "duration_s", "singled_out"],
        **_where("NOT singled_out"),
    )
    op.create_index(
        "calls_holds_differ",
        "calls",
        ["call_id"],
        **_where("(n_holds > 0) <> store_hold AND prefix IS NOT NULL"),
    )
    op.create_index("calls_singled_out", "calls", ["call_id"], **_where("singled_out"))


def _fill(connection: sa.Connection) -> None:
    """Traits and ends of calls that an earlier version took in, a batch at a time."""
    calls = sa.table(
        "calls",
        sa.column("call_id"),
        sa.column("call"),
        sa.column("duration_s"),
        sa.column("traits"),
        sa.column("ended_at", UtcTime),
        sa.column("ended_on"),
    )
    traits = sa.table("traits", sa.column("number"), sa.column("traits"))
    known: dict[str, int] = {}
    query = (
        sa.select(calls.c.call_id, calls.c.call, calls.c.duration_s).order_by(calls.c.call_id).limit(_BATCH)
    )
    rows = connection.execute(query).all()
    while rows:
        for row in rows:
            document = json.loads(row.call)
            text = _traits(document)
            if text not in known:
                connection.execute(sa.insert(traits).values(traits=text))
                number = connection.scalar(sa.select(traits.c.number).where(traits.c.traits == text))
                known[text] = int(number or 0)
            ended_at: datetime = time_of(document["started_at"]) + timedelta(seconds=row.duration_s or 0.0)
            connection.execute(
                sa.update(calls)
                .where(calls.c.call_id == row.call_id)
                .values(traits=known[text], ended_at=ended_at, ended_on=f"{ended_at:%Y-%m-%d}")
            )
        rows = connection.execute(query.where(calls.c.call_id > rows[-1].call_id)).all()


def _traits(document: dict[str, Any]) -> str:
    """As `call_traits` and `traits_to_json` made them when this revision was written."""
    against = {each["purpose"] for each in document["consent"] if each["flag"] in ("denied", "withdrawn")}
    granted = {
        each["purpose"]
        for each in document["consent"]
        if each["flag"] == "granted" or each["lawful_basis"] not in (None, "consent")
    }
    places = {party["jurisdiction"] for party in document["parties"] if party["jurisdiction"]}
    found = {
        "direction": document["direction"],
        "jurisdictions": sorted(places),
        "purposes": sorted(granted - against),
        "queue": document["queue"],
        "tags": [],
    }
    return json.dumps(found, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
