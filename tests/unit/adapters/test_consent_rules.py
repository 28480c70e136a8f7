import re
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from callveil.adapters.call_metadata import minimal_call
from callveil.adapters.consent_rules import load_consent_rules
from callveil.errors import ConfigError
from callveil.stages import consent_gate
from callveil.stages.consent_gate import decide_consent
from callveil.vocabulary.consent import (
    Action,
    AgentConsent,
    ConsentMode,
    Flag,
    JurisdictionRule,
    LateConsent,
    OnWithdrawal,
    Purpose,
)

ROOT = Path(__file__).parents[3]
SHIPPED = ROOT / "pipelines" / "consent.toml"
CALLS = (ROOT / "CALLS.md").read_text(encoding="utf-8")
NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
ROW = '{ code = "XX", mode = "one_party", source = "a statute", date = 2026-11-23 }'

# key: lines of a good file
GOOD = {
    "version": '"1"',
    "required_purposes": '["recording"]',
    "accepted_bases": '["legal_obligation"]',
    "agent_consent": '"required"',
    "given_within_s": "30",
    "late_consent": '"accept"',
    "on_withdrawal": '"discard"',
    "min_keep_s": "2.5",
    "hold_days": "0",
    "clock_skew_s": "0",
    "jurisdictions": f"[{ROW}]",
}


def written(folder: Path, **changes: str | None) -> Path:
    values = {**GOOD, **changes}
    path = folder / "rules.toml"
    lines = [f"{key} = {value}" for key, value in values.items() if value is not None]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_shipped_rules():
    rules = load_consent_rules(SHIPPED)
    assert rules.required_purposes == (Purpose.RECORDING, Purpose.TRANSCRIPTION)
    assert rules.accepted_bases == frozenset()
    assert rules.agent_consent is AgentConsent.ASSUMED
    assert rules.late_consent is LateConsent.REFUSE
    assert rules.on_withdrawal is OnWithdrawal.KEEP_UNTIL
    assert (rules.given_within_s, rules.min_keep_s, rules.hold_days, rules.clock_skew_s) == (60, 10, 7, 300)


def test_shipped_places_are_all_party_where_any_source_says_so():
    rules = load_consent_rules(SHIPPED).jurisdictions
    states = [code for code in rules if code.startswith("US-")]
    all_party = {code for code in states if rules[code].mode is ConsentMode.ALL_PARTY}
    assert len(states) == 51
    assert {code.removeprefix("US-") for code in all_party} == set(
        ["CA", "CT", "DE", "FL", "IL", "MA", "MD", "MI", "MT", "NH", "NV", "OR", "PA", "VT", "WA"]
    )
    others = [code for code in rules if not code.startswith("US-")]
    assert {rules[code].mode for code in others} == {ConsentMode.ALL_PARTY}
    assert {"US", "GB", "CH", "NO", "IE", "DE"} < set(others)
    assert f"| {len(rules)} places |" in CALLS


@pytest.mark.parametrize(
    ("flag", "action"),
    [
        (Flag.GRANTED, Action.KEEP),
        (Flag.UNKNOWN, Action.HOLD),
        (Flag.DENIED, Action.DISCARD),
        (Flag.WITHDRAWN, Action.DISCARD),
    ],
)
def test_shipped_rules_decide_a_bare_flag(flag, action):
    decision = decide_consent(minimal_call("c-1", flag, NOW), load_consent_rules(SHIPPED), NOW)
    assert decision.action is action


def test_every_key_is_read(tmp_path):
    rules = load_consent_rules(written(tmp_path))
    row = JurisdictionRule(
        code="XX", mode=ConsentMode.ONE_PARTY, source="a statute", checked_on=date(2026, 11, 23)
    )
    assert rules.version == "1"
    assert rules.jurisdictions == {"XX": row}
    assert rules.required_purposes == (Purpose.RECORDING,)
    assert {basis.value for basis in rules.accepted_bases} == {"legal_obligation"}
    assert rules.agent_consent is AgentConsent.REQUIRED
    assert rules.late_consent is LateConsent.ACCEPT
    assert rules.on_withdrawal is OnWithdrawal.DISCARD
    assert (rules.given_within_s, rules.min_keep_s, rules.hold_days, rules.clock_skew_s) == (30, 2.5, 0, 0)


