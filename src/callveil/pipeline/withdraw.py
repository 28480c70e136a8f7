"""Consent that is withdrawn after the call (GDPR Art. 7(3)), and what follows from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from callveil.adapters.consent_rules import load_consent_rules
from callveil.errors import MetadataError
from callveil.kit import Office
from callveil.pipeline.gate import after_answer
from callveil.stages.consent_gate import decide_consent
from callveil.stages.consent_history import fold_answers
from callveil.vocabulary.consent import Action, ConsentRecord, Flag, Purpose
from callveil.vocabulary.ledger import CallState, LedgerCall

SERVED = frozenset({"push", "folder", "s3", "audiohook", "twilio", "siprec"})
"""Sources of calls that a worker of the service decides about; others are decided about at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawn:
    """What a withdrawal came to.

    Attributes:
        found: The call, after it.
        consequence: What follows, in words.
    """

    found: LedgerCall
    consequence: str


def withdraw(
    call_id: str,
    purposes: Sequence[Purpose],
    office: Office,
    *,
    at_s: float | None,
    party: int | None,
    actor: str,
) -> Withdrawn:
    """Write a withdrawal down, and carry out what follows from it where no worker does.

    Args:
        call_id: The call.
        purposes: What consent is withdrawn for; at least one.
        office: Ledger, store, profile.
        at_s: Second of the call from which on it is withdrawn; None for all of it.
        party: Index of the party that withdraws; None for all.
        actor: As in the audit chain.

    Raises:
        NotFoundError: No such call.
        MetadataError: The call has no such party.
        StoreError: The store failed; the withdrawal is written down.
    """
    found = office.ledger.get(call_id)
    records = _answers(found, purposes, at_s, party)
    after = office.ledger.record_consent(call_id, records, actor=actor, now=office.clock.now())
    words = consequence(found, after, office)
    if found.source not in SERVED:
        after = carry_out_consent(after, office, actor=actor, before=found)
    return Withdrawn(found=after, consequence=words)


def foresee(
    call_id: str, purposes: Sequence[Purpose], office: Office, *, at_s: float | None, party: int | None
) -> str:
    """Tell in words what `withdraw` would come to; nothing is changed.

    Args:
        call_id: The call.
        purposes: As for `withdraw`, which says what is raised too.
        office: For rules, profile and holds.
        at_s: As for `withdraw`.
        party: As for `withdraw`.
    """
    found = office.ledger.get(call_id)
    standing = fold_answers(found.call.consent, _answers(found, purposes, at_s, party))
    after = replace(found, call=replace(found.call, consent=standing))
    return consequence(found, after, office)


def _answers(
    found: LedgerCall, purposes: Sequence[Purpose], at_s: float | None, party: int | None
) -> list[ConsentRecord]:
    if party is not None and not 0 <= party < len(found.call.parties):
        raise MetadataError(f"--party: allowed: 0 to {len(found.call.parties) - 1}")
    return [
        ConsentRecord(purpose=purpose, flag=Flag.WITHDRAWN, party=party, withdrawn_at_s=at_s)
        for purpose in purposes
    ]


def consequence(before: LedgerCall, after: LedgerCall, office: Office) -> str:
    """What follows from the answers that stand now, in words.

    Args:
        before: The call as it was.
        after: The call with the new answers.
        office: For rules, profile and holds.
    """
    rules = load_consent_rules(office.config.consent_rules)
    decision = decide_consent(after.call, rules, office.clock.now(), before.duration_s)
    if before.state in (CallState.DISCARDED, CallState.ERASED):
        return "Nothing of the call is kept any more, so there is nothing to do."
    if office.books.holds.of(before.call_id):
        return "The call is under a legal hold, so it stays until that is released; then this is carried out."
    if decision.action is Action.KEEP and decision.keep_until_s == before.keep_until_s:
        return f"The call stays as it is: {decision.reason}"
    if before.prefix is None:
        words = {
            Action.KEEP: "The call will be kept as far as that allows:",
            Action.HOLD: "The call waits for an answer and is not used until then:",
            Action.DISCARD: "The call will not be kept, and its audio is deleted:",
        }
        return f"{words[decision.action]} {decision.reason}"
    if office.config.profile.consent.after_publishing == "keep":
        return (
            "The published call stays, as the profile says (consent.after_publishing = keep): "
            f"{decision.reason}"
        )
    if decision.action is Action.KEEP and before.landing is not None:
        return f"The call is made anew and cut short: {decision.reason}"
    return (
        "The published call is deleted with its original, as the profile says "
        f"(consent.after_publishing = erase): {decision.reason}"
    )


def carry_out_consent(
    found: LedgerCall, office: Office, *, actor: str, before: LedgerCall | None = None
) -> LedgerCall:
    """Delete or keep a published call as the answers that stand now say; nothing happens to other calls.

    Args:
        found: The call.
        office: Every place.
        actor: As in the audit chain.
        before: As it was before the last answers, when those have sent it back; None for as it is.

    Returns:
        The call afterwards.
    """
    was = before or found
    if was.prefix is None or was.state is not CallState.PUBLISHED:
        return found
    result = after_answer(was, found.call, office, load_consent_rules(office.config.consent_rules))
    if before is None and result.state is CallState.PUBLISHED and result.reason == found.reason:
        return found
    return office.ledger.record(found.call_id, result, actor=actor, now=office.clock.now())
