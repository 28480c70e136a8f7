"""What reviewers say of calls. See `ports.Reviews`."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from callveil.adapters.ledger_sql import audit_chain
from callveil.adapters.ledger_sql.audit_chain import Action
from callveil.adapters.ledger_sql.call_rows import dump
from callveil.adapters.ledger_sql.call_state import find
from callveil.adapters.ledger_sql.database import Database
from callveil.adapters.ledger_sql.review_tables import reviews
from callveil.errors import LeaseLostError, NotFoundError, RefusedError
from callveil.vocabulary.ledger import CallState
from callveil.vocabulary.pii import Entity
from callveil.vocabulary.reviews import OverReason, Review, ReviewKind, ReviewState, Stretch

_KIND, _STATE = ReviewKind, ReviewState

_FIRST_STATE = {
    _KIND.CLEAN: _STATE.DONE,
    _KIND.MISSED: _STATE.OWED,
    _KIND.OVER: _STATE.REPORTED,
    _KIND.RELEASE: _STATE.OWED,
    _KIND.DISCARD: _STATE.OWED,
}
_OF_QUARANTINED = frozenset({_KIND.RELEASE, _KIND.DISCARD})


class SqlReviews:
    """See `ports.Reviews`.

    Args:
        database: The ledger's.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, review: Review, *, now: datetime) -> Review:
        """See `Reviews.put`."""
        return self._database.write(lambda c: _put(c, review, now))

    def confirm(self, review_id: str, *, actor: str, now: datetime) -> Review:
        """See `Reviews.confirm`."""
        return self._database.write(lambda c: _confirm(c, review_id, actor=actor, now=now))

    def refuse(self, review_id: str, *, reason: str, actor: str, now: datetime) -> Review:
        """See `Reviews.refuse`."""
        return self._database.write(lambda c: _refuse(c, review_id, reason, actor=actor, now=now))

    def get(self, review_id: str) -> Review:
        """See `Reviews.get`."""
        return self._database.read(lambda c: _get(c, review_id))

    def of(self, call_id: str) -> tuple[Review, ...]:
        """See `Reviews.of`."""
        query = sa.select(reviews).where(reviews.c.call_id == call_id)
        return self._reviews(query.order_by(reviews.c.at, reviews.c.review_id))

    def missed(self, call_id: str) -> tuple[Stretch, ...]:
        """See `Reviews.missed`."""
        return _stretches(r for r in self.of(call_id) if r.kind in (_KIND.MISSED, _KIND.RELEASE))

    def vouched(self, call_id: str) -> tuple[Stretch, ...]:
        """See `Reviews.vouched`."""
        return _stretches(r for r in self.of(call_id) if r.kind is _KIND.OVER and r.confirmed_by is not None)

    def owed(self, *, now: datetime, limit: int = 500) -> tuple[str, ...]:
        """See `Reviews.owed`."""
        free = sa.or_(reviews.c.lease_until.is_(None), reviews.c.lease_until <= now)
        query = (
            sa.select(reviews.c.call_id)
            .where(reviews.c.state == _STATE.OWED.value, free)
            .group_by(reviews.c.call_id)
            .order_by(sa.func.min(reviews.c.at), reviews.c.call_id)
            .limit(limit)
        )
        return self._database.read(lambda c: tuple(c.scalars(query)))

    def claim(self, call_id: str, *, owner: str, lease_s: float, now: datetime) -> tuple[Review, ...]:
        """See `Reviews.claim`."""
        return self._database.write(
            lambda c: _claim(c, call_id, owner, now, now + timedelta(seconds=lease_s))
        )

    def renew(self, call_id: str, *, owner: str, lease_s: float, now: datetime) -> bool:
        """See `Reviews.renew`."""
        query = (
            sa.update(reviews)
            .where(
                reviews.c.call_id == call_id,
                reviews.c.state == _STATE.OWED.value,
                reviews.c.lease_owner == owner,
            )
            .values(lease_until=now + timedelta(seconds=lease_s))
        )
        return self._database.write(lambda c: c.execute(query).rowcount) > 0

    def settle(
        self,
        reviews: Collection[str],
        *,
        owner: str,
        state: ReviewState,
        reason: str = "",
        result_sha256: str | None = None,
        now: datetime,
    ) -> None:
        """See `Reviews.settle`."""
        self._database.write(lambda c: _settle(c, sorted(reviews), owner, state, reason, result_sha256, now))

    def all(self, *, after: str | None = None, limit: int = 500) -> tuple[Review, ...]:
        """See `Reviews.all`."""
        query = sa.select(reviews).order_by(reviews.c.review_id).limit(limit)
        return self._reviews(query if after is None else query.where(reviews.c.review_id > after))

    def _reviews(self, query: sa.Select[Any]) -> tuple[Review, ...]:
        return self._database.read(lambda c: tuple(_review(row) for row in c.execute(query)))


