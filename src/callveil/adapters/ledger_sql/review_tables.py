"""Tables of what reviewers say of calls, and of what waits for a second person."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa

from callveil.adapters.ledger_sql.tables import CallId, UtcTime, metadata
from callveil.vocabulary.pii import Entity
from callveil.vocabulary.reviews import OverReason, Review, ReviewKind, ReviewState, Stretch

reviews = sa.Table(
    "reviews",
    metadata,
    sa.Column("review_id", sa.String(32), primary_key=True),
    sa.Column("call_id", CallId, sa.ForeignKey("calls.call_id"), nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("stretches", sa.Text, nullable=False),
    sa.Column("over_reason", sa.String(16)),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("at", UtcTime, nullable=False),
    sa.Column("certificate_sha256", sa.String(64)),
    sa.Column("confirmed_by", sa.Text),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("settled_at", UtcTime),
    sa.Column("result_sha256", sa.String(64)),
    sa.Column("lease_owner", sa.Text),
    sa.Column("lease_until", UtcTime),
    sa.Index("reviews_by_call", "call_id", "at"),
    sa.Index("reviews_by_state", "state", "at"),
)

proposals = sa.Table(
    "proposals",
    metadata,
    sa.Column("proposal_id", sa.String(32), primary_key=True),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("about", sa.Text, nullable=False),
    sa.Column("content", sa.Text, nullable=False),
    sa.Column("by", sa.Text, nullable=False),
    sa.Column("at", UtcTime, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("decided_by", sa.Text),
    sa.Column("decided_at", UtcTime),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Index("proposals_by_kind", "kind", "state", "at"),
    # Two of the same cannot both wait, not even when two are made at once.
    sa.Index(
        "proposals_open",
        "kind",
        "about",
        unique=True,
        sqlite_where=sa.text("state = 'open'"),
        postgresql_where=sa.text("state = 'open'"),
    ),
)


def review_of(row: sa.Row[Any]) -> Review:
    """A review as its row has it."""
    return Review(
        review_id=row.review_id,
        call_id=row.call_id,
        kind=ReviewKind(row.kind),
        stretches=tuple(
            Stretch(**{**one, "entity": Entity(one["entity"])}) for one in json.loads(row.stretches)
        ),
        over_reason=None if row.over_reason is None else OverReason(row.over_reason),
        by=row.by,
        at=row.at,
        certificate_sha256=row.certificate_sha256,
        confirmed_by=row.confirmed_by,
        state=ReviewState(row.state),
        reason=row.reason,
        settled_at=row.settled_at,
        result_sha256=row.result_sha256,
    )
