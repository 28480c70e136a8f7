"""Events as JSON, their schema, and what FORMATS.md says of them and of the audit chain."""

import json
import re
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callveil.adapters.event_document import event_from_json, event_schema, event_to_json
from callveil.adapters.ledger_sql.audit_chain import FIRST_DIGEST, Action, digest_of
from callveil.adapters.ledger_sql.tables import time_of
from callveil.errors import MetadataError
from callveil.testing import START
from callveil.vocabulary.ledger import TOPIC_OF, CallState, Event, Topic

SCHEMA = json.loads(event_schema())
FORMATS = (Path(__file__).parents[3] / "FORMATS.md").read_text(encoding="utf-8")
EVENT = Event(
    event_id="6469e199-0c4e-48ba-9333-178a7531da41",
    topic=Topic.REDACTED,
    call_id="c-1",
    at=START,
    state=CallState.PUBLISHED,
    prefix="calls/2026/11/23/c-1/",
)
WRITTEN = (
    b'{"schema_version":"1.0","event_id":"6469e199-0c4e-48ba-9333-178a7531da41","topic":"calls.redacted",'
    b'"call_id":"c-1","at":"2026-11-23T09:30:00.000000Z","state":"published",'
    b'"prefix":"calls/2026/11/23/c-1/","error_code":null}'
)


def test_the_package_ships_this_schema():
    shipped = files("callveil") / "schemas/event.schema.json"
    assert shipped.read_text(encoding="utf-8") == event_schema(), (
        "write it again: python -c 'from callveil.adapters.event_document import event_schema; "
        'print(event_schema(), end="")\' > src/callveil/schemas/event.schema.json'
    )


def test_an_event_is_written_so():
    assert event_to_json(EVENT) == WRITTEN
    assert event_from_json(WRITTEN) == EVENT


@given(
    st.builds(
        Event,
        event_id=st.uuids().map(str),
        topic=st.sampled_from(Topic),
        call_id=st.from_regex(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}", fullmatch=True),
        at=st.datetimes(timezones=st.just(START.tzinfo)),
        state=st.sampled_from(CallState),
        prefix=st.none() | st.just("calls/2026/11/23/c-1/"),
        error_code=st.none() | st.just("engine"),
    )
)
def test_every_event_fits_the_schema_and_comes_back(event):
    content = event_to_json(event)
    jsonschema.validate(json.loads(content), SCHEMA)
    assert event_from_json(content) == event


def test_a_later_version_may_know_more():
    assert event_from_json(WRITTEN.replace(b'"1.0"', b'"1.7","more":[1]')) == EVENT


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"1.0"', b'"2.0"'),
        (b'"c-1"', b'"../c"'),
        (b'"c-1"', b"7"),
        (b".000000Z", b"Z"),
        (b".000000Z", b".000000+00:00"),
        (b"11-23T09", b"13-23T09"),
        (b'"published"', b'"gone"'),
        (b'"calls.redacted"', b'"calls.other"'),
        (b"6469e199", b"6469E199"),
        (b',"error_code":null', b""),
        (b"{", b"["),
        (b"c-1", b"\xff"),
    ],
)
def test_what_is_no_event_is_refused(old, new):
    assert old in WRITTEN
    with pytest.raises(MetadataError, match="event"):
        event_from_json(WRITTEN.replace(old, new, 1))


@pytest.mark.parametrize("name", [*Action, *Topic])
def test_every_action_and_topic_is_in_the_formats(name):
    assert f"`{name}`" in FORMATS


def test_every_state_that_owes_no_event_is_in_the_formats():
    line = next(line for line in FORMATS.splitlines() if "send none" in line)
    assert {state for state in CallState if f"`{state}`" in line} == set(CallState) - set(TOPIC_OF)


def test_the_example_of_a_digest_is_right():
    text = re.search(r'^    (\{"action":"calls.erased".*\})$', FORMATS, re.MULTILINE)[1]
    entry = json.loads(text)
    entry["at"] = time_of(entry["at"])
    assert f"`{digest_of(FIRST_DIGEST, **entry)}`" in FORMATS
