"""openai-whisper: the reference implementation, in 32-bit floating point; a second, slower listener.

It reads a checkpoint of its own (`.pt`) when the model's folder holds one, else the CTranslate2 weights that
faster-whisper uses.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

import torch
import whisper
from pydantic import BaseModel, ConfigDict, Field
from whisper.tokenizer import get_tokenizer

from callveil.engines.ctranslate2_weights import read_variables, whisper_dimensions, whisper_state
from callveil.engines.whisper_words import (
    FALLBACK_TEMPERATURES,
    LIKELY_NO_SPEECH,
    LOOP_COMPRESSION_RATIO,
    LOW_LOG_PROBABILITY,
    MOST_TOKENS,
    HeardSegment,
    HeardWord,
    Numerals,
    numeral_tokens,
    transcribe_in_windows,
)
from callveil.errors import EngineError, ModelError
from callveil.ports import ModelLookup
from callveil.vocabulary.audio import Audio
from callveil.vocabulary.transcript import Transcription

if TYPE_CHECKING:
    from callveil.vocabulary.audio import Samples

_NAME = "openai-whisper"
_SEED = 20220921


class Options(BaseModel):
    """Options of the engine."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str = Field(
        default="whisper-tiny-en-ct2",
        min_length=1,
        description="Name of a pulled Whisper model, as a .pt checkpoint or in CTranslate2 form.",
    )
    beam_size: int = Field(default=1, ge=1, le=20, description="Texts followed at the same time, 1 to 20.")
    has_fallback: bool = Field(
        default=True,
        description="Hear a window again, at up to five higher temperatures, when its text loops or is "
        "improbable.",
    )
    numerals: Numerals = Field(
        default=Numerals.WRITTEN,
        description="spoken: numbers in words, each with its own time; or written. Small models may stop "
        "listening at a number that they must not write.",
    )


class OpenAiWhisper:
    """A `Transcriber`; one call at a time."""

    def __init__(self, model: Any, options: Options) -> None:
        self._model = model
        self._options = options
        self._suppressed = {Numerals.WRITTEN: [-1], Numerals.SPOKEN: [-1]}
        if options.numerals is Numerals.SPOKEN:
            tokenizer = _tokenizer(model)
            texts = {tokenizer.decode([i]): i for i in range(tokenizer.eot)}
            self._suppressed[Numerals.SPOKEN] += numeral_tokens(texts, tokenizer.eot)

    @property
    def name(self) -> str:
        """Engine and model."""
        return f"{_NAME}/{self._options.model}"

    @property
    def n_parallel(self) -> int:
        """One: the model keeps state while it hears."""
        return 1

    def transcribe(self, audio: Audio, *, language: str | None, channel: int) -> Transcription:
        """Hear one stretch of one channel; see `Transcriber.transcribe`."""
        if not self._model.is_multilingual and language not in (None, "en"):
            raise EngineError(f"{self.name}: the model hears English only, the call is in {language!r}")
        return transcribe_in_windows(
            audio,
            self._hear,
            engine=self.name,
            numerals=self._options.numerals,
            language=language,
            channel=channel,
        )

    def _hear(
        self, samples: Samples, language: str | None, *, numerals: Numerals, skips_doubtful: bool
    ) -> tuple[str, list[HeardSegment]]:
        try:
            # Fallback temperatures draw samples: the same call must give the same words.
            with torch.random.fork_rng(devices=[]), torch.inference_mode():
                torch.manual_seed(_SEED)
                result = self._model.transcribe(
                    samples,
                    language=language,
                    # One beam is greedy decoding, which has a faster path of its own.
                    beam_size=self._options.beam_size if self._options.beam_size > 1 else None,
                    temperature=FALLBACK_TEMPERATURES if self._options.has_fallback else 0.0,
                    compression_ratio_threshold=LOOP_COMPRESSION_RATIO,
                    logprob_threshold=LOW_LOG_PROBABILITY,
                    no_speech_threshold=LIKELY_NO_SPEECH if skips_doubtful else None,
                    condition_on_previous_text=False,
                    word_timestamps=True,
                    sample_len=MOST_TOKENS,
                    suppress_tokens=self._suppressed[numerals],
                    fp16=False,
                )
        except (RuntimeError, ValueError, IndexError, AssertionError) as error:
            raise EngineError(f"{self.name}: failed on a window ({type(error).__name__})") from error
        return result["language"], [_heard(segment) for segment in result["segments"]]


def _heard(segment: dict[str, Any]) -> HeardSegment:
    return HeardSegment(
        start_s=float(segment["start"]),
        end_s=float(segment["end"]),
        text=segment["text"],
        words=[
            HeardWord(
                text=word["word"],
                start_s=float(word["start"]),
                end_s=float(word["end"]),
                probability=float(word["probability"]),
            )
            for word in segment.get("words", ())
        ],
        no_speech_probability=float(segment["no_speech_prob"]),
        mean_log_probability=float(segment["avg_logprob"]),
    )


def build(options: Options, models: ModelLookup) -> OpenAiWhisper:
    """Load the model from its folder; `whisper.load_model` is not used, as it downloads by name.

    Raises:
        ModelError: The model is not pulled, or its files are damaged.
    """
    folder = models.folder(options.model)
    checkpoints = sorted(folder.glob("*.pt"))
    if len(checkpoints) > 1:
        raise ModelError(
            f"model {options.model}: one .pt file expected in {folder}, {len(checkpoints)} found"
        )
    try:
        model = _from_checkpoint(checkpoints[0]) if checkpoints else _from_ctranslate2(folder)
    except (OSError, RuntimeError, KeyError, TypeError, ValueError, UnpicklingError) as error:
        raise ModelError(f"model {options.model}: cannot be loaded from {folder}") from error
    _tokenizer(model)
    return OpenAiWhisper(model.eval(), options)


def _tokenizer(model: Any) -> Any:
    """Load the tokenizer; openai-whisper keeps it, and leaves its file open when it reads it first."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="unclosed file", category=ResourceWarning)
        return get_tokenizer(model.is_multilingual, num_languages=model.num_languages)


def _from_checkpoint(path: Path) -> Any:
    checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    model = whisper.model.Whisper(whisper.model.ModelDimensions(**checkpoint["dims"]))
    model.load_state_dict(checkpoint["model_state_dict"])
    if heads := whisper._ALIGNMENT_HEADS.get(path.stem):
        model.set_alignment_heads(heads)
    return model


def _from_ctranslate2(folder: Path) -> Any:
    variables = read_variables(folder / "model.bin")
    model = whisper.model.Whisper(whisper.model.ModelDimensions(**whisper_dimensions(variables)))
    state = {name: torch.from_numpy(array) for name, array in whisper_state(variables).items()}
    model.load_state_dict(state, strict=True)
    heads = json.loads((folder / "config.json").read_text(encoding="utf-8"))["alignment_heads"]
    mask = torch.zeros(model.dims.n_text_layer, model.dims.n_text_head, dtype=torch.bool)
    for layer, head in heads:
        mask[layer, head] = True
    # Word times come from these attention heads; openai-whisper keeps them as a sparse mask.
    model.register_buffer("alignment_heads", mask.to_sparse(), persistent=False)
    return model
