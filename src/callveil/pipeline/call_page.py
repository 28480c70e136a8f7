"""What people see of one call: what is known, what was said without personal data, how long it stays and why.

Three looks, as fast as each can be: `call_page` reads the ledger and two small documents, `certificate_state`
reads and hashes everything that is published, `waveform` decodes the audio. Nothing of it is kept.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from callveil.adapters.audio_peaks import peaks
from callveil.errors import NotFoundError, StoreError
from callveil.kit import Office
from callveil.pipeline.report_views import (
    Kind,
    KindTotal,
    TurnView,
    kind_of,
    kind_totals,
    masked_seconds,
    turn_view,
)
from callveil.pipeline.restrict import check_may_read
from callveil.pipeline.retention_documents import fitting_policies
from callveil.pipeline.sweep import look
from callveil.pipeline.verify_published import CheckedCall, Known, verify_stored
from callveil.ports import SweptCall
from callveil.stages.retention_tags import decision_key
from callveil.vocabulary.consent import ConsentRecord
from callveil.vocabulary.ledger import AuditEntry, CallState, LedgerCall
from callveil.vocabulary.recording import Part
from callveil.vocabulary.retention import Decision

_MOST_HISTORY = 500
"""Entries of a call's history that are shown, the first ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mask:
    """A masked stretch of a channel, in seconds."""

    channel: int
    start_s: float
    end_s: float
    kind: Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentShown:
    """What the consent gate decided.

    Attributes:
        action: "keep", "hold", "discard", or "quarantine" for a call that could not be proven clean.
        rule: Name of the rule.
        reason: One sentence.
        keep_until_s: Second that is kept up to; None for the whole call.
        hold_until: RFC 3339; None when it does not wait.
    """

    action: str
    rule: str
    reason: str
    keep_until_s: float | None
    hold_until: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallShown:
    """One call.

    Attributes:
        call: As the ledger has it.
        consent: What was decided, as it was written down; None when nothing is yet.
        answers: Every answer with its time and who brought it, oldest first.
        swept: What decides about how long it stays: holds, restriction, open requests, events, gone parts.
        decision: What is decided now, part by part, in words.
        policies: Names of the retention policies that are for it.
        history: Entries of the audit chain, oldest first.
        certificate: Content of certificate.json; None when nothing is published.
        kinds: What is masked, by kind.
        masks: Every masked stretch, by start.
        masked_s: Seconds in which something is masked.
        turns: Masked transcript; None when there is none, or it may not be shown.
        language: ISO 639-1 code; empty when not known.
        has_audio: There is redacted audio, and it may be heard.
        is_withheld: It is restricted, and nobody said why it must be read all the same.
    """

    call: LedgerCall
    consent: ConsentShown | None
    answers: tuple[tuple[datetime, str, ConsentRecord], ...]
    swept: SweptCall
    decision: Decision
    policies: tuple[str, ...]
    history: tuple[AuditEntry, ...]
    certificate: Mapping[str, Any] | None
    kinds: tuple[KindTotal, ...]
    masks: tuple[Mask, ...]
    masked_s: float
    turns: tuple[TurnView, ...] | None
    language: str
    has_audio: bool
    is_withheld: bool


def call_page(
    call_id: str,
    office: Office,
    *,
    within: frozenset[str] | None,
    actor: str,
    despite: str | None = None,
) -> CallShown:
    """Everything about a call but its sound and its proof.

    Args:
        call_id: The call.
        office: Every place.
        within: Queues whose calls may be seen; None for all.
        actor: As in the audit chain.
        despite: Why a restricted call must be read all the same; that is written down (Art. 18(2)).

    Raises:
        NotFoundError: No such call, or it is in another queue.
        StoreError: The store failed, or holds a document that is not in its format.
        LedgerError: The ledger failed.
    """
    found = _visible(call_id, office, within)
    is_withheld = _is_withheld(call_id, office, despite, actor)
    swept = office.books.removals.swept(call_id)
    certificate = _document(office, found.prefix, Part.CERTIFICATE)
    transcript = None if is_withheld else _document(office, found.prefix, Part.TRANSCRIPT)
    try:
        spans = [] if certificate is None else certificate["masked_spans"]
        masks = tuple(_mask(span) for span in sorted(spans, key=lambda span: span["start_s"]))
        return CallShown(
            call=found,
            consent=_consent(found, certificate, office),
            answers=office.ledger.consent_history(call_id),
            swept=swept,
            decision=look(swept, office, office.clock.now()),
            policies=tuple(fitting_policies(swept, office.policies)),
            history=office.ledger.history(call_id, limit=_MOST_HISTORY),
            certificate=certificate,
            kinds=kind_totals(spans),
            masks=masks,
            masked_s=masked_seconds(spans),
            turns=None if transcript is None else tuple(turn_view(turn) for turn in transcript["turns"]),
            language="" if transcript is None else transcript["language"],
            has_audio=not is_withheld and _has(office, found.prefix, Part.AUDIO),
            is_withheld=is_withheld,
        )
    except (KeyError, TypeError, AttributeError):
        pass
    raise StoreError(f"call {call_id}: a stored document is not in its format")


