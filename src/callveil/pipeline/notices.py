"""What recipients are told: owed before anything goes, sent until receipts are there, escalated when late."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from callveil.adapters.webhook import MOST_RECEIPT_CHARS, Answer, post_notice
from callveil.errors import CallveilError, MetadataError, NotFoundError, RefusedError
from callveil.kit import Office
from callveil.pipeline.outlook import has_copies
from callveil.stages.documents.notice import notice_json
from callveil.vocabulary.rights import Notice, NoticeState, Recipient

log = logging.getLogger(__name__)

ERASURE, RESTRICTION, RESTRICTION_LIFTED = "erasure", "restriction", "restriction_lifted"
"""What a recipient is told of calls; FORMATS.md says what it has to do then."""

MOST_CALLS = 500
"""In one notice."""

FIRST_RETRY_S, LONGEST_RETRY_S = 60.0, 6 * 3600.0
"""Between two attempts; each wait is twice the one before."""

_IN_FLIGHT_S = 120.0
"""Nobody else sends a notice for so long after somebody began; longer than an attempt can take."""

Post = Callable[[Recipient, bytes, datetime], Answer]
"""Sends the JSON of a notice at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """What one look at the notices did.

    Attributes:
        confirmed: Receipts that came.
        failed: Attempts in vain, or accepted and not yet confirmed.
        late: Notices whose receipt is overdue, all of them.
        request_ids: Requests whose notices have changed for their proof.
    """

    confirmed: int
    failed: int
    late: int
    request_ids: frozenset[str]


def owe(
    request_id: str, event: str, calls: Iterable[tuple[str, str | None]], office: Office, *, actor: str
) -> None:
    """Enter the notices for some calls; what a recipient is told already for this request is not told again.

    Args:
        request_id: The request they serve.
        event: What is told.
        calls: Call id and queue; a call without a known queue concerns every recipient.
        office: For the recipients.
        actor: As in the audit chain.
    """
    calls, now = list(calls), office.clock.now()
    told = {
        (notice.recipient, call_id)
        for notice in office.books.notices.notices(request_id=request_id)
        if notice.event == event
        for call_id in notice.call_ids
    }
    owed: list[Notice] = []
    for recipient in office.recipients:
        its = sorted(
            call_id
            for call_id, queue in calls
            if has_copies(recipient, queue) and (recipient.name, call_id) not in told
        )
        pieces = (tuple(its[i : i + MOST_CALLS]) for i in range(0, len(its), MOST_CALLS))
        owed += [_notice(request_id, recipient, event, piece, now) for piece in pieces]
    if owed:
        office.books.notices.owe(owed, actor=actor, now=now)


def deliver(office: Office, *, actor: str, post: Post = post_notice) -> Delivered:
    """Send what is due to the recipients that are known here, and escalate what is late.

    Args:
        office: For notices and recipients.
        actor: As in the audit chain.
        post: Sends one notice.

    Raises:
        LedgerError: The ledger failed.
    """
    confirmed, failed, changed = 0, 0, set[str]()
    recipients = {recipient.name: recipient for recipient in office.recipients}
    for notice in office.books.notices.due(now=office.clock.now()):
        if notice.recipient not in recipients:
            continue  # for a process that knows it; where none does, it becomes late, and loud
        after = _attempt(notice, recipients[notice.recipient], office, actor, post)
        confirmed += after.state is NoticeState.CONFIRMED
        failed += after.state is not NoticeState.CONFIRMED
        if after.state is not notice.state or after.delivered_at != notice.delivered_at:
            changed.add(notice.request_id)
    late = _escalate(office, actor)
    changed |= {notice.request_id for notice in late if notice.escalated_at is None}
    return Delivered(confirmed=confirmed, failed=failed, late=len(late), request_ids=frozenset(changed))


def send_now(notice_id: str, office: Office, *, actor: str, post: Post = post_notice) -> Notice:
    """Send one notice at once, instead of when it is due; one that is confirmed stays as it is.

    Args:
        notice_id: The notice.
        office: For notices and recipients.
        actor: As in the audit chain.
        post: Sends one notice.

    Returns:
        The notice after it.

    Raises:
        NotFoundError: No such notice.
        RefusedError: Its recipient is not known here any more.
        LedgerError: The ledger failed.
    """
    notice = office.books.notices.get(notice_id)
    if notice.state is NoticeState.CONFIRMED:
        return notice
    recipient = next((each for each in office.recipients if each.name == notice.recipient), None)
    if recipient is None:
        raise RefusedError(
            f"recipient {notice.recipient}: is not registered any more, so nobody knows where to send it;"
            " tell it in another way, or register it again"
        )
    return _attempt(notice, recipient, office, actor, post)


