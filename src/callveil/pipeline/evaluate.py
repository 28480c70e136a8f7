"""Score the main job on labelled calls: how much personal data is masked, and how well it listens.

The calls take the same way as in `record_call`, up to what would be masked; nothing is stored.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from callveil.adapters.audio_file import open_recording
from callveil.errors import CallveilError, MetadataError
from callveil.evaluation.der import DerScore, score_der, true_segments
from callveil.evaluation.misses import Reason, miss_reason
from callveil.evaluation.spans import Leak, MaskedCall, SpanScore, score_spans
from callveil.evaluation.truth import TruthCall, parse_truth
from callveil.evaluation.wer import WerScore, score_wer
from callveil.kit import Kit
from callveil.pipeline.batch import AUDIO_SUFFIXES
from callveil.pipeline.listen import Heard, listen
from callveil.pipeline.listeners import Listening, Reading, read_recording, reading_fields
from callveil.pipeline.redact import redact
from callveil.pipeline.stopwatch import Stopwatch
from callveil.ports import AudioSource, EntityDetector
from callveil.vocabulary.audio import Audio, AudioFormat
from callveil.vocabulary.call import Call, Party, Role
from callveil.vocabulary.pii import Finding, MaskSpan
from callveil.vocabulary.proof import Verification, VerifyResult
from callveil.vocabulary.transcript import Turn

DER_COLLAR_S = 0.25
"""As in the NIST evaluations of telephone speech."""


_NO_WORDS = WerScore(words=0, substituted=0, deleted=0, inserted=0)
_NO_SPEECH = DerScore(spoken_s=0, missed_s=0, false_alarm_s=0, confused_s=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledCall:
    """A recording and its truth."""

    audio: Path
    truth: TruthCall


@dataclass(frozen=True, slots=True, kw_only=True)
class CallScore:
    """One call's result.

    Attributes:
        call_id: The call.
        duration_s: Length in seconds.
        masks: What would be masked; empty when the call failed, so all of it counts as leaked.
        verification: What the second recogniser still heard; None when the call failed.
        wer: Of the words heard; of nothing where the truth has no turns.
        der: Of the speakers found; of nothing where the truth has no turns.
        timings_s: Seconds of wall time per step.
        reasons: Id of each stretch that was not caught to where it was lost.
        readings: What listeners read of the redacted recording.
        error: What failed; None when nothing did.
    """

    call_id: str
    duration_s: float
    masks: tuple[MaskSpan, ...] = ()
    verification: Verification | None = None
    wer: WerScore = _NO_WORDS
    der: DerScore = _NO_SPEECH
    timings_s: Mapping[str, float] = field(default_factory=dict)
    reasons: Mapping[str, Reason] = field(default_factory=dict)
    readings: tuple[Reading, ...] = ()
    error: str | None = None


def find_labelled(folder: Path) -> tuple[LabelledCall, ...]:
    """Find the labelled calls of a folder: a recording and a truth file of the same name.

    Raises:
        MetadataError: The folder holds none, or a truth file is wrong.
    """
    found = []
    for path in sorted(folder.glob("*.json")):
        content = path.read_bytes()
        audio = next(
            (a for a in sorted(folder.glob(f"{path.stem}.*")) if a.suffix.lower() in AUDIO_SUFFIXES), None
        )
        if audio is not None and b'"pii"' in content:
            found.append(LabelledCall(audio=audio, truth=parse_truth(content, source=path.name)))
    if not found:
        raise MetadataError(f"{folder}: holds no labelled calls (a recording and a .json with its truth)")
    return tuple(found)


def evaluate_calls(
    calls: Sequence[LabelledCall],
    kit: Kit,
    *,
    mono: bool,
    on_call: Callable[[CallScore], None],
    listening: Listening | None = None,
) -> tuple[CallScore, ...]:
    """Run the main job on labelled calls.

    Args:
        calls: The calls.
        kit: To process them with; its store is not used.
        mono: Mix the channels down first, so that speakers must be told apart by voice.
        on_call: Told each result as it comes.
        listening: Who listens to the redacted recordings; None for nobody.
    """
    scores = []
    for call in calls:
        score = _evaluate(call, kit, mono=mono, listening=listening)
        on_call(score)
        scores.append(score)
    return tuple(scores)


def _evaluate(labelled: LabelledCall, kit: Kit, *, mono: bool, listening: Listening | None) -> CallScore:
    truth, watch, detector = labelled.truth, Stopwatch(), _Watched(kit.detector)
    kit = replace(kit, detector=detector)
    try:
        recording: AudioSource = open_recording(labelled.audio, kit.audio_limits)
        mixed = mono and recording.format.channels == 2
        recording = _Mono(recording) if mixed else recording
        call = _call(truth, recording.format.channels)
        heard = listen(recording, kit, language="en", until_s=None, watch=watch, on_progress=lambda _: None)
        with redact(recording, heard, call, kit, watch, until_s=None) as redaction:
            spans, verification = redaction.spans, redaction.verification
    except CallveilError as error:
        return _failed(truth, str(error))
    one = mixed or recording.format.channels == 1
    score = _score(truth, heard, spans, verification, watch, mixed=one)
    reasons = _reasons(score, truth, heard, (*detector.findings, *heard.tones), mixed=one)
    # A listener that fails is no failure of the call: it ends the evaluation.
    readings = _read(truth, recording, spans, kit, listening, mixed=one)
    return replace(score, readings=readings, reasons=reasons)


def _failed(truth: TruthCall, error: str) -> CallScore:
    reasons = {pii.id: Reason.FAILED for pii in truth.pii}
    return CallScore(call_id=truth.call_id, duration_s=truth.duration_s, reasons=reasons, error=error)


def _read(
    truth: TruthCall,
    recording: AudioSource,
    spans: Sequence[MaskSpan],
    kit: Kit,
    listening: Listening | None,
    *,
    mixed: bool,
) -> tuple[Reading, ...]:
    """Let the listeners hear what would be published."""
    if listening is None:
        return ()
    style = kit.profile.masking.audio
    return read_recording(truth, recording, spans, listening, style=style, mixed=mixed)


def _reasons(
    score: CallScore, truth: TruthCall, heard: Heard, findings: Sequence[Finding], *, mixed: bool
) -> dict[str, Reason]:
    leaks = score_spans([MaskedCall(truth=truth, masks=score.masks, mixed=mixed)]).leaks
    leaked = {leak.id for leak in leaks}
    return {
        pii.id: miss_reason(pii, truth, heard.words, findings, mixed=mixed)
        for pii in truth.pii
        if pii.id in leaked
    }


class _Watched:
    """A detector that remembers what it found in the call."""

    def __init__(self, detector: EntityDetector) -> None:
        self._detector = detector
        self.findings: list[Finding] = []

    @property
    def name(self) -> str:
        return self._detector.name

    def find(self, turns: Sequence[Turn], *, language: str) -> tuple[Finding, ...]:
        found = self._detector.find(turns, language=language)
        self.findings += found
        return found


def _score(
    truth: TruthCall,
    heard: Heard,
    spans: tuple[MaskSpan, ...],
    verification: Verification,
    watch: Stopwatch,
    *,
    mixed: bool,
) -> CallScore:
    timings_s = watch.seconds
    return CallScore(
        call_id=truth.call_id,
        duration_s=heard.duration_s,
        masks=spans,
        verification=verification,
        wer=score_wer(truth, heard.words, mixed=mixed) if truth.turns else _NO_WORDS,
        der=score_der(true_segments(truth), heard.segments, collar_s=DER_COLLAR_S)
        if truth.turns
        else _NO_SPEECH,
        timings_s=timings_s,
    )


def _call(truth: TruthCall, channels: int) -> Call:
    roles = {role.value: role for role in Role}
    parties = tuple(
        Party(role=roles[name], channel=channel)
        for channel, name in sorted(enumerate(truth.channels))
        if name in roles and channels == 2
    )
    return Call(call_id=truth.call_id, started_at=datetime(2026, 1, 1, tzinfo=UTC), parties=parties)


class _Mono:
    """A dual-channel recording mixed down."""

    def __init__(self, recording: AudioSource) -> None:
        self._recording = recording

    @property
    def format(self) -> AudioFormat:
        original = self._recording.format
        return AudioFormat(rate_hz=original.rate_hz, channels=1, codec=original.codec)

    def blocks(self, *, until_s: float | None = None) -> Iterator[Audio]:
        for block in self._recording.blocks(until_s=until_s):
            mixed = block.samples.mean(axis=1, keepdims=True).astype(np.float32)
            yield Audio(samples=mixed, rate_hz=block.rate_hz, start_sample=block.start_sample)


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The result over all calls.

    Attributes:
        spans: Masked and leaked personal data, over-masking.
        wer: Words, numbers spelled out digit by digit.
        der: Speakers, with a collar of `DER_COLLAR_S`.
        real_time_factor: Per step, seconds of wall time per second of audio; "total" of all steps.
        failed: Calls that failed, and why.
        quarantined: Calls in which the second recogniser heard personal data after the last round. They are
            scored like the others, though nothing of them would be published.
        reasons: Call and id of each leak to where it was lost.
        readings: What listeners read, call by call.
    """

    spans: SpanScore
    wer: WerScore
    der: DerScore
    real_time_factor: Mapping[str, float]
    failed: Mapping[str, str]
    reasons: Mapping[tuple[str, str], Reason]
    readings: tuple[tuple[Reading, ...], ...]
    quarantined: tuple[str, ...] = ()


