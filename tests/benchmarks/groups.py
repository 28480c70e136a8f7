"""Kinds of personal data in four groups: single kinds occur too seldom to be compared one by one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callveil.vocabulary.pii import Entity

_NAMES = (Entity.PERSON,)
_PLACES = (Entity.ADDRESS, Entity.EMAIL_ADDRESS)
_OTHER = (Entity.PASSWORD_OR_PIN, Entity.MEDICAL)
_NUMBERS = tuple(entity for entity in Entity if entity not in (*_NAMES, *_PLACES, *_OTHER))

GROUPS: Mapping[str, tuple[Entity, ...]] = {
    "numbers": _NUMBERS,
    "names": _NAMES,
    "addresses, e-mail": _PLACES,
    "passwords, medical": _OTHER,
}


def by_group(fields: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """Stretches and caught ones of each group.

    Args:
        fields: As `summary_fields` gives them.
    """
    return {
        group: {
            key: sum(row[key] for kind, row in fields["by_entity"].items() if kind in entities)
            for key in ("spans", "caught")
        }
        for group, entities in GROUPS.items()
    }


def read_by_group(listener: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """Values of each group, and those that a listener read.

    Args:
        listener: An entry of `listeners` in the fields of a summary.
    """
    return {
        group: {
            key: sum(row.get(key, 0) for kind, row in listener["by_entity"].items() if kind in entities)
            for key in ("values", "read", "read_in_original")
        }
        for group, entities in GROUPS.items()
    }


def slim(fields: Mapping[str, Any]) -> dict[str, Any]:
    """What the comparison of many runs needs of one.

    Args:
        fields: As `summary_fields` gives them.
    """
    kept = (
        "calls", "minutes", "spans", "span_recall", "time_recall", "leaked_spans", "zero_leak_calls",
        "zero_leak_share", "calls_with_pii", "over_masking", "over_masking_beyond_collar", "benign_hits",
        "benign_spans", "wer",
    )  # fmt: skip
    return {
        **{key: fields[key] for key in kept},
        "groups": by_group(fields),
        "listeners": [
            {**{key: value for key, value in row.items() if key != "by_entity"}, "groups": read_by_group(row)}
            for row in fields["listeners"]
        ],
        "failed_calls": len(fields["failed"]),
    }
