"""JSON that every parser reads the same way: no duplicate keys, no NaN, bounded."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any, NoReturn

MAX_DEPTH = 32

# A string, or a bracket outside of strings. A match never fails half-way, so a search takes linear time.
_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*+"?|[\[\]{}]', re.DOTALL)


class BadJsonError(ValueError):
    """The text cannot be taken as JSON; the message holds nothing of it."""


def strict_json(text: str | bytes, *, max_bytes: int) -> str:
    """Check a document and return its text.

    Args:
        text: UTF-8, with or without a byte order mark.
        max_bytes: Longest text.

    Raises:
        BadJsonError: Too long, not UTF-8, not JSON, nested too deep, with NaN or Infinity, or with a key
            that stands twice in one object.
    """
    try:
        content = text.decode("utf-8-sig") if isinstance(text, bytes) else text
        size = len(text) if isinstance(text, bytes) else len(text.encode("utf-8"))
    except UnicodeError:
        raise BadJsonError("is not UTF-8") from None
    if size > max_bytes:
        raise BadJsonError(f"is larger than {max_bytes} bytes")
    if _depth(content) > MAX_DEPTH:
        raise BadJsonError(f"is nested deeper than {MAX_DEPTH} levels")
    try:
        json.loads(content, object_pairs_hook=_unique, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise BadJsonError(f"is not JSON: line {error.lineno}, column {error.colno}") from None
    except BadJsonError:
        raise
    except ValueError:
        raise BadJsonError("holds a number with too many digits") from None
    return content


def _depth(content: str) -> int:
    depth = deepest = 0
    for token in _TOKENS.finditer(content):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(token[0], 0)
        deepest = max(deepest, depth)
    return deepest


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        # Which key it is stays unsaid: it may be somebody's name. Its place among the keys is enough.
        seen = Counter(key for key, _ in pairs)
        places = [str(place) for place, (key, _) in enumerate(pairs, 1) if seen[key] > 1]
        raise BadJsonError(
            f"has a field twice in one object: its fields {' and '.join(places[:2])} have one name"
        )
    return fields


def _no_constant(_: str) -> NoReturn:
    raise BadJsonError("holds NaN or Infinity, which are not JSON")
