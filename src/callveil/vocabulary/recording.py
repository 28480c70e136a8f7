"""What is written for one call, and what came of it. Everything here may be published."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from callveil.vocabulary.consent import ConsentDecision
from callveil.vocabulary.pii import MaskSpan
from callveil.vocabulary.proof import Verification
from callveil.vocabulary.transcript import MaskedTurn


class Part(StrEnum):
    """The objects of a published call; the value is the object's name under the call's folder."""

    AUDIO = "audio.flac"
    TRANSCRIPT = "transcript.json"
    CAPTIONS = "transcript.vtt"
    VCON = "vcon.json"
    CERTIFICATE = "certificate.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskedFile:
    """A file of masked audio, written by `adapters.masked_audio_file` from `MaskedAudio` only."""

    path: Path
    sha256: str
    n_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskedDocument:
    """A document made of masked types only (transcript, captions, vCon, certificate)."""

    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedPart:
    """One object to publish.

    Attributes:
        part: Which one.
        body: Masked audio or a masked document; nothing else can be stored.
        media_type: Such as "audio/flac".
    """

    part: Part
    body: MaskedFile | MaskedDocument
    media_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionTags:
    """Tags on every object of a call, and the date it is locked until.

    Attributes:
        tags: "callveil-call", "callveil-consent", ... to their values. "callveil-part" is added per object.
            S3 allows 10 tags, keys up to 128 and values up to 256 characters
            (https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html).
        locked_until: When the first of its objects may be deleted, aware UTC; None when nobody knows.
    """

    tags: Mapping[str, str]
    locked_until: datetime | None


class State(StrEnum):
    """How a call ended."""

    PUBLISHED = "published"
    HELD = "held"
    DISCARDED = "discarded"
    QUARANTINED = "quarantined"
    """Personal data could still be heard after masking, so nothing was published."""
    FAILED = "failed"
    SKIPPED = "skipped"
    """Done in an earlier run: same content, same call, same profile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of one call; safe to print and to keep.

    Attributes:
        call_id: The call.
        state: How it ended.
        decision: What the consent gate decided; None when it never got that far.
        prefix: Folder of the published call in the store, ending in "/"; None when nothing was published.
        duration_s: Length of the kept recording in seconds.
        masked: All masked stretches.
        verification: What another recogniser heard of the masked audio; None when it never got that far.
        timings_s: Seconds of wall time per step.
        error: Code and sentence of what failed; None when nothing did.
        turns: What was said in the published recording; None when it was not published now.
    """

    call_id: str
    state: State
    decision: ConsentDecision | None = None
    prefix: str | None = None
    duration_s: float = 0.0
    masked: tuple[MaskSpan, ...] = ()
    verification: Verification | None = None
    timings_s: Mapping[str, float] = field(default_factory=dict)
    error: tuple[str, str] | None = None
    turns: tuple[MaskedTurn, ...] | None = field(default=None, repr=False)
