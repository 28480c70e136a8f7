"""Writing masked audio as FLAC."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import soundfile

from callveil.adapters import audio_libsndfile
from callveil.adapters.audio_structure import Container
from callveil.adapters.memory_file import empty_or_remove
from callveil.errors import AudioError
from callveil.vocabulary.audio import AudioFormat, MaskedAudio
from callveil.vocabulary.recording import MaskedFile

_COMPRESSION = 0.625
"""libsndfile's 0.0 to 1.0 for FLAC's levels 0 to 8; 5 is FLAC's own default."""

_READ_BACK = 1 << 18
"""Samples read back at once."""


class MaskedFlacWriter:
    """Writes one call's masked audio, in order; a context manager.

    Always 16 bits: G.711 telephony carries 13 or 14, speech codecs less, and what a 24-bit recording has
    below -96 dBFS is noise. Samples that came from 16 bits or fewer are written unchanged. The same samples
    give the same bytes, however they are cut into blocks.

    When the body raises, the file is removed; a memory file is emptied.

    Args:
        path: Where to write; an existing file is replaced.
        format: Rate and channels of the recording; its codec is not used.
        name: What messages call it; the file's name when None.
    """

    def __init__(self, path: Path, format: AudioFormat, *, name: str | None = None) -> None:
        self._path = path
        self._name = path.name if name is None else name
        self._format = format
        self._n_samples = 0
        self._file: soundfile.SoundFile | None = None
        self._result: MaskedFile | None = None

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

    def write(self, block: MaskedAudio) -> None:
        """Append a block.

        Args:
            block: Follows directly on the last block; values beyond full scale are clipped.

        Raises:
            AudioError: It does not follow on the last block, has another rate or channel count, or holds
                values that are not numbers.
            TypeError: It is not masked audio.
        """
        if not isinstance(block, MaskedAudio):
            raise TypeError(f"only MaskedAudio is written, not {type(block).__name__}")
        if self._file is None or self._file.closed:
            raise RuntimeError("write is called inside the with block")
        if (block.rate_hz, block.samples.shape[1]) != (self._format.rate_hz, self._format.channels):
            raise AudioError("masked audio has another rate or channel count than its recording")
        if block.start_sample != self._n_samples:
            raise AudioError(f"masked audio skips from sample {self._n_samples} to {block.start_sample}")
        if not np.isfinite(block.samples).all():
            raise AudioError("masked audio holds samples that are not numbers (NaN or infinite)")
        whole = np.clip(np.rint(block.samples * np.float32(32768)), -32768, 32767).astype(np.int16)
        try:
            self._file.write(whole)
        except soundfile.LibsndfileError as error:
            raise AudioError(f"{self._name}: cannot be written: {error.error_string}") from error
        self._n_samples += len(whole)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        finished = False
        try:
            if self._file is not None:
                self._file.close()
            if kind is None:
                self._result = self._finish()
                finished = True
        finally:
            if not finished:
                empty_or_remove(self._path)

    def _finish(self) -> MaskedFile:
        if self._n_samples == 0:
            raise AudioError(f"{self._name}: no masked audio was written")
        # Read back, because libsndfile does not report what the disk refused at the end.
        try:
            found = sum(map(len, audio_libsndfile.arrays(self._path, Container.FLAC, _READ_BACK)))
        except AudioError as error:
            raise AudioError(f"{self._name}: cannot be read back: {error}") from error
        if found != self._n_samples:
            raise AudioError(f"{self._name}: {self._n_samples} samples were written, {found} are there")
        with self._path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return MaskedFile(path=self._path, sha256=sha256, n_bytes=self._path.stat().st_size)

    @property
    def result(self) -> MaskedFile:
        """The finished file.

        Raises:
            RuntimeError: The with block has not ended well.
        """
        if self._result is None:
            raise RuntimeError("the masked file is there once the with block has ended")
        return self._result
