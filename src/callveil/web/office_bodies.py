"""What is sent to the office: JSON bodies. Descriptions are the words for what is allowed, in errors too."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from typing import Annotated, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError

from callveil.adapters.call_document import CALL_ID, CALL_ID_ALLOWED, Time
from callveil.adapters.field_errors import field_errors
from callveil.adapters.strict_json import BadJsonError, strict_json
from callveil.adapters.webhook import MOST_RECEIPT_CHARS
from callveil.errors import MetadataError
from callveil.rights.breach import Copies, KeyState
from callveil.rights.identifiers import MOST_IDENTIFIERS

MOST_BYTES = 2**20
"""Of a body."""

_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_ONE_LINE = r"^[^\u0000-\u001f\u007f]+$"
_MOST_CALLS = 1000


def _midnight(value: object) -> object:
    """A day is its first moment in UTC; other values are left to the next validator."""
    return f"{value}T00:00:00Z" if isinstance(value, str) and _DAY.fullmatch(value) else value


def _day_after(value: object) -> object:
    """A day is the end of it."""
    if isinstance(value, str) and _DAY.fullmatch(value):
        try:
            return _midnight((date.fromisoformat(value) + timedelta(days=1)).isoformat())
        except (ValueError, OverflowError):
            return value
    return value


_MOMENT_ALLOWED = "a day such as 2026-11-24 (from its beginning, UTC), or a time such as 2026-11-24T12:00:00Z"
_END_ALLOWED = "a day such as 2026-11-24 (itself too, UTC), or a time such as 2026-11-24T12:00:00Z"

Moment = Annotated[Time, BeforeValidator(_midnight, json_schema_input_type=date | datetime)]
End = Annotated[Time, BeforeValidator(_day_after, json_schema_input_type=date | datetime)]
Day = Annotated[date, Field(ge=date(1970, 1, 1), le=date(2999, 12, 31))]
CallId = Annotated[str, Field(pattern=CALL_ID, max_length=128)]
Reason = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500, pattern=_ONE_LINE)
]
_Value = Annotated[str, Field(min_length=1, max_length=512)]
_Values = Annotated[tuple[_Value, ...], Field(max_length=MOST_IDENTIFIERS)]
_Calls = Annotated[tuple[CallId, ...], Field(max_length=_MOST_CALLS)]
_Name = Annotated[str, Field(min_length=1, max_length=256, pattern=_ONE_LINE)]

_Object = Annotated[str, Field(min_length=1, max_length=1024)]

_REASON = "text of 1 to 500 characters on one line, without personal data of callers"
_CALLS = f"a list of up to {_MOST_CALLS} call ids: {CALL_ID_ALLOWED}"
_CONFIRM = "true to do it; false, or left out, to be told only"


class Body(BaseModel):
    """One of them."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


BodyT = TypeVar("BodyT", bound=Body)


class IdentifiersBody(Body):
    """What a person is found by; all are of one person."""

    phone: _Values = Field(default=(), description="a list of telephone numbers, best with their country")
    email: _Values = Field(default=(), description="a list of e-mail addresses")
    customer_id: _Values = Field(default=(), description="a list of customer ids")


_REGION = Field(default=None, description="country of numbers without one: two letters of ISO 3166-1")
_LINKED = Field(default=(), description="a list of ids of linked identifiers, as a search shows them")
_Region = Annotated[str, Field(pattern=r"^[A-Z]{2}$")] | None
_Linked = Annotated[
    tuple[Annotated[str, Field(pattern=r"^[0-9a-f]{10}$")], ...], Field(max_length=MOST_IDENTIFIERS)
]


class PersonBody(Body):
    """A person."""

    identifiers: IdentifiersBody = Field(description="an object of phone, email, customer_id")
    region: _Region = _REGION
    linked: _Linked = _LINKED


class ExportBody(PersonBody):
    """A person who wants a copy."""

    portable: bool = Field(default=False, description="true for only what GDPR Art. 20 covers, or false")


class MeantBody(Body):
    """A person, or named calls, or both."""

    identifiers: IdentifiersBody | None = Field(
        default=None, description="an object of phone, email, customer_id"
    )
    region: _Region = _REGION
    linked: _Linked = _LINKED
    call_ids: _Calls = Field(default=(), description=_CALLS)


class ErasureBody(MeantBody):
    """What is to be erased."""

    confirm: bool = Field(default=False, description=_CONFIRM)
    received: Moment | None = Field(default=None, description=f"when it was asked for: {_MOMENT_ALLOWED}")
    limit: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=100, description="calls that are dealt with before the answer, 1 to 1000; others follow"
    )


