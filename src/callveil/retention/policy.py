"""Decide what becomes of the parts of a call: legal hold before erasure before retention.

RETENTION.md says the rules in words. A time that ends at an instant is over after it, not at it: so a group
of calls of one day, taken at the day's end, is decided at any midnight as each of its calls is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time
from typing import NamedTuple

from callveil.retention.words import day, end_words, law_words, part_words
from callveil.vocabulary.retention import (
    CALL_END,
    CallFacts,
    CallGroup,
    CallTraits,
    Decision,
    Fate,
    Hold,
    KeptPart,
    Match,
    PartDecision,
    Period,
    Policy,
)
from callveil.vocabulary.rights import Request, RequestKind, RequestState

OPEN_STATES = frozenset({RequestState.OPEN, RequestState.RUNNING, RequestState.PARTLY_DONE})
"""States in which something is still owed for a request."""


_LAST = datetime.max.replace(tzinfo=UTC)


class _End(NamedTuple):
    """When a period of a policy ends; None while the event it counts from has not come."""

    at: datetime | None
    policy: Policy
    part: KeptPart
    period: Period

    def words(self, what: str) -> str:
        """Why, in words; see `end_words`."""
        return end_words(self.part, self.policy, self.period, what, missing=self.at is None)

    @property
    def order(self) -> tuple[bool, datetime]:
        """What nobody knows yet is later than all that is known."""
        return self.at is None, self.at or _LAST


class _Span(NamedTuple):
    """How long a part lives: until when, by which policy, and why in words."""

    until: datetime | None
    policy: str | None
    why: str

    @property
    def order(self) -> tuple[bool, datetime]:
        return self.until is None, self.until or _LAST


def decide(
    call: CallFacts,
    policies: Sequence[Policy],
    holds: Sequence[Hold],
    requests: Sequence[Request],
    now: datetime,
    *,
    restricted: bool = False,
) -> Decision:
    """Decide what becomes of every part of a call that is still there.

    Args:
        call: The call.
        policies: All there are, the fallback among them; those that do not fit the call do not matter.
        holds: Holds on the call; those that have ended do not matter.
        requests: Requests for the call; those that are closed, and other kinds, do not matter.
        now: Aware UTC.
        restricted: The call is restricted, whatever became of the request for it.
    """
    matching = [policy for policy in policies if fits(policy.match, call.traits)]
    authorities = [hold.authority for hold in holds if hold.released_at is None or hold.released_at > now]
    kinds = {request.kind for request in requests if request.state in OPEN_STATES}
    erasure = RequestKind.ERASURE in kinds
    restriction = restricted or RequestKind.RESTRICTION in kinds
    parts = [part for part in KeptPart if part not in call.gone]
    if authorities:
        return Decision(parts=tuple(_held(part, authorities, erasure, restriction) for part in parts))
    if erasure:
        duties = _duties(call, matching)
        return Decision(parts=tuple(_erased(part, duties.get(part), now) for part in parts))
    spans = _spans(call, matching)
    if restriction:
        return Decision(parts=tuple(_restricted(part, spans[part], now) for part in parts))
    return Decision(parts=tuple(_kept(part, spans[part], now) for part in parts))


def fits(match: Match, traits: CallTraits) -> bool:
    """Whether a policy with this match is for calls with these traits."""
    return (
        (not match.queues or traits.queue in match.queues)
        and (not match.directions or traits.direction in match.directions)
        and (not match.outcomes or traits.outcome in match.outcomes)
        and (not match.tags or not match.tags.isdisjoint(traits.tags))
        and (not match.purposes or not match.purposes.isdisjoint(traits.purposes))
        and (
            not match.jurisdictions
            or any(
                place in match.jurisdictions or place.partition("-")[0] in match.jurisdictions
                for place in traits.jurisdictions
            )
        )
    )


def group_facts(group: CallGroup) -> CallFacts:
    """A group of calls as one call, which ended as its day did; decide about it at midnights."""
    end = datetime.combine(group.ended_on, time.max, tzinfo=UTC)
    return CallFacts(call_id="", traits=group.traits, ended_at=end, gone=group.gone)


def midnight(day: date) -> datetime:
    """Beginning of a day, aware UTC."""
    return datetime.combine(day, time.min, tzinfo=UTC)


def _held(part: KeptPart, authorities: Sequence[str], erasure: bool, restriction: bool) -> PartDecision:
    more = f" and {len(authorities) - 1} more" if len(authorities) > 1 else ""
    why = f"A legal hold for {authorities[0]}{more} keeps it until it is released"
    if erasure:
        why += "; erasure is asked for and follows then (GDPR Art. 17(3)(e), 18)"
    elif restriction:
        why += "; nobody may use it (GDPR Art. 18)"
    fate = Fate.RESTRICT if erasure or restriction else Fate.KEEP
    return PartDecision(part=part, fate=fate, until=None, policy=None, reason=f"{why}.")


def _erased(part: KeptPart, duty: _End | None, now: datetime) -> PartDecision:
    if duty is None or _is_over(duty.at, now):
        reason = "Its erasure is asked for, and no law keeps it (GDPR Art. 17)."
        return PartDecision(part=part, fate=Fate.DELETE, until=now, policy=None, reason=reason)
    until = day(duty.at, " until ") or " until that time has passed"
    reason = (
        f"Its erasure is asked for, but {duty.words('must be kept')}{law_words(duty.policy)}: "
        f"nobody may use it{until}, then it is erased (GDPR Art. 17(3)(b), 18)."
    )
    return PartDecision(part=part, fate=Fate.RESTRICT, until=duty.at, policy=duty.policy.name, reason=reason)


def _restricted(part: KeptPart, span: _Span, now: datetime) -> PartDecision:
    after = " Without that it would be deleted now." if _is_over(span.until, now) else ""
    reason = f"Nobody may use or delete it until its restriction is lifted (GDPR Art. 18).{after}"
    return PartDecision(part=part, fate=Fate.RESTRICT, until=None, policy=None, reason=reason)


def _kept(part: KeptPart, span: _Span, now: datetime) -> PartDecision:
    over = _is_over(span.until, now)
    head = f"Its time ended{day(span.until, ' on ')}" if over else f"Kept{day(span.until, ' until ')}"
    return PartDecision(
        part=part,
        fate=Fate.DELETE if over else Fate.KEEP,
        until=span.until,
        policy=span.policy,
        reason=f"{head}: {span.why}.",
    )


def _is_over(until: datetime | None, now: datetime) -> bool:
    return until is not None and until < now


def _ends(
    part: KeptPart, of: Iterable[tuple[Policy, Mapping[KeptPart, Period]]], call: CallFacts
) -> list[_End]:
    return [_end(policy, part, periods[part], call) for policy, periods in of if part in periods]


def _end(policy: Policy, part: KeptPart, period: Period, call: CallFacts) -> _End:
    start = call.ended_at if policy.since == CALL_END else call.events.get(policy.since)
    return _End(None if start is None else period.after(start), policy, part, period)


def _duties(call: CallFacts, matching: Sequence[Policy]) -> dict[KeptPart, _End]:
    """The longest duty of each part; the certificate has to stay while anything it proves has to."""
    found: dict[KeptPart, _End] = {}
    for part in KeptPart:
        ends = _ends(part, ((policy, policy.duty) for policy in matching), call)
        if ends:
            found[part] = max(ends, key=lambda end: end.order)
    if found:
        found[KeptPart.CERTIFICATE] = max(found.values(), key=lambda end: end.order)
    return found


def _spans(call: CallFacts, matching: Sequence[Policy]) -> dict[KeptPart, _Span]:
    """How long each part lives by the policies alone. Parts that are gone count too, so no date moves."""
    spans: dict[KeptPart, _Span] = {}
    for part in KeptPart:
        span = _named(part, call, _counting(part, matching))
        if span is not None:
            spans[part] = span
    follows = _Span(None, None, "no policy says how long")
    if spans:
        part, longest = max(spans.items(), key=lambda item: item[1].order)
        why = f"no policy names it, so it lives as long as the {part_words(part)}; {longest.why}"
        follows = longest._replace(why=why)
    for other in KeptPart:
        if other not in spans:
            spans[other] = _capped(other, follows, call, matching)
    part, longest = max(spans.items(), key=lambda item: item[1].order)
    if longest.order > spans[KeptPart.CERTIFICATE].order:
        spans[KeptPart.CERTIFICATE] = longest._replace(
            why=f"it proves the {part_words(part)} and lives as long; {longest.why}"
        )
    return spans


def _counting(part: KeptPart, matching: Sequence[Policy]) -> Sequence[Policy]:
    """Policies that count for a part: the fallback does where no other one says how long anything is kept.

    For the original it does too where no other one names the original: it never lives long by accident.
    """
    others = [policy for policy in matching if not policy.fallback]
    named = [policy for policy in others if policy.keep or policy.duty]
    if part is KeptPart.ORIGINAL:
        named = [policy for policy in named if part in policy.keep or part in policy.duty]
    return others if named else matching


def _named(part: KeptPart, call: CallFacts, counting: Sequence[Policy]) -> _Span | None:
    """How long a part lives that a policy names; None when none does."""
    keeps = _ends(part, ((policy, policy.keep) for policy in counting), call)
    duties = _ends(part, ((policy, policy.duty) for policy in counting), call)
    span = None
    if keeps:
        longest = max(keeps, key=lambda end: end.order)
        among = f", the longest of {len(keeps)}" if len(keeps) > 1 else ""
        span = _Span(longest.at, longest.policy.name, longest.words("is kept") + among)
        span = _capped(part, span, call, counting)
    if duties:
        duty = max(duties, key=lambda end: end.order)
        words = duty.words("must be kept") + law_words(duty.policy)
        raised = _Span(duty.at, duty.policy.name, words)
        if span is None or raised.order > span.order:
            span = raised
    return span


def _capped(part: KeptPart, span: _Span, call: CallFacts, counting: Sequence[Policy]) -> _Span:
    known = [
        end
        for end in _ends(part, ((policy, policy.maximum) for policy in counting), call)
        if end.at is not None
    ]
    if not known:
        return span
    cap = min(known, key=lambda end: end.order)
    if cap.order >= span.order:
        return span
    words = f"{cap.words('may be kept at most')}{law_words(cap.policy)}, less than it would be kept else"
    return _Span(cap.at, cap.policy.name, words)
