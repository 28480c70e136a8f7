"""What search knows of a call, written in the transaction that changes the call."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from callveil.adapters.ledger_sql.retention_columns import parts_from_text
from callveil.adapters.ledger_sql.rights_tables import removals
from callveil.adapters.ledger_sql.search_tables import call_kinds, call_texts
from callveil.adapters.ledger_sql.tables import calls
from callveil.errors import MetadataError
from callveil.stages.search_text import MASK, TURN, folded, search_text
from callveil.vocabulary.ledger import CallState
from callveil.vocabulary.retention import KeptPart
from callveil.vocabulary.transcript import MaskedTurn

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = 1_000_000


def number_of(moment: datetime) -> int:
    """Microseconds from 1970."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def moment_of(number: int) -> datetime:
    """What `number_of` counted.

    Raises:
        MetadataError: No such time.
    """
    try:
        return _EPOCH + timedelta(microseconds=number)
    except OverflowError:
        raise MetadataError("page: no such place in the list") from None


def length_columns(duration_s: float | None, masked_s: Mapping[str, float]) -> dict[str, Any]:
    """Columns of a call's length and masks that lists are in the order of."""
    return {"length_s": duration_s or 0.0, "masked_total_s": round(sum(masked_s.values()), 3)}


def set_kinds(connection: sa.Connection, call_id: str, started_at: datetime, kinds: Sequence[str]) -> None:
    """Write down which kinds are masked in a call."""
    connection.execute(sa.delete(call_kinds).where(call_kinds.c.call_id == call_id))
    rows = [{"kind": kind, "started_at": started_at, "call_id": call_id} for kind in kinds]
    if rows:
        connection.execute(sa.insert(call_kinds), rows)


def settled(connection: sa.Connection, call_id: str, turns: Sequence[MaskedTurn] | None) -> None:
    """Bring the index to what came of a call whose row is written already.

    Args:
        connection: In a transaction that has locked the call.
        call_id: The call.
        turns: What was published of it now; None when that is not known, and then it is owed.
    """
    row = connection.execute(sa.select(calls).where(calls.c.call_id == call_id)).one()
    may = may_be_searched(connection, row)
    if may and turns is not None:
        put(connection, call_id, row.started_at, turns)
    else:
        drop(connection, call_id)
    _owe(connection, call_id, may and turns is None)


def may_be_searched(connection: sa.Connection, row: sa.Row[Any]) -> bool:
    """Whether the transcript of a call is published, and nothing forbids to use it or is to delete it."""
    if row.state != CallState.PUBLISHED or row.prefix is None or row.restricted is not None:
        return False
    going = sa.select(removals.c.parts).where(removals.c.call_id == row.call_id, removals.c.done_at.is_(None))
    texts = [row.gone, *connection.scalars(going)]
    return all(KeptPart.TRANSCRIPT not in parts_from_text(text) for text in texts)


def put(connection: sa.Connection, call_id: str, started_at: datetime, turns: Sequence[MaskedTurn]) -> None:
    """Take the text of a call into the index, in the place of an earlier one."""
    drop(connection, call_id)
    text = search_text(turns)
    base = number_of(started_at)
    # Many calls begin in the same second where that is all that is known.
    end = base - base % _SECOND + _SECOND
    taken = sa.select(sa.func.max(call_texts.c.number)).where(
        call_texts.c.number >= base, call_texts.c.number < end
    )
    last = connection.scalar(taken)
    number = base if last is None else last + 1
    words = folded(text)
    values = {
        "number": number,
        "call_id": call_id,
        "text": text,
        "words": " ".join(words) if connection.dialect.name == "sqlite" else vector(words),
    }
    connection.execute(sa.insert(call_texts).values(values))


def vector(words: Sequence[str]) -> str:
    """Folded words as PostgreSQL writes a tsvector. It takes up to 255 places of a word."""
    places: dict[str, list[int]] = defaultdict(list)
    for place, word in enumerate(words, start=1):
        if word not in (MASK, TURN) and len(places[word]) < 255:
            places[word].append(min(place, 16383))
    return " ".join(f"'{word}':{','.join(map(str, found))}" for word, found in sorted(places.items()))


def drop(connection: sa.Connection, *call_ids: str) -> None:
    """Take the text of calls out of the index."""
    connection.execute(sa.delete(call_texts).where(call_texts.c.call_id.in_(call_ids)))


def withdraw(connection: sa.Connection, call_id: str) -> None:
    """Take the text of a call out of the index, and do not owe it again."""
    drop(connection, call_id)
    _owe(connection, call_id, False)


def owe_if_allowed(connection: sa.Connection, call_id: str) -> None:
    """Owe the text of a call again, such as when its restriction is lifted."""
    row = connection.execute(sa.select(calls).where(calls.c.call_id == call_id)).one()
    there = connection.scalar(sa.select(call_texts.c.number).where(call_texts.c.call_id == call_id))
    _owe(connection, call_id, there is None and may_be_searched(connection, row))


def _owe(connection: sa.Connection, call_id: str, owed: bool) -> None:
    connection.execute(sa.update(calls).where(calls.c.call_id == call_id).values(text_owed=owed))
