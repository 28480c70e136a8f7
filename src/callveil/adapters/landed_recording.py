"""Recordings in the landing as audio sources; in clear they exist in memory only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from callveil.adapters.audio_file import BLOCK_S, AudioFile, AudioLimits, about, check_format, open_recording
from callveil.adapters.audio_tally import Tally
from callveil.adapters.memory_file import memory_file
from callveil.errors import AudioError
from callveil.ports import Landing
from callveil.vocabulary.audio import Audio, AudioFormat

if TYPE_CHECKING:
    from callveil.vocabulary.audio import Samples


@contextmanager
def open_landed(landing: Landing, token: str, limits: AudioLimits, name: str) -> Iterator[AudioFile]:
    """Decrypt a landed recording file into memory and open it; gone when the context ends.

    Args:
        landing: Where it waits.
        token: Of the recording.
        limits: Held while it is decrypted, so that memory is bounded, and as in `open_recording`.
        name: What messages call it, such as "call c-1".

    Raises:
        AudioError: See `open_recording`.
        ConfigError: This system has no memory files, or the key that wrapped its key is not there.
        LandingError: It is not finished, or cannot be read.
        NotFoundError: There is no such recording.
        TamperedError: It is not what was written.
    """
    with memory_file("landed") as path:
        n_bytes = 0
        with about(name), path.open("wb") as file:
            for piece in landing.read(token):
                n_bytes += len(piece)
                if n_bytes > limits.max_bytes:
                    raise AudioError(f"has more than {limits.max_bytes} bytes, which are allowed")
                file.write(piece)
        yield open_recording(path, limits, name=name)


class RawEncoding(StrEnum):
    """How samples of a live call come in, without a container."""

    MU_LAW = "ulaw"
    """ITU-T G.711, 8 bits."""
    PCM_16 = "pcm_s16le"
    """Signed, 16 bits, little-endian."""

    @property
    def sample_bytes(self) -> int:
        """Size of one sample of one channel."""
        return 1 if self is RawEncoding.MU_LAW else 2


class LandedStream:
    """A live call in the landing: bare samples, channels interleaved. An `AudioSource`.

    The first read follows the call while it comes in, and waits for it; later ones begin again at its start.
    A sample that is cut off at the very end is left out.

    Args:
        landing: Where it comes in.
        token: Of the recording.
        format: Rate and channels.
        encoding: Of the samples.
        limits: Of duration and bytes.
        name: What messages call it, such as "call c-1".
        follow: True while the call goes on; see `Landing.read`. None when it is over.

    Raises:
        AudioError: The rate or the number of channels is not allowed.
    """

    def __init__(
        self,
        landing: Landing,
        token: str,
        *,
        format: AudioFormat,
        encoding: RawEncoding,
        limits: AudioLimits,
        name: str,
        follow: Callable[[], bool] | None = None,
    ) -> None:
        with about(name):
            check_format(format)
        self._landing = landing
        self._token = token
        self._format = format
        self._encoding = encoding
        self._limits = limits
        self._name = name
        self._follow = follow

    @property
    def format(self) -> AudioFormat:
        """As it was told."""
        return self._format

    def blocks(self, *, until_s: float | None = None) -> Iterator[Audio]:
        """Decode the call in order, as it arrives; see `AudioSource.blocks`.

        Args:
            until_s: Stop before this second of the call; None for all of it.

        Yields:
            What was flushed together while the call goes on, else blocks of about ten seconds.

        Raises:
            AudioError: It holds no samples or no sound, or breaks a limit.
            LandingError: Its writer died, or the disk fails; see `Landing.read`.
        """
        rate_hz, longest_s = self._format.rate_hz, self._limits.max_duration_s
        stop = None if until_s is None else int(min(until_s, longest_s) * rate_hz)
        tally = Tally(self._format.channels, most_samples=int(longest_s * rate_hz))
        with about(self._name):
            for samples in self._decoded():
                start = tally.n_samples
                kept = samples if stop is None else samples[: max(0, stop - start)]
                if len(kept):
                    tally.add(kept)
                    yield Audio(samples=kept, rate_hz=rate_hz, start_sample=start)
                if len(kept) < len(samples):
                    return
            tally.finish(least_samples=0)

    def _decoded(self) -> Iterator[Samples]:
        frame_bytes = self._format.channels * self._encoding.sample_bytes
        block_bytes = int(BLOCK_S * self._format.rate_hz) * frame_bytes
        waiting, n_bytes = bytearray(), 0
        is_live = self._follow is not None and not self._landing.is_finished(self._token)
        for piece in self._landing.read(self._token, follow=self._follow if is_live else None):
            n_bytes += len(piece)
            if n_bytes > self._limits.max_bytes:
                raise AudioError(f"has more than {self._limits.max_bytes} bytes, which are allowed")
            waiting += piece
            ready = len(waiting) // frame_bytes * frame_bytes
            if ready >= (frame_bytes if is_live else block_bytes):
                yield self._samples(bytes(waiting[:ready]))
                del waiting[:ready]
        if ready := len(waiting) // frame_bytes * frame_bytes:
            yield self._samples(bytes(waiting[:ready]))

    def _samples(self, raw: bytes) -> Samples:
        if self._encoding is RawEncoding.MU_LAW:
            decoded = _MU_LAW[np.frombuffer(raw, np.uint8)]
        else:
            decoded = np.frombuffer(raw, np.dtype("<i2")).astype(np.float32) / np.float32(32768)
        return decoded.reshape(-1, self._format.channels)


def _mu_law_table() -> Samples:
    """All 256 codes as floats, at the 16-bit scale that decoders use.

    Source: ITU-T G.711 (11/1988), table 2: complemented bits of sign, segment (3) and step (4); a step is
    twice as wide in each next segment, 33 is the offset at 14 bits (132 at 16).
    """
    code = ~np.arange(256, dtype=np.int32) & 0xFF
    magnitude = ((((code & 0x0F) << 3) + 132) << ((code >> 4) & 0x07)) - 132
    return (np.where(code & 0x80, -magnitude, magnitude) / 32768).astype(np.float32)


_MU_LAW = _mu_law_table()
