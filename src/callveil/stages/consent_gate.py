"""Decide from a call's consent records whether its recording may be kept. CALLS.md has the decision table."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from callveil.vocabulary.call import Call, Direction, Party, Role
from callveil.vocabulary.consent import (
    Action,
    AgentConsent,
    ConsentDecision,
    ConsentMode,
    ConsentRecord,
    ConsentRules,
    Flag,
    LateConsent,
    Method,
    OnWithdrawal,
    Purpose,
)

# A withdrawal is stamped by the telephony side and the recording's length by the recorder.
_END_TOLERANCE_S = 1.0

_PLACE = re.compile(r"[A-Z]{2}(-[A-Z0-9]{1,3})?")
_EMPLOYEES = frozenset({Role.AGENT, Role.SUPERVISOR})

_RULES = (
    "denied",
    "withdrawn",
    "too_short",
    "future_start",
    "unreadable_place",
    "no_such_party",
    "withdrawn_beyond_end",
    "no_record",
    "unknown",
    "expired",
    "given_too_late",
    "party_missing",
    "all_party",
    "one_party",
    "lawful_basis",
)
"""Most restrictive first; of several verdicts of one kind the first of these is the one reported."""

_SENTENCES = {
    "no_such_party": "A record for {purpose} names a party the call does not have.",
    "no_record": "There is no record about {purpose}.",
    "unknown": "It is not known whether a party consents to {purpose}.",
    "expired": "Consent to {purpose} has expired.",
    "given_too_late": "Consent to {purpose} came too late, or at no known second of the call.",
    "party_missing": "There is no consent to {purpose} from every party that must give it.",
}
"""What each lack of consent is called; the first that applies is reported."""

_ACTIONS = (Action.DISCARD, Action.HOLD, Action.KEEP)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Verdict:
    action: Action
    rule: str
    reason: str
    keep_until_s: float | None = None

    @property
    def rank(self) -> tuple[int, int, str]:
        return _ACTIONS.index(self.action), _RULES.index(self.rule), self.reason


@dataclass(frozen=True, slots=True, kw_only=True)
class _Side:
    """A party of the call, listed or not; `index` is None for one that is not listed."""

    index: int | None
    party: Party

    def covers(self, record: ConsentRecord) -> bool:
        return record.party is None or record.party == self.index


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """What one call is judged by."""

    call: Call
    rules: ConsentRules
    now: datetime
    duration_s: float | None

    @property
    def skew(self) -> timedelta:
        return timedelta(seconds=self.rules.clock_skew_s)

    @property
    def deadline(self) -> datetime:
        return self.call.started_at + timedelta(days=self.rules.hold_days)


def decide_consent(
    call: Call, rules: ConsentRules, now: datetime, duration_s: float | None = None
) -> ConsentDecision:
    """Decide whether a recording is kept, held for an answer, or discarded.

    The most restrictive of everything the records say wins; without a grant nothing is kept.

    Args:
        call: Its metadata.
        rules: What to go by.
        now: Aware UTC.
        duration_s: Length of the recording in seconds; None while it is not known, and then a second of the
            call that lies beyond its end is not noticed.

    Returns:
        KEEP, whole or up to a second; HOLD with its deadline; or DISCARD. The records' order does not matter.
    """
    case = _Case(call=call, rules=rules, now=now, duration_s=duration_s)
    verdicts = [*_judge_call(case), *(_judge(case, purpose) for purpose in rules.required_purposes)]
    worst = min(verdicts, key=lambda verdict: verdict.rank)
    if worst.action is Action.DISCARD:
        return ConsentDecision(action=Action.DISCARD, rule=worst.rule, reason=worst.reason)
    if worst.action is Action.HOLD:
        return _hold(case, worst)
    return _keep(worst, [v.keep_until_s for v in verdicts if v.keep_until_s is not None])


def allowed_purposes(
    call: Call, rules: ConsentRules, now: datetime, duration_s: float | None = None
) -> tuple[Purpose, ...]:
    """The purposes that what is kept of a call may be used for, required ones and others.

    Args:
        call: Its metadata.
        rules: What to go by.
        now: Aware UTC.
        duration_s: Length of the recording in seconds; None while it is not known.

    Returns:
        In the order of `Purpose`; empty unless `decide_consent` says KEEP. A purpose whose consent was
        withdrawn earlier than the second up to which the recording is kept is left out.
    """
    decision = decide_consent(call, rules, now, duration_s)
    if decision.action is not Action.KEEP:
        return ()
    case = _Case(call=call, rules=rules, now=now, duration_s=duration_s)
    kept_s = math.inf if decision.keep_until_s is None else decision.keep_until_s
    allowed = []
    for purpose in Purpose:
        verdict = _judge(case, purpose)
        until_s = math.inf if verdict.keep_until_s is None else verdict.keep_until_s
        if verdict.action is Action.KEEP and until_s >= kept_s:
            allowed.append(purpose)
    return tuple(allowed)


def _hold(case: _Case, worst: _Verdict) -> ConsentDecision:
    if case.now >= case.deadline:
        reason = f"The deadline has passed and still: {worst.reason}"
        return ConsentDecision(action=Action.DISCARD, rule="hold_ended", reason=reason)
    return ConsentDecision(action=Action.HOLD, rule=worst.rule, reason=worst.reason, hold_until=case.deadline)


def _keep(worst: _Verdict, ends_s: Sequence[float]) -> ConsentDecision:
    if not ends_s:
        return ConsentDecision(action=Action.KEEP, rule=worst.rule, reason=worst.reason)
    until_s = min(ends_s)
    reason = f"Consent was withdrawn at {until_s:g} s; only what lies before is kept."
    return ConsentDecision(
        action=Action.KEEP, rule="kept_until_withdrawal", reason=reason, keep_until_s=until_s
    )


def _judge_call(case: _Case) -> list[_Verdict]:
    """What stands against keeping the call whatever was agreed."""
    verdicts = []
    if case.call.started_at > case.now + case.skew:
        verdicts.append(
            _held("future_start", "The call starts in the future: a clock or an offset is wrong.")
        )
    places = [party.jurisdiction for party in case.call.parties]
    if any(place is not None and _PLACE.fullmatch(place) is None for place in places):
        verdicts.append(_held("unreadable_place", "A party's jurisdiction is no ISO 3166 code."))
    return verdicts


def _judge(case: _Case, purpose: Purpose) -> _Verdict:
    """What the records say about one purpose."""
    records = [record for record in case.call.consent if record.purpose is purpose]
    if any(record.flag is Flag.DENIED for record in records):
        return _Verdict(action=Action.DISCARD, rule="denied", reason=f"A party denied {purpose}.")
    withdrawn = [record.withdrawn_at_s for record in records if record.flag is Flag.WITHDRAWN]
    ends_s = [at_s for at_s in withdrawn if at_s is not None and 0 < at_s < math.inf]
    if len(ends_s) < len(withdrawn):
        return _Verdict(
            action=Action.DISCARD,
            rule="withdrawn",
            reason=f"Consent to {purpose} was withdrawn, from the start or at no known second of the call.",
        )
    if ends_s and case.rules.on_withdrawal is OnWithdrawal.DISCARD:
        return _Verdict(
            action=Action.DISCARD, rule="withdrawn", reason=f"Consent to {purpose} was withdrawn in the call."
        )
    if ends_s and min(ends_s) < case.rules.min_keep_s:
        reason = f"Consent to {purpose} was withdrawn before {case.rules.min_keep_s:g} s of the call."
        return _Verdict(action=Action.DISCARD, rule="too_short", reason=reason)
    if any(record.flag is not Flag.GRANTED and not _is_listed(record.party, case.call) for record in records):
        return _held("no_such_party", _SENTENCES["no_such_party"].format(purpose=purpose))
    if case.duration_s is not None and any(at_s > case.duration_s + _END_TOLERANCE_S for at_s in ends_s):
        return _held("withdrawn_beyond_end", f"Consent to {purpose} was withdrawn after the recording's end.")
    return _judge_grants(case, purpose, records, min(ends_s, default=None))


def _judge_grants(
    case: _Case, purpose: Purpose, records: Sequence[ConsentRecord], until_s: float | None
) -> _Verdict:
    faults = {record: _fault(case, record) for record in records}
    blocks = [record for record, fault in faults.items() if fault == "unknown"]
    grants = [record for record, fault in faults.items() if fault is None]
    sides = _sides(case.call)
    open_sides = [side for side in sides if not any(side.covers(record) for record in blocks)]
    granted = [side for side in open_sides if any(side.covers(record) for record in grants)]
    strict = _strictest_place(sides, case.rules)
    if not granted:
        return _lacking(purpose, records, faults.values())
    if strict is not None:
        assumed = case.rules.agent_consent is AgentConsent.ASSUMED
        missing = [
            side
            for side in sides
            if side not in granted and not (assumed and side in open_sides and side.party.role in _EMPLOYEES)
        ]
        if missing:
            return _lacking(purpose, records, faults.values())
    rule = "one_party" if strict is None else "all_party"
    whose = "A party" if strict is None else f"Every party ({strict} asks for it)"
    if all(record.flag is Flag.UNKNOWN for record in grants):
        rule, reason = "lawful_basis", f"The rules accept the lawful basis stated for {purpose}."
    else:
        reason = f"{whose} consented to {purpose}."
    return _Verdict(action=Action.KEEP, rule=rule, reason=reason, keep_until_s=until_s)


def _fault(case: _Case, record: ConsentRecord) -> str | None:
    """Why a record that denies nothing is no grant; None when it is one."""
    if not _is_listed(record.party, case.call):
        return "no_such_party"
    if record.flag is Flag.UNKNOWN and record.lawful_basis not in case.rules.accepted_bases:
        return "unknown"
    fault = None if _given_in_time(case, record) else "given_too_late"
    if record.expires_at is not None and case.now - case.skew >= record.expires_at:
        fault = "expired"
    # A basis that does not hold leaves a record that says "unknown"; a grant that does not hold says nothing.
    return "unknown" if fault is not None and record.flag is Flag.UNKNOWN else fault


def _is_listed(party: int | None, call: Call) -> bool:
    return party is None or 0 <= party < len(call.parties)


def _given_in_time(case: _Case, record: ConsentRecord) -> bool:
    """Whether consent came early enough to cover the recording, which can only be cut at its end."""
    accepts_late = case.rules.late_consent is LateConsent.ACCEPT
    within_s = case.rules.given_within_s
    if record.method is Method.VERBAL:
        at_s = record.verbal_at_s
        end_s = math.inf if case.duration_s is None else case.duration_s + _END_TOLERANCE_S
        if at_s is None or not 0 <= at_s <= min(end_s, math.inf if accepts_late else within_s):
            return False
    if record.given_at is None:
        return True
    if accepts_late and record.given_at >= case.deadline:
        return False
    latest = case.call.started_at + timedelta(seconds=within_s)
    return record.given_at <= (case.now if accepts_late else min(case.now, latest)) + case.skew


def _sides(call: Call) -> list[_Side]:
    """The listed parties, and those a call must have had when they are not listed."""
    sides = [_Side(index=index, party=party) for index, party in enumerate(call.parties)]
    roles = {party.role for party in call.parties}
    if not roles & _EMPLOYEES:
        sides.append(_Side(index=None, party=Party(role=Role.AGENT)))
    if roles <= _EMPLOYEES and call.direction is not Direction.INTERNAL:
        sides.append(_Side(index=None, party=Party(role=Role.CUSTOMER)))
    return sides


def _strictest_place(sides: Iterable[_Side], rules: ConsentRules) -> str | None:
    """The place that asks for every party's consent; None when one party's is enough."""
    strict = [
        place for side in sides if _mode(place := side.party.jurisdiction, rules) is ConsentMode.ALL_PARTY
    ]
    if not strict:
        return None
    return min((place for place in strict if place is not None), default="an unknown place")


def _mode(place: str | None, rules: ConsentRules) -> ConsentMode:
    if place is None:
        return ConsentMode.ALL_PARTY
    row = rules.jurisdictions.get(place) or rules.jurisdictions.get(place.partition("-")[0])
    return ConsentMode.ALL_PARTY if row is None else row.mode


def _lacking(purpose: Purpose, records: Sequence[ConsentRecord], faults: Iterable[str | None]) -> _Verdict:
    """Why there is not enough consent, in one of several true ways."""
    found = {*faults, "party_missing" if records else "no_record"}
    rule = next(name for name in _SENTENCES if name in found)
    return _held(rule, _SENTENCES[rule].format(purpose=purpose))


def _held(rule: str, reason: str) -> _Verdict:
    return _Verdict(action=Action.HOLD, rule=rule, reason=reason)
