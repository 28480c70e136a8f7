"""The end of a call's way: its redacted parts into the store, or only the record of why nothing was kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from callveil import __version__
from callveil.errors import NotFoundError, RefusedError
from callveil.kit import Kit, fallback_policy
from callveil.pipeline.redact import Redaction
from callveil.pipeline.stopwatch import Stopwatch
from callveil.ports import Clock, ObjectStore
from callveil.retention.policy import decide
from callveil.retention.traits import call_facts
from callveil.stages.documents.captions import captions_vtt
from callveil.stages.documents.certificate import (
    CertificateFacts,
    EngineUsed,
    ReviewFacts,
    certificate_json,
    decision_json,
    quarantine_json,
)
from callveil.stages.documents.transcript import transcript_json
from callveil.stages.documents.vcon import VconFacts, vcon_json
from callveil.stages.retention_tags import call_prefix, decision_key, retention_tags
from callveil.vocabulary.call import Call
from callveil.vocabulary.consent import Action, ConsentDecision
from callveil.vocabulary.pii import Entity, MaskSpan
from callveil.vocabulary.recording import (
    MaskedDocument,
    MaskedFile,
    Outcome,
    Part,
    PublishedPart,
    RetentionTags,
    State,
)
from callveil.vocabulary.retention import Decision

MEDIA_TYPES: Mapping[Part, str] = {
    Part.AUDIO: "audio/flac",
    Part.TRANSCRIPT: "application/json",
    Part.CAPTIONS: "text/vtt",
    Part.VCON: "application/vcon+json",
    Part.CERTIFICATE: "application/json",
}
"""Of the objects of a call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Redacted:
    """A call without its personal data, ready to publish.

    Attributes:
        call: Its metadata; only what is not personal is written.
        decision: Of the consent gate.
        input_sha256: SHA-256 of the original file, in hex.
        language: ISO 639-1 code.
        redaction: Masked audio and transcript, and their proof.
        replaces: SHA-256 of the certificate whose place this one's takes because of a review; else None.
        corrections: How often the recording was corrected since it was first redacted.
    """

    call: Call
    decision: ConsentDecision
    input_sha256: str
    language: str
    redaction: Redaction
    replaces: str | None = None
    corrections: int = 0


def publish(redacted: Redacted, kit: Kit, watch: Stopwatch, *, replace: bool) -> Outcome:
    """Write all parts of a call to the store.

    Args:
        redacted: The call.
        kit: For the store, the profile and the clock.
        watch: Takes the time; what it has so far goes into the certificate.
        replace: Take the place of an earlier recording of this call.

    Raises:
        ConfigError: There is no signing key. Nothing is published.
        RefusedError: The call is published and `replace` is False, or it is under legal hold.
        StoreError: The store failed. Nothing is published.
    """
    call, decision = redacted.call, redacted.decision
    duration_s = redacted.redaction.audio.facts.duration_s
    prefix, tags = call_prefix(call), _tags(redacted, kit)
    parts = parts_of(redacted, kit, watch)
    locked = kit.profile.store.lock == "governance"
    with watch("store"):
        # A withdrawal that came after the first run shortens the recording: the longer one has to go.
        earlier = _earlier(kit, prefix)
        outdated = earlier is not None and earlier.input_sha256 == redacted.input_sha256
        kit.store.publish(
            prefix,
            parts,
            tags=tags.tags,
            retain_until=tags.locked_until if locked else None,
            replace=replace or outdated,
        )
    return Outcome(
        call_id=call.call_id,
        state=State.PUBLISHED,
        decision=decision,
        prefix=prefix,
        duration_s=duration_s,
        masked=redacted.redaction.spans,
        verification=redacted.redaction.verification,
        timings_s=watch.seconds,
        turns=redacted.redaction.turns,
    )


def decide_retention(redacted: Redacted, kit: Kit) -> Decision:
    """How long the parts of a call that is to be published are kept, by the policies alone."""
    facts = call_facts(redacted.call, State.PUBLISHED.value, redacted.redaction.audio.facts.duration_s)
    policies = kit.policies if kit.in_force is None else kit.in_force.now()
    policies = policies or (fallback_policy(kit.profile),)
    return decide(facts, policies, (), (), kit.clock.now())


