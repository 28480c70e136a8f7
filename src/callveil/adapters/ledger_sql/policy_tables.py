"""Tables of retention policies that were put in force on the pages."""

from __future__ import annotations

import sqlalchemy as sa

from callveil.adapters.ledger_sql.tables import UtcTime, metadata

policy_sets = sa.Table(
    "policy_sets",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("approved_by", sa.Text),
    sa.Column("at", UtcTime, nullable=False),
)

policy_runs = sa.Table(
    "policy_runs",
    metadata,
    sa.Column("run_id", sa.String(32), primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("begun_at", UtcTime, nullable=False),
    sa.Column("updated_at", UtcTime, nullable=False),
    sa.Column("after", sa.Text),
    sa.Column("counts", sa.Text, nullable=False),
    sa.Column("done_at", UtcTime),
    sa.Index("policy_runs_by_time", "begun_at"),
)
