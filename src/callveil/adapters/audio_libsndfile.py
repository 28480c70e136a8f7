"""Decoding WAV, FLAC, MP3 and OGG with libsndfile, forward only."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import soundfile

from callveil.adapters.audio_structure import Container
from callveil.errors import AudioError

if TYPE_CHECKING:
    from callveil.vocabulary.audio import Samples

_Hush: TypeAlias = Callable[[], AbstractContextManager[list[bytes]]]

_SUBTYPES = {
    Container.WAV: ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW"),
    Container.FLAC: ("PCM_S8", "PCM_16", "PCM_24"),
    Container.MP3: ("MPEG_LAYER_III",),
    Container.OGG: ("VORBIS", "OPUS"),
}
_CODEC_NAMES = {"PCM_U8": "PCM 8", "PCM_S8": "8", "MPEG_LAYER_III": "", "ULAW": "mu-law", "ALAW": "A-law"}


class _Forward(soundfile.SoundFile):  # type: ignore[misc]
    """Reads on without seeking.

    python-soundfile seeks to where it already is after every read, and a seek in an MP3 forgets the bits that
    a frame borrows from its predecessors: the samples at block borders would be wrong.
    """

    def seekable(self) -> bool:
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What libsndfile reads from the beginning of a file.

    Attributes:
        rate_hz: Sample rate.
        channels: Number of channels.
        n_samples: Samples per channel the file promises; None when it does not say (a FLAC from a pipe).
        codec: Container and encoding in plain words.
    """

    rate_hz: int
    channels: int
    n_samples: int | None
    codec: str


# libsndfile's SF_COUNT_MAX stands for an unknown length.
_UNKNOWN_LENGTH = 0x7FFFFFFFFFFFFFFF


def read_header(path: Path, container: Container) -> Header:
    """Read the header.

    Args:
        path: The file.
        container: What it is.

    Raises:
        AudioError: It cannot be opened, or its encoding is not allowed.
    """
    with _opened(path, container) as (file, _):
        allowed = _SUBTYPES[container]
        if file.subtype not in allowed:
            raise AudioError(f"holds {container} audio as {file.subtype}; allowed: {', '.join(allowed)}")
        name = _CODEC_NAMES.get(file.subtype, file.subtype.replace("PCM_", "PCM "))
        return Header(
            rate_hz=file.samplerate,
            channels=file.channels,
            n_samples=None if file.frames == _UNKNOWN_LENGTH else file.frames,
            codec=f"{container} {name}".strip(),
        )


def arrays(path: Path, container: Container, block: int) -> Iterator[Samples]:
    """Decode the file.

    Args:
        path: The file.
        container: What it is.
        block: Most samples in one array.

    Yields:
        float32, shape (n, channels), in order.

    Raises:
        AudioError: The decoder found it damaged.
    """
    with _opened(path, container) as (file, hushed):
        allowed: bytes | None = _CUT_OUT
        while True:
            with hushed() as complaints:
                samples = file.read(block, dtype="float32", always_2d=True)
            if any(allowed is None or allowed not in line for line in complaints):
                raise AudioError("is damaged: the MP3 decoder met a frame that makes no sense")
            allowed = None
            if len(samples):
                yield samples
            if len(samples) < block:
                return


@contextmanager
def _opened(path: Path, container: Container) -> Iterator[tuple[_Forward, _Hush]]:
    hushed = _mpg123_complaints if container is Container.MP3 else _no_complaints
    try:
        # By descriptor, so that libsndfile judges the content and not the name.
        with path.open("rb") as raw:
            with hushed():
                file = _Forward(raw.fileno(), closefd=False)
            with file:
                yield file, hushed
    except soundfile.LibsndfileError as error:
        raise AudioError(f"is damaged: {error.error_string}") from error


_CUT_OUT = b"part2_3_length"
"""What mpg123 says of a stream cut out of a longer one: its first frames borrow bits from before the cut."""

_stderr = threading.Lock()


@contextmanager
def _no_complaints() -> Iterator[list[bytes]]:
    yield []


@contextmanager
def _mpg123_complaints() -> Iterator[list[bytes]]:
    """Collect what mpg123, inside libsndfile, writes to standard error; it cannot be told not to.

    What others write there in the meantime is passed on.
    """
    lines: list[bytes] = []
    with _stderr:
        try:
            real = os.dup(2)
        except OSError:  # a service without standard error
            yield lines
            return
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        os.dup2(writing, 2)
        try:
            yield lines
        finally:
            os.dup2(real, 2)
            os.close(writing)
            with open(reading, "rb") as pipe:
                for line in pipe:
                    if b"libmpg123" in line or line.startswith((b"Note: ", b"Warning: ")):
                        lines.append(line)
                    else:
                        os.write(real, line)
            os.close(real)
