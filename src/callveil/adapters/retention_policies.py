"""Read retention policies from TOML. RETENTION.md says what each key does."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, ValidationError, model_validator

from callveil.adapters.field_errors import field_errors
from callveil.errors import ConfigError
from callveil.vocabulary.call import Direction
from callveil.vocabulary.consent import Purpose
from callveil.vocabulary.retention import CALL_END, KeptPart, Match, Period, Policy

_PERIOD = re.compile(r"([1-9]\d{0,4}) (day|month|year)s?")
_MOST_MONTHS, _MOST_DAYS = 1200, 36525
_PERIOD_ALLOWED = 'text such as "7 years", "18 months" or "90 days", up to 100 years'


def parse_period(text: object) -> Period:
    """Read a period: "7 years", "18 months", "90 days".

    Raises:
        ValueError: It is something else, or longer than 100 years.
    """
    found = _PERIOD.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise ValueError("is no period")
    n, unit = int(found[1]), found[2]
    period = Period(days=n) if unit == "day" else Period(months=n * (12 if unit == "year" else 1))
    if period.months > _MOST_MONTHS or period.days > _MOST_DAYS:
        raise ValueError("is too long")
    return period


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


_Period = Annotated[Period, PlainValidator(parse_period)]
_Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
_Queue = Annotated[str, Field(min_length=1, max_length=256)]
_Tag = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{1,64}$")]
_Place = Annotated[str, Field(pattern=r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$")]
_Outcome = Literal["published", "quarantined", "failed", "discarded"]


class _Match(_Table):
    queues: frozenset[_Queue] = Field(default=frozenset(), description="a list of names of queues")
    jurisdictions: frozenset[_Place] = Field(
        default=frozenset(), description="a list of ISO 3166 codes in capitals, such as GB or US-CA"
    )
    purposes: frozenset[Purpose] = Field(
        default=frozenset(), description="a list of recording, transcription, quality_review, analytics"
    )
    tags: frozenset[_Tag] = Field(
        default=frozenset(), description="a list of tags of 1 to 64 letters, digits, - _ . and :"
    )
    directions: frozenset[Direction] = Field(
        default=frozenset(), description="a list of inbound, outbound, internal, unknown"
    )
    outcomes: frozenset[_Outcome] = Field(
        default=frozenset(), description="a list of published, quarantined, failed, discarded"
    )


class _Parts(_Table):
    audio: _Period | None = Field(default=None, description=_PERIOD_ALLOWED)
    transcript: _Period | None = Field(default=None, description=_PERIOD_ALLOWED)
    original: _Period | None = Field(default=None, description=_PERIOD_ALLOWED)
    certificate: _Period | None = Field(default=None, description=_PERIOD_ALLOWED)

    def by_part(self) -> dict[KeptPart, Period]:
        """The periods that are there."""
        found = {part: getattr(self, part.value) for part in KeptPart}
        return {part: period for part, period in found.items() if period is not None}


class _Policy(_Table):
    name: _Name = Field(description="1 to 64 letters, digits, dots, underscores and dashes")
    law: Annotated[str, Field(max_length=300, pattern=r"^[^\u0000-\u001f\u007f]*$")] = Field(
        default="", description="text of up to 300 characters on one line"
    )
    since: _Name = Field(default=CALL_END, description="call_end, or the name of an event")
    match: _Match = Field(default=_Match(), description="a table; what is left out fits every call")
    keep: _Parts = Field(default=_Parts(), description="a table of audio, transcript, original, certificate")
    duty: _Parts = Field(default=_Parts(), description="a table of audio, transcript, original, certificate")
    maximum: _Parts = Field(
        default=_Parts(), description="a table of audio, transcript, original, certificate"
    )

    @model_validator(mode="after")
    def _says_something(self) -> _Policy:
        if not (self.keep.by_part() or self.duty.by_part() or self.maximum.by_part()):
            raise ValueError("says nothing: keep, duty or maximum must name a part")
        return self


class _PoliciesFile(_Table):
    policies: Annotated[tuple[_Policy, ...], Field(max_length=200)] = Field(
        default=(),
        description="up to 200 tables [[policies]] with name, match, keep, duty, maximum, since, law",
    )


def load_policies(path: Path) -> tuple[Policy, ...]:
    """Read a file of policies. Whether they fit together says `retention.check`.

    Args:
        path: TOML file, such as `pipelines/retention.toml`.

    Raises:
        ConfigError: It cannot be read, is not TOML, or a key is missing, unknown or wrong; one line per
            fault with the file, the key and what is allowed.
    """
    return parse_policies(read_policies(path), str(path))


def read_policies(path: Path) -> str:
    """The text of a file of policies.

    Raises:
        ConfigError: It cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {type(error).__name__}") from error


def parse_policies(text: str, where: str) -> tuple[Policy, ...]:
    """Read policies out of text.

    Args:
        text: TOML.
        where: Named in errors.

    Raises:
        ConfigError: See `load_policies`.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{where}: is not TOML: {error}") from error
    except RecursionError:
        raise ConfigError(f"{where}: is nested too deep") from None
    try:
        file = _PoliciesFile.model_validate(table)
    except ValidationError as error:
        lines = field_errors(error, _PoliciesFile, show_names=True).splitlines()
        raise ConfigError("\n".join(f"{where}: {line}" for line in lines)) from error
    return tuple(_policy(row) for row in file.policies)


def policy_of(table: Mapping[str, Any]) -> tuple[Policy | None, dict[str, str]]:
    """One policy out of a table as it would stand in TOML.

    Returns:
        The policy; when something is wrong with it None, and what is by field, such as "keep.audio"; what is
        wrong with the whole is under "policy".
    """
    try:
        return _policy(_Policy.model_validate(table)), {}
    except ValidationError as error:
        lines = field_errors(error, _Policy, show_names=True).splitlines()
    problems: dict[str, str] = {}
    for line in lines:
        field, _, words = line.partition(": ")
        names = [part for part in field.split(".") if not part.isdigit()]
        problems.setdefault("policy" if names == ["document"] else ".".join(names), words)
    return None, problems


def _policy(row: _Policy) -> Policy:
    match = Match(
        queues=row.match.queues,
        jurisdictions=row.match.jurisdictions,
        purposes=frozenset(purpose.value for purpose in row.match.purposes),
        tags=row.match.tags,
        directions=frozenset(direction.value for direction in row.match.directions),
        outcomes=frozenset(row.match.outcomes),
    )
    return Policy(
        name=row.name,
        match=match,
        keep=row.keep.by_part(),
        duty=row.duty.by_part(),
        maximum=row.maximum.by_part(),
        since=row.since,
        law=row.law,
    )
