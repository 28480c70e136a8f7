"""Data subjects and what they ask for: identifiers as keyed hashes, requests, removals, recipients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from callveil.vocabulary.retention import KeptPart


class IdentifierKind(StrEnum):
    """What a person can be found by."""

    PHONE = "phone"
    EMAIL = "email"
    CUSTOMER_ID = "customer_id"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """An identifier as the subject index knows it. The value itself is nowhere.

    Attributes:
        kind: Of the identifier.
        digest: HMAC-SHA256 of the normalised value in hex, 64 digits.
        generation: How many keys were chained to make it; see `adapters.subject_keys`.
        party: Index into `Call.parties`.
    """

    kind: IdentifierKind
    digest: str
    generation: int
    party: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """An identifier in a call.

    Attributes:
        call_id: The call.
        identity: The identifier.
        role: Of the party that has it.
    """

    call_id: str
    identity: Identity
    role: str


class RequestKind(StrEnum):
    """What a data subject asks for; GDPR Articles 15 to 21."""

    ACCESS = "access"
    PORTABILITY = "portability"
    ERASURE = "erasure"
    RESTRICTION = "restriction"
    WITHDRAWAL = "withdrawal"


class RequestState(StrEnum):
    """Where a request stands."""

    OPEN = "open"
    RUNNING = "running"
    """Work has begun; it is taken up again after a crash."""
    PARTLY_DONE = "partly_done"
    """All that may be done now is done; the rest is restricted until its date of review."""
    DONE = "done"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request in the register. It names no person: digests go when an erasure is done.

    Attributes:
        request_id: "req-" and 12 hex digits.
        kind: What is asked for.
        state: Where it stands.
        identities: Who asks; empty when it was made by call ids, and once an erasure is done.
        received_at: When it came, aware UTC.
        due_at: One month later (GDPR Art. 12(3)), or what an extension made of it, aware UTC.
        extension_reason: Why it was extended; None when it was not.
        closed_at: When it was done or refused; None while it is not.
        note: Why it was refused or what is left, without personal data.
        n_calls: How many calls it concerns.
    """

    request_id: str
    kind: RequestKind
    state: RequestState
    identities: tuple[Identity, ...]
    received_at: datetime
    due_at: datetime
    extension_reason: str | None = None
    closed_at: datetime | None = None
    note: str = ""
    n_calls: int = 0


class ItemState(StrEnum):
    """Where one call of a request stands."""

    PENDING = "pending"
    RESTRICTED = "restricted"
    """A hold or a duty keeps it; it is looked at again on the date of review, or when the hold ends."""
    DONE = "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestItem:
    """One call of a request.

    Attributes:
        request_id: The request.
        call_id: The call.
        state: Where it stands.
        reason: Why it is restricted; empty otherwise.
        review_at: When it is looked at again, aware UTC; None for when the hold ends.
        parties: The parties of the call that the person is; empty when it was named by its call id.
    """

    request_id: str
    call_id: str
    state: ItemState
    reason: str = ""
    review_at: datetime | None = None
    parties: tuple[int, ...] = ()


class RemovalWhy(StrEnum):
    """Why something is deleted."""

    RETENTION = "retention"
    ERASURE = "erasure"


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """A deletion that was decided and must be finished, whatever happens in between.

    Attributes:
        removal_id: "rem-" and 12 hex digits.
        call_id: The call.
        prefix: Its folder in the store.
        landing: Token of its audio in the landing; None when there is none.
        parts: What goes; all of them: the call itself.
        why: Why.
        reason: One sentence, without personal data.
        request_id: The request it serves; None for retention.
        decided_at: Aware UTC.
        done_at: None while it is not finished.
        evidence: What was deleted where, in numbers: "store_versions", "original", "landing", "rows", ...
    """

    removal_id: str
    call_id: str
    prefix: str
    landing: str | None
    parts: frozenset[KeptPart]
    why: RemovalWhy
    reason: str
    request_id: str | None
    decided_at: datetime
    done_at: datetime | None = None
    evidence: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """A system that got copies and must forget with us (GDPR Art. 19).

    Attributes:
        name: 1 to 64 letters, digits, "-", "_" and ".".
        kind: What it is: "crm", "recorder", "warehouse", "other".
        url: Where it is told, https (http on a loopback address only).
        secret: For HMAC-SHA256, 32 characters or more.
        deadline_days: Days after which its silence is escalated, 1 to 30.
        queues: Queues whose calls it gets; empty for all.
    """

    name: str
    kind: str
    url: str
    secret: str = field(repr=False)
    deadline_days: int = 7
    queues: frozenset[str] = frozenset()


class NoticeState(StrEnum):
    """Where a notice to a recipient stands."""

    WAITING = "waiting"
    """Not yet delivered, or delivered and not yet confirmed."""
    CONFIRMED = "confirmed"
    """Its receipt is there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One thing that one recipient is told.

    Attributes:
        notice_id: "ntc-" and 12 hex digits; the same however often it is sent.
        recipient: Its name.
        request_id: The request it serves.
        event: "erasure", "restriction", "restriction_lifted".
        call_ids: Up to 500 of the calls.
        state: Where it stands.
        attempts: How often it was tried.
        next_at: When it is tried again, aware UTC.
        due_at: When its silence is escalated, aware UTC.
        escalated_at: When that happened; None when it did not.
        delivered_at: When the recipient first accepted it; None when it has not.
        receipt: What the recipient answered, up to 200 characters; None before.
        problem: What went wrong last, without content; empty when nothing did.
    """

    notice_id: str
    recipient: str
    request_id: str
    event: str
    call_ids: tuple[str, ...]
    state: NoticeState
    attempts: int
    next_at: datetime
    due_at: datetime
    escalated_at: datetime | None = None
    delivered_at: datetime | None = None
    receipt: str | None = None
    problem: str = ""
