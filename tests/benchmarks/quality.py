"""How much personal data is masked, and how well the calls are heard: Callveil and the naive pipeline."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from children import Child, child

from callveil.adapters.audio_file import AudioLimits, open_recording
from callveil.config import load_config
from callveil.evaluation.der import score_der, true_segments
from callveil.evaluation.wer import score_wer
from callveil.kit import build_kit
from callveil.pipeline.evaluate import (
    DER_COLLAR_S,
    CallScore,
    LabelledCall,
    evaluate_calls,
    summarise,
    summary_fields,
)
from callveil.pipeline.listeners import Listening, read_recording
from callveil.ports import Transcriber
from callveil.stages.mask_audio import AudioStyle
from callveil.vocabulary.pii import Entity, MaskSpan
from callveil.vocabulary.transcript import SpeakerSegment, Word

MONO_CALLS = ("dev01", "dev05", "dev10", "dev13", "dev18", "dev21")
"""Calls that are also scored mixed down to one channel."""

_LIMITS = AudioLimits(max_duration_s=36000.0, max_bytes=1 << 40)

Tell = Callable[[str], None]
Answers = Mapping[str, Any]


def score_callveil(
    calls: Sequence[LabelledCall],
    profile: str,
    tell: Tell,
    *,
    mono: bool,
    listeners: Sequence[Transcriber] = (),
) -> tuple[CallScore, ...]:
    """Score Callveil.

    Args:
        calls: Labelled calls.
        profile: Of Callveil.
        tell: Told the progress.
        mono: Mix the channels down first.
        listeners: Hear the redacted recordings and the originals.
    """
    listening = Listening(listeners=tuple(listeners), has_original=True) if listeners else None
    with TemporaryDirectory(prefix="callveil-bench-") as unused_store:
        kit = build_kit(load_config(profile), unused_store)
        how = "callveil, mono" if mono else "callveil"
        return evaluate_calls(
            calls,
            kit,
            mono=mono,
            on_call=lambda score: tell(f"quality: {how}, {score.call_id}"),
            listening=listening,
        )


def score_naive(
    calls: Sequence[LabelledCall],
    profile: str,
    tell: Tell,
    *,
    known: Mapping[str, Answers],
    listeners: Sequence[Transcriber] = (),
) -> tuple[CallScore, ...]:
    """Score the naive pipeline with the same scorer.

    Args:
        calls: Labelled calls.
        profile: Names the weights.
        tell: Told the progress.
        known: What the pipeline answered earlier in this run, by call; the other calls are heard now.
        listeners: Hear the recordings it redacted.
    """
    answers = dict(known)
    missing = [call for call in calls if call.truth.call_id not in answers]
    if missing:
        with child("naive", profile) as naive:
            for call in missing:
                answers[call.truth.call_id] = _hear(naive, call.audio)
                tell(f"quality: naive, {call.truth.call_id}")
    return naive_scores(calls, answers, listeners)


def naive_scores(
    calls: Sequence[LabelledCall], answers: Mapping[str, Answers], listeners: Sequence[Transcriber] = ()
) -> tuple[CallScore, ...]:
    """Score what the naive pipeline answered.

    Args:
        calls: The calls.
        answers: By call.
        listeners: Hear the recordings it redacted.
    """
    scores = []
    for call in calls:
        score = _naive_score(call, answers[call.truth.call_id])
        if listeners:
            recording = open_recording(call.audio, _LIMITS)
            readings = read_recording(
                call.truth,
                recording,
                score.masks,
                Listening(listeners=tuple(listeners)),
                style=AudioStyle.SILENCE,
                mixed=recording.format.channels < len(call.truth.channels),
            )
            score = replace(score, readings=readings)
        scores.append(score)
    return tuple(scores)


def figures(
    calls: Sequence[LabelledCall], scores: Sequence[CallScore], *, mono: bool = False
) -> dict[str, Any]:
    """The result over some of the scored calls.

    Args:
        calls: Those that count.
        scores: Of these calls and maybe others.
        mono: Whether they were mixed down.
    """
    by_call = {score.call_id: score for score in scores}
    summary = summarise(calls, [by_call[call.truth.call_id] for call in calls], mono=mono)
    return {
        **summary_fields(summary),
        "labelled_words": summary.wer.words,
        "labelled_speaker_s": round(summary.der.spoken_s, 1),
        "labelled_plain_speech_s": round(summary.spans.plain_speech_s, 1),
    }


def _hear(naive: Child, recording: Path) -> Answers:
    return naive.process(recording, recording.stem)


def _naive_score(call: LabelledCall, answer: Answers) -> CallScore:
    truth = call.truth
    words = [
        Word(text=text, start_s=start_s, end_s=end_s, probability=probability, channel=channel)
        for channel, text, start_s, end_s, probability in answer["words"]
    ]
    # It takes the channel for the speaker.
    segments = [
        SpeakerSegment(speaker=truth.channels[channel], channel=channel, start_s=start_s, end_s=end_s)
        for channel, start_s, end_s in answer["segments"]
        if end_s > start_s
    ]
    # The kind of a mask is not scored.
    masks = tuple(
        MaskSpan(
            channel=channel, start_s=start_s, end_s=end_s, entity=Entity.NUMBER, detector="naive", score=1.0
        )
        for channel, start_s, end_s in answer["masks"]
    )
    return CallScore(
        call_id=truth.call_id,
        duration_s=truth.duration_s,
        masks=masks,
        wer=score_wer(truth, words, mixed=len(truth.channels) == 1),
        der=score_der(true_segments(truth), segments, collar_s=DER_COLLAR_S),
        timings_s={"total": answer["seconds"]},
    )
