"""FORMATS.md says every field that the schemas know."""

import json
from importlib.resources import files
from pathlib import Path

import pytest

from callveil.vocabulary.pii import Entity

TEXT = (Path(__file__).parents[2] / "FORMATS.md").read_text(encoding="utf-8")


def fields(schema):
    if isinstance(schema, dict):
        properties = schema.get("properties", {})
        yield from properties
        for value in schema.values():
            yield from fields(value)


@pytest.mark.parametrize(
    "name",
    [
        "transcript",
        "certificate",
        "decision",
        "event",
        "notice",
        "erasure",
        "export",
        "consent-receipt",
        "breach",
        "processing-record",
    ],
)
def test_every_field_is_documented(name):
    schema = json.loads((files("callveil") / f"schemas/{name}.schema.json").read_bytes())
    assert [field for field in sorted(set(fields(schema))) if f"`{field}`" not in TEXT] == []


def test_every_kind_is_documented():
    assert [kind.value for kind in Entity if f"`{kind.value}`" not in TEXT] == []
