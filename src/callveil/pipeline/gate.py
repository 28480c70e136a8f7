"""The consent gate of the service: what becomes of a call that was received, or that has a new answer."""

from __future__ import annotations

from callveil.errors import RefusedError
from callveil.kit import Service
from callveil.pipeline.publish import keep_nothing
from callveil.pipeline.seal import erase_original
from callveil.stages.consent_gate import decide_consent
from callveil.stages.retention_tags import call_prefix
from callveil.vocabulary.consent import Action, ConsentDecision
from callveil.vocabulary.ledger import CallState, Claim, LedgerCall, Settlement


def decide(claim: Claim, service: Service) -> Settlement:
    """Decide about a RECEIVED call.

    A call that is published already stays so when the decision is still the one it was published by, is
    redone when its audio is still in the landing, and is erased or kept as the profile says when it is not.

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
    if found.prefix is not None and (settled := _published(found, decision, service)):
        return settled
    if decision.action is Action.KEEP:
        return Settlement(state=CallState.KEPT, reason=decision.reason)
    # A worker may have published it and died before it could say so: then the ledger knows of no recording.
    service.store.delete_call(call_prefix(found.call), bypass_governance=True)
    keep_nothing(found.call, decision, service, found.content_sha256)
    if decision.action is Action.HOLD:
        return Settlement(state=CallState.HELD, reason=decision.reason, hold_until=decision.hold_until)
    erase_original(found.call_id, service.originals)
    return Settlement(state=CallState.DISCARDED, reason=decision.reason)


def _published(found: LedgerCall, decision: ConsentDecision, service: Service) -> Settlement | None:
    """What becomes of a published call; None when it is to be redone from the landing."""
    if decision.action is Action.KEEP and _same_end(decision.keep_until_s, found.keep_until_s):
        return _stays(found, "")
    if service.config.profile.consent.after_publishing == "keep":
        return _stays(found, f"Kept although: {decision.reason}")
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
