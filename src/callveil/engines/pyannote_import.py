"""The one place that imports pyannote.audio: silent, without telemetry, and on a CPU build of torch.

Three things need care before `import pyannote.audio`:

- Telemetry is on by default. `callveil.engines` switches it off before any engine is imported; the exporter
  that the import starts all the same is stopped here.
- The published torchaudio wheel holds a library built for CUDA, which a CPU build of torch cannot load.
  pyannote needs only parts of torchaudio that are plain Python. torchaudio itself treats an absent library
  as "no extension" (`torchaudio._extension.utils._load_lib`, written for pex), so a stand-in for
  `torchaudio._extension` says that the library is absent. It is used only where loading fails.
- torchcodec cannot be loaded without ffmpeg's own libraries; pyannote warns and goes on. Callveil never lets
  pyannote decode: it is given waveforms.
"""

from __future__ import annotations

import sys
import warnings
from types import ModuleType


def prepare_torchaudio() -> ModuleType:
    """Import torchaudio, with a stand-in for its compiled part where that cannot be loaded.

    Returns:
        The module `torchaudio`.
    """
    try:
        import torchaudio
    except OSError:
        for name in [name for name in sys.modules if name.split(".")[0] == "torchaudio"]:
            del sys.modules[name]
        sys.modules["torchaudio._extension"] = _absent_extension()
        import torchaudio
    module: ModuleType = torchaudio
    return module


def _absent_extension() -> ModuleType:
    def fail_if_no_align(function: object) -> object:
        return function

    stand_in = ModuleType("torchaudio._extension", "Stand-in of Callveil: no compiled extension.")
    stand_in.__dict__.update(
        _IS_TORCHAUDIO_EXT_AVAILABLE=False, _IS_ALIGN_AVAILABLE=False, fail_if_no_align=fail_if_no_align
    )
    return stand_in


def import_pyannote() -> ModuleType:
    """Import pyannote.audio.

    Returns:
        The module `pyannote.audio`; its pipelines are imported too.

    Raises:
        ModuleNotFoundError: The extra "pyannote" is not installed.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"\s*torchcodec is not installed correctly")
        prepare_torchaudio()
        import pyannote.audio
        import pyannote.audio.pipelines
        import pyannote.audio.telemetry.metrics as telemetry

        telemetry.provider.shutdown()
    module: ModuleType = pyannote.audio
    return module