class RestrictionBody(Body):
    """Why a call is locked away."""

    reason: Reason = Field(description=_REASON)
    received: Moment | None = Field(default=None, description=f"when it was asked for: {_MOMENT_ALLOWED}")


class SubjectRestrictionBody(MeantBody):
    """Whose calls are locked away."""

    reason: Reason = Field(description=_REASON)
    received: Moment | None = Field(default=None, description=f"when it was asked for: {_MOMENT_ALLOWED}")


class SubjectLiftBody(MeantBody):
    """Whose calls are free again."""

    reason: Reason = Field(description=_REASON)


class ReasonBody(Body):
    """Why."""

    reason: Reason = Field(description=_REASON)


class ExtensionBody(Body):
    """A deadline that is extended."""

    months: Annotated[int, Field(ge=1, le=2)] = Field(default=2, description="1 or 2")
    reason: Reason = Field(description=_REASON)


class ClosureBody(Body):
    """A request that people have answered."""

    refused: bool = Field(default=False, description="true when it is refused, or false")
    reason: Reason = Field(description=_REASON)


class WindowBody(Body):
    """A time."""

    since: Moment = Field(description=_MOMENT_ALLOWED)
    until: Moment = Field(description=_MOMENT_ALLOWED)


class BreachBody(Body):
    """What was exposed: one of call_ids, window and objects."""

    known_at: Moment = Field(description=f"when it became known: {_MOMENT_ALLOWED}")
    call_ids: Annotated[tuple[CallId, ...], Field(min_length=1)] | None = Field(
        default=None, description="a list of call ids"
    )
    window: WindowBody | None = Field(default=None, description="an object of since and until")
    objects: Annotated[tuple[_Object, ...], Field(min_length=1)] | None = Field(
        default=None, description="a list of names of objects or files"
    )
    copies: Annotated[tuple[Copies, ...], Field(max_length=3)] = Field(
        default=(), description="a list of published, originals, landing; not with objects"
    )
    key: KeyState = Field(default=KeyState.UNKNOWN, description="safe, exposed or unknown")
    letters: bool = Field(
        default=False, description="true for the letters to authority and persons too, or false"
    )


class HoldQueryBody(Body):
    """Calls that fit all that is given."""

    queue: _Name | None = Field(default=None, description="name of a queue")
    agent: _Name | None = Field(default=None, description="an agent's login or number")
    since: Moment | None = Field(default=None, description=_MOMENT_ALLOWED)
    until: End | None = Field(default=None, description=_END_ALLOWED)


class HoldBody(MeantBody):
    """A hold: one of identifiers, call_ids and query."""

    query: HoldQueryBody | None = Field(default=None, description="an object of queue, agent, since, until")
    reason: Reason = Field(description=_REASON)
    authority: Reason = Field(
        description="who demands it, a court, an authority, a matter number: 1 to 500 characters"
    )


class SimulationBody(Body):
    """What is tried out."""

    at: Day | None = Field(default=None, description="a day such as 2028-01-31; today when left out")
    policies: Annotated[str, Field(max_length=500_000)] | None = Field(
        default=None, description="policies as TOML, in one text; the profile's own when left out"
    )


class ApplicationBody(Body):
    """Policies for calls that are published already."""

    confirm: bool = Field(default=False, description=_CONFIRM)
    after: CallId | None = Field(default=None, description="next_after of the answer before")
    limit: Annotated[int, Field(ge=1, le=10_000)] = Field(
        default=1000, description="published calls that are looked at, 1 to 10000"
    )


class SweepBody(Body):
    """What is due is deleted."""

    at: Day | None = Field(default=None, description="a day such as 2028-01-31; now when left out")
    limit: Annotated[int, Field(ge=1, le=10_000)] = Field(
        default=100, description="calls that are deleted at most, 1 to 10000"
    )
    confirm: bool = Field(default=False, description=_CONFIRM)


class EventBody(Body):
    """An event that policies count from."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")] = Field(description="name of an event")
    at: Moment = Field(description=f"when it came: {_MOMENT_ALLOWED}")


class ReceiptBody(Body):
    """A recipient's receipt."""

    receipt: Annotated[str, Field(min_length=1, max_length=MOST_RECEIPT_CHARS)] = Field(
        description=f"text of 1 to {MOST_RECEIPT_CHARS} characters that can be printed"
    )


def parse_body(content: bytes, model: type[BodyT]) -> BodyT:
    """Read a body.

    Raises:
        MetadataError: It is something else. The message names fields, never a value.
    """
    try:
        return model.model_validate_json(strict_json(content, max_bytes=MOST_BYTES))
    except BadJsonError as error:
        problem = f"body: {error}"
    except ValidationError as error:
        problem = field_errors(error, model, show_names=False)
    raise MetadataError(problem)
