"""What reviewers say of calls, what waits for a second person, and the agents of a queue."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from callveil.adapters.ledger_sql.tables import CallId, UtcTime

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make them."""
    op.create_index("calls_by_queue_and_agent", "calls", ["queue", "agent"])
    op.create_table(
        "reviews",
        sa.Column("review_id", sa.String(length=32), nullable=False),
        sa.Column("call_id", CallId, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("stretches", sa.Text(), nullable=False),
        sa.Column("over_reason", sa.String(length=16), nullable=True),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("at", UtcTime, nullable=False),
        sa.Column("certificate_sha256", sa.String(length=64), nullable=True),
        sa.Column("confirmed_by", sa.Text(), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("settled_at", UtcTime, nullable=True),
        sa.Column("result_sha256", sa.String(length=64), nullable=True),
        sa.Column("lease_owner", sa.Text(), nullable=True),
        sa.Column("lease_until", UtcTime, nullable=True),
        sa.ForeignKeyConstraint(["call_id"], ["calls.call_id"]),
        sa.PrimaryKeyConstraint("review_id"),
    )
    op.create_index("reviews_by_call", "reviews", ["call_id", "at"])
    op.create_index("reviews_by_state", "reviews", ["state", "at"])
    op.create_table(
        "proposals",
        sa.Column("proposal_id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("about", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("at", UtcTime, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("decided_at", UtcTime, nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("proposal_id"),
    )
    op.create_index("proposals_by_kind", "proposals", ["kind", "state", "at"])
    is_open = sa.text("state = 'open'")
    op.create_index(
        "proposals_open",
        "proposals",
        ["kind", "about"],
        unique=True,
        sqlite_where=is_open,
        postgresql_where=is_open,
    )


def downgrade() -> None:
    """There is no way back: what was recorded is kept."""
    raise NotImplementedError
