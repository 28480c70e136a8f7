"""Carry out what reviews of a call owe: correct what is published, make it anew, let it go.

A process that is killed anywhere leaves reviews that are owed on; whoever takes them up next finds what was
done by the certificate, which names the stretches that are masked for reviewers.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta

from callveil import __version__
from callveil.errors import CallveilError, LeaseLostError, LedgerError, NotFoundError
from callveil.kit import Kit, Office, trusted_by
from callveil.pipeline.correct import correct, is_done
from callveil.pipeline.forget import OBJECTS
from callveil.pipeline.holds import mark_published
from callveil.pipeline.lease import Lease
from callveil.pipeline.publish import MEDIA_TYPES, engines_of, keep_nothing
from callveil.pipeline.published_call import PublishedCall, read_published
from callveil.pipeline.redact import Redaction
from callveil.pipeline.remake import remake
from callveil.pipeline.restrict import restrict_call
from callveil.pipeline.reviews import has_original
from callveil.pipeline.seal import erase_original, reseal
from callveil.pipeline.stopwatch import Stopwatch
from callveil.pipeline.work import Report, take_back
from callveil.stages.card_secrets import NEVER_KEPT
from callveil.stages.documents.captions import captions_vtt
from callveil.stages.documents.certificate import (
    CertificateFacts,
    ReviewFacts,
    certificate_json,
    quarantine_json,
)
from callveil.stages.documents.transcript import transcript_json
from callveil.stages.documents.vcon import VconFacts, vcon_json
from callveil.stages.retention_tags import decision_key
from callveil.stages.reviewed import DETECTOR
from callveil.vocabulary.consent import Action, ConsentDecision
from callveil.vocabulary.ledger import CallState, LedgerCall, Settlement
from callveil.vocabulary.pii import MaskSpan
from callveil.vocabulary.proof import VerifyResult
from callveil.vocabulary.recording import MaskedDocument, MaskedFile, Part, PublishedPart
from callveil.vocabulary.retention import KeptPart
from callveil.vocabulary.reviews import Review, ReviewClaim, ReviewKind, ReviewState

log = logging.getLogger(__name__)

WITHHELD_AFTER_S = 900.0
"""A correction that fails for so long, and not because of an outage, has its call withheld: restricted."""

WITHHELD = "A correction that is owed cannot be carried out, so the call is not to be used."
"""Why such a call is restricted. Whoever lifts that has the correction tried again."""

DISCARDED = "It could not be proven clean, and somebody who reviewed it let it go."

_SETTLE_TRIES = 5
_KIND, _STATE = ReviewKind, ReviewState


@dataclass(frozen=True, slots=True, kw_only=True)
class _Done:
    """What became of some reviews.

    Attributes:
        reviews: Which.
        state: DONE or REFUSED.
        reason: Of REFUSED.
        sha256: Of the certificate that came of it.
        result: What is published now, when that has changed.
        timings_s: Seconds of wall time per step.
    """

    reviews: Sequence[Review]
    state: ReviewState = ReviewState.DONE
    reason: str = ""
    sha256: str | None = None
    result: Settlement | None = None
    timings_s: dict[str, float] = field(default_factory=dict)


def carry_out(call_id: str, office: Office, kit: Callable[[], Kit], owner: str) -> Report | None:
    """Carry out what reviews of a call owe; None when there is nothing to do now.

    Whatever goes wrong is tried again later; a call whose correction fails for long is restricted.

    Args:
        call_id: The call.
        office: Every place.
        kit: Builds the engines; not called where none is needed.
        owner: Name of this worker.

    Raises:
        LedgerError: The ledger failed; the lease ends and the reviews are owed on.
    """
    report: Report | None = None
    while held := _claim(call_id, office, owner):
        after = _carry_out(held, office, kit)
        if after is None:
            break
        report = after
    return report


def _claim(call_id: str, office: Office, owner: str) -> ReviewClaim | None:
    lease_s = office.config.profile.service.lease_s
    return office.books.reviews.claim(call_id, owner=owner, lease_s=lease_s, now=office.clock.now())


def _carry_out(held: ReviewClaim, office: Office, kit: Callable[[], Kit]) -> Report | None:
    with Lease(held.claim, office.ledger, office.clock, office.config.profile.service.lease_s):
        try:
            done = _do(held, office, kit)
            found = _settle(replace(held, reviews=tuple(done.reviews)), done, office)
        except LeaseLostError:
            _give_back(held, None, office)
            return None
        except CallveilError as error:
            _failed(held, error, office)
            return None
        except Exception as error:  # noqa: BLE001  the border of one call: the next one must still be done
            # The text of an unknown error may quote the call, so only its kind is kept.
            _failed(held, _Internal(type(error).__name__), office)
            return None
    if done.result is not None and found.prefix is not None:
        mark_published(found.call_id, found.prefix, office.books, office.store)
    if found.state is CallState.DISCARDED:
        _shred(found, office, held.claim.owner)
    return Report(
        call_id=found.call_id,
        state=found.state,
        timings_s=done.timings_s,
        masked_s=dict(found.masked_s),
        corrected=done.result is not None and found.prefix is not None,
    )


class _Internal(CallveilError):
    code = "internal"


def _do(held: ReviewClaim, office: Office, kit: Callable[[], Kit]) -> _Done:
    """Choose what is done for some of the reviews; what is left is claimed again."""
    found, reviews = held.claim.found, held.reviews
    of = {kind: [review for review in reviews if review.kind is kind] for kind in ReviewKind}
    if found.state is CallState.DISCARDED:
        return _Done(reviews=reviews, state=_STATE.REFUSED, reason="Nothing of the call is kept any more.")
    if found.state is CallState.QUARANTINED and of[_KIND.DISCARD]:
        return _discard(held, of[_KIND.DISCARD], office)
    if found.state is CallState.QUARANTINED and of[_KIND.RELEASE]:
        return _release(held, of[_KIND.RELEASE], office, kit())
    if late := [*of[_KIND.DISCARD], *of[_KIND.RELEASE]]:
        reason = f"The call is not quarantined any more: it is {found.state.value}."
        return _Done(reviews=late, state=_STATE.REFUSED, reason=reason)
    if found.prefix is None:
        # Nothing of it can be heard; whenever it is redacted, the stretches are masked.
        return _Done(reviews=reviews)
    if of[_KIND.OVER]:
        return _unmask(held, of[_KIND.OVER], office, kit)
    return _correct(held, reviews, office, kit)


def _correct(held: ReviewClaim, reviews: Sequence[Review], office: Office, kit: Callable[[], Kit]) -> _Done:
    found, watch = held.claim.found, Stopwatch()
    prefix = found.prefix or ""
    published = _published(held, prefix, office)
    if published is None:
        return _withdrawn_already(reviews, found, office)
    missed = office.books.reviews.missed(found.call_id)
    if is_done(published, [one for review in reviews for one in review.stretches]):
        # A process that was killed had published it, or it was redacted anew meanwhile.
        return _Done(reviews=reviews, sha256=published.sha256, result=_as_it_is(found, published))
    engines = kit()
    with correct(published, missed, published.vouched, found.call, engines, watch) as redaction:
        if redaction.verification.result is not VerifyResult.CLEAN:
            return _withdraw(held, reviews, published, redaction, office)
        parts = _parts(found, published, redaction, engines, watch)
        office.books.reviews.check(held)
        _silence_original(held, redaction, office)
        with watch("store"):
            office.store.revise(prefix, parts)
        return _Done(
            reviews=reviews,
            sha256=_sha256(parts),
            result=_settlement(found, redaction.spans, redaction),
            timings_s=dict(watch.seconds),
        )


def _silence_original(held: ReviewClaim, redaction: Redaction, office: Office) -> None:
    """What may not even be kept encrypted goes out of the sealed original too, when a reviewer marked it."""
    secret = [span for span in redaction.spans if span.detector == DETECTOR and span.entity in NEVER_KEPT]
    found = held.claim.found
    if not secret or office.originals is None or not has_original(found.call_id, office):
        return
    limit_s = max(redaction.audio.facts.duration_s + 1.0, office.config.profile.limits.max_duration_s)
    reseal(found.call, secret, office.originals, now=office.clock.now(), max_duration_s=limit_s)
    office.ledger.note(
        actor=f"worker:{held.claim.owner}",
        action="original.silenced",
        call_id=found.call_id,
        detail={"stretches": len(secret)},
        now=office.clock.now(),
    )


def _unmask(held: ReviewClaim, over: Sequence[Review], office: Office, kit: Callable[[], Kit]) -> _Done:
    """Make a published call anew from its original, without masks that somebody vouched need not be."""
    found, watch = held.claim.found, Stopwatch()
    if not has_original(found.call_id, office):
        return _Done(reviews=over, state=_STATE.REFUSED, reason="No original of the call is kept any more.")
    prefix = found.prefix or ""
    published = _published(held, prefix, office)
    if published is None:
        return _withdrawn_already(over, found, office)
    with remake(held, published, over, office, kit(), watch) as made:
        if made.parts is None:
            reason = "Without those masks the call could not be proven clean."
            return _Done(reviews=over, state=_STATE.REFUSED, reason=reason)
        office.books.reviews.check(held)
        with watch("store"):
            office.store.revise(prefix, made.parts)
        return _Done(
            # What reviewers had missed is masked with it.
            reviews=[*over, *(review for review in held.reviews if review.kind is _KIND.MISSED)],
            sha256=_sha256(made.parts),
            result=_settlement(found, made.redaction.spans, made.redaction),
            timings_s=dict(watch.seconds),
        )


def _release(held: ReviewClaim, release: Sequence[Review], office: Office, kit: Kit) -> _Done:
    """Make a quarantined call anew from its original, which is all there is of it."""
    found, watch = held.claim.found, Stopwatch()
    if not has_original(found.call_id, office):
        return _Done(reviews=release, state=_STATE.REFUSED, reason="The audio of the call is gone.")
    prefix = found.prefix
    published = None if prefix is None else _published(held, prefix, office)
    with remake(held, published, release, office, kit, watch) as made:
        if made.parts is None:
            record = _quarantine_record(found, made.input_sha256, made.redaction, office)
            office.store.put_decision(decision_key(found.call), record)
            reason = made.redaction.verification.reason
            return _Done(reviews=release, state=_STATE.REFUSED, reason=reason)
        office.books.reviews.check(held)
        with watch("store"):
            if published is not None:
                office.store.revise(made.prefix, made.parts)
            else:
                office.store.publish(
                    made.prefix, made.parts, tags=made.tags, retain_until=made.locked_until, replace=True
                )
        return _Done(
            reviews=release,
            sha256=_sha256(made.parts),
            result=replace(_settlement(found, made.redaction.spans, made.redaction), prefix=made.prefix),
            timings_s=dict(watch.seconds),
        )


def _discard(held: ReviewClaim, discard: Sequence[Review], office: Office) -> _Done:
    found = held.claim.found
    decision = ConsentDecision(action=Action.DISCARD, rule="reviewed", reason=DISCARDED)
    office.books.reviews.check(held)
    keep_nothing(found.call, decision, office, found.content_sha256, erase=True)
    erase_original(found.call_id, office.originals)
    return _Done(reviews=discard, result=Settlement(state=CallState.DISCARDED, reason=DISCARDED))


def _withdraw(
    held: ReviewClaim,
    reviews: Sequence[Review],
    published: PublishedCall,
    redaction: Redaction,
    office: Office,
) -> _Done:
    """Take back what could not be proven clean. The record comes first: it tells a successor."""
    found = held.claim.found
    office.books.reviews.check(held)
    record = _quarantine_record(found, published.document["input_sha256"], redaction, office)
    office.store.put_decision(decision_key(found.call), record)
    office.store.delete_call(found.prefix or "", bypass_governance=True)
    reason = redaction.verification.reason
    return _Done(reviews=reviews, result=Settlement(state=CallState.QUARANTINED, reason=reason))


def _withdrawn_already(reviews: Sequence[Review], found: LedgerCall, office: Office) -> _Done:
    """Finish what `_withdraw` had begun when its process was killed.

    Raises:
        NotFoundError: It had not: what was published is lost.
    """
    record = json.loads(office.store.get(decision_key(found.call)))
    if record["action"] != "quarantine":
        raise NotFoundError(f"call {found.call_id}: what was published of it is not there")
    return _Done(reviews=reviews, result=Settlement(state=CallState.QUARANTINED, reason=record["reason"]))


def _published(held: ReviewClaim, prefix: str, office: Office) -> PublishedCall | None:
    """What is published, without parts that are to be gone; None when nothing is.

    Raises:
        StoreError: The store failed, or holds what its certificate does not prove.
    """
    office.store.finish_revision(prefix)
    _delete_gone(held.gone, prefix, office)
    try:
        return read_published(prefix, office.store, trusted_by(office))
    except NotFoundError:
        return None


def _delete_gone(gone: frozenset[KeptPart], prefix: str, office: Office) -> None:
    """Delete what retention deleted and a correction has brought back, or was about to."""
    parts = frozenset[Part]().union(*(OBJECTS[part] for part in gone)) - {Part.CERTIFICATE}
    there = {stored.key.removeprefix(prefix) for stored in office.store.list_objects(prefix)}
    if back := {part for part in parts if part.value in there}:
        with suppress(NotFoundError):
            office.store.delete_parts(prefix, back, bypass_governance=True)


def _parts(
    found: LedgerCall, published: PublishedCall, redaction: Redaction, kit: Kit, watch: Stopwatch
) -> list[PublishedPart]:
    """Write the parts that there were, anew."""
    bodies: dict[Part, MaskedFile | MaskedDocument] = {}
    sha512 = published.audio_sha512
    if published.audio is not None:
        bodies[Part.AUDIO] = redaction.audio.file
        with redaction.audio.file.path.open("rb") as file:
            sha512 = hashlib.file_digest(file, "sha512").hexdigest()
    if published.turns is not None:
        vcon = VconFacts(
            call=found.call,
            input_sha256=published.document["input_sha256"],
            turns=redaction.turns,
            audio=published.facts,
            audio_sha512=sha512,
            created_at=kit.clock.now(),
        )
        bodies[Part.TRANSCRIPT] = transcript_json(
            call_id=found.call_id, language=published.language, turns=redaction.turns
        )
        bodies[Part.CAPTIONS] = captions_vtt(redaction.turns)
        bodies[Part.VCON] = vcon_json(vcon)
    outputs = published.document["outputs"]
    parts = [
        PublishedPart(part=part, body=body, media_type=MEDIA_TYPES[part])
        for part, body in bodies.items()
        if part.value in outputs
    ]
    facts = _certificate_facts(found, published, redaction, kit, parts, watch)
    certificate = certificate_json(facts, kit.signer)
    media_type = MEDIA_TYPES[Part.CERTIFICATE]
    return [*parts, PublishedPart(part=Part.CERTIFICATE, body=certificate, media_type=media_type)]


def _certificate_facts(
    found: LedgerCall,
    published: PublishedCall,
    redaction: Redaction,
    kit: Kit,
    parts: Sequence[PublishedPart],
    watch: Stopwatch,
) -> CertificateFacts:
    audio_style, text_style = published.styles
    judges = [each for each in engines_of(kit, published.facts.channels) if each.role in _JUDGES]
    return CertificateFacts(
        call_id=found.call_id,
        started_at=found.call.started_at,
        tool_version=__version__,
        profile=kit.profile_name,
        input_sha256=published.document["input_sha256"],
        outputs=parts,
        audio=published.facts,
        decision=published.decision,
        engines=[*published.engines, *(each for each in judges if each not in published.engines)],
        masked=redaction.spans,
        plan=published.plan,
        audio_style=audio_style,
        text_style=text_style,
        timings_s=watch.seconds,
        created_at=kit.clock.now(),
        verification=redaction.verification,
        reviews=ReviewFacts(
            replaces=published.sha256,
            corrections=published.corrections + 1,
            missed=redaction.missed,
            vouched=redaction.vouched,
        ),
    )


_JUDGES = frozenset({"detector", "listener"})
"""Engines that a correction is proven with."""


def _quarantine_record(found: LedgerCall, input_sha256: str, redaction: Redaction, office: Office) -> bytes:
    return quarantine_json(
        call_id=found.call_id,
        verification=redaction.verification,
        decided_at=office.clock.now(),
        input_sha256=input_sha256,
        audio=redaction.audio.facts,
    )


def _settlement(found: LedgerCall, spans: Sequence[MaskSpan], redaction: Redaction) -> Settlement:
    return Settlement(
        state=CallState.PUBLISHED,
        reason=found.reason if found.state is CallState.PUBLISHED else "",
        prefix=found.prefix,
        keep_until_s=found.keep_until_s,
        duration_s=redaction.audio.facts.duration_s,
        masked_s=_seconds_by_kind(spans),
        turns=redaction.turns,
    )


def _as_it_is(found: LedgerCall, published: PublishedCall) -> Settlement:
    return Settlement(
        state=CallState.PUBLISHED,
        reason=found.reason if found.state is CallState.PUBLISHED else "",
        prefix=found.prefix,
        keep_until_s=found.keep_until_s,
        duration_s=published.facts.duration_s,
        masked_s=_seconds_by_kind(published.spans),
        turns=published.turns or (),
    )


def _seconds_by_kind(spans: Sequence[MaskSpan]) -> dict[str, float]:
    masked_s: dict[str, float] = {}
    for span in spans:
        kind = span.entity.value
        masked_s[kind] = round(masked_s.get(kind, 0.0) + span.end_s - span.start_s, 3)
    return masked_s


def _sha256(parts: Sequence[PublishedPart]) -> str | None:
    bodies = [part.body for part in parts if part.part is Part.CERTIFICATE]
    certificate = bodies[0]
    return (
        hashlib.sha256(certificate.content).hexdigest() if isinstance(certificate, MaskedDocument) else None
    )


def _settle(held: ReviewClaim, done: _Done, office: Office) -> LedgerCall:
    """Write down what came of it, over a short outage of the ledger; a longer one ends the lease.

    Raises:
        LeaseLostError: The call was erased or taken over; what was published too late is taken back.
    """
    reviews, prefix = office.books.reviews, done.result.prefix if done.result else None
    for left in reversed(range(_SETTLE_TRIES)):
        gone = None
        try:
            if prefix is not None:
                # Retention may have deleted a part between the reading of the call and its new version.
                gone = reviews.gone(held.claim.found.call_id)
                _delete_gone(gone, prefix, office)
            return reviews.settle(
                held,
                state=done.state,
                reason=done.reason,
                result_sha256=done.sha256,
                result=_without(done.result, gone),
                gone=gone,
                now=office.clock.now(),
            )
        except LeaseLostError:
            if gone is not None and reviews.gone(held.claim.found.call_id) != gone and left:
                continue
            if prefix is not None:
                take_back(held.claim.found.call_id, prefix, office)
            raise
        except LedgerError:
            if not left:
                raise
            time.sleep(0.5)
    raise LedgerError("ledger: unreachable")


def _without(result: Settlement | None, gone: frozenset[KeptPart] | None) -> Settlement | None:
    if result is None or not gone or KeptPart.TRANSCRIPT not in gone:
        return result
    return replace(result, turns=())


def _failed(held: ReviewClaim, error: CallveilError, office: Office) -> None:
    """Owe it on, later; a call that cannot be corrected is withheld."""
    call_id, settings = held.claim.found.call_id, office.config.profile.service
    log.error("a review is not carried out", extra={"call_id": call_id, "error": error.code})
    age_s = (office.clock.now() - held.reviews[0].at).total_seconds()
    wait_s = min(max(settings.retry_first_s, age_s / 2), settings.retry_longest_s)
    is_leaking = any(review.kind is _KIND.MISSED for review in held.reviews)
    if is_leaking and error.is_permanent and age_s >= WITHHELD_AFTER_S and held.claim.found.prefix:
        try:
            restrict_call(call_id, WITHHELD, office, actor=f"worker:{held.claim.owner}")
        except CallveilError as other:
            log.error("a call is not withheld", extra={"call_id": call_id, "error": other.code})
    _give_back(held, wait_s, office, reason=f"Tried in vain: {error.code}.")


def _give_back(held: ReviewClaim, wait_s: float | None, office: Office, *, reason: str = "") -> None:
    now = office.clock.now()
    with suppress(LeaseLostError, LedgerError, NotFoundError):
        office.books.reviews.settle(
            held,
            state=ReviewState.OWED,
            reason=reason,
            not_before=None if wait_s is None else now + timedelta(seconds=wait_s),
            now=now,
        )


def _shred(found: LedgerCall, office: Office, owner: str) -> None:
    """Shred the audio of a discarded call; an outage is left to `reconcile`."""
    if found.landing is None or office.landing is None or found.arrived_at is None:
        return
    with suppress(CallveilError):
        office.landing.shred(found.landing)
        office.ledger.shredded(found.call_id, actor=f"worker:{owner}", now=office.clock.now())
