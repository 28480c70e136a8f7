from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("torch")

from callveil.engines.pyannote import Options, build
from callveil.engines.pyannote_pipeline import PyannoteDiarizer
from callveil.engines.pyannote_voices import split_at_pauses
from callveil.errors import EngineError, ModelError
from callveil.vocabulary.audio import Audio

_IMPORTED_ALONE = """
import os, threading
os.environ["PYANNOTE_METRICS_ENABLED"] = "1"
import callveil.engines.pyannote_pipeline
from pyannote.audio.telemetry import metrics
assert not metrics.is_metrics_enabled()
assert metrics.provider.shutdown is not None
started = [thread.name for thread in threading.enumerate() if "Otel" in thread.name]
assert not started, started
"""


@pytest.mark.slow
def test_telemetry_is_off_even_where_the_environment_says_on_and_the_import_warns_of_nothing():
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", _IMPORTED_ALONE], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr


def test_torchaudio_is_usable_without_its_compiled_part():
    import torch
    import torchaudio

    banks = torchaudio.compliance.kaldi.fbank(torch.zeros(1, 1600), num_mel_bins=80)
    assert banks.shape == (8, 80)


@pytest.mark.parametrize("content", [b"no weights", b""])
def test_damaged_segmentation_weights_are_a_model_error(content, tmp_path):
    class Lookup:
        def folder(self, model):
            return tmp_path

    (tmp_path / "pytorch_model.bin").write_bytes(content)
    with pytest.raises(ModelError, match="segmentation"):
        build(Options(), Lookup())


def columns(*runs, n_frames=100):
    track = np.zeros((n_frames, len(runs)), dtype=np.float32)
    for i, voice in enumerate(runs):
        for first, last in voice:
            track[first:last, i] = 1.0
    return track


@pytest.mark.parametrize(
    ("voice", "expected"),
    [
        ([(0, 40), (50, 90)], [[(0, 40)], [(50, 90)]]),
        ([(0, 40), (42, 90)], [[(0, 40), (42, 90)]]),
        ([(0, 40), (50, 55)], [[(0, 40), (50, 55)]]),
        ([(0, 5)], [[(0, 5)]]),
        ([(0, 30), (40, 45), (49, 90)], [[(0, 30)], [(40, 45), (49, 90)]]),
    ],
    ids=["a pause", "too short a pause", "too short to embed", "one short run", "joins the nearer run"],
)
def test_a_voice_is_split_at_its_pauses(voice, expected):
    split = split_at_pauses(columns(voice), frame_s=0.1)
    np.testing.assert_array_equal(split, columns(*expected))


def test_splitting_keeps_how_many_speak_in_every_frame():
    rng = np.random.default_rng(5)
    voices = (rng.random((589, 3)) > 0.5).astype(np.float32)
    split = split_at_pauses(voices, frame_s=0.017)
    np.testing.assert_array_equal(split.sum(axis=1), voices.sum(axis=1))


def test_a_silent_window_stays_silent():
    assert split_at_pauses(np.zeros((10, 3), dtype=np.float32), 0.1).sum() == 0


class Turn:
    def __init__(self, start, end):
        self.start, self.end = start, end


class StubAnnotation:
    def __init__(self, turns):
        self._turns = turns

    def itertracks(self, yield_label):
        assert yield_label
        return [(Turn(a, b), "_", label) for label, a, b in self._turns]


def diarizer(turns):
    def pipeline(call, min_speakers, max_speakers):
        sys.stdout.write("Found only 1 clusters.")
        if isinstance(turns, Exception):
            raise turns
        return StubAnnotation(turns)

    return PyannoteDiarizer(pipeline, Options(), "pyannote/stub")


def stretch(seconds, start_s=0.0, rate_hz=16000, channels=1):
    shape = (round(seconds * rate_hz), channels)
    return Audio(
        samples=np.zeros(shape, dtype=np.float32), rate_hz=rate_hz, start_sample=round(start_s * rate_hz)
    )


def test_speakers_are_named_by_first_appearance_and_times_stay_in_the_call(capsys):
    session = diarizer([("B", 4.0, 10.4), ("A", 0.5, 4.5), ("B", -0.1, 0.3)]).start()
    session.push(stretch(4.0, start_s=60.0), ())
    session.push(stretch(6.0, start_s=64.0), ())
    found = [(s.speaker, s.channel, s.start_s, s.end_s) for s in session.finish()]
    assert found == [
        ("speaker_1", None, 60.0, 60.3),
        ("speaker_2", None, 60.5, 64.5),
        ("speaker_1", None, 64.0, 70.0),
    ]
    assert capsys.readouterr().out == ""


def test_samples_are_kept_in_16_bits_and_channels_are_mixed():
    seen = []

    def pipeline(call, min_speakers, max_speakers):
        seen.append(call["waveform"])
        return StubAnnotation([])

    session = PyannoteDiarizer(pipeline, Options(), "x").start()
    samples = np.stack([np.full(16000, 0.5), np.full(16000, -0.25)], axis=1).astype(np.float32)
    session.push(Audio(samples=samples, rate_hz=16000), ())
    assert session.finish() == ()
    assert seen[0].shape == (1, 16000)
    assert seen[0].numpy() == pytest.approx(0.125, abs=1e-4)


def test_nothing_pushed_nothing_found():
    assert diarizer(RuntimeError("must not run")).start().finish() == ()


def test_another_rate_is_refused():
    with pytest.raises(EngineError, match="16000"):
        diarizer([]).start().push(stretch(1.0, rate_hz=8000), ())


def test_a_failing_pipeline_is_an_engine_error_without_its_words():
    session = diarizer(RuntimeError("raw words")).start()
    session.push(stretch(1.0), ())
    with pytest.raises(EngineError) as caught:
        session.finish()
    assert "raw words" not in str(caught.value)


@pytest.mark.parametrize(
    "wrong",
    [
        {"min_speakers": 3, "max_speakers": 2},
        {"min_speakers": 0},
        {"clustering_threshold": 2.5},
        {"other": 1},
    ],
)
def test_options_out_of_bounds_are_refused(wrong):
    with pytest.raises(ValueError, match="1 validation error"):
        Options(**wrong)


@pytest.mark.parametrize("options", [Options(), Options(pipeline="community-1")])
def test_an_empty_model_folder_is_a_model_error(options, tmp_path):
    class Lookup:
        def folder(self, model):
            return tmp_path

    with pytest.raises(ModelError, match="one file"):
        build(options, Lookup())


def test_module_is_loaded_by_the_registry():
    from callveil.registry import engine_module

    assert engine_module("diarizer", "pyannote").build is build


def test_the_options_are_read_without_loading_torch():
    program = "import sys, callveil.engines.pyannote; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)
