"""What reviewers say of calls, checked before it is entered. Pages and API share it."""

from __future__ import annotations

import hashlib
import json
import math
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from callveil.errors import MetadataError, NotFoundError, RefusedError, StoreError
from callveil.kit import Office
from callveil.stages.retention_tags import decision_key
from callveil.vocabulary.ledger import CallState, LedgerCall
from callveil.vocabulary.pii import Entity
from callveil.vocabulary.recording import Part
from callveil.vocabulary.reviews import OverReason, Review, ReviewKind, Stretch

MOST_STRETCHES = 200
"""Of one review. Who marks more than that had better say so several times."""

LEAST_S = 0.02
"""A shorter stretch is a slip of the hand."""

_BEYOND_S = 0.05
"""How far behind the end of a recording a stretch may end: what a browser shows is rounded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantineShown:
    """Why a call is quarantined. Never words of it.

    Attributes:
        reason: One sentence.
        decided_at: RFC 3339; empty when there is no record.
        left: What could still be heard after the last round, by start; empty in records before 1.2.
        n_left: How many there were.
        rounds: How often it was heard.
        duration_s: Length of what is kept; None when the record does not tell.
        channels: 1 or 2; None when the record does not tell.
        may_release: Its audio is still there, so that it can be masked and proven once more.
    """

    reason: str
    decided_at: str
    left: tuple[Stretch, ...]
    n_left: int
    rounds: int
    duration_s: float | None
    channels: int | None
    may_release: bool


def new_review_id() -> str:
    """An id for a form, so that one that is sent twice is entered once."""
    return f"rev-{secrets.token_hex(6)}"


def published_version(call_id: str, office: Office) -> str | None:
    """SHA-256 in hex of the certificate that is published now: which version somebody looks at.

    Returns:
        None when nothing is published.

    Raises:
        NotFoundError: No such call.
        StoreError: The store failed.
        LedgerError: The ledger failed.
    """
    found = office.ledger.get(call_id)
    content = _certificate(found, office)
    return None if content is None else hashlib.sha256(content).hexdigest()


def report_clean(
    office: Office, call_id: str, *, by: str, certificate_sha256: str, review_id: str | None = None
) -> Review:
    """Say that a published call was heard, and nothing is to be corrected. See `report_missed`."""
    return _report(office, call_id, ReviewKind.CLEAN, (), by, certificate_sha256, review_id)


def report_missed(
    office: Office,
    call_id: str,
    stretches: Sequence[Stretch],
    *,
    by: str,
    certificate_sha256: str,
    review_id: str | None = None,
) -> Review:
    """Say that personal data can be heard or read in a published call: a worker masks these stretches.

    Args:
        office: Every place.
        call_id: The call.
        stretches: What is to be masked, 1 to 200, in seconds of the published recording.
        by: As in the audit chain.
        certificate_sha256: `published_version` as it was when the page was made.
        review_id: Of the form; what is sent twice is entered once. None for a new one.

    Raises:
        NotFoundError: No such call.
        RefusedError: The call is not published, is restricted, or was corrected meanwhile.
        MetadataError: A stretch does not lie in the call; the message names it by its place in the list.
        StoreError: The store failed.
        LedgerError: The ledger failed; nothing is entered.
    """
    return _report(office, call_id, ReviewKind.MISSED, stretches, by, certificate_sha256, review_id)


def report_over(
    office: Office,
    call_id: str,
    stretches: Sequence[Stretch],
    *,
    over_reason: OverReason,
    by: str,
    certificate_sha256: str,
    review_id: str | None = None,
) -> Review:
    """Say that what is masked there is no personal data. Nothing changes until somebody confirms it.

    Whole masks are meant: a stretch has to touch one. See `report_missed` for the rest.
    """
    return _report(
        office, call_id, ReviewKind.OVER, stretches, by, certificate_sha256, review_id, over_reason
    )


def confirm_over(office: Office, review_id: str, *, actor: str) -> Review:
    """Agree that a stretch needs no mask, after hearing the original: the call is made anew from it.

    Who may is for the caller to know: the privilege `replay-original`.

    Raises:
        NotFoundError: No such review.
        RefusedError: It waits for nobody, `actor` reported it, or no original is kept of that call.
    """
    review = office.books.reviews.get(review_id)
    if review.by == actor:
        raise RefusedError(f"{review_id}: somebody else has to agree")
    if not has_original(review.call_id, office):
        raise RefusedError(
            f"call {review.call_id}: no original of it is kept, so nothing can be unmasked"
            " (profile: originals.keep)"
        )
    return office.books.reviews.confirm(review_id, actor=actor, now=office.clock.now())


def refuse(office: Office, review_id: str, *, reason: str, actor: str) -> Review:
    """Disagree with a review that nobody has carried out yet.

    Raises:
        NotFoundError: No such review.
        MetadataError: The reason is missing.
    """
    if not 1 <= len(reason.strip()) <= 500:
        raise MetadataError("reason: allowed: 1 to 500 characters")
    return office.books.reviews.refuse(review_id, reason=reason.strip(), actor=actor, now=office.clock.now())


def release(
    office: Office,
    call_id: str,
    stretches: Sequence[Stretch] = (),
    *,
    by: str,
    review_id: str | None = None,
) -> Review:
    """Have a quarantined call masked where somebody heard something, and proven once more.

    It is published when it is clean then, and quarantined again when it is not.

    Args:
        office: Every place.
        call_id: The call.
        stretches: What is to be masked, up to 200, in seconds of what is kept of the call.
        by: As in the audit chain.
        review_id: See `report_missed`.

    Raises:
        NotFoundError: No such call.
        RefusedError: It is not quarantined, is restricted, or its audio is gone.
        MetadataError: A stretch does not lie in the call.
        LedgerError: The ledger failed; nothing is entered.
    """
    shown = quarantine_shown(call_id, office)
    if not shown.may_release:
        raise RefusedError(f"call {call_id}: its audio is gone, so it cannot be masked anew")
    if stretches:
        check_stretches(stretches, duration_s=shown.duration_s, channels=shown.channels or 2)
    return _put(office, call_id, ReviewKind.RELEASE, stretches, by, None, review_id)


def discard(office: Office, call_id: str, *, by: str, review_id: str | None = None) -> Review:
    """Have a quarantined call discarded: its audio is shredded, and only the record of that stays.

    Raises:
        NotFoundError: No such call.
        RefusedError: It is not quarantined, or is restricted.
        LedgerError: The ledger failed; nothing is entered.
    """
    return _put(office, call_id, ReviewKind.DISCARD, (), by, None, review_id)


def quarantine_shown(call_id: str, office: Office) -> QuarantineShown:
    """Why a call is quarantined, and what can be done.

    Raises:
        NotFoundError: No such call.
        RefusedError: It is not quarantined.
        StoreError: The store failed, or the record is not in its format.
        LedgerError: The ledger failed.
    """
    found = office.ledger.get(call_id)
    if found.state is not CallState.QUARANTINED:
        raise RefusedError(f"call {call_id}: is {found.state.value}; allowed: quarantined")
    record = _record(found, office)
    verify = record.get("verify", {})
    audio = record.get("audio", {})
    try:
        left = tuple(_stretch(each) for each in verify.get("findings", ()))
    except (KeyError, TypeError, ValueError):
        raise StoreError(f"call {call_id}: its decision record is not in its format") from None
    return QuarantineShown(
        reason=found.reason,
        decided_at=record.get("decided_at", ""),
        left=tuple(sorted(left, key=lambda each: (each.start_s, each.channel))),
        n_left=verify.get("left", len(left)),
        rounds=verify.get("rounds", 0),
        duration_s=audio.get("duration_s"),
        channels=audio.get("channels"),
        may_release=found.landing is not None or has_original(call_id, office),
    )


def has_original(call_id: str, office: Office) -> bool:
    """Whether the sealed original of a call is there."""
    if office.originals is None:
        return False
    try:
        office.originals.store.key(call_id)
    except StoreError:
        return False
    return True


def check_stretches(stretches: Sequence[Stretch], *, duration_s: float | None, channels: int) -> None:
    """Refuse stretches that do not lie in a call.

    Args:
        stretches: Of a review; their places in the list, from 1, are named.
        duration_s: Length of the call; None when it is not known.
        channels: Number of channels.

    Raises:
        MetadataError: One of them does not, or there are none or too many.
    """
    if not 1 <= len(stretches) <= MOST_STRETCHES:
        raise MetadataError(f"stretches: allowed: 1 to {MOST_STRETCHES}")
    for number, one in enumerate(stretches, 1):
        where = f"stretch {number}"
        if not 0 <= one.channel < channels:
            raise MetadataError(f"{where}: channel: allowed: 0 to {channels - 1}")
        if not (math.isfinite(one.start_s) and math.isfinite(one.end_s)) or one.start_s < 0:
            raise MetadataError(f"{where}: times: allowed: seconds from 0")
        if one.end_s - one.start_s < LEAST_S:
            raise MetadataError(f"{where}: it has to end at least {LEAST_S} s behind its start")
        if duration_s is not None and one.end_s > duration_s + _BEYOND_S:
            raise MetadataError(f"{where}: it ends behind the call, which lasts {duration_s:.2f} s")


def _report(
    office: Office,
    call_id: str,
    kind: ReviewKind,
    stretches: Sequence[Stretch],
    by: str,
    certificate_sha256: str,
    review_id: str | None,
    over_reason: OverReason | None = None,
) -> Review:
    found = office.ledger.get(call_id)
    content = _certificate(found, office)
    if content is None:
        raise RefusedError(f"call {call_id}: is not published")
    if review_id is not None and (known := _known(review_id, office)) is not None:
        return known  # before the version is looked at: it may have been carried out since
    if hashlib.sha256(content).hexdigest() != certificate_sha256:
        raise RefusedError(
            f"call {call_id}: somebody corrected it meanwhile; look at the new version before going on"
        )
    if kind is not ReviewKind.CLEAN:
        document = _parsed(content, call_id)
        audio = document["audio"]
        check_stretches(stretches, duration_s=audio["duration_s"], channels=audio["channels"])
        if kind is ReviewKind.OVER:
            _check_masked(stretches, document["masked_spans"])
    return _put(office, call_id, kind, stretches, by, certificate_sha256, review_id, over_reason)


def _put(
    office: Office,
    call_id: str,
    kind: ReviewKind,
    stretches: Sequence[Stretch],
    by: str,
    certificate_sha256: str | None,
    review_id: str | None,
    over_reason: OverReason | None = None,
) -> Review:
    now = office.clock.now()
    review = Review(
        review_id=review_id or new_review_id(),
        call_id=call_id,
        kind=kind,
        stretches=tuple(_rounded(one) for one in stretches),
        over_reason=over_reason,
        by=by,
        at=now,
        certificate_sha256=certificate_sha256,
    )
    return office.books.reviews.put(review, now=now)


def _known(review_id: str, office: Office) -> Review | None:
    try:
        return office.books.reviews.get(review_id)
    except NotFoundError:
        return None


def _rounded(one: Stretch) -> Stretch:
    """Milliseconds, as everything that is published has."""
    return Stretch(
        channel=one.channel,
        start_s=round(one.start_s, 3),
        end_s=round(one.end_s, 3),
        entity=one.entity,
    )


def _check_masked(stretches: Sequence[Stretch], spans: Sequence[Mapping[str, Any]]) -> None:
    for number, one in enumerate(stretches, 1):
        touched = (
            span["channel"] == one.channel
            and min(span["end_s"], one.end_s) > max(span["start_s"], one.start_s)
            for span in spans
        )
        if not any(touched):
            raise MetadataError(f"stretch {number}: nothing is masked there")


def _certificate(found: LedgerCall, office: Office) -> bytes | None:
    if found.prefix is None:
        return None
    try:
        return office.store.get(found.prefix + Part.CERTIFICATE)
    except NotFoundError:
        return None


def _record(found: LedgerCall, office: Office) -> dict[str, Any]:
    try:
        return _parsed(office.store.get(decision_key(found.call)), found.call_id)
    except NotFoundError:
        return {}


def _parsed(content: bytes, call_id: str) -> dict[str, Any]:
    try:
        document = json.loads(content)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise StoreError(f"call {call_id}: a stored document is not in its format")
    return document


def _stretch(found: Mapping[str, Any]) -> Stretch:
    return Stretch(
        channel=found["channel"],
        start_s=found["start_s"],
        end_s=found["end_s"],
        entity=Entity(found["entity"]),
    )
