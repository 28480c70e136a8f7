"""What the pipeline does, in numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from callveil.vocabulary.ledger import CallState


@dataclass(frozen=True, slots=True, kw_only=True)
class Hour:
    """What happened in an hour. Calls that were erased since are counted as arrived only.

    Attributes:
        begins_at: Aware UTC, on the hour.
        arrived: Calls that came, or began to.
        ended: Times that work on a call ended in a state from which nothing more is owed.
        errors: Attempts that ended in an error, whether they were tried again or not.
    """

    begins_at: datetime
    arrived: int
    ended: Mapping[CallState, int]
    errors: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AtWork:
    """A worker that has calls now.

    Attributes:
        owner: Its name.
        n_calls: Calls it redacts.
        until: When the first of its leases ends unless it is prolonged, aware UTC.
    """

    owner: str
    n_calls: int
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Dead:
    """Calls that failed, or were quarantined, for the same reason.

    Attributes:
        state: FAILED or QUARANTINED.
        error_code: Family of the error; None for a quarantined call: it could not be proven clean.
        n_calls: How many.
    """

    state: CallState
    error_code: str | None
    n_calls: int
