"""Writing masked audio as FLAC."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

from callveil.adapters.flac_writer import FlacWriter
from callveil.vocabulary.audio import AudioFormat, MaskedAudio
from callveil.vocabulary.recording import MaskedFile


class MaskedFlacWriter:
    """Writes one call's masked audio, in order; a context manager. How: see `FlacWriter`.

    When the body raises, the file is removed; a memory file is emptied.

    Args:
        path: Where to write; an existing file is replaced.
        format: Rate and channels of the recording; its codec is not used.
        name: What messages call it; the file's name when None.
    """

    def __init__(self, path: Path, format: AudioFormat, *, name: str | None = None) -> None:
        self._path = path
        self._flac = FlacWriter(path, format, name=path.name if name is None else name, what="masked audio")

    def __enter__(self) -> Self:
        self._flac.__enter__()
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
        self._flac.append(block.samples, block.rate_hz, block.start_sample)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._flac.__exit__(kind, error, trace)

    @property
    def result(self) -> MaskedFile:
        """The finished file.

        Raises:
            RuntimeError: The with block has not ended well.
        """
        if not self._flac.is_finished:
            raise RuntimeError("the masked file is there once the with block has ended")
        return MaskedFile(path=self._path, sha256=self._flac.sha256, n_bytes=self._flac.n_bytes)
