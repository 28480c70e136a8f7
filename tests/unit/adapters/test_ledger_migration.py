"""A ledger of an earlier version comes along with all its calls."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from callveil.adapters.ledger_sql import migrations, open_ledger
from callveil.adapters.ledger_sql.call_rows import call_to_json, without_identifiers
from callveil.retention.traits import call_traits
from callveil.testing import call
from callveil.vocabulary.call import Direction
from callveil.vocabulary.consent import ConsentRecord, Flag, Purpose
from callveil.vocabulary.ledger import CallState
from callveil.vocabulary.pii import Entity
from callveil.vocabulary.search import CallQuery, CallSort

AT = "2026-11-24T12:00:00.000000Z"
START = datetime(2026, 11, 23, 23, 59, 30, tzinfo=UTC)
GRANTED = ConsentRecord(purpose=Purpose.RECORDING, flag=Flag.GRANTED)
DENIED = ConsentRecord(purpose=list(Purpose)[-1], flag=Flag.DENIED)


@pytest.fixture
def url(tmp_path):
    """A ledger as revision 0001 left it."""
    found = f"sqlite:///{tmp_path}/l.sqlite3"
    config = Config()
    config.set_main_option("script_location", os.path.dirname(migrations.__file__))
    engine = sa.create_engine(found, poolclass=sa.NullPool)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    return found


def old_json(made):
    """As version 0001 wrote it: without tags."""
    document = json.loads(call_to_json(made))
    del document["tags"]
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def enter(url, *rows):
    insert = sa.text(
        "INSERT INTO calls (call_id, call, state, reason, source, incomplete, masked_s, attempts,"
        " consent_version, received_at, arrived_at, heartbeat_at, updated_at, fence, prefix, duration_s)"
        " VALUES (:call_id, :call, :state, '', 'push', 0, '{}', 1, 0, :at, :at, :at, :at, 2, :prefix,"
        " :duration_s)"
    )
    with sa.create_engine(url, poolclass=sa.NullPool).begin() as connection:
        for made, state, duration_s in rows:
            values = {"call_id": made.call_id, "call": old_json(made), "state": state.value, "at": AT}
            prefix = None if duration_s is None else f"calls/{made.call_id}/"
            connection.execute(insert, {**values, "prefix": prefix, "duration_s": duration_s})


def calls_of_an_earlier_version(n_calls):
    for number in range(n_calls):
        made = replace(
            without_identifiers(call(f"c-{number:04}")),
            started_at=START + timedelta(days=number % 3),
            queue=["ärger", None][number % 2],
            direction=Direction.INBOUND,
            consent=(GRANTED, DENIED),
        )
        yield made, *[(CallState.PUBLISHED, 61.0), (CallState.FAILED, None)][number % 2]


def test_every_call_gets_its_traits_and_its_end(url):
    # More than one batch of them.
    rows = list(calls_of_an_earlier_version(1203))
    enter(url, *rows)
    ledger = open_ledger(url)
    after, found = None, {}
    while page := ledger.books.removals.calls(after=after, limit=1000):
        found |= {each.facts.call_id: each for each in page}
        after = page[-1].facts.call_id
    assert len(found) == len(rows)
    for made, state, duration_s in rows:
        facts = found[made.call_id].facts
        # The revision has its own copy of the rule: today's must still be the same.
        assert facts.traits == call_traits(made, state.value)
        assert facts.ended_at == made.started_at + timedelta(seconds=duration_s or 0)
        assert (facts.gone, facts.events) == (frozenset(), {})
        assert ledger.get(made.call_id).call == made
    ledger.close()


def test_they_stand_in_the_same_groups_as_new_ones(url):
    enter(url, *calls_of_an_earlier_version(6))
    ledger = open_ledger(url)
    groups = list(ledger.books.removals.groups())
    assert sum(group.n_calls for group in groups) == 6
    assert {group.ended_on for group in groups} == {date(2026, 11, 23) + timedelta(days=n) for n in range(4)}
    assert list(ledger.books.removals.singled_out()) == []
    # A changed answer that changes nothing leaves a call in the group that it was in: equal texts.
    n_traits = sa.text("SELECT count(*) FROM traits")
    with sa.create_engine(url, poolclass=sa.NullPool).connect() as connection:
        before = connection.scalar(n_traits)
        ledger.record_consent("c-0000", [GRANTED], actor="a", now=START)
        assert connection.scalar(n_traits) == before == 2
    ledger.close()


def test_a_migration_that_fails_leaves_the_earlier_version(url, monkeypatch):
    enter(url, *calls_of_an_earlier_version(3))
    with sa.create_engine(url, poolclass=sa.NullPool).begin() as connection:
        connection.execute(sa.text("UPDATE calls SET call = '{' WHERE call_id = 'c-0002'"))
    with pytest.raises(ValueError, match="Expecting"):
        open_ledger(url)
    with sa.create_engine(url, poolclass=sa.NullPool).connect() as connection:
        assert connection.scalar(sa.text("SELECT version_num FROM alembic_version")) == "0001"
        assert not sa.inspect(connection).has_table("holds")
        columns = {column["name"] for column in sa.inspect(connection).get_columns("calls")}
        assert "traits" not in columns


def test_an_empty_ledger_comes_along(url):
    ledger = open_ledger(url)
    assert list(ledger.books.removals.groups()) == []
    ledger.close()
    open_ledger(url).close()


def test_calls_can_be_listed_and_their_text_is_owed(url):
    rows = list(calls_of_an_earlier_version(4))
    enter(url, *rows)
    masked = sa.text("UPDATE calls SET masked_s = :masked WHERE call_id = 'c-0000'")
    with sa.create_engine(url, poolclass=sa.NullPool).begin() as connection:
        connection.execute(masked, {"masked": '{"IBAN":1.5,"PERSON":2}'})
    ledger = open_ledger(url)
    found = ledger.search.page(CallQuery(descending=False), within=None).calls
    expected = sorted((made.started_at, made.call_id, made.queue) for made, _, _ in rows)
    assert [(each.started_at, each.call_id, each.queue) for each in found] == expected
    assert [owed.call_id for owed in ledger.search.unindexed()] == ["c-0000", "c-0002"]
    (first,) = ledger.search.page(CallQuery(kinds=frozenset({Entity.IBAN})), within=None).calls
    assert (first.call_id, first.duration_s) == ("c-0000", 61.0)
    by_masked = ledger.search.page(CallQuery(sort=CallSort.MASKED), within=None, limit=1)
    assert by_masked.calls[0].call_id == "c-0000"
    assert by_masked.after.key == 3.5
    ledger.close()
