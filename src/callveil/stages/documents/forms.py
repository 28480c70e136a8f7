"""How numbers, times and JSON are written in every document."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime

from callveil.errors import MetadataError
from callveil.vocabulary.consent import ConsentDecision


def seconds(value: float) -> float:
    """Seconds with three decimals: a millisecond is finer than any recogniser's word times."""
    return round(float(value), 3)


def utc(moment: datetime) -> str:
    """RFC 3339 with milliseconds and "Z".

    Args:
        moment: Aware, in any zone.

    Raises:
        MetadataError: It has no time zone.
    """
    if moment.tzinfo is None:
        raise MetadataError("a time for a document has no time zone; aware times only")
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def compact(value: Mapping[str, object]) -> bytes:
    """JSON on one line, keys in the order given, UTF-8."""
    return _dump(value, indent=None)


def indented(value: Mapping[str, object]) -> bytes:
    """JSON for people, keys in the order given, UTF-8."""
    return _dump(value, indent=2)


def decision_fields(decision: ConsentDecision) -> dict[str, object]:
    """A consent decision as it stands in documents."""
    return {
        "action": decision.action.value,
        "rule": decision.rule,
        "reason": decision.reason,
        "keep_until_s": None if decision.keep_until_s is None else seconds(decision.keep_until_s),
        "hold_until": None if decision.hold_until is None else utc(decision.hold_until),
    }


def _dump(value: Mapping[str, object], *, indent: int | None) -> bytes:
    separators = (",", ":") if indent is None else (",", ": ")
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent, separators=separators)
    return f"{text}\n".encode()
