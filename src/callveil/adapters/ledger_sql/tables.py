"""Tables of the ledger. The migrations make the same ones; a test compares them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine


def time_text(time: datetime) -> str:
    """An aware time as ISO 8601 in UTC with microseconds: "2026-11-23T09:30:00.000000Z".

    Raises:
        ValueError: It has no time zone.
    """
    if time.tzinfo is None:
        raise ValueError("a time without time zone")
    text = time.astimezone(UTC).isoformat(timespec="microseconds")
    return text.removesuffix("+00:00") + "Z"


def time_of(text: str) -> datetime:
    """The time that `time_text` wrote."""
    return datetime.fromisoformat(text)


class UtcTime(TypeDecorator[datetime]):
    """Aware UTC to the microsecond: a timestamp in PostgreSQL, sortable text in SQLite."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """See `TypeDecorator`."""
        return dialect.type_descriptor(
            sa.String(27) if dialect.name == "sqlite" else sa.DateTime(timezone=True)
        )

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> object:
        """See `TypeDecorator`."""
        if value is None:
            return None
        text = time_text(value)
        return text if dialect.name == "sqlite" else value.astimezone(UTC)

    def process_result_value(self, value: object, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """See `TypeDecorator`."""
        if isinstance(value, datetime):
            return value.astimezone(UTC)
        return None if value is None else time_of(str(value))


# Ids are compared byte by byte, as Python does, whatever language the database sorts in.
CallId = sa.String(128).with_variant(sa.String(128, collation="C"), "postgresql")
Number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

# A partial index serves a query only when its condition stands there word for word: both take it from here.
STILL_ARRIVING = sa.text("arrived_at IS NULL")
IN_LANDING = sa.text("landing IS NOT NULL")
IS_WAITING = sa.text("waiting_since IS NOT NULL")
TO_SHRED = sa.text("state IN ('published', 'discarded') AND landing IS NOT NULL AND arrived_at IS NOT NULL")
IS_HELD = sa.text("state = 'held'")
IS_PROCESSING = sa.text("state = 'processing'")
HOLDS_DIFFER = sa.text("(n_holds > 0) <> store_hold AND prefix IS NOT NULL")
SINGLED_OUT = sa.text("singled_out")
NOT_SINGLED_OUT = sa.text("NOT singled_out")
ON_HOLD = sa.text("n_holds > 0")
IS_RESTRICTED = sa.text("restricted IS NOT NULL")
HAS_GONE = sa.text("gone <> ''")
OF_A_CALL = sa.text("call_id IS NOT NULL")
TEXT_OWED = sa.text("text_owed")
IS_DEAD = sa.text("state IN ('failed', 'quarantined')")
HAS_ENDED = sa.text("settled_at IS NOT NULL")
HAS_SENT = sa.text("state IN ('received', 'kept') AND sent_at IS NOT NULL AND arrived_at IS NOT NULL")

OUTSIDE = "process"
"""Source of calls that are processed outside of the service: no worker decides about them."""

metadata = sa.MetaData()


def _partial(name: str, *columns: str, where: sa.TextClause) -> sa.Index:
    return sa.Index(name, *columns, sqlite_where=where, postgresql_where=where)


# Traits that policies look at, each text once: very many calls share a few of them.
traits = sa.Table(
    "traits",
    metadata,
    sa.Column("number", Number, primary_key=True, autoincrement=True),
    sa.Column("traits", sa.Text, nullable=False),
    sa.UniqueConstraint("traits", name="traits_once"),
    sqlite_autoincrement=True,
)

calls = sa.Table(
    "calls",
    metadata,
    sa.Column("call_id", CallId, primary_key=True),
    # Metadata with the consent that now stands, without identifiers.
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
    # SHA-256 of the client's key, which may be anything, even personal.
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
    # Since when somebody has to do something; null while it arrives, is held or is final.
    sa.Column("waiting_since", UtcTime),
    sa.Column("not_before", UtcTime),
    sa.Column("fence", sa.BigInteger, nullable=False),
    sa.Column("lease_owner", sa.Text),
    sa.Column("lease_until", UtcTime),
    # The event that entering the present state owed, and when it was sent; null while it is not.
    sa.Column("last_event", sa.String(36)),
    sa.Column("sent_at", UtcTime),
    # What retention goes by.
    sa.Column("traits", Number),
    sa.Column("ended_at", UtcTime),
    sa.Column("ended_on", sa.String(10)),
    # Parts that are deleted, sorted, with "+" between.
    sa.Column("gone", sa.String(64), nullable=False, server_default=""),
    sa.Column("restricted", sa.Text),
    sa.Column("n_holds", sa.Integer, nullable=False, server_default="0"),
    sa.Column("store_hold", sa.Boolean, nullable=False, server_default=sa.false()),
    # A hold, an open request, a restriction or an event tells it from others with its traits.
    sa.Column("singled_out", sa.Boolean, nullable=False, server_default=sa.false()),
    # What lists are in the order of, and are filtered by.
    sa.Column("started_at", UtcTime, nullable=False, server_default="1970-01-01T00:00:00.000000Z"),
    sa.Column("queue", sa.Text),
    sa.Column("agent", sa.Text),
    sa.Column("length_s", sa.Float(53), nullable=False, server_default="0"),
    sa.Column("masked_total_s", sa.Float(53), nullable=False, server_default="0"),
    # Its transcript is published and may be searched, and is not in the index.
    sa.Column("text_owed", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.UniqueConstraint("idempotency_sha256", name="calls_idempotency"),
    sa.Index("calls_by_state", "state", "call_id"),
    _partial("calls_by_landing", "landing", where=IN_LANDING),
    _partial("calls_arriving", "heartbeat_at", where=STILL_ARRIVING),
    _partial("calls_waiting", "waiting_since", where=IS_WAITING),
    _partial("calls_to_shred", "updated_at", where=TO_SHRED),
    _partial("calls_held", "hold_until", where=IS_HELD),
    _partial("calls_processing", "lease_until", where=IS_PROCESSING),
    _partial("calls_sent", "sent_at", where=HAS_SENT),
    # All that `Removals.groups` reads, in the order it groups by; SQLite looks up the condition too.
    _partial(
        "calls_grouped",
        *("traits", "state", "ended_on", "gone", "duration_s", "singled_out"),
        where=NOT_SINGLED_OUT,
    ),
    _partial("calls_singled_out", "call_id", where=SINGLED_OUT),
    _partial("calls_holds_differ", "call_id", where=HOLDS_DIFFER),
    sa.Index("calls_by_start", "started_at", "call_id"),
    sa.Index("calls_by_queue", "queue", "started_at", "call_id"),
    sa.Index("calls_by_queue_and_agent", "queue", "agent"),
    sa.Index("calls_by_agent", "agent", "started_at", "call_id"),
    sa.Index("calls_by_state_and_start", "state", "started_at", "call_id"),
    sa.Index("calls_by_length", "length_s", "call_id"),
    sa.Index("calls_by_masked", "masked_total_s", "call_id"),
    _partial("calls_on_hold", "started_at", "call_id", where=ON_HOLD),
    _partial("calls_restricted", "started_at", "call_id", where=IS_RESTRICTED),
    _partial("calls_with_gone", "started_at", "call_id", where=HAS_GONE),
    _partial("calls_text_owed", "call_id", where=TEXT_OWED),
    sa.Index("calls_by_arrival", "received_at"),
    # All that is counted of calls that were tried in vain.
    _partial("calls_dead", "state", "error_code", where=IS_DEAD),
)

consent = sa.Table(
    "consent",
    metadata,
    sa.Column("number", Number, primary_key=True, autoincrement=True),
    sa.Column("call_id", CallId, sa.ForeignKey("calls.call_id"), nullable=False),
    sa.Column("at", UtcTime, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("record", sa.Text, nullable=False),
    sa.Index("consent_by_call", "call_id", "number"),
    sqlite_autoincrement=True,
)

# Events that are owed; a row goes when its event has reached the broker.
outbox = sa.Table(
    "outbox",
    metadata,
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
    sa.Index("outbox_due", "due_at", "number"),
    sa.Index("outbox_by_call", "call_id"),
    sqlite_autoincrement=True,
)

# Who worked on what, one row per claim; a claim that was never settled has no end.
attempts = sa.Table(
    "attempts",
    metadata,
    sa.Column("call_id", CallId, sa.ForeignKey("calls.call_id"), primary_key=True),
    sa.Column("fence", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("claimed_at", UtcTime, nullable=False),
    sa.Column("settled_at", UtcTime),
    sa.Column("result", sa.String(16)),
    sa.Column("error_code", sa.String(32)),
    # All that is counted by the hour.
    _partial("attempts_ended", "settled_at", "result", "error_code", where=HAS_ENDED),
)

audit = sa.Table(
    "audit",
    metadata,
    sa.Column("number", Number, primary_key=True, autoincrement=False),
    sa.Column("at", UtcTime, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("action", sa.String(64), nullable=False),
    sa.Column("call_id", CallId),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
    _partial("audit_by_call", "call_id", "number", where=OF_A_CALL),
    sa.Index("audit_by_action", "action", "at", "number"),
    sa.Index("audit_by_actor", "actor", "action", "at", "number"),
)

# One row: the end of the chain. Its lock makes the chain serial.
audit_head = sa.Table(
    "audit_head",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("number", sa.BigInteger, nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
)
