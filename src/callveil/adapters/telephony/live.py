"""What the state machines of live calls say to whoever holds the socket and the storage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from callveil.errors import ProtocolError
from callveil.vocabulary.call import Call
from callveil.vocabulary.consent import Action

Gate: TypeAlias = Callable[[Call], Action]
"""Decides about a call by its metadata: the consent gate, bound to its rules and to the time of the call."""

Encoding: TypeAlias = Literal["ulaw", "pcm_s16le"]

MAX_DURATION_S = 14_400.0
"""The default of `limits.max_duration_s`: a longer call could not be processed anyway."""

_MAX_CLOSE_BYTES = 123
_SAMPLE_BYTES = {"ulaw": 1, "pcm_s16le": 2}
# G.711 mu-law: 0xFF is the code of +0. In linear PCM silence is 0.
_SILENCE = {"ulaw": b"\xff", "pcm_s16le": b"\x00\x00"}


class CallTooLongError(ProtocolError):
    """The recording would become longer than allowed; a fault of nobody, so it is closed as usual."""

    def __init__(self) -> None:
        super().__init__("the call is longer than allowed", close_code=1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveFormat:
    """What the bytes of a live call are.

    Attributes:
        encoding: G.711 mu-law, one byte a sample, or signed 16-bit little-endian PCM.
        rate_hz: Samples per second and channel, 8000 to 48000 Hz.
        channels: 1 or 2; of two the samples are interleaved.
    """

    encoding: Encoding
    rate_hz: int
    channels: int

    @property
    def sample_bytes(self) -> int:
        """Bytes of one sample of one channel."""
        return _SAMPLE_BYTES[self.encoding]

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of all channels."""
        return self.sample_bytes * self.channels

    def silence(self, n_samples: int) -> bytes:
        """So many samples of silence on every channel."""
        return _SILENCE[self.encoding] * (n_samples * self.channels)


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveStart:
    """A call that begins.

    Attributes:
        call: Its metadata; `started_at` is where sample 0 lies.
        format: What its samples are.
        hold: The gate does not allow to record it yet. No `Samples` come until `resume()` is called.
        stream_id: The telephony system's name for this stream (AudioHook session, Twilio stream SID).
        continues: Names of earlier streams that this one goes on with after a reconnect, oldest first.
        problem: Why metadata that came with the call was not taken, fields and allowed values only; the
            call is then held. None when all is well.
    """

    call: Call
    format: LiveFormat
    hold: bool
    stream_id: str
    continues: tuple[str, ...] = ()
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """Send this text message."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Begin:
    """A call begins; comes once, before any other output about the recording."""

    start: LiveStart


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """Raw audio to be landed. Never logged.

    Attributes:
        data: Whole frames in the call's `LiveFormat`.
        start_sample: Where they lie, in samples per channel from the call's beginning. Samples and gaps
            follow each other without holes or overlaps.
    """

    data: bytes
    start_sample: int

    def __repr__(self) -> str:
        return f"Samples({len(self.data)} bytes at sample {self.start_sample})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A stretch without audio, to be stored as silence so that times stay true.

    Attributes:
        start_sample: Where it lies, in samples per channel from the call's beginning.
        n_samples: How long it is, at least 1.
        reason: `paused`: held, or paused by either side; `discarded`: the telephony system dropped it on
            purpose; `lost`: it should have come and did not.
    """

    start_sample: int
    n_samples: int
    reason: Literal["paused", "discarded", "lost"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPressed:
    """A key was pressed about here. Which one is sensitive data and is not kept.

    Attributes:
        at_sample: Where, in samples per channel from the call's beginning.
    """

    at_sample: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageChanged:
    """The call goes on in another language.

    Attributes:
        language: ISO 639-1 code.
    """

    language: str


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """Nothing more comes of the recording. Comes once after `Begin`, and never without it.

    Attributes:
        complete: True when both sides agreed that it is over.
        reason: In plain words, without anything of the call.
    """

    complete: bool
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Close:
    """Close the socket; the machine's last output.

    Attributes:
        code: WebSocket close code, RFC 6455 section 7.4.1.
        reason: In plain words, at most 123 bytes (the limit of RFC 6455 section 5.5); a longer one is cut.
    """

    code: int
    reason: str

    def __post_init__(self) -> None:
        cut = self.reason.encode("utf-8", "replace")[:_MAX_CLOSE_BYTES].decode("utf-8", "ignore")
        object.__setattr__(self, "reason", cut)


Output: TypeAlias = Send | Begin | Samples | Gap | KeyPressed | LanguageChanged | End | Close
