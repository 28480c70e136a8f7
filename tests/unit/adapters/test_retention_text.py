"""Policies as text: one in another's place, comments left alone, and the line that is wrong."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callveil.adapters.retention_policies import parse_policies, policy_of
from callveil.adapters.retention_text import (
    line_of,
    line_of_policy,
    policy_to_toml,
    with_policy,
    without_policy,
)
from callveil.errors import ConfigError
from callveil.vocabulary.retention import KeptPart, Match, Period, Policy

TEXT = """# Ours.

# Why sales.
[[policies]]
name = "sales"
match = { queues = ["sales"] }
keep = { audio = "90 days" }

# Why tax.
[[policies]]
name = "tax"
[policies.duty]
audio = "10 years"

# The end.
"""
SALES, TAX = parse_policies(TEXT, "")
OTHER = Policy(name="other", keep={KeptPart.AUDIO: Period(days=3)})


def test_one_is_changed_and_what_stands_around_it_stays():
    changed = replace(SALES, keep={KeptPart.AUDIO: Period(months=6)})
    found = with_policy(TEXT, 0, changed)
    assert parse_policies(found, "") == (changed, TAX)
    for line in ("# Ours.", "# Why sales.", "# Why tax.", "# The end."):
        assert line in found.splitlines()
    assert found.index("# Why sales.") < found.index('audio = "6 months"') < found.index("# Why tax.")


def test_one_is_added_behind_the_last():
    found = with_policy(TEXT, None, OTHER)
    assert parse_policies(found, "") == (SALES, TAX, OTHER)
    assert found.index('name = "other"') < found.index("# The end.")
    assert parse_policies(with_policy("", None, OTHER), "") == (OTHER,)
    assert parse_policies(with_policy("# none yet\n", None, OTHER), "") == (OTHER,)


def test_one_goes_with_its_comment():
    found = without_policy(TEXT, 1)
    assert parse_policies(found, "") == (SALES,)
    assert "Why tax" not in found
    assert "# Why sales." in found
    assert "# The end." in found
    assert parse_policies(without_policy(without_policy(TEXT, 0), 0), "") == ()


def test_what_only_looks_like_a_policy_does_no_harm():
    odd = '[[policies]]\nname = "a"\nkeep = { audio = "1 year" }\nmatch.queues = ["""\n[[policies]]\n"""]\n'
    (first,) = parse_policies(odd, "")
    found = with_policy(odd, 0, replace(first, name="b"))
    assert [policy.name for policy in parse_policies(found, "")] == ["b"]
    assert parse_policies(found, "")[0].match == first.match


@given(
    name=st.from_regex(r"[A-Za-z0-9._-]{1,20}", fullmatch=True),
    law=st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=40),
    queues=st.frozensets(
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20), max_size=3
    ),
    months=st.integers(1, 1200),
    days=st.integers(1, 36525),
    since=st.sampled_from(["call_end", "case_closed"]),
)
def test_whatever_it_says_is_read_again(name, law, queues, months, days, since):
    policy = Policy(
        name=name,
        law=law,
        since=since,
        match=Match(queues=queues, directions=frozenset({"inbound"})),
        keep={KeptPart.AUDIO: Period(months=months)},
        maximum={KeptPart.CERTIFICATE: Period(days=days)},
    )
    assert parse_policies(policy_to_toml(policy), "") == (policy,)
    assert parse_policies(with_policy(TEXT, 1, policy), "") == (SALES, policy)


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ('audio = "90 days"', 'audio = "soon"', 7),
        ('queues = ["sales"]', "queues = 3", 6),
        ('name = "tax"', 'title = "tax"', 10),
        ('audio = "10 years"', 'audio = "ten"', 12),
        ("# Why tax.", "why?", 9),
    ],
)
def test_the_line_of_an_error(old, new, line):
    text = TEXT.replace(old, new)
    with pytest.raises(ConfigError) as error:
        parse_policies(text, "")
    assert line_of(text, str(error.value).removeprefix(": ").splitlines()[0]) == line


def test_the_line_of_a_policy():
    assert (line_of_policy(TEXT, "sales"), line_of_policy(TEXT, "tax")) == (4, 10)
    assert line_of_policy(TEXT, "else") is None
    assert line_of_policy("nonsense", "sales") is None
    assert line_of(TEXT, "is nested too deep") is None


def test_a_table_becomes_a_policy_or_problems_by_field():
    table = {"name": "sales", "match": {"queues": ["sales"]}, "keep": {"audio": "90 days"}}
    assert policy_of(table) == (SALES, {})
    policy, problems = policy_of({**table, "name": "", "keep": {"audio": "soon"}, "match": {"tags": ["a b"]}})
    assert policy is None
    assert set(problems) == {"name", "keep.audio", "match.tags"}
    assert "up to 100 years" in problems["keep.audio"]
    assert "soon" not in repr(problems)
    assert set(policy_of({"name": "x"})[1]) == {"policy"}