def summarise(calls: Sequence[LabelledCall], scores: Sequence[CallScore], *, mono: bool) -> Summary:
    """Add the results up. A failed call counts as fully leaked.

    Args:
        calls: The labelled calls.
        scores: Their results, in the same order.
        mono: Whether they were mixed down.
    """
    masked = [
        MaskedCall(truth=call.truth, masks=score.masks, mixed=mono)
        for call, score in zip(calls, scores, strict=True)
    ]
    done = [score for score in scores if score.error is None]
    duration_s = sum(score.duration_s for score in done) or 1.0
    seconds: Counter[str] = Counter()
    for score in done:
        seconds.update(score.timings_s)
    return Summary(
        spans=score_spans(masked),
        wer=sum((score.wer for score in scores), _NO_WORDS),
        der=sum((score.der for score in scores), _NO_SPEECH),
        real_time_factor={step: round(total / duration_s, 4) for step, total in seconds.items()},
        failed={score.call_id: score.error for score in scores if score.error is not None},
        quarantined=tuple(
            score.call_id
            for score in scores
            if score.verification is not None and score.verification.result is not VerifyResult.CLEAN
        ),
        reasons={(score.call_id, id): reason for score in scores for id, reason in score.reasons.items()},
        readings=tuple(score.readings for score in scores),
    )


