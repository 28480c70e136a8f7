"""Restriction (GDPR Art. 18): a call stays where it is, and nobody uses it."""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from callveil.errors import CallveilError, MetadataError, NotFoundError, RefusedError
from callveil.kit import Office
from callveil.pipeline.notices import RESTRICTION, RESTRICTION_LIFTED, owe
from callveil.pipeline.outlook import Sought
from callveil.pipeline.register import ANSWER_WITHIN, items_of, new_request_id
from callveil.ports import ObjectStore
from callveil.stages.retention_tags import call_prefix
from callveil.vocabulary.ledger import CallState
from callveil.vocabulary.rights import ItemState, Request, RequestItem, RequestKind, RequestState

log = logging.getLogger(__name__)

TAG = "callveil-restricted"
"""On every object of a restricted call "yes", for those who read the store without the ledger."""


def restrict(
    sought: Sought,
    office: Office,
    *,
    reason: str,
    actor: str,
    received_at: datetime | None = None,
    request_id: str | None = None,
) -> Request:
    """Restrict calls, and tell the recipients (Art. 19). They stay until somebody lifts that.

    Args:
        sought: Whose calls, or which.
        office: Ledger, store, recipients.
        reason: Why; no personal data.
        actor: As in the audit chain.
        received_at: When the request came, aware UTC; None for now.
        request_id: For who may ask twice for the same; what is entered already stays. None for a new one.

    Returns:
        The request: DONE, or RUNNING where something failed that is tried again by `carry_on`.

    Raises:
        MetadataError: The reason is missing.
        LedgerError: The ledger failed.
    """
    if not 1 <= len(reason.strip()) <= 500:
        raise MetadataError("--reason: allowed: 1 to 500 characters")
    request = _request(request_id, sought, "", received_at, office)
    return _enter(request, sought, reason.strip(), office, actor)


def lift(
    sought: Sought, office: Office, *, reason: str, actor: str, request_id: str | None = None
) -> Request:
    """Lift the restriction of calls, and tell the recipients. The person is to be told before (Art. 18(3)).

    Args:
        sought: Whose calls, or which.
        office: Ledger, store, recipients.
        reason: Why; no personal data.
        actor: As in the audit chain.
        request_id: As for `restrict`.

    Raises:
        MetadataError: The reason is missing.
        RefusedError: One of them waits to be erased, or is erased; nothing is lifted.
        LedgerError: The ledger failed.
    """
    if not 1 <= len(reason.strip()) <= 500:
        raise MetadataError("--reason: allowed: 1 to 500 characters")
    for call_id in sought.call_ids:
        check_may_lift(call_id, office)
    request = _request(request_id, sought, f"Lifted: {reason.strip()}", None, office)
    return _enter(request, sought, "", office, actor)


def carry_on(request_id: str, office: Office, *, actor: str) -> Request:
    """Do what is left of a request for restriction, or for lifting one.

    Raises:
        NotFoundError: No such request.
        LedgerError: The ledger failed.
    """
    requests = office.books.requests
    request = requests.get(request_id)
    if request.kind is not RequestKind.RESTRICTION or request.state is not RequestState.RUNNING:
        return request
    _tell(request_id, office, actor)
    for item in items_of(request_id, office, ItemState.PENDING):
        try:
            _settle(item, office, actor)
        except CallveilError as error:
            log.error("a call is not restricted yet", extra={"call_id": item.call_id, "error": error.code})
    if any(items_of(request_id, office, ItemState.PENDING)):
        return request
    return requests.change(request_id, actor=actor, now=office.clock.now(), state=RequestState.DONE)


def _request(
    request_id: str | None, sought: Sought, note: str, received_at: datetime | None, office: Office
) -> Request:
    received_at = received_at or office.clock.now()
    return Request(
        request_id=request_id or new_request_id(),
        kind=RequestKind.RESTRICTION,
        state=RequestState.RUNNING,
        identities=sought.identities,
        received_at=received_at,
        due_at=ANSWER_WITHIN.after(received_at),
        note=note,
        n_calls=len(sought.call_ids),
    )


def _enter(request: Request, sought: Sought, reason: str, office: Office, actor: str) -> Request:
    # An item without a reason lifts a restriction.
    items = [
        RequestItem(
            request_id=request.request_id,
            call_id=call_id,
            state=ItemState.PENDING,
            reason=reason,
            parties=sought.parties.get(call_id, ()),
        )
        for call_id in sought.call_ids
    ]
    office.books.requests.open(request, items, actor=actor, now=office.clock.now())
    return carry_on(request.request_id, office, actor=actor)


def _tell(request_id: str, office: Office, actor: str) -> None:
    calls: dict[str, list[tuple[str, str | None]]] = {RESTRICTION: [], RESTRICTION_LIFTED: []}
    for item in items_of(request_id, office, ItemState.PENDING):
        event = RESTRICTION if item.reason else RESTRICTION_LIFTED
        calls[event].append((item.call_id, office.ledger.get(item.call_id).call.queue))
    for event, told in calls.items():
        owe(request_id, event, told, office, actor=actor)


def _settle(item: RequestItem, office: Office, actor: str) -> None:
    found = office.ledger.get(item.call_id)
    if found.state is not CallState.ERASED:
        restrict_call(item.call_id, item.reason or None, office, actor=actor)
    done = replace(item, state=ItemState.DONE)
    office.books.requests.settle_item(done, actor=actor, now=office.clock.now())


def restrict_call(call_id: str, reason: str | None, office: Office, *, actor: str) -> None:
    """Restrict a call, or with None lift that: first in the ledger, then in the store.

    Raises:
        NotFoundError: No such call.
        StoreError: The store failed; the ledger, which is the truth, has it.
        LedgerError: The ledger failed.
    """
    office.books.requests.restrict(call_id, reason, actor=actor, now=office.clock.now())
    found = office.ledger.get(call_id)
    tag(found.prefix or call_prefix(found.call), reason is not None, office.store)


def tag(prefix: str, restricted: bool, store: ObjectStore) -> None:
    """Say on every object of a call whether it is restricted; a call without objects says nothing."""
    with suppress(NotFoundError):
        store.set_tags(prefix, {TAG: "yes" if restricted else "no"})


def check_may_lift(call_id: str, office: Office) -> None:
    """Refuse to lift the restriction of a call that waits to be erased.

    Raises:
        RefusedError: It does, or it is erased.
    """
    if office.ledger.get(call_id).state is CallState.ERASED:
        raise RefusedError(f"call {call_id}: is erased")
    for request, item in office.books.requests.items_of(call_id):
        if request.kind is RequestKind.ERASURE and item.state is not ItemState.DONE:
            raise RefusedError(
                f"call {call_id}: waits to be erased for request {request.request_id}, and stays restricted"
            )


def check_may_read(call_id: str, office: Office, *, despite: str | None, actor: str) -> None:
    """Refuse to show a restricted call, unless somebody says why it must be (Art. 18(2)).

    Args:
        call_id: The call.
        office: For the ledger.
        despite: Why it is read all the same; None when nobody says so.
        actor: As in the audit chain.

    Raises:
        RefusedError: It is restricted, and nobody says why it must be read.
        LedgerError: The ledger failed.
    """
    reason = office.books.requests.restriction(call_id)
    if reason is None:
        return
    if despite is None or not despite.strip():
        raise RefusedError(
            f"call {call_id}: is restricted and may not be used: {reason} Who must read it all the same "
            "says why: --despite-restriction REASON; that is written down"
        )
    office.ledger.note(
        actor=actor,
        action="restricted.read",
        call_id=call_id,
        detail={"reason": despite},
        now=office.clock.now(),
    )