def confirm(notice_id: str, recipient: str, receipt: str, office: Office) -> Notice:
    """Take the receipt that a recipient sends by itself, for a notice that it had only accepted.

    A notice that is confirmed stays as it is: its first receipt counts.

    Args:
        notice_id: The notice.
        recipient: Name of who sends it.
        receipt: Up to `MOST_RECEIPT_CHARS` characters that can be printed.
        office: For the notices.

    Raises:
        NotFoundError: This recipient was sent no such notice.
        MetadataError: It is no receipt.
    """
    words = receipt.strip()
    if not words or len(words) > MOST_RECEIPT_CHARS or not words.isprintable():
        raise MetadataError(f"receipt: allowed: 1 to {MOST_RECEIPT_CHARS} characters that can be printed")
    notice, now = office.books.notices.get(notice_id), office.clock.now()
    if notice.recipient != recipient:
        raise NotFoundError("there is no such notice")
    if notice.state is NoticeState.CONFIRMED:
        return notice
    confirmed = replace(
        notice,
        state=NoticeState.CONFIRMED,
        receipt=words,
        delivered_at=notice.delivered_at or now,
        problem="",
    )
    return _written(confirmed, office, f"recipient:{recipient}")


def late(notices: Sequence[Notice], now: datetime) -> tuple[Notice, ...]:
    """Those whose receipt is overdue."""
    return tuple(n for n in notices if n.state is NoticeState.WAITING and n.due_at <= now)


def _notice(
    request_id: str, recipient: Recipient, event: str, call_ids: tuple[str, ...], now: datetime
) -> Notice:
    # Made anew after a crash it has the same id, so it is entered and told once.
    content = "\n".join((request_id, recipient.name, event, *call_ids))
    return Notice(
        notice_id=f"ntc-{hashlib.sha256(content.encode()).hexdigest()[:12]}",
        recipient=recipient.name,
        request_id=request_id,
        event=event,
        call_ids=call_ids,
        state=NoticeState.WAITING,
        attempts=0,
        next_at=now,
        due_at=now + timedelta(days=recipient.deadline_days),
    )


def _attempt(notice: Notice, recipient: Recipient, office: Office, actor: str, post: Post) -> Notice:
    now, attempts = office.clock.now(), notice.attempts + 1
    wait_s = min(FIRST_RETRY_S * 2 ** min(notice.attempts, 16), LONGEST_RETRY_S)
    retry = replace(notice, attempts=attempts, next_at=now + timedelta(seconds=wait_s))
    in_flight = replace(notice, next_at=now + timedelta(seconds=_IN_FLIGHT_S))
    office.books.notices.update(in_flight, actor=actor, now=now)
    answer = post(recipient, notice_json(notice), now)
    delivered_at = notice.delivered_at or (now if answer.accepted else None)
    if answer.receipt is not None:
        confirmed = replace(
            retry,
            state=NoticeState.CONFIRMED,
            receipt=answer.receipt,
            delivered_at=delivered_at,
            problem="",
        )
        return _written(confirmed, office, actor)
    if not answer.accepted:
        log.warning(
            "a recipient was not reached",
            extra={"recipient": notice.recipient, "notice_id": notice.notice_id, "problem": answer.problem},
        )
    return _written(replace(retry, delivered_at=delivered_at, problem=answer.problem), office, actor)


def _written(notice: Notice, office: Office, actor: str) -> Notice:
    office.books.notices.update(notice, actor=actor, now=office.clock.now())
    return notice


def _escalate(office: Office, actor: str) -> tuple[Notice, ...]:
    """Mark what has become late; returns all that is late, as it was before."""
    now = office.clock.now()
    found = late(office.books.notices.notices(waiting=True), now)
    for notice in found:
        if notice.escalated_at is not None:
            continue
        log.error(
            "a recipient has not confirmed in time",
            extra={"recipient": notice.recipient, "notice_id": notice.notice_id},
        )
        try:
            office.books.notices.update(replace(notice, escalated_at=now), actor=actor, now=now)
        except CallveilError as error:
            log.error("an escalation is not written down", extra={"error": error.code})
    return found