def _put(connection: sa.Connection, review: Review, now: datetime) -> Review:
    known = sa.select(reviews).where(reviews.c.review_id == review.review_id)
    if (row := connection.execute(known).one_or_none()) is not None:
        return _review(row)
    call = find(connection, review.call_id, lock=True)
    wanted = CallState.QUARANTINED if review.kind in _OF_QUARANTINED else CallState.PUBLISHED
    if call.state != wanted:
        raise RefusedError(f"call {review.call_id}: is {call.state}; allowed: {wanted.value}")
    if call.restricted is not None:
        raise RefusedError(f"call {review.call_id}: is restricted; nobody may use it")
    state = _FIRST_STATE[review.kind]
    connection.execute(
        sa.insert(reviews).values(
            review_id=review.review_id,
            call_id=review.call_id,
            kind=review.kind.value,
            stretches=_to_json(review.stretches),
            over_reason=review.over_reason and review.over_reason.value,
            by=review.by,
            at=now,
            certificate_sha256=review.certificate_sha256,
            state=state.value,
            reason="",
            settled_at=now if state is _STATE.DONE else None,
        )
    )
    found = _get(connection, review.review_id)
    _note(connection, Action.REVIEWED, found, actor=review.by, now=now)
    return found


def _confirm(connection: sa.Connection, review_id: str, *, actor: str, now: datetime) -> Review:
    found = _get(connection, review_id, lock=True)
    if found.kind is not _KIND.OVER or found.state is not _STATE.REPORTED:
        raise RefusedError(f"{review_id}: nothing waits for that")
    _change(connection, review_id, state=_STATE.OWED.value, confirmed_by=actor)
    _note(connection, Action.REVIEW_CONFIRMED, found, actor=actor, now=now)
    return _get(connection, review_id)


def _refuse(connection: sa.Connection, review_id: str, reason: str, *, actor: str, now: datetime) -> Review:
    found = _get(connection, review_id, lock=True)
    if found.state not in (_STATE.REPORTED, _STATE.OWED):
        return found
    ended = {"lease_owner": None, "lease_until": None, "settled_at": now}
    _change(connection, review_id, state=_STATE.REFUSED.value, reason=reason, **ended)
    _note(connection, Action.REVIEW_REFUSED, found, actor=actor, now=now)
    return _get(connection, review_id)


def _claim(
    connection: sa.Connection, call_id: str, owner: str, now: datetime, until: datetime
) -> tuple[Review, ...]:
    query = sa.select(reviews).where(reviews.c.call_id == call_id, reviews.c.state == _STATE.OWED.value)
    rows = connection.execute(query.order_by(reviews.c.at, reviews.c.review_id).with_for_update()).all()
    if any(row.lease_until is not None and row.lease_until > now for row in rows):
        return ()
    for row in rows:
        _change(connection, row.review_id, lease_owner=owner, lease_until=until)
    return tuple(_review(row) for row in rows)


def _settle(
    connection: sa.Connection,
    review_ids: Iterable[str],
    owner: str,
    state: ReviewState,
    reason: str,
    result_sha256: str | None,
    now: datetime,
) -> None:
    for review_id in review_ids:
        query = sa.select(reviews).where(reviews.c.review_id == review_id)
        row = connection.execute(query.with_for_update()).one_or_none()
        if row is None or row.state != _STATE.OWED or row.lease_owner != owner:
            raise LeaseLostError("another worker has the corrections of this call")
        _change(
            connection,
            review_id,
            state=state.value,
            reason=reason,
            result_sha256=result_sha256,
            settled_at=None if state is _STATE.OWED else now,
            lease_owner=None,
            lease_until=None,
        )
        if state is not _STATE.OWED:
            action = Action.REVIEW_DONE if state is _STATE.DONE else Action.REVIEW_REFUSED
            _note(connection, action, _review(row), actor=f"worker:{owner}", now=now)


def _note(connection: sa.Connection, action: Action, review: Review, *, actor: str, now: datetime) -> None:
    detail: audit_chain.Detail = {
        "review": review.review_id,
        "kind": review.kind.value,
        "stretches": len(review.stretches),
    }
    audit_chain.append(connection, actor=actor, action=action, call_id=review.call_id, detail=detail, now=now)


def _change(connection: sa.Connection, review_id: str, **values: object) -> None:
    connection.execute(sa.update(reviews).where(reviews.c.review_id == review_id).values(**values))


def _get(connection: sa.Connection, review_id: str, *, lock: bool = False) -> Review:
    query = sa.select(reviews).where(reviews.c.review_id == review_id)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise NotFoundError("there is no such review")
    return _review(row)


def _stretches(found: Iterable[Review]) -> tuple[Stretch, ...]:
    return tuple(s for review in found if review.state is not _STATE.REFUSED for s in review.stretches)


def _to_json(stretches: Iterable[Stretch]) -> str:
    return dump(
        [
            {"channel": s.channel, "start_s": s.start_s, "end_s": s.end_s, "entity": s.entity.value}
            for s in stretches
        ]
    )


def _review(row: sa.Row[Any]) -> Review:
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
