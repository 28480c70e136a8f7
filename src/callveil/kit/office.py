"""What retention and rights work with: ledger, books, every place a copy may be, policies, keys."""

from __future__ import annotations

from dataclasses import dataclass, field

from callveil.config import Config, Site
from callveil.kit.places import Originals
from callveil.ports import Books, Clock, Landing, Ledger, ObjectStore, Signer, SubjectHasher
from callveil.vocabulary.retention import Policy
from callveil.vocabulary.rights import Recipient


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """What the privacy officer and the ops team work with.

    Attributes:
        config: The profile.
        site: Where the parts are.
        ledger: What is known and owed of every call.
        books: Subject index, holds, requests, notices, removals; over the ledger's database.
        store: Where published calls are.
        originals: Where originals are sealed; None when the profile keeps none.
        landing: Where audio waits, encrypted; None where there is no landing (calls of `callveil process`).
        policies: Retention policies, the profile's own fallback last.
        hasher: Turns identifiers into what the subject index knows.
        recipients: Systems that got copies.
        signer: Signs certificates; its key is read when it is first needed.
        clock: Tells the time.
    """

    config: Config
    site: Site
    ledger: Ledger
    books: Books
    store: ObjectStore
    originals: Originals | None
    landing: Landing | None
    policies: tuple[Policy, ...]
    hasher: SubjectHasher
    recipients: tuple[Recipient, ...] = field(default=())
    signer: Signer
    clock: Clock
