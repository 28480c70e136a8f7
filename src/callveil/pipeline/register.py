"""Deadlines of the register of requests (GDPR Art. 12(3)), and requests that people answer."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from datetime import datetime

from callveil.errors import MetadataError, RefusedError
from callveil.kit import Office
from callveil.vocabulary.retention import Period
from callveil.vocabulary.rights import ItemState, Request, RequestItem, RequestKind, RequestState

ANSWER_WITHIN = Period(months=1)
"""GDPR Art. 12(3), first sentence."""

_CARRIED_OUT = frozenset({RequestKind.ERASURE, RequestKind.RESTRICTION})


def new_request_id() -> str:
    """A name for a request, said by nothing in it."""
    return f"req-{secrets.token_hex(6)}"


def items_of(request_id: str, office: Office, state: ItemState | None = None) -> Iterator[RequestItem]:
    """The calls of a request by id, however many; all when no state is named."""
    after: str | None = None
    while page := office.books.requests.items(request_id, state=state, after=after):
        yield from page
        after = page[-1].call_id


def days_left(request: Request, now: datetime) -> int | None:
    """Whole days until the answer is due, 0 or more; None when it is answered as far as it can be."""
    if request.closed_at is not None or request.state is RequestState.PARTLY_DONE:
        return None
    return max(0, (request.due_at - now).days)


def is_late(request: Request, now: datetime) -> bool:
    """Whether its answer is overdue."""
    return days_left(request, now) is not None and request.due_at <= now


def extend(request_id: str, office: Office, *, months: int, reason: str, actor: str) -> Request:
    """Extend the deadline of a request, once, by up to two months.

    Args:
        request_id: The request.
        office: For the register.
        months: 1 or 2.
        reason: Why; the person is to be told.
        actor: As in the audit chain.

    Raises:
        MetadataError: The reason is missing, or it is more than two months.
        NotFoundError: No such request.
        RefusedError: It is answered or extended already, or its first month has passed: until then the
            person must have been told.
    """
    _check_reason(reason)
    if months not in (1, 2):
        raise MetadataError("--months: allowed: 1 or 2")
    request, now = office.books.requests.get(request_id), office.clock.now()
    if days_left(request, now) is None:
        raise RefusedError(f"request {request_id}: is answered; there is nothing to extend")
    if request.extension_reason is not None:
        raise RefusedError(f"request {request_id}: was extended already; the law allows that once")
    if now >= ANSWER_WITHIN.after(request.received_at):
        raise RefusedError(
            f"request {request_id}: its month has passed; the person had to be told of an extension within it"
        )
    return office.books.requests.change(
        request_id,
        actor=actor,
        now=now,
        due_at=Period(months=1 + months).after(request.received_at),
        extension_reason=reason.strip(),
    )


def close(request_id: str, office: Office, *, refused: bool, reason: str, actor: str) -> Request:
    """Close a request that people have answered.

    Raises:
        MetadataError: The reason is missing.
        NotFoundError: No such request.
        RefusedError: It is closed, or Callveil carries it out and closes it itself.
    """
    _check_reason(reason)
    request = office.books.requests.get(request_id)
    if request.closed_at is not None:
        raise RefusedError(f"request {request_id}: is closed already")
    if request.kind in _CARRIED_OUT and request.state is not RequestState.OPEN:
        raise RefusedError(f"request {request_id}: is being carried out and closes itself when it is done")
    return office.books.requests.change(
        request_id,
        actor=actor,
        now=office.clock.now(),
        state=RequestState.REFUSED if refused else RequestState.DONE,
        note=reason.strip(),
    )


def _check_reason(reason: str) -> None:
    if not 1 <= len(reason.strip()) <= 500:
        raise MetadataError("--reason: allowed: 1 to 500 characters")
