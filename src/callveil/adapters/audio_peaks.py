"""The outline of a recording, for pictures."""

from __future__ import annotations

import io

import numpy as np
import soundfile
from numpy.typing import NDArray

from callveil.errors import AudioError

_BLOCK_FRAMES = 1 << 18


def peaks(content: bytes, *, n_bins: int) -> NDArray[np.float32]:
    """The loudest moment of each of `n_bins` equal stretches.

    Args:
        content: An audio file that libsndfile reads.
        n_bins: How many stretches, at least 1.

    Returns:
        Absolute sample values, 0 to 1, shape (channels, n_bins).

    Raises:
        AudioError: It cannot be decoded, or holds no samples.
    """
    try:
        with soundfile.SoundFile(io.BytesIO(content)) as file:
            found = np.zeros((file.channels, n_bins), np.float32)
            position = 0
            for block in file.blocks(_BLOCK_FRAMES, dtype="float32", always_2d=True):
                bins = (np.arange(position, position + len(block)) * n_bins) // max(file.frames, 1)
                for channel in range(file.channels):
                    np.maximum.at(found[channel], bins, np.abs(block[:, channel]))
                position += len(block)
    except soundfile.LibsndfileError as error:
        raise AudioError("redacted audio: cannot be decoded") from error
    if position == 0:
        raise AudioError("redacted audio: holds no samples")
    return np.minimum(found, np.float32(1.0))
