"""A call's metadata as JSON and back."""

import dataclasses
import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callveil.adapters.ledger_sql.call_rows import (
    call_from_json,
    call_to_json,
    dump,
    record_from_json,
    record_to_json,
    without_identifiers,
)
from callveil.testing import call
from callveil.vocabulary.call import Call, Direction, Identifiers, Party, Role
from callveil.vocabulary.consent import ConsentRecord, Flag, LawfulBasis, Method, Purpose

TIMES = st.datetimes(
    min_value=datetime(1970, 1, 1),  # noqa: DTZ001
    max_value=datetime(2199, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)
SECONDS = st.none() | st.floats(0, 1e7)
NAMES = st.none() | st.text(min_size=1, max_size=20).filter(lambda text: text.isprintable())
RECORDS = st.builds(
    ConsentRecord,
    purpose=st.sampled_from(Purpose),
    flag=st.sampled_from(Flag),
    lawful_basis=st.none() | st.sampled_from(LawfulBasis),
    party=st.none() | st.integers(0, 63),
    given_at=st.none() | TIMES,
    method=st.none() | st.sampled_from(Method),
    verbal_at_s=SECONDS,
    expires_at=st.none() | TIMES,
    withdrawn_at_s=SECONDS,
)
PARTIES = st.builds(
    Party,
    role=st.sampled_from(Role),
    channel=st.none() | st.integers(0, 1),
    jurisdiction=st.sampled_from([None, "GB", "US-CA", "unreadable"]),
    identifiers=st.builds(Identifiers, phone=NAMES, email=NAMES, customer_id=NAMES),
)
CALLS = st.builds(
    Call,
    call_id=st.just("c-1"),
    started_at=TIMES,
    direction=st.sampled_from(Direction),
    queue=NAMES,
    agent=NAMES,
    language=st.sampled_from([None, "en"]),
    parties=st.lists(PARTIES, max_size=3).map(tuple),
    consent=st.lists(RECORDS, max_size=3).map(tuple),
)


@given(CALLS)
def test_a_call_comes_back_without_identifiers(given_call):
    text = call_to_json(given_call)
    assert call_from_json(text) == without_identifiers(given_call)
    assert call_to_json(call_from_json(text)) == text
    assert "identifiers" not in text


@given(RECORDS)
def test_a_record_comes_back(record):
    assert record_from_json(record_to_json(record)) == record


def test_every_field_is_written():
    document = json.loads(call_to_json(call()))
    assert set(document) == {field.name for field in dataclasses.fields(Call)}
    assert set(document["consent"][0]) == {field.name for field in dataclasses.fields(ConsentRecord)}
    assert set(document["parties"][0]) == {field.name for field in dataclasses.fields(Party)} - {
        "identifiers"
    }


def test_times_of_other_zones_come_back_as_utc():
    east = datetime(2026, 1, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    got = call_from_json(call_to_json(dataclasses.replace(call(), started_at=east)))
    assert got.started_at == east
    assert got.started_at.tzinfo is UTC


def test_canonical_json():
    assert dump({"b": 1, "a": [None, True, "é", 0.1]}) == '{"a":[null,true,"é",0.1],"b":1}'
    with pytest.raises(ValueError, match="JSON"):
        dump({"a": float("nan")})