@pytest.mark.parametrize("key", GOOD)
def test_a_missing_key_stops_the_start(tmp_path, key):
    path = written(tmp_path, **{key: None})
    with pytest.raises(ConfigError) as caught:
        load_consent_rules(path)
    assert f"{path}: {key}: is missing; allowed: " in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("hold_day", "7", "unknown field 'hold_day'; did you mean 'hold_days'?; allowed: accepted_bases, "),
        ("colour", '"red"', "unknown field 'colour'; allowed: accepted_bases, "),
        ("version", "1", "version: should be text, a number was given; allowed: text of 1 to 64"),
        ("version", '"a b"', "version: is not text of the allowed form"),
        ("required_purposes", "[]", "required_purposes: must name recording"),
        ("required_purposes", '["transcription"]', "required_purposes: must name recording"),
        (
            "required_purposes",
            '["recording", "recording"]',
            "required_purposes: must not name a purpose twice",
        ),
        ("required_purposes", '["recording", "resale"]', "required_purposes.1: should be 'recording'"),
        ("required_purposes", '"recording"', "required_purposes: should be a list, text was given"),
        ("accepted_bases", '["consent"]', "accepted_bases: must not name consent"),
        ("accepted_bases", '["fun"]', "accepted_bases.0: should be 'consent'"),
        ("agent_consent", '"yes"', "agent_consent: should be 'assumed' or 'required', text was given"),
        (
            "agent_consent",
            "true",
            "agent_consent: should be 'assumed' or 'required', true or false was given",
        ),
        ("late_consent", '"maybe"', "late_consent: should be 'refuse' or 'accept'"),
        ("on_withdrawal", '"keep"', "on_withdrawal: should be 'keep_until' or 'discard'"),
        ("given_within_s", "-1", "given_within_s: should be greater than or equal to 0"),
        ("given_within_s", "inf", "given_within_s: should be "),
        ("given_within_s", "nan", "given_within_s: should be "),
        ("given_within_s", '"60"', "given_within_s: should be a valid number, text was given"),
        ("min_keep_s", "true", "min_keep_s: should be a valid number, true or false was given"),
        ("hold_days", "1.5", "hold_days: should be a valid integer, a number was given"),
        ("hold_days", "3651", "hold_days: should be less than or equal to 3650"),
        ("clock_skew_s", "301", "clock_skew_s: should be less than or equal to 300"),
        ("jurisdictions", f"[{ROW}, {ROW}]", "jurisdictions: must not list a code twice: XX"),
        ("jurisdictions", f"[{ROW.replace('XX', 'us')}]", "jurisdictions.0.code: is not text of the allowed"),
        ("jurisdictions", f"[{ROW.replace('one_', 'two_')}]", "jurisdictions.0.mode: should be 'one_party'"),
        ("jurisdictions", f"[{ROW.replace('a statute', '')}]", "jurisdictions.0.source: "),
        ("jurisdictions", f"[{ROW.replace('2026-11-23', '20261123')}]", "jurisdictions.0.date: should be a"),
        (
            "jurisdictions",
            f"[{ROW.replace('date', 'dat')}]",
            "jurisdictions.0: unknown field 'dat'; did you mean",
        ),
    ],
)
def test_a_wrong_key_stops_the_start(tmp_path, key, value, expected):
    path = written(tmp_path, **{key: value})
    with pytest.raises(ConfigError) as caught:
        load_consent_rules(path)
    message = str(caught.value)
    assert expected in message
    assert all(line.startswith(f"{path}: ") for line in message.splitlines())


def test_no_file(tmp_path):
    with pytest.raises(ConfigError, match=r"rules\.toml: cannot be read: FileNotFoundError"):
        load_consent_rules(tmp_path / "rules.toml")


@pytest.mark.parametrize(("content", "expected"), [(b"a =", "is not TOML"), (b"\xff", "cannot be read")])
def test_no_toml(tmp_path, content, expected):
    path = tmp_path / "rules.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=expected):
        load_consent_rules(path)


def test_every_key_and_every_rule_is_documented():
    assert [key for key in GOOD if f"| `{key}` |" not in CALLS] == []
    source = Path(consent_gate.__file__).read_text(encoding="utf-8")
    rules = set(re.findall(r'rule="([a-z_]+)"|_held\(\s*"([a-z_]+)"|rule = "([a-z_]+)"', source))
    names = {name for found in rules for name in found if name} | set(consent_gate._RULES)
    documented = set(re.findall(r"^\| `([a-z_]+)` \| (?:KEEP|HOLD|DISCARD)", CALLS, re.MULTILINE))
    assert documented == names
