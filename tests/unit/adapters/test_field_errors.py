from typing import Annotated

import pytest
from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError

from callveil.adapters.field_errors import field_errors


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")

    size: int = Field(description="a whole number")
    plain: int = 0


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")

    inners: list[Inner] | None = Field(default=None, description="a list")
    choice: Annotated[
        Annotated[int, Tag("<number>")] | Annotated[Inner, Tag("<table>")],
        Discriminator(lambda value: "<table>" if isinstance(value, dict) else "<number>"),
    ] = 0


@pytest.mark.parametrize(
    ("document", "show_names", "expected"),
    [
        ({"inners": [{}]}, False, "inners.0.size: is missing; allowed: a whole number"),
        (
            {"inners": [{"size": "Zebedee"}]},
            False,
            "inners.0.size: should be a valid integer, unable to parse string as an integer, text was given;"
            " allowed: a whole number",
        ),
        (
            {"inners": [{"size": 1, "sise": 1}]},
            False,
            "inners.0: unknown field 'sise'; did you mean 'size'?; allowed: plain, size",
        ),
        ({"Zebedee": 1}, False, "unknown field (its name is not shown); allowed: choice, inners"),
        ({"Zebedee": 1}, True, "unknown field 'Zebedee'; allowed: choice, inners"),
        (
            {"choice": {"size": None}},
            False,
            "choice.size: should be a valid integer, null was given; allowed: a whole number",
        ),
        (
            {"choice": {"size": 1, "plain": []}},
            False,
            "choice.plain: should be a valid integer, a list was given",
        ),
        ("text", False, "document: should be a valid dictionary or instance of Outer, text was given"),
    ],
)
def test_lines(document, show_names, expected):
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate(document)
    assert field_errors(caught.value, Outer, show_names=show_names) == expected


def test_at_most_ten_lines():
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate({"inners": [{}] * 12})
    lines = field_errors(caught.value, Outer, show_names=False).splitlines()
    assert len(lines) == 11
    assert lines[-1] == "and 2 more"
