"""What the pipeline does, in numbers, for those who watch it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from callveil.vocabulary.figures import AtWork, Dead, Hour


class Figures(Protocol):
    """Numbers out of the ledger that stay quick however many calls there are.

    Every method raises `LedgerError` when the database fails.
    """

    def hours(self, since: datetime, until: datetime) -> tuple[Hour, ...]:
        """Every hour from one to another, in order, those in which nothing happened too.

        Args:
            since: Aware UTC; its hour is the first.
            until: Aware UTC; its hour is the last, as far as it has got.
        """

    def errors(self, since: datetime) -> Mapping[str, int]:
        """Attempts that ended in an error since then, by family of the error; the most frequent first."""

    def dead(self) -> tuple[Dead, ...]:
        """Calls that are FAILED or QUARANTINED, by why; the most first."""

    def at_work(self) -> tuple[AtWork, ...]:
        """Workers that redact calls, by name."""

    def oldest_unsent(self) -> datetime | None:
        """Since when the event that waits longest is due and has not reached the broker; None for none."""
