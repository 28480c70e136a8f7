"""Calls of another length, made of one call."""

from __future__ import annotations

from pathlib import Path

import soundfile


def write_call(source: Path, target: Path, duration_s: int) -> None:
    """Write a call of a given length as FLAC.

    Args:
        source: Is cut, or begun again at its end as often as needed.
        target: The file to write.
        duration_s: Length in seconds.
    """
    samples, rate_hz = soundfile.read(source, dtype="int16", always_2d=True)
    left = duration_s * rate_hz
    with soundfile.SoundFile(target, "w", rate_hz, samples.shape[1], "PCM_16", format="FLAC") as out:
        while left > 0:
            out.write(samples[:left])
            left -= len(samples[:left])
