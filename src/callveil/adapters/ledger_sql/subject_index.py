"""Which calls a person is in, by keyed hashes of their identifiers. See `ports.SubjectIndex`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from callveil.adapters.ledger_sql import subject_lock
from callveil.adapters.ledger_sql.database import Database
from callveil.adapters.ledger_sql.holds import calls_with, hold_covered, lock_present
from callveil.adapters.ledger_sql.outbox import BATCH
from callveil.adapters.ledger_sql.rights_tables import hold_identities, identities, request_identities
from callveil.vocabulary.call import Call
from callveil.vocabulary.rights import IdentifierKind, Identity, Sighting

_WITH_DIGESTS = (identities, hold_identities, request_identities)


class SqlSubjectIndex:
    """See `ports.SubjectIndex`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, digests: Sequence[str]) -> tuple[Sighting, ...]:
        """See `SubjectIndex.find`."""
        return self._sightings(identities.c.digest, digests)

    def beside(self, call_ids: Sequence[str]) -> tuple[Sighting, ...]:
        """See `SubjectIndex.beside`."""
        return self._sightings(identities.c.call_id, call_ids)

    def _sightings(self, column: sa.Column[Any], values: Sequence[str]) -> tuple[Sighting, ...]:
        wanted = sorted(set(values))

        def work(connection: sa.Connection) -> list[Sighting]:
            found = []
            for start in range(0, len(wanted), BATCH):
                query = sa.select(identities).where(column.in_(wanted[start : start + BATCH]))
                found += [_sighting(row) for row in connection.execute(query)]
            return found

        return tuple(sorted(self._database.read(work), key=_order))

    def generations(self) -> Mapping[int, int]:
        """See `SubjectIndex.generations`."""

        def work(connection: sa.Connection) -> Counter[int]:
            found: Counter[int] = Counter()
            for table in _WITH_DIGESTS:
                query = sa.select(table.c.generation, sa.func.count()).group_by(table.c.generation)
                for generation, n_found in connection.execute(query):
                    found[generation] += n_found
            return found

        return dict(sorted(self._database.read(work).items()))

    def rekey(self, generation: int, step: Callable[[str], str], *, limit: int) -> int:
        """See `SubjectIndex.rekey`."""
        return self._database.write(lambda c: _rekey(c, generation, step, limit))


def add(connection: sa.Connection, call: Call, found: Iterable[Identity]) -> None:
    """Enter the identifiers of a call's parties; those that are there already are passed over."""
    query = sa.select(identities.c.party, identities.c.kind, identities.c.digest)
    known = {tuple(row) for row in connection.execute(query.where(identities.c.call_id == call.call_id))}
    rows = [
        {
            "call_id": call.call_id,
            "party": identity.party,
            "role": call.parties[identity.party].role.value,
            "kind": identity.kind.value,
            "digest": identity.digest,
            "generation": identity.generation,
        }
        for identity in found
        if (identity.party, identity.kind.value, identity.digest) not in known
    ]
    if rows:
        connection.execute(sa.insert(identities), rows)


def replace(connection: sa.Connection, call: Call, found: Iterable[Identity]) -> None:
    """Enter the identifiers of a call's parties in the place of those that are there."""
    connection.execute(sa.delete(identities).where(identities.c.call_id == call.call_id))
    add(connection, call, found)


def identity_of(row: sa.Row[Any], party: int) -> Identity:
    """A row of any table that holds digests."""
    return Identity(kind=IdentifierKind(row.kind), digest=row.digest, generation=row.generation, party=party)


def _sighting(row: sa.Row[Any]) -> Sighting:
    return Sighting(call_id=row.call_id, identity=identity_of(row, row.party), role=row.role)


def _order(found: Sighting) -> tuple[str, int, str, str]:
    return found.call_id, found.identity.party, found.identity.kind.value, found.identity.digest


def _rekey(connection: sa.Connection, generation: int, step: Callable[[str], str], limit: int) -> int:
    subject_lock.alone(connection)
    n_done = 0
    # Holds first: a call that comes in meanwhile has digests of the newest generation.
    for table in (hold_identities, request_identities, identities):
        query = sa.select(table).where(table.c.generation == generation)
        rows = connection.execute(query.order_by(table.c.number).limit(limit - n_done)).all()
        if not rows:
            continue
        on = lock_present(connection, {row.call_id for row in rows}) if table is identities else []
        new = [{"n": row.number, "d": step(row.digest), "g": generation + 1} for row in rows]
        connection.execute(
            sa.update(table)
            .where(table.c.number == sa.bindparam("n"))
            .values(digest=sa.bindparam("d"), generation=sa.bindparam("g")),
            new,
        )
        if table is hold_identities:
            on = lock_present(connection, calls_with(connection, [each["d"] for each in new]))
        # What came in under one generation while the hold was of another one.
        hold_covered(connection, on)
        n_done += len(new)
        if n_done >= limit:
            break
    return n_done
