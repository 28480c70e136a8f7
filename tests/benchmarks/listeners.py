"""Recognisers that only listen: they judge redacted recordings and take no part in redacting them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from callveil.config import Config
from callveil.kit import build_listener
from callveil.ports import Transcriber
from callveil.stages.speech import find_speech, measure_levels
from callveil.vocabulary.audio import Audio
from callveil.vocabulary.transcript import Transcription, Word

NAMES = ("whisper", "sphinx")
WHISPER = "openai-whisper/whisper-base-ct2"

_NUMBERS = (
    "zero oh one two three four five six seven eight nine double triple ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety "
    "hundred thousand"
)
_FRAMES_PER_S = 100


class Sphinx:
    """PocketSphinx with a loop of number words: hidden Markov models, another family than Whisper altogether.

    It hears number words in everything, and nothing else: of ordinary speech it makes numbers at random. What
    was tried on two of the calls and dropped: its full language model (up to eight times as long as the
    speech, no name right and fewer digits), and common words beside the numbers (they took the place of
    digits: 1 of 14 values read instead of 5).
    """

    name = "pocketsphinx/en-us digits"
    n_parallel = 1

    def __init__(self) -> None:
        import pocketsphinx

        folder = pocketsphinx.get_model_path("en-us")
        with TemporaryDirectory(prefix="callveil-bench-") as temporary:
            model = Path(temporary) / "words.arpa"
            model.write_text(_word_loop(), encoding="ascii")
            self._decoder: Any = pocketsphinx.Decoder(
                hmm=f"{folder}/en-us",
                dict=f"{folder}/cmudict-en-us.dict",
                lm=str(model),
                samprate=16000,
                loglevel="FATAL",
            )

    def transcribe(self, audio: Audio, *, language: str | None, channel: int) -> Transcription:
        """Hear one stretch of one channel, utterance by utterance; see `Transcriber.transcribe`."""
        (own,) = find_speech(measure_levels(audio))
        words = [
            word
            for island in own.islands
            for word in self._utterance(audio, island.start_s, island.end_s, channel)
        ]
        return Transcription(language="en", words=tuple(words))

    def _utterance(self, audio: Audio, start_s: float, end_s: float, channel: int) -> Iterator[Word]:
        first = round(start_s * audio.rate_hz) - audio.start_sample
        last = round(end_s * audio.rate_hz) - audio.start_sample
        samples = audio.samples[max(first, 0) : last, 0]
        loudest = float(np.abs(samples).max(initial=0.0))
        if loudest == 0.0:
            return
        whole = np.rint(samples / loudest * 16384).astype(np.int16)
        self._decoder.start_utt()
        self._decoder.process_raw(whole.tobytes(), full_utt=True)
        self._decoder.end_utt()
        for segment in self._decoder.seg() or ():
            text = segment.word.split("(")[0]  # "hundred(2)" is another pronunciation
            if text in _NUMBERS.split():
                yield Word(
                    text=text,
                    start_s=start_s + segment.start_frame / _FRAMES_PER_S,
                    end_s=start_s + (segment.end_frame + 1) / _FRAMES_PER_S,
                    probability=1.0,
                    channel=channel,
                )


def _word_loop() -> str:
    """Any word after any other, all equally likely, in ARPA's form: searched far faster than a grammar."""
    words = ["</s>", *_NUMBERS.split()]
    each = f"{-math.log10(len(words)):.4f}"
    lines = [f"{each} {word}" for word in words]
    return "\n".join(
        ["\\data\\", f"ngram 1={len(words) + 1}", "", "\\1-grams:", "-99 <s> 0.0", *lines, "", "\\end\\", ""]
    )


def build_listeners(names: list[str], config: Config) -> tuple[Transcriber, ...]:
    """Load listeners.

    Args:
        names: "sphinx", "whisper", or an engine with its model ("openai-whisper/whisper-tiny-en-ct2").
        config: For the models.
    """
    return tuple(
        Sphinx() if name == "sphinx" else build_listener(WHISPER if name == "whisper" else name, config)
        for name in names
    )
