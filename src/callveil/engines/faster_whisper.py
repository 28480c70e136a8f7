"""faster-whisper: Whisper on CTranslate2, several times faster than openai-whisper with the same weights.

Measured choices (dev calls, Whisper base, int8, two cores):

- Its voice activity filter loses speech, so it is off; the pipeline finds speech itself.
- Batching windows saves 15 % of the time and left 1 to 5 of 71 turns without a word, as it cannot hear a
  window again; so each window is heard on its own.
- One window per core is faster than one on all cores (34 s of wall time become 17 s on two cores), with
  the same text.
- Five beams cost little more than one and halve the errors in plain turns. One sample per fallback
  temperature instead of five changes no word and saves time.
"""

from __future__ import annotations

import os
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from faster_whisper import WhisperModel
from pydantic import BaseModel, ConfigDict, Field

from callveil.engines.whisper_words import (
    FALLBACK_TEMPERATURES,
    LATIN_SCRIPT,
    LIKELY_NO_SPEECH,
    LOOP_COMPRESSION_RATIO,
    LOW_LOG_PROBABILITY,
    MOST_TOKENS,
    HeardSegment,
    HeardWord,
    Numerals,
    numeral_tokens,
    other_script_tokens,
    transcribe_in_windows,
)
from callveil.errors import EngineError, ModelError
from callveil.ports import ModelLookup
from callveil.vocabulary.audio import Audio
from callveil.vocabulary.transcript import Transcription

if TYPE_CHECKING:
    from callveil.vocabulary.audio import Samples

_NAME = "faster-whisper"


class ComputeType(StrEnum):
    """Precision of the arithmetic on a CPU."""

    INT8 = "int8"
    INT8_FLOAT32 = "int8_float32"
    FLOAT32 = "float32"


class Options(BaseModel):
    """Options of the engine."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str = Field(
        default="whisper-base-ct2",
        min_length=1,
        description="Name of a pulled Whisper model in CTranslate2 form.",
    )
    compute_type: ComputeType = Field(default=ComputeType.INT8, description="int8, int8_float32 or float32.")
    beam_size: int = Field(default=5, ge=1, le=20, description="Texts followed at the same time, 1 to 20.")
    cpu_threads: int = Field(
        default=0,
        ge=0,
        le=64,
        description="Windows heard at a time, a thread each, 1 to 64; 0 takes all cores.",
    )
    has_fallback: bool = Field(
        default=True,
        description="Hear a window again, at up to five higher temperatures, when its text loops or is "
        "improbable.",
    )
    numerals: Numerals = Field(
        default=Numerals.SPOKEN, description="spoken: numbers in words, each with its own time; or written."
    )


class FasterWhisper:
    """A `Transcriber` that hears a window per core at the same time."""

    def __init__(self, model: Any, options: Options) -> None:
        self._model = model
        self._options = options
        vocabulary = model.hf_tokenizer.get_vocab()
        first_special = vocabulary["<|endoftext|>"]
        self._numerals = numeral_tokens(vocabulary, first_special)
        self._other_scripts = other_script_tokens(vocabulary, first_special)

    @property
    def name(self) -> str:
        """Engine and model."""
        return f"{_NAME}/{self._options.model}"

    @property
    def n_parallel(self) -> int:
        """One window per thread: cores shared by one window stand idle for a third of the time."""
        return _n_threads(self._options)

    def transcribe(self, audio: Audio, *, language: str | None, channel: int) -> Transcription:
        """Hear one stretch of one channel; see `Transcriber.transcribe`."""
        return transcribe_in_windows(
            audio,
            self._hear,
            engine=self.name,
            numerals=self._options.numerals,
            language=language,
            channel=channel,
        )

    def _suppressed(self, language: str | None, numerals: Numerals) -> list[int]:
        """Tokens that may not be written; -1 stands for Whisper's own list of non-speech symbols."""
        if numerals is Numerals.WRITTEN:
            return [-1]
        return [-1, *self._numerals, *(self._other_scripts if language in LATIN_SCRIPT else ())]

    def _hear(
        self, samples: Samples, language: str | None, *, numerals: Numerals, skips_doubtful: bool
    ) -> tuple[str, list[HeardSegment]]:
        try:
            segments, info = self._model.transcribe(
                samples,
                language=language,
                beam_size=self._options.beam_size,
                best_of=1,
                temperature=FALLBACK_TEMPERATURES if self._options.has_fallback else 0.0,
                compression_ratio_threshold=LOOP_COMPRESSION_RATIO,
                log_prob_threshold=LOW_LOG_PROBABILITY,
                no_speech_threshold=LIKELY_NO_SPEECH if skips_doubtful else None,
                condition_on_previous_text=False,
                word_timestamps=True,
                vad_filter=False,
                max_new_tokens=MOST_TOKENS,
                suppress_tokens=self._suppressed(language, numerals),
            )
            return info.language, [_heard(segment) for segment in segments]
        except (RuntimeError, ValueError, IndexError, AssertionError) as error:
            raise EngineError(f"{self.name}: failed on a window ({type(error).__name__})") from error


def _n_threads(options: Options) -> int:
    return options.cpu_threads or os.cpu_count() or 1


def _heard(segment: Any) -> HeardSegment:
    return HeardSegment(
        start_s=float(segment.start),
        end_s=float(segment.end),
        text=segment.text,
        words=[
            HeardWord(
                text=word.word,
                start_s=float(word.start),
                end_s=float(word.end),
                probability=float(word.probability),
            )
            for word in segment.words or ()
        ],
        no_speech_probability=float(segment.no_speech_prob),
        mean_log_probability=float(segment.avg_logprob),
    )


def build(options: Options, models: ModelLookup) -> FasterWhisper:
    """Load the model from its folder; nothing is downloaded.

    Raises:
        ModelError: The model is not pulled, or its files are damaged.
    """
    folder = models.folder(options.model)
    # Without this file faster-whisper asks a hub for it.
    if not (folder / "tokenizer.json").is_file():
        raise ModelError(f"model {options.model}: tokenizer.json is missing in {folder}")
    try:
        model = WhisperModel(
            str(folder),
            device="cpu",
            compute_type=options.compute_type.value,
            cpu_threads=1,
            num_workers=_n_threads(options),
            local_files_only=True,
        )
    except (RuntimeError, ValueError, OSError) as error:
        raise ModelError(f"model {options.model}: cannot be loaded from {folder}") from error
    return FasterWhisper(model, options)
