"""Queries and places as text: what was written is read, and nothing else."""

from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callveil.adapters.call_query import cursor_from_text, cursor_to_text, query_from_text, query_to_text
from callveil.errors import MetadataError
from callveil.vocabulary.ledger import CallState
from callveil.vocabulary.pii import Entity
from callveil.vocabulary.search import CallFlag, CallQuery, CallSort, Cursor

WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
TIMES = st.none() | st.datetimes(timezones=st.just(UTC))
QUERIES = st.builds(
    CallQuery,
    since=TIMES,
    until=TIMES,
    queues=st.frozensets(WORDS, max_size=3),
    agent=st.none() | WORDS.filter(bool),
    states=st.frozensets(st.sampled_from(CallState)),
    kinds=st.frozensets(st.sampled_from(Entity)),
    flags=st.frozensets(st.sampled_from(CallFlag)),
    text=WORDS,
    sort=st.sampled_from(CallSort),
    descending=st.booleans(),
)
NUMBERS = st.integers(-(2**63) + 1, 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False, width=32)


@given(QUERIES)
def test_a_query_is_read_as_it_was_written(query):
    assert query_from_text(query_to_text(query)) == query


def test_what_asks_nothing_is_left_out():
    assert query_to_text(CallQuery()) == '{"descending":true,"sort":"start"}'
    assert query_from_text("{}") == CallQuery()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "geheim",
        "[]",
        '{"geheim": 1}',
        '{"since": "2026-01-01"}',
        '{"since": 1}',
        '{"queues": "geheim"}',
        '{"queues": [1]}',
        '{"states": ["geheim"]}',
        '{"sort": "geheim"}',
        '{"descending": 1}',
        '{"agent": []}',
        '{"text": null}',
        '{"queues": ' + str(["q"] * 201).replace("'", '"') + "}",
        "[" * 100_000,
    ],
)
def test_what_is_no_query_is_refused_without_being_repeated(text):
    with pytest.raises(MetadataError) as caught:
        query_from_text(text)
    assert "geheim" not in str(caught.value)
    assert caught.value.__context__ is None


@given(NUMBERS.filter(lambda number: abs(number) < 2**63), st.text("abc-_.9", min_size=1, max_size=128))
def test_a_place_is_read_as_it_was_written(key, call_id):
    cursor = Cursor(key=key, call_id=call_id)
    assert cursor_from_text(cursor_to_text(cursor)) == cursor


@given(st.text(max_size=40))
def test_any_other_text_is_a_place_or_refused(text):
    with suppress(MetadataError):
        assert isinstance(cursor_from_text(text), Cursor)


@pytest.mark.parametrize(
    "written", ["[1]", "[1,2]", '["1","c"]', '[NaN,"c"]', '[true,"c"]', '[1e999,"c"]', '[1,""]']
)
def test_what_is_no_place_is_refused(written):
    from base64 import urlsafe_b64encode

    with pytest.raises(MetadataError):
        cursor_from_text(urlsafe_b64encode(written.encode()).decode().rstrip("="))


def test_a_place_far_outside_of_time_is_refused(tmp_path):
    from callveil.testing import temporary_ledger

    with temporary_ledger() as ledger, pytest.raises(MetadataError):
        ledger.search.page(CallQuery(), within=None, after=Cursor(key=2**62, call_id="c"))


def test_times_are_utc():
    east = datetime.fromisoformat("2026-06-01T12:00:00+02:00")
    assert query_from_text(query_to_text(CallQuery(since=east))).since == east
