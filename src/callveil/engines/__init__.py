"""Adapters to models: each file wraps one engine behind a port.

Importing this package switches off the telemetry of the libraries below it, before any of them is loaded.
All of it is on by default: onnxruntime sends model names, sizes and timings since 1.29 on Linux too
(https://github.com/microsoft/onnxruntime/blob/main/docs/Privacy.md), pyannote.audio the length and speaker
count of every file (`pyannote/audio/telemetry/config.yaml`), huggingface_hub what is asked of it.
"""

import os
from types import MappingProxyType

TELEMETRY_OFF = MappingProxyType(
    {"ORT_DISABLE_TELEMETRY": "1", "PYANNOTE_METRICS_ENABLED": "0", "HF_HUB_DISABLE_TELEMETRY": "1"}
)
"""Environment variables that are set, whatever they were before."""

os.environ.update(TELEMETRY_OFF)
# OpenMP threads that wait by spinning take the cores from whoever shares them: beside another job a call was
# diarized in 150 s instead of 23 s. An operator may set it otherwise.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
