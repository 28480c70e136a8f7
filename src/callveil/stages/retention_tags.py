"""Retention tags of a call: what an operator or a sweep needs to know without opening it."""

from __future__ import annotations

from datetime import UTC, datetime

from callveil.vocabulary.call import Call
from callveil.vocabulary.consent import ConsentDecision
from callveil.vocabulary.recording import RetentionTags
from callveil.vocabulary.retention import Decision, KeptPart

NEVER = datetime(9999, 12, 31, tzinfo=UTC)
"""Stands where a date must, when nobody knows yet how long something is kept."""

OPEN = "open"
"""Stands in a tag in the place of a date that nobody knows yet."""

NO_POLICY = "none"
"""Stands in a tag when no policy says how long a call is kept."""


def retention_tags(
    call: Call, decision: ConsentDecision, *, profile: str, retention: Decision
) -> RetentionTags:
    """Make the tags of a call that is kept.

    Args:
        call: Its metadata.
        decision: Of the consent gate.
        profile: Name of the profile that made the recording.
        retention: How long its parts are kept.
    """
    places = sorted({party.jurisdiction for party in call.parties if party.jurisdiction})
    tags = {
        "callveil-call": call.call_id,
        "callveil-consent": decision.rule,
        **policy_tags(retention),
        "callveil-hold": "no",
        "callveil-restricted": "no",
        "callveil-jurisdiction": "+".join(places)[:256] or "unknown",
        "callveil-profile": profile,
    }
    return RetentionTags(tags=tags, locked_until=locked_until(retention))


def policy_tags(retention: Decision) -> dict[str, str]:
    """The tags that policies make: until when the last published part is kept, and by which policy.

    Args:
        retention: Of a call that is published, by its policies alone: holds and requests have their own tags.
    """
    last = max(
        (part for part in retention.parts if part.part is not KeptPart.ORIGINAL),
        key=lambda part: part.until or NEVER,
        default=None,
    )
    until = last.until if last is not None else None
    return {
        "callveil-retention": (last.policy if last is not None else None) or NO_POLICY,
        "callveil-expires": until.date().isoformat() if until is not None else OPEN,
    }


def locked_until(retention: Decision) -> datetime | None:
    """When the first published part may go, aware UTC; None when nobody knows.

    A lock stands on all objects of a call, and no part may be locked beyond its time.
    """
    known = [part.until for part in retention.parts if part.part is not KeptPart.ORIGINAL]
    return min((until for until in known if until is not None), default=None)


def call_prefix(call: Call) -> str:
    """Folder of a call in a store: "calls/2026/11/23/<call_id>/"."""
    return f"calls/{call.started_at:%Y/%m/%d}/{call.call_id}/"


def decision_key(call: Call) -> str:
    """Key of the decision record of a call that is not kept: "decisions/2026/11/23/<call_id>.json"."""
    return decision_key_of(call_prefix(call))


def decision_key_of(prefix: str) -> str:
    """The same, from the folder of the call."""
    return f"decisions/{prefix.removeprefix('calls/').rstrip('/')}.json"
