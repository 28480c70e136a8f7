"""What an erasure would delete, and where; what stays, until when and why. Nothing is changed here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType

from callveil.kit import Office
from callveil.pipeline.forget import EVERY_PART, Copies, copies
from callveil.pipeline.subjects import Subject
from callveil.retention.policy import decide
from callveil.stages.retention_tags import call_prefix
from callveil.vocabulary.ledger import CallState, LedgerCall
from callveil.vocabulary.retention import Fate, Hold, KeptPart, PartDecision
from callveil.vocabulary.rights import (
    Identity,
    Recipient,
    Request,
    RequestKind,
    RequestState,
)

NOBODY_KNOWS_DAYS = 30
"""What stays until something unknown happens is looked at again after so many days."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sought:
    """Whose calls are asked for, or which.

    Attributes:
        call_ids: Sorted.
        identities: Who asks; empty when calls were named.
        parties: Call id to the parties of the call that the person is; a call that was named has none.
    """

    call_ids: tuple[str, ...]
    identities: tuple[Identity, ...] = ()
    parties: Mapping[str, tuple[int, ...]] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What becomes of one call when it is to be erased.

    Attributes:
        call_id: The call.
        state: Where it stands.
        queue: None when not known.
        prefix: Its folder in the store.
        there: What there is of it.
        goes: Parts that are deleted; all of them: the call itself.
        stays: Parts that are only restricted.
        holds: Legal holds that stand on it.
    """

    call_id: str
    state: CallState
    queue: str | None
    prefix: str
    there: Copies
    goes: frozenset[KeptPart]
    stays: tuple[PartDecision, ...] = ()
    holds: tuple[Hold, ...] = ()

    @property
    def is_erased(self) -> bool:
        """Nothing of it has to stay."""
        return not self.stays

    @property
    def reason(self) -> str:
        """Why something stays; empty when nothing does."""
        return " ".join(dict.fromkeys(part.reason for part in self.stays))

    def review_at(self, now: datetime) -> datetime | None:
        """When what stays is looked at again: when its first part may go; None for when the hold ends."""
        if not self.stays:
            return None
        dates = [part.until for part in self.stays if part.until is not None]
        if dates:
            return min(dates)
        return None if self.holds else now + timedelta(days=NOBODY_KNOWS_DAYS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What an erasure would do.

    Attributes:
        calls: One for each call that is not erased yet, by id.
        recipients: Name to how many of the calls it is told of.
    """

    calls: tuple[Outlook, ...]
    recipients: Mapping[str, int]


def of_subject(subject: Subject, call_ids: Sequence[str], office: Office) -> Sought:
    """All calls of a person that were found, and others that are named.

    Raises:
        NotFoundError: A named call is not there.
    """
    also = named(call_ids, office)
    return Sought(
        call_ids=tuple(sorted({*subject.call_ids, *also.call_ids})),
        identities=subject.identities,
        parties=subject.parties,
    )


def named(call_ids: Sequence[str], office: Office) -> Sought:
    """Calls that are named by their ids.

    Raises:
        NotFoundError: One of them is not there.
    """
    for call_id in call_ids:
        office.ledger.get(call_id)
    return Sought(call_ids=tuple(sorted(set(call_ids))))


def preview(sought: Sought, office: Office) -> Preview:
    """Tell what `erase` would do now.

    Raises:
        LedgerError: The ledger failed.
        StoreError: A store failed.
    """
    found = [office.ledger.get(call_id) for call_id in sought.call_ids]
    outlooks = tuple(outlook(call, office) for call in found if call.state is not CallState.ERASED)
    told = {
        recipient.name: sum(has_copies(recipient, each.queue) for each in outlooks)
        for recipient in office.recipients
    }
    return Preview(calls=outlooks, recipients={name: n for name, n in told.items() if n})


def note_preview(ahead: Preview, office: Office, *, actor: str) -> None:
    """Write into the audit chain that somebody looked what an erasure would do."""
    office.ledger.note(
        actor=actor,
        action="erasure.previewed",
        call_id=None,
        detail={"calls": len(ahead.calls)},
        now=office.clock.now(),
    )


def outlook(found: LedgerCall, office: Office) -> Outlook:
    """What becomes of a call that is to be erased, as holds and duties stand now.

    Args:
        found: Not erased.
        office: For policies, holds and every place.
    """
    now, call_id = office.clock.now(), found.call_id
    swept = office.books.removals.swept(call_id)
    asked = Request(
        request_id="",
        kind=RequestKind.ERASURE,
        state=RequestState.RUNNING,
        identities=(),
        received_at=now,
        due_at=now,
    )
    requests = (*swept.requests, asked)
    decision = decide(swept.facts, office.policies, swept.holds, requests, now)
    stays = tuple(part for part in decision.parts if part.fate is not Fate.DELETE)
    kept = {part.part for part in stays}
    prefix = found.prefix or call_prefix(found.call)
    return Outlook(
        call_id=call_id,
        state=found.state,
        queue=found.call.queue,
        prefix=prefix,
        there=copies(call_id, prefix, found.landing, office),
        goes=EVERY_PART - kept - swept.facts.gone if stays else EVERY_PART,
        stays=stays,
        holds=swept.holds,
    )


def has_copies(recipient: Recipient, queue: str | None) -> bool:
    """Whether a recipient may have copies of a call; in doubt, when its queue is not known, it has."""
    return not recipient.queues or queue is None or queue in recipient.queues
