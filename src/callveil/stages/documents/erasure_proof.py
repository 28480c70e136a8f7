"""The signed proof of an erasure. FORMATS.md and `schemas/erasure.schema.json` say what stands in it.

It holds no personal data: call ids, times and numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from callveil.ports import Signer
from callveil.stages.documents.forms import utc
from callveil.stages.documents.signature import signed_json
from callveil.vocabulary.rights import ItemState, Notice, NoticeState, Removal, Request, RequestItem

SCHEMA_VERSION = "1.0"

PLACES = (
    "store_versions",
    "decision_records",
    "originals",
    "landing",
    "identifiers_in_index",
    "ledger_records",
)
"""Every place that is looked into for what is left, and what is counted there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvenCall:
    """One call of an erasure.

    Attributes:
        item: Where it stands.
        removals: What of it was deleted for this request, oldest first.
        left: What was found of it in each of `PLACES` when it was looked for again; None for a call that is
            only restricted.
    """

    item: RequestItem
    removals: tuple[Removal, ...] = ()
    left: Mapping[str, int] | None = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureFacts:
    """What a proof is made of.

    Attributes:
        request: The request, before or after it is closed.
        calls: By call id.
        notices: What recipients were told.
        issued_at: When it was looked for again, aware UTC.
        tool_version: Of Callveil.
    """

    request: Request
    calls: Sequence[ProvenCall]
    notices: Sequence[Notice]
    issued_at: datetime
    tool_version: str


def erasure_json(facts: ErasureFacts, signer: Signer) -> bytes:
    """Write the proof and sign it.

    Raises:
        ConfigError: There is no signing key.
    """
    request, erased = facts.request, [call for call in facts.calls if call.left is not None]
    return signed_json(
        {
            "schema_version": SCHEMA_VERSION,
            "request_id": request.request_id,
            "outcome": "erased" if len(erased) == len(facts.calls) else "partly_erased",
            "received_at": utc(request.received_at),
            "issued_at": utc(facts.issued_at),
            "tool_version": facts.tool_version,
            "calls": [_call(call) for call in facts.calls],
            "recipients": [_recipient(notice, facts.issued_at) for notice in facts.notices],
            "absence": {
                "checked_at": utc(facts.issued_at),
                "calls": len(erased),
                "left": {place: sum(_left(call, place) for call in erased) for place in PLACES},
            },
        },
        signer,
    )


def _left(call: ProvenCall, place: str) -> int:
    return 0 if call.left is None else call.left.get(place, 0)


def _call(call: ProvenCall) -> dict[str, object]:
    item, numbers = call.item, _sum(call.removals)
    restricted = item.state is ItemState.RESTRICTED
    return {
        "call_id": item.call_id,
        "state": "restricted" if restricted else "erased",
        "parts": sorted({part.value for removal in call.removals for part in removal.parts}),
        "erased_at": _last(call.removals),
        "deleted": numbers,
        # Each of them had a data key of its own, which went before what it opens.
        "keys_shredded": numbers.get("landing", 0) + numbers.get("originals", 0),
        "reason": item.reason if restricted else None,
        "review_at": utc(item.review_at) if restricted and item.review_at else None,
    }


def _last(removals: Sequence[Removal]) -> str | None:
    done = [removal.done_at for removal in removals if removal.done_at is not None]
    return utc(max(done)) if done else None


def _sum(removals: Sequence[Removal]) -> dict[str, int]:
    numbers: dict[str, int] = {}
    for removal in removals:
        for name, number in removal.evidence.items():
            numbers[name] = numbers.get(name, 0) + number
    return dict(sorted(numbers.items()))


def _recipient(notice: Notice, now: datetime) -> dict[str, object]:
    is_late = notice.state is NoticeState.WAITING and notice.due_at <= now
    return {
        "name": notice.recipient,
        "notice_id": notice.notice_id,
        "event": notice.event,
        "calls": len(notice.call_ids),
        "state": "late" if is_late else notice.state.value,
        "due_at": utc(notice.due_at),
        "delivered_at": utc(notice.delivered_at) if notice.delivered_at else None,
    }
