"""What a second recogniser can still read from the redacted audio of a labelled call."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from callveil.adapters.audio_file import AudioLimits, open_recording
from callveil.adapters.audio_tally import SILENCE_DBFS
from callveil.adapters.masked_audio_file import MaskedFlacWriter
from callveil.adapters.memory_file import scratch_file
from callveil.evaluation.readable import ValueRead, read_values
from callveil.evaluation.truth import TruthCall
from callveil.ports import AudioSource, Transcriber
from callveil.stages.mask_audio import AudioStyle, mask_audio
from callveil.stages.resample import Resampler
from callveil.stages.stretches import StretchCutter
from callveil.vocabulary.audio import Audio
from callveil.vocabulary.pii import MaskSpan
from callveil.vocabulary.transcript import Word

_LANGUAGE = "en"
_LIMITS = AudioLimits(max_duration_s=1e6, max_bytes=1 << 40)
"""The original was within those of the profile already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """Who listens to the redacted recordings of an evaluation.

    Attributes:
        listeners: Recognisers that the run itself does not use.
        has_original: Let them hear the original too: what they cannot read there proves nothing.
    """

    listeners: tuple[Transcriber, ...]
    has_original: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one listener read of one call.

    Attributes:
        listener: Its engine and model.
        redacted: The values of the call, and whether they were read from the redacted recording.
        original: The same from the original; empty when it was not heard.
    """

    listener: str
    redacted: tuple[ValueRead, ...]
    original: tuple[ValueRead, ...] = ()


def read_recording(
    truth: TruthCall,
    recording: AudioSource,
    masks: Sequence[MaskSpan],
    listening: Listening,
    *,
    style: AudioStyle,
    mixed: bool,
) -> tuple[Reading, ...]:
    """Mask a recording and let the listeners hear the file that comes out.

    Args:
        truth: Labels of the call.
        recording: The original.
        masks: What is masked.
        listening: The listeners.
        style: What is heard in the place of masked speech.
        mixed: The recording has one channel and the labels two.

    Raises:
        AudioError: The recording cannot be read.
        EngineError: A listener failed.
    """
    readings = []
    with scratch_file("redacted.flac") as path:
        redacted = _write_masked(recording, masks, style, path)
        for listener in listening.listeners:
            heard = hear_channels(redacted, listener) if redacted else ()
            original = hear_channels(recording, listener) if listening.has_original else None
            readings.append(
                Reading(
                    listener=listener.name,
                    redacted=read_values(truth, heard, mixed=mixed),
                    original=() if original is None else read_values(truth, original, mixed=mixed),
                )
            )
    return tuple(readings)


def _write_masked(
    recording: AudioSource, masks: Sequence[MaskSpan], style: AudioStyle, path: Path
) -> AudioSource | None:
    """Write a recording masked, in the form in which it would be published, and open that file.

    Returns:
        None when all sound is masked: such a file is refused as a recording.
    """
    loudest = 0.0
    with MaskedFlacWriter(path, recording.format) as writer:
        for block in recording.blocks():
            masked = mask_audio(block, masks, style)
            loudest = max(loudest, float(np.abs(masked.samples).max(initial=0.0)))
            writer.write(masked)
    is_silent = loudest < 2 * 10 ** (SILENCE_DBFS / 20)
    return None if is_silent else open_recording(path, _LIMITS)


def hear_channels(recording: AudioSource, listener: Transcriber) -> tuple[Word, ...]:
    """Let a recogniser hear every channel from end to end, silence and crosstalk included.

    Args:
        recording: Any.
        listener: The recogniser.
    """
    words: list[Word] = []
    for stretch in _stretches(recording):
        for channel in range(stretch.channels):
            own = Audio(
                samples=stretch.samples[:, [channel]],
                rate_hz=stretch.rate_hz,
                start_sample=stretch.start_sample,
            )
            words += listener.transcribe(own, language=_LANGUAGE, channel=channel).words
    return tuple(words)


def _stretches(recording: AudioSource) -> Iterator[Audio]:
    resampler = Resampler(recording.format.rate_hz, recording.format.channels)
    cutter = StretchCutter()
    for block in recording.blocks():
        for part in resampler.push(block):
            yield from cutter.push(part)
    for part in resampler.finish():
        yield from cutter.push(part)
    yield from cutter.finish()


def reading_fields(readings: Sequence[Sequence[Reading]]) -> list[dict[str, Any]]:
    """The independent leak rate of each listener as JSON: figures only, never what was said.

    Args:
        readings: Of each call, in any order; a call without readings counts for nothing.
    """
    names = dict.fromkeys(reading.listener for call in readings for reading in call)
    return [
        _listener_fields(name, [reading for call in readings for reading in call if reading.listener == name])
        for name in names
    ]


def _listener_fields(name: str, readings: Sequence[Reading]) -> dict[str, Any]:
    redacted = [value for reading in readings for value in reading.redacted]
    original = [value for reading in readings for value in reading.original]
    entities = sorted({value.entity for value in redacted})
    return {
        "listener": name,
        **_rates(redacted, original),
        "by_entity": {
            entity.value: _rates(
                [value for value in redacted if value.entity is entity],
                [value for value in original if value.entity is entity],
            )
            for entity in entities
        },
    }


def _rates(redacted: Sequence[ValueRead], original: Sequence[ValueRead]) -> dict[str, Any]:
    read = sum(value.read for value in redacted)
    fields: dict[str, Any] = {
        "values": len(redacted),
        "read": read,
        "independent_leak_rate": round(read / len(redacted), 4) if redacted else 0.0,
    }
    if original:
        able = sum(value.read for value in original)
        fields["read_in_original"] = able
        fields["ability"] = round(able / len(original), 4)
    return fields
