from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callveil.retention.policy import decide, fits, group_facts, midnight
from callveil.retention.traits import call_facts, call_traits
from callveil.retention.words import period_words
from callveil.testing.builders import START, call
from callveil.vocabulary.consent import ConsentRecord, Flag, LawfulBasis, Purpose
from callveil.vocabulary.retention import (
    CallFacts,
    CallGroup,
    CallTraits,
    Decision,
    Fate,
    Hold,
    HoldScope,
    KeptPart,
    Match,
    Period,
    Policy,
)
from callveil.vocabulary.rights import Request, RequestKind, RequestState

AUDIO, TRANSCRIPT, ORIGINAL, CERTIFICATE = KeptPart
KEEP, RESTRICT, DELETE = Fate.KEEP, Fate.RESTRICT, Fate.DELETE

ENDED = datetime(2026, 11, 23, 9, 40, tzinfo=UTC)
LATER = datetime(2030, 1, 1, tzinfo=UTC)
NOW = datetime(2027, 1, 1, tzinfo=UTC)


def years(n: int) -> Period:
    return Period(months=12 * n)


def days(n: int) -> Period:
    return Period(days=n)


STANDARD = Policy(
    name="standard", fallback=True, keep=dict.fromkeys((AUDIO, TRANSCRIPT, CERTIFICATE), days(365))
)
SEALING = replace(STANDARD, keep={**STANDARD.keep, ORIGINAL: days(30)})
SALES = Policy(name="sales", keep={AUDIO: years(2), TRANSCRIPT: years(3)})
QUALITY = Policy(name="quality", keep={AUDIO: days(90), TRANSCRIPT: days(90)})
MIFID = Policy(
    name="mifid", match=Match(tags=frozenset({"mifid"})), duty={ORIGINAL: years(5)}, law="MiFID II Art. 16(7)"
)
PRIVACY = Policy(name="privacy", maximum={AUDIO: years(1)}, law="a works agreement")
CONTRACT = Policy(name="contract", keep={AUDIO: years(2)}, since="contract_end")

HOLD = Hold(
    hold_id="hold-0123456789ab",
    scope=HoldScope.CALL,
    reason="matter 17",
    authority="Commercial Court",
    placed_by="cli:ada",
    placed_at=ENDED,
)


def facts(*tags: str, **events: datetime) -> CallFacts:
    traits = CallTraits(outcome="published", queue="sales", tags=frozenset(tags))
    return CallFacts(call_id="c-1", traits=traits, ended_at=ENDED, events=events)


def asked(kind: RequestKind, state: RequestState = RequestState.OPEN) -> Request:
    return Request(
        request_id="req-0123456789ab",
        kind=kind,
        state=state,
        identities=(),
        received_at=ENDED,
        due_at=ENDED + timedelta(days=30),
    )


ERASURE, RESTRICTION = asked(RequestKind.ERASURE), asked(RequestKind.RESTRICTION)


def fates(decision: Decision) -> dict[KeptPart, Fate]:
    return {part.part: part.fate for part in decision.parts}


def untils(decision: Decision) -> dict[KeptPart, datetime | None]:
    return {part.part: part.until for part in decision.parts}


def of(decision: Decision, part: KeptPart):
    return next(found for found in decision.parts if found.part is part)


def test_the_fallback_counts_where_nothing_else_does():
    found = decide(facts(), [STANDARD], [], [], NOW)
    assert set(untils(found).values()) == {ENDED + timedelta(days=365)}
    assert {part.policy for part in found.parts} == {"standard"}
    assert found.fate is KEEP
    assert of(found, AUDIO).reason == (
        'Kept until 2027-11-23: by policy "standard" the audio is kept 365 days from the end of the call.'
    )


def test_another_policy_takes_the_place_of_the_fallback_even_when_it_is_shorter():
    found = decide(facts(), [QUALITY, STANDARD], [], [], NOW)
    assert untils(found)[AUDIO] == ENDED + timedelta(days=90)


def test_a_policy_that_only_says_at_most_leaves_the_fallback_in_place():
    found = decide(facts(), [PRIVACY, STANDARD], [], [], NOW)
    assert untils(found)[TRANSCRIPT] == ENDED + timedelta(days=365)
    longer = replace(STANDARD, keep={AUDIO: years(9)})
    found = decide(facts(), [PRIVACY, longer], [], [], NOW)
    assert untils(found)[AUDIO] == ENDED.replace(year=2027)


