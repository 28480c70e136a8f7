import json
import re
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest

from callveil.adapters.call_document import call_schema
from callveil.adapters.call_metadata import parse_call
from callveil.errors import MetadataError
from callveil.vocabulary.consent import Flag

CALLS = (Path(__file__).parents[3] / "CALLS.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```json\n(.*?)```", CALLS, re.DOTALL)
SCHEMA = json.loads(call_schema())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def test_shipped_schema_is_the_generated_one():
    shipped = files("callveil") / "schemas" / "call.schema.json"
    assert shipped.read_text(encoding="utf-8") == call_schema(), (
        "write it again: python -c 'from callveil.adapters.call_document import call_schema; "
        'print(call_schema(), end="")\' > src/callveil/schemas/call.schema.json'
    )


def test_schema_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("example", EXAMPLES)
def test_schema_accepts_the_examples(example):
    VALIDATOR.validate(json.loads(example))


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"call_id": ".a"},
        {"call_id": "c-1", "consent": "yes"},
        {"call_id": "c-1", "consent": {"recording": []}},
        {"call_id": "c-1", "consent": {"recording": [{"flag": "granted", "who": 1}]}},
        {"call_id": "c-1", "consent": {"recording": {"flag": "granted", "party": -1}}},
        {"call_id": "c-1", "parties": [{"role": "customer", "channel": 2}]},
        {"call_id": "c-1", "extra": 1},
    ],
)
def test_schema_and_parser_refuse_the_same(document):
    assert not VALIDATOR.is_valid(document)
    with pytest.raises(MetadataError):
        parse_call(json.dumps(document), source="x.json", default_started_at=datetime.now(UTC))


@pytest.mark.parametrize("flag", Flag)
def test_schema_accepts_every_flag(flag):
    VALIDATOR.validate({"call_id": "c-1", "consent": flag.value})


def test_every_field_is_described_and_documented():
    objects = [SCHEMA, *SCHEMA["$defs"].values()]
    fields = [pair for schema in objects for pair in schema.get("properties", {}).items()]
    assert len(fields) > 20
    assert [name for name, field in fields if not field.get("description")] == []
    assert [name for name, _ in fields if f"`{name}`" not in CALLS] == []
