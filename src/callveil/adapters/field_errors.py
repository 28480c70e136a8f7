"""Say what is wrong with a document, by field, without repeating what stands in it."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

_MAX_LINES = 10

_KINDS = {
    type(None): "null",
    bool: "true or false",
    int: "a number",
    float: "a number",
    str: "text",
    dict: "an object",
    list: "a list",
}

# Where pydantic's words name Python types or show a pattern.
_PROBLEMS = {
    "string_pattern_mismatch": "is not text of the allowed form",
    "string_type": "should be text",
    "tuple_type": "should be a list",
    "date_from_datetime_parsing": "should be a date",
    "datetime_type": "should be a date and time as text",
}


def field_errors(error: ValidationError, model: type[BaseModel], *, show_names: bool) -> str:
    """Explain a failed validation: field, what is wrong, kind of the value given, what is allowed.

    Values are never shown. A field's description is taken as the words for what is allowed. Parts of a
    location in angle brackets (tags of unions) are left out.

    Args:
        error: What pydantic raised.
        model: What was validated against.
        show_names: Show unknown field names as they stand; without it they are only shown when they are
            close to an allowed one, since a document from outside may have personal data for a key.

    Returns:
        One line per fault, ten at most.
    """
    details = error.errors(include_url=False, include_context=False)
    lines = [_line(detail, model, show_names) for detail in details[:_MAX_LINES]]
    if len(details) > _MAX_LINES:
        lines.append(f"and {len(details) - _MAX_LINES} more")
    return "\n".join(lines)


def closest_field(name: str, allowed: list[str]) -> str | None:
    """The allowed name that an unknown one was probably meant to be."""
    close = difflib.get_close_matches(name.lower(), allowed, n=1, cutoff=0.7)
    return close[0] if close else None


def _line(detail: ErrorDetails, model: type[BaseModel], show_names: bool) -> str:
    parts = [part for part in detail["loc"] if not str(part).startswith("<")]
    if detail["type"] == "extra_forbidden":
        # The unknown name is no tag of a union, even when it looks like one.
        name, parents = str(detail["loc"][-1]), parts[:-1] if parts[-1:] == [detail["loc"][-1]] else parts
        path = ".".join(str(part) for part in parents)
        return f"{path}: {_unknown(name, model, parents, show_names)}".removeprefix(": ")
    path = ".".join(str(part) for part in parts) or "document"
    allowed = _description(model, parts)
    hint = f"; allowed: {allowed}" if allowed else ""
    if detail["type"] == "missing":
        return f"{path}: is missing{hint}"
    given = _KINDS.get(type(detail["input"]), "something else")
    problem = _PROBLEMS.get(
        detail["type"], detail["msg"].removeprefix("Value error, ").removeprefix("Input ")
    )
    return f"{path}: {problem}, {given} was given{hint}"


def _unknown(name: str, model: type[BaseModel], parent: list[int | str], show_names: bool) -> str:
    allowed = sorted({field for found in _models_at(model, parent) for field in found.model_fields})
    close = closest_field(name, allowed)
    shown = f"unknown field {name!r}" if show_names or close else "unknown field (its name is not shown)"
    hint = f"; did you mean {close!r}?" if close else ""
    return f"{shown}{hint}; allowed: {', '.join(allowed)}"


def _description(model: type[BaseModel], path: list[int | str]) -> str | None:
    names = [part for part in path if isinstance(part, str)]
    if not names:
        return None
    fields = _fields_at(model, path[: path.index(names[-1])], names[-1])
    return next((field.description for field in fields if field.description), None)


def _models_at(model: type[BaseModel], path: list[int | str]) -> list[type[BaseModel]]:
    models = [model]
    for part in path:
        if isinstance(part, str):
            fields = [found.model_fields[part] for found in models if part in found.model_fields]
            models = [inner for field in fields for inner in _models_in(field.annotation)]
    return models


def _fields_at(model: type[BaseModel], path: list[int | str], name: str) -> list[FieldInfo]:
    return [found.model_fields[name] for found in _models_at(model, path) if name in found.model_fields]


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models_in(inner)
