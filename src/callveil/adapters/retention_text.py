"""Retention policies as TOML text that people write: where what stands, and one policy in another's place."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from callveil.adapters.retention_policies import parse_policies
from callveil.errors import ConfigError
from callveil.retention.words import period_words
from callveil.vocabulary.retention import CALL_END, KeptPart, Match, Period, Policy

_HEADER = re.compile(r"\s*\[\[\s*policies\s*\]\]\s*(#.*)?")
_AT_LINE = re.compile(r"\(at line (\d+), column \d+\)")
_AT_POLICY = re.compile(r"policies\.(\d+)((?:\.[a-z_]+)*)")
_MATCH_FIELDS = tuple(Match.__dataclass_fields__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Lines of a policy, counted from 0.

    Attributes:
        lead: First line of the comment right above it; `header` when there is none.
        header: Line of its [[policies]].
        end: Behind its last line.
    """

    lead: int
    header: int
    end: int


def policy_to_toml(policy: Policy) -> str:
    """One policy as TOML, ending in a line feed."""
    lines = ["[[policies]]", f"name = {_text(policy.name)}"]
    if policy.law:
        lines.append(f"law = {_text(policy.law)}")
    match = {name: getattr(policy.match, name) for name in _MATCH_FIELDS}
    said = [f"{name} = [{', '.join(map(_text, sorted(values)))}]" for name, values in match.items() if values]
    if said:
        lines.append(f"match = {{ {', '.join(said)} }}")
    if policy.since != CALL_END:
        lines.append(f"since = {_text(policy.since)}")
    for name, periods in (("keep", policy.keep), ("duty", policy.duty), ("maximum", policy.maximum)):
        if periods:
            lines.append(f"{name} = {{ {', '.join(_periods(periods))} }}")
    return "\n".join(lines) + "\n"


def with_policy(text: str, number: int | None, policy: Policy) -> str:
    """The text with a policy in the place of one, or behind all; comments around it stay.

    Args:
        text: TOML that `parse_policies` reads.
        number: Of the policy whose place it takes, from 0; None to add it.
        policy: The policy.

    Raises:
        ConfigError: The text is wrong.
    """
    wanted = list(parse_policies(text, "policies"))
    lines = text.splitlines()
    if number is None:
        wanted.append(policy)
        # Behind the last policy: what is behind that are comments only.
        found = blocks(text)
        at = found[-1].end if found else len(lines)
        changed = [*lines[:at], "", *policy_to_toml(policy).splitlines(), *lines[at:]]
    else:
        wanted[number] = policy
        changed = _replaced(lines, blocks(text), number, policy_to_toml(policy).splitlines(), lead=False)
    return _sure(changed, wanted)


def without_policy(text: str, number: int) -> str:
    """The text without one policy and the comment right above it.

    Raises:
        ConfigError: The text is wrong.
    """
    wanted = list(parse_policies(text, "policies"))
    del wanted[number]
    return _sure(_replaced(text.splitlines(), blocks(text), number, [], lead=True), wanted)


def blocks(text: str) -> tuple[Block, ...]:
    """Where the policies stand in a text, in their order."""
    lines = text.splitlines()
    headers = [number for number, line in enumerate(lines) if _HEADER.fullmatch(line)]
    leads = [_lead(lines, header) for header in headers]
    ends = [*leads[1:], len(lines)] if headers else []
    return tuple(
        Block(lead=lead, header=header, end=_end(lines, header, end))
        for lead, header, end in zip(leads, headers, ends, strict=True)
    )


def line_of(text: str, problem: str) -> int | None:
    """The line, from 1, that a message of `parse_policies` is about; None when it is about the whole."""
    at = _AT_LINE.search(problem)
    if at is not None:
        return int(at[1])
    place = _AT_POLICY.search(problem)
    found = blocks(text)
    if place is None or int(place[1]) >= len(found):
        return None
    block, lines = found[int(place[1])], text.splitlines()
    keys = [key for key in place[2].split(".") if key]
    for number in range(block.header, block.end):
        if keys and re.match(rf"\s*(\[\s*policies\.)?{keys[0]}\b", lines[number]):
            return number + 1
    return block.header + 1


def line_of_policy(text: str, name: str) -> int | None:
    """The line, from 1, where the last policy of a name begins."""
    try:
        names = [policy.name for policy in parse_policies(text, "policies")]
    except ConfigError:
        return None
    found = blocks(text)
    places = [number for number, each in enumerate(names) if each == name and number < len(found)]
    return found[places[-1]].header + 1 if places else None


def _sure(lines: Sequence[str], wanted: Sequence[Policy]) -> str:
    """The lines, when they say what is wanted; else all of it written anew, without comments."""
    text = "\n".join(lines).strip("\n") + "\n"
    try:
        if parse_policies(text, "policies") == tuple(wanted):
            return text
    except ConfigError:
        pass  # such as a [[policies]] inside of a text of several lines
    return "\n".join(policy_to_toml(policy) for policy in wanted)


def _replaced(
    lines: Sequence[str], found: Sequence[Block], number: int, new: Sequence[str], *, lead: bool
) -> list[str]:
    if number >= len(found):
        return list(lines)
    block = found[number]
    begin, end = block.lead if lead else block.header, block.end
    if not new:
        while end < len(lines) and not lines[end].strip():
            end += 1
    return [*lines[:begin], *new, *lines[end:]]


def _lead(lines: Sequence[str], header: int) -> int:
    lead = header
    while lead > 0 and lines[lead - 1].lstrip().startswith("#"):
        lead -= 1
    return lead


def _end(lines: Sequence[str], header: int, limit: int) -> int:
    """Behind the last line of a block that says something; comments below it are not its own."""
    for number in range(limit - 1, header - 1, -1):
        line = lines[number].strip()
        if line and not line.startswith("#"):
            return number + 1
    return header + 1


def _periods(periods: Mapping[KeptPart, Period]) -> Iterator[str]:
    return (f"{part.value} = {_text(period_words(periods[part]))}" for part in KeptPart if part in periods)


def _text(value: str) -> str:
    """A TOML string: JSON's escapes are TOML's too."""
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