def readable(call_id: str, office: Office, *, within: frozenset[str] | None) -> str:
    """Folder of a published call that may be read and heard.

    Raises:
        NotFoundError: No such call, it is in another queue, or nothing of it is published.
        RefusedError: It is restricted.
        LedgerError: The ledger failed.
    """
    found = _visible(call_id, office, within)
    check_may_read(call_id, office, despite=None, actor="")
    if found.state is not CallState.PUBLISHED or found.prefix is None:
        raise NotFoundError("nothing of this call is published")
    return found.prefix


def certificate_state(
    call_id: str, office: Office, against: Known, *, within: frozenset[str] | None
) -> CheckedCall | None:
    """Check what is published of a call now, as `callveil verify` does; None when nothing is.

    Raises:
        NotFoundError: No such call, or it is in another queue.
        StoreError: The store failed.
        LedgerError: The ledger failed.
    """
    found = _visible(call_id, office, within)
    if found.prefix is None or not _has(office, found.prefix, Part.CERTIFICATE):
        return None
    return verify_stored(office.store, found.prefix, against)


def waveform(
    call_id: str,
    office: Office,
    *,
    within: frozenset[str] | None,
    actor: str,
    n_bins: int = 1000,
    despite: str | None = None,
) -> tuple[tuple[float, ...], ...] | None:
    """The outline of the redacted audio, 0 to 1, `n_bins` numbers per channel; None when there is none.

    Args:
        call_id: The call.
        office: For ledger and store.
        within: Queues whose calls may be seen; None for all.
        actor: As in the audit chain.
        n_bins: 1 to 4000.
        despite: See `call_page`.

    Raises:
        NotFoundError: No such call, or it is in another queue.
        AudioError: It cannot be decoded.
        StoreError: The store failed.
        LedgerError: The ledger failed.
    """
    if not 1 <= n_bins <= 4000:
        raise ValueError("n_bins: allowed: 1 to 4000")
    found = _visible(call_id, office, within)
    if found.prefix is None or _is_withheld(call_id, office, despite, actor):
        return None
    try:
        outline = peaks(office.store.get(found.prefix + Part.AUDIO), n_bins=n_bins)
    except NotFoundError:
        return None
    return tuple(tuple(round(float(value), 3) for value in channel) for channel in outline)


def _visible(call_id: str, office: Office, within: frozenset[str] | None) -> LedgerCall:
    """A call that may be seen; one of another queue is not told from one that is not there."""
    if not office.ledger.search.may_see(call_id, within=within):
        raise NotFoundError("the ledger has no such call")
    return office.ledger.get(call_id)


def _is_withheld(call_id: str, office: Office, despite: str | None, actor: str) -> bool:
    if despite is None or not despite.strip():
        return office.books.requests.restriction(call_id) is not None
    check_may_read(call_id, office, despite=despite, actor=actor)
    return False


def _document(office: Office, prefix: str | None, part: Part) -> dict[str, Any] | None:
    return None if prefix is None else _read(office, prefix + part)


def _read(office: Office, key: str) -> dict[str, Any] | None:
    try:
        document = json.loads(office.store.get(key))
    except NotFoundError:
        return None
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise StoreError(f"{key}: a stored document is not in its format")
    return document


def _has(office: Office, prefix: str | None, part: Part) -> bool:
    if prefix is None:
        return False
    try:
        office.store.size(prefix + part)
    except NotFoundError:
        return False
    return True


def _consent(found: LedgerCall, certificate: Mapping[str, Any] | None, office: Office) -> ConsentShown | None:
    if found.state is CallState.ERASED:
        return None
    decided = certificate["consent"] if certificate is not None else _read(office, decision_key(found.call))
    if decided is None:
        return None
    return ConsentShown(
        action=decided["action"],
        rule=decided["rule"],
        reason=decided["reason"],
        keep_until_s=decided.get("keep_until_s"),
        hold_until=decided.get("hold_until"),
    )


def _mask(span: Mapping[str, Any]) -> Mask:
    return Mask(
        channel=span["channel"],
        start_s=span["start_s"],
        end_s=span["end_s"],
        kind=kind_of(span["entity"]),
    )
