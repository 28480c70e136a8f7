"""The audit chain: each entry is sealed with the digest of all before it. FORMATS.md has the rule."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from callveil.adapters.ledger_sql.call_rows import dump
from callveil.adapters.ledger_sql.tables import audit, audit_head, time_text
from callveil.vocabulary.ledger import AuditEntry, CallState

FIRST_DIGEST = "0" * 64
"""Stands for the digest before the first entry."""

_PAGE = 1000

Detail = Mapping[str, str | int | float | bool | None]


class Action(StrEnum):
    """What the ledger itself writes into the chain; `Ledger.note` adds others. Claims are in `attempts`."""

    RECEIVED = "call.received"
    """A call was taken in."""
    ARRIVED = "call.arrived"
    """All of a live call is there."""
    CONSENT = "consent.recorded"
    """Answers came in."""
    HELD = "call.held"
    KEPT = "call.kept"
    """The consent gate lets it be kept."""
    RETRIED = "call.retried"
    """The work on it failed for now, and is tried again."""
    RETURNED = "call.returned"
    """A worker sent it back to the consent gate, or answers came in while it worked."""
    PUBLISHED = "call.published"
    QUARANTINED = "call.quarantined"
    DISCARDED = "call.discarded"
    FAILED = "call.failed"
    REPLAYED = "call.replayed"
    """Somebody sent it through once more."""
    SHREDDED = "call.shredded"
    """Its audio is gone from the landing."""
    REEMITTED = "call.reemitted"
    """Its event seemed to be lost and is owed again."""
    HOLD_ENDED = "call.hold_ended"
    """The deadline of a held call has passed; the gate decides once more."""
    LEASE_ENDED = "call.lease_ended"
    """The worker that redacted it is gone."""
    ENLISTED = "call.enlisted"
    """A call is about to be processed outside of the service."""
    RECORDED = "call.recorded"
    """How that ended."""
    EVENT = "call.event"
    """An event has come that retention policies count from."""
    REMOVAL_DECIDED = "removal.decided"
    """Parts of a call, or all of it, are to be deleted."""
    REMOVED = "removal.finished"
    """They are."""
    HOLD_PLACED = "hold.placed"
    HOLD_RELEASED = "hold.released"
    REQUEST_OPENED = "request.opened"
    REQUEST_CHANGED = "request.changed"
    REQUEST_ITEM = "request.item"
    """Where one call of a request stands now."""
    RESTRICTED = "call.restricted"
    UNRESTRICTED = "call.unrestricted"
    NOTICE_OWED = "notice.owed"
    """A recipient is to be told."""
    NOTICE_CHANGED = "notice.changed"
    USER_ADDED = "user.added"
    USER_CHANGED = "user.changed"
    """Roles, privileges or queues."""
    USER_DISABLED = "user.disabled"
    USER_ENABLED = "user.enabled"
    USER_PASSWORD = "user.password"  # noqa: S105  no password
    USER_IDENTITY = "user.identity"
    """Another identity provider, or none, vouches."""
    SIGNED_IN = "user.signed_in"
    SIGN_IN_FAILED = "user.sign_in_failed"
    SIGNED_OUT = "user.signed_out"
    TOKEN_ADDED = "token.added"  # noqa: S105  no token
    TOKEN_REVOKED = "token.revoked"  # noqa: S105  no token
    REVIEWED = "review.given"
    """Somebody said something of a call: see `vocabulary.reviews`."""
    REVIEW_CONFIRMED = "review.confirmed"
    """Somebody who heard the original agrees that a stretch needs no mask."""
    REVIEW_DONE = "review.done"
    REVIEW_REFUSED = "review.refused"
    PROPOSED = "proposal.made"
    """Something waits for a second person."""
    APPROVED = "proposal.approved"
    REJECTED = "proposal.rejected"
    POLICIES = "retention.policies"
    """Other retention policies are in force."""
    RUN_BEGUN = "retention.run_begun"
    """Published calls are being brought to the policies in force."""
    RUN_DONE = "retention.run_done"


SETTLED: Mapping[CallState, Action] = {
    CallState.RECEIVED: Action.RETURNED,
    CallState.HELD: Action.HELD,
    CallState.KEPT: Action.KEPT,
    CallState.PUBLISHED: Action.PUBLISHED,
    CallState.QUARANTINED: Action.QUARANTINED,
    CallState.DISCARDED: Action.DISCARDED,
    CallState.FAILED: Action.FAILED,
}
"""What a settlement is called by the state it leads to; KEPT after PROCESSING is RETRIED."""


def digest_of(
    previous: str, *, number: int, at: datetime, actor: str, action: str, call_id: str | None, detail: Detail
) -> str:
    """Digest of an entry, from the one before it."""
    entry = {
        "number": number,
        "at": time_text(at),
        "actor": actor,
        "action": action,
        "call_id": call_id,
        "detail": dict(detail),
    }
    return hashlib.sha256(f"{previous}\n{dump(entry)}".encode()).hexdigest()


def lock(connection: sa.Connection) -> None:
    """Keep others from adding until the transaction ends: what is looked up does not change meanwhile."""
    connection.execute(sa.select(audit_head).with_for_update()).one()


def append(
    connection: sa.Connection,
    *,
    actor: str,
    action: str,
    call_id: str | None,
    detail: Detail,
    now: datetime,
) -> None:
    """Add an entry. It keeps others from adding until the transaction ends: lock calls first."""
    head = connection.execute(sa.select(audit_head).with_for_update()).one()
    number = head.number + 1
    digest = digest_of(
        head.digest, number=number, at=now, actor=actor, action=action, call_id=call_id, detail=detail
    )
    connection.execute(
        sa.insert(audit).values(
            number=number,
            at=now,
            actor=actor,
            action=action,
            call_id=call_id,
            detail=dump(dict(detail)),
            digest=digest,
        )
    )
    connection.execute(sa.update(audit_head).values(number=number, digest=digest))


def read(
    connection: sa.Connection, *, after: int, limit: int, call_id: str | None = None
) -> tuple[AuditEntry, ...]:
    """Entries after a number, in order; those of one call, or all."""
    query = sa.select(audit).where(audit.c.number > after).order_by(audit.c.number).limit(limit)
    if call_id is not None:
        query = query.where(audit.c.call_id == call_id)
    return tuple(entry_of(row) for row in connection.execute(query))


def first_broken(connection: sa.Connection, on_progress: Callable[[int], None] | None = None) -> int | None:
    """Number of the first entry that is not what was written, or is missing; None when all are.

    Args:
        connection: In a transaction that sees one moment of the database.
        on_progress: Told now and then how many entries hold; what it raises ends the check.
    """
    head = connection.execute(sa.select(audit_head)).one_or_none()
    number, digest = 0, FIRST_DIGEST
    for row in _rows(connection):
        number += 1
        if not _is_sound(row, number, digest):
            return number
        digest = row.digest
        if on_progress is not None and number % _PAGE == 0:
            on_progress(number)
    if head is None or (head.number, head.digest) != (number, digest):
        return min(number, head.number) + 1 if head is not None else number + 1
    return None


def _rows(connection: sa.Connection) -> Iterator[sa.Row[Any]]:
    """All rows by number, a page in memory at a time, whatever their numbers are."""
    query = sa.select(audit).order_by(audit.c.number).limit(_PAGE)
    rows = connection.execute(query).all()
    while rows:
        yield from rows
        rows = connection.execute(query.where(audit.c.number > rows[-1].number)).all()


def _is_sound(row: sa.Row[Any], number: int, previous: str) -> bool:
    """Whether a row is the entry of this number. What cannot even be read is not."""
    try:
        entry = entry_of(row)
        expected = digest_of(
            previous,
            number=number,
            at=entry.at,
            actor=entry.actor,
            action=entry.action,
            call_id=entry.call_id,
            detail=entry.detail,
        )
        found = (row.number, row.digest, row.detail)
        return found == (number, expected, dump(dict(entry.detail)))
    except (ValueError, TypeError, AttributeError):
        return False


def entry_of(row: sa.Row[Any]) -> AuditEntry:
    """The entry that a row is."""
    return AuditEntry(
        number=row.number,
        at=row.at,
        actor=row.actor,
        action=row.action,
        call_id=row.call_id,
        detail=json.loads(row.detail),
        digest=row.digest,
    )
