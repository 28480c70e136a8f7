"""A query for calls and a place in its list as text: for what is saved, and for addresses of pages."""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeVar

from callveil.errors import MetadataError
from callveil.vocabulary.ledger import CallState
from callveil.vocabulary.pii import Entity
from callveil.vocabulary.search import CallFlag, CallQuery, CallSort, Cursor

_T = TypeVar("_T")
_E = TypeVar("_E", bound=StrEnum)

_FIELDS = frozenset(CallQuery.__dataclass_fields__)
_MOST_VALUES = 200


def query_to_text(query: CallQuery) -> str:
    """A query as JSON; what asks nothing is left out."""
    every = {
        "since": None if query.since is None else query.since.astimezone(UTC).isoformat(),
        "until": None if query.until is None else query.until.astimezone(UTC).isoformat(),
        "queues": sorted(query.queues),
        "agent": query.agent,
        "states": sorted(query.states),
        "kinds": sorted(query.kinds),
        "flags": sorted(query.flags),
        "text": query.text,
        "sort": query.sort,
        "descending": query.descending,
    }
    asked = {name: value for name, value in every.items() if value not in (None, [], "")}
    return json.dumps(asked, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def query_from_text(text: str) -> CallQuery:
    """What `query_to_text` wrote.

    Raises:
        MetadataError: It is none; the message does not repeat it.
    """
    return _checked(lambda: _query(json.loads(text)), "filter: is no query for calls")


def cursor_to_text(cursor: Cursor) -> str:
    """A place in a list, for an address."""
    written = json.dumps([cursor.key, cursor.call_id], separators=(",", ":"))
    return base64.urlsafe_b64encode(written.encode()).rstrip(b"=").decode()


def cursor_from_text(text: str) -> Cursor:
    """What `cursor_to_text` wrote.

    Raises:
        MetadataError: It is none; the message does not repeat it.
    """

    def read() -> Cursor:
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        key, call_id = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        if type(key) not in (int, float) or not math.isfinite(key) or abs(key) >= 2**63:
            raise ValueError
        if type(call_id) is not str or not 1 <= len(call_id) <= 128 or not call_id.isprintable():
            raise ValueError
        return Cursor(key=key, call_id=call_id)

    return _checked(read, "page: no such place in the list")


def _checked(read: Callable[[], _T], problem: str) -> _T:
    try:
        return read()
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError, binascii.Error):
        pass
    raise MetadataError(problem)


def _query(document: Mapping[str, Any]) -> CallQuery:
    if type(document) is not dict or not document.keys() <= _FIELDS:
        raise ValueError
    agent, text, falls = document.get("agent"), document.get("text", ""), document.get("descending", True)
    if type(text) is not str or type(falls) is not bool or type(agent) not in (str, type(None)):
        raise ValueError
    return CallQuery(
        since=_moment(document.get("since")),
        until=_moment(document.get("until")),
        queues=frozenset(_texts(document.get("queues", []))),
        agent=agent,
        states=_members(CallState, document.get("states", [])),
        kinds=_members(Entity, document.get("kinds", [])),
        flags=_members(CallFlag, document.get("flags", [])),
        text=text,
        sort=CallSort(document.get("sort", CallSort.START)),
        descending=falls,
    )


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError
    return moment.astimezone(UTC)


def _texts(values: Any) -> list[str]:
    if (
        type(values) is not list
        or len(values) > _MOST_VALUES
        or any(type(value) is not str for value in values)
    ):
        raise ValueError
    return values


def _members(kind: type[_E], values: Any) -> frozenset[_E]:
    return frozenset(kind(value) for value in _texts(values))
