"""The consent gate of the service: what becomes of a call that was received, or that has a new answer."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from callveil.config import Config
from callveil.errors import RefusedError
from callveil.kit import Originals, Service
from callveil.pipeline.publish import keep_nothing
from callveil.pipeline.seal import erase_original
from callveil.ports import Books, Clock, ObjectStore
from callveil.stages.consent_gate import decide_consent
from callveil.stages.retention_tags import call_prefix
from callveil.vocabulary.call import Call
from callveil.vocabulary.consent import Action, ConsentDecision, ConsentRules
from callveil.vocabulary.ledger import CallState, Claim, LedgerCall, Settlement


class Places(Protocol):
    """What carrying out a decision about consent needs: no engine."""

    @property
    def config(self) -> Config:
        """The profile."""

    @property
    def store(self) -> ObjectStore:
        """Where published calls are."""

    @property
    def originals(self) -> Originals | None:
        """Where originals are sealed."""

    @property
    def books(self) -> Books:
        """For the legal holds."""

    @property
    def clock(self) -> Clock:
        """Tells the time."""


def decide(claim: Claim, service: Service) -> Settlement:
    """Decide about a RECEIVED call.

    A call that is published already stays so when the decision is still the one it was published by, is
    redone when its audio is still in the landing, and is erased or kept as the profile says when it is not.
    Of a call under legal hold nothing is deleted: a published one stays, and of one that is discarded the
    audio waits in the landing until the hold ends.

    Args:
        claim: On the call.
        service: For the store, the rules and the clock.

    Returns:
        HELD, KEPT, DISCARDED, or PUBLISHED for one that stays published.

    Raises:
        RefusedError: A recording that nobody knew of is under legal hold.
        StoreError: The store failed.
    """
    found = claim.found
    decision = decide_consent(found.call, service.rules, service.clock.now(), found.duration_s)
    held = is_held(found.call_id, service)
    if found.prefix is not None and (settled := _published(found, decision, service, held=held)):
        return settled
    if decision.action is Action.KEEP:
        return Settlement(state=CallState.KEPT, reason=decision.reason)
    if not held:
        # A worker may have published it and died before it could say so: the ledger knows of no recording.
        service.store.delete_call(call_prefix(found.call), bypass_governance=True)
    keep_nothing(found.call, decision, service, found.content_sha256, held=held)
    if decision.action is Action.HOLD:
        return Settlement(state=CallState.HELD, reason=decision.reason, hold_until=decision.hold_until)
    if not held:
        erase_original(found.call_id, service.originals)
    return Settlement(state=CallState.DISCARDED, reason=decision.reason)


def is_held(call_id: str, places: Places) -> bool:
    """Whether a legal hold is on a call."""
    return bool(places.books.holds.of(call_id))


def after_answer(found: LedgerCall, call: Call, places: Places, rules: ConsentRules) -> Settlement:
    """What becomes of a published call without audio in the landing, when answers have come in.

    Args:
        found: The call as it was published.
        call: Its metadata with the answers that stand now.
        places: Store, profile, holds.
        rules: Of the consent gate.

    Returns:
        DISCARDED, and then it is deleted; or PUBLISHED for one that stays.

    Raises:
        StoreError: The store failed.
    """
    decision = decide_consent(call, rules, places.clock.now(), found.duration_s)
    now = replace(found, call=call, landing=None)
    settled = _published(now, decision, places, held=is_held(found.call_id, places))
    return settled or _stays(found, found.reason)


def _published(
    found: LedgerCall, decision: ConsentDecision, service: Places, *, held: bool
) -> Settlement | None:
    """What becomes of a published call; None when it is to be redone from the landing."""
    if decision.action is Action.KEEP and _same_end(decision.keep_until_s, found.keep_until_s):
        return _stays(found, "")
    if service.config.profile.consent.after_publishing == "keep":
        return _stays(found, f"Kept although: {decision.reason}")
    if held:
        return _stays(found, f"Under legal hold, so it stays, although: {decision.reason}")
    if decision.action is Action.KEEP and found.landing is not None:
        return None
    discard = ConsentDecision(action=Action.DISCARD, rule=decision.rule, reason=decision.reason)
    try:
        # What was said after the withdrawal cannot be cut off any more once the original is shredded.
        keep_nothing(found.call, discard, service, found.content_sha256, erase=True)
    except RefusedError:
        return _stays(found, f"Under legal hold, so it stays, although: {decision.reason}")
    erase_original(found.call_id, service.originals)
    return Settlement(state=CallState.DISCARDED, reason=decision.reason)


def _stays(found: LedgerCall, reason: str) -> Settlement:
    return Settlement(
        state=CallState.PUBLISHED,
        reason=reason,
        prefix=found.prefix,
        keep_until_s=found.keep_until_s,
        duration_s=found.duration_s,
        masked_s=found.masked_s,
    )


def _same_end(left: float | None, right: float | None) -> bool:
    """A certificate has three decimals."""
    return (left is None and right is None) or (
        left is not None and right is not None and round(left, 3) == round(right, 3)
    )
