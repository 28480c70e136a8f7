"""From exposed copies of calls to persons, kinds of data and the clock (GDPR Art. 33 and 34). Pure.

Persons are counted by the identifiers that stood together as one party of a call. That can count one person
twice (two numbers never seen together) and two persons once (a shared number), and says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from callveil.rights.controller import Controller
from callveil.rights.wording import stamp
from callveil.vocabulary.call import Role

SCHEMA_VERSION = "1.0"
"""Of breach.schema.json."""

NOTIFY_WITHIN = timedelta(hours=72)
"""GDPR Art. 33(1), from when the controller became aware."""

_STAFF = frozenset({Role.AGENT.value, Role.SUPERVISOR.value})


class Copies(StrEnum):
    """Which copies of a call were exposed."""

    PUBLISHED = "published"
    """Redacted recording, transcript, captions, vCon and certificate in the store."""
    ORIGINALS = "originals"
    """The sealed original, encrypted."""
    LANDING = "landing"
    """The recording as it came in, encrypted."""


class KeyState(StrEnum):
    """Whether the key that opens encrypted copies was exposed too."""

    SAFE = "safe"
    EXPOSED = "exposed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Persons:
    """How many people are concerned.

    Attributes:
        identified: Persons with identifiers, those that stood together counted once.
        unidentified: Parties without any identifier; each may be somebody new or somebody counted already.
        staff: Parties of agents and supervisors, calls added up; who they are is not known here.
    """

    identified: int
    unidentified: int
    staff: int

    @property
    def at_least(self) -> int:
        """Callers and customers: those with identifiers, or one where there are only others."""
        return self.identified or min(self.unidentified, 1)

    @property
    def at_most(self) -> int:
        """Callers and customers, if every party without identifiers was another person."""
        return self.identified + self.unidentified


class PersonCounter:
    """Counts persons call by call; memory grows with the identifiers, not with the calls."""

    def __init__(self) -> None:
        self._leader: dict[str, str] = {}
        self._unidentified = 0
        self._staff = 0

    def add(self, roles: Sequence[str], digests: Mapping[int, Iterable[str]]) -> None:
        """Take in a call.

        Args:
            roles: Of its parties; empty when nothing is known of them: then there was a caller.
            digests: Party to the digests of its identifiers.
        """
        for party, role in enumerate(roles or (Role.CUSTOMER.value,)):
            if role in _STAFF:
                self._staff += 1
                continue
            first, *others = [*digests.get(party, ()), ""]
            if not first:
                self._unidentified += 1
                continue
            leader = self._find(first)
            for other in others[:-1]:
                self._leader[self._find(other)] = leader

    @property
    def persons(self) -> Persons:
        """As counted so far."""
        identified = sum(digest == leader for digest, leader in self._leader.items())
        return Persons(identified=identified, unidentified=self._unidentified, staff=self._staff)

    def _find(self, digest: str) -> str:
        leader = self._leader.setdefault(digest, digest)
        while leader != self._leader[leader]:
            leader = self._leader[leader]
        self._leader[digest] = leader
        return leader


@dataclass(frozen=True, slots=True, kw_only=True)
class CopiesFound:
    """What was exposed of one kind of copy.

    Attributes:
        copies: Which.
        n_calls: Of how many calls.
        kinds: Kinds of personal data that can be heard or read in it: "CREDIT_CARD" to the number of calls.
        silenced: Kinds that are silenced or masked in it.
        n_unknown: Calls that were never searched for personal data, so that anything may be in them.
    """

    copies: Copies
    n_calls: int
    kinds: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    silenced: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    n_unknown: int = 0

    @property
    def is_encrypted(self) -> bool:
        """By Callveil, each with a key of its own under the landing key (AES-256-GCM)."""
        return self.copies is not Copies.PUBLISHED


@dataclass(frozen=True, slots=True, kw_only=True)
class BreachFacts:
    """Everything a breach report says.

    Attributes:
        known_at: When the controller became aware, aware UTC.
        created_at: When the report was made, aware UTC.
        how: What was given to find the calls: "calls", "window" or "objects".
        controller: Who must notify.
        n_calls: How many calls have an exposed copy.
        first_at: Start of the earliest of them; None without calls.
        last_at: Start of the latest.
        found: By kind of copy.
        persons: How many people.
        key: Whether the key was exposed too.
        jurisdictions: Where parties of these calls are, ISO 3166.
        n_not_there: Calls that were named and have no such copy, or are not known.
        n_unmatched: Object names that belong to no call here.
    """

    known_at: datetime
    created_at: datetime
    how: str
    controller: Controller
    n_calls: int
    first_at: datetime | None
    last_at: datetime | None
    found: tuple[CopiesFound, ...]
    persons: Persons
    key: KeyState
    jurisdictions: tuple[str, ...] = ()
    n_not_there: int = 0
    n_unmatched: int = 0

    @property
    def due_at(self) -> datetime:
        """When the authority has to know."""
        return self.known_at + NOTIFY_WITHIN

    @property
    def hours_left(self) -> float:
        """Until then; below zero when it is late."""
        return (self.due_at - self.created_at) / timedelta(hours=1)

    @property
    def is_late(self) -> bool:
        """The reasons for the delay have to be given (Art. 33(1))."""
        return self.created_at > self.due_at

    @property
    def is_readable(self) -> bool:
        """Whether any copy could be read: one that is not encrypted, or whose key may be exposed."""
        return any(not found.is_encrypted or self.key is not KeyState.SAFE for found in self.found)


def breach_document(facts: BreachFacts, call_ids: Sequence[str]) -> dict[str, object]:
    """The report for machines.

    Args:
        facts: Of the breach.
        call_ids: Sorted.
    """
    persons = facts.persons
    return {
        "schema_version": SCHEMA_VERSION,
        "created_at": stamp(facts.created_at),
        "known_at": stamp(facts.known_at),
        "notify_by": stamp(facts.due_at),
        "hours_left": round(facts.hours_left, 2),
        "late": facts.is_late,
        "found_by": facts.how,
        "controller": facts.controller.document,
        "calls": facts.n_calls,
        "first_call_at": stamp(facts.first_at) if facts.first_at else None,
        "last_call_at": stamp(facts.last_at) if facts.last_at else None,
        "persons": {
            "at_least": persons.at_least,
            "at_most": persons.at_most,
            "identified": persons.identified,
            "without_identifier": persons.unidentified,
            "staff_parties": persons.staff,
        },
        "jurisdictions": list(facts.jurisdictions),
        "copies": [
            {
                "copies": found.copies.value,
                "calls": found.n_calls,
                "encrypted": found.is_encrypted,
                "voice": True,
                "kinds": dict(sorted(found.kinds.items())),
                "silenced": dict(sorted(found.silenced.items())),
                "never_searched": found.n_unknown,
            }
            for found in facts.found
        ],
        "key": facts.key.value,
        "readable": facts.is_readable,
        "not_there": facts.n_not_there,
        "unmatched_objects": facts.n_unmatched,
        "call_ids": list(call_ids),
    }
