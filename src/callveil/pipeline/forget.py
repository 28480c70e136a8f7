"""Deletions that were decided: every copy of what goes, in an order that no crash spoils."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from callveil.errors import CallveilError, NotFoundError, RefusedError, StoreError, TamperedError
from callveil.kit import Office
from callveil.ports import ObjectStore
from callveil.stages.retention_tags import decision_key_of
from callveil.vocabulary.ledger import CallState
from callveil.vocabulary.recording import Part
from callveil.vocabulary.retention import KeptPart
from callveil.vocabulary.rights import Removal

log = logging.getLogger(__name__)

OBJECTS: Mapping[KeptPart, frozenset[Part]] = MappingProxyType(
    {
        KeptPart.AUDIO: frozenset({Part.AUDIO}),
        KeptPart.TRANSCRIPT: frozenset({Part.TRANSCRIPT, Part.CAPTIONS, Part.VCON}),
        KeptPart.ORIGINAL: frozenset(),
        KeptPart.CERTIFICATE: frozenset({Part.CERTIFICATE}),
    }
)
"""Objects of the store that each part stands for."""

EVERY_PART = frozenset(KeptPart)

_TRIES = 3
"""How often a call is deleted that a late worker publishes anew; it can do so once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copies:
    """What there is of a call, in numbers.

    Attributes:
        store_versions: Versions of its objects in the store, unfinished uploads among them.
        decision_records: Versions of its decision record.
        originals: Sealed originals.
        landing: Recordings in the landing.
    """

    store_versions: int = 0
    decision_records: int = 0
    originals: int = 0
    landing: int = 0

    def __bool__(self) -> bool:
        return any(self.numbers.values())

    @property
    def numbers(self) -> dict[str, int]:
        """As they stand in evidence."""
        return {
            "store_versions": self.store_versions,
            "decision_records": self.decision_records,
            "originals": self.originals,
            "landing": self.landing,
        }


def copies(call_id: str, prefix: str, landing: str | None, office: Office) -> Copies:
    """Count what there is of a call in every place.

    Args:
        call_id: The call.
        prefix: Its folder in the store.
        landing: Token of its audio in the landing; None when there is none.
        office: Where to look.

    Raises:
        StoreError: A store failed.
        LandingError: The landing failed.
    """
    return Copies(
        store_versions=office.store.count_versions(prefix),
        decision_records=office.store.count_versions(decision_key_of(prefix)),
        originals=int(_has_original(call_id, office)),
        landing=int(_has_landed(landing, office)),
    )


def carry_out(removal: Removal, office: Office, *, actor: str) -> Removal:
    """Delete what a removal is about, and write down that it is done.

    Keys go before what they open. What there was is written down before anything goes, so that a process
    killed in between leaves true numbers. Every step can be done again.

    Args:
        removal: As it was decided.
        office: Every place.
        actor: As in the audit chain.

    Raises:
        RefusedError: The store has a legal hold on the call, which the ledger knows nothing of. Nothing was
            deleted.
        StoreError: A store failed. The removal is not finished.
        LandingError: The landing failed. The removal is not finished.
    """
    if removal.done_at is not None:
        return removal
    _check_hold(removal, office.store)
    was_there = _of(removal, copies(removal.call_id, removal.prefix, removal.landing, office), office)
    removal = office.books.removals.begin(
        removal.removal_id, evidence=was_there, actor=actor, now=office.clock.now()
    )
    return office.books.removals.finish(
        removal.removal_id, evidence=_delete(removal, office), actor=actor, now=office.clock.now()
    )


def delete_again(removal: Removal, office: Office) -> Copies:
    """Delete what came back after a removal was done, such as from a worker that had stood still.

    Returns:
        What is left; nothing unless a hold or a failure is in the way.

    Raises:
        RefusedError: The store has a legal hold on the call.
        StoreError: A store failed.
        LandingError: The landing failed.
    """
    if _is_whole(removal, office) and copies(removal.call_id, removal.prefix, removal.landing, office):
        log.warning("a call that is erased had a copy again", extra={"call_id": removal.call_id})
        _delete(removal, office)
    return copies(removal.call_id, removal.prefix, removal.landing, office)


