"""The documents of a corrected call, and what of it stands in the ledger."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime

from callveil import __version__
from callveil.kit import Kit
from callveil.pipeline.publish import MEDIA_TYPES, engines_of
from callveil.pipeline.published_call import PublishedCall
from callveil.pipeline.redact import Redaction
from callveil.pipeline.stopwatch import Stopwatch
from callveil.stages.documents.captions import captions_vtt
from callveil.stages.documents.certificate import (
    CertificateFacts,
    ReviewFacts,
    certificate_json,
    quarantine_json,
)
from callveil.stages.documents.transcript import transcript_json
from callveil.stages.documents.vcon import VconFacts, vcon_json
from callveil.vocabulary.ledger import CallState, LedgerCall, Settlement
from callveil.vocabulary.pii import MaskSpan
from callveil.vocabulary.recording import MaskedDocument, MaskedFile, Part, PublishedPart
from callveil.vocabulary.transcript import MaskedTurn


def corrected_parts(
    found: LedgerCall, published: PublishedCall, redaction: Redaction, kit: Kit, watch: Stopwatch
) -> list[PublishedPart]:
    """Write the parts of a published call that there were, anew.

    Args:
        found: The call.
        published: What is published.
        redaction: The call with more masks.
        kit: For the signer and the clock.
        watch: What it has so far goes into the certificate.

    Raises:
        ConfigError: There is no signing key.
    """
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


def quarantine_record(found: LedgerCall, input_sha256: str, redaction: Redaction, now: datetime) -> bytes:
    """The record of a call that could not be proven clean.

    Args:
        found: The call.
        input_sha256: Of the recording it was made from, in hex.
        redaction: What was still heard.
        now: Aware UTC.
    """
    return quarantine_json(
        call_id=found.call_id,
        verification=redaction.verification,
        decided_at=now,
        input_sha256=input_sha256,
        audio=redaction.audio.facts,
    )


def settlement_of(
    found: LedgerCall, spans: Sequence[MaskSpan], turns: tuple[MaskedTurn, ...], *, duration_s: float
) -> Settlement:
    """What the ledger says of a call that is published with these masks.

    Args:
        found: The call.
        spans: Its masks.
        turns: Its transcript.
        duration_s: Its length in seconds.
    """
    masked_s: dict[str, float] = {}
    for span in spans:
        kind = span.entity.value
        masked_s[kind] = round(masked_s.get(kind, 0.0) + span.end_s - span.start_s, 3)
    return Settlement(
        state=CallState.PUBLISHED,
        reason=found.reason if found.state is CallState.PUBLISHED else "",
        prefix=found.prefix,
        keep_until_s=found.keep_until_s,
        duration_s=duration_s,
        masked_s=masked_s,
        turns=turns,
    )


def certificate_sha256(parts: Sequence[PublishedPart]) -> str | None:
    """SHA-256 in hex of the certificate among the parts of a call."""
    for part in parts:
        if part.part is Part.CERTIFICATE and isinstance(part.body, MaskedDocument):
            return hashlib.sha256(part.body.content).hexdigest()
    return None
