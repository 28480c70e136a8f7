import os
import subprocess
import sys

import pytest

import callveil.engines

ENGINES = ["faster_whisper", "openai_whisper", "pyannote", "presidio", "channels"]


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_no_engine_starts_telemetry(engine, tmp_path):
    """onnxruntime's telemetry writes its session file to the temp folder as soon as it is imported."""
    pytest.importorskip(f"callveil.engines.{engine}")
    environment = {
        name: value for name, value in os.environ.items() if name not in callveil.engines.TELEMETRY_OFF
    }
    program = (
        f"import os, callveil.engines.{engine}, onnxruntime\n"
        "assert os.environ['PYANNOTE_METRICS_ENABLED'] == '0'\n"
    )
    pytest.importorskip("onnxruntime")
    subprocess.run([sys.executable, "-c", program], env={**environment, "TMPDIR": str(tmp_path)}, check=True)
    assert list(tmp_path.iterdir()) == []


def test_telemetry_that_was_switched_on_is_switched_off():
    program = "import callveil.engines, os; print(os.environ['PYANNOTE_METRICS_ENABLED'])"
    environment = {**os.environ, "PYANNOTE_METRICS_ENABLED": "1"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == "0"
