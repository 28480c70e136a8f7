"""A query for calls as the address of its list, and back.

The address holds the whole query, so it can be kept and sent. Nobody's data stands in it but the words that
somebody typed to find in the redacted transcripts, and names of queues and agents.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import TypeVar
from urllib.parse import urlencode

from starlette.datastructures import QueryParams

from callveil.adapters.call_query import cursor_from_text, cursor_to_text
from callveil.errors import MetadataError
from callveil.vocabulary.ledger import CallState
from callveil.vocabulary.pii import Entity
from callveil.vocabulary.search import CallFlag, CallQuery, CallSort, Cursor

LIST = "/calls"

_E = TypeVar("_E", bound=StrEnum)

_MOST_VALUES, _LONGEST = 60, 200
_PLACES = ("after", "before", "last")


@dataclass(frozen=True, slots=True, kw_only=True)
class CallList:
    """A page of a list, as it is asked for.

    Attributes:
        query: Which calls.
        after: The page begins behind this place.
        before: The page ends before this place.
        last: The last page.
        limit: Calls of a page.
    """

    query: CallQuery = field(default_factory=CallQuery)
    after: Cursor | None = None
    before: Cursor | None = None
    last: bool = False
    limit: int = 50

    @property
    def is_first(self) -> bool:
        """It is the first page."""
        return self.after is None and self.before is None and not self.last


def list_of(given: QueryParams) -> CallList:
    """What an address asks for. Parameters of other names are left alone.

    Args:
        given: Of the address.

    Raises:
        MetadataError: A value is not allowed; the message does not repeat it.
    """
    places = [name for name in _PLACES if given.get(name)]
    if len(places) > 1:
        raise MetadataError("page: allowed: one of after, before and last")
    after, before = given.get("after"), given.get("before")
    return CallList(
        query=query_of(given),
        after=cursor_from_text(after) if after else None,
        before=cursor_from_text(before) if before else None,
        last=places == ["last"],
        limit=_limit(given.get("limit")),
    )


def query_of(given: QueryParams) -> CallQuery:
    """The query alone.

    Raises:
        MetadataError: A value is not allowed; the message does not repeat it.
    """
    since, until = _moment("since", given.get("since")), _moment("until", given.get("until"), days=1)
    if since is not None and until is not None and since >= until:
        raise MetadataError("until: allowed: a day that is not before the first one")
    order = given.get("order") or "desc"
    if order not in ("asc", "desc"):
        raise MetadataError("order: allowed: asc, desc")
    agents, sorts = _texts("agent", [given.get("agent", "")]), _members("sort", CallSort, given)
    return CallQuery(
        since=since,
        until=until,
        queues=frozenset(_texts("queue", given.getlist("queue"))),
        agent=agents[0] if agents else None,
        states=_members("state", CallState, given),
        kinds=_members("kind", Entity, given),
        flags=_members("flag", CallFlag, given),
        text=_text(given.get("q", "")),
        sort=min(sorts, default=CallSort.START),
        descending=order == "desc",
    )


def address_of_query(query: CallQuery) -> str:
    """Where a query's list begins."""
    return _address(_pairs(query))


def address_of_page(
    query: CallQuery, *, after: Cursor | None = None, before: Cursor | None = None, last: bool = False
) -> str:
    """Where a page of a query's list is."""
    place: list[tuple[str, str]] = []
    if after is not None:
        place.append(("after", cursor_to_text(after)))
    elif before is not None:
        place.append(("before", cursor_to_text(before)))
    elif last:
        place.append(("last", "1"))
    return _address([*_pairs(query), *place])


def _pairs(query: CallQuery) -> list[tuple[str, str]]:
    pairs = [("q", query.text)]
    pairs += [(name, _z(at)) for name, at in (("since", query.since), ("until", query.until)) if at]
    pairs += [("queue", queue) for queue in sorted(query.queues)]
    pairs.append(("agent", query.agent or ""))
    pairs += [("state", state.value) for state in CallState if state in query.states]
    pairs += [("kind", kind.value) for kind in Entity if kind in query.kinds]
    pairs += [("flag", flag.value) for flag in CallFlag if flag in query.flags]
    pairs.append(("sort", "" if query.sort is CallSort.START else query.sort.value))
    pairs.append(("order", "" if query.descending else "asc"))
    return [(name, value) for name, value in pairs if value]


def _address(pairs: list[tuple[str, str]]) -> str:
    return f"{LIST}?{urlencode(pairs)}" if pairs else LIST


def _z(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _moment(name: str, text: str | None, *, days: int = 0) -> datetime | None:
    """A moment as it is; a day, or what has no zone, in UTC. A day ends with the next one's begin."""
    if not text:
        return None
    try:
        if len(text) == len("2026-11-24"):
            day = datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC)
            return day + timedelta(days=days)
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise MetadataError(f"{name}: allowed: a day such as 2026-11-24, or a moment as in RFC 3339")


def _limit(text: str | None) -> int:
    if not text:
        return 50
    if text.isascii() and text.isdigit() and len(text) <= 3 and 1 <= int(text) <= 200:
        return int(text)
    raise MetadataError("limit: allowed: 1 to 200")


def _text(text: str) -> str:
    text = " ".join(text.split())
    if not text.isprintable():
        raise MetadataError("text: allowed: characters that can be printed")
    return text


def _texts(name: str, values: Iterable[str]) -> list[str]:
    found = [value for value in values if value]
    if len(found) > _MOST_VALUES or any(len(each) > _LONGEST or not each.isprintable() for each in found):
        raise MetadataError(f"{name}: allowed: {_MOST_VALUES} names of up to {_LONGEST} characters")
    return found


def _members(name: str, kind: type[_E], given: QueryParams) -> frozenset[_E]:
    try:
        return frozenset(kind(value) for value in given.getlist(name) if value)
    except ValueError:
        pass
    raise MetadataError(f"{name}: allowed: {', '.join(kind)}")
