from pathlib import Path

import pytest

from callveil.adapters.retention_policies import load_policies, parse_period
from callveil.errors import ConfigError
from callveil.retention.check import check_policies
from callveil.vocabulary.retention import KeptPart, Match, Period, Policy

SHIPPED = Path(__file__).parents[3] / "pipelines" / "retention.toml"

FULL = """
[[policies]]
name = "sales"
law = "a law"
since = "contract_end"
match.queues = ["sales"]
match.jurisdictions = ["DE", "US-CA"]
match.purposes = ["analytics"]
match.tags = ["a:b"]
match.directions = ["inbound"]
match.outcomes = ["published"]
keep = { audio = "90 days", transcript = "18 months" }
duty = { original = "1 year" }
maximum = { certificate = "100 years" }
"""


@pytest.fixture
def load(tmp_path):
    def read(text: str):
        path = tmp_path / "own.toml"
        path.write_text(text)
        return load_policies(path)

    return read


def test_the_shipped_policies_are_for_tagged_and_unproven_calls_and_fit_together():
    policies = load_policies(SHIPPED)
    assert {policy.name: policy.match.tags for policy in policies} == {
        "mifid": {"mifid"},
        "mifid-7": {"mifid-7"},
        "unproven": frozenset(),
    }
    *laws, unproven = policies
    assert [policy.duty[KeptPart.ORIGINAL] for policy in laws] == [Period(months=60), Period(months=84)]
    assert all("MiFID II Art. 16(7)" in policy.law for policy in laws)
    assert unproven.match.outcomes == {"failed", "quarantined"}
    assert unproven.keep[KeptPart.ORIGINAL] == Period(days=30)
    assert not any(finding.is_error for finding in check_policies(policies))


def test_the_examples_in_the_shipped_file_are_policies(load):
    lines = SHIPPED.read_text().splitlines()
    begin = next(i for i, line in enumerate(lines) if line == "# Examples, not active.")
    commented = []
    for line in lines[begin + 1 :]:
        text = line.removeprefix("# ")
        if text.startswith("[[") or (" = " in text and not text[0].isupper()):
            commented.append(text)
    policies = load("\n".join(commented))
    assert len(policies) == 3
    assert not any(finding.is_error for finding in check_policies(policies))


def test_every_key_is_read(load):
    assert load(FULL) == (
        Policy(
            name="sales",
            law="a law",
            since="contract_end",
            match=Match(
                queues=frozenset({"sales"}),
                jurisdictions=frozenset({"DE", "US-CA"}),
                purposes=frozenset({"analytics"}),
                tags=frozenset({"a:b"}),
                directions=frozenset({"inbound"}),
                outcomes=frozenset({"published"}),
            ),
            keep={KeptPart.AUDIO: Period(days=90), KeptPart.TRANSCRIPT: Period(months=18)},
            duty={KeptPart.ORIGINAL: Period(months=12)},
            maximum={KeptPart.CERTIFICATE: Period(months=1200)},
        ),
    )


def test_an_empty_file_has_no_policies(load):
    assert load("") == ()


@pytest.mark.parametrize(
    ("text", "period"),
    [
        ("7 years", Period(months=84)),
        ("1 year", Period(months=12)),
        ("18 months", Period(months=18)),
        ("90 days", Period(days=90)),
        ("36525 days", Period(days=36525)),
    ],
)
def test_periods(text, period):
    assert parse_period(text) == period


@pytest.mark.parametrize(
    "text",
    ["", "0 days", "7", "years", "-1 years", "7 years 3 days", "1.5 years", "7  years", "101 years", 7, None],
)
def test_what_is_no_period(text):
    with pytest.raises(ValueError, match="is "):
        parse_period(text)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('name = "sales"', "", ["policies.0.name: is missing", "1 to 64 letters"]),
        ('name = "sales"', 'name = "a b"', ["policies.0.name", "1 to 64 letters"]),
        ('"90 days"', '"90"', ["policies.0.keep.audio: is no period", '"7 years"']),
        ('"90 days"', "90", ["policies.0.keep.audio: is no period, a number was given"]),
        ("audio =", "audoi =", ["policies.0.keep", "'audoi'", "did you mean 'audio'"]),
        ('"inbound"', '"in"', ["policies.0.match.directions", "a list of inbound, outbound"]),
        ('"published"', '"erased"', ["policies.0.match.outcomes", "a list of published"]),
        ('"analytics"', '"fun"', ["policies.0.match.purposes", "a list of recording"]),
        ('"US-CA"', '"California"', ["policies.0.match.jurisdictions", "ISO 3166"]),
        ('"a:b"', '"a b"', ["policies.0.match.tags", "1 to 64 letters"]),
        ("[[policies]]", "[[policy]]", ["'policy'", "did you mean 'policies'"]),
    ],
)
def test_what_is_wrong_is_named_with_what_is_allowed(load, old, new, says):
    with pytest.raises(ConfigError) as caught:
        load(FULL.replace(old, new, 1))
    assert "own.toml: " in str(caught.value)
    for words in says:
        assert words in str(caught.value)


def test_a_policy_must_say_something(load):
    with pytest.raises(ConfigError, match="says nothing"):
        load('[[policies]]\nname = "a"')


def test_no_such_file(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read: FileNotFoundError"):
        load_policies(tmp_path / "gone.toml")


def test_no_toml(load):
    with pytest.raises(ConfigError, match="is not TOML"):
        load("policies =")
