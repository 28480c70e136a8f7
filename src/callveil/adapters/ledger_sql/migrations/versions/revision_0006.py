"""Retention policies put in force on the pages, and indexes for what the pipeline did by the hour."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from callveil.adapters.ledger_sql.tables import UtcTime

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables and indexes."""
    op.create_table(
        "policy_sets",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("approved_by", sa.Text(), nullable=True),
        sa.Column("at", UtcTime, nullable=False),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_table(
        "policy_runs",
        sa.Column("run_id", sa.String(length=32), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("begun_at", UtcTime, nullable=False),
        sa.Column("updated_at", UtcTime, nullable=False),
        sa.Column("after", sa.Text(), nullable=True),
        sa.Column("counts", sa.Text(), nullable=False),
        sa.Column("done_at", UtcTime, nullable=True),
        sa.PrimaryKeyConstraint("run_id"),
    )
    op.create_index("policy_runs_by_time", "policy_runs", ["begun_at"])
    op.create_index("calls_by_arrival", "calls", ["received_at"])
    has_ended = sa.text("settled_at IS NOT NULL")
    op.create_index(
        "attempts_ended",
        "attempts",
        ["settled_at", "result", "error_code"],
        sqlite_where=has_ended,
        postgresql_where=has_ended,
    )


def downgrade() -> None:
    """There is no way back: what was recorded is kept."""
    raise NotImplementedError
