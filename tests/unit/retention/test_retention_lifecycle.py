import json
from datetime import UTC, datetime, timedelta
from xml.etree.ElementTree import fromstring

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from callveil.cli import app
from callveil.errors import MetadataError
from callveil.retention.lifecycle import (
    MARGIN_DAYS,
    at_most_days,
    lifecycle_rules,
    rules_json,
    rules_xml,
)
from callveil.retention.policy import decide
from callveil.vocabulary.retention import CallFacts, CallTraits, KeptPart, Match, Period, Policy

YEAR = Period(months=12)
FREE = {"callveil-hold": "no", "callveil-restricted": "no"}


def rules_of(policies, *, prefix="", hidden_days=None):
    return {rule.rule_id: rule for rule in lifecycle_rules(policies, prefix=prefix, hidden_days=hidden_days)}


def keep(name, period, *parts, **more):
    return Policy(name=name, keep=dict.fromkeys(parts or (KeptPart.AUDIO,), period), **more)


def test_each_policy_has_a_rule_for_what_is_free():
    rules = rules_of([keep("standard", YEAR), keep("long", Period(months=84))], prefix="store/")
    rule = rules["callveil-keep-standard"]
    assert rule.prefix == "store/calls/"
    assert rule.tags == {**FREE, "callveil-retention": "standard"}
    assert rule.expire_days == 366 + MARGIN_DAYS
    assert rule.noncurrent_days == rule.expire_days
    assert rules["callveil-any"].expire_days == 7 * 366 + MARGIN_DAYS
    assert "callveil-keep-long" not in rules, "it would say the same"
    assert all(rule.tags.items() >= FREE.items() for rule in rules.values() if rule.expire_days)
    assert rules["callveil-delete-markers"].delete_markers
    assert rules["callveil-uploads"].upload_days == 7


def test_no_rule_is_shorter_than_any_duty():
    duty = Policy(name="mifid", duty={KeptPart.AUDIO: Period(months=84)})
    rules = rules_of([keep("standard", YEAR), duty])
    assert "callveil-keep-standard" not in rules
    assert {rule.expire_days for rule in rules.values() if rule.expire_days} == {7 * 366 + MARGIN_DAYS}


def test_a_policy_that_counts_from_an_event_has_no_rule_and_leaves_no_rule_for_all():
    rules = rules_of([keep("standard", YEAR), keep("complaints", YEAR, since="case_closed")])
    assert set(rules) == {"callveil-keep-standard", "callveil-delete-markers", "callveil-uploads"}


def test_two_policies_of_a_name_of_which_one_counts_from_an_event_have_no_rule():
    rules = rules_of([keep("a", YEAR), keep("a", YEAR, since="case_closed"), keep("b", YEAR)])
    assert "callveil-keep-a" not in rules
    assert "callveil-keep-b" in rules


def test_a_policy_that_set_the_date_by_a_maximum_has_a_rule():
    limit = Policy(name="works-agreement", maximum={KeptPart.AUDIO: YEAR})
    rule = rules_of([keep("standard", Period(months=84)), limit])["callveil-keep-works-agreement"]
    assert rule.expire_days == 366 + MARGIN_DAYS


def test_without_policies_nothing_is_deleted_by_age():
    assert not [rule for rule in rules_of([]).values() if rule.expire_days or rule.noncurrent_days]


def test_what_is_hidden_by_mistake_stays_as_long_as_a_call_unless_told_otherwise():
    policies = [keep("standard", YEAR), keep("long", Period(months=24))]
    for rule in rules_of(policies).values():
        assert rule.noncurrent_days == rule.expire_days
    rules = rules_of(policies, hidden_days=30).values()
    assert {rule.noncurrent_days for rule in rules if rule.expire_days} == {30}


def test_more_policies_than_a_bucket_has_rules_for_leave_one_for_all():
    rules = rules_of([keep(f"p{number}", Period(days=number + 1)) for number in range(1200)])
    assert set(rules) == {"callveil-any", "callveil-delete-markers", "callveil-uploads"}
    assert rules["callveil-any"].expire_days == 1200 + MARGIN_DAYS


