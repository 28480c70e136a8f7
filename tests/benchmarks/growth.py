"""How time and memory grow with the length of a call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from children import child
from clips import write_call

MINUTES = (1, 10, 60)
FLAT = 1.25
"""Peak memory of the longest call may be this many times that of a call of `FLAT_FROM_MINUTES`."""

FLAT_FROM_MINUTES = 10


def measure_growth(
    source: Path, minutes: Sequence[int], profile: str, tell: Callable[[str], None]
) -> dict[str, Any]:
    """Process calls of several lengths, each in a fresh process.

    Args:
        source: A long call; it is cut, or repeated, to each length.
        minutes: The lengths.
        profile: Of Callveil.
        tell: Told the progress.
    """
    rows = []
    with TemporaryDirectory(prefix="callveil-bench-") as folder:
        for length in minutes:
            recording = Path(folder) / f"minutes{length}.flac"
            write_call(source, recording, length * 60)
            with child("callveil", profile) as measured:
                answer = measured.process(recording, recording.stem)
                rows.append(
                    {
                        "minutes": length,
                        "seconds": answer["seconds"],
                        "real_time_factor": round(answer["seconds"] / (length * 60), 4),
                        "loaded_mib": measured.loaded_mib,
                        "peak_mib": measured.peak_mib,
                        "words": len(answer["words"]),
                        "masks": len(answer["masks"]),
                        "steps": answer["steps"],
                        "state": answer["state"],
                    }
                )
            tell(f"growth: {length} min in {answer['seconds']:.0f} s, peak {measured.peak_mib:.0f} MiB")
            recording.unlink()
    return {"rows": rows, "flat": FLAT, "flat_from_minutes": FLAT_FROM_MINUTES}
