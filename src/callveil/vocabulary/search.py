"""Calls as people look for them: what is asked, and what is found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from callveil.vocabulary.ledger import CallState
from callveil.vocabulary.pii import Entity
from callveil.vocabulary.retention import KeptPart

MOST_WORDS = 200
"""Characters that a text to look for may have."""


class CallFlag(StrEnum):
    """What singles a call out in a list."""

    ON_HOLD = "on_hold"
    """Under legal hold."""
    RESTRICTED = "restricted"
    """Nobody may use it (GDPR Art. 18)."""
    GONE = "gone"
    """Parts of it are deleted."""


class CallSort(StrEnum):
    """What a list is in the order of. Calls that are alike in it stand in the order of their ids."""

    START = "start"
    LENGTH = "length"
    MASKED = "masked"
    """Masked seconds, of all kinds together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallQuery:
    """Which calls are looked for, and in what order. A field left out asks nothing.

    Attributes:
        since: They began then or later, aware UTC.
        until: They began before then, aware UTC.
        queues: One of these.
        agent: This one, as it stands in the metadata.
        states: One of these; empty for all but ERASED.
        kinds: One of these kinds of personal data is masked.
        flags: All of these hold.
        text: Words of the redacted transcript, all of them; "in quotes" as they follow each other, beg* for
            the beginning of a word.
        sort: Order.
        descending: The latest, longest or most masked first.
    """

    since: datetime | None = None
    until: datetime | None = None
    queues: frozenset[str] = frozenset()
    agent: str | None = None
    states: frozenset[CallState] = frozenset()
    kinds: frozenset[Entity] = frozenset()
    flags: frozenset[CallFlag] = frozenset()
    text: str = ""
    sort: CallSort = CallSort.START
    descending: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """A place in a list: the call that a page begins after, or ends before. Good for one query only.

    Attributes:
        key: What the list is in the order of, of that call: microseconds since 1970 or seconds.
        call_id: Of that call.
    """

    key: int | float
    call_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Excerpt:
    """Some words of a transcript; `is_hit` for those that were looked for."""

    text: str
    is_hit: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundCall:
    """A line of the list.

    Attributes:
        call_id: The call.
        started_at: Aware UTC.
        state: Where it stands.
        queue: None when not known.
        agent: None when not known.
        duration_s: Length of the published recording in seconds; 0 when none is.
        masked_s: Masked seconds by kind.
        flags: What singles it out.
        gone: Parts that are deleted.
        excerpt: Where the text was found; empty when none was looked for.
    """

    call_id: str
    started_at: datetime
    state: CallState
    queue: str | None
    agent: str | None
    duration_s: float
    masked_s: Mapping[str, float]
    flags: frozenset[CallFlag]
    gone: frozenset[KeptPart]
    excerpt: tuple[Excerpt, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CallPage:
    """A page of the list.

    Attributes:
        calls: In the order that was asked for.
        before: Where the page before this one ends; None when there is none.
        after: Where the page behind this one begins; None when there is none.
    """

    calls: tuple[FoundCall, ...]
    before: Cursor | None
    after: Cursor | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """How many calls a query finds; with `more` there are more than that."""

    n_calls: int
    more: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedFilter:
    """A query that a user keeps under a name of 1 to 60 characters."""

    name: str
    query: CallQuery


@dataclass(frozen=True, slots=True, kw_only=True)
class Unindexed:
    """A published call whose transcript is to be indexed.

    Attributes:
        call_id: The call.
        prefix: Its folder in the store.
        updated_at: As of when this is known, aware UTC: what was read of the store later may be newer.
    """

    call_id: str
    prefix: str
    updated_at: datetime
