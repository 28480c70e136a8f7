import dataclasses
import math
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callveil.stages.consent_gate import allowed_purposes, decide_consent
from callveil.vocabulary.call import Call, Direction, Party, Role
from callveil.vocabulary.consent import (
    Action,
    AgentConsent,
    ConsentDecision,
    ConsentMode,
    ConsentRecord,
    ConsentRules,
    Flag,
    JurisdictionRule,
    LateConsent,
    LawfulBasis,
    Method,
    OnWithdrawal,
    Purpose,
)

START = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
NOW = START + HOUR
DEADLINE = START + 7 * DAY

RECORDING, TRANSCRIPTION, REVIEW = Purpose.RECORDING, Purpose.TRANSCRIPTION, Purpose.QUALITY_REVIEW
KEEP, HOLD, DISCARD = Action.KEEP, Action.HOLD, Action.DISCARD
GRANTED, DENIED, UNKNOWN, WITHDRAWN = Flag.GRANTED, Flag.DENIED, Flag.UNKNOWN, Flag.WITHDRAWN
LAW, INTERESTS = LawfulBasis.LEGAL_OBLIGATION, LawfulBasis.LEGITIMATE_INTERESTS


def place(code: str, mode: ConsentMode) -> JurisdictionRule:
    return JurisdictionRule(code=code, mode=mode, source="test", checked_on=date(2026, 11, 23))


RULES = ConsentRules(
    version="test",
    jurisdictions={
        row.code: row
        for row in (
            place("US", ConsentMode.ALL_PARTY),
            place("US-TX", ConsentMode.ONE_PARTY),
            place("US-NY", ConsentMode.ONE_PARTY),
            place("US-CA", ConsentMode.ALL_PARTY),
            place("DE", ConsentMode.ALL_PARTY),
            place("IE", ConsentMode.ONE_PARTY),
        )
    },
    required_purposes=(RECORDING, TRANSCRIPTION),
    accepted_bases=frozenset(),
    agent_consent=AgentConsent.ASSUMED,
    given_within_s=60.0,
    late_consent=LateConsent.REFUSE,
    on_withdrawal=OnWithdrawal.KEEP_UNTIL,
    min_keep_s=10.0,
    hold_days=7,
    clock_skew_s=300.0,
)


def agent(where: str | None = "US-TX") -> Party:
    return Party(role=Role.AGENT, channel=0, jurisdiction=where)


def customer(where: str | None = "US-TX") -> Party:
    return Party(role=Role.CUSTOMER, channel=1, jurisdiction=where)


TEXAS = (agent(), customer())
CALIFORNIA = (agent(), customer("US-CA"))


def said(flag: Flag, party: int | None = None, **more: Any) -> list[ConsentRecord]:
    """The same answer for both required purposes."""
    return [
        ConsentRecord(purpose=purpose, flag=flag, party=party, **more)
        for purpose in (RECORDING, TRANSCRIPTION)
    ]


def only(purpose: Purpose, flag: Flag, **more: Any) -> list[ConsentRecord]:
    return [ConsentRecord(purpose=purpose, flag=flag, **more)]


def call(parties: tuple[Party, ...], consent: list[ConsentRecord], **more: Any) -> Call:
    return Call(call_id="c-1", started_at=START, parties=parties, consent=tuple(consent), **more)


def decide(
    parties: tuple[Party, ...],
    consent: list[ConsentRecord],
    *,
    now: datetime = NOW,
    duration_s: float | None = None,
    direction: Direction = Direction.INBOUND,
    started_at: datetime = START,
    **rules: Any,
) -> ConsentDecision:
    subject = dataclasses.replace(call(parties, consent, direction=direction), started_at=started_at)
    return decide_consent(subject, dataclasses.replace(RULES, **rules), now, duration_s)


