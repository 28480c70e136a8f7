"""The way of an erasure (GDPR Art. 17): intent, notices, deletion or restriction, absence, proof.

Everything that is decided stands in the books before it is done, so that it is taken up again wherever a
process was killed. Legal hold goes before erasure, erasure before retention.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice

from callveil.adapters.webhook import post_notice
from callveil.errors import CallveilError, RefusedError
from callveil.kit import Office
from callveil.pipeline import holds, restrict
from callveil.pipeline.erasure_proof import prove
from callveil.pipeline.forget import carry_out, delete_again, finish_removals
from callveil.pipeline.notices import ERASURE, RESTRICTION, Delivered, Post, deliver, owe
from callveil.pipeline.outlook import Outlook, Sought, outlook
from callveil.pipeline.register import ANSWER_WITHIN, items_of, new_request_id
from callveil.vocabulary.ledger import CallState
from callveil.vocabulary.rights import (
    ItemState,
    RemovalWhy,
    Request,
    RequestItem,
    RequestKind,
    RequestState,
)

log = logging.getLogger(__name__)

REASON = "A person asked for erasure."


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """What was taken up again.

    Attributes:
        holds: Calls whose legal hold in the store is as it should be again.
        removals: Deletions that are finished now.
        failed: Holds, deletions, requests and proofs that could not be finished now.
        requests: Requests that were carried on.
        receipts: Recipients' receipts that came.
        late: Notices whose receipt is overdue.
    """

    holds: int = 0
    removals: int = 0
    failed: int = 0
    requests: int = 0
    receipts: int = 0
    late: int = 0


def erase(
    sought: Sought,
    office: Office,
    *,
    actor: str,
    received_at: datetime | None = None,
    limit: int | None = None,
) -> Request:
    """Erase calls, or restrict what a hold or a duty keeps.

    Args:
        sought: Whose calls, or which.
        office: Every place.
        actor: As in the audit chain.
        received_at: When the request came, aware UTC; None for now.
        limit: Calls that are dealt with now at most; `resume` does the rest. None for all.

    Returns:
        The request: DONE, PARTLY_DONE where something is only restricted, RUNNING where something failed
        that is tried again by `resume`.

    Raises:
        ConfigError: There is no signing key, so nothing could be proven; nothing was begun.
        LedgerError: The ledger failed.
    """
    request = begin(sought, office, actor=actor, received_at=received_at)
    try:
        return carry_on(request.request_id, office, actor=actor, limit=limit)
    except CallveilError as error:
        log.error("an erasure is not finished", extra={"request_id": request.request_id, "error": error.code})
        return office.books.requests.get(request.request_id)


def begin(
    sought: Sought,
    office: Office,
    *,
    actor: str,
    received_at: datetime | None = None,
    request_id: str | None = None,
) -> Request:
    """Enter an erasure, which is the intent: `carry_on`, or else `resume`, does it.

    Args:
        sought: Whose calls, or which.
        office: For the register.
        actor: As in the audit chain.
        received_at: When the request came, aware UTC; None for now.
        request_id: For who may ask twice for the same; what is entered already stays. None for a new one.

    Raises:
        ConfigError: There is no signing key, so nothing could be proven; nothing was begun.
        LedgerError: The ledger failed.
    """
    office.signer.sign(b"")  # nothing is begun that could not be proven
    now = office.clock.now()
    request = Request(
        request_id=request_id or new_request_id(),
        kind=RequestKind.ERASURE,
        state=RequestState.RUNNING,
        identities=sought.identities,
        received_at=received_at or now,
        due_at=ANSWER_WITHIN.after(received_at or now),
        n_calls=len(sought.call_ids),
    )
    items = [
        RequestItem(
            request_id=request.request_id,
            call_id=call_id,
            state=ItemState.PENDING,
            parties=sought.parties.get(call_id, ()),
        )
        for call_id in sought.call_ids
    ]
    return office.books.requests.open(request, items, actor=actor, now=now)


def carry_on(request_id: str, office: Office, *, actor: str, limit: int | None = None) -> Request:
    """Do what is left of an erasure, of so many calls at most; what failed stays for the next time.

    Raises:
        NotFoundError: No such request.
        LedgerError: The ledger failed.
    """
    request = office.books.requests.get(request_id)
    if request.kind is not RequestKind.ERASURE or request.state is not RequestState.RUNNING:
        return request
    _tell(request_id, office, actor)
    for item in islice(items_of(request_id, office, ItemState.PENDING), limit):
        try:
            _settle(item, office, actor)
        except CallveilError as error:
            log.error("a call is not erased yet", extra={"call_id": item.call_id, "error": error.code})
    if any(items_of(request_id, office, ItemState.PENDING)):
        return request
    return _close(request, office, actor)


def resume(office: Office, *, actor: str, post: Post = post_notice) -> Resumed:
    """Take up what was begun and what is due: removals, reviews, requests, notices.

    Args:
        office: Every place.
        actor: As in the audit chain.
        post: Sends a notice.

    Raises:
        LedgerError: The ledger failed.
    """
    requests = office.books.requests
    n_holds, failed = holds.mend(office)
    done, n_failed = finish_removals(office, actor=actor)
    failed += n_failed
    due: dict[str, list[RequestItem]] = {}
    for item in requests.due_for_review(now=office.clock.now()):
        due.setdefault(item.request_id, []).append(item)
    for request_id, items in due.items():
        # First the request, then its items: killed in between, the items are still due.
        requests.change(request_id, actor=actor, now=office.clock.now(), state=RequestState.RUNNING)
        for item in items:
            pending = replace(item, state=ItemState.PENDING, reason="", review_at=None)
            requests.settle_item(pending, actor=actor, now=office.clock.now())
    running = requests.requests(states=(RequestState.RUNNING,))
    for request in running:
        failed += not _carried_on(request, office, actor)
    delivered, n_failed = tell_recipients(office, actor=actor, post=post)
    failed += n_failed
    return Resumed(
        holds=n_holds,
        removals=done,
        failed=failed,
        requests=len(running),
        receipts=delivered.confirmed,
        late=delivered.late,
    )


def tell_recipients(office: Office, *, actor: str, post: Post = post_notice) -> tuple[Delivered, int]:
    """Send the notices that are due, and write the proofs anew that their receipts belong into.

    Returns:
        What came of it, and how many proofs could not be written.

    Raises:
        LedgerError: The ledger failed.
    """
    delivered = deliver(office, actor=actor, post=post)
    return delivered, sum(not prove_anew(request_id, office) for request_id in delivered.request_ids)


def _carried_on(request: Request, office: Office, actor: str) -> bool:
    go_on = {RequestKind.ERASURE: carry_on, RequestKind.RESTRICTION: restrict.carry_on}.get(request.kind)
    if go_on is None:
        return True  # people work on it
    try:
        return go_on(request.request_id, office, actor=actor).state is not RequestState.RUNNING
    except CallveilError as error:
        extra = {"request_id": request.request_id, "error": error.code}
        log.error("a request is not finished", extra=extra)
        return False


def prove_anew(request_id: str, office: Office) -> bool:
    """Write the proof of a finished erasure anew: a receipt that comes later belongs into it.

    Returns:
        False when it could not be written; the log says why.
    """
    try:
        request = office.books.requests.get(request_id)
        if request.kind is RequestKind.ERASURE and request.state is not RequestState.RUNNING:
            prove(request, office)
    except CallveilError as error:
        log.error("a proof is not written", extra={"request_id": request_id, "error": error.code})
        return False
    return True


def _tell(request_id: str, office: Office, actor: str) -> None:
    """Owe the notices before anything goes: afterwards nobody knows whose queue a call was in."""
    erased: list[tuple[str, str | None]] = []
    restricted: list[tuple[str, str | None]] = []
    for item in items_of(request_id, office, ItemState.PENDING):
        ahead = _ahead(item.call_id, office)
        queue = None if ahead is None else ahead.queue
        (erased if ahead is None or ahead.is_erased else restricted).append((item.call_id, queue))
    owe(request_id, ERASURE, erased, office, actor=actor)
    owe(request_id, RESTRICTION, restricted, office, actor=actor)


def _settle(item: RequestItem, office: Office, actor: str) -> None:
    ahead = _ahead(item.call_id, office)
    if ahead is not None:
        try:
            _remove(item, ahead, office, actor)
        except RefusedError:
            # A hold was placed since, or somebody else was quicker: what stands now counts.
            ahead = _ahead(item.call_id, office)
            if ahead is not None and ahead.is_erased:
                raise
        if ahead is not None and not ahead.is_erased:
            _restrict(item, ahead, office, actor)
            return
    for removal in office.books.removals.removals(request_id=item.request_id):
        if removal.call_id == item.call_id and removal.done_at is None:
            carry_out(removal, office, actor=actor)
    done = replace(item, state=ItemState.DONE, reason="", review_at=None)
    office.books.requests.settle_item(done, actor=actor, now=office.clock.now())


def _ahead(call_id: str, office: Office) -> Outlook | None:
    """What is to become of a call; None when it is erased."""
    found = office.ledger.get(call_id)
    return None if found.state is CallState.ERASED else outlook(found, office)


def _remove(item: RequestItem, ahead: Outlook, office: Office, actor: str) -> None:
    if not ahead.goes:
        return
    removal = office.books.removals.decide(
        item.call_id,
        prefix=ahead.prefix,
        parts=ahead.goes,
        why=RemovalWhy.ERASURE,
        reason=REASON,
        request_id=item.request_id,
        actor=actor,
        now=office.clock.now(),
    )
    carry_out(removal, office, actor=actor)


def _restrict(item: RequestItem, ahead: Outlook, office: Office, actor: str) -> None:
    owe(item.request_id, RESTRICTION, [(item.call_id, ahead.queue)], office, actor=actor)
    restrict.restrict_call(item.call_id, ahead.reason, office, actor=actor)
    now = office.clock.now()
    restricted = replace(
        item, state=ItemState.RESTRICTED, reason=ahead.reason, review_at=ahead.review_at(now)
    )
    office.books.requests.settle_item(restricted, actor=actor, now=now)


def _close(request: Request, office: Office, actor: str) -> Request:
    """Forget who asked, make sure that nothing is left, prove it, and close the request."""
    requests, request_id = office.books.requests, request.request_id
    for removal in office.books.removals.removals(request_id=request_id):
        delete_again(removal, office)
    n_restricted = sum(1 for _ in items_of(request_id, office, ItemState.RESTRICTED))
    if not n_restricted:
        requests.change(request_id, actor=actor, now=office.clock.now(), forget_identities=True)
    office.books.removals.scrub()
    prove(requests.get(request_id), office)
    note = (
        f"{n_restricted} of its calls are only restricted, until a hold or a duty ends."
        if n_restricted
        else ""
    )
    return requests.change(
        request_id,
        actor=actor,
        now=office.clock.now(),
        state=RequestState.PARTLY_DONE if n_restricted else RequestState.DONE,
        note=note,
    )
