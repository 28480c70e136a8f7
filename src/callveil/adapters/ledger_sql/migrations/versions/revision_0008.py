"""An index of calls that were tried in vain, by why: a page that people look at all day counts them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make it."""
    is_dead = sa.text("state IN ('failed', 'quarantined')")
    op.create_index(
        "calls_dead", "calls", ["state", "error_code"], sqlite_where=is_dead, postgresql_where=is_dead
    )


def downgrade() -> None:
    """There is no way back: what was recorded is kept."""
    raise NotImplementedError