LATE = timedelta(seconds=361)
IN_TIME = timedelta(seconds=360)
VERBAL = {"method": Method.VERBAL}
ACCEPT = {"late_consent": LateConsent.ACCEPT}
REQUIRED = {"agent_consent": AgentConsent.REQUIRED}
BY_LAW = {"accepted_bases": frozenset({LAW})}

# name: parties, records, further arguments of `decide`, action, rule, keep_until_s
CASES: dict[str, tuple[tuple[Party, ...], list[ConsentRecord], dict[str, Any], Action, str, float | None]] = {
    # the minimal form
    "bare grant": ((), said(GRANTED), {}, KEEP, "all_party", None),
    "bare denial": ((), said(DENIED), {}, DISCARD, "denied", None),
    "bare unknown": ((), said(UNKNOWN), {}, HOLD, "unknown", None),
    "bare withdrawal": ((), said(WITHDRAWN), {}, DISCARD, "withdrawn", None),
    "nothing": ((), [], {}, HOLD, "no_record", None),
    "nothing, at the deadline": ((), [], {"now": DEADLINE}, DISCARD, "hold_ended", None),
    "nothing, just before it": (
        (), [], {"now": DEADLINE - timedelta(seconds=1)}, HOLD, "no_record", None),
    "unknown, after the deadline": ((), said(UNKNOWN), {"now": NOW + 30 * DAY}, DISCARD, "hold_ended", None),
    "nothing, no waiting": ((), [], {"hold_days": 0}, DISCARD, "hold_ended", None),
    "a grant needs no deadline": ((), said(GRANTED), {"now": NOW + 30 * DAY}, KEEP, "all_party", None),
    # purposes
    "recording alone": ((), only(RECORDING, GRANTED), {}, HOLD, "no_record", None),
    "transcription alone": ((), only(TRANSCRIPTION, GRANTED), {}, HOLD, "no_record", None),
    "recording alone is all that is asked": (
        (), only(RECORDING, GRANTED), {"required_purposes": (RECORDING,)}, KEEP, "all_party", None),
    "transcription denied": (
        (), only(RECORDING, GRANTED) + only(TRANSCRIPTION, DENIED), {}, DISCARD, "denied", None),
    "transcription denied, not asked": (
        (), only(RECORDING, GRANTED) + only(TRANSCRIPTION, DENIED),
        {"required_purposes": (RECORDING,)}, KEEP, "all_party", None),
    "review denied, not asked": ((), said(GRANTED) + only(REVIEW, DENIED), {}, KEEP, "all_party", None),
    "review denied, asked": (
        (), said(GRANTED) + only(REVIEW, DENIED),
        {"required_purposes": (RECORDING, TRANSCRIPTION, REVIEW)}, DISCARD, "denied", None),
    "review withdrawn in the call, not asked": (
        (), said(GRANTED) + only(REVIEW, WITHDRAWN, withdrawn_at_s=30.0), {}, KEEP, "all_party", None),
    "denial before unknown": (
        (), only(RECORDING, UNKNOWN) + only(TRANSCRIPTION, DENIED), {}, DISCARD, "denied", None),
    # one-party places
    "one party: customer": (TEXAS, said(GRANTED, 1), {}, KEEP, "one_party", None),
    "one party: agent on record": (TEXAS, said(GRANTED, 0), {}, KEEP, "one_party", None),
    "one party: agent on record, customer unknown": (
        TEXAS, said(GRANTED, 0) + said(UNKNOWN, 1), {}, KEEP, "one_party", None),
    "one party: agent merely assumed": (TEXAS, said(UNKNOWN, 1), {}, HOLD, "unknown", None),
    "one party: nobody": (TEXAS, [], {}, HOLD, "no_record", None),
    "one party: a denial counts": (TEXAS, said(GRANTED, 0) + said(DENIED, 1), {}, DISCARD, "denied", None),
    "one party: agent denies": (TEXAS, said(GRANTED, 1) + said(DENIED, 0), {}, DISCARD, "denied", None),
    "one party: unknown for all": (TEXAS, said(GRANTED, 1) + said(UNKNOWN), {}, HOLD, "unknown", None),
    "one party: two states": ((agent("US-NY"), customer()), said(GRANTED, 1), {}, KEEP, "one_party", None),
    "one party: country row covers a region": (
        (agent("IE-D"), customer("IE")), said(GRANTED, 0), {}, KEEP, "one_party", None),
    # all-party places
    "all party: customer in California": (CALIFORNIA, said(GRANTED, 1), {}, KEEP, "all_party", None),
    "all party: agent's record is not enough": (
        CALIFORNIA, said(GRANTED, 0), {}, HOLD, "party_missing", None),
    "all party: customer unknown": (
        CALIFORNIA, said(GRANTED, 0) + said(UNKNOWN, 1), {}, HOLD, "unknown", None),
    "all party: the agent's place counts": (
        (agent("US-CA"), customer()), said(GRANTED, 0), {}, HOLD, "party_missing", None),
    "all party: the agent's place counts, customer granted": (
        (agent("US-CA"), customer()), said(GRANTED, 1), {}, KEEP, "all_party", None),
    "all party: third party has no record": (
        (*TEXAS, Party(role=Role.THIRD_PARTY, jurisdiction="DE")),
        said(GRANTED, 1), {}, HOLD, "party_missing", None),
    "all party: third party too": (
        (*TEXAS, Party(role=Role.THIRD_PARTY, jurisdiction="DE")),
        said(GRANTED, 1) + said(GRANTED, 2), {}, KEEP, "all_party", None),
    "all party: one record for all": (CALIFORNIA, said(GRANTED), {}, KEEP, "all_party", None),
    "all party: supervisor is assumed": (
        (*CALIFORNIA, Party(role=Role.SUPERVISOR, jurisdiction="US-CA")),
        said(GRANTED, 1), {}, KEEP, "all_party", None),
    "all party: agent's record says unknown": (
        CALIFORNIA, said(GRANTED, 1) + said(UNKNOWN, 0), {}, HOLD, "unknown", None),
    # agents that must consent themselves
    "agent required, missing": (CALIFORNIA, said(GRANTED, 1), REQUIRED, HOLD, "party_missing", None),
    "agent required, there": (
        CALIFORNIA, said(GRANTED, 1) + said(GRANTED, 0), REQUIRED, KEEP, "all_party", None),
    "agent required, one party is enough": (TEXAS, said(GRANTED, 1), REQUIRED, KEEP, "one_party", None),
    "agent required, not listed": ((customer(),), said(GRANTED, 0), REQUIRED, HOLD, "party_missing", None),
    # unknown and unreadable places, parties that are not listed
    "place not known": ((agent(), customer(None)), said(GRANTED, 0), {}, HOLD, "party_missing", None),
    "place not known, customer granted": (
        (agent(), customer(None)), said(GRANTED, 1), {}, KEEP, "all_party", None),
    "country not listed": ((agent(), customer("BR")), said(GRANTED, 0), {}, HOLD, "party_missing", None),
    "state not listed falls to its country": (
        (agent(), customer("US-ZZ")), said(GRANTED, 0), {}, HOLD, "party_missing", None),
    "unreadable place": (
        (agent(), customer("unreadable")), said(GRANTED), {}, HOLD, "unreadable_place", None),
    "place in small letters": (
        (agent(), customer("us-tx")), said(GRANTED), {}, HOLD, "unreadable_place", None),
    "unreadable place, denied": (
        (agent(), customer("unreadable")), said(DENIED), {}, DISCARD, "denied", None),
    "unreadable place, after the deadline": (
        (agent(), customer("?")), said(GRANTED), {"now": DEADLINE}, DISCARD, "hold_ended", None),
    "customer not listed": ((agent(),), said(GRANTED, 0), {}, HOLD, "party_missing", None),
    "customer not listed, one record for all": ((agent(),), said(GRANTED), {}, KEEP, "all_party", None),
    "internal call of agents": (
        (agent(), agent()), said(GRANTED, 0), {"direction": Direction.INTERNAL}, KEEP, "one_party", None),
    "internal call of agents, no record": (
        (agent(), agent()), [], {"direction": Direction.INTERNAL}, HOLD, "no_record", None),
    "internal call, no party listed": (
        (), said(GRANTED), {"direction": Direction.INTERNAL}, KEEP, "all_party", None),
    "agent not listed": ((customer(),), said(GRANTED, 0), {}, KEEP, "all_party", None),
    "a grant of nobody": (TEXAS, said(GRANTED, 7), {}, HOLD, "no_such_party", None),
    "a grant of nobody beside one of all": (
        TEXAS, said(GRANTED) + said(GRANTED, 7), {}, KEEP, "one_party", None),
    "a record names nobody": (TEXAS, said(GRANTED) + said(UNKNOWN, 7), {}, HOLD, "no_such_party", None),
    "a record names nobody and denies": (TEXAS, said(GRANTED) + said(DENIED, 7), {}, DISCARD, "denied", None),
    "withdrawn too early, and no record of transcription": (
        (), only(RECORDING, WITHDRAWN, withdrawn_at_s=1.0), {}, DISCARD, "too_short", None),
    "negative party": (TEXAS, said(GRANTED, -1), {}, HOLD, "no_such_party", None),
    # conflicts: the most restrictive wins
    "granted and denied": (CALIFORNIA, said(GRANTED, 1) + said(DENIED, 1), {}, DISCARD, "denied", None),
    "granted and unknown": (CALIFORNIA, said(GRANTED, 1) + said(UNKNOWN, 1), {}, HOLD, "unknown", None),
    "granted for all, unknown for one": (
        CALIFORNIA, said(GRANTED) + said(UNKNOWN, 1), {}, HOLD, "unknown", None),
    "granted and withdrawn": (
        CALIFORNIA, said(GRANTED, 1) + said(WITHDRAWN, 1, withdrawn_at_s=40.0), {},
        KEEP, "kept_until_withdrawal", 40.0),
    "denied and withdrawn": (
        (), said(DENIED) + said(WITHDRAWN, withdrawn_at_s=40.0), {}, DISCARD, "denied", None),
    # expiry
    "expired": ((), said(GRANTED, expires_at=NOW - HOUR), {}, HOLD, "expired", None),
    "expired, within the skew": (
        (), said(GRANTED, expires_at=NOW - timedelta(seconds=299)), {}, KEEP, "all_party", None),
    "expired, by the skew": (
        (), said(GRANTED, expires_at=NOW - timedelta(seconds=300)), {}, HOLD, "expired", None),
    "expired, after the deadline": (
        (), said(GRANTED, expires_at=NOW), {"now": NOW + 8 * DAY}, DISCARD, "hold_ended", None),
    "expired, renewed": (
        (), said(GRANTED, expires_at=NOW - HOUR) + said(GRANTED), {}, KEEP, "all_party", None),
    "never ends": (
        (), said(GRANTED, expires_at=datetime.max.replace(tzinfo=UTC)), {}, KEEP, "all_party", None),
    "an expired denial still denies": ((), said(DENIED, expires_at=NOW - DAY), {}, DISCARD, "denied", None),
    "expired for one of two": (
        (customer("DE"), customer("DE")), said(GRANTED, 0) + said(GRANTED, 1, expires_at=START), {},
        HOLD, "expired", None),
    # when it was given
    "given years before": ((), said(GRANTED, given_at=START - 900 * DAY), {}, KEEP, "all_party", None),
    "given in time": ((), said(GRANTED, given_at=START + IN_TIME), {}, KEEP, "all_party", None),
    "given too late": ((), said(GRANTED, given_at=START + LATE), {}, HOLD, "given_too_late", None),
    "given in time, in the future": (
        (), said(GRANTED, given_at=START + timedelta(seconds=301)), {"now": START},
        HOLD, "given_too_late", None),
    "given too late, accepted": ((), said(GRANTED, given_at=START + LATE), ACCEPT, KEEP, "all_party", None),
    "given in the future": ((), said(GRANTED, given_at=NOW + DAY), ACCEPT, HOLD, "given_too_late", None),
    "given after the deadline": (
        (), said(GRANTED, given_at=DEADLINE), {**ACCEPT, "now": DEADLINE + DAY}, DISCARD, "hold_ended", None),
    "a denial in the future still denies": (
        (), said(DENIED, given_at=NOW + DAY), {}, DISCARD, "denied", None),
    # said in the call
    "said early": ((), said(GRANTED, **VERBAL, verbal_at_s=60.0), {}, KEEP, "all_party", None),
    "said late": ((), said(GRANTED, **VERBAL, verbal_at_s=61.0), {}, HOLD, "given_too_late", None),
    "said late, accepted": ((), said(GRANTED, **VERBAL, verbal_at_s=61.0), ACCEPT, KEEP, "all_party", None),
    "said at no known second": ((), said(GRANTED, **VERBAL), ACCEPT, HOLD, "given_too_late", None),
    "said before the call": ((), said(GRANTED, **VERBAL, verbal_at_s=-1.0), {}, HOLD, "given_too_late", None),
    "said at NaN": ((), said(GRANTED, **VERBAL, verbal_at_s=math.nan), ACCEPT, HOLD, "given_too_late", None),
    "said after the end": (
        (), said(GRANTED, **VERBAL, verbal_at_s=50.0), {"duration_s": 30.0}, HOLD, "given_too_late", None),
    # withdrawal in the call
    "withdrawn": (
        (), said(WITHDRAWN, withdrawn_at_s=42.5), {}, KEEP, "kept_until_withdrawal", 42.5),
    "withdrawn, policy discards": (
        (), said(WITHDRAWN, withdrawn_at_s=42.5), {"on_withdrawal": OnWithdrawal.DISCARD},
        DISCARD, "withdrawn", None),
    "withdrawn at the shortest": (
        (), said(WITHDRAWN, withdrawn_at_s=10.0), {}, KEEP, "kept_until_withdrawal", 10.0),
    "withdrawn too early": ((), said(WITHDRAWN, withdrawn_at_s=9.9), {}, DISCARD, "too_short", None),
    "withdrawn at 0": (
        (), said(WITHDRAWN, withdrawn_at_s=0.0), {"min_keep_s": 0.0}, DISCARD, "withdrawn", None),
    "withdrawn before 0": ((), said(WITHDRAWN, withdrawn_at_s=-5.0), {}, DISCARD, "withdrawn", None),
    "withdrawn at NaN": ((), said(WITHDRAWN, withdrawn_at_s=math.nan), {}, DISCARD, "withdrawn", None),
    "withdrawn at infinity": ((), said(WITHDRAWN, withdrawn_at_s=math.inf), {}, DISCARD, "withdrawn", None),
    "withdrawn at the end": (
        (), said(WITHDRAWN, withdrawn_at_s=100.9), {"duration_s": 100.0},
        KEEP, "kept_until_withdrawal", 100.9),
    "withdrawn beyond the end": (
        (), said(WITHDRAWN, withdrawn_at_s=101.1), {"duration_s": 100.0}, HOLD, "withdrawn_beyond_end", None),
    "withdrawn twice": (
        (), said(WITHDRAWN, withdrawn_at_s=80.0) + said(WITHDRAWN, withdrawn_at_s=50.0), {},
        KEEP, "kept_until_withdrawal", 50.0),
    "withdrawn by one of two": (
        TEXAS, said(GRANTED, 0) + said(WITHDRAWN, 1, withdrawn_at_s=50.0), {},
        KEEP, "kept_until_withdrawal", 50.0),
    "withdrawn by one, missing from another": (
        (customer("DE"), customer("DE")), said(WITHDRAWN, 0, withdrawn_at_s=50.0), {},
        HOLD, "party_missing", None),
    "withdrawn for one purpose only": (
        (), only(RECORDING, GRANTED) + only(TRANSCRIPTION, WITHDRAWN, withdrawn_at_s=33.0), {},
        KEEP, "kept_until_withdrawal", 33.0),
    "withdrawn at different seconds": (
        (),
        only(RECORDING, WITHDRAWN, withdrawn_at_s=70.0) + only(TRANSCRIPTION, WITHDRAWN, withdrawn_at_s=33.0),
        {}, KEEP, "kept_until_withdrawal", 33.0),
    "withdrawn, never in time": (
        (), said(WITHDRAWN, withdrawn_at_s=50.0, given_at=START + LATE), {}, HOLD, "given_too_late", None),
    "withdrawn, expired": (
        (), said(WITHDRAWN, withdrawn_at_s=50.0, expires_at=START), {}, HOLD, "expired", None),
    "withdrawn with and without a second": (
        (), said(WITHDRAWN, withdrawn_at_s=50.0) + said(WITHDRAWN), {}, DISCARD, "withdrawn", None),
    "withdrawn twice, once too early": (
        (), said(WITHDRAWN, withdrawn_at_s=50.0) + said(WITHDRAWN, withdrawn_at_s=5.0), {},
        DISCARD, "too_short", None),
    # lawful bases
    "basis and a grant": (
        (), said(UNKNOWN, lawful_basis=LAW) + said(GRANTED), BY_LAW, KEEP, "all_party", None),
    "basis, not accepted": ((), said(UNKNOWN, lawful_basis=LAW), {}, HOLD, "unknown", None),
    "basis, accepted": ((), said(UNKNOWN, lawful_basis=LAW), BY_LAW, KEEP, "lawful_basis", None),
    "another basis": ((), said(UNKNOWN, lawful_basis=INTERESTS), BY_LAW, HOLD, "unknown", None),
    "basis, expired": (
        (), said(UNKNOWN, lawful_basis=LAW, expires_at=START), BY_LAW, HOLD, "unknown", None),
    "basis and a denial": (
        (), said(UNKNOWN, lawful_basis=LAW) + said(DENIED), BY_LAW, DISCARD, "denied", None),
    "basis for one of two": (
        (customer("DE"), customer("DE")), said(UNKNOWN, 0, lawful_basis=LAW), BY_LAW,
        HOLD, "party_missing", None),
    "a grant with another basis": ((), said(GRANTED, lawful_basis=INTERESTS), {}, KEEP, "all_party", None),
    # clocks
    "starts in the future": (
        (), said(GRANTED), {"started_at": NOW + timedelta(seconds=301)}, HOLD, "future_start", None),
    "starts within the skew": (
        (), said(GRANTED), {"started_at": NOW + timedelta(seconds=300)}, KEEP, "all_party", None),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_decision(name: str) -> None:
    parties, consent, more, action, rule, keep_until_s = CASES[name]
    decision = decide(parties, consent, **more)
    assert (decision.action, decision.rule, decision.keep_until_s) == (action, rule, keep_until_s)
    assert decision.reason.endswith(".")
    assert (decision.hold_until is not None) == (action is HOLD)


def test_hold_names_its_deadline() -> None:
    assert decide((), []).hold_until == DEADLINE


def test_there_are_enough_cases_of_each_action() -> None:
    actions = [case[3] for case in CASES.values()]
    assert len(CASES) >= 60
    assert min(actions.count(action) for action in Action) >= 15


@pytest.mark.parametrize(
    ("consent", "expected"),
    [
        (said(GRANTED), (RECORDING, TRANSCRIPTION)),
        (said(GRANTED) + only(REVIEW, GRANTED), (RECORDING, TRANSCRIPTION, REVIEW)),
        (said(GRANTED) + only(REVIEW, DENIED), (RECORDING, TRANSCRIPTION)),
        (said(GRANTED) + only(REVIEW, WITHDRAWN, withdrawn_at_s=30.0), (RECORDING, TRANSCRIPTION)),
        (
            said(WITHDRAWN, withdrawn_at_s=30.0) + only(REVIEW, WITHDRAWN, withdrawn_at_s=30.0),
            (RECORDING, TRANSCRIPTION, REVIEW),
        ),
        (only(REVIEW, GRANTED), ()),
        (said(DENIED) + only(REVIEW, GRANTED), ()),
    ],
)
def test_allowed_purposes(consent: list[ConsentRecord], expected: tuple[Purpose, ...]) -> None:
    assert allowed_purposes(call((), consent), RULES, NOW) == expected


def moments(around: datetime) -> st.SearchStrategy[datetime]:
    return st.integers(-10 * 24 * 60, 10 * 24 * 60).map(lambda minutes: around + timedelta(minutes=minutes))


SECONDS = st.one_of(st.sampled_from([-1.0, 0.0, 5.0, 10.0, 30.0, 60.0, 90.0]), st.floats(0, 200))
RECORDS = st.builds(
    ConsentRecord,
    purpose=st.sampled_from([RECORDING, TRANSCRIPTION, REVIEW]),
    flag=st.sampled_from([GRANTED, GRANTED, GRANTED, WITHDRAWN, UNKNOWN, DENIED]),
    lawful_basis=st.sampled_from([None, LAW, LawfulBasis.CONSENT]),
    party=st.sampled_from([None, None, 0, 1, 2]),
    given_at=st.none() | moments(START),
    method=st.sampled_from([None, None, Method.VERBAL, Method.KEYPRESS]),
    verbal_at_s=st.none() | SECONDS,
    expires_at=st.none() | moments(NOW),
    withdrawn_at_s=st.none() | SECONDS,
)
PARTIES = st.lists(
    st.builds(
        Party,
        role=st.sampled_from(Role),
        jurisdiction=st.sampled_from([None, "US-TX", "US-TX", "US-CA", "IE", "unreadable"]),
    ),
    max_size=3,
).map(tuple)
# A grant for all first, so that a good part of the calls can be kept.
CONSENT = st.tuples(st.sampled_from([[], said(GRANTED), said(GRANTED)]), st.lists(RECORDS, max_size=5)).map(
    lambda parts: [*parts[0], *parts[1]]
)
ANY_RULES = st.builds(
    dataclasses.replace,
    st.just(RULES),
    accepted_bases=st.sampled_from([frozenset(), frozenset({LAW})]),
    agent_consent=st.sampled_from(AgentConsent),
    late_consent=st.sampled_from(LateConsent),
    on_withdrawal=st.sampled_from([OnWithdrawal.KEEP_UNTIL, OnWithdrawal.KEEP_UNTIL, OnWithdrawal.DISCARD]),
)
CALLS = st.builds(
    Call,
    call_id=st.just("c-1"),
    started_at=st.just(START),
    direction=st.sampled_from(Direction),
    parties=PARTIES,
    consent=CONSENT.map(tuple),
)
DURATIONS = st.none() | st.floats(0, 120)
NOWS = st.integers(2, 20 * 24 * 60).map(lambda minutes: START + timedelta(minutes=minutes))

_RANK = {DISCARD: 0, HOLD: 1, KEEP: 2}


def permission(decision: ConsentDecision) -> tuple[int, float]:
    """Larger is more permissive."""
    end_s = math.inf if decision.keep_until_s is None else decision.keep_until_s
    return _RANK[decision.action], end_s if decision.action is KEEP else 0.0


@given(CALLS, RECORDS, ANY_RULES, NOWS, DURATIONS)
@settings(max_examples=100, deadline=None)
def test_a_denial_more_never_permits_more(subject, record, rules, now, duration_s):
    denial = dataclasses.replace(record, flag=DENIED)
    more = dataclasses.replace(subject, consent=(*subject.consent, denial))
    before, after = (
        decide_consent(subject, rules, now, duration_s),
        decide_consent(more, rules, now, duration_s),
    )
    assert permission(after) <= permission(before)
    if denial.purpose in rules.required_purposes:
        assert after.action is DISCARD


@given(CALLS, ANY_RULES, NOWS, DURATIONS, st.data())
@settings(max_examples=100, deadline=None)
def test_a_grant_less_never_permits_more(subject, rules, now, duration_s, data):
    grants = [index for index, record in enumerate(subject.consent) if record.flag is GRANTED]
    gone = data.draw(st.sets(st.sampled_from(grants))) if grants else set()
    kept = tuple(record for index, record in enumerate(subject.consent) if index not in gone)
    less = dataclasses.replace(subject, consent=kept)
    before, after = (
        decide_consent(subject, rules, now, duration_s),
        decide_consent(less, rules, now, duration_s),
    )
    assert permission(after) <= permission(before)


@given(CALLS, NOWS, DURATIONS)
@settings(max_examples=100, deadline=None)
def test_nothing_is_kept_without_a_grant(subject, now, duration_s):
    consent = tuple(record for record in subject.consent if record.flag in (UNKNOWN, DENIED))
    assert (
        decide_consent(dataclasses.replace(subject, consent=consent), RULES, now, duration_s).action
        is not KEEP
    )


@given(CALLS, ANY_RULES, NOWS, st.integers(0, 30 * 24 * 60), DURATIONS)
@settings(max_examples=100, deadline=None)
def test_time_never_permits_more(subject, rules, now, minutes, duration_s):
    # A grant that is dated later than now begins to count when its day comes, if late consent is accepted.
    skew = timedelta(seconds=rules.clock_skew_s)
    past = tuple(
        record for record in subject.consent if record.given_at is None or record.given_at <= now + skew
    )
    subject = dataclasses.replace(subject, consent=past)
    before = decide_consent(subject, rules, now, duration_s)
    after = decide_consent(subject, rules, now + timedelta(minutes=minutes), duration_s)
    assert permission(after) <= permission(before)


@given(CALLS, ANY_RULES, NOWS, DURATIONS, st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_the_order_of_records_does_not_matter(subject, rules, now, duration_s, random):
    shuffled = list(subject.consent)
    random.shuffle(shuffled)
    other = dataclasses.replace(subject, consent=tuple(shuffled))
    assert decide_consent(subject, rules, now, duration_s) == decide_consent(other, rules, now, duration_s)
    assert allowed_purposes(subject, rules, now) == allowed_purposes(other, rules, now)


@given(CALLS, ANY_RULES, NOWS, DURATIONS)
@settings(max_examples=100, deadline=None)
def test_what_is_kept_ends_before_every_withdrawal(subject, rules, now, duration_s):
    decision = decide_consent(subject, rules, now, duration_s)
    if decision.action is KEEP:
        for record in subject.consent:
            if record.flag is WITHDRAWN and record.purpose in rules.required_purposes:
                assert decision.keep_until_s is not None
                assert decision.keep_until_s <= record.withdrawn_at_s


@given(CALLS, NOWS, DURATIONS, st.sampled_from(["DE", "US-CA", "BR", None]), st.integers(0, 2))
@settings(max_examples=100, deadline=None)
def test_a_stricter_place_never_permits_more(subject, now, duration_s, where, index):
    if index >= len(subject.parties) or subject.parties[index].jurisdiction == "unreadable":
        return
    parties = list(subject.parties)
    parties[index] = dataclasses.replace(parties[index], jurisdiction=where)
    moved = dataclasses.replace(subject, parties=tuple(parties))
    before, after = (
        decide_consent(subject, RULES, now, duration_s),
        decide_consent(moved, RULES, now, duration_s),
    )
    assert permission(after) <= permission(before)