def test_without_any_policy_everything_stays():
    found = decide(facts(), [], [], [], LATER)
    assert set(fates(found).values()) == {KEEP}
    assert set(untils(found).values()) == {None}
    assert "no policy" in of(found, AUDIO).reason


def test_the_longest_policy_wins_and_says_so():
    found = decide(facts(), [QUALITY, SALES, STANDARD], [], [], NOW)
    assert untils(found)[AUDIO] == ENDED.replace(year=2028)
    assert of(found, AUDIO).policy == "sales"
    assert of(found, AUDIO).reason == (
        'Kept until 2028-11-23: by policy "sales" the audio is kept 2 years from the end of the call, '
        "the longest of 2."
    )


def test_a_maximum_caps_and_says_so():
    found = decide(facts(), [SALES, PRIVACY], [], [], NOW)
    assert untils(found)[AUDIO] == ENDED.replace(year=2027)
    assert of(found, AUDIO).policy == "privacy"
    assert "a works agreement" in of(found, AUDIO).reason
    assert untils(found)[TRANSCRIPT] == ENDED.replace(year=2029)


def test_a_duty_goes_beyond_a_maximum():
    duty = replace(MIFID, duty={AUDIO: years(5)})
    found = decide(facts("mifid"), [SALES, PRIVACY, duty], [], [], NOW)
    assert untils(found)[AUDIO] == ENDED.replace(year=2031)
    assert "must be kept 5 years" in of(found, AUDIO).reason


def test_a_policy_for_other_calls_does_not_matter():
    assert untils(decide(facts(), [MIFID, STANDARD], [], [], NOW))[AUDIO] == ENDED + timedelta(days=365)


def test_a_part_that_no_policy_names_lives_as_long_as_the_longest_other():
    found = decide(facts(), [replace(SALES, keep={AUDIO: days(10), TRANSCRIPT: years(3)})], [], [], NOW)
    assert untils(found)[ORIGINAL] == untils(found)[TRANSCRIPT] == ENDED.replace(year=2029)
    assert "as long as the transcript" in of(found, ORIGINAL).reason


def test_a_sealed_original_lives_by_the_profile_where_no_policy_names_it():
    found = decide(facts(), [SALES, SEALING], [], [], NOW)
    assert untils(found)[ORIGINAL] == ENDED + timedelta(days=30)
    assert fates(found)[ORIGINAL] is DELETE
    named = decide(facts("mifid"), [SALES, MIFID, SEALING], [], [], NOW)
    assert untils(named)[ORIGINAL] == ENDED.replace(year=2031)


def test_the_certificate_outlives_what_it_proves():
    short = replace(SALES, keep={AUDIO: years(3), CERTIFICATE: years(1)}, maximum={CERTIFICATE: years(1)})
    found = decide(facts(), [short], [], [], NOW)
    assert untils(found)[CERTIFICATE] == ENDED.replace(year=2029)
    assert "proves the audio" in of(found, CERTIFICATE).reason


def test_an_event_that_has_not_come_keeps_the_part_open():
    found = decide(facts(), [CONTRACT, SALES], [], [], LATER)
    assert (fates(found)[AUDIO], untils(found)[AUDIO]) == (KEEP, None)
    assert fates(found)[TRANSCRIPT] is DELETE
    assert 'from the event "contract_end", which has not come' in of(found, AUDIO).reason


def test_a_maximum_from_the_end_of_the_call_closes_what_is_open():
    found = decide(facts(), [CONTRACT, PRIVACY], [], [], NOW)
    assert untils(found)[AUDIO] == ENDED.replace(year=2027)


def test_a_maximum_from_an_event_that_has_not_come_closes_nothing():
    waiting = replace(PRIVACY, since="contract_end")
    assert untils(decide(facts(), [CONTRACT, waiting], [], [], NOW))[AUDIO] is None


def test_an_event_that_came_starts_the_period():
    came = datetime(2028, 2, 29, tzinfo=UTC)
    found = decide(facts(contract_end=came), [CONTRACT], [], [], NOW)
    assert untils(found)[AUDIO] == datetime(2030, 2, 28, tzinfo=UTC)


def test_what_is_over_is_deleted_with_its_reason():
    found = decide(facts(), [STANDARD], [], [], LATER)
    assert found.fate is DELETE
    assert of(found, AUDIO).reason.startswith("Its time ended on 2027-11-23: by policy")


def test_at_the_very_instant_of_its_end_a_part_is_still_kept():
    end = ENDED + timedelta(days=365)
    assert decide(facts(), [STANDARD], [], [], end).fate is KEEP
    assert decide(facts(), [STANDARD], [], [], end + timedelta(microseconds=1)).fate is DELETE


