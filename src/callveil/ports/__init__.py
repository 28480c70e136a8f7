"""The contracts between the steps and the world. Every implementation passes one suite in tests/contract."""

from callveil.ports.accounts import Accounts, IdentityProvider, Passwords
from callveil.ports.audit import AuditTrail
from callveil.ports.basics import Clock, Signer
from callveil.ports.books import (
    Books,
    Holds,
    Notices,
    Removals,
    Requests,
    SubjectHasher,
    SubjectIndex,
    SweptCall,
)
from callveil.ports.engines import (
    AudioSource,
    DiarizationSession,
    Diarizer,
    EntityDetector,
    ModelLookup,
    Transcriber,
)
from callveil.ports.figures import Figures
from callveil.ports.landing import Drop, KeyWrapper, Landed, Landing, LandingWriter
from callveil.ports.ledger import Ledger
from callveil.ports.policy_sets import PolicySets
from callveil.ports.reviews import Proposals, Reviews
from callveil.ports.search import CallSearch, SavedFilters
from callveil.ports.stores import ObjectStore, OriginalStore, StoredObject

__all__ = [
    "Accounts",
    "AudioSource",
    "AuditTrail",
    "Books",
    "CallSearch",
    "Clock",
    "DiarizationSession",
    "Diarizer",
    "Drop",
    "EntityDetector",
    "Figures",
    "Holds",
    "IdentityProvider",
    "KeyWrapper",
    "Landed",
    "Landing",
    "LandingWriter",
    "Ledger",
    "ModelLookup",
    "Notices",
    "ObjectStore",
    "OriginalStore",
    "Passwords",
    "PolicySets",
    "Proposals",
    "Removals",
    "Requests",
    "Reviews",
    "SavedFilters",
    "Signer",
    "StoredObject",
    "SubjectHasher",
    "SubjectIndex",
    "SweptCall",
    "Transcriber",
]
