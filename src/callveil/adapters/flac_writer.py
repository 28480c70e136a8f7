"""Writing samples as FLAC, of any kind: the types of those who use it say what may be done with them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np
import soundfile

from callveil.adapters import audio_libsndfile
from callveil.adapters.audio_structure import Container
from callveil.adapters.memory_file import empty_or_remove
from callveil.errors import AudioError
from callveil.vocabulary.audio import AudioFormat

if TYPE_CHECKING:
    from callveil.vocabulary.audio import Samples

_COMPRESSION = 0.625
"""libsndfile's 0.0 to 1.0 for FLAC's levels 0 to 8; 5 is FLAC's own default."""

_READ_BACK = 1 << 18
"""Samples read back at once."""


class FlacWriter:
    """Writes one call's samples, in order; a context manager.

    Always 16 bits: G.711 telephony carries 13 or 14, speech codecs less, and what a 24-bit recording has
    below -96 dBFS is noise. Samples that came from 16 bits or fewer are written unchanged. The same samples
    give the same bytes, however they are cut into blocks.

    When the body raises, the file is removed; a memory file is emptied.

    Attributes:
        is_finished: The with block has ended well.
        sha256: Of the finished file, in hex.
        n_bytes: Size of the finished file.

    Args:
        path: Where to write; an existing file is replaced.
        format: Rate and channels of the recording; its codec is not used.
        name: What messages call it.
        what: What messages call the samples.
    """

    def __init__(self, path: Path, format: AudioFormat, *, name: str, what: str) -> None:
        self._path = path
        self._name = name
        self._what = what
        self._format = format
        self._n_samples = 0
        self._file: soundfile.SoundFile | None = None
        self.is_finished = False
        self.sha256 = ""
        self.n_bytes = 0

    def __enter__(self) -> Self:
        try:
            self._file = soundfile.SoundFile(
                str(self._path),
                "w",
                samplerate=self._format.rate_hz,
                channels=self._format.channels,
                format="FLAC",
                subtype="PCM_16",
                compression_level=_COMPRESSION,
            )
        except soundfile.LibsndfileError as error:
            raise AudioError(f"{self._name}: cannot be written: {error.error_string}") from error
        return self

    def append(self, samples: Samples, rate_hz: int, start_sample: int) -> None:
        """Write the next samples.

        Args:
            samples: float32, shape (n, channels); values beyond full scale are clipped.
            rate_hz: Their rate.
            start_sample: Follows directly on the last ones.

        Raises:
            AudioError: They do not follow on the last ones, have another rate or channel count, or are not
                numbers.
        """
        if self._file is None or self._file.closed:
            raise RuntimeError("write is called inside the with block")
        if (rate_hz, samples.shape[1]) != (self._format.rate_hz, self._format.channels):
            raise AudioError(f"{self._what} has another rate or channel count than its recording")
        if start_sample != self._n_samples:
            raise AudioError(f"{self._what} skips from sample {self._n_samples} to {start_sample}")
        if not np.isfinite(samples).all():
            raise AudioError(f"{self._what} holds samples that are not numbers (NaN or infinite)")
        whole = np.clip(np.rint(samples * np.float32(32768)), -32768, 32767).astype(np.int16)
        try:
            self._file.write(whole)
        except soundfile.LibsndfileError as error:
            raise AudioError(f"{self._name}: cannot be written: {error.error_string}") from error
        self._n_samples += len(whole)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._file is not None:
                self._file.close()
            if kind is None:
                self._finish()
                self.is_finished = True
        finally:
            if not self.is_finished:
                empty_or_remove(self._path)

    def _finish(self) -> None:
        if self._n_samples == 0:
            raise AudioError(f"{self._name}: no {self._what} was written")
        # Read back, because libsndfile does not report what the disk refused at the end.
        try:
            found = sum(map(len, audio_libsndfile.arrays(self._path, Container.FLAC, _READ_BACK)))
        except AudioError as error:
            raise AudioError(f"{self._name}: cannot be read back: {error}") from error
        if found != self._n_samples:
            raise AudioError(f"{self._name}: {self._n_samples} samples were written, {found} are there")
        with self._path.open("rb") as file:
            self.sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        self.n_bytes = self._path.stat().st_size