def test_a_hold_keeps_what_is_over_and_names_who_demands_it():
    found = decide(facts(), [STANDARD], [HOLD], [], LATER)
    assert set(fates(found).values()) == {KEEP}
    assert set(untils(found).values()) == {None}
    assert "Commercial Court" in of(found, AUDIO).reason


@pytest.mark.parametrize("request_", [ERASURE, RESTRICTION])
def test_a_hold_makes_a_request_a_restriction(request_):
    found = decide(facts(), [STANDARD], [HOLD], [request_], LATER)
    assert set(fates(found).values()) == {RESTRICT}
    assert found.until is None
    assert "Commercial Court" in of(found, AUDIO).reason


def test_a_hold_that_has_ended_holds_nothing():
    ended = replace(HOLD, released_at=NOW)
    assert decide(facts(), [STANDARD], [ended], [], LATER).fate is DELETE


def test_several_holds_are_counted():
    found = decide(facts(), [STANDARD], [HOLD, replace(HOLD, authority="Tax Office")], [], NOW)
    assert "Commercial Court and 1 more" in of(found, AUDIO).reason


@pytest.mark.parametrize("state", [RequestState.OPEN, RequestState.RUNNING, RequestState.PARTLY_DONE])
def test_an_erasure_deletes_what_no_duty_keeps(state):
    found = decide(facts(), [STANDARD], [], [asked(RequestKind.ERASURE, state)], NOW)
    assert found.fate is DELETE


@pytest.mark.parametrize("state", [RequestState.DONE, RequestState.REFUSED])
def test_a_closed_request_does_not_matter(state):
    requests = [asked(RequestKind.ERASURE, state), asked(RequestKind.RESTRICTION, state)]
    assert decide(facts(), [STANDARD], [], requests, NOW).fate is KEEP


@pytest.mark.parametrize("kind", [RequestKind.ACCESS, RequestKind.PORTABILITY, RequestKind.WITHDRAWAL])
def test_other_requests_do_not_matter(kind):
    assert decide(facts(), [STANDARD], [], [asked(kind)], NOW).fate is KEEP


def test_an_erasure_leaves_what_a_duty_keeps_and_what_proves_it():
    found = decide(facts("mifid"), [SALES, MIFID], [], [ERASURE], NOW)
    assert fates(found) == {AUDIO: DELETE, TRANSCRIPT: DELETE, ORIGINAL: RESTRICT, CERTIFICATE: RESTRICT}
    assert untils(found)[ORIGINAL] == untils(found)[CERTIFICATE] == ENDED.replace(year=2031)
    assert "MiFID II Art. 16(7)" in of(found, ORIGINAL).reason
    assert "2031-11-23" in of(found, ORIGINAL).reason
    assert found.fate is RESTRICT


def test_an_erasure_is_complete_once_the_duty_has_ended():
    assert decide(facts("mifid"), [SALES, MIFID], [], [ERASURE], ENDED.replace(year=2032)).fate is DELETE


def test_a_duty_from_an_event_that_has_not_come_restricts_without_a_date():
    duty = replace(MIFID, duty={AUDIO: years(5)}, since="contract_end")
    found = decide(facts("mifid"), [duty], [], [ERASURE], LATER)
    assert (fates(found)[AUDIO], untils(found)[AUDIO]) == (RESTRICT, None)
    assert "has not come" in of(found, AUDIO).reason


def test_a_keep_that_is_no_duty_does_not_stop_an_erasure():
    assert decide(facts(), [SALES], [], [ERASURE], NOW).fate is DELETE


def test_a_restriction_keeps_what_is_over():
    found = decide(facts(), [STANDARD], [], [RESTRICTION], LATER)
    assert set(fates(found).values()) == {RESTRICT}
    assert found.until is None
    assert "Art. 18" in of(found, AUDIO).reason


def test_a_call_that_is_restricted_without_an_open_request_is_not_deleted():
    assert decide(facts(), [STANDARD], [], [], LATER, restricted=True).fate is RESTRICT


def test_an_erasure_goes_before_a_restriction():
    assert decide(facts(), [STANDARD], [], [RESTRICTION, ERASURE], NOW, restricted=True).fate is DELETE


def test_parts_that_are_gone_are_not_decided():
    gone = replace(facts(), gone=frozenset({AUDIO, ORIGINAL}))
    assert set(fates(decide(gone, [STANDARD], [], [], NOW))) == {TRANSCRIPT, CERTIFICATE}


