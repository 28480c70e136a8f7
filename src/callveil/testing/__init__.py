"""Fakes and builders for tests, also for those of engines and stores that others write.

The fakes keep the contracts of `ports`. They hold no model and no file.
"""

from callveil.testing.builders import CLEAN, START, call, noise, tone, turn, words
from callveil.testing.fakes import (
    FakeDetector,
    FakeDiarization,
    FakeDiarizer,
    FakeTranscriber,
    ManualClock,
    MemorySource,
)
from callveil.testing.ledger import temporary_ledger
from callveil.testing.memory_landing import MemoryLanding
from callveil.testing.memory_store import MemoryStore
from callveil.testing.signer import throw_away_signer

__all__ = [
    "CLEAN",
    "START",
    "FakeDetector",
    "FakeDiarization",
    "FakeDiarizer",
    "FakeTranscriber",
    "ManualClock",
    "MemoryLanding",
    "MemorySource",
    "MemoryStore",
    "call",
    "noise",
    "temporary_ledger",
    "throw_away_signer",
    "tone",
    "turn",
    "words",
]
