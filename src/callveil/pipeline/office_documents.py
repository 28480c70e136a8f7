"""What the verbs for rights print with `--json` and the API answers: the same documents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from callveil.errors import NotFoundError
from callveil.kit import Office
from callveil.pipeline import register
from callveil.pipeline.erasure_proof import proof_file
from callveil.pipeline.notices import late
from callveil.pipeline.outlook import Preview
from callveil.pipeline.register import items_of
from callveil.pipeline.subjects import Subject
from callveil.stages.documents.forms import utc
from callveil.vocabulary.ledger import LedgerCall
from callveil.vocabulary.retention import Hold
from callveil.vocabulary.rights import Notice, Recipient, Request


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenCall:
    """A call that a person is in.

    Attributes:
        call: The call.
        roles: Of the person in it.
        held: Under legal hold.
        restricted: Nobody may use it.
    """

    call: LedgerCall
    roles: tuple[str, ...]
    held: bool
    restricted: bool


def seen_calls(found: Subject, office: Office) -> list[SeenCall]:
    """The calls that were found of a person, by id; those that were erased since are left out."""
    roles: dict[str, set[str]] = {}
    for sighting in found.sightings:
        roles.setdefault(sighting.call_id, set()).add(sighting.role)
    return [row for call_id in found.call_ids if (row := _row(call_id, roles[call_id], office))]


def subject_fields(found: Subject, calls: Sequence[SeenCall]) -> dict[str, Any]:
    """A person that was searched for."""
    return {
        "calls": [_seen_fields(each) for each in calls],
        "linked": [
            {"id": each.short_id, "kind": each.kind.value, "calls": each.n_calls, "why": each.why}
            for each in found.linked
        ],
        "complete": found.complete,
    }


def preview_fields(ahead: Preview) -> dict[str, Any]:
    """What an erasure would do, as it stands in `--json` output."""
    return {
        "calls": [
            {
                "call_id": each.call_id,
                "state": each.state.value,
                "there": each.there.numbers,
                "outcome": "erased" if each.is_erased else "restricted",
                "deleted": sorted(part.value for part in each.goes),
                "restricted": [
                    {
                        "part": part.part.value,
                        "until": utc(part.until) if part.until else None,
                        "reason": part.reason,
                    }
                    for part in each.stays
                ],
            }
            for each in ahead.calls
        ],
        "recipients": dict(ahead.recipients),
    }


def request_fields(request: Request, office: Office) -> dict[str, Any]:
    """A request with its calls and what recipients were told, as it stands in `--json` output."""
    now = office.clock.now()
    proof = proof_file(request.request_id, office)
    return {
        "request_id": request.request_id,
        "kind": request.kind.value,
        "state": request.state.value,
        "received_at": utc(request.received_at),
        "due_at": utc(request.due_at),
        "days_left": None if request.closed_at else (request.due_at - now).days,
        "extension_reason": request.extension_reason,
        "closed_at": utc(request.closed_at) if request.closed_at else None,
        "note": request.note,
        "calls": [
            {
                "call_id": item.call_id,
                "state": item.state.value,
                "reason": item.reason,
                "review_at": utc(item.review_at) if item.review_at else None,
            }
            for item in items_of(request.request_id, office)
        ],
        "recipients": [
            notice_fields(notice, office)
            for notice in office.books.notices.notices(request_id=request.request_id)
        ],
        "proof": str(proof) if proof.is_file() else None,
    }


def request_row(request: Request, office: Office) -> dict[str, Any]:
    """A request as it stands in the list of them."""
    return {
        "request_id": request.request_id,
        "kind": request.kind.value,
        "state": request.state.value,
        "received_at": utc(request.received_at),
        "due_at": utc(request.due_at),
        "days_left": register.days_left(request, office.clock.now()),
        "late": register.is_late(request, office.clock.now()),
        "calls": request.n_calls,
    }


def notice_fields(notice: Notice, office: Office) -> dict[str, Any]:
    """What a recipient was told, as it stands in `--json` output."""
    is_late = bool(late([notice], office.clock.now()))
    return {
        "notice_id": notice.notice_id,
        "recipient": notice.recipient,
        "request_id": notice.request_id,
        "event": notice.event,
        "calls": len(notice.call_ids),
        "state": "late" if is_late else notice.state.value,
        "attempts": notice.attempts,
        "due_at": utc(notice.due_at),
        "delivered_at": utc(notice.delivered_at) if notice.delivered_at else None,
        "escalated_at": utc(notice.escalated_at) if notice.escalated_at else None,
        "receipt": notice.receipt,
        "problem": notice.problem,
    }


def hold_fields(hold: Hold) -> dict[str, Any]:
    """A hold as it stands in `--json` output."""
    return {
        "hold_id": hold.hold_id,
        "scope": hold.scope.value,
        "reason": hold.reason,
        "authority": hold.authority,
        "calls": hold.n_calls,
        "placed_by": hold.placed_by,
        "placed_at": utc(hold.placed_at),
        "released_by": hold.released_by,
        "released_at": utc(hold.released_at) if hold.released_at else None,
        "release_reason": hold.release_reason,
    }


def recipient_fields(recipient: Recipient) -> dict[str, Any]:
    """A recipient, without its secret."""
    return {
        "name": recipient.name,
        "kind": recipient.kind,
        "url": recipient.url,
        "deadline_days": recipient.deadline_days,
        "queues": sorted(recipient.queues),
    }


def _row(call_id: str, roles: set[str], office: Office) -> SeenCall | None:
    try:
        call = office.ledger.get(call_id)
    except NotFoundError:
        return None  # erased since it was found
    return SeenCall(
        call=call,
        roles=tuple(sorted(roles)),
        held=bool(office.books.holds.of(call_id)),
        restricted=office.books.requests.restriction(call_id) is not None,
    )


def _seen_fields(row: SeenCall) -> dict[str, Any]:
    return {
        "call_id": row.call.call_id,
        "started_at": utc(row.call.call.started_at),
        "state": row.call.state.value,
        "roles": list(row.roles),
        "held": row.held,
        "restricted": row.restricted,
    }
