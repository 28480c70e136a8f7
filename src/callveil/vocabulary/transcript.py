"""Words and turns: raw and masked are different types, and raw ones do not print their content."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """One word as a recogniser heard it. Raw: never stored, never logged.

    Attributes:
        text: The word in written form, with its punctuation, without spaces around it.
        start_s: Start in seconds from the beginning of the call.
        end_s: End in seconds from the beginning of the call.
        probability: The recogniser's own confidence, 0 to 1.
        channel: Channel it was heard on, from 0.
    """

    text: str
    start_s: float
    end_s: float
    probability: float
    channel: int

    def __repr__(self) -> str:
        return f"Word({len(self.text)} characters, {self.start_s:.2f}-{self.end_s:.2f} s)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcription:
    """What a recogniser heard in one stretch of one channel.

    Attributes:
        language: ISO 639-1 code that was given or detected, such as "en".
        words: In time order.
    """

    language: str
    words: tuple[Word, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeakerSegment:
    """A stretch of one speaker's voice.

    Attributes:
        speaker: "agent", "customer", or "speaker_1", "speaker_2" where the role is not known.
        channel: The channel it is on; None for a mono call with several speakers.
        start_s: Start in seconds.
        end_s: End in seconds.
    """

    speaker: str
    channel: int | None
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What one speaker said without another turn of theirs in between. Raw: never stored.

    Attributes:
        speaker: As in `SpeakerSegment`.
        channel: Channel, from 0.
        words: At least one, in time order.
    """

    speaker: str
    channel: int
    words: tuple[Word, ...]

    @property
    def start_s(self) -> float:
        """Start of the first word."""
        return self.words[0].start_s

    @property
    def end_s(self) -> float:
        """End of the last word."""
        return max(word.end_s for word in self.words)

    @property
    def text(self) -> str:
        """The words joined by single spaces."""
        return " ".join(word.text for word in self.words)

    def __repr__(self) -> str:
        return f"Turn({self.speaker}, {len(self.words)} words, {self.start_s:.2f}-{self.end_s:.2f} s)"


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskedWord:
    """A word that may be published.

    Attributes:
        text: The word, or the replacement such as "[CREDIT_CARD]" on the first word of a masked stretch,
            or "" on its further words.
        start_s: Start in seconds.
        end_s: End in seconds.
        entity: Kind of personal data that was masked; None for a word left as it was.
    """

    text: str
    start_s: float
    end_s: float
    entity: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskedTurn:
    """A turn that may be published. Only `stages.mask_text` makes these; published ones are read back."""

    speaker: str
    channel: int
    start_s: float
    end_s: float
    words: tuple[MaskedWord, ...]

    @property
    def text(self) -> str:
        """The words that are left, joined by single spaces."""
        return " ".join(word.text for word in self.words if word.text)
