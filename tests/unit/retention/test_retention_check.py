import pytest

from callveil.adapters.retention_policies import parse_period
from callveil.retention.check import check_policies
from callveil.vocabulary.retention import KeptPart, Match, Policy


def policy(name: str, *, match=None, since="call_end", fallback=False, **periods: dict[str, str]) -> Policy:
    tables = {
        kind: {KeptPart(part): parse_period(text) for part, text in parts.items()}
        for kind, parts in periods.items()
    }
    found = Match(**{key: frozenset(values) for key, values in (match or {}).items()})
    return Policy(name=name, match=found, since=since, fallback=fallback, **tables)


EVERY = ("audio", "transcript", "original", "certificate")


def every(text: str) -> dict[str, str]:
    return dict.fromkeys(EVERY, text)


STANDARD = policy("standard", keep=every("365 days"), fallback=True)
SALES = policy("sales", match={"queues": ["sales"]}, keep=every("3 years"))


def errors(*policies: Policy) -> list[str]:
    return [finding.text for finding in check_policies(policies) if finding.is_error]


def notes(*policies: Policy) -> list[str]:
    return [finding.text for finding in check_policies(policies) if not finding.is_error]


def test_nothing_is_found_where_all_is_well():
    other = policy("support", match={"queues": ["support"]}, keep=every("1 year"))
    assert check_policies([SALES, other, STANDARD]) == ()


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (
            policy("a", keep=every("1 year"), duty={"audio": "5 years"}),
            "keeps the audio 1 year, but its duty is 5 years",
        ),
        (
            policy("a", keep=every("365 days"), duty={"audio": "1 year"}),
            "keeps the audio 365 days, but its duty",
        ),
        (
            policy("a", duty=every("5 years"), maximum={"audio": "2 years"}),
            "allows the audio 2 years at most, but its duty is 5 years",
        ),
        (
            policy("a", keep=every("5 years"), maximum={"audio": "2 years"}),
            "keeps the audio 5 years, but allows 2 years at most",
        ),
        (
            policy("a", keep={"audio": "2 years", "transcript": "1 year", "certificate": "1 year"}),
            "keeps the certificate 1 year, but the audio, which it proves, 2 years",
        ),
    ],
)
def test_a_policy_that_contradicts_itself(found, says):
    assert any(says in text for text in errors(found)), errors(found)
    assert len(errors(found)) == 1


def test_two_policies_of_one_name():
    assert errors(SALES, policy("sales", match={"tags": ["x"]}, keep=every("9 years"))) == [
        'two policies have the name "sales"'
    ]


def test_a_policy_named_as_the_fallback_is():
    named = policy("standard", match={"tags": ["x"]}, keep=every("9 years"))
    assert errors(named, STANDARD) == [
        'two policies have the name "standard"; retention.policy of the profile is one of them'
    ]


def test_a_policy_that_can_never_count():
    short = policy("short", match={"queues": ["sales"], "tags": ["x"]}, keep=every("90 days"))
    (text,) = errors(short, SALES)
    assert text.startswith('policy "short" can never count: "sales" fits all of its calls')


def test_of_two_alike_the_later_one_is_reported():
    (text,) = errors(SALES, policy("again", match={"queues": ["sales"]}, keep=every("3 years")))
    assert text.startswith('policy "again" can never count')


@pytest.mark.parametrize(
    "other",
    [
        policy("other", match={"queues": ["sales", "x"]}, keep=every("90 days")),
        policy("other", match={"queues": ["sales"]}, keep=every("90 days"), since="contract_end"),
        policy("other", match={"queues": ["sales"]}, keep=every("90 days"), maximum={"audio": "1 year"}),
        policy("other", match={"queues": ["sales"]}, duty={**every("90 days")}),
        policy("other", keep=every("90 days")),
        STANDARD,
    ],
)
def test_a_policy_that_can_count(other):
    assert errors(other, SALES) == []


def test_a_country_covers_its_regions():
    wide = policy("wide", match={"jurisdictions": ["US"]}, keep=every("2 years"))
    narrow = policy("narrow", match={"jurisdictions": ["US-CA"]}, keep=every("1 year"))
    assert len(errors(narrow, wide)) == 1
    assert errors(policy("narrow", match={"jurisdictions": ["CA"]}, keep=every("1 year")), wide) == []


def test_an_overlap_is_noted_with_what_wins():
    tagged = policy("tagged", match={"tags": ["x"]}, keep=every("90 days"))
    (text,) = notes(SALES, tagged)
    assert text.startswith(
        '"sales" and "tagged" can fit the same call: the audio is kept by "sales" (3 years, not'
    )


def test_policies_for_different_queues_do_not_overlap():
    assert notes(SALES, policy("support", match={"queues": ["support"]}, keep=every("90 days"))) == []


def test_policies_for_different_tags_do_overlap_for_a_call_has_several():
    one = policy("one", match={"tags": ["a"]}, keep=every("1 year"))
    assert len(notes(one, policy("two", match={"tags": ["b"]}, keep=every("2 years")))) == 1


def test_a_maximum_below_what_another_keeps_or_owes_is_noted():
    owed = policy("owed", match={"tags": ["a"]}, duty=every("5 years"))
    capped = policy("capped", maximum={"audio": "1 year"})
    assert notes(owed, capped) == [
        '"owed" and "capped" can fit the same call: the duty of "owed" goes before: the audio stays 5 years'
    ]
    assert '"capped" shortens the audio to 1 year at most' in notes(SALES, capped)[0]


def test_other_events_are_not_compared():
    waiting = policy("waiting", keep=every("1 year"), since="contract_end")
    assert "the audio is kept by whichever ends later" in notes(SALES, waiting)[0]


def test_a_policy_that_leaves_out_what_was_said_is_noted():
    assert notes(policy("voice", keep={"audio": "1 year"})) == [
        'policy "voice" says nothing of the transcript: where no other policy does, what it leaves out lives '
        "as long as the longest part it names"
    ]


def test_errors_come_first():
    found = check_policies([SALES, policy("b", match={"tags": ["x"]}, keep={"audio": "1 year"}), SALES])
    assert [finding.is_error for finding in found] == sorted(
        (finding.is_error for finding in found), reverse=True
    )
