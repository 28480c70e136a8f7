"""Retention policies in the ledger's database. See `ports.PolicySets`."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from callveil.adapters.ledger_sql import audit_chain
from callveil.adapters.ledger_sql.audit_chain import Action
from callveil.adapters.ledger_sql.call_rows import dump
from callveil.adapters.ledger_sql.database import Database
from callveil.adapters.ledger_sql.policy_tables import policy_runs, policy_sets
from callveil.errors import NotFoundError, RefusedError
from callveil.vocabulary.policy_sets import PolicyRun, PolicySet


class SqlPolicySets:
    """See `ports.PolicySets`.

    Args:
        database: The ledger's.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def version(self) -> int:
        """See `PolicySets.version`."""
        return self._database.read(_version)

    def current(self) -> PolicySet | None:
        """See `PolicySets.current`."""
        found = self.history(limit=1)
        return found[0] if found else None

    def get(self, number: int) -> PolicySet:
        """See `PolicySets.get`."""
        query = sa.select(policy_sets).where(policy_sets.c.number == number)
        row = self._database.read(lambda c: c.execute(query).one_or_none())
        if row is None:
            raise NotFoundError("there is no such set of policies")
        return _set(row)

    def history(self, *, limit: int = 50) -> tuple[PolicySet, ...]:
        """See `PolicySets.history`."""
        query = sa.select(policy_sets).order_by(policy_sets.c.number.desc()).limit(limit)
        return self._database.read(lambda c: tuple(_set(row) for row in c.execute(query)))

    def put(
        self, text: str, *, base: int, note: str, actor: str, approved_by: str | None = None, now: datetime
    ) -> PolicySet:
        """See `PolicySets.put`."""
        new = {"text": text, "note": note, "by": actor, "approved_by": approved_by, "at": now}
        return self._database.write(lambda c: _put(c, new, base))

    def begin_run(self, run: PolicyRun) -> PolicyRun:
        """See `PolicySets.begin_run`."""
        return self._database.write(lambda c: _begin(c, run))

    def advance_run(self, run: PolicyRun) -> None:
        """See `PolicySets.advance_run`."""
        self._database.write(lambda c: _advance(c, run))

    def last_run(self) -> PolicyRun | None:
        """See `PolicySets.last_run`."""
        query = sa.select(policy_runs).order_by(policy_runs.c.begun_at.desc()).limit(1)
        row = self._database.read(lambda c: c.execute(query).one_or_none())
        return None if row is None else _run(row)


def _version(connection: sa.Connection) -> int:
    return connection.scalar(sa.select(sa.func.max(policy_sets.c.number))) or 0


def _put(connection: sa.Connection, new: dict[str, Any], base: int) -> PolicySet:
    # The chain's lock is taken by every change, so two of these cannot both find the same newest set.
    audit_chain.lock(connection)
    digest = hashlib.sha256(new["text"].encode()).hexdigest()
    newest = sa.select(policy_sets).order_by(policy_sets.c.number.desc()).limit(1)
    row = connection.execute(newest).one_or_none()
    if row is not None and row.sha256 == digest:
        return _set(row)
    number = 0 if row is None else row.number
    if number != base:
        raise RefusedError(f"set {number} has come into force since; compare with it, and try again")
    connection.execute(sa.insert(policy_sets).values(number=number + 1, sha256=digest, **new))
    detail: audit_chain.Detail = {
        "set": number + 1,
        "sha256": digest,
        "base": base,
        "approved_by": new["approved_by"],
    }
    audit_chain.append(
        connection, actor=new["by"], action=Action.POLICIES, call_id=None, detail=detail, now=new["at"]
    )
    return _set(connection.execute(newest).one())


def _begin(connection: sa.Connection, run: PolicyRun) -> PolicyRun:
    known = sa.select(policy_runs).where(policy_runs.c.run_id == run.run_id)
    if (row := connection.execute(known).one_or_none()) is not None:
        return _run(row)
    values = {"run_id": run.run_id, "version": run.version, "by": run.by, "begun_at": run.begun_at}
    connection.execute(sa.insert(policy_runs).values(**values, **_progress(run)))
    detail: audit_chain.Detail = {"run": run.run_id, "set": run.version}
    audit_chain.append(
        connection, actor=run.by, action=Action.RUN_BEGUN, call_id=None, detail=detail, now=run.begun_at
    )
    return _run(connection.execute(known).one())


def _advance(connection: sa.Connection, run: PolicyRun) -> None:
    here = policy_runs.c.run_id == run.run_id
    changed = connection.execute(
        sa.update(policy_runs).where(here, policy_runs.c.done_at.is_(None)).values(**_progress(run))
    )
    if run.done_at is not None and changed.rowcount:
        detail: audit_chain.Detail = {"run": run.run_id, "set": run.version, **run.counts}
        audit_chain.append(
            connection, actor=run.by, action=Action.RUN_DONE, call_id=None, detail=detail, now=run.done_at
        )


def _progress(run: PolicyRun) -> dict[str, Any]:
    return {
        "updated_at": run.updated_at,
        "after": run.after,
        "counts": dump(dict(run.counts)),
        "done_at": run.done_at,
    }


def _set(row: sa.Row[Any]) -> PolicySet:
    return PolicySet(
        number=row.number,
        text=row.text,
        sha256=row.sha256,
        note=row.note,
        by=row.by,
        approved_by=row.approved_by,
        at=row.at,
    )


def _run(row: sa.Row[Any]) -> PolicyRun:
    return PolicyRun(
        run_id=row.run_id,
        version=row.version,
        by=row.by,
        begun_at=row.begun_at,
        updated_at=row.updated_at,
        after=row.after,
        counts=json.loads(row.counts),
        done_at=row.done_at,
    )
