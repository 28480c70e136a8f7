"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from callveil.adapters.ledger_sql.tables import CallId, Number, UtcTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "calls",
        sa.Column("call_id", CallId, primary_key=True),
        sa.Column("call", sa.Text, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("error_code", sa.String(32)),
        sa.Column("source", sa.String(32), nullable=False),
        sa.Column("landing", sa.Text),
        sa.Column("stream", sa.String(64)),
        sa.Column("content_sha256", sa.String(64)),
        sa.Column("n_bytes", sa.BigInteger),
        sa.Column("incomplete", sa.Boolean, nullable=False),
        sa.Column("idempotency_sha256", sa.String(64)),
        sa.Column("prefix", sa.Text),
        sa.Column("keep_until_s", sa.Float(53)),
        sa.Column("hold_until", UtcTime),
        sa.Column("duration_s", sa.Float(53)),
        sa.Column("masked_s", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("consent_version", sa.Integer, nullable=False),
        sa.Column("received_at", UtcTime, nullable=False),
        sa.Column("arrived_at", UtcTime),
        sa.Column("heartbeat_at", UtcTime, nullable=False),
        sa.Column("updated_at", UtcTime, nullable=False),
        sa.Column("waiting_since", UtcTime),
        sa.Column("not_before", UtcTime),
        sa.Column("fence", sa.BigInteger, nullable=False),
        sa.Column("lease_owner", sa.Text),
        sa.Column("lease_until", UtcTime),
        sa.Column("last_event", sa.String(36)),
        sa.Column("sent_at", UtcTime),
        sa.UniqueConstraint("idempotency_sha256", name="calls_idempotency"),
    )
    op.create_index("calls_by_state", "calls", ["state", "call_id"])
    _create_partial_index("calls_by_landing", "calls", ["landing"], where=sa.text("landing IS NOT NULL"))
    _create_partial_index("calls_arriving", "calls", ["heartbeat_at"], where=sa.text("arrived_at IS NULL"))
    _create_partial_index(
        "calls_waiting", "calls", ["waiting_since"], where=sa.text("waiting_since IS NOT NULL")
    )
    _create_partial_index(
        "calls_to_shred",
        "calls",
        ["updated_at"],
        where=sa.text(
            "state IN ('published', 'discarded') AND landing IS NOT NULL AND arrived_at IS NOT NULL"
        ),
    )
    _create_partial_index("calls_held", "calls", ["hold_until"], where=sa.text("state = 'held'"))
    _create_partial_index("calls_processing", "calls", ["lease_until"], where=sa.text("state = 'processing'"))
    _create_partial_index(
        "calls_sent",
        "calls",
        ["sent_at"],
        where=sa.text("state IN ('received', 'kept') AND sent_at IS NOT NULL AND arrived_at IS NOT NULL"),
    )
    op.create_table(
        "consent",
        sa.Column("number", Number, primary_key=True, autoincrement=True),
        sa.Column("call_id", CallId, sa.ForeignKey("calls.call_id"), nullable=False),
        sa.Column("at", UtcTime, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("record", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("consent_by_call", "consent", ["call_id", "number"])
    op.create_table(
        "outbox",
        sa.Column("number", Number, primary_key=True, autoincrement=True),
        sa.Column("event_id", sa.String(36), nullable=False),
        sa.Column("topic", sa.String(64), nullable=False),
        sa.Column("call_id", CallId, sa.ForeignKey("calls.call_id"), nullable=False),
        sa.Column("at", UtcTime, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("prefix", sa.Text),
        sa.Column("error_code", sa.String(32)),
        sa.Column("due_at", UtcTime, nullable=False),
        sa.Column("lease_owner", sa.Text),
        sa.Column("lease_until", UtcTime),
        sa.UniqueConstraint("event_id", name="outbox_event"),
        sqlite_autoincrement=True,
    )
    op.create_index("outbox_due", "outbox", ["due_at", "number"])
    op.create_index("outbox_by_call", "outbox", ["call_id"])
    op.create_table(
        "attempts",
        sa.Column("call_id", CallId, sa.ForeignKey("calls.call_id"), primary_key=True),
        sa.Column("fence", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("claimed_at", UtcTime, nullable=False),
        sa.Column("settled_at", UtcTime),
        sa.Column("result", sa.String(16)),
        sa.Column("error_code", sa.String(32)),
    )
    op.create_table(
        "audit",
        sa.Column("number", Number, primary_key=True, autoincrement=False),
        sa.Column("at", UtcTime, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("call_id", CallId),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
    )
    head = op.create_table(
        "audit_head",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
    )
    op.bulk_insert(head, [{"id": 1, "number": 0, "digest": "0" * 64}])


def downgrade() -> None:
    """There is no way back: what was recorded is kept."""
    raise NotImplementedError


def _create_partial_index(name: str, table: str, columns: list[str], *, where: sa.TextClause) -> None:
    op.create_index(name, table, columns, sqlite_where=where, postgresql_where=where)
