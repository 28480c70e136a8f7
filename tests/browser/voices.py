"""Voices without people, ears without models: each word of the dialogues is a tone of its own pitch.

So a recording sounds like something, its waveform has words and pauses, and the whole pipeline runs on it:
what is masked is really not heard any more.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import soundfile
from tests.browser.dialogues import LEAKED_NAME, PHRASES, VOCABULARY, tokens_of

from callveil.vocabulary.audio import Audio
from callveil.vocabulary.pii import Finding
from callveil.vocabulary.transcript import Transcription, Turn, Word

RATE_HZ = 8000
_LOWEST_HZ, _STEP_HZ = 350.0, 12.0
_FRAME_S = 0.01
_LOUD = 0.02
_PAUSE_S, _TURN_S = 0.06, 0.5

_HZ = {text: _LOWEST_HZ + _STEP_HZ * index for index, text in enumerate(VOCABULARY)}


@dataclass(frozen=True, slots=True, repr=False)
class Spoken:
    """A recording, and where its words are: (text, channel, start_s, end_s)."""

    wav: bytes
    words: tuple[tuple[str, int, float, float], ...]
    duration_s: float


def speak(dialogue: str, *, seed: int = 0, rounds: int = 1, turns: int | None = None) -> Spoken:
    """Say a dialogue: two channels, 16 bit, each seed with other loudness and tempo.

    Args:
        dialogue: Its name.
        seed: Of tempo and loudness.
        rounds: How often it is said, one after the other, for a longer call.
        turns: Only so many turns of it, for a shorter one.
    """
    rng = np.random.default_rng(seed)
    tempo = rng.uniform(0.85, 1.2)
    at_s, said = 0.4, []
    n_turns = 0
    for token in [token for _ in range(rounds) for token in tokens_of(dialogue)]:
        n_turns += token.begins_turn
        if turns is not None and n_turns > turns:
            break
        at_s += (_TURN_S if token.begins_turn else _PAUSE_S) * tempo
        length_s = (0.12 + 0.025 * min(len(token.text), 10)) * tempo
        said.append((token.text, token.channel, round(at_s, 3), round(at_s + length_s, 3)))
        at_s += length_s
    duration_s = at_s + 0.6
    sound = rng.normal(0, 3e-4, (round(duration_s * RATE_HZ), 2))
    for text, channel, start_s, end_s in said:
        first, last = round(start_s * RATE_HZ), round(end_s * RATE_HZ)
        time_s = np.arange(last - first) / RATE_HZ
        shape = np.minimum(1, np.minimum(time_s, time_s[::-1]) / 0.02) * rng.uniform(0.15, 0.5)
        sound[first:last, channel] += shape * np.sin(2 * np.pi * _HZ[text] * time_s)
    file = io.BytesIO()
    soundfile.write(file, np.clip(sound, -1, 1), RATE_HZ, format="WAV", subtype="PCM_16")
    return Spoken(file.getvalue(), tuple(said), duration_s)


@dataclass(frozen=True, slots=True)
class ToneTranscriber:
    """See `Transcriber`. It really listens.

    Attributes:
        name: As it stands in certificates.
        deaf_to: Words it does not notice.
    """

    name: str = "tones"
    deaf_to: frozenset[str] = frozenset({LEAKED_NAME})
    n_parallel: int = 1

    def transcribe(self, audio: Audio, *, language: str | None, channel: int) -> Transcription:
        start_s = audio.start_sample / audio.rate_hz
        words = tuple(
            Word(
                text=text, start_s=start_s + begin_s, end_s=start_s + end_s, probability=0.97, channel=channel
            )
            for text, begin_s, end_s in _heard(audio)
            if text not in self.deaf_to
        )
        return Transcription(language=language or "en", words=words)


def _heard(audio: Audio) -> Iterator[tuple[str, float, float]]:
    size = round(_FRAME_S * audio.rate_hz)
    n_frames = audio.n_samples // size
    mono = audio.samples[: n_frames * size, 0].astype(np.float64)
    loud = np.sqrt((mono.reshape(n_frames, size) ** 2).mean(axis=1)) > _LOUD
    edges = np.flatnonzero(np.diff(np.concatenate([[False], loud, [False]]).astype(np.int8)))
    for first, last in zip(edges[::2], edges[1::2], strict=True):
        if last - first < 5:
            continue
        piece = mono[first * size : last * size] * np.hanning((last - first) * size)
        spectrum = np.abs(np.fft.rfft(piece, n=4 * audio.rate_hz))
        index = round((int(spectrum.argmax()) / 4 - _LOWEST_HZ) / _STEP_HZ)
        if 0 <= index < len(VOCABULARY):
            yield VOCABULARY[index], first * _FRAME_S, last * _FRAME_S


@dataclass(frozen=True, slots=True)
class PhraseDetector:
    """See `EntityDetector`: finds the phrases in braces of the dialogues, word by word."""

    name: str = "phrases"

    def find(self, turns: Sequence[Turn], *, language: str) -> tuple[Finding, ...]:
        return tuple(found for turn in turns for found in self._in(turn))

    def _in(self, turn: Turn) -> Iterator[Finding]:
        texts = [word.text for word in turn.words]
        for phrase, kind in PHRASES.items():
            for first in range(len(texts) - len(phrase) + 1):
                if tuple(texts[first : first + len(phrase)]) == phrase:
                    yield Finding(
                        entity=kind,
                        channel=turn.channel,
                        start_s=turn.words[first].start_s,
                        end_s=turn.words[first + len(phrase) - 1].end_s,
                        score=0.95,
                        detector=self.name,
                    )
