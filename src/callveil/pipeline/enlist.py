"""Calls that are processed outside of the service stand in a ledger too, so that their persons are found.

A call is enlisted before anything of it is written, and how it ended is recorded afterwards. Whoever is
killed in between leaves a call that is found, and that the next run brings to its end.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from callveil.errors import CallveilError, RefusedError
from callveil.kit import Enlisting, Kit
from callveil.pipeline.holds import mark_published
from callveil.pipeline.publish import is_published
from callveil.pipeline.seal import erase_original
from callveil.pipeline.work import settlement_of
from callveil.rights.identifiers import identities_of
from callveil.stages.retention_tags import call_prefix
from callveil.vocabulary.call import Call
from callveil.vocabulary.ledger import CallState, LedgerCall, NewCall, Settlement
from callveil.vocabulary.recording import Outcome, State

_SOURCE = "process"


def enlisted(
    call: Call,
    kit: Kit,
    enlisting: Enlisting,
    *,
    content_sha256: str,
    n_bytes: int,
    work: Callable[[Call, Callable[[], None]], Outcome],
) -> Outcome:
    """Do the work on a call with the ledger knowing of it.

    Args:
        call: Its metadata.
        kit: For the store and the originals.
        enlisting: The ledger.
        content_sha256: Of the recording, in hex.
        n_bytes: Its size.
        work: Given the call with the consent that now stands (answers that came in since stay in force), and
            what is to be called right before anything of a redacted call is written.

    Raises:
        RefusedError: The call was erased, or the service has it.
        LedgerError: The ledger failed; before the work, nothing was done.
        CallveilError: As `work` raises it; that is recorded.
    """
    new = NewCall(
        call=call,
        landing=None,
        source=_SOURCE,
        content_sha256=content_sha256,
        n_bytes=n_bytes,
        identities=identities_of(call, enlisting.hasher),
    )
    clock = enlisting.clock
    try:
        found = enlisting.ledger.enlist(new, actor=enlisting.actor, now=clock.now())
    except RefusedError:
        _take_back(call, kit, enlisting)
        raise
    try:
        standing = replace(call, consent=found.call.consent)
        outcome = work(standing, lambda: _check_not_erased(call, enlisting))
    except Exception as error:
        _record_failure(found, error, kit, enlisting)
        raise
    settlement = _settlement(found, outcome, kit)
    if settlement is not None:
        try:
            enlisting.ledger.record(call.call_id, settlement, actor=enlisting.actor, now=clock.now())
        except RefusedError:
            _take_back(call, kit, enlisting)
            raise
    if outcome.state is State.PUBLISHED and outcome.prefix is not None:
        mark_published(call.call_id, outcome.prefix, enlisting.books, kit.store)
    return replace(outcome, turns=None)  # a batch keeps the outcomes of all its calls


def _check_not_erased(call: Call, enlisting: Enlisting) -> None:
    if enlisting.ledger.get(call.call_id).state is CallState.ERASED:
        raise RefusedError(f"call {call.call_id}: was erased while it was processed")


def _take_back(call: Call, kit: Kit, enlisting: Enlisting) -> None:
    """Delete what was published of a call that is erased: by this run, or by one that was killed since."""
    if enlisting.ledger.get(call.call_id).state is CallState.ERASED:
        kit.store.delete_call(call_prefix(call), bypass_governance=True)
        erase_original(call.call_id, kit.originals)


def _settlement(found: LedgerCall, outcome: Outcome, kit: Kit) -> Settlement | None:
    """What is to be recorded; None when the ledger says it already."""
    if outcome.state is State.SKIPPED and (found.state, found.prefix) == (
        CallState.PUBLISHED,
        outcome.prefix,
    ):
        return None
    if outcome.state in (State.HELD, State.QUARANTINED) and is_published(found.call, kit):
        return _still_published(found)  # an earlier recording stays: see `pipeline.publish`
    return settlement_of(outcome)


def _record_failure(found: LedgerCall, error: Exception, kit: Kit, enlisting: Enlisting) -> None:
    # The text of an unknown error may quote the call, so only its kind is kept.
    code, reason = "file" if isinstance(error, OSError) else "internal", type(error).__name__
    if isinstance(error, CallveilError):
        code, reason = error.code, str(error)
    settlement: Settlement | None = Settlement(state=CallState.FAILED, reason=reason, error_code=code)
    with suppress(CallveilError):  # the work's own error is the one to tell; the next run records anew
        if is_published(found.call, kit):
            settlement = _still_published(found)
        if settlement is not None:
            enlisting.ledger.record(
                found.call_id, settlement, actor=enlisting.actor, now=enlisting.clock.now()
            )


def _still_published(found: LedgerCall) -> Settlement | None:
    if found.state is CallState.PUBLISHED:
        return None
    return Settlement(state=CallState.PUBLISHED, prefix=call_prefix(found.call))
