"""What the ledger knows of a call: its state, who works on it, what is owed. No personal data of callers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from callveil.vocabulary.call import Call
from callveil.vocabulary.rights import Identity
from callveil.vocabulary.transcript import MaskedTurn


class CallState(StrEnum):
    """Where a call stands on its way."""

    RECEIVED = "received"
    """It lies in the landing (or is still arriving), and the consent gate is yet to decide, perhaps again."""
    HELD = "held"
    """Consent is not known; it waits for an answer until its deadline."""
    KEPT = "kept"
    """It may be kept and is to be redacted."""
    PROCESSING = "processing"
    """A worker redacts it."""
    PUBLISHED = "published"
    QUARANTINED = "quarantined"
    """It could not be proven clean, so nothing is published."""
    DISCARDED = "discarded"
    FAILED = "failed"
    """Tried in vain; it can be replayed."""
    ERASED = "erased"
    """It is being forgotten, or is forgotten: only that it was there is known."""


_S = CallState

TRANSITIONS: Mapping[CallState, frozenset[CallState]] = MappingProxyType(
    {
        _S.RECEIVED: frozenset(
            {_S.RECEIVED, _S.HELD, _S.KEPT, _S.DISCARDED, _S.FAILED, _S.PUBLISHED, _S.ERASED}
        ),
        _S.HELD: frozenset({_S.RECEIVED, _S.ERASED}),
        _S.KEPT: frozenset({_S.PROCESSING, _S.RECEIVED, _S.ERASED}),
        _S.PROCESSING: frozenset(
            {_S.RECEIVED, _S.HELD, _S.KEPT, _S.DISCARDED, _S.FAILED, _S.PUBLISHED, _S.QUARANTINED, _S.ERASED}
        ),
        _S.PUBLISHED: frozenset({_S.RECEIVED, _S.QUARANTINED, _S.ERASED}),
        _S.QUARANTINED: frozenset({_S.RECEIVED, _S.PUBLISHED, _S.DISCARDED, _S.ERASED}),
        _S.DISCARDED: frozenset({_S.ERASED}),
        _S.FAILED: frozenset({_S.RECEIVED, _S.ERASED}),
        _S.ERASED: frozenset(),
    }
)
"""Every change there is. RECEIVED is where a changed answer, a deadline or a replay takes a call back to.
Reviews lead from PUBLISHED to QUARANTINED (a correction that could not be proven) and from there further.
"""

FINAL = frozenset({_S.PUBLISHED, _S.QUARANTINED, _S.DISCARDED, _S.FAILED, _S.ERASED})
"""Nothing more is owed for a call in one of these."""


class Topic(StrEnum):
    """Topics of the stream. Events carry references, never content."""

    RECEIVED = "calls.received"
    KEPT = "calls.kept"
    REDACTED = "calls.redacted"
    QUARANTINED = "calls.quarantined"
    DEAD = "calls.dead"
    ERASED = "calls.erased"
    REVIEWED = "calls.reviewed"
    """Somebody reviewed a call, and a worker is to carry that out."""


TOPIC_OF: Mapping[CallState, Topic] = MappingProxyType(
    {
        _S.RECEIVED: Topic.RECEIVED,
        _S.KEPT: Topic.KEPT,
        _S.PUBLISHED: Topic.REDACTED,
        _S.QUARANTINED: Topic.QUARANTINED,
        _S.FAILED: Topic.DEAD,
        _S.ERASED: Topic.ERASED,
    }
)
"""The event that entering a state owes; the other states owe none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCall:
    """A call that arrived, or begins to arrive.

    Attributes:
        call: Its metadata; identifiers of its parties are not kept.
        landing: Token of its audio in the landing; None for a call processed outside of the service.
        source: Where it came from: "push", "folder", "s3", "audiohook", "twilio" or "siprec".
        content_sha256: Of the audio as it arrived, in hex; None while it still arrives (a live call).
        n_bytes: Size of the audio; None while it still arrives.
        stream: Sample format of a live call's audio, "ulaw/8000/2"; None for a recording file.
        idempotency_key: As the client gave it; None when it gave none.
        identities: What its parties can be found by, as keyed hashes.
    """

    call: Call
    landing: str | None
    source: str
    content_sha256: str | None = None
    n_bytes: int | None = None
    stream: str | None = None
    idempotency_key: str | None = None
    identities: tuple[Identity, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerCall:
    """A call as the ledger has it.

    Attributes:
        call: Its metadata with the consent that now stands, without identifiers.
        state: Where it stands.
        reason: One sentence, without personal data; empty when there is nothing to say.
        error_code: Family of the error it failed with last; None when it did not.
        source: Where it came from.
        landing: Token of its audio; None once that is shredded.
        stream: Sample format of a live call's audio; None for a recording file.
        content_sha256: Of its audio; None while it still arrives.
        n_bytes: Size of its audio; None while it still arrives.
        incomplete: It was cut off while it arrived.
        prefix: Folder of its published recording, ending in "/"; None when nothing is published.
        keep_until_s: Second the published recording is kept to; None for all of it.
        hold_until: When HELD turns into DISCARDED, aware UTC.
        duration_s: Length of the published recording in seconds.
        masked_s: Masked seconds by kind.
        attempts: How often a worker began to redact it since it was last received.
        consent_version: Rises with every answer that comes in.
        received_at: When it came, aware UTC.
        arrived_at: When all of it was there; None while it still arrives.
        updated_at: Of the last change.
    """

    call: Call
    state: CallState
    reason: str
    error_code: str | None
    source: str
    landing: str | None
    stream: str | None
    content_sha256: str | None
    n_bytes: int | None
    incomplete: bool
    prefix: str | None
    keep_until_s: float | None
    hold_until: datetime | None
    duration_s: float | None
    masked_s: Mapping[str, float]
    attempts: int
    consent_version: int
    received_at: datetime
    arrived_at: datetime | None
    updated_at: datetime

    @property
    def call_id(self) -> str:
        """Of the call."""
        return self.call.call_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The right of one worker to one call, until the lease ends.

    Attributes:
        found: The call as it was claimed.
        owner: The worker.
        fence: Rises with every claim of the call; an outdated claim changes nothing.
        until: End of the lease, aware UTC.
    """

    found: LedgerCall
    owner: str
    fence: int
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What came of the work on a claimed call.

    Attributes:
        state: The new state.
        reason: One sentence, without personal data.
        error_code: Family of the error; None when there was none.
        not_before: For a retry: when the next attempt may begin, aware UTC.
        hold_until: For HELD.
        prefix: Folder of the published recording; None when none is published now.
        keep_until_s: Second that is kept to.
        duration_s: Length of the published recording in seconds.
        masked_s: Masked seconds by kind.
        turns: What was said in the recording that is published now, for the search; None when it is not
            known, and then the published transcript is read later.
    """

    state: CallState
    reason: str = ""
    error_code: str | None = None
    not_before: datetime | None = None
    hold_until: datetime | None = None
    prefix: str | None = None
    keep_until_s: float | None = None
    duration_s: float | None = None
    masked_s: Mapping[str, float] = field(default_factory=dict)
    turns: tuple[MaskedTurn, ...] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event that is owed to a topic. FORMATS.md has its JSON.

    Attributes:
        event_id: UUID, the same however often it is sent.
        topic: Where it goes.
        call_id: The call, and the key of the message.
        at: When the change happened, aware UTC.
        state: The state entered.
        prefix: Folder of the published recording; None when there is none.
        error_code: Family of the error; None when there was none.
    """

    event_id: str
    topic: Topic
    call_id: str
    at: datetime
    state: CallState
    prefix: str | None = None
    error_code: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One link of the audit chain.

    Attributes:
        number: From 1, without gaps.
        at: Aware UTC.
        actor: Who: "key:<id>", "worker:<name>", "cli:<login>", "reconcile".
        action: What, such as "call.received" or "consent.recorded".
        call_id: The call; None when it concerns none.
        detail: Names and numbers without personal data.
        digest: SHA-256 in hex over the digest before it and this entry; FORMATS.md has the rule.
    """

    number: int
    at: datetime
    actor: str
    action: str
    call_id: str | None
    detail: Mapping[str, str | int | float | bool | None]
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerCounts:
    """The ledger in numbers, for metrics.

    Attributes:
        by_state: Number of calls in each state.
        unsent: Events not yet sent.
        oldest_waiting_s: Seconds since the call that waits longest came, was sent back or had arrived; 0 for
            none. Held and final calls do not wait, nor do those that still arrive.
        landed: Calls whose audio lies in the landing.
    """

    by_state: Mapping[CallState, int]
    unsent: int
    oldest_waiting_s: float
    landed: int
