"""The ledger over SQL, one method per promise of `ports.Ledger`; what they do is in the modules beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa

from callveil.adapters.ledger_sql import audit_chain, claims, consent_rows, intake, outbox, reconcile
from callveil.adapters.ledger_sql.audit_trail import SqlAuditTrail
from callveil.adapters.ledger_sql.books import SqlBooks
from callveil.adapters.ledger_sql.call_rows import ledger_call
from callveil.adapters.ledger_sql.call_search import SqlCallSearch
from callveil.adapters.ledger_sql.call_state import find, read
from callveil.adapters.ledger_sql.database import Database, create_engine, read_url
from callveil.adapters.ledger_sql.figures import SqlFigures
from callveil.adapters.ledger_sql.migrations import upgrade
from callveil.adapters.ledger_sql.saved_filters import SqlSavedFilters
from callveil.adapters.ledger_sql.tables import calls
from callveil.vocabulary.consent import ConsentRecord
from callveil.vocabulary.ledger import (
    AuditEntry,
    CallState,
    Claim,
    Event,
    LedgerCall,
    LedgerCounts,
    NewCall,
    Settlement,
)


def open_ledger(url: str) -> SqlLedger:
    """Open a ledger, made or brought up to date where needed.

    Args:
        url: "sqlite:////folder/ledger.sqlite3" or "postgresql+psycopg://user:password@host/database".

    Raises:
        ConfigError: Another URL, or a newer version of Callveil has written the ledger. No message holds
            the URL.
        LedgerError: The database cannot be reached, or failed.
    """
    upgrade(url)
    return SqlLedger(Database(create_engine(read_url(url))))


class SqlLedger:
    """See `ports.Ledger`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def books(self) -> SqlBooks:
        """The books beside it, over the same database."""
        return SqlBooks(self._database)

    @property
    def search(self) -> SqlCallSearch:
        """Lists of its calls."""
        return SqlCallSearch(self._database)

    @property
    def filters(self) -> SqlSavedFilters:
        """Queries that users keep."""
        return SqlSavedFilters(self._database)

    @property
    def figures(self) -> SqlFigures:
        """What its pipeline does, in numbers."""
        return SqlFigures(self._database)

    @property
    def trail(self) -> SqlAuditTrail:
        """Lists of its audit chain."""
        return SqlAuditTrail(self._database)

    def close(self) -> None:
        """Close its connections. It can still be used, and then opens new ones."""
        self._database.close()

    def accept(self, new: NewCall, *, actor: str, now: datetime) -> tuple[LedgerCall, bool]:
        """See `Ledger.accept`."""
        return self._database.write(lambda c: intake.accept(c, new, actor=actor, now=now))

    def enlist(self, new: NewCall, *, actor: str, now: datetime) -> LedgerCall:
        """See `Ledger.enlist`."""
        return self._database.write(lambda c: intake.enlist(c, new, actor=actor, now=now))

    def record(self, call_id: str, result: Settlement, *, actor: str, now: datetime) -> LedgerCall:
        """See `Ledger.record`."""
        return self._database.write(lambda c: intake.record(c, call_id, result, actor=actor, now=now))

    def heartbeat(self, call_ids: Sequence[str], *, now: datetime) -> None:
        """See `Ledger.heartbeat`."""
        self._database.write(lambda c: intake.heartbeat(c, call_ids, now=now))

    def arrived(
        self,
        call_id: str,
        *,
        content_sha256: str,
        n_bytes: int,
        incomplete: bool,
        actor: str,
        now: datetime,
    ) -> None:
        """See `Ledger.arrived`."""
        self._database.write(
            lambda c: intake.arrived(
                c,
                call_id,
                content_sha256=content_sha256,
                n_bytes=n_bytes,
                incomplete=incomplete,
                actor=actor,
                now=now,
            )
        )

    def get(self, call_id: str) -> LedgerCall:
        """See `Ledger.get`."""
        return self._database.read(lambda c: read(c, call_id))

    def calls(
        self, *, state: CallState | None = None, after: str | None = None, limit: int = 100
    ) -> tuple[LedgerCall, ...]:
        """See `Ledger.calls`."""
        _check_limit(limit)
        query = sa.select(calls).order_by(calls.c.call_id).limit(limit)
        if state is not None:
            query = query.where(calls.c.state == state.value)
        if after is not None:
            query = query.where(calls.c.call_id > after)
        return self._database.read(lambda c: tuple(ledger_call(row) for row in c.execute(query)))

    def record_consent(
        self, call_id: str, records: Sequence[ConsentRecord], *, actor: str, now: datetime
    ) -> LedgerCall:
        """See `Ledger.record_consent`."""
        return self._database.write(
            lambda c: intake.record_consent(c, call_id, records, actor=actor, now=now)
        )

    def consent_history(self, call_id: str) -> tuple[tuple[datetime, str, ConsentRecord], ...]:
        """See `Ledger.consent_history`."""

        def work(connection: sa.Connection) -> tuple[tuple[datetime, str, ConsentRecord], ...]:
            find(connection, call_id)
            return consent_rows.history(connection, call_id)

        return self._database.read(work)

    def claim(
        self,
        call_id: str,
        *,
        owner: str,
        states: Sequence[CallState] = (CallState.RECEIVED, CallState.PROCESSING),
        lease_s: float,
        now: datetime,
    ) -> Claim | None:
        """See `Ledger.claim`."""
        return self._database.write(
            lambda connection: claims.claim(
                connection, call_id, owner=owner, states=states, lease_s=lease_s, now=now
            )
        )

    def release(self, owner: str, *, now: datetime) -> int:
        """See `Ledger.release`."""
        return self._database.write(lambda connection: claims.release(connection, owner, now=now))

    def renew(self, claim: Claim, *, lease_s: float, now: datetime) -> Claim | None:
        """See `Ledger.renew`."""
        return self._database.write(lambda c: claims.renew(c, claim, lease_s=lease_s, now=now))

    def settle(self, claim: Claim, result: Settlement, *, now: datetime) -> LedgerCall:
        """See `Ledger.settle`."""
        return self._database.write(lambda c: claims.settle(c, claim, result, now=now))

    def failures(self, call_id: str) -> Mapping[str, int]:
        """See `Ledger.failures`."""
        return self._database.read(lambda c: claims.failures(c, call_id))

    def replay(self, call_id: str, *, actor: str, now: datetime) -> LedgerCall:
        """See `Ledger.replay`."""
        return self._database.write(lambda c: claims.replay(c, call_id, actor=actor, now=now))

    def take_events(self, *, owner: str, limit: int, lease_s: float, now: datetime) -> tuple[Event, ...]:
        """See `Ledger.take_events`."""
        _check_limit(limit)
        until = outbox.lease_end(now, lease_s)
        return self._database.write(lambda c: outbox.take(c, owner=owner, limit=limit, until=until, now=now))

    def mark_sent(self, event_ids: Sequence[str], *, now: datetime) -> None:
        """See `Ledger.mark_sent`."""
        self._database.write(lambda c: outbox.sent(c, event_ids, now=now))

    def reemit(self, *, grace_s: float, now: datetime) -> int:
        """See `Ledger.reemit`. It works in batches, each of them one transaction."""
        n_calls = 0
        for action, query in reconcile.overdue(grace_s=grace_s, now=now).items():
            while n_found := self._reemit(action, query, now):
                n_calls += n_found
        return n_calls

    def _reemit(self, action: audit_chain.Action, query: sa.Select[tuple[object]], now: datetime) -> int:
        return self._database.write(lambda c: reconcile.reemit(c, action, query, now=now))

    def silent_arrivals(self, *, silent_s: float, now: datetime) -> tuple[LedgerCall, ...]:
        """See `Ledger.silent_arrivals`."""
        return self._database.read(lambda c: reconcile.silent_arrivals(c, silent_s=silent_s, now=now))

    def to_shred(self, *, limit: int) -> tuple[LedgerCall, ...]:
        """See `Ledger.to_shred`."""
        _check_limit(limit)
        return self._database.read(lambda c: reconcile.to_shred(c, limit=limit))

    def shredded(self, call_id: str, *, actor: str, now: datetime) -> None:
        """See `Ledger.shredded`."""
        self._database.write(lambda c: reconcile.shredded(c, call_id, actor=actor, now=now))

    def known_landings(self, tokens: Sequence[str]) -> frozenset[str]:
        """See `Ledger.known_landings`."""
        return self._database.read(lambda c: reconcile.known_landings(c, tokens))

    def note(
        self,
        *,
        actor: str,
        action: str,
        call_id: str | None,
        detail: Mapping[str, str | int | float | bool | None],
        now: datetime,
    ) -> None:
        """See `Ledger.note`."""
        self._database.write(
            lambda c: audit_chain.append(
                c, actor=actor, action=action, call_id=call_id, detail=detail, now=now
            )
        )

    def audit(self, *, after: int = 0, limit: int = 1000) -> tuple[AuditEntry, ...]:
        """See `Ledger.audit`."""
        _check_limit(limit)
        return self._database.read(lambda c: audit_chain.read(c, after=after, limit=limit))

    def history(self, call_id: str, *, after: int = 0, limit: int = 1000) -> tuple[AuditEntry, ...]:
        """See `Ledger.history`."""
        _check_limit(limit)
        return self._database.read(lambda c: audit_chain.read(c, after=after, limit=limit, call_id=call_id))

    def check_audit(self, on_progress: Callable[[int], None] | None = None) -> int | None:
        """See `Ledger.check_audit`."""
        return self._database.read(lambda c: audit_chain.first_broken(c, on_progress))

    def counts(self, *, now: datetime) -> LedgerCounts:
        """See `Ledger.counts`."""
        return self._database.read(lambda c: reconcile.counts(c, now=now))


def _check_limit(limit: int) -> None:
    if not 1 <= limit <= 1000:
        raise ValueError("limit: allowed: 1 to 1000")
