"""Who speaks when in a mono recording: pyannote.audio with open weights.

The pipeline is pyannote.audio 4's `SpeakerDiarization`: a neural segmentation over a sliding window of ten
seconds, one speaker embedding per window and voice, and clustering of the embeddings over the whole call.
Default weights need no account anywhere: segmentation-3.0 (MIT) and CAM++ (Apache-2.0). Who has the
pipeline "community-1" in a folder names it in `pipeline`.
"""

from __future__ import annotations

from importlib.util import find_spec

from pydantic import BaseModel, ConfigDict, Field, model_validator

from callveil.ports import Diarizer, ModelLookup

# Only looked for: loading pyannote and torch takes seconds, and many centres never have a mono call.
if find_spec("pyannote") is None or find_spec("pyannote.audio") is None:
    raise ModuleNotFoundError("No module named 'pyannote.audio'", name="pyannote.audio")


class Options(BaseModel):
    """How pyannote works.

    Measured on ten recordings (telephone and meeting, real and synthetic voices): turns of one person lie
    0.1 to 0.3 apart, of different people mostly 0.5 to 0.7; errors are fewest from 0.45 to 0.5. Average
    linkage makes fewer errors than the centroid linkage of pyannote's own pipeline.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    segmentation_model: str = Field(
        default="pyannote-segmentation-3.0", description="Folder with the segmentation weights."
    )
    embedding_model: str = Field(default="campplus-zh-en", description="Folder with the CAM++ weights.")
    pipeline: str | None = Field(
        default=None,
        description="Folder with a whole pyannote pipeline (config.yaml and weights), such as community-1; "
        "takes the place of the two models above and of the values below, except the numbers of speakers.",
    )
    min_speakers: int = Field(default=1, ge=1, le=20, description="Fewest voices to find.")
    max_speakers: int = Field(default=4, ge=1, le=20, description="Most voices to find.")
    clustering_threshold: float = Field(
        default=0.45,
        gt=0.0,
        lt=2.0,
        description="Mean cosine distance between voices above which they are different people; "
        "lower finds more people.",
    )
    min_cluster_windows: int = Field(
        default=12, ge=1, le=20, description="Windows a voice must be heard in to count as a person."
    )
    window_step_s: float = Field(
        default=1.0, ge=0.5, le=5.0, description="Step of the ten-second window in seconds; larger is faster."
    )

    @model_validator(mode="after")
    def _speakers_in_order(self) -> Options:
        if self.min_speakers > self.max_speakers:
            raise ValueError("min_speakers must not be larger than max_speakers")
        return self


def build(options: Options, models: ModelLookup) -> Diarizer:
    """Load the models; never downloads.

    Raises:
        ModelError: A model is not pulled, or its files are damaged.
    """
    from callveil.engines import pyannote_pipeline

    return pyannote_pipeline.build(options, models)
