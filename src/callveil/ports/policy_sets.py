"""Retention policies in the ledger's database, so that every process goes by the same ones."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from callveil.vocabulary.policy_sets import PolicyRun, PolicySet


class PolicySets(Protocol):
    """Sets of retention policies, the newest in force, and runs that bring published calls to them.

    What is in a set is checked by whoever puts it in force. As for the books: every change is one transaction
    with its entry in the audit chain, and every method raises `LedgerError` when the database fails.
    """

    def version(self) -> int:
        """Number of the set in force, 0 for none: cheap enough to be asked for every call."""

    def current(self) -> PolicySet | None:
        """The set in force; None when there is none: then the profile's file is."""

    def get(self, number: int) -> PolicySet:
        """One set.

        Raises:
            NotFoundError: No such set.
        """

    def history(self, *, limit: int = 50) -> tuple[PolicySet, ...]:
        """Sets, newest first."""

    def put(
        self, text: str, *, base: int, note: str, actor: str, approved_by: str | None = None, now: datetime
    ) -> PolicySet:
        """Put a set in force. With the text of the one in force nothing changes, and that is returned.

        Args:
            text: TOML, checked.
            base: Number of the set that it was made from, 0 for none.
            note: Why.
            actor: Who wants it, as in the audit chain.
            approved_by: The second person.
            now: Aware UTC.

        Raises:
            RefusedError: Another set has come into force since; nothing has changed.
        """

    def begin_run(self, run: PolicyRun) -> PolicyRun:
        """Enter a run that begins; entered already, it is returned as it stands."""

    def advance_run(self, run: PolicyRun) -> None:
        """Write down how far it is."""

    def last_run(self) -> PolicyRun | None:
        """The run that began last."""