TRAITS = CallTraits(
    outcome="published",
    queue="sales",
    direction="inbound",
    jurisdictions=frozenset({"GB", "US-CA"}),
    purposes=frozenset({"recording"}),
    tags=frozenset({"mifid", "vip"}),
)


@pytest.mark.parametrize(
    ("match", "is_fit"),
    [
        ({}, True),
        ({"queues": {"sales", "support"}}, True),
        ({"queues": {"support"}}, False),
        ({"directions": {"inbound"}}, True),
        ({"directions": {"outbound"}}, False),
        ({"outcomes": {"published"}}, True),
        ({"outcomes": {"failed"}}, False),
        ({"tags": {"vip", "other"}}, True),
        ({"tags": {"other"}}, False),
        ({"purposes": {"recording", "analytics"}}, True),
        ({"purposes": {"analytics"}}, False),
        ({"jurisdictions": {"US"}}, True),
        ({"jurisdictions": {"US-CA"}}, True),
        ({"jurisdictions": {"US-NY"}}, False),
        ({"jurisdictions": {"GB-ENG"}}, False),
        ({"queues": {"sales"}, "tags": {"other"}}, False),
    ],
)
def test_fits(match, is_fit):
    assert fits(Match(**{key: frozenset(values) for key, values in match.items()}), TRAITS) is is_fit


@pytest.mark.parametrize("field", ["queues", "tags", "purposes", "jurisdictions"])
def test_a_call_of_which_nothing_is_known_fits_no_policy_that_asks(field):
    assert not fits(Match(**{field: frozenset({"GB"})}), CallTraits(outcome="failed"))


def test_traits_of_a_call():
    records = (
        ConsentRecord(purpose=Purpose.RECORDING, flag=Flag.GRANTED, party=0),
        ConsentRecord(purpose=Purpose.ANALYTICS, flag=Flag.GRANTED, party=0),
        ConsentRecord(purpose=Purpose.ANALYTICS, flag=Flag.DENIED, party=1),
        ConsentRecord(purpose=Purpose.QUALITY_REVIEW, flag=Flag.WITHDRAWN),
        ConsentRecord(
            purpose=Purpose.TRANSCRIPTION, flag=Flag.UNKNOWN, lawful_basis=LawfulBasis.LEGAL_OBLIGATION
        ),
    )
    tagged = replace(call(consent=records), queue="sales", tags=("vip",))
    traits = call_traits(tagged, "published")
    assert traits.purposes == {"recording", "transcription"}
    assert (traits.queue, traits.direction, traits.jurisdictions, traits.tags) == (
        "sales",
        "inbound",
        {"GB"},
        {"vip"},
    )
    assert call_facts(tagged, "published", 60).ended_at == START + timedelta(seconds=60)


@pytest.mark.parametrize(
    ("period", "words"),
    [
        (years(7), "7 years"),
        (years(1), "1 year"),
        (Period(months=18), "18 months"),
        (days(1), "1 day"),
        (Period(months=1, days=10), "1 month and 10 days"),
        (Period(), "0 days"),
    ],
)
def test_period_words(period, words):
    assert period_words(period) == words


# ---------------------------------------------------------------- properties

_TAGS = st.frozensets(st.sampled_from(["a", "b", "c"]), max_size=3)
_PERIODS = st.builds(Period, months=st.integers(0, 36), days=st.integers(0, 400))
_BY_PART = st.dictionaries(st.sampled_from(KeptPart), _PERIODS, max_size=4)
_TIMES = st.integers(0, 4 * 366 * 86400).map(lambda second: LATER - timedelta(days=2200, seconds=-second))
_NOWS = st.integers(0, 12 * 366 * 86400).map(lambda second: LATER - timedelta(days=2200, seconds=-second))
_POLICY = st.builds(
    Policy,
    name=st.sampled_from(["one", "two", "three"]),
    match=st.builds(Match, tags=_TAGS),
    keep=_BY_PART,
    duty=_BY_PART,
    maximum=_BY_PART,
    since=st.sampled_from(["call_end", "contract_end"]),
    law=st.sampled_from(["", "a law"]),
    fallback=st.booleans(),
)
_POLICIES = st.lists(_POLICY, max_size=4)
_FACTS = st.builds(
    CallFacts,
    call_id=st.just("c-1"),
    traits=st.builds(CallTraits, outcome=st.just("published"), tags=_TAGS),
    ended_at=_TIMES,
    events=st.dictionaries(st.just("contract_end"), _TIMES),
    gone=st.frozensets(st.sampled_from(KeptPart)),
)
_HOLD = st.builds(
    replace, st.just(HOLD), released_at=st.one_of(st.none(), _NOWS), authority=st.sampled_from(["A", "B"])
)
_HOLDS = st.lists(_HOLD, max_size=3)
_REQUESTS = st.lists(
    st.builds(asked, st.sampled_from(RequestKind), st.sampled_from(RequestState)), max_size=3
)


