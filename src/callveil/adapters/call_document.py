"""The JSON form of a call's metadata, as pydantic models; their descriptions document the schema."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Annotated, Any, LiteralString

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from callveil.vocabulary.call import Direction, Role
from callveil.vocabulary.consent import Flag, LawfulBasis, Method

_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)


def _utc(value: object) -> object:
    """RFC 3339 with an offset to aware UTC; other kinds of values are left to pydantic."""
    if not isinstance(value, str):
        return value
    if _TIME.fullmatch(value) is None:
        raise PydanticCustomError("time", "is not a date and time with an offset")
    # fromisoformat knows microseconds at most, RFC 3339 has any number of digits.
    text = re.sub(r"(\.\d{6})\d+", r"\1", value.upper())
    try:
        time = datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        time = None
    if time is None or time < _EARLIEST:
        raise PydanticCustomError("time", "is not a date and time of the years from 1970 to 9999")
    return time


_NO_CONTROLS = r"^[^\u0000-\u001f\u007f]+$"
CALL_ID = r"^[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}$"
CALL_ID_ALLOWED = '1 to 128 characters of A-Z a-z 0-9 "." "_" "-", not beginning with "."'
_TIME_ALLOWED = "RFC 3339 with an offset, such as 2026-11-23T09:30:00Z or 2026-11-23T10:30:00+01:00"

Time = Annotated[datetime, BeforeValidator(_utc, json_schema_input_type=datetime)]
Name = Annotated[str, Field(min_length=1, max_length=256, pattern=_NO_CONTROLS)]
_Tag = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{1,64}$")]
CallSecond = Annotated[float, Field(ge=0, le=10_000_000, allow_inf_nan=False)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


class IdentifiersDocument(_Model):
    """What a data subject can be found by."""

    phone: Name | None = Field(
        default=None, description="Phone number, best in E.164 (+4930123456); text of 1 to 256 characters."
    )
    email: Annotated[str, Field(max_length=254, pattern=r"^[^@\s]+@[^@\s]+$")] | None = Field(
        default=None, description="E-mail address; text of at most 254 characters with one @ and no spaces."
    )
    customer_id: Name | None = Field(
        default=None, description="Number of the customer in the CRM; text of 1 to 256 characters."
    )


class PartyDocument(_Model):
    """One side of the call."""

    role: Role = Field(description="agent, customer, supervisor or third_party.")
    channel: Annotated[int, Field(ge=0, le=1)] | None = Field(
        default=None,
        description="Channel of the recording the party is on: 0 (left), 1 (right); null if unknown.",
    )
    jurisdiction: str | None = Field(
        default=None,
        description="Where the party is: ISO 3166-1 alpha-2 or ISO 3166-2 code such as GB or US-CA; null if"
        " unknown. Text that is no such code does not fail the file: the call is held.",
    )
    identifiers: IdentifiersDocument = Field(
        default=IdentifiersDocument(), description="An object of identifiers."
    )


def _who(value: object) -> str:
    return "<role>" if isinstance(value, str) else "<index>"


_Who = Annotated[
    Annotated[int, Field(ge=0), Tag("<index>")] | Annotated[Role, Tag("<role>")], Discriminator(_who)
]


class RecordDocument(_Model):
    """One answer to one purpose, with its circumstances.

    Beyond this schema: expires_at is later than given_at, withdrawn_at_s is greater than verbal_at_s, and
    `party` names somebody who is listed in parties.
    """

    flag: Flag | None = Field(
        default=None,
        description="granted, denied, unknown or withdrawn; can be left out if lawful_basis is not consent.",
    )
    lawful_basis: LawfulBasis | None = Field(
        default=None,
        description="Basis of GDPR Art. 6(1): consent, contract, legal_obligation, vital_interests,"
        " public_task or legitimate_interests.",
    )
    party: _Who | None = Field(
        default=None,
        description="Whose answer it is: index into parties, or a role, which stands for every party that has"
        " it; left out, it stands for all parties.",
    )
    given_at: Time | None = Field(default=None, description=f"When it was given; {_TIME_ALLOWED}.")
    method: Method | None = Field(
        default=None, description="How it was given: announcement, keypress, verbal or contract."
    )
    verbal_at_s: CallSecond | None = Field(
        default=None,
        description="Second of the call at which it was said; needed for the method verbal, only there.",
    )
    expires_at: Time | None = Field(
        default=None, description=f"When it ends, null for no end; {_TIME_ALLOWED}."
    )
    withdrawn_at_s: CallSecond | None = Field(
        default=None,
        description="Second of the call at which it was withdrawn; only with the flag withdrawn.",
    )

    @model_validator(mode="after")
    def _fits_together(self) -> RecordDocument:
        if self.flag is None and self.lawful_basis in (None, LawfulBasis.CONSENT):
            raise _mismatch("flag is missing: only a lawful_basis other than consent can stand without one")
        if (self.method is Method.VERBAL) != (self.verbal_at_s is not None):
            raise _mismatch("method verbal and verbal_at_s need each other")
        if self.withdrawn_at_s is not None and self.flag is not Flag.WITHDRAWN:
            raise _mismatch("withdrawn_at_s goes with the flag withdrawn only")
        if self.given_at and self.expires_at and self.expires_at <= self.given_at:
            raise _mismatch("expires_at must be later than given_at")
        said_s, withdrawn_s = self.verbal_at_s, self.withdrawn_at_s
        if said_s is not None and withdrawn_s is not None and withdrawn_s <= said_s:
            raise _mismatch("withdrawn_at_s must be later than verbal_at_s")
        return self


def _mismatch(message: LiteralString) -> PydanticCustomError:
    return PydanticCustomError("mismatch", message)


def _shape(value: object) -> str | None:
    """Tag of the form that a value of `consent` or of a purpose has."""
    if isinstance(value, str):
        return "<flag>"
    if isinstance(value, dict | BaseModel):
        return "<object>"
    return "<list>" if isinstance(value, list | tuple) and value else None


_ANSWER_ALLOWED = (
    "a flag (granted, denied, unknown, withdrawn), a record object, or a list of 1 to 256 record objects"
)
# An empty list is refused by _shape: pydantic would report "too short" for every list with a faulty record.
_SOME = Field(max_length=256, json_schema_extra={"minItems": 1})
_Answer = Annotated[
    Annotated[Flag, Tag("<flag>")]
    | Annotated[RecordDocument, Tag("<object>")]
    | Annotated[tuple[RecordDocument, ...], Tag("<list>"), _SOME],
    Discriminator(
        _shape, custom_error_type="shape", custom_error_message="should be a flag, an object or a filled list"
    ),
]


class ConsentDocument(_Model):
    """Answers by purpose; a purpose that is left out is unknown."""

    recording: _Answer | None = Field(default=None, description=f"Keeping the audio: {_ANSWER_ALLOWED}.")
    transcription: _Answer | None = Field(default=None, description=f"Turning it to text: {_ANSWER_ALLOWED}.")
    quality_review: _Answer | None = Field(default=None, description=f"Listening by QA: {_ANSWER_ALLOWED}.")
    analytics: _Answer | None = Field(default=None, description=f"Statistics over calls: {_ANSWER_ALLOWED}.")


_Consent = Annotated[
    Annotated[Flag, Tag("<flag>")] | Annotated[ConsentDocument, Tag("<object>")],
    Discriminator(_shape, custom_error_type="shape", custom_error_message="should be a flag or an object"),
]


def _update_shape(value: object) -> str | None:
    if isinstance(value, str):
        return "<flag>"
    if isinstance(value, BaseModel):
        return "<record>" if isinstance(value, RecordDocument) else "<object>"
    if isinstance(value, dict):
        return "<record>" if {"flag", "lawful_basis"} & set(value) else "<object>"
    return None


class CallDocument(_Model):
    """Metadata of one call recording."""

    call_id: Annotated[str, Field(pattern=CALL_ID)] = Field(
        description=f"Name of the call, unique in the installation; {CALL_ID_ALLOWED}."
    )
    started_at: Time | None = Field(
        default=None,
        description=f"Start of the call, before the year 2200; {_TIME_ALLOWED};"
        " null takes the time of the recording's file.",
    )
    direction: Direction = Field(
        default=Direction.UNKNOWN,
        description="Who called whom, seen from the contact centre: inbound, outbound, internal or unknown.",
    )
    queue: Name | None = Field(default=None, description="Queue or skill; text of 1 to 256 characters.")
    agent: Name | None = Field(default=None, description="The agent's login; text of 1 to 256 characters.")
    language: Annotated[str, Field(pattern=r"^[A-Za-z]{2}(-[A-Za-z0-9]{1,8})*$", max_length=35)] | None = (
        Field(
            default=None,
            description="Language spoken: ISO 639-1 code such as en; of a longer tag (en-GB) the first part"
            " counts; null to detect it.",
        )
    )
    parties: Annotated[tuple[PartyDocument, ...], Field(max_length=64)] = Field(
        default=(), description="A list of up to 64 parties."
    )
    tags: Annotated[tuple[_Tag, ...], Field(max_length=16)] = Field(
        default=(),
        description="A list of up to 16 tags for retention policies; text of 1 to 64 letters, digits, - _ ."
        " and :, without personal data.",
    )
    consent: _Consent | None = Field(
        default=None,
        description="A flag (granted, denied, unknown, withdrawn) for every purpose and all parties, or an"
        " object with answers by purpose; left out, consent is unknown.",
    )


class ConsentUpdateDocument(_Model):
    """An answer that comes after the call's metadata."""

    consent: Annotated[
        Annotated[Flag, Tag("<flag>")]
        | Annotated[RecordDocument, Tag("<record>")]
        | Annotated[ConsentDocument, Tag("<object>")],
        Discriminator(
            _update_shape,
            custom_error_type="shape",
            custom_error_message="should be a flag, a record object or an object",
        ),
    ] = Field(
        description="A flag or one record object for every purpose, or an object with answers by purpose, as"
        " in the metadata. A withdrawal at a second of the call is the record"
        ' {"flag": "withdrawn", "withdrawn_at_s": 42.5}.'
    )


def call_schema() -> str:
    """JSON Schema of the metadata; the package ships this text as `callveil/schemas/call.schema.json`."""
    schema = _without_titles(CallDocument.model_json_schema(mode="validation"))
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Callveil call metadata"}
    return json.dumps(head | schema, indent=2, ensure_ascii=False) + "\n"


def _without_titles(schema: dict[str, Any]) -> dict[str, Any]:
    """Pydantic titles every field with its own name, which says nothing."""
    return {
        key: _without_titles(value) if isinstance(value, dict) else value
        for key, value in schema.items()
        if not (key == "title" and isinstance(value, str))
    }
