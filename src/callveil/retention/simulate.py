"""Tell what policies would do on a day, and what a change of them would change. Nothing is touched."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from callveil.ports import SweptCall
from callveil.retention.policy import decide, fits, group_facts, midnight
from callveil.vocabulary.retention import CallFacts, CallGroup, CallTraits, Decision, Fate, KeptPart, Policy

OPEN = "open"
"""Stands in the place of a month that nobody knows yet."""

NOBODY = "none"
"""Stands in the place of a policy where a hold or a request decides, or no policy says how long."""

_LAST = datetime.max.replace(tzinfo=UTC)
_CACHED = 100_000
"""Decisions that are remembered at a time."""


@dataclass(slots=True)
class Tally:
    """Calls and the length of their audio.

    Attributes:
        n_calls: How many.
        duration_s: Of all of them together, in seconds.
    """

    n_calls: int = 0
    duration_s: float = 0.0

    def add(self, n_calls: int, duration_s: float) -> None:
        """Count some calls."""
        self.n_calls += n_calls
        self.duration_s += duration_s


@dataclass(slots=True, kw_only=True)
class Counts:
    """What becomes of calls, before and after a change of policies.

    A call can be in several: a change may keep its text longer and its voice shorter.

    Attributes:
        ends_before: Calls whose audio the policies of before let end there. Where the audio is gone, the next
            part that is left stands for it.
        ends_after: Calls whose audio those of after do.
        deleted_before: Of `ends_before`, those whose audio is due on the day that is looked at.
        deleted_after: The same of `ends_after`.
        extended: Calls of which the change keeps a part longer.
        shortened: Calls of which the change keeps a part shorter.
        held: Calls under legal hold.
        restricted: Calls that nobody may use.
    """

    ends_before: Tally = field(default_factory=Tally)
    ends_after: Tally = field(default_factory=Tally)
    deleted_before: Tally = field(default_factory=Tally)
    deleted_after: Tally = field(default_factory=Tally)
    extended: Tally = field(default_factory=Tally)
    shortened: Tally = field(default_factory=Tally)
    held: Tally = field(default_factory=Tally)
    restricted: Tally = field(default_factory=Tally)


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """What came out.

    Attributes:
        on: The day that is looked at: what is over when it begins (UTC) is due.
        total: Of all calls.
        rows: By the policy that ends the audio, and month, "2027-03" or `OPEN`, in which it does so by the
            policies of after (`..._before`: by those of before). Holds and requests are under `NOBODY`.
        parts: Parts that are due on the day: before and after.
    """

    on: date
    total: Counts
    rows: dict[tuple[str, str], Counts]
    parts: dict[KeptPart, tuple[Tally, Tally]]


def simulate(
    groups: Iterable[CallGroup],
    singled_out: Iterable[SweptCall],
    before: Sequence[Policy],
    after: Sequence[Policy],
    on: date,
) -> Simulation:
    """Decide about every call twice, by the policies of before and after.

    Args:
        groups: Calls that nothing singles out.
        singled_out: The others.
        before: Policies that stand now.
        after: Policies that are tried out; the same to see what stands now does.
        on: Day that is looked at.
    """
    now, count, is_change = midnight(on), _Count(), before != after
    old, new = GroupDecider(before, now), GroupDecider(after, now)
    for group in groups:
        then = new.decide(group)
        first = old.decide(group) if is_change else then
        count.add(first, then, group.n_calls, group.duration_s)
    for swept in singled_out:
        first, then = (decide_swept(swept, policies, now) for policies in (before, after))
        held = any(hold.released_at is None or hold.released_at > now for hold in swept.holds)
        count.enter(first, then, 1, swept.duration_s, held=held)
    count.settle()
    return Simulation(on=on, total=count.total, rows=dict(sorted(count.rows.items())), parts=count.parts)


def decide_swept(swept: SweptCall, policies: Sequence[Policy], now: datetime) -> Decision:
    """Decide about a call with all that singles it out."""
    restricted = swept.restricted is not None
    return decide(swept.facts, policies, swept.holds, swept.requests, now, restricted=restricted)


class GroupDecider:
    """Decides about groups, each kind of them once: there are few sets of policies and few days."""

    def __init__(self, policies: Sequence[Policy], now: datetime) -> None:
        self._policies, self._now = policies, now
        self._matching: dict[CallTraits, tuple[int, ...]] = {}
        self._decisions: dict[tuple[tuple[int, ...], date, frozenset[KeptPart]], Decision] = {}

    def is_surely_early(self, call: CallFacts) -> bool:
        """Whether nothing of a call that nothing singles out is due, told by its day; False when it may be.

        A call ended up to a day before its day did, so its parts end up to a day before those of its group.
        """
        group = CallGroup(
            traits=call.traits, ended_on=call.ended_at.date(), gone=call.gone, n_calls=1, duration_s=0.0
        )
        last = self._now + timedelta(days=1)
        return all(part.until is None or part.until > last for part in self.decide(group).parts)

    def decide(self, group: CallGroup) -> Decision:
        """As `decide` does."""
        matching = self._matching.get(group.traits)
        if matching is None:
            _make_room(self._matching)
            matching = tuple(
                number for number, policy in enumerate(self._policies) if fits(policy.match, group.traits)
            )
            self._matching[group.traits] = matching
        key = matching, group.ended_on, group.gone
        decision = self._decisions.get(key)
        if decision is None:
            _make_room(self._decisions)
            policies = [self._policies[number] for number in matching]
            decision = decide(group_facts(group), policies, (), (), self._now)
            self._decisions[key] = decision
        return decision


def _make_room(cache: dict[Any, Any]) -> None:
    if len(cache) >= _CACHED:
        cache.clear()


class _Count:
    """Adds calls up."""

    def __init__(self) -> None:
        self.total = Counts()
        self.rows: dict[tuple[str, str], Counts] = defaultdict(Counts)
        self.parts = {part: (Tally(), Tally()) for part in KeptPart}
        self._sums: dict[tuple[int, int], tuple[Decision, Decision, Tally]] = {}

    def add(self, before: Decision, after: Decision, n_calls: int, duration_s: float) -> None:
        """Remember that so many calls are decided so; many groups share the same decisions."""
        found = self._sums.get((id(before), id(after)))
        if found is None:
            if len(self._sums) >= _CACHED:
                self.settle()
            found = self._sums[id(before), id(after)] = before, after, Tally()
        found[2].add(n_calls, duration_s)

    def settle(self) -> None:
        """Enter what is remembered."""
        for before, after, tally in self._sums.values():
            self.enter(before, after, tally.n_calls, tally.duration_s)
        self._sums.clear()

    def enter(
        self, before: Decision, after: Decision, n_calls: int, duration_s: float, *, held: bool = False
    ) -> None:
        if not after.parts:
            return
        longer, shorter = _compared(before, after)
        restricted = any(part.fate is Fate.RESTRICT for part in after.parts)
        found = {
            "ends_after": True,
            "deleted_after": after.parts[0].fate is Fate.DELETE,
            "extended": longer,
            "shortened": shorter,
            "held": held,
            "restricted": restricted,
        }
        self._enter(after, found, n_calls, duration_s)
        found = {"ends_before": True, "deleted_before": before.parts[0].fate is Fate.DELETE}
        self._enter(before, found, n_calls, duration_s)
        for side, decision in enumerate((before, after)):
            for part in decision.parts:
                if part.fate is Fate.DELETE:
                    self.parts[part.part][side].add(n_calls, duration_s)

    def _enter(self, decision: Decision, found: Mapping[str, bool], n_calls: int, duration_s: float) -> None:
        row = self.rows[_row(decision)]
        for name, is_so in found.items():
            if is_so:
                for counts in (row, self.total):
                    getattr(counts, name).add(n_calls, duration_s)


def _row(decision: Decision) -> tuple[str, str]:
    """Policy and month that end the audio, or the next part that is left."""
    first = decision.parts[0]
    month = f"{first.until:%Y-%m}" if first.until is not None else OPEN
    return first.policy or NOBODY, month


def _compared(before: Decision, after: Decision) -> tuple[bool, bool]:
    """Whether a part is kept longer, and whether one is kept shorter."""
    if before is after:
        return False, False
    pairs = [
        (_order(old.until), _order(new.until)) for old, new in zip(before.parts, after.parts, strict=True)
    ]
    return any(new > old for old, new in pairs), any(new < old for old, new in pairs)


def _order(until: datetime | None) -> datetime:
    return until if until is not None else _LAST