@given(_FACTS, _POLICIES, _HOLDS, _REQUESTS, _NOWS, st.booleans())
def test_a_standing_hold_never_leads_to_deletion(call_, policies, holds, requests, now, restricted):
    decision = decide(call_, policies, [*holds, HOLD], requests, now, restricted=restricted)
    assert DELETE not in fates(decision).values()
    assert set(untils(decision).values()) <= {None}


@given(_FACTS, _POLICIES, _HOLDS, _HOLD, _REQUESTS, _NOWS)
def test_another_hold_never_deletes_more(call_, policies, holds, hold, requests, now):
    before = fates(decide(call_, policies, holds, requests, now))
    after = fates(decide(call_, policies, [*holds, hold], requests, now))
    assert all(before[part] is DELETE for part, fate in after.items() if fate is DELETE)


@given(_FACTS, _POLICIES, _POLICY, st.lists(st.just(ERASURE), max_size=1), _NOWS)
def test_another_policy_never_deletes_what_a_duty_keeps(call_, policies, added, requests, now):
    duties = [policy for policy in policies if policy.duty and not policy.fallback]
    only = [replace(policy, keep={}, maximum={}) for policy in duties]
    kept = fates(decide(call_, only, [], [ERASURE], now))
    after = fates(decide(call_, [*policies, added], [], requests, now))
    assert all(after[part] is not DELETE for part, fate in kept.items() if fate is RESTRICT)


@given(_FACTS, _POLICIES, _POLICY, _NOWS)
def test_another_policy_never_shortens_the_time_of_a_restriction(call_, policies, added, now):
    before, after = (
        untils(decide(call_, chosen, [], [ERASURE], now)) for chosen in (policies, [*policies, added])
    )
    for part, until in before.items():
        assert after[part] is None or (until is not None and after[part] >= until)


@given(_FACTS, _POLICIES, _NOWS)
def test_the_certificate_is_never_deleted_before_what_it_proves(call_, policies, now):
    call_ = replace(call_, gone=frozenset())
    for requests in ([], [ERASURE]):
        found = untils(decide(call_, policies, [], requests, now))
        last = found[CERTIFICATE]
        assert last is None or all(until is not None and until <= last for until in found.values())


@given(_FACTS, _POLICIES, _HOLDS, _REQUESTS, _NOWS, _NOWS, st.booleans())
def test_what_is_to_be_deleted_stays_so(call_, policies, holds, requests, now, later, restricted):
    now, later = sorted((now, later))
    before = fates(decide(call_, policies, holds, requests, now, restricted=restricted))
    after = fates(decide(call_, policies, holds, requests, later, restricted=restricted))
    assert all(after[part] is DELETE for part, fate in before.items() if fate is DELETE)


@given(_FACTS, _POLICIES, _HOLDS, _REQUESTS, _NOWS)
def test_the_order_of_policies_holds_and_requests_does_not_matter(call_, policies, holds, requests, now):
    found = decide(call_, policies, holds, requests, now)
    turned = decide(call_, policies[::-1], holds[::-1], requests[::-1], now)
    assert fates(found) == fates(turned)
    assert untils(found) == untils(turned)


@settings(max_examples=300)
@given(_FACTS, _POLICIES, st.dates(date(2024, 1, 1), date(2035, 1, 1)), st.booleans())
def test_at_midnight_a_group_is_decided_as_each_of_its_calls_is(call_, policies, day, at_midnight):
    ended_at = midnight(call_.ended_at.date()) if at_midnight else call_.ended_at
    call_ = replace(call_, events={}, ended_at=ended_at)
    group = CallGroup(
        traits=call_.traits, ended_on=call_.ended_at.date(), gone=call_.gone, n_calls=3, duration_s=9.0
    )
    one = decide(call_, policies, [], [], midnight(day))
    all_ = decide(group_facts(group), policies, [], [], midnight(day))
    assert fates(one) == fates(all_)
    assert [part.policy for part in one.parts] == [part.policy for part in all_.parts]
    assert [part.until and part.until.date() for part in one.parts] == [
        part.until and part.until.date() for part in all_.parts
    ]
