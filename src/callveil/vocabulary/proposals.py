"""The two-person rule: what one user proposes waits until another one agrees."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class ProposalKind(StrEnum):
    """What is proposed; a profile names those that need a second person in `web.two_person`."""

    RETENTION = "retention"
    """To put other retention policies in force."""
    QUARANTINE = "quarantine"
    """To publish a quarantined call with more masks, or to discard it."""


class ProposalState(StrEnum):
    """What became of it."""

    OPEN = "open"
    APPROVED = "approved"
    """By somebody else than who proposed it."""
    REJECTED = "rejected"
    """By anybody who may decide, who proposed it too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What somebody proposed.

    Attributes:
        proposal_id: "pro-" and 12 hex digits.
        kind: What is proposed.
        about: What it is about: a call id, or the id of a policy set.
        content: What exactly is to be done, as JSON; without personal data.
        by: Who proposed it, as in the audit chain.
        at: When, aware UTC.
        state: What became of it.
        decided_by: Who decided; None while nobody has.
        decided_at: When, aware UTC; None while it is open.
        reason: Why it was rejected.
    """

    proposal_id: str
    kind: ProposalKind
    about: str
    content: Mapping[str, Any]
    by: str
    at: datetime
    state: ProposalState = ProposalState.OPEN
    decided_by: str | None = None
    decided_at: datetime | None = None
    reason: str = ""
