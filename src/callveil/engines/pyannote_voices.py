"""What Callveil adds to pyannote's pipeline: CAM++ as its embedding, and voices split at their pauses."""

# torch and pyannote are untyped here, so their base classes are Any.
# mypy: disallow-subclassing-any=False

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from callveil.engines.pyannote_import import import_pyannote

import_pyannote()

import torch  # noqa: E402
from pyannote.audio import Model  # noqa: E402
from pyannote.audio.pipelines import SpeakerDiarization  # noqa: E402
from pyannote.core import SlidingWindowFeature  # noqa: E402

from callveil.engines.campplus import EMBEDDING_SIZE, RATE_HZ, filter_banks, load_campplus  # noqa: E402

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MIN_EMBEDDED_S = 0.4
_MIN_VOICE_FRAMES = 25
_MIN_PAUSE_S = 0.25
_MIN_RUN_S = 1.0


class CampplusEmbedding(Model):
    """CAM++ in the shape pyannote expects of an embedding model."""

    def __init__(self, weights: Path) -> None:
        super().__init__(sample_rate=RATE_HZ, num_channels=1)
        self.network = load_campplus(weights)

    @property
    def dimension(self) -> int:
        """Numbers per embedding."""
        return EMBEDDING_SIZE

    def forward(self, waveforms: Any, weights: Any = None) -> Any:
        """Embed each voice of a batch.

        Only the frames in which a voice speaks enter the network: its context-aware mask averages over all
        it is given, so pooling afterwards, as pyannote does, would mix the voices of a window.

        Args:
            waveforms: Shape (batch, 1, n_samples), at least 0.4 s.
            weights: Where each voice speaks, shape (batch, n_frames); None for everywhere.

        Returns:
            Shape (batch, 192); NaN for a voice of less than 0.25 s, which pyannote leaves out of clustering.
        """
        # pyannote finds out by trial which length is too short to embed.
        if waveforms.shape[-1] < _MIN_EMBEDDED_S * RATE_HZ:
            raise ValueError("the stretch is too short to embed")
        if weights is None:
            weights = waveforms.new_ones(waveforms.shape[0], 1)
        embeddings = waveforms.new_full((waveforms.shape[0], EMBEDDING_SIZE), torch.nan)
        by_length: dict[int, list[tuple[int, Any]]] = {}
        window: Any = None
        banks: Any = None
        for i, (waveform, weight) in enumerate(zip(waveforms, weights, strict=True)):
            if not weight.any():
                continue
            # The voices of one window come one after the other, with equal samples.
            if window is None or not torch.equal(waveform, window):
                window, banks = waveform, filter_banks(waveform[0])
            voice = banks[_stretched(weight, len(banks)) > 0.5]
            if len(voice) >= _MIN_VOICE_FRAMES:
                padded = _repeated(voice - voice.mean(0))
                by_length.setdefault(len(padded), []).append((i, padded))
        for voices in by_length.values():
            rows = [i for i, _ in voices]
            embeddings[rows] = self.network(torch.stack([padded for _, padded in voices]))
        return embeddings


def _repeated(voice: Any) -> Any:
    """Repeat a voice up to a whole number of seconds: torch prepares its kernels anew for every length."""
    n_frames = -(-len(voice) // 100) * 100
    return voice.repeat(-(-n_frames // len(voice)), 1)[:n_frames]


def _stretched(weight: Any, n_frames: int) -> Any:
    """Frame weights at another frame rate, by the nearest neighbour."""
    return torch.nn.functional.interpolate(weight[None, None], size=n_frames, mode="nearest")[0, 0]


class PauseSplitDiarization(SpeakerDiarization):
    """pyannote's pipeline, with each voice of a window split at its pauses before it is embedded.

    The segmentation model sometimes hears two people of one window as one voice (seen with a man and a
    woman at equal level). pyannote then embeds both as one. Runs of speech between pauses mostly are one
    person's, so each gets an embedding of its own and clustering can tell them apart.
    """

    def get_segmentations(self, file: Any, hook: Any = None) -> Any:
        """Segment the call; more local voices come back than the model has."""
        whole = super().get_segmentations(file, hook=hook)
        frame_s = whole.sliding_window.duration / whole.data.shape[1]
        windows = [split_at_pauses(window, frame_s) for window in whole.data]
        most = max(window.shape[1] for window in windows)
        split = np.zeros((len(windows), whole.data.shape[1], most), dtype=whole.data.dtype)
        for i, window in enumerate(windows):
            split[i, :, : window.shape[1]] = window
        return SlidingWindowFeature(split, whole.sliding_window)


def split_at_pauses(voices: NDArray[np.float32], frame_s: float) -> NDArray[np.float32]:
    """Give every long run of speech between pauses a column of its own.

    Args:
        voices: Where each voice speaks, 0 or 1, shape (n_frames, n_voices).
        frame_s: Length of a frame in seconds.

    Returns:
        Shape (n_frames, at least 1); the row sums are those of `voices`. Runs too short to embed stay with
        the nearest run of their voice.
    """
    columns = []
    for voice in voices.T:
        for group in _runs(voice > 0.5, frame_s):
            column = np.zeros_like(voice)
            for first, last in group:
                column[first:last] = voice[first:last]
            columns.append(column)
    return np.stack(columns, axis=1) if columns else voices[:, :1]


def _runs(active: NDArray[np.bool_], frame_s: float) -> list[list[tuple[int, int]]]:
    """Runs of one voice, as frame ranges; those parted by short pauses or too short stand together."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], active, [False]]).astype(np.int8)))
    groups: list[list[tuple[int, int]]] = []
    for first, last in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        if groups and (first - groups[-1][-1][1]) * frame_s < _MIN_PAUSE_S:
            groups[-1].append((first, last))
        else:
            groups.append([(first, last)])
    while len(groups) > 1:
        lengths = [sum(last - first for first, last in group) * frame_s for group in groups]
        i = int(np.argmin(lengths))
        if lengths[i] >= _MIN_RUN_S:
            break
        before = groups[i][0][0] - groups[i - 1][-1][1] if i > 0 else np.inf
        after = groups[i + 1][0][0] - groups[i][-1][1] if i + 1 < len(groups) else np.inf
        j = i - 1 if before <= after else i
        groups[j : j + 2] = [groups[j] + groups[j + 1]]
    return groups
