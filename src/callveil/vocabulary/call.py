"""A call: who spoke, when, where, and what they agreed to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from callveil.vocabulary.consent import ConsentRecord


class Direction(StrEnum):
    """Who called whom, seen from the contact centre."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"
    INTERNAL = "internal"
    UNKNOWN = "unknown"


class Role(StrEnum):
    """What a party is in the call."""

    AGENT = "agent"
    CUSTOMER = "customer"
    SUPERVISOR = "supervisor"
    THIRD_PARTY = "third_party"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identifiers:
    """What a data subject can be found by. Personal data: never printed."""

    phone: str | None = None
    email: str | None = None
    customer_id: str | None = None

    def __repr__(self) -> str:
        return "Identifiers(...)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """One side of a call.

    Attributes:
        role: What the party is.
        channel: Channel the party is on, from 0; None when not known (a mono recording).
        jurisdiction: ISO 3166-1 or 3166-2 code of where the party is ("GB", "US-CA"); None when not known.
        identifiers: Phone, e-mail, customer id.
    """

    role: Role
    channel: int | None = None
    jurisdiction: str | None = None
    identifiers: Identifiers = Identifiers()


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """The metadata of one call, as the telephony side gave it.

    Attributes:
        call_id: 1 to 128 characters of letters, digits, "-", "_" and "."; unique in the installation.
        started_at: Start of the call, aware UTC.
        direction: Who called whom.
        queue: Name of the queue or skill; None when not known.
        agent: The agent's login or number; None when not known.
        language: ISO 639-1 code; None to detect it.
        parties: In any order; may be empty for the minimal form.
        consent: All answers; empty means unknown.
        tags: Given with the call, for retention policies, up to 16: 1 to 64 letters, digits and "-_.:" each.
    """

    call_id: str
    started_at: datetime
    direction: Direction = Direction.UNKNOWN
    queue: str | None = None
    agent: str | None = None
    language: str | None = None
    parties: tuple[Party, ...] = ()
    consent: tuple[ConsentRecord, ...] = ()
    tags: tuple[str, ...] = ()

    @property
    def roles(self) -> dict[int, str]:
        """Channel to the role that speaks on it; of several parties on a channel the first one's."""
        roles: dict[int, str] = {}
        for party in self.parties:
            if party.channel is not None:
                roles.setdefault(party.channel, party.role.value)
        return roles
