"""Tables of retention and rights: subject index, holds, requests, notices, removals."""

from __future__ import annotations

import sqlalchemy as sa

from callveil.adapters.ledger_sql.tables import CallId, Number, UtcTime, metadata

_CALL = "calls.call_id"

# Which calls a person is in. There is no identifier here, only its keyed hash.
identities = sa.Table(
    "identities",
    metadata,
    sa.Column("number", Number, primary_key=True, autoincrement=True),
    sa.Column("call_id", CallId, sa.ForeignKey(_CALL), nullable=False),
    sa.Column("party", sa.Integer, nullable=False),
    sa.Column("role", sa.String(32), nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("generation", sa.Integer, nullable=False),
    sa.Index("identities_by_digest", "digest", "call_id"),
    sa.Index("identities_by_call", "call_id"),
    sa.Index("identities_by_generation", "generation", "number"),
    sqlite_autoincrement=True,
)

holds = sa.Table(
    "holds",
    metadata,
    sa.Column("hold_id", sa.String(32), primary_key=True),
    sa.Column("scope", sa.String(16), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("authority", sa.Text, nullable=False),
    sa.Column("placed_by", sa.Text, nullable=False),
    sa.Column("placed_at", UtcTime, nullable=False),
    sa.Column("released_by", sa.Text),
    sa.Column("released_at", UtcTime),
    sa.Column("release_reason", sa.Text),
)

hold_calls = sa.Table(
    "hold_calls",
    metadata,
    sa.Column("hold_id", sa.String(32), sa.ForeignKey("holds.hold_id"), primary_key=True),
    sa.Column("call_id", CallId, sa.ForeignKey(_CALL), primary_key=True),
    sa.Index("hold_calls_by_call", "call_id"),
)

# Later calls of these persons come under the hold as they arrive.
hold_identities = sa.Table(
    "hold_identities",
    metadata,
    sa.Column("number", Number, primary_key=True, autoincrement=True),
    sa.Column("hold_id", sa.String(32), sa.ForeignKey("holds.hold_id"), nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("generation", sa.Integer, nullable=False),
    sa.Index("hold_identities_by_digest", "digest"),
    sqlite_autoincrement=True,
)

requests = sa.Table(
    "requests",
    metadata,
    sa.Column("request_id", sa.String(32), primary_key=True),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("received_at", UtcTime, nullable=False),
    sa.Column("due_at", UtcTime, nullable=False),
    sa.Column("extension_reason", sa.Text),
    sa.Column("closed_at", UtcTime),
    sa.Column("note", sa.Text, nullable=False),
    sa.Index("requests_by_state", "state", "received_at"),
)

request_identities = sa.Table(
    "request_identities",
    metadata,
    sa.Column("number", Number, primary_key=True, autoincrement=True),
    sa.Column("request_id", sa.String(32), sa.ForeignKey("requests.request_id"), nullable=False),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("generation", sa.Integer, nullable=False),
    sa.Column("party", sa.Integer, nullable=False),
    sa.Index("request_identities_by_request", "request_id"),
    sqlite_autoincrement=True,
)

request_items = sa.Table(
    "request_items",
    metadata,
    sa.Column("request_id", sa.String(32), sa.ForeignKey("requests.request_id"), primary_key=True),
    sa.Column("call_id", CallId, sa.ForeignKey(_CALL), primary_key=True),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("review_at", UtcTime),
    # Parties of the call that the person is, as JSON.
    sa.Column("parties", sa.Text, nullable=False),
    sa.Index("request_items_by_call", "call_id"),
    sa.Index("request_items_by_state", "state", "review_at"),
)

call_events = sa.Table(
    "call_events",
    metadata,
    sa.Column("call_id", CallId, sa.ForeignKey(_CALL), primary_key=True),
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("at", UtcTime, nullable=False),
)

notices = sa.Table(
    "notices",
    metadata,
    sa.Column("notice_id", sa.String(32), primary_key=True),
    sa.Column("recipient", sa.String(64), nullable=False),
    sa.Column("request_id", sa.String(32), nullable=False),
    sa.Column("event", sa.String(32), nullable=False),
    sa.Column("call_ids", sa.Text, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("next_at", UtcTime, nullable=False),
    sa.Column("due_at", UtcTime, nullable=False),
    sa.Column("escalated_at", UtcTime),
    sa.Column("delivered_at", UtcTime),
    sa.Column("receipt", sa.Text),
    sa.Column("problem", sa.Text, nullable=False),
    sa.Index("notices_due", "state", "next_at"),
    sa.Index("notices_by_request", "request_id"),
)

removals = sa.Table(
    "removals",
    metadata,
    sa.Column("removal_id", sa.String(32), primary_key=True),
    sa.Column("call_id", CallId, sa.ForeignKey(_CALL), nullable=False),
    sa.Column("prefix", sa.Text, nullable=False),
    sa.Column("landing", sa.Text),
    sa.Column("parts", sa.Text, nullable=False),
    sa.Column("why", sa.String(16), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("request_id", sa.String(32)),
    sa.Column("decided_at", UtcTime, nullable=False),
    sa.Column("done_at", UtcTime),
    sa.Column("evidence", sa.Text, nullable=False),
    sa.Index("removals_by_call", "call_id"),
    sa.Index("removals_by_request", "request_id"),
    sa.Index(
        "removals_unfinished",
        "decided_at",
        sqlite_where=sa.text("done_at IS NULL"),
        postgresql_where=sa.text("done_at IS NULL"),
    ),
)
