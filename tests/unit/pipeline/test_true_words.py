"""Detection alone, on what was really said: with every word heard right, nothing personal is left."""

import importlib.util
import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from callveil.adapters.consent_rules import load_consent_rules
from callveil.adapters.models import ModelFolder
from callveil.adapters.resources import resource_folder
from callveil.config import Profile, load_config
from callveil.kit import Kit
from callveil.pipeline.record_call import record_call
from callveil.registry import engine_module
from callveil.stages.mask_text import TextStyle, mask_text
from callveil.testing import FakeDiarizer, ManualClock, MemorySource, MemoryStore, call, throw_away_signer
from callveil.vocabulary.audio import Audio
from callveil.vocabulary.recording import State
from callveil.vocabulary.transcript import SpeakerSegment, Transcription, Turn, Word

TESTS = Path(__file__).parents[2]
CALLS = sorted((TESTS / "benchmarks" / "calls").glob("*.json"))
_SPEC = importlib.util.spec_from_file_location("leak_search", TESTS / "leak_search.py")
search = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(search)
FEWEST_DIGITS = 6

pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def detector():
    config = load_config()
    module = engine_module("detector", config.profile.detector.engine)
    options = module.Options.model_validate(config.profile.detector.options)
    return module.build(options, ModelFolder(config.models))


def true_turn(turn: dict[str, Any]) -> Turn:
    """A turn as a perfect recogniser would hear it, its words spread evenly over each piece's time."""
    heard = []
    for piece in turn["pieces"]:
        texts = piece["text"].split()
        step_s = (piece["end_s"] - piece["start_s"]) / max(len(texts), 1)
        heard += [
            Word(
                text=text,
                start_s=piece["start_s"] + i * step_s,
                end_s=piece["start_s"] + (i + 1) * step_s,
                probability=0.95,
                channel=turn["channel"],
            )
            for i, text in enumerate(texts)
        ]
    return Turn(speaker=turn["speaker"], channel=turn["channel"], words=tuple(heard))


def true_turns(path: Path) -> list[Turn]:
    turns = [true_turn(turn) for turn in json.loads(path.read_text())["turns"]]
    return [turn for turn in turns if turn.words]


def numbers(path: Path) -> dict[str, set[str]]:
    """Id to the values of six digits and more."""
    return {
        pii["id"]: {value for value in search.digit_values(pii) if len(value) >= FEWEST_DIGITS}
        for pii in search.labelled(path)
    }


@pytest.mark.parametrize("path", CALLS, ids=[path.stem for path in CALLS])
def test_no_number_survives_in_the_masked_text(path, detector):
    turns = true_turns(path)
    masked = mask_text(turns, detector.find(turns, language="en"), (), TextStyle.ENTITY)
    left = search.spoken_digits("\n".join(turn.text for turn in masked))
    assert [name for name, values in numbers(path).items() if any(value in left for value in values)] == []


RATE_HZ = 16000
TEXTS = {
    "transcript.json": search.transcript_text,
    "transcript.vtt": search.captions_text,
    "vcon.json": search.vcon_text,
}


class PerfectHearing:
    """Hears what was really said, as far as it is there: a word is known by the samples in its middle."""

    n_parallel = 1
    _N_TELLING = 4

    def __init__(self, samples: np.ndarray, words: Iterable[Word], name: str) -> None:
        self.name = name
        # A window may hold the words of both channels.
        self._by_code = {
            int(self._codes(samples[self._middle(word) :, word.channel][: self._N_TELLING])[0]): word
            for word in words
        }

    @staticmethod
    def _middle(word: Word) -> int:
        return round((word.start_s + word.end_s) / 2 * RATE_HZ)

    def _codes(self, samples: np.ndarray) -> np.ndarray:
        """A number for each place, made of the samples that begin there."""
        whole = np.rint(samples * 32768).astype(np.int64) + 32768
        n = len(whole) - self._N_TELLING + 1
        return sum((whole[i : n + i] << (16 * i) for i in range(1, self._N_TELLING)), whole[:n]) & (2**62 - 1)

    def transcribe(self, audio: Audio, *, language: str | None, channel: int) -> Transcription:
        heard = []
        codes = self._codes(audio.samples[:, 0])
        known = np.array(list(self._by_code), np.int64)
        for at in np.flatnonzero(np.isin(codes, known)):
            word = self._by_code[int(codes[at])]
            half_s, middle_s = (word.end_s - word.start_s) / 2, at / RATE_HZ
            heard.append(
                replace(
                    word,
                    start_s=max(0.0, middle_s - half_s),
                    end_s=min(audio.n_samples / RATE_HZ, middle_s + half_s),
                )
            )
        return Transcription(language=language or "en", words=tuple(heard))


