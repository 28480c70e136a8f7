"""The sides of the comparison. Each lives in a process of its own; see worker.py."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import soundfile
import soxr

from callveil.adapters.audio_file import open_recording
from callveil.adapters.models import ModelFolder
from callveil.config import load_config, validate
from callveil.kit import Kit, build_kit
from callveil.pipeline.record_call import record_call
from callveil.ports import Transcriber
from callveil.stages.resample import ENGINE_RATE_HZ
from callveil.testing import throw_away_signer
from callveil.testing.builders import call, noise
from callveil.vocabulary.audio import Audio
from callveil.vocabulary.transcript import Transcription

LANGUAGE = "en"
NAMES = ("naive", "documented", "bare", "callveil")


def build_side(name: str, profile: str, folder: Path) -> Any:
    """Load one side.

    Args:
        name: One of `NAMES`.
        profile: Of Callveil; the other sides use its transcriber's weights.
        folder: An empty one, for what the side writes.
    """
    return {
        "naive": _Naive,
        "documented": _Documented,
        "bare": _Bare,
        "callveil": _Callveil,
    }[name](profile, folder)


class _Naive:
    """The pipeline of naive.py."""

    def __init__(self, profile: str, folder: Path) -> None:
        from naive import NaivePipeline
        from pydub import AudioSegment

        from callveil.adapters.audio_ffmpeg import ffmpeg_program
        from callveil.engines.openai_whisper import _from_ctranslate2

        AudioSegment.converter = ffmpeg_program()  # where none is on the path: the one of imageio-ffmpeg
        # whisper.load_model would download; these are the same weights, from the models folder.
        weights, _ = _transcriber(profile)
        self._pipeline = NaivePipeline(_from_ctranslate2(weights).eval())
        self._redacted = folder / "redacted.flac"

    def prepare(self, recording: Path) -> Path:
        return recording

    def process(self, recording: Path, call_id: str) -> dict[str, Any]:
        return self._pipeline.process(recording, self._redacted)


class _Bare:
    """The profile's recogniser on each whole channel, and nothing else: the limit of any pipeline with it.

    Model and options are those the engine itself hands to faster-whisper: the first call is watched.
    """

    def __init__(self, profile: str, folder: Path) -> None:
        from faster_whisper import WhisperModel

        from callveil.engines import faster_whisper

        calls: list[tuple[Any, dict[str, Any]]] = []

        class Watched(WhisperModel):  # type: ignore[misc]
            def transcribe(self, audio: Any, **options: Any) -> Any:
                calls.append((self, options))
                return super().transcribe(audio, **options)

        weights, engine_options = _transcriber(profile)
        with patch.object(faster_whisper, "WhisperModel", Watched):
            engine = faster_whisper.build(engine_options, ModelFolder(load_config(profile).models))
        engine.transcribe(noise(), language=LANGUAGE, channel=0)
        _, options = calls[0]
        # Whole channels are heard one after the other, so each gets all cores.
        self._model = WhisperModel(
            str(weights),
            device="cpu",
            compute_type=engine_options.compute_type.value,
            cpu_threads=os.cpu_count() or 1,
            local_files_only=True,
        )
        self._options = {**options, "language": LANGUAGE, "word_timestamps": True}

    def prepare(self, recording: Path) -> Any:
        """Decoding is not part of the limit."""
        samples, rate_hz = soundfile.read(recording, dtype="float32", always_2d=True)
        return np.asfortranarray(soxr.resample(samples, rate_hz, ENGINE_RATE_HZ))

    def process(self, samples: Any, call_id: str) -> dict[str, Any]:
        words = []
        for channel in range(samples.shape[1]):
            segments, _ = self._model.transcribe(samples[:, channel], **self._options)
            words += [
                (channel, word.word.strip(), word.start, word.end, word.probability)
                for segment in segments
                for word in segment.words
            ]
        return {"words": words}


class _Documented(_Bare):
    """The same, with faster-whisper's own defaults in place of the engine's options.

    They skip windows that Whisper takes for silence, which is fast, and loses quiet speech.
    """

    def __init__(self, profile: str, folder: Path) -> None:
        super().__init__(profile, folder)
        self._options = {"language": LANGUAGE, "word_timestamps": True}


class _Callveil:
    """Callveil from the recording to the store."""

    def __init__(self, profile: str, folder: Path) -> None:
        kit = build_kit(load_config(profile), str(folder))
        self._heard = _Heard(kit.transcriber)
        self._kit: Kit = replace(kit, transcriber=self._heard, signer=throw_away_signer())

    def prepare(self, recording: Path) -> Path:
        return recording

    def process(self, recording: Path, call_id: str) -> dict[str, Any]:
        self._heard.words = []
        with recording.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        source = open_recording(recording, self._kit.audio_limits)
        outcome = record_call(call(call_id), source, self._kit, input_sha256=lambda: sha256)
        return {
            "words": self._heard.words,
            "masks": [(mask.channel, mask.start_s, mask.end_s) for mask in outcome.masked],
            "steps": dict(outcome.timings_s),
            "state": outcome.state.value,
        }


class _Heard:
    """A transcriber that remembers the words of the call."""

    def __init__(self, transcriber: Transcriber) -> None:
        self._transcriber = transcriber
        self.words: list[Any] = []

    @property
    def name(self) -> str:
        return self._transcriber.name

    @property
    def n_parallel(self) -> int:
        return self._transcriber.n_parallel

    def transcribe(self, audio: Audio, *, language: str | None, channel: int) -> Transcription:
        heard = self._transcriber.transcribe(audio, language=language, channel=channel)
        self.words += [
            (word.channel, word.text, word.start_s, word.end_s, word.probability) for word in heard.words
        ]
        return heard


def _transcriber(profile: str) -> tuple[Path, Any]:
    """Folder of the weights of the profile's recogniser, and its options."""
    from callveil.engines import faster_whisper

    config = load_config(profile)
    options = validate(faster_whisper.Options, config.profile.transcriber.options, "transcriber.options")
    return ModelFolder(config.models).folder(options.model), options
