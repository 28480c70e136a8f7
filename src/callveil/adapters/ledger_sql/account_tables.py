"""Tables of users, their sessions and tokens, and attempts to sign in."""

from __future__ import annotations

import sqlalchemy as sa

from callveil.adapters.ledger_sql.tables import UtcTime, metadata

# Sets are sorted, with spaces between; queues are JSON, for their names may hold anything.
users = sa.Table(
    "users",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("roles", sa.Text, nullable=False),
    sa.Column("privileges", sa.Text, nullable=False),
    sa.Column("queues", sa.Text, nullable=False),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("disabled_at", UtcTime),
    # Salted and slow hash, with its parameters.
    sa.Column("password", sa.Text),
    # The user at an identity provider.
    sa.Column("issuer", sa.Text),
    sa.Column("subject", sa.Text),
    sa.UniqueConstraint("issuer", "subject", name="users_identity"),
)

sessions = sa.Table(
    "sessions",
    metadata,
    # SHA-256 of the cookie's token: who reads the database cannot sign in with what is here.
    sa.Column("digest", sa.String(64), primary_key=True),
    sa.Column("user_name", sa.String(64), sa.ForeignKey("users.name"), nullable=False),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("seen_at", UtcTime, nullable=False),
    sa.Index("sessions_by_user", "user_name"),
    sa.Index("sessions_by_use", "seen_at"),
)

api_tokens = sa.Table(
    "api_tokens",
    metadata,
    sa.Column("token_id", sa.String(32), primary_key=True),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("user_name", sa.String(64), sa.ForeignKey("users.name"), nullable=False),
    sa.Column("label", sa.Text, nullable=False),
    sa.Column("scopes", sa.Text, nullable=False),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("expires_at", UtcTime, nullable=False),
    sa.Column("revoked_at", UtcTime),
    sa.Column("used_at", UtcTime),
    sa.UniqueConstraint("digest", name="api_tokens_digest"),
    sa.Index("api_tokens_by_user", "user_name"),
)

# One row per name and per address that somebody tried to sign in with and did not.
sign_in_attempts = sa.Table(
    "sign_in_attempts",
    metadata,
    # SHA-256 of kind and value: a password typed in the wrong field must not stand here.
    sa.Column("digest", sa.String(64), primary_key=True),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("last_at", UtcTime, nullable=False),
    sa.Column("blocked_until", UtcTime),
    sa.Index("sign_in_attempts_by_time", "last_at"),
)
