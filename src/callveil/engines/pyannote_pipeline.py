"""The pyannote pipeline itself; importing this loads pyannote.audio and torch."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

import numpy as np

from callveil.engines.pyannote import Options
from callveil.engines.pyannote_import import import_pyannote
from callveil.errors import EngineError, ModelError
from callveil.ports import DiarizationSession, ModelLookup
from callveil.vocabulary.audio import Audio, ChannelSpeech
from callveil.vocabulary.transcript import SpeakerSegment

import_pyannote()

import torch  # noqa: E402
from pyannote.audio import Model, Pipeline  # noqa: E402
from pyannote.audio.core.plda import PLDA  # noqa: E402

from callveil.engines.campplus import RATE_HZ  # noqa: E402
from callveil.engines.pyannote_voices import CampplusEmbedding, PauseSplitDiarization  # noqa: E402

if TYPE_CHECKING:
    from numpy.typing import NDArray

_INT16_SCALE = 32767.0
_MIN_CALL_S = 0.1


class PyannoteDiarizer:
    """Finds voices in mono calls; calls may not run in it at the same time."""

    def __init__(self, pipeline: Any, options: Options, name: str) -> None:
        self._pipeline = pipeline
        self._options = options
        self._name = name

    @property
    def name(self) -> str:
        """Engine and models."""
        return self._name

    def start(self) -> DiarizationSession:
        """Begin a call."""
        return _Session(self)

    def diarize(self, samples: NDArray[np.float32]) -> list[tuple[str, float, float]]:
        """Find the voices of a whole call.

        Args:
            samples: float32, one channel at 16000 Hz, shape (n_samples,).

        Returns:
            Speaker, start and end in seconds; speakers are "speaker_1", "speaker_2" by first appearance.

        Raises:
            EngineError: pyannote failed.
        """
        call = {"waveform": torch.from_numpy(samples).unsqueeze(0), "sample_rate": RATE_HZ, "uri": "call"}
        try:
            # Clustering prints to standard output when it cannot find as many people as asked for.
            with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
                warnings.filterwarnings("ignore", message=r"\s*The detected number of speakers")
                output = self._pipeline(
                    call, min_speakers=self._options.min_speakers, max_speakers=self._options.max_speakers
                )
        except (RuntimeError, ValueError, IndexError, KeyError) as error:
            raise EngineError(f"{self.name}: failed on the call ({type(error).__name__})") from error
        annotation = getattr(output, "speaker_diarization", output)
        return _named_by_appearance(
            [(label, turn.start, turn.end) for turn, _, label in annotation.itertracks(yield_label=True)]
        )


def _named_by_appearance(turns: list[tuple[str, float, float]]) -> list[tuple[str, float, float]]:
    names: dict[str, str] = {}
    in_order = sorted(turns, key=lambda turn: (turn[1], turn[2]))
    return [
        (names.setdefault(label, f"speaker_{len(names) + 1}"), start_s, end_s)
        for label, start_s, end_s in in_order
    ]


class _Session:
    """Collects a call as 16-bit mono, 115 MB an hour; three times that while the pipeline runs."""

    def __init__(self, diarizer: PyannoteDiarizer) -> None:
        self._diarizer = diarizer
        self._parts: list[NDArray[np.int16]] = []
        self._start_s = 0.0

    def push(self, audio: Audio, speech: Sequence[ChannelSpeech]) -> None:  # noqa: ARG002
        """Keep the next stretch; pyannote finds the speech itself.

        Raises:
            EngineError: The audio has another rate.
        """
        if audio.rate_hz != RATE_HZ:
            raise EngineError(f"{self._diarizer.name}: audio must be at {RATE_HZ} Hz, got {audio.rate_hz}")
        if not self._parts:
            self._start_s = audio.start_s
        mono = np.clip(audio.samples.mean(axis=1), -1.0, 1.0)
        self._parts.append(np.rint(mono * _INT16_SCALE).astype(np.int16))

    def finish(self) -> tuple[SpeakerSegment, ...]:
        """Run the pipeline over the call.

        Raises:
            EngineError: pyannote failed.
        """
        n_samples = sum(part.size for part in self._parts)
        if n_samples < _MIN_CALL_S * RATE_HZ:
            return ()
        whole = np.concatenate(self._parts)
        self._parts = []
        duration_s = n_samples / RATE_HZ
        turns = self._diarizer.diarize(whole.astype(np.float32) / _INT16_SCALE)
        return tuple(
            SpeakerSegment(
                speaker=speaker,
                channel=None,
                start_s=self._start_s + max(0.0, start_s),
                end_s=self._start_s + min(end_s, duration_s),
            )
            for speaker, start_s, end_s in turns
            if start_s < duration_s
        )


def build(options: Options, models: ModelLookup) -> PyannoteDiarizer:
    """Load the models; never downloads.

    Raises:
        ModelError: A model is not pulled, or its files are damaged.
    """
    if options.pipeline is not None:
        folder = models.folder(options.pipeline)
        return PyannoteDiarizer(_load_pipeline(folder), options, f"pyannote/{options.pipeline}")
    segmentation = _load_segmentation(models.folder(options.segmentation_model))
    embedding = CampplusEmbedding(_one_file(models.folder(options.embedding_model), "*.pt"))
    pipeline = PauseSplitDiarization(
        segmentation=segmentation,
        segmentation_step=options.window_step_s / segmentation.specifications.duration,
        embedding=embedding,
        embedding_exclude_overlap=True,
        # The constructor fetches PLDA weights from a hub unless it is handed some. Only VBx clustering reads
        # them, and an instance without content satisfies it.
        plda=PLDA.__new__(PLDA),
        clustering="AgglomerativeClustering",
        embedding_batch_size=3 * 8,
        segmentation_batch_size=8,
    )
    pipeline.instantiate(
        {
            "segmentation": {"min_duration_off": 0.0},
            "clustering": {
                "method": "average",
                "min_cluster_size": options.min_cluster_windows,
                "threshold": options.clustering_threshold,
            },
        }
    )
    name = f"pyannote/{options.segmentation_model}+{options.embedding_model}"
    return PyannoteDiarizer(pipeline, options, name)


def _load_segmentation(folder: Path) -> Any:
    # The file is a pickle, as Lightning writes them, and is trusted because its sha256 was checked when it
    # was pulled. A file path, unlike a name, is never looked up on a hub.
    try:
        return Model.from_pretrained(_one_file(folder, "pytorch_model.bin"))
    except (OSError, RuntimeError, ValueError, KeyError, EOFError, UnpicklingError) as error:
        raise ModelError(f"{folder.name}: cannot be read as a pyannote segmentation model") from error


def _load_pipeline(folder: Path) -> Any:
    """Load a pipeline from its folder; its config.yaml must name weights in the same folder."""
    _one_file(folder, "config.yaml")
    try:
        return Pipeline.from_pretrained(folder)
    except (OSError, RuntimeError, ValueError, KeyError, EOFError, UnpicklingError) as error:
        raise ModelError(f"{folder.name}: cannot be read as a pyannote pipeline") from error


def _one_file(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise ModelError(f"{folder.name}: one file {pattern} expected, {len(found)} found")
    return found[0]
