"""What hears and finds.

Words and turns passed through here are raw: an implementation must not log, store or send them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from callveil.vocabulary.audio import Audio, AudioFormat, ChannelSpeech
from callveil.vocabulary.pii import Finding
from callveil.vocabulary.transcript import SpeakerSegment, Transcription, Turn


class AudioSource(Protocol):
    """A recording that can be read more than once, always with the same samples."""

    @property
    def format(self) -> AudioFormat:
        """Rate, channels and codec."""

    def blocks(self, *, until_s: float | None = None) -> Iterator[Audio]:
        """Decode the recording in order, in blocks of bounded size.

        Args:
            until_s: Stop before this second of the call; None for all of it.

        Yields:
            Consecutive stretches at the recording's own rate and channels; together they are the call.

        Raises:
            AudioError: It cannot be decoded to the end, holds no samples, or breaks a limit.
        """


class Transcriber(Protocol):
    """Speech to words."""

    @property
    def name(self) -> str:
        """Engine and model, as they stand in the certificate: "faster-whisper/whisper-base-ct2"."""

    @property
    def n_parallel(self) -> int:
        """How many threads may call `transcribe` at the same time, and gain by it; 1 for none."""

    def transcribe(self, audio: Audio, *, language: str | None, channel: int) -> Transcription:
        """Hear one stretch of one channel.

        Args:
            audio: One channel at 16000 Hz, any length up to ten minutes.
            language: ISO 639-1 code, or None to detect it.
            channel: Written into the words.

        Returns:
            Words in time order, in seconds from the beginning of the call (`audio.start_sample` counts),
            inside the stretch, `start_s` < `end_s`. Silence gives no words.

        Raises:
            EngineError: The engine failed, or the audio has another rate or more than one channel.
        """


class Diarizer(Protocol):
    """Who speaks when. One session per call, fed in order, so that long calls need little memory."""

    @property
    def name(self) -> str:
        """Engine and models, as they stand in the certificate."""

    def start(self) -> DiarizationSession:
        """Begin a call."""


class DiarizationSession(Protocol):
    """One call in the making."""

    def push(self, audio: Audio, speech: Sequence[ChannelSpeech]) -> None:
        """Take the next stretch.

        Args:
            audio: All channels at 16000 Hz, following directly on the last stretch.
            speech: The speech found in that stretch, per channel.
        """

    def finish(self) -> tuple[SpeakerSegment, ...]:
        """All segments of the call, by start; segments of different speakers may overlap.

        Raises:
            EngineError: The engine failed.
        """


class EntityDetector(Protocol):
    """Personal data in a dialogue."""

    @property
    def name(self) -> str:
        """Engine and models, as they stand in the certificate."""

    def find(self, turns: Sequence[Turn], *, language: str) -> tuple[Finding, ...]:
        """Find personal data in the whole dialogue of one call.

        Args:
            turns: All turns of the call, by start.
            language: ISO 639-1 code of the call.

        Returns:
            Findings with the times of their words, unpadded. One may begin up to 1.5 s before its first word,
            where that word is too short for its characters and must have begun earlier.

        Raises:
            EngineError: The engine failed, or cannot work in that language.
        """


class ModelLookup(Protocol):
    """Where pulled and verified models lie. Looking up never downloads."""

    def folder(self, model: str) -> Path:
        """Folder of a model's files.

        Raises:
            ModelError: No such model, or it is not pulled; the message names the command that pulls it.
        """
