"""What does not fit together in a set of policies: contradictions, and overlaps to know about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import combinations

from callveil.retention.words import part_words, period_words
from callveil.vocabulary.retention import KeptPart, Match, Period, Policy

_DAYS = tuple(datetime(2023 + year, month, 1, tzinfo=UTC) for year in range(4) for month in range(1, 13))
"""Periods in months and in days are compared from these: every month, in a leap year and in others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something to know about policies.

    Attributes:
        policies: Their names.
        is_error: A contradiction: nothing may start with it. Otherwise a note.
        text: One sentence for people.
    """

    policies: tuple[str, ...]
    is_error: bool
    text: str


def check_policies(policies: Sequence[Policy]) -> tuple[Finding, ...]:
    """Look for contradictions and overlaps; contradictions first.

    Args:
        policies: All there are, the fallback among them.
    """
    others = [policy for policy in policies if not policy.fallback]
    found = [*_repeated(policies)]
    for policy in policies:
        found += _own(policy)
    found += _never_win(others)
    for first, second in combinations(others, 2):
        if _can_meet(first.match, second.match):
            found += _overlap(first, second)
    return tuple(sorted(found, key=lambda finding: not finding.is_error))


def _error(text: str, *policies: str) -> Finding:
    return Finding(policies=policies, is_error=True, text=text)


def _note(text: str, *policies: str) -> Finding:
    return Finding(policies=policies, is_error=False, text=text)


def _repeated(policies: Sequence[Policy]) -> Iterator[Finding]:
    names = [policy.name for policy in policies]
    for policy in policies:
        if names.count(policy.name) > 1 and not policy.fallback and policy is _last(policies, policy.name):
            theirs = any(other.fallback and other.name == policy.name for other in policies)
            hint = "; retention.policy of the profile is one of them" if theirs else ""
            yield _error(f'two policies have the name "{policy.name}"{hint}', policy.name)


def _last(policies: Sequence[Policy], name: str) -> Policy:
    return [policy for policy in policies if policy.name == name and not policy.fallback][-1]


def _own(policy: Policy) -> Iterator[Finding]:
    """Contradictions inside of one policy."""
    for low, high, says in (
        (policy.keep, policy.duty, 'policy "{name}" keeps the {part} {low}, but its duty is {high}'),
        (
            policy.maximum,
            policy.duty,
            'policy "{name}" allows the {part} {low} at most, but its duty is {high}',
        ),
        (policy.maximum, policy.keep, 'policy "{name}" keeps the {part} {high}, but allows {low} at most'),
    ):
        for part in _shorter(low, high):
            text = says.format(
                name=policy.name,
                part=part_words(part),
                low=period_words(low[part]),
                high=period_words(high[part]),
            )
            yield _error(text, policy.name)
    yield from _short_proof(policy)
    named = {*policy.keep, *policy.duty}
    missing = [part for part in (KeptPart.AUDIO, KeptPart.TRANSCRIPT) if part not in named]
    if named and missing:
        words = " and ".join(part_words(part) for part in missing)
        yield _note(
            f'policy "{policy.name}" says nothing of the {words}: where no other policy does, what it leaves '
            "out lives as long as the longest part it names",
            policy.name,
        )


def _short_proof(policy: Policy) -> Iterator[Finding]:
    for kind, periods in (("keeps", policy.keep), ("obliges to keep", policy.duty)):
        proof = periods.get(KeptPart.CERTIFICATE)
        longer = [part for part, period in periods.items() if proof and _is_shorter(proof, period)]
        if proof is not None and longer:
            yield _error(
                f'policy "{policy.name}" {kind} the certificate {period_words(proof)}, but the '
                f"{part_words(longer[0])}, which it proves, {period_words(periods[longer[0]])}",
                policy.name,
            )


def _never_win(policies: Sequence[Policy]) -> Iterator[Finding]:
    for index, policy in enumerate(policies):
        for other_index, other in enumerate(policies):
            if policy is other or policy.name == other.name or not _is_beaten(policy, other):
                continue
            if _is_beaten(other, policy) and other_index > index:
                continue  # they are alike: the later one is reported
            yield _error(
                f'policy "{policy.name}" can never count: "{other.name}" fits all of its calls and keeps '
                "every part at least as long; the longest counts, so to shorten use maximum",
                policy.name,
                other.name,
            )
            break


def _is_beaten(policy: Policy, other: Policy) -> bool:
    return (
        policy.since == other.since
        and _covers(other.match, policy.match)
        and _reaches(other.keep, policy.keep)
        and _reaches(other.duty, policy.duty)
        and all(
            part in other.maximum and not _is_shorter(period, other.maximum[part])
            for part, period in policy.maximum.items()
        )
    )


def _reaches(longer: Mapping[KeptPart, Period], periods: Mapping[KeptPart, Period]) -> bool:
    """Whether every part is in `longer` too and never kept shorter there."""
    return all(part in longer and not _is_shorter(longer[part], period) for part, period in periods.items())


def _overlap(first: Policy, second: Policy) -> Iterator[Finding]:
    """What happens to calls that two policies fit."""
    names = first.name, second.name
    says = []
    for part in KeptPart:
        if part in first.keep and part in second.keep:
            says.append(f"the {part_words(part)} is kept by {_longer(first, second, part)}")
    for one, other in ((first, second), (second, first)):
        same = one.since == other.since
        for part in _shorter(other.maximum, one.keep) if same else _both(other.maximum, one.keep):
            most = period_words(other.maximum[part])
            says.append(f'"{other.name}" shortens the {part_words(part)} to {most} at most')
        for part in _shorter(other.maximum, one.duty) if same else _both(other.maximum, one.duty):
            must = period_words(one.duty[part])
            says.append(f'the duty of "{one.name}" goes before: the {part_words(part)} stays {must}')
    if says:
        yield _note(f'"{first.name}" and "{second.name}" can fit the same call: {"; ".join(says)}', *names)


def _longer(first: Policy, second: Policy, part: KeptPart) -> str:
    one, other = first.keep[part], second.keep[part]
    if first.since != second.since or (_is_shorter(one, other) and _is_shorter(other, one)):
        return "whichever ends later"
    if not _is_shorter(one, other) and not _is_shorter(other, one):
        return f"both {period_words(one)}"
    winner, period, loser = (second, other, one) if _is_shorter(one, other) else (first, one, other)
    return f'"{winner.name}" ({period_words(period)}, not {period_words(loser)})'


def _shorter(low: Mapping[KeptPart, Period], high: Mapping[KeptPart, Period]) -> list[KeptPart]:
    return [part for part in _both(low, high) if _is_shorter(low[part], high[part])]


def _both(one: Mapping[KeptPart, Period], other: Mapping[KeptPart, Period]) -> list[KeptPart]:
    return [part for part in KeptPart if part in one and part in other]


def _is_shorter(one: Period, other: Period) -> bool:
    """Whether it can end earlier from some day: 365 days can end before 1 year does, and never after it."""
    return any(one.after(day) < other.after(day) for day in _DAYS)


def _can_meet(one: Match, other: Match) -> bool:
    """Whether a call can fit both. It has one queue, direction and outcome, but several of the rest."""
    return all(
        not (mine and theirs and mine.isdisjoint(theirs))
        for mine, theirs in (
            (one.queues, other.queues),
            (one.directions, other.directions),
            (one.outcomes, other.outcomes),
        )
    )


def _covers(wide: Match, narrow: Match) -> bool:
    """Whether every call that fits `narrow` fits `wide`."""
    return all(
        not wider or (bool(narrower) and narrower <= wider)
        for wider, narrower in (
            (wide.queues, narrow.queues),
            (wide.directions, narrow.directions),
            (wide.outcomes, narrow.outcomes),
            (wide.tags, narrow.tags),
            (wide.purposes, narrow.purposes),
        )
    ) and (
        not wide.jurisdictions
        or (
            bool(narrow.jurisdictions)
            and all(
                place in wide.jurisdictions or place.partition("-")[0] in wide.jurisdictions
                for place in narrow.jurisdictions
            )
        )
    )
