"""Users of the pages: their sessions and tokens, and attempts to sign in."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from callveil.adapters.ledger_sql.tables import UtcTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "sign_in_attempts",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("last_at", UtcTime, nullable=False),
        sa.Column("blocked_until", UtcTime, nullable=True),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.create_index("sign_in_attempts_by_time", "sign_in_attempts", ["last_at"])
    op.create_table(
        "users",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("roles", sa.Text(), nullable=False),
        sa.Column("privileges", sa.Text(), nullable=False),
        sa.Column("queues", sa.Text(), nullable=False),
        sa.Column("created_at", UtcTime, nullable=False),
        sa.Column("disabled_at", UtcTime, nullable=True),
        sa.Column("password", sa.Text(), nullable=True),
        sa.Column("issuer", sa.Text(), nullable=True),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("name"),
        sa.UniqueConstraint("issuer", "subject", name="users_identity"),
    )
    op.create_table(
        "api_tokens",
        sa.Column("token_id", sa.String(length=32), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("user_name", sa.String(length=64), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("created_at", UtcTime, nullable=False),
        sa.Column("expires_at", UtcTime, nullable=False),
        sa.Column("revoked_at", UtcTime, nullable=True),
        sa.Column("used_at", UtcTime, nullable=True),
        sa.ForeignKeyConstraint(["user_name"], ["users.name"]),
        sa.PrimaryKeyConstraint("token_id"),
        sa.UniqueConstraint("digest", name="api_tokens_digest"),
    )
    op.create_index("api_tokens_by_user", "api_tokens", ["user_name"])
    op.create_table(
        "sessions",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("user_name", sa.String(length=64), nullable=False),
        sa.Column("created_at", UtcTime, nullable=False),
        sa.Column("seen_at", UtcTime, nullable=False),
        sa.ForeignKeyConstraint(["user_name"], ["users.name"]),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.create_index("sessions_by_use", "sessions", ["seen_at"])
    op.create_index("sessions_by_user", "sessions", ["user_name"])


def downgrade() -> None:
    """There is no way back: what was recorded is kept."""
    raise NotImplementedError
