"""Lists of calls as SQL: which index a list is read by, and where a page of it begins.

PostgreSQL knows how many calls a condition fits and chooses by itself. SQLite does not know, so they are
counted here, up to a few. The condition that few fit leads, and what it finds is sorted. When every condition
fits many, the list is read in its own order, and they are looked up on the way: a page is full soon.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import TSQUERY

from callveil.adapters.ledger_sql.search_rows import moment_of, number_of
from callveil.adapters.ledger_sql.search_tables import call_kinds, call_texts, call_words
from callveil.adapters.ledger_sql.tables import HAS_GONE, IS_RESTRICTED, ON_HOLD, calls
from callveil.stages.search_text import Term, parse
from callveil.vocabulary.ledger import CallState
from callveil.vocabulary.search import CallFlag, CallQuery, CallSort, Cursor

_FEW = 2000
"""What so many calls fit is sorted."""

_MOST_SPLITS = 40
"""Queues that are read side by side, each in its order."""

_Condition = sa.ColumnElement[bool]

_SHOWN = (
    *(calls.c.call_id, calls.c.started_at, calls.c.state, calls.c.queue, calls.c.agent, calls.c.length_s),
    *(calls.c.masked_s, calls.c.n_holds, calls.c.restricted, calls.c.gone),
)
_KEYS = {
    CallSort.START: calls.c.started_at,
    CallSort.LENGTH: calls.c.length_s,
    CallSort.MASKED: calls.c.masked_total_s,
}
_MATCH = sa.literal_column("call_words").op("MATCH", is_comparison=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A query with what its asker may see.

    Attributes:
        query: The query.
        queues: One of these; None for all.
        terms: Of its text.
    """

    query: CallQuery
    queues: frozenset[str] | None
    terms: tuple[Term, ...] = ()

    @property
    def is_empty(self) -> bool:
        """There is nothing that its asker may see."""
        return self.queues is not None and not self.queues

    @property
    def key(self) -> sa.Column[Any]:
        """What the list is in the order of; with a text the order of its index, which is that of time."""
        return call_texts.c.number if self._by_number else _KEYS[self.query.sort]

    @property
    def _by_number(self) -> bool:
        return bool(self.terms) and self.query.sort is CallSort.START

    def cursor(self, row: sa.Row[Any]) -> Cursor:
        """The place of a row."""
        key = number_of(row.key) if isinstance(row.key, datetime) else row.key
        return Cursor(key=key, call_id=row.call_id)

    def beyond(self, start: Cursor, key: sa.ColumnElement[Any], *, falls: bool) -> _Condition:
        """Rows behind a place."""
        if self._by_number:
            return key < int(start.key) if falls else key > int(start.key)
        by_time = self.query.sort is CallSort.START
        value = moment_of(int(start.key)) if by_time else float(start.key)
        here = sa.tuple_(key, calls.c.call_id)
        there = sa.tuple_(sa.literal(value, self.key.type), sa.literal(start.call_id, calls.c.call_id.type))
        return here < there if falls else here > there


def wanted(query: CallQuery, within: frozenset[str] | None) -> Wanted:
    """A query, narrowed to some queues.

    Raises:
        MetadataError: There is no word in the text.
    """
    queues = query.queues or None
    if within is not None:
        queues = within if queues is None else queues & within
    return Wanted(query=query, queues=queues, terms=parse(query.text) if query.text.strip() else ())


def page_query(
    connection: sa.Connection, asked: Wanted, *, start: Cursor | None, backward: bool, limit: int
) -> sa.Select[Any]:
    """The calls of a page, from its beginning; backward from its end.

    Args:
        connection: In a transaction.
        asked: The query.
        start: Behind which call, or before which one; None for the first, or last.
        backward: Against the order that was asked for.
        limit: At most so many.
    """
    falls = asked.query.descending != backward
    plan = _Plan(connection, asked)
    if len(plan.splits) < 2:
        return plan.select(start=start, falls=falls).limit(limit)
    parts = [
        sa.select(plan.select(lead=split, start=start, falls=falls).limit(limit).subquery())
        for split in plan.splits
    ]
    every = sa.union_all(*parts).subquery()
    order = [column.desc() if falls else column.asc() for column in (every.c["key"], every.c.call_id)]
    return sa.select(every).order_by(*order).limit(limit)


