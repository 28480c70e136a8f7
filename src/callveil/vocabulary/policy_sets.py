"""Retention policies that were put in force on the pages, and how far published calls follow them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicySet:
    """A set of retention policies. The newest one is in force; without any, the profile's file is.

    Attributes:
        number: From 1, without gaps.
        text: TOML, as RETENTION.md describes it.
        sha256: Of the text in UTF-8, in hex.
        note: Why it was made, in a sentence of whoever did.
        by: Who put it in force or, with two persons, proposed it; as in the audit chain.
        approved_by: The second person; None when none was asked for.
        at: Since when it is in force, aware UTC.
    """

    number: int
    text: str = field(repr=False)
    sha256: str
    note: str
    by: str
    approved_by: str | None
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyRun:
    """A run over all published calls that brings them to the policies in force.

    Attributes:
        run_id: "run-" and 12 hex digits.
        version: Number of the set that it began with; 0 for the profile's file.
        by: Who began it, as in the audit chain.
        begun_at: Aware UTC.
        updated_at: When it last got on, aware UTC; long ago while it is not done: its process is gone.
        after: The last call that was looked at, by id; None before the first.
        counts: Names and numbers of `pipeline.sweep.Applied` so far.
        done_at: None while it is not done.
    """

    run_id: str
    version: int
    by: str
    begun_at: datetime
    updated_at: datetime
    after: str | None = None
    counts: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    done_at: datetime | None = None
