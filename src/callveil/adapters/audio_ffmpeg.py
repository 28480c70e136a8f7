"""Decoding what libsndfile cannot, through pydub and the ffmpeg program.

pydub decodes into memory, never into a file, but a whole file at a time; so it is asked for windows of a
few minutes. ffmpeg cuts them by sample, and the windows of a file together equal its whole decode. Each
window is decoded from the file's beginning (pydub offers no input seek), so the cost grows with the square of
the length: for one hour of AAC in stereo 7 s at 8 kHz and 2 minutes at 48 kHz, on two cores.

Source: pydub 0.25.1, `AudioSegment.from_file`: with `codec` it does not call ffprobe; `start_second` and
`duration` become ffmpeg's output options -ss and -t, read back through a pipe.
"""

from __future__ import annotations

import logging
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from callveil.errors import AudioError, ConfigError

if TYPE_CHECKING:
    from callveil.vocabulary.audio import Samples

_WINDOW_BYTES = 16 << 20
"""Size of a decoded window; pydub holds up to four copies of it."""

_LONGEST_PACKET = 4096
"""Samples; AAC packets have up to 2048, MP3 frames 1152."""

_SHORTEST_WINDOW_S, _LONGEST_WINDOW_S = 30, 600


class FfmpegDecoder:
    """Decodes one compressed file, window by window.

    Args:
        path: The file.
        container: ffmpeg's name of the container, "mp4" or "mp3"; ffmpeg is not left to guess, as some of its
            formats open further files.
        codec: ffmpeg's name of the decoder, "aac" or "mp3float".

    Raises:
        AudioError: The beginning of the file cannot be decoded.
        ConfigError: pydub or ffmpeg is not installed.
    """

    def __init__(self, path: Path, *, container: str, codec: str) -> None:
        self._segment = _segment_class()
        self._path = str(
            path.absolute()
        )  # so that no name is taken for a protocol; a memory file resolves to none
        self._container = container
        self._codec = codec
        first = self._window(0, 1)
        self.rate_hz = int(first.frame_rate)
        self.channels = int(first.channels)

    def arrays(self, n_samples: int, block: int) -> Iterator[Samples]:
        """Decode the file.

        Args:
            n_samples: How many samples the file promises; the padding of the last packet behind them is cut.
            block: Most samples in one array.

        Yields:
            float32, shape (n, channels), in order, `n_samples` together.

        Raises:
            AudioError: It cannot be decoded, or not to the end.
        """
        bytes_per_s = self.rate_hz * self.channels * 2
        window_s = max(_SHORTEST_WINDOW_S, min(_LONGEST_WINDOW_S, _WINDOW_BYTES // bytes_per_s // 10 * 10))
        window = window_s * self.rate_hz
        for start in range(0, n_samples, window):
            expected = min(window, n_samples - start)
            segment = self._window(start // self.rate_hz, window_s)
            if (segment.frame_rate, segment.channels) != (self.rate_hz, self.channels):
                raise AudioError("is damaged: its rate or channel count changes on the way")
            samples = np.frombuffer(segment.raw_data, np.int16).reshape(-1, self.channels)
            if not expected <= len(samples) <= expected + _LONGEST_PACKET:
                raise AudioError(
                    "ends early or is damaged: "
                    f"its header says {n_samples} samples, decoded {start + len(samples)}"
                )
            for at in range(0, expected, block):
                part = samples[at : min(at + block, expected)]
                yield part.astype(np.float32) / np.float32(32768)

    def _window(self, start_s: int, duration_s: int) -> Any:
        try:
            return self._segment.from_file(
                self._path,
                format=self._container,
                codec=self._codec,
                start_second=start_s,
                duration=duration_s,
            )
        except (self._segment.failures, IndexError, ValueError):
            # pydub's message holds ffmpeg's log with the file's tags, which may name a person: not passed on.
            raise AudioError("cannot be decoded: ffmpeg refused it") from None


def _segment_class() -> Any:
    """Bind pydub's AudioSegment to the ffmpeg program, without its rounding to milliseconds."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pydub 0.25.1 uses audioop and invalid escapes
            from pydub import AudioSegment
            from pydub.exceptions import CouldntDecodeError
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"this file needs the module {error.name!r}; install it with: pip install 'callveil[ffmpeg]'"
        ) from error
    # It logs whole command lines, and a file's name may hold a telephone number.
    logging.getLogger("pydub.converter").addFilter(_drop)

    class Segment(AudioSegment):  # type: ignore[misc]
        converter = ffmpeg_program()
        failures = CouldntDecodeError

        def __getitem__(self, window: slice) -> Any:
            return self  # ffmpeg has cut the window by sample already

    return Segment


def _drop(record: logging.LogRecord) -> bool:  # noqa: ARG001
    return False


def ffmpeg_program() -> str:
    """Path of the ffmpeg program: the system's, else that of the package imageio-ffmpeg.

    Raises:
        ConfigError: Neither is there.
    """
    system = shutil.which("ffmpeg")
    if system:
        return system
    try:
        import imageio_ffmpeg

        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except (ModuleNotFoundError, RuntimeError) as error:
        raise ConfigError(
            "this file needs the program ffmpeg; install it, or: pip install 'callveil[ffmpeg]'"
        ) from error
