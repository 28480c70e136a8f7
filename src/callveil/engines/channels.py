"""Who speaks when in a recording with one party per channel: whoever's channel carries speech."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field, field_validator

from callveil.errors import EngineError
from callveil.ports import DiarizationSession, ModelLookup
from callveil.vocabulary.audio import Audio, ChannelSpeech
from callveil.vocabulary.transcript import SpeakerSegment

_JOIN_S = 0.001


class Options(BaseModel):
    """Options of the engine."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    speakers: tuple[str, ...] = Field(
        default=("agent", "customer"),
        min_length=1,
        max_length=2,
        description="Who is on each channel, from channel 0; different names, not empty.",
    )

    @field_validator("speakers")
    @classmethod
    def _are_different(cls, speakers: tuple[str, ...]) -> tuple[str, ...]:
        if not all(speaker.strip() for speaker in speakers) or len(set(speakers)) != len(speakers):
            raise ValueError("speakers must have different names, none of them empty")
        return speakers


class ChannelDiarizer:
    """A `Diarizer` that needs no model."""

    def __init__(self, options: Options) -> None:
        self._speakers = options.speakers

    @property
    def name(self) -> str:
        """Engine."""
        return "channels"

    def start(self) -> DiarizationSession:
        """Begin a call."""
        return _Session(self._speakers)


class _Session:
    def __init__(self, speakers: tuple[str, ...]) -> None:
        self._speakers = speakers
        self._segments: dict[int, list[SpeakerSegment]] = {}

    def push(self, audio: Audio, speech: Sequence[ChannelSpeech]) -> None:
        """Take the speech of the next stretch; the samples are not looked at.

        Raises:
            EngineError: A channel that no speaker is named for.
        """
        if audio.channels > len(self._speakers):
            raise EngineError(
                f"channels: {audio.channels} channels, but speakers for {len(self._speakers)} are named"
            )
        for channel_speech in speech:
            for island in channel_speech.islands:
                if island.end_s > island.start_s:
                    self._add(channel_speech.channel, island.start_s, island.end_s)

    def _add(self, channel: int, start_s: float, end_s: float) -> None:
        if not 0 <= channel < len(self._speakers):
            raise EngineError(f"channels: no speaker is named for channel {channel}")
        segments = self._segments.setdefault(channel, [])
        # An island that was cut where two stretches meet is one segment again.
        if segments and start_s <= segments[-1].end_s + _JOIN_S:
            last = segments.pop()
            start_s, end_s = last.start_s, max(end_s, last.end_s)
        segments.append(
            SpeakerSegment(speaker=self._speakers[channel], channel=channel, start_s=start_s, end_s=end_s)
        )

    def finish(self) -> tuple[SpeakerSegment, ...]:
        """All segments by start; both parties may speak at once."""
        every = [segment for segments in self._segments.values() for segment in segments]
        return tuple(sorted(every, key=lambda segment: (segment.start_s, segment.end_s, segment.speaker)))


def build(options: Options, models: ModelLookup) -> ChannelDiarizer:  # noqa: ARG001
    """Make the diarizer; it needs no model."""
    return ChannelDiarizer(options)
