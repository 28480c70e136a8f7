"""Make a call anew from its sealed original: to unmask what need not be masked, or to try once more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from callveil.errors import RefusedError
from callveil.kit import Kit, Office
from callveil.pipeline.forget import OBJECTS
from callveil.pipeline.listen import listen
from callveil.pipeline.publish import Redacted, decide_retention, parts_of
from callveil.pipeline.published_call import PublishedCall
from callveil.pipeline.redact import Redaction, redact
from callveil.pipeline.seal import replay_original
from callveil.pipeline.stopwatch import Stopwatch
from callveil.stages.card_secrets import NEVER_KEPT
from callveil.stages.consent_gate import decide_consent
from callveil.stages.retention_tags import call_prefix, retention_tags
from callveil.vocabulary.consent import Action
from callveil.vocabulary.original import Replay
from callveil.vocabulary.pii import Finding
from callveil.vocabulary.proof import VerifyResult
from callveil.vocabulary.recording import Part, PublishedPart
from callveil.vocabulary.reviews import Review, ReviewClaim


@dataclass(frozen=True, slots=True, kw_only=True)
class Remade:
    """A call that was made anew.

    Attributes:
        redaction: Masked audio and transcript, and their proof.
        parts: What is to be published; None when it could not be proven clean.
        prefix: Folder of the call.
        input_sha256: Of the recording it was made from first, in hex.
        tags: For a call that is not published now.
        locked_until: For a call that is not published now, aware UTC.
    """

    redaction: Redaction
    parts: Sequence[PublishedPart] | None
    prefix: str
    input_sha256: str
    tags: Mapping[str, str]
    locked_until: datetime | None


@contextmanager
def remake(
    held: ReviewClaim,
    published: PublishedCall | None,
    reviews: Sequence[Review],
    office: Office,
    kit: Kit,
    watch: Stopwatch,
) -> Iterator[Remade]:
    """Redact a call once more, from its sealed original; that it is opened is written down before.

    Args:
        held: The claim on the call.
        published: What is published of it; None when nothing is.
        reviews: Why.
        office: Every place.
        kit: Engines and profile.
        watch: Takes the time of each step.

    Raises:
        RefusedError: The original's time has passed, or consent does not allow to keep the call.
        StoreError: The original is not there or cannot be read.
        EngineError: An engine failed.
    """
    found = held.claim.found
    originals = office.originals
    if originals is None:
        raise RefusedError("originals.keep: this profile keeps none")

    def audit(what: Replay) -> None:
        office.ledger.note(
            actor=what.actor,
            action="original.opened",
            call_id=what.call_id,
            detail={"reason": what.reason, "reviews": len(reviews)},
            now=what.at,
        )

    input_sha256 = originals.store.key(found.call_id).input_sha256
    with replay_original(
        found.call_id,
        actor=f"worker:{held.claim.owner}",
        reason=f"To carry out review {reviews[0].review_id}.",
        audit=audit,
        originals=originals,
        now=office.clock.now(),
        max_duration_s=kit.audio_limits.max_duration_s,
    ) as recording:
        heard = listen(
            recording,
            kit,
            language=published.language if published else found.call.language,
            until_s=None,
            watch=watch,
            on_progress=lambda _: None,
        )
        decision = (
            published.decision
            if published
            else decide_consent(found.call, kit.rules, kit.clock.now(), heard.duration_s)
        )
        if decision.action is not Action.KEEP:
            raise RefusedError(f"call {found.call_id}: {decision.reason}")
        with redact(
            recording,
            heard,
            found.call,
            kit,
            watch,
            until_s=None,
            missed=office.books.reviews.missed(found.call_id),
            vouched=office.books.reviews.vouched(found.call_id),
            known=_silenced(published),
        ) as redaction:
            redacted = Redacted(
                call=found.call,
                decision=decision,
                input_sha256=input_sha256,
                language=heard.language,
                redaction=redaction,
                replaces=published.sha256 if published else None,
                corrections=published.corrections + 1 if published else 0,
            )
            clean = redaction.verification.result is VerifyResult.CLEAN
            gone = frozenset[Part]().union(*(OBJECTS[part] for part in held.gone)) - {Part.CERTIFICATE}
            tags = retention_tags(
                found.call, decision, profile=kit.profile_name, retention=decide_retention(redacted, kit)
            )
            locked = kit.profile.store.lock == "governance"
            yield Remade(
                redaction=redaction,
                parts=parts_of(redacted, kit, watch, without=gone) if clean else None,
                prefix=found.prefix or call_prefix(found.call),
                input_sha256=input_sha256,
                tags=tags.tags,
                locked_until=tags.locked_until if locked else None,
            )


def _silenced(published: PublishedCall | None) -> list[Finding]:
    """What the sealed original lacks cannot be found in it again: it is masked as before."""
    if published is None:
        return []
    return [
        Finding(
            entity=span.entity,
            channel=span.channel,
            start_s=span.start_s,
            end_s=span.end_s,
            score=span.score,
            detector=span.detector,
        )
        for span in published.spans
        if span.kinds & NEVER_KEPT
    ]
