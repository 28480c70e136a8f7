"""The audit chain is listed by who and what."""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the indexes."""
    op.create_index("audit_by_action", "audit", ["action", "at", "number"])
    op.create_index("audit_by_actor", "audit", ["actor", "action", "at", "number"])


def downgrade() -> None:
    """There is no way back: what was recorded is kept."""
    raise NotImplementedError
