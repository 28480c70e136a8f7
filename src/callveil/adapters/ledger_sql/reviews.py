"""What reviewers say of calls. See `ports.Reviews`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from callveil.adapters.ledger_sql import review_work
from callveil.adapters.ledger_sql.audit_chain import Action
from callveil.adapters.ledger_sql.call_rows import dump
from callveil.adapters.ledger_sql.call_state import enter, find
from callveil.adapters.ledger_sql.database import Database
from callveil.adapters.ledger_sql.review_tables import review_of, reviews
from callveil.adapters.ledger_sql.tables import calls
from callveil.errors import NotFoundError, RefusedError
from callveil.vocabulary.ledger import CallState, LedgerCall, Settlement
from callveil.vocabulary.retention import KeptPart
from callveil.vocabulary.reviews import Review, ReviewClaim, ReviewKind, ReviewState, Stretch

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

    def reported(
        self,
        *,
        within: frozenset[str] | None,
        after: tuple[datetime, str] | None = None,
        limit: int = 50,
    ) -> tuple[Review, ...]:
        """See `Reviews.reported`."""
        if within is not None and not within:
            return ()
        query = sa.select(reviews).where(
            reviews.c.state == _STATE.REPORTED.value, reviews.c.kind == _KIND.OVER.value
        )
        if within is not None:
            query = query.join(calls, calls.c.call_id == reviews.c.call_id)
            query = query.where(calls.c.queue.in_(sorted(within)))
        if after is not None:
            at, review_id = after
            same = sa.and_(reviews.c.at == at, reviews.c.review_id > review_id)
            query = query.where(sa.or_(reviews.c.at > at, same))
        return self._reviews(query.order_by(reviews.c.at, reviews.c.review_id).limit(limit))

    def missed(self, call_id: str) -> tuple[Stretch, ...]:
        """See `Reviews.missed`."""
        return _stretches(r for r in self.of(call_id) if r.kind in (_KIND.MISSED, _KIND.RELEASE))

    def vouched(self, call_id: str) -> tuple[Stretch, ...]:
        """See `Reviews.vouched`."""
        return _stretches(r for r in self.of(call_id) if r.kind is _KIND.OVER and r.confirmed_by is not None)

    def gone(self, call_id: str) -> frozenset[KeptPart]:
        """See `Reviews.gone`."""
        return self._database.read(lambda c: review_work.gone(c, find(c, call_id)))

    def owed(self, *, now: datetime, limit: int = 500) -> tuple[str, ...]:
        """See `Reviews.owed`."""
        return self._database.read(lambda c: review_work.owed(c, now=now, limit=limit))

    def reemit(self, *, grace_s: float, now: datetime) -> int:
        """See `Reviews.reemit`."""
        return self._database.write(lambda c: review_work.reemit(c, grace_s=grace_s, now=now))

    def claim(self, call_id: str, *, owner: str, lease_s: float, now: datetime) -> ReviewClaim | None:
        """See `Reviews.claim`."""
        return self._database.write(
            lambda c: review_work.claim(c, call_id, owner=owner, lease_s=lease_s, now=now)
        )

    def check(self, held: ReviewClaim) -> None:
        """See `Reviews.check`."""
        self._database.read(lambda c: review_work.check(c, held))

    def settle(
        self,
        held: ReviewClaim,
        *,
        state: ReviewState,
        reason: str = "",
        result_sha256: str | None = None,
        not_before: datetime | None = None,
        result: Settlement | None = None,
        gone: frozenset[KeptPart] | None = None,
        now: datetime,
    ) -> LedgerCall:
        """See `Reviews.settle`."""
        outcome = review_work.Carried(
            state=state, reason=reason, result_sha256=result_sha256, not_before=not_before
        )
        return self._database.write(
            lambda c: review_work.settle(c, held, outcome, result=result, went=gone, now=now)
        )

    def release(self, owner: str, *, now: datetime) -> int:
        """See `Reviews.release`."""
        return self._database.write(lambda c: review_work.release(c, owner, now=now))

    def all(self, *, after: str | None = None, limit: int = 500) -> tuple[Review, ...]:
        """See `Reviews.all`."""
        query = sa.select(reviews).order_by(reviews.c.review_id).limit(limit)
        return self._reviews(query if after is None else query.where(reviews.c.review_id > after))

    def _reviews(self, query: sa.Select[Any]) -> tuple[Review, ...]:
        return self._database.read(lambda c: tuple(review_of(row) for row in c.execute(query)))


def _put(connection: sa.Connection, review: Review, now: datetime) -> Review:
    known = sa.select(reviews).where(reviews.c.review_id == review.review_id)
    if (row := connection.execute(known).one_or_none()) is not None:
        return review_of(row)
    call = find(connection, review.call_id, lock=True)
    wanted = CallState.QUARANTINED if review.kind in _OF_QUARANTINED else CallState.PUBLISHED
    if call.state != wanted:
        raise RefusedError(f"call {review.call_id}: is {call.state}; allowed: {wanted.value}")
    if call.restricted is not None:
        raise RefusedError(f"call {review.call_id}: is restricted; nobody may use it")
    state = _FIRST_STATE[review.kind]
    if review.kind is _KIND.RELEASE and call.landing is not None:
        state = _STATE.DONE
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
    if state is _STATE.OWED:
        review_work.owe(connection, call, now=now)
    elif review.kind is _KIND.RELEASE:
        lease = {"lease_owner": call.lease_owner, "lease_until": call.lease_until}
        enter(connection, call, CallState.RECEIVED, now=now, **lease)
    review_work.note(connection, Action.REVIEWED, found, actor=review.by, now=now)
    return found


def _confirm(connection: sa.Connection, review_id: str, *, actor: str, now: datetime) -> Review:
    call = find(connection, _get(connection, review_id).call_id, lock=True)
    found = _get(connection, review_id, lock=True)
    if found.kind is not _KIND.OVER or found.state is not _STATE.REPORTED:
        raise RefusedError(f"{review_id}: nothing waits for that")
    review_work.change_review(connection, review_id, state=_STATE.OWED.value, confirmed_by=actor)
    review_work.owe(connection, call, now=now)
    review_work.note(connection, Action.REVIEW_CONFIRMED, found, actor=actor, now=now)
    return _get(connection, review_id)


def _refuse(connection: sa.Connection, review_id: str, reason: str, *, actor: str, now: datetime) -> Review:
    found = _get(connection, review_id, lock=True)
    if found.state not in (_STATE.REPORTED, _STATE.OWED):
        return found
    ended = {"lease_owner": None, "lease_until": None, "settled_at": now}
    review_work.change_review(connection, review_id, state=_STATE.REFUSED.value, reason=reason, **ended)
    review_work.note(connection, Action.REVIEW_REFUSED, found, actor=actor, now=now)
    return _get(connection, review_id)


def _get(connection: sa.Connection, review_id: str, *, lock: bool = False) -> Review:
    query = sa.select(reviews).where(reviews.c.review_id == review_id)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise NotFoundError("there is no such review")
    return review_of(row)


def _stretches(found: Iterable[Review]) -> tuple[Stretch, ...]:
    return tuple(s for review in found if review.state is not _STATE.REFUSED for s in review.stretches)


def _to_json(stretches: Iterable[Stretch]) -> str:
    return dump(
        [
            {"channel": s.channel, "start_s": s.start_s, "end_s": s.end_s, "entity": s.entity.value}
            for s in stretches
        ]
    )