def count_query(connection: sa.Connection, asked: Wanted, *, most: int) -> sa.Select[Any]:
    """Counts calls, up to one more than `most`."""
    found = _Plan(connection, asked).select().limit(most + 1).subquery()
    return sa.select(sa.func.count()).select_from(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """A condition: as an index serves it, and so that SQLite uses none for it.

    Attributes:
        lead: With the index.
        aside: Without.
        splits: The condition for each value by itself, where the index then is in the order of time.
        index: Of the text: numbers of its rows; None for the others.
    """

    lead: _Condition
    aside: _Condition
    splits: tuple[_Condition, ...] = ()
    index: sa.ColumnElement[int] | None = None


class _Plan:
    """How a query is read in a database."""

    def __init__(self, connection: sa.Connection, asked: Wanted) -> None:
        self._asked, self._query = asked, asked.query
        self._is_sqlite = connection.dialect.name == "sqlite"
        self._conditions = list(self._all())
        self._lead: _Asked | None = None
        self._is_few = False
        self.splits: tuple[_Condition, ...] = ()
        if self._is_sqlite:
            self._choose(connection)
        elif asked.terms:
            # PostgreSQL believes that some calls hold a word it has not seen, and would go through all.
            self._lead = next(each for each in self._conditions if each.index is not None)
            self._is_few = self._count(connection, self._lead) <= _FEW

    def _choose(self, connection: sa.Connection) -> None:
        by_time = self._query.sort is CallSort.START
        numbers = [(self._count(connection, each), each) for each in self._conditions]
        fewest = min(numbers, key=lambda pair: pair[0], default=None)
        if fewest is not None and fewest[0] <= _FEW:
            self._lead, self._is_few = fewest[1], True
        elif by_time and numbers and not self._asked.terms:
            # Text leads by the order of its own index.
            ordered = [each for each in self._conditions if 0 < len(each.splits) <= _MOST_SPLITS]
            self._lead = min(ordered, key=lambda each: len(each.splits), default=None)
            self.splits = () if self._lead is None else self._lead.splits

    def _count(self, connection: sa.Connection, each: _Asked) -> int:
        if each.index is None:
            times = _times(self._query, calls.c.started_at)
            query = sa.select(calls.c.call_id).select_from(calls).where(each.lead, *times)
        else:
            query = sa.select(each.index).where(self._spoken(), *self._numbers(each.index))
        found = query.limit(_FEW + 1).subquery()
        return connection.scalar(sa.select(sa.func.count()).select_from(found)) or 0

    def select(
        self, *, lead: _Condition | None = None, start: Cursor | None = None, falls: bool | None = None
    ) -> sa.Select[Any]:
        """Every call that fits, behind a place, in order; in no order when `falls` is None."""
        asked = self._asked
        key: sa.ColumnElement[Any] = asked.key
        reads_text = bool(asked.terms) and self._is_sqlite and self._lead is None
        in_text_order = reads_text and self._query.sort is CallSort.START
        if in_text_order:
            key = call_words.c.rowid
        elif self._is_few:
            # Read in the order of the list, all of it would be looked through for the few.
            key = self._aside(asked.key) if self._is_sqlite else asked.key + sa.literal_column("0")
        conditions = [lead if lead is not None else self._leading()] if self._lead is not None else []
        conditions += [self._rest(each, in_text_order) for each in self._conditions if each is not self._lead]
        by_index = self._query.sort is CallSort.START and not in_text_order
        if self._is_few and self._lead is not None:
            by_index = bool(self._lead.splits)
        started_at = calls.c.started_at if by_index else self._aside(calls.c.started_at)
        conditions += _times(self._query, started_at)
        if not self._query.states:
            conditions.append(self._aside(calls.c.state) != CallState.ERASED.value)
        columns = [*_SHOWN, key.label("key") if not self._is_few else asked.key.label("key")]
        source: sa.FromClause = calls
        if asked.terms:
            columns.append(call_texts.c.text)
            source = call_texts.join(calls, calls.c.call_id == call_texts.c.call_id)
            conditions.append(calls.c.restricted.is_(None))
        if in_text_order:
            source = call_words.join(source, call_texts.c.number == call_words.c.rowid)
            conditions += self._numbers(call_words.c.rowid)
        if start is not None and falls is not None:
            conditions.append(asked.beyond(start, key, falls=falls))
        query = sa.select(*columns).select_from(source).where(*conditions)
        if falls is None:
            return query
        by = (key,) if asked.key is call_texts.c.number else (key, calls.c.call_id)
        return query.order_by(*[column.desc() if falls else column.asc() for column in by])

    def _leading(self) -> _Condition:
        assert self._lead is not None  # noqa: S101  for mypy
        return self._lead.lead

    def _rest(self, each: _Asked, in_text_order: bool) -> _Condition:
        if not self._is_sqlite:
            return each.lead
        if in_text_order and each.index is not None:
            return self._spoken()
        return each.aside

    def _numbers(self, number: sa.ColumnElement[Any]) -> list[_Condition]:
        """The times of the query in the order of the text index; see `search_rows.put`."""
        query, found = self._query, []
        if query.since is not None:
            found.append(number >= number_of(query.since))
        if query.until is not None:
            found.append(number < number_of(query.until) + 1_000_000)
        return found

    def _aside(self, column: sa.Column[Any]) -> sa.ColumnElement[Any]:
        """The same value, for which SQLite has no index."""
        if not self._is_sqlite:
            return column
        # https://www.sqlite.org/optoverview.html: a plus sign before a column keeps its indexes out.
        return sa.literal_column(f"+{column.table.name}.{column.name}", column.type)

    def _all(self) -> Iterator[_Asked]:
        query, c = self._query, calls.c
        columns: tuple[tuple[sa.Column[Any], Sequence[str]], ...] = (
            (c.agent, (query.agent,) if query.agent is not None else ()),
            (c.queue, sorted(self._asked.queues or ())),
            (c.state, sorted(state.value for state in query.states)),
        )
        for column, values in columns:
            if values:
                yield _Asked(
                    lead=column.in_(values),
                    aside=self._aside(column).in_(values),
                    splits=tuple(column == value for value in values),
                )
        flags = {
            CallFlag.ON_HOLD: (ON_HOLD, self._aside(c.n_holds) > 0),
            CallFlag.RESTRICTED: (IS_RESTRICTED, self._aside(c.restricted).is_not(None)),
            CallFlag.GONE: (HAS_GONE, self._aside(c.gone) != ""),
        }
        for flag in sorted(query.flags):
            lead, aside = flags[flag]
            yield _Asked(lead=lead, aside=aside, splits=(lead,))  # type: ignore[arg-type]
        if query.kinds:
            yield self._masked()
        if self._asked.terms:
            yield self._said()
        if (query.since, query.until) != (None, None):
            times = _times(query, c.started_at)
            yield _Asked(lead=sa.and_(*times), aside=sa.and_(*_times(query, self._aside(c.started_at))))

    def _masked(self) -> _Asked:
        kinds = sorted(kind.value for kind in self._query.kinds)
        has = sa.select(call_kinds.c.call_id).where(
            call_kinds.c.kind.in_(kinds), *_times(self._query, call_kinds.c.started_at)
        )
        written = [self._aside(calls.c.masked_s).contains(f'"{kind}":', autoescape=True) for kind in kinds]
        return _Asked(lead=calls.c.call_id.in_(has), aside=sa.or_(*written))

    def _spoken(self) -> _Condition:
        """The text holds the words, in the row of its index."""
        if self._is_sqlite:
            return _MATCH(_fts(self._asked.terms))
        words = sa.cast(sa.literal(_tsquery(self._asked.terms), sa.Text), TSQUERY)
        return call_texts.c.words.op("@@", is_comparison=True)(words)

    def _said(self) -> _Asked:
        if not self._is_sqlite:
            return _Asked(lead=self._spoken(), aside=self._spoken(), index=call_texts.c.number)
        number = call_words.c.rowid
        rows = sa.select(number).where(self._spoken())
        here = rows.where(number == call_texts.c.number).correlate(call_texts)
        lead = call_texts.c.number.in_(rows.where(*self._numbers(number)))
        return _Asked(lead=lead, aside=here.exists(), index=number)


def _times(query: CallQuery, column: sa.ColumnElement[Any]) -> list[_Condition]:
    found = []
    if query.since is not None:
        found.append(column >= query.since)
    if query.until is not None:
        found.append(column < query.until)
    return found


def _fts(terms: Sequence[Term]) -> str:
    """Words as FTS5 takes them; they are letters and digits only."""
    return " ".join(f'"{" ".join(term.words)}"{"*" if term.is_beginning else ""}' for term in terms)


def _tsquery(terms: Sequence[Term]) -> str:
    """Words as PostgreSQL takes them."""
    phrases = []
    for term in terms:
        words = [f"'{word}'" for word in term.words]
        words[-1] += ":*" if term.is_beginning else ""
        phrases.append(f"({' <-> '.join(words)})")
    return " & ".join(phrases)