def published_already(call: Call, decision: ConsentDecision, kit: Kit, input_sha256: str) -> Outcome | None:
    """Tell whether this very recording is published, kept up to the same second.

    Raises:
        RefusedError: Another recording is published under the same call id.
    """
    prefix = call_prefix(call)
    earlier = _earlier(kit, prefix)
    if earlier is None:
        return None
    if earlier.input_sha256 != input_sha256:
        raise RefusedError(
            f"call {call.call_id}: another recording is published under this call id; --force takes its place"
        )
    if earlier.keep_until_s != _kept_until_s(decision):
        return None
    return Outcome(
        call_id=call.call_id,
        state=State.SKIPPED,
        decision=decision,
        prefix=prefix,
        duration_s=earlier.duration_s,
        masked=earlier.masked,
    )


def is_published(call: Call, kit: Kit) -> bool:
    """True when a recording of this call is in the store."""
    return _earlier(kit, call_prefix(call)) is not None


def check_may_publish(redacted: Redacted, kit: Kit, *, replace: bool) -> None:
    """Refuse what `publish` would refuse, before anything else of the call is replaced.

    Raises:
        RefusedError: Another recording is published under this call id and `replace` is False, or it is
            under legal hold.
    """
    if not replace:
        published_already(redacted.call, redacted.decision, kit, redacted.input_sha256)
    with suppress(NotFoundError):
        if kit.store.legal_hold(call_prefix(redacted.call)):
            raise RefusedError(f"call {redacted.call.call_id}: is under legal hold")


class StoreAndClock(Protocol):
    """What deciding about a call needs: no engine."""

    @property
    def store(self) -> ObjectStore:
        """Takes the decision record."""

    @property
    def clock(self) -> Clock:
        """Tells the time."""


def keep_nothing(
    call: Call,
    decision: ConsentDecision,
    kit: StoreAndClock,
    input_sha256: str | None,
    *,
    erase: bool = False,
    held: bool = False,
) -> Outcome:
    """Write the decision record of a call that is held or discarded, and nothing else.

    Args:
        call: Its metadata.
        decision: HOLD or DISCARD.
        kit: Store and clock.
        input_sha256: SHA-256 of the recording in hex; None for a call that never arrived whole.
        erase: Delete a published recording even before its retention date; a legal hold still forbids it.
        held: A legal hold is on the call: what there is of it stays, and only the decision is written down.

    A recording of this call that was published earlier is deleted when the decision is to discard.

    Raises:
        RefusedError: It is published and under legal hold or locked, so it cannot be deleted here.
        StoreError: The store failed.
    """
    if decision.action is Action.DISCARD and not held:
        kit.store.delete_call(call_prefix(call), bypass_governance=erase)
    record = decision_json(
        call_id=call.call_id, decision=decision, decided_at=kit.clock.now(), input_sha256=input_sha256
    )
    kit.store.put_decision(decision_key(call), record)
    state = State.HELD if decision.action is Action.HOLD else State.DISCARDED
    return Outcome(call_id=call.call_id, state=state, decision=decision)


def quarantine(redacted: Redacted, kit: Kit, watch: Stopwatch) -> Outcome:
    """Write the record of a call that could not be proven clean; nothing of it is published.

    An earlier recording of this call that was proven stays, unless a withdrawal has since shortened it.

    Raises:
        RefusedError: The earlier recording must go, but is under legal hold or locked.
        StoreError: The store failed.
    """
    call, decision, verification = redacted.call, redacted.decision, redacted.redaction.verification
    earlier = _earlier(kit, call_prefix(call))
    if earlier is not None and earlier.keep_until_s != _kept_until_s(decision):
        kit.store.delete_call(call_prefix(call))
    record = quarantine_json(
        call_id=call.call_id,
        verification=verification,
        decided_at=kit.clock.now(),
        input_sha256=redacted.input_sha256,
        audio=redacted.redaction.audio.facts,
    )
    kit.store.put_decision(decision_key(call), record)
    return Outcome(
        call_id=call.call_id,
        state=State.QUARANTINED,
        decision=decision,
        verification=verification,
        timings_s=watch.seconds,
    )


