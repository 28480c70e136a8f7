"""What people who listen to redacted calls say of them: what was missed, what need not be masked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from callveil.vocabulary.ledger import Claim
from callveil.vocabulary.pii import Entity
from callveil.vocabulary.retention import KeptPart


class ReviewKind(StrEnum):
    """What somebody says of a call."""

    CLEAN = "clean"
    """Heard, and nothing to correct."""
    MISSED = "missed"
    """Personal data can be heard or read: these stretches are to be masked."""
    OVER = "over"
    """What is masked there is none. Nothing changes until somebody who heard the original agrees."""
    RELEASE = "release"
    """A quarantined call: mask these stretches, prove it again, publish it if it is clean then. While its
    audio waits in the landing that is done at once: the call goes the whole way anew."""
    DISCARD = "discard"
    """A quarantined call: let it go."""


class ReviewState(StrEnum):
    """What became of it."""

    REPORTED = "reported"
    """Noted. Of OVER: it waits for somebody with the original. Nothing is owed."""
    OWED = "owed"
    """A worker is to carry it out."""
    DONE = "done"
    """Carried out; of CLEAN: from the start."""
    REFUSED = "refused"
    """Not carried out: the reason says why."""


class OverReason(StrEnum):
    """What was masked in vain. A choice, not a text: nobody types personal data here."""

    OWN_NAME = "own_name"
    """The company, its products, its own numbers."""
    AMOUNT = "amount"
    """A price, a quantity, a percentage."""
    TIME = "time"
    """A date, an hour, a duration that tells nothing of a person."""
    WORD = "word"
    """An ordinary word."""
    NOTHING = "nothing"
    """Nobody speaks there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A part of one channel that a review is about.

    Attributes:
        channel: From 0.
        start_s: Start in seconds from the start of the published recording; of a quarantined call: of what
            is kept of it.
        end_s: End in seconds, behind the start.
        entity: Kind of personal data: what was missed, or what it was masked as.
    """

    channel: int
    start_s: float
    end_s: float
    entity: Entity


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """What somebody said of a call. It holds no words of the call.

    Attributes:
        review_id: "rev-" and 12 hex digits.
        call_id: The call.
        kind: What was said.
        stretches: What it is about; none for CLEAN and DISCARD.
        over_reason: Of OVER: why it is no personal data; else None.
        by: Who, as in the audit chain.
        at: When, aware UTC.
        certificate_sha256: Of the certificate.json of the version that was heard, in hex; None for a
            quarantined call.
        confirmed_by: Of OVER: who heard the original and agrees; None while nobody has.
        state: What became of it.
        reason: Of REFUSED: why, in one sentence without personal data.
        settled_at: When it was done or refused, aware UTC; None while it is not.
        result_sha256: Of the certificate.json that came of it, in hex; None when none did.
    """

    review_id: str
    call_id: str
    kind: ReviewKind
    stretches: tuple[Stretch, ...] = ()
    over_reason: OverReason | None = None
    by: str
    at: datetime
    certificate_sha256: str | None = None
    confirmed_by: str | None = None
    state: ReviewState = ReviewState.REPORTED
    reason: str = ""
    settled_at: datetime | None = None
    result_sha256: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewClaim:
    """The right of one worker to carry out the reviews of a call. Nobody else works on the call meanwhile.

    Attributes:
        claim: On the call; `Ledger.renew` prolongs it.
        reviews: What is owed, oldest first; at least one.
        gone: Parts of the call that are deleted, or are to be.
    """

    claim: Claim
    reviews: tuple[Review, ...]
    gone: frozenset[KeptPart]
