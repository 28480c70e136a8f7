"""Consent: what was agreed, for what, and what that means for a recording."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum


class Purpose(StrEnum):
    """What a recording is used for."""

    RECORDING = "recording"
    TRANSCRIPTION = "transcription"
    QUALITY_REVIEW = "quality_review"
    ANALYTICS = "analytics"


class Flag(StrEnum):
    """What a party said, or did not say."""

    GRANTED = "granted"
    DENIED = "denied"
    UNKNOWN = "unknown"
    WITHDRAWN = "withdrawn"


class LawfulBasis(StrEnum):
    """GDPR Art. 6(1) (a) to (f)."""

    CONSENT = "consent"
    CONTRACT = "contract"
    LEGAL_OBLIGATION = "legal_obligation"
    VITAL_INTERESTS = "vital_interests"
    PUBLIC_TASK = "public_task"
    LEGITIMATE_INTERESTS = "legitimate_interests"


class Method(StrEnum):
    """How consent was given."""

    ANNOUNCEMENT = "announcement"
    KEYPRESS = "keypress"
    VERBAL = "verbal"
    CONTRACT = "contract"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentRecord:
    """One party's answer for one purpose.

    Attributes:
        purpose: What it is for.
        flag: The answer.
        lawful_basis: Basis of the processing; None when not stated.
        party: Index into `Call.parties`; None when the flag stands for all parties.
        given_at: When, aware UTC; None when not stated.
        method: How; None when not stated.
        verbal_at_s: Where in the call it was said, for `Method.VERBAL`.
        expires_at: When it ends, aware UTC; None for no end.
        withdrawn_at_s: Second of the call at which it was withdrawn, for `Flag.WITHDRAWN`.
    """

    purpose: Purpose
    flag: Flag
    lawful_basis: LawfulBasis | None = None
    party: int | None = None
    given_at: datetime | None = None
    method: Method | None = None
    verbal_at_s: float | None = None
    expires_at: datetime | None = None
    withdrawn_at_s: float | None = None

    @property
    def allows(self) -> bool:
        """By itself it lets the call be used: a grant, or a basis that needs none where nobody answered."""
        needs_none = self.lawful_basis not in (None, LawfulBasis.CONSENT)
        return self.flag is Flag.GRANTED or (self.flag is Flag.UNKNOWN and needs_none)


class Action(StrEnum):
    """What happens to a recording."""

    KEEP = "keep"
    HOLD = "hold"
    DISCARD = "discard"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentDecision:
    """What the consent gate decided, and why.

    Attributes:
        action: Keep, hold or discard.
        rule: Name of the rule that decided, such as "denied" or "all_party".
        reason: One sentence for people, without personal data.
        keep_until_s: For KEEP: keep only what lies before this second; None keeps the whole call.
        hold_until: For HOLD: when it turns into DISCARD, aware UTC.
    """

    action: Action
    rule: str
    reason: str
    keep_until_s: float | None = None
    hold_until: datetime | None = None


class ConsentMode(StrEnum):
    """Whose consent a place asks for before a call may be recorded."""

    ONE_PARTY = "one_party"
    ALL_PARTY = "all_party"


class OnWithdrawal(StrEnum):
    """What a withdrawal at a known second of the call leaves."""

    KEEP_UNTIL = "keep_until"
    DISCARD = "discard"


class AgentConsent(StrEnum):
    """Whether agents and supervisors count as consenting by their employment, or need a record each."""

    ASSUMED = "assumed"
    REQUIRED = "required"


class LateConsent(StrEnum):
    """Whether consent counts that came later than at the beginning of the call."""

    REFUSE = "refuse"
    ACCEPT = "accept"


@dataclass(frozen=True, slots=True, kw_only=True)
class JurisdictionRule:
    """What one place asks for.

    Attributes:
        code: ISO 3166-1 alpha-2 or ISO 3166-2 ("GB", "US-CA").
        mode: Whose consent it asks for.
        source: Statute or other source of the mode.
        checked_on: Day the source was last looked at.
    """

    code: str
    mode: ConsentMode
    source: str
    checked_on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentRules:
    """What the consent gate goes by.

    Attributes:
        version: Names this set of rules.
        jurisdictions: By code; a place that is not in it, and an unknown place, is all-party.
        required_purposes: A recording is kept only with consent for each of these; others limit its use.
        accepted_bases: Bases that stand in for a flag that was not given; never `LawfulBasis.CONSENT`.
        agent_consent: Whether employees need records of their own.
        given_within_s: Consent is in time when it came up to this second of the call.
        late_consent: Whether consent that came later counts.
        on_withdrawal: What a withdrawal in mid-call leaves.
        min_keep_s: A recording cut shorter than this by a withdrawal is discarded, seconds.
        hold_days: HOLD turns into DISCARD this many days after the call's start.
        clock_skew_s: Tolerance when times of different clocks are compared, 0 to 300 s.
    """

    version: str
    jurisdictions: Mapping[str, JurisdictionRule]
    required_purposes: tuple[Purpose, ...]
    accepted_bases: frozenset[LawfulBasis]
    agent_consent: AgentConsent
    given_within_s: float
    late_consent: LateConsent
    on_withdrawal: OnWithdrawal
    min_keep_s: float
    hold_days: int
    clock_skew_s: float
