"""Read the rules of the consent gate from TOML. CALLS.md says what each key does."""

from __future__ import annotations

import datetime as dt
import tomllib
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from callveil.adapters.field_errors import field_errors
from callveil.errors import ConfigError
from callveil.vocabulary.consent import (
    AgentConsent,
    ConsentMode,
    ConsentRules,
    JurisdictionRule,
    LateConsent,
    LawfulBasis,
    OnWithdrawal,
    Purpose,
)


def _repeated(names: Iterable[str]) -> list[str]:
    return sorted(name for name, n in Counter(names).items() if n > 1)


def _purposes(purposes: tuple[Purpose, ...]) -> tuple[Purpose, ...]:
    if Purpose.RECORDING not in purposes:
        raise ValueError("must name recording: without it nothing would be asked before a call is kept")
    if _repeated(purposes):
        raise ValueError("must not name a purpose twice")
    return purposes


def _bases(bases: tuple[LawfulBasis, ...]) -> tuple[LawfulBasis, ...]:
    if LawfulBasis.CONSENT in bases:
        raise ValueError("must not name consent: consent that no flag grants is none")
    return bases


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Jurisdiction(_Table):
    code: Annotated[str, Field(pattern=r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$")] = Field(
        description="ISO 3166-1 alpha-2 or ISO 3166-2 code in capitals, such as GB or US-CA"
    )
    mode: ConsentMode = Field(description="one_party or all_party")
    source: Annotated[str, Field(min_length=1)] = Field(description="text that names the statute")
    date: Annotated[dt.date, Field(strict=True)] = Field(description="the day the source was checked")


def _rows(rows: tuple[_Jurisdiction, ...]) -> tuple[_Jurisdiction, ...]:
    repeated = _repeated(row.code for row in rows)
    if repeated:
        raise ValueError(f"must not list a code twice: {', '.join(repeated)}")
    return rows


def _numbers(low: float, high: float) -> str:
    return f"a number from {low:g} to {high:g}"


class _RulesFile(_Table):
    version: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")] = Field(
        description="text of 1 to 64 characters of A-Z a-z 0-9 . _ -"
    )
    required_purposes: Annotated[tuple[Purpose, ...], AfterValidator(_purposes)] = Field(
        description="a list with recording in it, and any of transcription, quality_review, analytics"
    )
    accepted_bases: Annotated[tuple[LawfulBasis, ...], AfterValidator(_bases)] = Field(
        description="a list of contract, legal_obligation, vital_interests, public_task,"
        " legitimate_interests; may be empty"
    )
    agent_consent: AgentConsent = Field(description="assumed or required")
    given_within_s: Annotated[float, Field(strict=True, ge=0, le=86400)] = Field(
        description=_numbers(0, 86400)
    )
    late_consent: LateConsent = Field(description="refuse or accept")
    on_withdrawal: OnWithdrawal = Field(description="keep_until or discard")
    min_keep_s: Annotated[float, Field(strict=True, ge=0, le=86400)] = Field(description=_numbers(0, 86400))
    hold_days: Annotated[int, Field(strict=True, ge=0, le=3650)] = Field(
        description="a whole number from 0 to 3650"
    )
    clock_skew_s: Annotated[float, Field(strict=True, ge=0, le=300)] = Field(description=_numbers(0, 300))
    jurisdictions: Annotated[tuple[_Jurisdiction, ...], AfterValidator(_rows)] = Field(
        description="a list of tables with code, mode, source and date; no code twice"
    )


def load_consent_rules(path: Path) -> ConsentRules:
    """Read a rule file. Every key must be there: what is not written down is not left to a default.

    Args:
        path: TOML file, such as `pipelines/consent.toml`.

    Raises:
        ConfigError: It cannot be read, is not TOML, or a key is missing, unknown or wrong; one line per
            fault with the file, the key and what is allowed.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {type(error).__name__}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: is not TOML: {error}") from error
    try:
        rules = _RulesFile.model_validate(table)
    except ValidationError as error:
        lines = field_errors(error, _RulesFile, show_names=True).splitlines()
        raise ConfigError("\n".join(f"{path}: {line}" for line in lines)) from error
    return ConsentRules(
        version=rules.version,
        jurisdictions={row.code: _jurisdiction(row) for row in rules.jurisdictions},
        required_purposes=rules.required_purposes,
        accepted_bases=frozenset(rules.accepted_bases),
        agent_consent=rules.agent_consent,
        given_within_s=rules.given_within_s,
        late_consent=rules.late_consent,
        on_withdrawal=rules.on_withdrawal,
        min_keep_s=rules.min_keep_s,
        hold_days=rules.hold_days,
        clock_skew_s=rules.clock_skew_s,
    )


def _jurisdiction(row: _Jurisdiction) -> JurisdictionRule:
    return JurisdictionRule(code=row.code, mode=row.mode, source=row.source, checked_on=row.date)
