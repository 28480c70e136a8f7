"""Retention in words that people understand."""

from __future__ import annotations

from datetime import datetime

from callveil.vocabulary.retention import CALL_END, KeptPart, Match, Period, Policy

_PARTS = {
    KeptPart.AUDIO: "audio",
    KeptPart.TRANSCRIPT: "transcript",
    KeptPart.ORIGINAL: "original",
    KeptPart.CERTIFICATE: "certificate",
}


def part_words(part: KeptPart) -> str:
    """A part: "audio"."""
    return _PARTS[part]


def period_words(period: Period) -> str:
    """A period: "7 years", "18 months", "1 month and 10 days"."""
    years, months = divmod(period.months, 12)
    counts = [(years, "year")] if years and not months else [(period.months, "month")]
    counts.append((period.days, "day"))
    words = [f"{n} {unit}{'' if n == 1 else 's'}" for n, unit in counts if n]
    return " and ".join(words) or "0 days"


def match_words(match: Match) -> str:
    """Which calls a policy is for: "calls of queue sales or support and tagged mifid"."""
    fields = {
        "of queue": match.queues,
        "with a party in": match.jurisdictions,
        "used for": match.purposes,
        "tagged": match.tags,
        "that are": match.directions,
        "that ended": match.outcomes,
    }
    words = [f"{what} {' or '.join(sorted(values))}" for what, values in fields.items() if values]
    if not words:
        return "all calls"
    head = ", ".join(words[:-1])
    return f"calls {head} and {words[-1]}" if head else f"calls {words[-1]}"


def since_words(since: str) -> str:
    """What a policy counts from: "the end of the call"."""
    return "the end of the call" if since == CALL_END else f'the event "{since}"'


def end_words(part: KeptPart, policy: Policy, period: Period, what: str, *, missing: bool = False) -> str:
    """Why a part is kept so long: 'by policy "sales" the audio is kept 3 years from the end of the call'.

    Args:
        part: The part.
        policy: The policy.
        period: Of the policy for the part.
        what: "is kept", "must be kept", "may be kept at most".
        missing: The event that it counts from has not come.
    """
    tail = ", which has not come" if missing else ""
    return (
        f'by policy "{policy.name}" the {_PARTS[part]} {what} {period_words(period)} from '
        f"{since_words(policy.since)}{tail}"
    )


def law_words(policy: Policy) -> str:
    """The law of a policy in brackets, or nothing."""
    return f" ({policy.law})" if policy.law else ""


def day(moment: datetime | None, before: str) -> str:
    """A day behind a word, or nothing when it is not known: " until 2031-11-23"."""
    return f"{before}{moment:%Y-%m-%d}" if moment is not None else ""
