"""What is held of a person: calls, their parts with how long and why, holds, and who got copies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from callveil.errors import NotFoundError
from callveil.kit import Office
from callveil.pipeline.export import is_covered, original_until
from callveil.pipeline.outlook import Sought, has_copies
from callveil.pipeline.subjects import Subject
from callveil.pipeline.sweep import look
from callveil.vocabulary.ledger import CallState, LedgerCall
from callveil.vocabulary.recording import Part
from callveil.vocabulary.retention import Hold, KeptPart, PartDecision


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldCall:
    """A call, and all that is held of it.

    Attributes:
        call: The call.
        roles: Of the person in it; empty when it was named by its id.
        parts: What there is of it, until when and why.
        holds: Legal holds that stand on it.
        restricted: Why nobody may use it; None when it may be used.
        recipients: Names of systems that get copies of such calls.
    """

    call: LedgerCall
    roles: tuple[str, ...]
    parts: tuple[PartDecision, ...]
    holds: tuple[Hold, ...]
    restricted: str | None
    recipients: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOutlook:
    """What an export would hold.

    Attributes:
        n_calls: All calls that are not erased.
        n_recordings: Those with something published.
        n_restricted: Those that are restricted; they are in it.
        n_portable: Those that Art. 20 covers.
    """

    n_calls: int
    n_recordings: int
    n_restricted: int
    n_portable: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Parts that stay equally long.

    Attributes:
        parts: Which.
        until: When they are to be deleted, aware UTC; None when nobody knows yet.
        reasons: Why, each once.
    """

    parts: tuple[KeptPart, ...]
    until: datetime | None
    reasons: tuple[str, ...]


def spans_of(parts: Sequence[PartDecision]) -> tuple[Span, ...]:
    """What is decided of parts, those of the same date together."""
    dates = dict.fromkeys(part.until for part in parts)
    same = {until: [part for part in parts if part.until == until] for until in dates}
    return tuple(
        Span(
            parts=tuple(part.part for part in found),
            until=until,
            reasons=tuple(dict.fromkeys(part.reason for part in found)),
        )
        for until, found in same.items()
    )


def roles_of(subject: Subject) -> Mapping[str, tuple[str, ...]]:
    """Call id to what the person was in the call."""
    found: dict[str, set[str]] = {}
    for sighting in subject.sightings:
        found.setdefault(sighting.call_id, set()).add(sighting.role)
    return {call_id: tuple(sorted(roles)) for call_id, roles in found.items()}


def held_calls(
    call_ids: Sequence[str], roles: Mapping[str, tuple[str, ...]], office: Office
) -> tuple[HeldCall, ...]:
    """What is held of these calls, in their order; those that were erased are left out.

    Args:
        call_ids: As many as are shown at a time.
        roles: Of the person, by call id.
        office: Every place.

    Raises:
        StoreError: A store failed.
        LedgerError: The ledger failed.
    """
    found = (_held(call_id, roles.get(call_id, ()), office) for call_id in call_ids)
    return tuple(each for each in found if each is not None)


def export_outlook(subject: Subject, office: Office) -> ExportOutlook:
    """Count what an export of a person would hold.

    Raises:
        LedgerError: The ledger failed.
    """
    parties = subject.parties
    calls = [call for call_id in subject.call_ids if (call := _known(call_id, office)) is not None]
    return ExportOutlook(
        n_calls=len(calls),
        n_recordings=sum(call.prefix is not None for call in calls),
        n_restricted=sum(office.books.requests.restriction(call.call_id) is not None for call in calls),
        n_portable=sum(is_covered(call, parties) for call in calls),
    )


def told_of(sought: Sought, office: Office) -> Mapping[str, int]:
    """Recipients that get copies of such calls, by name, with how many of the calls.

    Raises:
        LedgerError: The ledger failed.
    """
    queues = [call.call.queue for call_id in sought.call_ids if (call := _known(call_id, office)) is not None]
    told = {each.name: sum(has_copies(each, queue) for queue in queues) for each in office.recipients}
    return {name: n for name, n in told.items() if n}


def _known(call_id: str, office: Office) -> LedgerCall | None:
    try:
        call = office.ledger.get(call_id)
    except NotFoundError:
        return None
    return None if call.state is CallState.ERASED else call


def _held(call_id: str, roles: tuple[str, ...], office: Office) -> HeldCall | None:
    call = _known(call_id, office)
    if call is None:
        return None
    swept = office.books.removals.swept(call_id)
    there = _parts_there(call, office)
    decision = look(swept, office, office.clock.now())
    return HeldCall(
        call=call,
        roles=roles,
        parts=tuple(part for part in decision.parts if part.part in there),
        holds=swept.holds,
        restricted=swept.restricted,
        recipients=tuple(each.name for each in office.recipients if has_copies(each, call.call.queue)),
    )


def _parts_there(call: LedgerCall, office: Office) -> frozenset[KeptPart]:
    names: set[str] = set()
    if call.prefix is not None:
        names = {each.key.removeprefix(call.prefix) for each in office.store.list_objects(call.prefix)}
    there = {
        KeptPart.AUDIO: Part.AUDIO.value in names,
        KeptPart.TRANSCRIPT: Part.TRANSCRIPT.value in names,
        KeptPart.ORIGINAL: call.landing is not None or original_until(office, call.call_id) is not None,
        KeptPart.CERTIFICATE: Part.CERTIFICATE.value in names,
    }
    return frozenset(part for part, is_there in there.items() if is_there)