def summary_fields(summary: Summary) -> dict[str, Any]:
    """The summary as JSON: figures only, never what was said."""
    spans = summary.spans
    return {
        "calls": spans.calls,
        "minutes": round(spans.duration_s / 60, 2),
        "span_recall": round(spans.total.span_recall, 4),
        "time_recall": round(spans.total.time_recall, 4),
        "spans": spans.total.spans,
        "leaked_spans": len(spans.leaks),
        "zero_leak_share": round(spans.zero_leak_share, 4),
        "zero_leak_calls": spans.calls_without_leak,
        "calls_with_pii": spans.calls_with_pii,
        "over_masking": round(spans.over_masking, 4),
        "over_masking_beyond_collar": round(spans.over_masking_beyond_collar, 4),
        "masked_s": round(spans.masked_s, 1),
        "benign_spans": sum(spans.benign.values()),
        "benign_hits": sum(spans.benign_hits.values()),
        "by_entity": {
            entity.value: {
                "spans": recall.spans,
                "caught": recall.caught,
                "span_recall": round(recall.span_recall, 4),
                "time_recall": round(recall.time_recall, 4),
            }
            for entity, recall in sorted(spans.by_entity.items())
        },
        "benign_by_kind": {
            kind: {"spans": spans.benign[kind], "hits": spans.benign_hits.get(kind, 0)}
            for kind in sorted(spans.benign)
        },
        "wer": round(summary.wer.rate, 4),
        "der": round(summary.der.rate, 4),
        "der_collar_s": DER_COLLAR_S,
        "real_time_factor": dict(summary.real_time_factor),
        "failed": dict(summary.failed),
        "quarantined": list(summary.quarantined),
        "listeners": reading_fields(summary.readings),
        "leaks": [_leak_fields(leak, summary.reasons.get((leak.call_id, leak.id))) for leak in spans.leaks],
    }


def _leak_fields(leak: Leak, reason: Reason | None) -> dict[str, Any]:
    return {
        **asdict(leak),
        "entity": leak.entity.value,
        "covered": round(leak.covered, 3),
        "reason": reason.value if reason else None,
    }
