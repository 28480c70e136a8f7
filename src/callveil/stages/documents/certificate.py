"""certificate.json: what was done to a call, and the decision record of a call that was not kept."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from callveil.errors import MetadataError
from callveil.ports import Signer
from callveil.stages.documents.forms import decision_fields, indented, seconds, utc
from callveil.stages.documents.signature import signed_json
from callveil.stages.mask_audio import AudioStyle
from callveil.stages.mask_text import TextStyle
from callveil.stages.plan_masks import MaskPlan
from callveil.vocabulary.consent import Action, ConsentDecision
from callveil.vocabulary.pii import MaskSpan
from callveil.vocabulary.proof import Verification
from callveil.vocabulary.recording import MaskedDocument, MaskedFile, Part, PublishedPart
from callveil.vocabulary.reviews import Stretch

SCHEMA_VERSION = "1.2"
"""Of certificate.schema.json."""

DECISION_SCHEMA_VERSION = "1.2"
"""Of decision.schema.json."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioFacts:
    """The redacted recording.

    Attributes:
        rate_hz: Sample rate, the same as that of the original.
        channels: 1 or 2.
        n_samples: Per channel.
    """

    rate_hz: int
    channels: int
    n_samples: int

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.n_samples / self.rate_hz


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineUsed:
    """One engine that took part.

    Attributes:
        role: "transcriber", "diarizer", "detector" or "listener".
        name: As the engine names itself: "faster-whisper/whisper-base-ct2".
        files: Model files to their SHA-256 in hex; empty for an engine without a model.
    """

    role: str
    name: str
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewFacts:
    """What people who listened had a part in. Who they are is in the ledger only.

    Attributes:
        replaces: SHA-256 in hex of the certificate that this one takes the place of; None when it takes that
            of none.
        corrections: How often the recording was corrected since it was redacted.
        missed: Stretches that somebody marked, as they were marked; they are masked.
        vouched: Stretches that somebody vouched for with the original; findings there are not masked.
    """

    replaces: str | None = None
    corrections: int = 0
    missed: tuple[Stretch, ...] = ()
    vouched: tuple[Stretch, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFacts:
    """Everything a certificate says.

    Attributes:
        call_id: The call.
        started_at: Start of the call, aware UTC.
        tool_version: Version of Callveil.
        profile: Name of the profile.
        input_sha256: SHA-256 of the original recording file in hex.
        outputs: All parts of the call but the certificate.
        audio: The redacted recording.
        decision: What the consent gate decided.
        engines: In the order they ran.
        masked: All masked stretches.
        plan: Padding and joining of the masks.
        audio_style: What is heard in their place.
        text_style: What is read in their place.
        timings_s: Seconds of wall time per step.
        created_at: When the certificate was made, aware UTC.
        verification: Of the masked audio.
        reviews: What reviewers had a part in; None when they had none.
    """

    call_id: str
    started_at: datetime
    tool_version: str
    profile: str
    input_sha256: str
    outputs: Sequence[PublishedPart]
    audio: AudioFacts
    decision: ConsentDecision
    engines: Sequence[EngineUsed]
    masked: Sequence[MaskSpan]
    plan: MaskPlan
    audio_style: AudioStyle
    text_style: TextStyle
    timings_s: Mapping[str, float]
    created_at: datetime
    verification: Verification
    reviews: ReviewFacts | None = None


def certificate_json(facts: CertificateFacts, signer: Signer) -> MaskedDocument:
    """Write the certificate.

    Args:
        facts: What it says.
        signer: Signs it.

    Returns:
        JSON after schemas/certificate.schema.json.

    Raises:
        ConfigError: There is no signing key.
    """
    document: dict[str, object] = {
        "schema_version": SCHEMA_VERSION,
        "call_id": facts.call_id,
        "started_at": utc(facts.started_at),
        "created_at": utc(facts.created_at),
        "tool": {"name": "callveil", "version": facts.tool_version},
        "profile": facts.profile,
        "input_sha256": facts.input_sha256,
        "outputs": _output_hashes(facts.outputs),
        "audio": {
            "rate_hz": facts.audio.rate_hz,
            "channels": facts.audio.channels,
            "n_samples": facts.audio.n_samples,
            "duration_s": seconds(facts.audio.duration_s),
        },
        "consent": decision_fields(facts.decision),
        "engines": [
            {"role": engine.role, "name": engine.name, "files": dict(sorted(engine.files.items()))}
            for engine in facts.engines
        ],
        "masking": {
            "audio_style": facts.audio_style.value,
            "text_style": facts.text_style.value,
            "pad_before_s": seconds(facts.plan.pad_before_s),
            "pad_after_s": seconds(facts.plan.pad_after_s),
            "snap_s": seconds(facts.plan.snap_s),
            "join_s": seconds(facts.plan.join_s),
            "other_channel": facts.plan.other_channel.value,
        },
        "masked_spans": [_span(span) for span in sorted(facts.masked, key=_place)],
        "verify": _verification(facts.verification),
        "timings_s": {step: seconds(value) for step, value in facts.timings_s.items()},
    }
    if facts.reviews is not None:
        document["reviews"] = {
            "replaces": facts.reviews.replaces,
            "corrections": facts.reviews.corrections,
            "missed": _stretches(facts.reviews.missed),
            "vouched": _stretches(facts.reviews.vouched),
        }
    return MaskedDocument(content=signed_json(document, signer))


def decision_json(
    *, call_id: str, decision: ConsentDecision, decided_at: datetime, input_sha256: str | None
) -> bytes:
    """Write the decision record of a call that was not kept; nothing else of the call remains.

    Args:
        call_id: The call.
        decision: HOLD or DISCARD.
        decided_at: Aware UTC.
        input_sha256: SHA-256 of the recording file in hex; None for a call that never arrived whole.

    Returns:
        JSON after schemas/decision.schema.json.

    Raises:
        MetadataError: The decision is KEEP; such a call has a certificate instead.
    """
    if decision.action is Action.KEEP:
        raise MetadataError("decision record: action is keep; allowed: hold, discard")
    fields = decision_fields(decision)
    document = {
        "schema_version": DECISION_SCHEMA_VERSION,
        "call_id": call_id,
        "action": fields["action"],
        "rule": fields["rule"],
        "reason": fields["reason"],
        "hold_until": fields["hold_until"],
        "decided_at": utc(decided_at),
        "input_sha256": input_sha256,
    }
    return indented(document)


def quarantine_json(
    *,
    call_id: str,
    verification: Verification,
    decided_at: datetime,
    input_sha256: str,
    audio: AudioFacts | None = None,
) -> bytes:
    """Write the record of a call in which personal data could still be heard after masking.

    Args:
        call_id: The call.
        verification: What was still heard.
        decided_at: Aware UTC.
        input_sha256: SHA-256 of the recording file in hex.
        audio: What was kept of it; None when that is not known.

    Returns:
        JSON after schemas/decision.schema.json.
    """
    left = [
        Stretch(channel=each.channel, start_s=each.start_s, end_s=each.end_s, entity=each.entity)
        for each in verification.findings
    ]
    document: dict[str, object] = {
        "schema_version": DECISION_SCHEMA_VERSION,
        "call_id": call_id,
        "action": "quarantine",
        "rule": "not_proven",
        "reason": verification.reason,
        "hold_until": None,
        "decided_at": utc(decided_at),
        "input_sha256": input_sha256,
        "verify": {**_verification(verification), "findings": _stretches(left)},
    }
    if audio is not None:
        document["audio"] = {"channels": audio.channels, "duration_s": seconds(audio.duration_s)}
    return indented(document)


def _verification(verification: Verification) -> dict[str, object]:
    return {
        "result": verification.result.value,
        "scope": verification.scope.value,
        "rounds": verification.rounds,
        "heard_s": seconds(verification.heard_s),
        "widened": verification.widened,
        "left": verification.left,
    }


def _output_hashes(parts: Sequence[PublishedPart]) -> dict[str, str]:
    order = list(Part)
    return {
        part.part.value: _sha256(part.body)
        for part in sorted(parts, key=lambda part: order.index(part.part))
        if part.part is not Part.CERTIFICATE
    }


def _sha256(body: MaskedFile | MaskedDocument) -> str:
    if isinstance(body, MaskedFile):
        return body.sha256
    return hashlib.sha256(body.content).hexdigest()


def _stretches(stretches: Iterable[Stretch]) -> list[dict[str, object]]:
    return [
        {
            "channel": one.channel,
            "start_s": seconds(max(0.0, one.start_s)),
            "end_s": seconds(one.end_s),
            "entity": one.entity.value,
        }
        for one in sorted(stretches, key=lambda one: (one.start_s, one.channel, one.end_s))
    ]


def _place(span: MaskSpan) -> tuple[float, int, float]:
    return span.start_s, span.channel, span.end_s


def _span(span: MaskSpan) -> dict[str, object]:
    return {
        "channel": span.channel,
        "start_s": seconds(span.start_s),
        "end_s": seconds(span.end_s),
        "entity": span.entity.value,
        "detector": span.detector,
        "score": round(float(span.score), 3),
    }
