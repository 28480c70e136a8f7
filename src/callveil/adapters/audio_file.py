"""Reading a call recording: what it is, whether it is whole, and its samples in blocks of bounded size.

What a cut or damaged file gives away depends on its format:

- WAV: a cut shows (the data chunk says its length); changed samples do not, the format has no checksum.
- FLAC: both show (every frame has a checksum), except a cut between two frames where the header leaves the
  length open, as encoders that write to a pipe do.
- OGG: both show (page checksums, page numbers, end-of-stream mark).
- MP3: a cut shows, except one exactly between two frames in a file without a Xing or Info frame; bytes
  changed inside a frame show only when the decoder stumbles over them.
- M4A: a cut shows (box lengths, sample table); changed bytes show when a packet no longer decodes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeAlias

from callveil.adapters import audio_libsndfile
from callveil.adapters.audio_ffmpeg import FfmpegDecoder
from callveil.adapters.audio_structure import (
    Container,
    Mp3Stream,
    check_mp3,
    check_ogg,
    check_wav,
    container_of,
)
from callveil.adapters.audio_tally import Tally
from callveil.adapters.mp4_header import check_m4a
from callveil.errors import AudioError
from callveil.vocabulary.audio import Audio, AudioFormat

if TYPE_CHECKING:
    from callveil.vocabulary.audio import Samples

LOWEST_RATE_HZ, HIGHEST_RATE_HZ, MOST_CHANNELS = 8000, 48000, 2

BLOCK_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioLimits:
    """What a recording may take up.

    Attributes:
        max_duration_s: Longest recording in seconds, held against the header and again while decoding.
        max_bytes: Largest file.
    """

    max_duration_s: float
    max_bytes: int


_Decode: TypeAlias = "Callable[[int], Iterator[Samples]]"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stream:
    """A recording ready to be decoded.

    `decode` takes the block length in samples. Fewer than `least_samples` mean that the end is missing;
    `n_samples` is what the header promises, None when it leaves that open.
    """

    format: AudioFormat
    decode: _Decode
    n_samples: int | None
    least_samples: int


class AudioFile:
    """One recording in a file; an `AudioSource`. Made by `open_recording`.

    A full read, and only that, also tells whether the recording is whole and holds sound.
    """

    def __init__(
        self, path: Path, limits: AudioLimits, stream: _Stream, stamp: _Stamp, block_s: float, name: str
    ) -> None:
        self._path = path
        self._name = name
        self._limits = limits
        self._stream = stream
        self._stamp = stamp
        self._block_s = block_s

    @property
    def format(self) -> AudioFormat:
        """Rate, channels and codec."""
        return self._stream.format

    def blocks(self, *, until_s: float | None = None) -> Iterator[Audio]:
        """Decode the recording in order, in blocks of about ten seconds; see `AudioSource.blocks`.

        Args:
            until_s: Stop before this second of the call; None for all of it. Completeness and sound are
                only judged when the end is reached.

        Yields:
            Consecutive stretches at the recording's own rate and channels.

        Raises:
            AudioError: It is damaged, ends early, holds no samples or no sound, holds samples that are not
                numbers, breaks the limit of duration, or changed since it was opened.
        """
        rate_hz = self.format.rate_hz
        longest_s = self._limits.max_duration_s
        stop = None if until_s is None else int(min(until_s, longest_s) * rate_hz)
        tally = Tally(self.format.channels, most_samples=int(longest_s * rate_hz))
        with about(self._name):
            self._check_unchanged()
            with closing(self._stream.decode(max(1, int(self._block_s * rate_hz)))) as arrays:  # type: ignore[type-var]
                for samples in arrays:
                    start = tally.n_samples
                    kept = samples if stop is None else samples[: max(0, stop - start)]
                    if len(kept):
                        tally.add(kept)
                        yield Audio(samples=kept, rate_hz=rate_hz, start_sample=start)
                    if len(kept) < len(samples):
                        return
            self._check_unchanged()
            tally.finish(least_samples=self._stream.least_samples)

    def _check_unchanged(self) -> None:
        if _stamp_of(self._path) != self._stamp:
            raise AudioError("changed since it was opened; is it still being written?")


def open_recording(
    path: Path, limits: AudioLimits, *, block_s: float = BLOCK_S, name: str | None = None
) -> AudioFile:
    """Open a recording: WAV (PCM, float, mu-law, A-law), FLAC, MP3, OGG (Vorbis, Opus) or M4A (AAC).

    The content decides what it is, whatever the file is called.

    Args:
        path: The file.
        limits: Held against the size and the header here, and again while decoding.
        block_s: Length of the blocks in seconds.
        name: What messages call it; the file's name when None.

    Raises:
        AudioError: It is not audio of an allowed kind, is empty, cut or damaged as far as its container
            shows, breaks a limit, or has a rate or channel count that is not allowed.
        ConfigError: It needs ffmpeg or pydub, and they are not installed.
    """
    name = path.name if name is None else name
    with about(name):
        if not path.is_file():
            raise AudioError("is not a file" if path.exists() else "does not exist")
        stamp = _stamp_of(path)
        size = stamp[0]
        if size == 0:
            raise AudioError("is empty (0 bytes)")
        if size > limits.max_bytes:
            raise AudioError(f"has {size} bytes; allowed up to {limits.max_bytes}")
        with path.open("rb") as file:
            stream = _examine(path, file, size, limits)
        check_format(stream.format)
        _check_length(stream, limits)
        return AudioFile(path, limits, stream, stamp, block_s, name)


def _examine(path: Path, file: BinaryIO, size: int, limits: AudioLimits) -> _Stream:
    container = container_of(file)
    match container:
        case Container.M4A:
            duration_s = check_m4a(file, size).duration_s
            _check_duration(float(duration_s), limits)  # before ffmpeg is started
            decoder = FfmpegDecoder(path, container="mp4", codec="aac")
            return _ffmpeg_stream(decoder, round(duration_s * decoder.rate_hz), "M4A AAC")
        case Container.MP3:
            mp3 = check_mp3(file, size)
            _check_duration(mp3.n_samples / mp3.rate_hz, limits)
            if not (mp3.has_count or mp3.constant):
                # libsndfile guesses the length from the first frames and stops there.
                decoder = FfmpegDecoder(path, container="mp3", codec="mp3float")
                return _ffmpeg_stream(decoder, mp3.n_samples, "MP3")
            return _libsndfile_stream(path, container, mp3)
        case Container.WAV:
            check_wav(file, size)
        case Container.OGG:
            check_ogg(file)
        case Container.FLAC:
            pass
    return _libsndfile_stream(path, container, None)


def _ffmpeg_stream(decoder: FfmpegDecoder, n_samples: int, codec: str) -> _Stream:
    return _Stream(
        format=AudioFormat(rate_hz=decoder.rate_hz, channels=decoder.channels, codec=codec),
        decode=lambda block: decoder.arrays(n_samples, block),
        n_samples=n_samples,
        least_samples=n_samples,
    )


# An encoder's lead-in and padding, 12 bits each in the Info frame's LAME extension, are not part of the call.
_MOST_MP3_PADDING = 2 * 4095


def _libsndfile_stream(path: Path, container: Container, mp3: Mp3Stream | None) -> _Stream:
    header = audio_libsndfile.read_header(path, container)
    least = header.n_samples or 0
    if mp3 and mp3.has_count:
        least = max(least, mp3.n_samples - _MOST_MP3_PADDING)
    elif mp3:
        least = mp3.n_samples - mp3.frame_samples  # libsndfile's own number is an estimate here
    return _Stream(
        format=AudioFormat(rate_hz=header.rate_hz, channels=header.channels, codec=header.codec),
        decode=lambda block: audio_libsndfile.arrays(path, container, block),
        n_samples=header.n_samples,
        least_samples=least,
    )


def check_format(found: AudioFormat) -> None:
    """Refuse rates and channel counts that are not allowed.

    Raises:
        AudioError: It is one of them.
    """
    if not LOWEST_RATE_HZ <= found.rate_hz <= HIGHEST_RATE_HZ:
        raise AudioError(
            f"has a sample rate of {found.rate_hz} Hz; allowed: {LOWEST_RATE_HZ} to {HIGHEST_RATE_HZ} Hz"
        )
    if not 1 <= found.channels <= MOST_CHANNELS:
        raise AudioError(f"has {found.channels} channels; allowed: 1 to {MOST_CHANNELS}")


def _check_length(stream: _Stream, limits: AudioLimits) -> None:
    if stream.n_samples == 0:
        raise AudioError("holds no samples")
    if stream.n_samples is not None:
        _check_duration(stream.n_samples / stream.format.rate_hz, limits)


def _check_duration(duration_s: float, limits: AudioLimits) -> None:
    if duration_s > limits.max_duration_s:
        raise AudioError(f"is {duration_s:.0f} s long; allowed up to {limits.max_duration_s:.0f} s")


_Stamp: TypeAlias = tuple[int, int, int]


def _stamp_of(path: Path) -> _Stamp:
    found = os.stat(path)
    return found.st_size, found.st_mtime_ns, found.st_ino


@contextmanager
def about(name: str) -> Iterator[None]:
    """Put a recording's name in front of what is wrong with it."""
    try:
        yield
    except AudioError as error:
        raise AudioError(f"{name}: {error}") from error
    except OSError as error:
        raise AudioError(f"{name}: cannot be read: {error.strerror}") from error
