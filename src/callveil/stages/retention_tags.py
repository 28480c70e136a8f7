"""Retention tags of a call: what an operator or a sweep needs to know without opening it."""

from __future__ import annotations

from datetime import datetime, timedelta

from callveil.vocabulary.call import Call
from callveil.vocabulary.consent import ConsentDecision
from callveil.vocabulary.recording import RetentionTags


def retention_tags(
    call: Call, decision: ConsentDecision, *, profile: str, policy: str, keep_days: int, ended_at: datetime
) -> RetentionTags:
    """Make the tags of a call that is kept.

    Args:
        call: Its metadata.
        decision: Of the consent gate.
        profile: Name of the profile that made the recording.
        policy: Name of the retention policy.
        keep_days: How long the policy keeps, in days from the call's end.
        ended_at: End of the call, aware UTC.
    """
    expires_at = ended_at + timedelta(days=keep_days)
    places = sorted({party.jurisdiction for party in call.parties if party.jurisdiction})
    tags = {
        "callveil-call": call.call_id,
        "callveil-consent": decision.rule,
        "callveil-retention": policy,
        "callveil-expires": expires_at.date().isoformat(),
        "callveil-hold": "no",
        "callveil-restricted": "no",
        "callveil-jurisdiction": "+".join(places)[:256] or "unknown",
        "callveil-profile": profile,
    }
    return RetentionTags(tags=tags, expires_at=expires_at)


def call_prefix(call: Call) -> str:
    """Folder of a call in a store: "calls/2026/11/23/<call_id>/"."""
    return f"calls/{call.started_at:%Y/%m/%d}/{call.call_id}/"


def decision_key(call: Call) -> str:
    """Key of the decision record of a call that is not kept: "decisions/2026/11/23/<call_id>.json"."""
    return f"decisions/{call.started_at:%Y/%m/%d}/{call.call_id}.json"
