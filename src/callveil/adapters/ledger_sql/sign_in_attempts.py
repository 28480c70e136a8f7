"""How often somebody may try to sign in.

A few mistakes cost nothing, then each attempt doubles the wait. An attempt is counted before its password is
looked at, so that a hundred at once get no further than one after another; the one that succeeds is taken
back. Names that nobody has are counted like others.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from callveil.adapters.ledger_sql.account_tables import sign_in_attempts as table

FREE = {"name": 5, "address": 20}
"""Attempts without a wait: an office may share one address."""

FIRST_WAIT_S, LONGEST_WAIT_S = 5.0, 900.0
"""A name can be tried some 110 times in a day; NIST SP 800-63B allows 100 failures one after another."""

FORGOTTEN_AFTER = timedelta(days=1)


def digest_of(kind: str, value: str) -> str:
    """Under which attempts are counted: "name" or "address", and its value."""
    return hashlib.sha256(f"{kind}\n{value}".encode("utf-8", "surrogatepass")).hexdigest()


def attempt(connection: sa.Connection, name: str, address: str, *, now: datetime) -> float:
    """See `Accounts.attempt`."""
    connection.execute(sa.delete(table).where(table.c.last_at < now - FORGOTTEN_AFTER))
    counted = {digest_of("name", name): FREE["name"], digest_of("address", address): FREE["address"]}
    rows = _locked(connection, counted)
    waits = [(row.blocked_until - now).total_seconds() for row in rows.values() if row.blocked_until]
    wait_s = float(max(waits, default=0.0))
    if wait_s > 0:
        return wait_s
    for digest, free in sorted(counted.items()):
        before = rows[digest].attempts if digest in rows else 0
        values = {"attempts": before + 1, "last_at": now, "blocked_until": _until(before + 1, free, now)}
        if digest in rows:
            connection.execute(sa.update(table).where(table.c.digest == digest).values(values))
        else:
            connection.execute(sa.insert(table).values(digest=digest, **values))
    return 0.0


def succeeded(connection: sa.Connection, name: str, address: str) -> None:
    """Forget what was counted for a name; for its address take one attempt back.

    Whoever has an account must not be able to wipe out what they tried with other names.
    """
    forget(connection, name)
    digest = digest_of("address", address)
    row = _locked(connection, {digest: 0}).get(digest)
    if row is None:
        return
    left = row.attempts - 1
    until = row.blocked_until if left >= FREE["address"] else None
    connection.execute(
        sa.update(table).where(table.c.digest == digest).values(attempts=left, blocked_until=until)
    )


def forget(connection: sa.Connection, name: str) -> None:
    """Forget what was counted for a name."""
    connection.execute(sa.delete(table).where(table.c.digest == digest_of("name", name)))


def _locked(connection: sa.Connection, digests: dict[str, int]) -> dict[str, sa.Row[Any]]:
    query = sa.select(table).where(table.c.digest.in_(list(digests))).order_by(table.c.digest)
    return {row.digest: row for row in connection.execute(query.with_for_update())}


def _until(attempts: int, free: int, now: datetime) -> datetime | None:
    """When the next attempt may be made; None for at once."""
    if attempts < free:
        return None
    wait_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(attempts - free, 20))
    return now + timedelta(seconds=wait_s)
