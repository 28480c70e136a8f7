"""What is different between two sets of policies, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from callveil.retention.words import match_words, part_words, period_words, since_words
from callveil.vocabulary.retention import KeptPart, Period, Policy

NOTHING = "nothing"
"""Stands for what is not said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing that a policy says otherwise.

    Attributes:
        what: "keeps the audio", "is for", "counts from", "because of".
        before: In words.
        after: In words.
    """

    what: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A policy that is new, gone or changed.

    Attributes:
        name: Of the policy.
        kind: "new", "gone" or "changed".
        differences: What it says otherwise; of a new one all it says, of one that is gone all it said.
    """

    name: str
    kind: str
    differences: tuple[Difference, ...]


def compare(before: Sequence[Policy], after: Sequence[Policy]) -> tuple[Change, ...]:
    """Find the policies that differ, by name, in the order of `after`; those that are gone last."""
    old = {policy.name: policy for policy in before}
    new = {policy.name: policy for policy in after}
    found = []
    for name, policy in new.items():
        differences = tuple(_differences(old.get(name), policy))
        if differences:
            kind = "changed" if name in old else "new"
            found.append(Change(name=name, kind=kind, differences=differences))
    for name, policy in old.items():
        if name not in new:
            found.append(Change(name=name, kind="gone", differences=tuple(_differences(policy, None))))
    return tuple(found)


def _differences(before: Policy | None, after: Policy | None) -> Iterator[Difference]:
    old, new = _says(before), _says(after)
    for what in dict.fromkeys((*old, *new)):
        first, then = old.get(what, NOTHING), new.get(what, NOTHING)
        if first != then:
            yield Difference(what=what, before=first, after=then)


def _says(policy: Policy | None) -> dict[str, str]:
    """All that a policy says."""
    if policy is None:
        return {}
    says = {"is for": "calls that no other policy is for" if policy.fallback else match_words(policy.match)}
    for verb, periods in (
        ("keeps the {}", policy.keep),
        ("must keep the {}", policy.duty),
        ("keeps the {} at most", policy.maximum),
    ):
        says |= {verb.format(part): words for part, words in _periods(periods).items()}
    says["counts from"] = since_words(policy.since)
    if policy.law:
        says["because of"] = policy.law
    return says


def _periods(periods: Mapping[KeptPart, Period]) -> dict[str, str]:
    return {part_words(part): period_words(periods[part]) for part in KeptPart if part in periods}
