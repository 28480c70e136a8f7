"""How long what is kept, and why: policies, holds, and what is decided of a call by them."""

from __future__ import annotations

import calendar
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

CALL_END = "call_end"
"""The event that a policy counts from when it names no other."""


class KeptPart(StrEnum):
    """What has a period of its own. FORMATS.md says which objects each one stands for."""

    AUDIO = "audio"
    """The masked audio."""
    TRANSCRIPT = "transcript"
    """The masked transcript, its captions and the vCon."""
    ORIGINAL = "original"
    """The sealed original, or the raw audio of a call that was never published, in the landing."""
    CERTIFICATE = "certificate"
    """The certificate; for a call that was not kept its decision record. It outlives the others."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Period:
    """A length of time in the calendar: seven years are seven years, whatever leap days lie between.

    Attributes:
        months: 0 or more; a year is twelve.
        days: 0 or more, added after the months.
    """

    months: int = 0
    days: int = 0

    def after(self, moment: datetime) -> datetime:
        """The moment so much later; the last day of a month where the day does not exist there."""
        months = moment.month - 1 + self.months
        year, month = moment.year + months // 12, months % 12 + 1
        day = min(moment.day, calendar.monthrange(year, month)[1])
        return moment.replace(year=year, month=month, day=day) + timedelta(days=self.days)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallTraits:
    """What policies look at. Many calls share the same traits.

    Attributes:
        outcome: State of the call in the ledger: "published", "quarantined", "failed", ...
        queue: None when not known.
        direction: "inbound", "outbound", "internal" or "unknown".
        jurisdictions: ISO 3166 codes of all parties.
        purposes: Those that may be pursued: no party denied them, and somebody granted them.
        tags: Given with the call.
    """

    outcome: str
    queue: str | None = None
    direction: str = "unknown"
    jurisdictions: frozenset[str] = frozenset()
    purposes: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Which calls a policy is for: all that fit every field; an empty field fits all.

    Attributes:
        queues: Names.
        jurisdictions: One of a call's parties is there; "US" stands for "US-CA" too.
        purposes: One of these may be pursued.
        tags: The call has one of these.
        directions: See `CallTraits`.
        outcomes: See `CallTraits`.
    """

    queues: frozenset[str] = frozenset()
    jurisdictions: frozenset[str] = frozenset()
    purposes: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()
    directions: frozenset[str] = frozenset()
    outcomes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """One retention policy.

    Attributes:
        name: 1 to 64 letters, digits, "-", "_" and ".".
        match: Which calls it is for.
        keep: How long each part is kept; of several policies the longest wins.
        duty: How long a law demands that a part is kept: until then an erasure only restricts.
        maximum: No policy keeps a part longer; a duty and a hold do.
        since: `CALL_END`, or the name of an event; until that has come, nothing that counts from it ends.
        law: Why; stands in reasons and reports. Empty when there is nothing to say.
        fallback: It counts only where no other policy that fits a call says how long anything is kept, and
            for an original that no other one names.
    """

    name: str
    match: Match = Match()
    keep: Mapping[KeptPart, Period] = field(default_factory=dict)
    duty: Mapping[KeptPart, Period] = field(default_factory=dict)
    maximum: Mapping[KeptPart, Period] = field(default_factory=dict)
    since: str = CALL_END
    law: str = ""
    fallback: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFacts:
    """A call as retention sees it.

    Attributes:
        call_id: Of the call.
        traits: What policies look at.
        ended_at: End of the call, aware UTC; when its length is not known, its beginning.
        events: Name to when it came, aware UTC.
        gone: Parts that are deleted already.
    """

    call_id: str
    traits: CallTraits
    ended_at: datetime
    events: Mapping[str, datetime] = field(default_factory=lambda: MappingProxyType({}))
    gone: frozenset[KeptPart] = frozenset()


class HoldScope(StrEnum):
    """What a legal hold is placed on."""

    CALL = "call"
    SUBJECT = "subject"
    """All calls of a person, those that come later too."""
    QUERY = "query"
    """All calls that fit a query when the hold is placed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A legal hold: nothing of its calls is deleted while it stands.

    Attributes:
        hold_id: "hold-" and 12 hex digits.
        scope: What it is placed on.
        reason: Why; no personal data of callers.
        authority: Who demands it: a court, an authority, a matter number.
        placed_by: As in the audit chain.
        placed_at: Aware UTC.
        released_by: None while it stands.
        released_at: None while it stands.
        release_reason: None while it stands.
        n_calls: How many calls it is on.
    """

    hold_id: str
    scope: HoldScope
    reason: str
    authority: str
    placed_by: str
    placed_at: datetime
    released_by: str | None = None
    released_at: datetime | None = None
    release_reason: str | None = None
    n_calls: int = 0


class Fate(StrEnum):
    """What becomes of a part now."""

    KEEP = "keep"
    RESTRICT = "restrict"
    """It stays, and nobody uses it (GDPR Art. 18)."""
    DELETE = "delete"


@dataclass(frozen=True, slots=True, kw_only=True)
class PartDecision:
    """What is decided of one part.

    Attributes:
        part: The part.
        fate: What becomes of it now.
        until: When it is to be deleted, aware UTC; None when nobody knows yet (a hold, a missing event).
        policy: Policy that set the date; None when a hold or a request decided.
        reason: One sentence for people, without personal data.
    """

    part: KeptPart
    fate: Fate
    until: datetime | None
    policy: str | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What is decided of a call.

    Attributes:
        parts: One for each part that is still there, in the order of `KeptPart`.
    """

    parts: tuple[PartDecision, ...]

    @property
    def fate(self) -> Fate:
        """Of the call: deleted when every part is, restricted when any part is, else kept."""
        fates = {part.fate for part in self.parts}
        if fates <= {Fate.DELETE}:
            return Fate.DELETE
        return Fate.RESTRICT if Fate.RESTRICT in fates else Fate.KEEP

    @property
    def until(self) -> datetime | None:
        """When the last part goes; None when nobody knows yet."""
        dates = [part.until for part in self.parts]
        return None if None in dates or not dates else max(date for date in dates if date is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallGroup:
    """Calls that no hold, request or event singles out, which ended on the same day with the same traits.

    Attributes:
        traits: Of all of them.
        ended_on: Day in UTC.
        gone: Parts that are deleted already.
        n_calls: How many.
        duration_s: All of them together, in seconds.
    """

    traits: CallTraits
    ended_on: date
    gone: frozenset[KeptPart]
    n_calls: int
    duration_s: float
