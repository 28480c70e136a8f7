"""What both Whisper engines share: windows cut at pauses, numbers in words, words in call time.

Whisper works on windows of 30 s. Left to itself it cuts a longer stretch where it stopped understanding,
which costs words at the seams and, when it loops, a whole window; here it is cut at quiet moments beforehand.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import TYPE_CHECKING, Protocol

import numpy as np

from callveil.engines.whisper_loops import loops_in, without_loops
from callveil.errors import EngineError
from callveil.vocabulary.audio import Audio
from callveil.vocabulary.transcript import Transcription, Word

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from callveil.vocabulary.audio import Samples

RATE_HZ = 16000
LONGEST_WINDOW_S = 28.0
MOST_TOKENS = 224
"""Tokens Whisper may write for one window: half its context, the limit of openai-whisper.

Source: `DecodingOptions.sample_len` in whisper/decoding.py.
"""
FALLBACK_TEMPERATURES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
LOOP_COMPRESSION_RATIO = 2.4
"""Text that gzip shrinks by more is a loop, and the window is heard again at the next temperature.

Source: Radford et al. 2022, "Robust Speech Recognition via Large-Scale Weak Supervision", section 4.5.
"""
LOW_LOG_PROBABILITY = -1.0
"""Windows below this mean log-probability are heard again. Source: as above."""
LIKELY_NO_SPEECH = 0.6
"""Windows above this, and below the log-probability too, are taken for silence. Source: as above."""

_SURE_NO_SPEECH = 0.95
_SILENCE_DBFS = -66.0
_SHORTEST_WINDOW_S = 18.0
_FRAME_S = 0.02
_SMOOTHING_S = 0.2
_SHORTEST_WORD_S = 0.02
_SPEECH_RANGE_DB = 25.0
_QUIET_SPEECH_DBFS = -50.0
_NEAR_WORD_S = 0.4
_PAUSE_IN_SPEECH_S = 0.3
_UNHEARD_RUN_S = 1.5
_SHORT_PIECE_S = 9.0
_NUMERALS = frozenset("0123456789%$£€")


class Numerals(StrEnum):
    """How numbers are written."""

    SPOKEN = "spoken"
    """In words, as they were said: "four one double two". Every digit then has a time of its own, and
    Whisper's "1-1-1-1" loops end."""
    WRITTEN = "written"
    """As Whisper likes: "4122"; one time for the whole group."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class HeardWord:
    """A word with times in seconds from the beginning of its window; None where the engine gave none."""

    text: str
    start_s: float | None
    end_s: float | None
    probability: float


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class HeardSegment:
    """A stretch of text from an engine, in seconds from the beginning of its window."""

    start_s: float
    end_s: float
    text: str
    words: Sequence[HeardWord]
    no_speech_probability: float
    mean_log_probability: float


class Hear(Protocol):
    """An engine that listens to one window."""

    def __call__(
        self, samples: Samples, language: str | None, *, numerals: Numerals, skips_doubtful: bool
    ) -> tuple[str, list[HeardSegment]]:
        """Hear a window.

        Args:
            samples: float32 at 16000 Hz, shape (n_samples,).
            language: ISO 639-1 code, or None to detect it.
            numerals: How numbers are to be written.
            skips_doubtful: Follow Whisper's own rule: no words where it believes in neither speech nor text.

        Returns:
            The language, and what was heard in time order.
        """


def transcribe_in_windows(
    audio: Audio, hear: Hear, *, engine: str, numerals: Numerals, language: str | None, channel: int
) -> Transcription:
    """Cut a stretch at its pauses, listen to each window, and bring the words to call time.

    Whisper sometimes stops at a number it must not write in digits and loses the rest of the window, or takes
    poor speech for none. A window that then holds sound like speech without words is heard again, with digits
    allowed and nothing skipped, and the fuller text is taken.

    Args:
        audio: One channel at 16000 Hz.
        hear: The engine.
        engine: Name for error messages.
        numerals: How numbers are to be written.
        language: ISO 639-1 code, or None: detected in the first window that is not silent.
        channel: Written into the words.

    Raises:
        EngineError: Another rate, more than one channel, or samples that are no numbers.
    """
    if audio.rate_hz != RATE_HZ or audio.channels != 1:
        raise EngineError(
            f"{engine}: needs one channel at {RATE_HZ} Hz, got {audio.channels} at {audio.rate_hz} Hz"
        )
    samples = np.ascontiguousarray(audio.samples[:, 0], dtype=np.float32)
    if not np.isfinite(samples).all():
        raise EngineError(f"{engine}: the audio holds samples that are not finite")
    words: list[Word] = []
    spoken = language
    for first, last in windows(samples):
        window = samples[first:last]
        if is_silent(window):
            continue
        start_s = (audio.start_sample + first) / RATE_HZ
        spoken, segments = hear(window, spoken, numerals=numerals, skips_doubtful=True)
        found = _window_words(segments, window, start_s, channel)
        loops = loops_in(found)
        if (missed_s := unheard_s(window, found, start_s)) or loops:
            _, segments = hear(window, spoken, numerals=Numerals.WRITTEN, skips_doubtful=False)
            again = _window_words(segments, window, start_s, channel)
            if (loops_in(again), unheard_s(window, again, start_s)) < (loops, missed_s):
                found = again
        if loops_in(found) and len(window) > _SHORT_PIECE_S * RATE_HZ:
            found = _in_pieces(window, hear, spoken, numerals, start_s, channel)
        words += found
    words.sort(key=lambda word: (word.start_s, word.end_s))
    return Transcription(language=spoken or "en", words=tuple(words))


def _in_pieces(
    window: Samples, hear: Hear, language: str | None, numerals: Numerals, start_s: float, channel: int
) -> list[Word]:
    """Hear a window in short pieces: a loop then costs one of them, not all that follows it."""
    words: list[Word] = []
    for first, last in windows(window, longest_s=_SHORT_PIECE_S, shortest_s=_SHORT_PIECE_S / 3):
        piece, piece_s = window[first:last], start_s + first / RATE_HZ
        if not is_silent(piece):
            _, segments = hear(piece, language, numerals=numerals, skips_doubtful=True)
            words += without_loops(_window_words(segments, piece, piece_s, channel))
    return words


def _window_words(
    segments: Sequence[HeardSegment], window: Samples, start_s: float, channel: int
) -> list[Word]:
    end_s = start_s + len(window) / RATE_HZ
    words: list[Word] = []
    for segment in segments:
        if not is_hallucination(segment):
            words += call_words(segment, window_start_s=start_s, window_end_s=end_s, channel=channel)
    return words


def unheard_s(samples: Samples, words: Sequence[Word], start_s: float) -> float:
    """Seconds of sound as loud as speech, in runs of at least 1.5 s, that no word is near.

    Args:
        samples: One window, float32 at 16000 Hz, shape (n_samples,).
        words: What was heard in it.
        start_s: Start of the window in the call, in seconds.
    """
    loud = frame_loudness(samples)
    loudest = np.percentile(loud, 95) if loud.size else 0.0
    missed = loud > max(loudest * 10.0 ** (-_SPEECH_RANGE_DB / 10.0), 10.0 ** (_QUIET_SPEECH_DBFS / 10.0))
    for word in words:
        first = max(0, int((word.start_s - start_s - _NEAR_WORD_S) / _FRAME_S))
        missed[first : max(0, math.ceil((word.end_s - start_s + _NEAR_WORD_S) / _FRAME_S))] = False
    total_s, run_start, run_end = 0.0, -1, -1
    gap = int(_PAUSE_IN_SPEECH_S / _FRAME_S)
    for i in [*np.flatnonzero(missed).tolist(), len(missed) + gap + 1]:
        if run_start >= 0 and i - run_end > gap:
            run_s = (run_end + 1 - run_start) * _FRAME_S
            total_s += run_s if run_s >= _UNHEARD_RUN_S else 0.0
            run_start = -1
        run_start, run_end = (i if run_start < 0 else run_start), i
    return total_s


def frame_loudness(samples: Samples) -> NDArray[np.float64]:
    """Mean square of every 20 ms; the last frame is filled up with silence."""
    frame = int(_FRAME_S * RATE_HZ)
    n_frames = math.ceil(len(samples) / frame)
    padded = np.zeros(n_frames * frame)
    padded[: len(samples)] = samples
    loudness: NDArray[np.float64] = np.square(padded.reshape(n_frames, frame)).mean(axis=1)
    return loudness


def windows(
    samples: Samples, *, longest_s: float = LONGEST_WINDOW_S, shortest_s: float = _SHORTEST_WINDOW_S
) -> list[tuple[int, int]]:
    """Cut samples into windows, each at the quietest moment between the shortest and the longest cut.

    Args:
        samples: float32 at 16000 Hz, shape (n_samples,).
        longest_s: Longest window in seconds.
        shortest_s: Shortest window in seconds, but for the last one.

    Returns:
        First and last (exclusive) sample of each; together they are the stretch.
    """
    frame = int(_FRAME_S * RATE_HZ)
    longest, shortest = int(longest_s * RATE_HZ), int(shortest_s * RATE_HZ)
    cuts = [0]
    while len(samples) - cuts[-1] > longest:
        first = cuts[-1] + shortest
        n_frames = (longest - shortest) // frame
        part = samples[first : first + n_frames * frame].astype(np.float64).reshape(n_frames, frame)
        width = int(_SMOOTHING_S / _FRAME_S)
        loudness = np.convolve(np.square(part).mean(axis=1), np.ones(width), mode="valid")
        quietest = int(np.argmin(loudness)) + width // 2
        cuts.append(first + quietest * frame)
    cuts.append(len(samples))
    return [(first, last) for first, last in pairwise(cuts) if last > first]


def is_silent(samples: Samples) -> bool:
    """True when no 20 ms of the samples are louder than -66 dBFS.

    Telephone speech is 30 to 40 dB above that; G.711's own noise and comfort noise lie below it. Such a
    window is not shown to Whisper, which writes words into silence.
    """
    return bool(frame_loudness(samples).max(initial=0.0) < 10.0 ** (_SILENCE_DBFS / 10.0))


def is_hallucination(segment: HeardSegment) -> bool:
    """True for text Whisper itself hardly believes in: surely no speech, and improbable words.

    Speech that is not heard is personal data that leaks; a word too many costs nothing. So both signs
    must agree, and the first must be near certain; Whisper's own rule is content with 0.6.
    """
    return (
        segment.no_speech_probability > _SURE_NO_SPEECH and segment.mean_log_probability < LOW_LOG_PROBABILITY
    )


def call_words(
    segment: HeardSegment, *, window_start_s: float, window_end_s: float, channel: int
) -> list[Word]:
    """Words of a segment in call time, inside the window, each at least 20 ms long.

    A word without times gets those of the whole segment, so that masking it masks all of it; so does
    text that came without words.
    """
    heard = list(segment.words)
    if not any(word.text.strip() for word in heard):
        heard = [
            HeardWord(text=text, start_s=None, end_s=None, probability=0.0) for text in segment.text.split()
        ]
    words = []
    for word in heard:
        text = word.text.strip()
        if not text:
            continue
        has_times = word.start_s is not None and word.end_s is not None
        has_times = has_times and math.isfinite(word.start_s or 0.0) and math.isfinite(word.end_s or 0.0)
        start, end = (word.start_s, word.end_s) if has_times else (segment.start_s, segment.end_s)
        latest_start_s = max(window_start_s, window_end_s - _SHORTEST_WORD_S)
        start_s = min(max(window_start_s + (start or 0.0), window_start_s), latest_start_s)
        end_s = min(max(window_start_s + (end or 0.0), start_s + _SHORTEST_WORD_S), window_end_s)
        probability = word.probability if math.isfinite(word.probability) else 0.0
        words.append(
            Word(
                text=text,
                start_s=start_s,
                end_s=end_s,
                probability=min(max(probability, 0.0), 1.0),
                channel=channel,
            )
        )
    return words


def numeral_tokens(vocabulary: Mapping[str, int], first_special: int) -> list[int]:
    """Tokens that hold a digit or a sign of money; without them Whisper writes numbers in words.

    Args:
        vocabulary: Token text to number.
        first_special: Number of the first token that is no text, such as <|endoftext|>.
    """
    return sorted(i for text, i in vocabulary.items() if i < first_special and _NUMERALS & set(text))


LATIN_SCRIPT = frozenset(
    [
        "ca",
        "cs",
        "da",
        "de",
        "en",
        "es",
        "et",
        "fi",
        "fr",
        "hr",
        "hu",
        "is",
        "it",
        "lt",
        "lv",
        "ms",
        "nl",
        "no",
        "pl",
        "pt",
        "ro",
        "sk",
        "sl",
        "sv",
        "tr",
    ]
)
"""Languages that are written in Latin letters: the other scripts' tokens are nonsense in them."""

# First bytes of UTF-8 characters from U+0340 on, but for 0xE2, the typographic punctuation. The byte-level
# vocabulary of GPT-2 writes bytes from 0xAE on as the character of that number.
# Source: bytes_to_unicode in https://github.com/openai/gpt-2/blob/master/src/encoder.py
_OTHER_SCRIPTS = frozenset(chr(byte) for byte in [*range(0xCD, 0xE2), *range(0xE3, 0xF5)])
_MONEY_BYTES = ("\u00e2\u0124\u00ac", "\u00c2\u00a3")  # the euro and pound signs as bytes


def other_script_tokens(vocabulary: Mapping[str, int], first_special: int) -> list[int]:
    """Tokens of a byte-level vocabulary that begin a character of another script than Latin.

    With numerals forbidden, Whisper base at times writes Arabic or Hebrew letters over spoken digits.

    Args:
        vocabulary: Token text, a character per byte, to number.
        first_special: Number of the first token that is no text.
    """
    return sorted(
        i
        for text, i in vocabulary.items()
        if i < first_special and (_OTHER_SCRIPTS & set(text) or any(sign in text for sign in _MONEY_BYTES))
    )