def finish_removals(office: Office, *, actor: str) -> tuple[int, int]:
    """Take up what was decided and not finished.

    Returns:
        How many are finished now, and how many failed.

    Raises:
        LedgerError: The ledger failed.
    """
    done = failed = 0
    for removal in office.books.removals.unfinished():
        try:
            carry_out(removal, office, actor=actor)
        except CallveilError as error:
            failed += 1
            log.error("a removal is not finished", extra={"call_id": removal.call_id, "error": error.code})
        else:
            done += 1
    return done, failed


def _delete(removal: Removal, office: Office) -> dict[str, int]:
    landing = _shred(removal, office)
    if _is_whole(removal, office):
        return {"landing": landing, **delete_everything(removal.call_id, removal.prefix, office)}
    originals = 0
    if KeptPart.ORIGINAL in removal.parts and office.originals is not None:
        originals = int(office.originals.store.delete(removal.call_id))
    versions = _delete_parts(removal, office.store)
    return {"landing": landing, "originals": originals, "store_versions": versions}


def delete_everything(call_id: str, prefix: str, office: Office) -> dict[str, int]:
    """Delete the original of a call, its objects with every version, and its decision record.

    Returns:
        What was deleted, in numbers.

    Raises:
        RefusedError: The store has a legal hold on the call.
        StoreError: A store failed, or copies appear as fast as they are deleted.
    """
    numbers = {"originals": 0, "store_versions": 0, "decision_records": 0}
    for _ in range(_TRIES):
        if office.originals is not None:
            numbers["originals"] += office.originals.store.delete(call_id)
        numbers["store_versions"] += office.store.delete_call(prefix, bypass_governance=True)
        numbers["decision_records"] += office.store.delete_decision(decision_key_of(prefix))
        # A worker that had asked the ledger before the call was erased may publish right now.
        if not copies(call_id, prefix, None, office):
            return numbers
    raise StoreError("store: a call that is being deleted still has copies")


def _delete_parts(removal: Removal, store: ObjectStore) -> int:
    """Objects of some parts; a certificate goes with its call only, for without it nothing is visible."""
    gone = frozenset[Part]().union(*(OBJECTS[part] for part in removal.parts)) - {Part.CERTIFICATE}
    try:
        return store.delete_parts(removal.prefix, gone, bypass_governance=True) if gone else 0
    except NotFoundError:
        return 0  # it was never published


def _shred(removal: Removal, office: Office) -> int:
    if removal.landing is None or office.landing is None or KeptPart.ORIGINAL not in removal.parts:
        return 0
    return int(office.landing.shred(removal.landing))


def _is_whole(removal: Removal, office: Office) -> bool:
    """Nothing of the call stays, for what does not go now has gone before."""
    return removal.parts >= EVERY_PART or office.ledger.get(removal.call_id).state is CallState.ERASED


def _of(removal: Removal, there: Copies, office: Office) -> dict[str, int]:
    """The part of what there is that this removal is about."""
    if _is_whole(removal, office):
        return there.numbers
    numbers = there.numbers
    if KeptPart.ORIGINAL not in removal.parts:
        numbers["originals"] = numbers["landing"] = 0
    return {name: numbers[name] for name in ("originals", "landing")}


def _check_hold(removal: Removal, store: ObjectStore) -> None:
    try:
        held = store.legal_hold(removal.prefix)
    except NotFoundError:
        return
    if held:
        raise RefusedError(
            f"call {removal.call_id}: the store has a legal hold on it that nobody placed with Callveil; "
            "nothing is deleted until it is lifted there, or placed here: callveil hold place"
        )


def _has_original(call_id: str, office: Office) -> bool:
    if office.originals is None:
        return False
    try:
        office.originals.store.key(call_id)
    except NotFoundError:
        return False
    except TamperedError:
        return True
    return True


def _has_landed(token: str | None, office: Office) -> bool:
    if token is None or office.landing is None:
        return False
    try:
        office.landing.is_finished(token)
    except NotFoundError:
        return False
    except CallveilError:
        return True  # there is something, whatever is wrong with it
    return True
