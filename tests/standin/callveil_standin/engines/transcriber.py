"""`transcriber:standin`: loud sound is a word, and the marker tone is the marker word."""

from __future__ import annotations

import time

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from callveil.vocabulary.audio import Audio
from callveil.vocabulary.transcript import Transcription, Word
from callveil_standin.orders import obey
from callveil_standin.tones import FILLERS, MARKER_WORD, TONE_HZ

_FRAME_S = 0.05
_WORD_FRAMES = 6
_LOUD = 0.01
_TONE_SHARE = 0.5


class Options(BaseModel):
    """Options of the engine."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seconds: float = Field(default=0.02, ge=0, description="Seconds it takes.")
    seconds_per_second: float = Field(default=0.0, ge=0, description="Further seconds per second of audio.")


class StandInTranscriber:
    """See `Transcriber`. It really listens, so masked audio sounds masked to it."""

    n_parallel = 1

    def __init__(self, options: Options, name: str) -> None:
        self._options, self.name = options, name

    def transcribe(self, audio: Audio, *, language: str | None, channel: int) -> Transcription:
        length_s = audio.n_samples / audio.rate_hz
        time.sleep(self._options.seconds + self._options.seconds_per_second * length_s)
        obey()
        words = tuple(_words(audio, channel))
        return Transcription(language=language or "en", words=words)


def _words(audio: Audio, channel: int):
    size = round(_FRAME_S * audio.rate_hz)
    n_frames = audio.n_samples // size
    if not n_frames:
        return
    frames = audio.samples[: n_frames * size, 0].reshape(n_frames, size)
    power = (frames**2).mean(axis=1)
    wave = np.exp(-2j * np.pi * TONE_HZ * np.arange(size) / audio.rate_hz)
    tone = 2 * np.abs(frames @ wave / size) ** 2
    kinds = np.where(power < _LOUD**2, 0, np.where(tone > _TONE_SHARE * power, 2, 1))
    start_s = audio.start_sample / audio.rate_hz
    at = n_words = 0
    while at < n_frames:
        end = at + 1
        while end < n_frames and kinds[end] == kinds[at] and (kinds[at] == 2 or end - at < _WORD_FRAMES):
            end += 1
        if kinds[at]:
            yield Word(
                text=MARKER_WORD if kinds[at] == 2 else FILLERS[n_words % len(FILLERS)],
                start_s=start_s + at * _FRAME_S,
                end_s=start_s + end * _FRAME_S,
                probability=0.99,
                channel=channel,
            )
            n_words += 1
        at = end


def build(options: Options, models: object) -> StandInTranscriber:
    return StandInTranscriber(options, "standin")
