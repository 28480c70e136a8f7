"""Hear a whole call: words, speakers, and where each channel speaks. Memory does not grow with its length."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from callveil.kit import Kit
from callveil.pipeline.stopwatch import Stopwatch
from callveil.ports import AudioSource, Transcriber
from callveil.stages.dtmf import find_dtmf
from callveil.stages.resample import Resampler
from callveil.stages.speech import find_speech, is_quiet, join_speech, measure_levels
from callveil.stages.stretches import StretchCutter, Window, pack_windows
from callveil.vocabulary.audio import Audio, ChannelSpeech
from callveil.vocabulary.pii import Finding
from callveil.vocabulary.transcript import SpeakerSegment, Transcription, Word

_LIVE_STRETCH_S = (25.0, 40.0)
"""A live call is heard in stretches this long, so that little is left to hear when it ends."""

OnProgress = Callable[[float], None]
"""Told how many seconds of the call are heard so far."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Heard:
    """What was heard of a call. Raw: it lives in memory until the call is masked.

    Attributes:
        words: Of all channels.
        segments: Of the diarizer.
        speech: Speech of each channel's own.
        tones: Where keys were pressed.
        quiet: Pauses, shape (n_frames, channels), frames of `speech.FRAME_S`.
        language: ISO 639-1 code, given or detected.
        duration_s: Length of what was heard, in seconds.
    """

    words: tuple[Word, ...]
    segments: tuple[SpeakerSegment, ...]
    speech: tuple[ChannelSpeech, ...]
    tones: tuple[Finding, ...]
    quiet: NDArray[np.bool_]
    language: str
    duration_s: float


def listen(
    recording: AudioSource,
    kit: Kit,
    *,
    language: str | None,
    until_s: float | None,
    watch: Stopwatch,
    on_progress: OnProgress,
    arriving: bool = False,
) -> Heard:
    """Transcribe and diarize a call, stretch by stretch.

    Args:
        recording: The call.
        kit: For the engines.
        language: ISO 639-1 code; None to detect it in the first speech.
        until_s: Hear only what lies before this second; the rest never reaches an engine.
        watch: Takes the time of each step.
        on_progress: Called after every stretch.
        arriving: The call still goes on, so it is heard in shorter stretches.

    Raises:
        AudioError: The recording cannot be read to its end.
        EngineError: An engine failed.
    """
    diarization = (kit.dual if recording.format.channels == 2 else kit.mono).start()
    words: list[Word] = []
    speech: list[tuple[ChannelSpeech, ...]] = []
    tones: list[Finding] = []
    quiet: list[NDArray[np.bool_]] = []
    counter = _Counter(recording.blocks(until_s=until_s))
    cutter = StretchCutter(*_LIVE_STRETCH_S) if arriving else StretchCutter()
    for stretch in watch.each(
        "decode", stretches_of(counter, recording.format.rate_hz, recording.format.channels, cutter)
    ):
        with watch("speech"):
            levels = measure_levels(stretch)
            speech.append(find_speech(levels))
            quiet.append(is_quiet(levels))
            tones += find_dtmf(stretch)
        with watch("diarize"):
            diarization.push(stretch, speech[-1])
        with watch("transcribe"):
            windows = [window for own in speech[-1] for window in pack_windows(stretch, [own])]
            language, found = hear_windows(windows, kit.transcriber, language)
            words += found
        on_progress(stretch.end_s)
    with watch("diarize"):
        segments = diarization.finish()
    return Heard(
        words=tuple(words),
        segments=segments,
        speech=join_speech(speech),
        tones=tuple(tones),
        quiet=np.concatenate(quiet) if quiet else np.ones((0, recording.format.channels), np.bool_),
        language=language or "en",
        duration_s=counter.n_samples / recording.format.rate_hz,
    )


def hear_windows(
    windows: Sequence[Window], transcriber: Transcriber, language: str | None
) -> tuple[str | None, list[Word]]:
    """Hear windows, several at a time where the engine can; the first one alone tells an unknown language.

    Args:
        windows: Packed speech.
        transcriber: The engine.
        language: ISO 639-1 code; None to detect it.

    Returns:
        The language, and the words in call time.

    Raises:
        EngineError: The engine failed.
    """

    def hear(window: Window, language: str | None) -> Transcription:
        heard = transcriber.transcribe(window.audio, language=language, channel=window.pieces[0].channel)
        return replace(heard, words=tuple(window.place(word) for word in heard.words))

    heard: list[Transcription] = []
    if language is None and windows:
        heard.append(hear(windows[0], None))
        language = heard[0].language
    with ThreadPoolExecutor(transcriber.n_parallel) as pool:
        heard += pool.map(lambda window: hear(window, language), windows[len(heard) :])
    return language, [word for each in heard for word in each.words]


class _Counter:
    """Counts the samples that pass, at the recording's own rate."""

    def __init__(self, blocks: Iterable[Audio]) -> None:
        self._blocks = blocks
        self.n_samples = 0

    def __iter__(self) -> Iterator[Audio]:
        for block in self._blocks:
            self.n_samples += block.n_samples
            yield block


def stretches_of(
    blocks: Iterable[Audio], rate_hz: int, channels: int, cutter: StretchCutter | None = None
) -> Iterator[Audio]:
    """A recording at the engines' rate, cut at its pauses into stretches of 90 to 120 s.

    Args:
        blocks: The recording in order.
        rate_hz: Its rate.
        channels: Its number of channels.
        cutter: For stretches of another length.
    """
    resampler, cutter = Resampler(rate_hz=rate_hz, channels=channels), cutter or StretchCutter()
    for block in blocks:
        for resampled in resampler.push(block):
            yield from cutter.push(resampled)
    for resampled in resampler.finish():
        yield from cutter.push(resampled)
    yield from cutter.finish()