def sounding(truth: dict[str, Any]) -> np.ndarray:
    """Noise where somebody speaks, in 16 bits; the words cannot be heard in it, only told apart."""
    n, channels = round((truth["duration_s"] + 1) * RATE_HZ), len(truth["channels"])
    rng = np.random.default_rng(7)
    samples = rng.normal(0, 1e-4, (n, channels))
    for turn in truth["turns"]:
        for piece in turn["pieces"]:
            where = slice(round(piece["start_s"] * RATE_HZ), round(piece["end_s"] * RATE_HZ))
            samples[where, turn["channel"]] = rng.normal(0, 0.08, len(range(*where.indices(n))))
    return (np.rint(np.clip(samples, -0.9, 0.9) * 32768) / 32768).astype(np.float32)


def kit_for(truth: dict[str, Any], samples: np.ndarray, turns: Sequence[Turn], detector: Any) -> Kit:
    words = [word for turn in turns for word in turn.words]
    segments = [
        SpeakerSegment(speaker=turn.speaker, channel=None, start_s=turn.start_s, end_s=turn.end_s)
        for turn in turns
    ]
    return Kit(
        profile_name="default",
        profile=Profile(),
        rules=load_consent_rules(resource_folder("pipelines") / "consent.toml"),
        transcriber=PerfectHearing(samples, words, "perfect"),
        dual=FakeDiarizer(),
        mono=FakeDiarizer(segments=segments),
        detector=detector,
        listener=PerfectHearing(samples, words, "perfect too"),
        store=MemoryStore(clock=ManualClock()),
        clock=ManualClock(),
        signer=throw_away_signer(),
    )


@pytest.mark.parametrize("path", CALLS, ids=[path.stem for path in CALLS])
def test_nothing_survives_in_what_is_published(path, detector):
    truth, turns = json.loads(path.read_text()), true_turns(path)
    samples = sounding(truth)
    kit = kit_for(truth, samples, turns, detector)
    named = {name: int(channel) for channel, name in truth["channels"].items() if name != "mixed"}
    parties = tuple(replace(party, channel=named.get(party.role.value)) for party in call().parties)
    recording = MemorySource(Audio(samples=samples, rate_hz=RATE_HZ))
    outcome = record_call(
        replace(call(path.stem), parties=parties), recording, kit, input_sha256=lambda: "ab" * 32
    )
    assert outcome.state is State.PUBLISHED
    contents = {stored.key: kit.store.get(stored.key) for stored in kit.store.list_objects("")}
    assert len(contents) == 5
    labels, leaked = search.labelled(path), set()
    for key, content in contents.items():
        leaked |= search.ids_in_bytes(content, labels)
        read = TEXTS.get(key.rsplit("/", 1)[-1])
        if read is not None:
            said = read(content)
            assert len(said.split()) > 50  # it was heard
            leaked |= search.ids_in_text(said, labels)
    assert sorted(leaked) == []


def test_the_search_finds_the_numbers_in_what_was_really_said():
    found = 0
    for path in CALLS:
        said = search.spoken_digits("\n".join(turn.text for turn in true_turns(path)))
        found += sum(any(value in said for value in values) for values in numbers(path).values())
    assert found > 60