moments = st.integers(0, 40_000).map(lambda days: datetime(2000, 1, 1, 12, tzinfo=UTC) + timedelta(days=days))
periods = st.builds(Period, months=st.integers(0, 240), days=st.integers(0, 4000))
parts = st.dictionaries(st.sampled_from(KeptPart), periods, max_size=3)


@given(moments, periods)
def test_no_period_is_longer_than_the_days_it_counts_for(moment, period):
    assert period.after(moment) - moment <= timedelta(days=at_most_days(period))


@given(
    moments,
    st.lists(
        st.builds(
            Policy,
            name=st.sampled_from("abcd"),
            match=st.builds(Match, queues=st.sampled_from([frozenset(), frozenset({"q"}), frozenset({"r"})])),
            keep=parts,
            duty=parts,
            maximum=parts,
            since=st.sampled_from(["call_end", "call_end", "call_end", "closed"]),
        ),
        max_size=5,
    ),
)
def test_nothing_is_hidden_before_our_own_rules_let_it_go(ended_at, policies):
    call = CallFacts(call_id="c-1", traits=CallTraits(outcome="published", queue="q"), ended_at=ended_at)
    decided = decide(call, policies, (), (), ended_at).parts
    rules = rules_of(policies)
    last = [part for part in decided if part.until is None]
    last = last or sorted(decided, key=lambda part: part.until)[-1:]
    for part in last:
        for rule_id in (f"callveil-keep-{part.policy}", "callveil-any"):
            if part.policy is not None and rule_id in rules:
                days = rules[rule_id].expire_days
                assert part.until is not None
                assert part.until + timedelta(days=MARGIN_DAYS - 1) <= ended_at + timedelta(days=days)


def test_json_and_xml_say_the_same():
    policies = [keep("standard", YEAR), keep("long", Period(months=24))]
    rules = lifecycle_rules(policies, prefix="s/", hidden_days=30)
    first, *_, markers, uploads = rules_json(rules)["Rules"]
    assert first == {
        "ID": "callveil-keep-standard",
        "Filter": {
            "And": {
                "Prefix": "s/calls/",
                "Tags": [
                    {"Key": "callveil-hold", "Value": "no"},
                    {"Key": "callveil-restricted", "Value": "no"},
                    {"Key": "callveil-retention", "Value": "standard"},
                ],
            }
        },
        "Status": "Enabled",
        "Expiration": {"Days": 396},
        "NoncurrentVersionExpiration": {"NoncurrentDays": 30},
    }
    assert (markers["Filter"], markers["Expiration"]) == (
        {"Prefix": "s/calls/"},
        {"ExpiredObjectDeleteMarker": True},
    )
    assert uploads["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}
    space = "{http://s3.amazonaws.com/doc/2006-03-01/}"
    root = fromstring(rules_xml(rules))
    assert [rule.findtext(f"{space}ID") for rule in root] == [rule.rule_id for rule in rules]
    both = root[0].find(f"{space}Filter/{space}And")
    assert [child.tag.removeprefix(space) for child in both] == ["Prefix", "Tag", "Tag", "Tag"]
    assert root[0].findtext(f"{space}Expiration/{space}Days") == "396"
    assert root[-2].findtext(f"{space}Expiration/{space}ExpiredObjectDeleteMarker") == "true"


def lifecycle(*arguments):
    return CliRunner().invoke(app, ["store", "lifecycle", *arguments])


def test_the_rules_of_a_profile_are_printed():
    told = json.loads(lifecycle("s3://bucket/a/b/", "--json").stdout)
    by_id = {rule["ID"]: rule for rule in told["Rules"]}
    assert by_id["callveil-any"]["Filter"]["And"]["Prefix"] == "a/b/calls/"
    assert by_id["callveil-any"]["Expiration"]["Days"] >= 365 + MARGIN_DAYS
    assert fromstring(lifecycle("--xml").stdout).tag.endswith("LifecycleConfiguration")
    assert "callveil-any" in lifecycle().stdout


@pytest.mark.parametrize("arguments", [["folder"], ["--json", "--xml"], ["https://x/y"]])
def test_wrong_use_is_refused(arguments):
    assert isinstance(lifecycle(*arguments).exception, MetadataError)