def _kept_until_s(decision: ConsentDecision) -> float | None:
    """As it stands in a certificate, with three decimals."""
    return None if decision.keep_until_s is None else round(decision.keep_until_s, 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Earlier:
    input_sha256: str
    keep_until_s: float | None
    duration_s: float
    masked: tuple[MaskSpan, ...]


def _earlier(kit: Kit, prefix: str) -> _Earlier | None:
    try:
        certificate = json.loads(kit.store.get(prefix + Part.CERTIFICATE.value))
    except NotFoundError:
        return None
    return _Earlier(
        input_sha256=certificate["input_sha256"],
        keep_until_s=certificate["consent"]["keep_until_s"],
        duration_s=certificate["audio"]["duration_s"],
        masked=tuple(
            MaskSpan(**{**span, "entity": Entity(span["entity"])}) for span in certificate["masked_spans"]
        ),
    )


def _tags(redacted: Redacted, kit: Kit) -> RetentionTags:
    return retention_tags(
        redacted.call,
        redacted.decision,
        profile=kit.profile_name,
        retention=decide_retention(redacted, kit),
    )


def parts_of(
    redacted: Redacted, kit: Kit, watch: Stopwatch, *, without: Collection[Part] = ()
) -> list[PublishedPart]:
    """Write all parts of a call; nothing is stored.

    Args:
        redacted: The call.
        kit: For the profile, the clock and the signer.
        watch: Takes the time; what it has so far goes into the certificate.
        without: Parts that are not written, such as what retention deleted.

    Raises:
        ConfigError: There is no signing key.
    """
    call = redacted.call
    with watch("write"):
        bodies: dict[Part, MaskedFile | MaskedDocument] = {
            Part.AUDIO: redacted.redaction.audio.file,
            Part.TRANSCRIPT: transcript_json(
                call_id=call.call_id, language=redacted.language, turns=redacted.redaction.turns
            ),
            Part.CAPTIONS: captions_vtt(redacted.redaction.turns),
            Part.VCON: vcon_json(_vcon_facts(redacted, kit)),
        }
        parts = [
            PublishedPart(part=part, body=body, media_type=MEDIA_TYPES[part])
            for part, body in bodies.items()
            if part not in without
        ]
    certificate = certificate_json(_certificate_facts(redacted, kit, parts, watch.seconds), kit.signer)
    media_type = MEDIA_TYPES[Part.CERTIFICATE]
    return [*parts, PublishedPart(part=Part.CERTIFICATE, body=certificate, media_type=media_type)]


def _vcon_facts(redacted: Redacted, kit: Kit) -> VconFacts:
    with redacted.redaction.audio.file.path.open("rb") as file:
        sha512 = hashlib.file_digest(file, "sha512").hexdigest()
    return VconFacts(
        call=redacted.call,
        input_sha256=redacted.input_sha256,
        turns=redacted.redaction.turns,
        audio=redacted.redaction.audio.facts,
        audio_sha512=sha512,
        created_at=kit.clock.now(),
    )


def _certificate_facts(
    redacted: Redacted, kit: Kit, parts: Sequence[PublishedPart], timings_s: Mapping[str, float]
) -> CertificateFacts:
    masking = kit.profile.masking
    return CertificateFacts(
        call_id=redacted.call.call_id,
        started_at=redacted.call.started_at,
        tool_version=__version__,
        profile=kit.profile_name,
        input_sha256=redacted.input_sha256,
        outputs=parts,
        audio=redacted.redaction.audio.facts,
        decision=redacted.decision,
        engines=engines_of(kit, redacted.redaction.audio.facts.channels),
        masked=redacted.redaction.spans,
        plan=kit.mask_plan,
        audio_style=masking.audio,
        text_style=masking.text,
        timings_s=timings_s,
        created_at=kit.clock.now(),
        verification=redacted.redaction.verification,
        reviews=_reviews(redacted),
    )


def _reviews(redacted: Redacted) -> ReviewFacts | None:
    missed, vouched = redacted.redaction.missed, redacted.redaction.vouched
    if not (missed or vouched or redacted.replaces):
        return None
    return ReviewFacts(
        replaces=redacted.replaces, corrections=redacted.corrections, missed=missed, vouched=vouched
    )


def engines_of(kit: Kit, channels: int) -> list[EngineUsed]:
    """The engines of a kit, as they stand in a certificate.

    Args:
        kit: The kit.
        channels: Of the call.
    """
    diarizer = kit.dual if channels == 2 else kit.mono
    named = {
        "transcriber": kit.transcriber.name,
        "diarizer": diarizer.name,
        "detector": kit.detector.name,
        "listener": kit.listener.name,
    }
    hashes = kit.model_hashes()
    return [
        EngineUsed(
            role=role,
            name=name,
            files={
                f"{model}/{file}": sha256
                for model, files in hashes.items()
                if model in name
                for file, sha256 in files.items()
            },
        )
        for role, name in named.items()
    ]
