"""The contracts between the steps and the world. Every implementation passes one suite in tests/contract."""

from callveil.ports.basics import Clock, Signer
from callveil.ports.engines import (
    AudioSource,
    DiarizationSession,
    Diarizer,
    EntityDetector,
    ModelLookup,
    Transcriber,
)
from callveil.ports.landing import Drop, KeyWrapper, Landed, Landing, LandingWriter
from callveil.ports.ledger import Ledger
from callveil.ports.stores import ObjectStore, OriginalStore, StoredObject

__all__ = [
    "AudioSource",
    "Clock",
    "DiarizationSession",
    "Diarizer",
    "Drop",
    "EntityDetector",
    "KeyWrapper",
    "Landed",
    "Landing",
    "LandingWriter",
    "Ledger",
    "ModelLookup",
    "ObjectStore",
    "OriginalStore",
    "Signer",
    "StoredObject",
    "Transcriber",
]
