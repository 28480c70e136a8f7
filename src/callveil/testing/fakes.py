"""Engines that say what they are told to say, a recording in memory and a clock that stands still."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from callveil.errors import EngineError
from callveil.testing.builders import START
from callveil.vocabulary.audio import Audio, AudioFormat, ChannelSpeech
from callveil.vocabulary.pii import Finding
from callveil.vocabulary.transcript import SpeakerSegment, Transcription, Turn, Word

_ENGINE_RATE_HZ = 16000


@dataclass(slots=True)
class ManualClock:
    """A clock that stands still until told otherwise.

    Attributes:
        time: What it shows, aware UTC.
    """

    time: datetime = START

    def now(self) -> datetime:
        """The time it shows."""
        return self.time

    def advance(self, step: timedelta) -> None:
        """Move it on."""
        self.time += step


@dataclass(frozen=True, slots=True)
class MemorySource:
    """A recording in memory, read in blocks.

    Attributes:
        audio: The whole call.
        block_s: Length of a block in seconds.
    """

    audio: Audio
    block_s: float = 10.0

    @property
    def format(self) -> AudioFormat:
        """Of the audio it was given."""
        return AudioFormat(rate_hz=self.audio.rate_hz, channels=self.audio.channels, codec="memory")

    def blocks(self, *, until_s: float | None = None) -> Iterator[Audio]:
        """See `AudioSource.blocks`."""
        rate_hz, step = self.audio.rate_hz, round(self.block_s * self.audio.rate_hz)
        stop = self.audio.n_samples
        if until_s is not None:
            stop = min(stop, round(until_s * rate_hz))
        for first in range(0, stop, step):
            samples = self.audio.samples[first : min(first + step, stop)]
            yield Audio(samples=samples, rate_hz=rate_hz, start_sample=first)


@dataclass(frozen=True, slots=True)
class FakeTranscriber:
    """Hears the words it was given where they begin inside the stretch, cut to it.

    Attributes:
        words: Of the whole call, on any channels, in any order.
        language: What it says it heard when no language is given.
        fails: Raise `EngineError` instead.
    """

    words: Sequence[Word] = ()
    language: str = "en"
    fails: bool = False
    name: str = "fake-transcriber"
    n_parallel: int = 1

    def transcribe(self, audio: Audio, *, language: str | None, channel: int) -> Transcription:
        """See `Transcriber.transcribe`."""
        if audio.rate_hz != _ENGINE_RATE_HZ or audio.channels != 1:
            raise EngineError("transcriber: needs one channel at 16000 Hz")
        if self.fails:
            raise EngineError("transcriber: told to fail")
        heard = [
            Word(
                text=word.text,
                start_s=word.start_s,
                end_s=min(word.end_s, audio.end_s),
                probability=word.probability,
                channel=channel,
            )
            for word in self.words
            if word.channel == channel and audio.start_s <= word.start_s < audio.end_s
        ]
        return Transcription(
            language=language or self.language, words=tuple(sorted(heard, key=lambda word: word.start_s))
        )


@dataclass(frozen=True, slots=True)
class FakeDiarizer:
    """Hears the segments it was given, as far as the call goes.

    Attributes:
        segments: Of the whole call.
        fails: Raise `EngineError` at the end of the call.
    """

    segments: Sequence[SpeakerSegment] = ()
    fails: bool = False
    name: str = "fake-diarizer"

    def start(self) -> FakeDiarization:
        """See `Diarizer.start`."""
        return FakeDiarization(diarizer=self)


@dataclass(slots=True)
class FakeDiarization:
    """One call of a `FakeDiarizer`."""

    diarizer: FakeDiarizer
    end_s: float = 0.0

    def push(self, audio: Audio, speech: Sequence[ChannelSpeech]) -> None:  # noqa: ARG002  the port's names
        """See `DiarizationSession.push`."""
        self.end_s = audio.end_s

    def finish(self) -> tuple[SpeakerSegment, ...]:
        """See `DiarizationSession.finish`."""
        if self.diarizer.fails:
            raise EngineError("diarizer: told to fail")
        heard = (segment for segment in self.diarizer.segments if segment.start_s < self.end_s)
        return tuple(sorted(heard, key=lambda segment: segment.start_s))


@dataclass(frozen=True, slots=True)
class FakeDetector:
    """Finds what it was given, as far as the dialogue goes.

    Attributes:
        findings: Of the whole call.
        fails: Raise `EngineError` instead.
    """

    findings: Sequence[Finding] = ()
    fails: bool = False
    name: str = "fake-detector"

    def find(self, turns: Sequence[Turn], *, language: str) -> tuple[Finding, ...]:  # noqa: ARG002
        """See `EntityDetector.find`."""
        if self.fails:
            raise EngineError("detector: told to fail")
        end_s = max((turn.end_s for turn in turns), default=0.0)
        return tuple(finding for finding in self.findings if finding.start_s < end_s)
