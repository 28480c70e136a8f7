"""One retention policy as a form: the usual fields, so that nobody has to write TOML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import FormData

from callveil.adapters.retention_policies import policy_of
from callveil.retention.words import period_words
from callveil.vocabulary.call import Direction
from callveil.vocabulary.consent import Purpose
from callveil.vocabulary.retention import CALL_END, KeptPart, Policy

PERIODS: Mapping[str, str] = {
    "keep": "Keep for",
    "duty": "Must keep for",
    "maximum": "At most",
}
"""What a policy says of a part: key of the TOML, and words."""

OUTCOMES = ("published", "quarantined", "failed", "discarded")
PURPOSES = tuple(purpose.value for purpose in Purpose)
DIRECTIONS = tuple(direction.value for direction in Direction)

_LISTS = ("queues", "tags", "jurisdictions")
_CHOICES = ("purposes", "directions", "outcomes")
_LONGEST = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyForm:
    """The form as it is shown.

    Attributes:
        number: Of the policy in the text, from 0; None for a new one.
        values: Name of a field to what stands in it; lists one value a line, choices as tuples.
        problems: Name of a field to what is wrong with it.
    """

    number: int | None
    values: Mapping[str, Any]
    problems: Mapping[str, str]


def form_of(policy: Policy | None, number: int | None) -> PolicyForm:
    """The form of a policy that is there, or of a new one."""
    values: dict[str, Any] = {"name": "", "law": "", "since": ""}
    values |= dict.fromkeys(_LISTS, "") | dict.fromkeys(_CHOICES, ())
    values |= {f"{kind}.{part.value}": "" for kind in PERIODS for part in KeptPart}
    if policy is not None:
        values |= {"name": policy.name, "law": policy.law}
        values["since"] = "" if policy.since == CALL_END else policy.since
        values |= {name: "\n".join(sorted(getattr(policy.match, name))) for name in _LISTS}
        values |= {name: tuple(sorted(getattr(policy.match, name))) for name in _CHOICES}
        for kind, periods in zip(PERIODS, (policy.keep, policy.duty, policy.maximum), strict=True):
            values |= {f"{kind}.{part.value}": period_words(period) for part, period in periods.items()}
    return PolicyForm(number=number, values=values, problems={})


def read_form(given: FormData, number: int | None) -> tuple[Policy | None, PolicyForm]:
    """The policy that a form says; None when something in it is wrong, which the form then tells.

    Args:
        given: What was sent; the fields of the policy begin with "p.".
        number: Of the policy in the text, from 0; None for a new one.
    """

    def text(name: str) -> str:
        value = given.get(f"p.{name}")
        return value.strip()[:_LONGEST] if isinstance(value, str) else ""

    values: dict[str, Any] = {name: text(name) for name in ("name", "law", "since", *_LISTS)}
    for name in _CHOICES:
        values[name] = tuple(each for each in given.getlist(f"p.{name}") if isinstance(each, str))
    fields = [(kind, part.value) for kind in PERIODS for part in KeptPart]
    values |= {f"{kind}.{part}": text(f"{kind}.{part}") for kind, part in fields}
    table: dict[str, Any] = {"name": values["name"], "law": values["law"]}
    if values["since"]:
        table["since"] = values["since"]
    match: dict[str, Sequence[str]] = {name: _lines(values[name]) for name in _LISTS}
    match |= {name: values[name] for name in _CHOICES}
    table["match"] = {name: list(found) for name, found in match.items() if found}
    for kind in PERIODS:
        table[kind] = {
            part.value: values[f"{kind}.{part.value}"] for part in KeptPart if values[f"{kind}.{part.value}"]
        }
    policy, problems = policy_of(table)
    if policy is not None and problems == {} and policy.name == "":
        policy, problems = None, {"name": "is missing"}
    problems = {field.removeprefix("match."): words for field, words in problems.items()}
    return policy, PolicyForm(number=number, values=values, problems=problems)


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]
