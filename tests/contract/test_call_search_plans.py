"""Pages of very long lists go by an index: nothing reads all calls, and SQLite sorts only what is few."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.contract.test_call_search import NOW, publish
from tests.contract.test_ledger_plans import fill, plans

from callveil.adapters.ledger_sql import call_search, search_query
from callveil.adapters.ledger_sql.search_rows import number_of
from callveil.errors import RefusedError
from callveil.vocabulary.ledger import CallState
from callveil.vocabulary.pii import Entity
from callveil.vocabulary.search import CallFlag, CallQuery, CallSort, Cursor

N_CALLS = 20_000
PLACE = Cursor(key=number_of(NOW), call_id="x")
BY_LENGTH = CallSort.LENGTH
TWO = frozenset({"care", "sales"})

LISTS = {
    "first": (CallQuery(), None, {}),
    "deep": (CallQuery(), None, {"after": PLACE}),
    "last": (CallQuery(), None, {"last": True}),
    "before": (CallQuery(descending=False), None, {"before": PLACE}),
    "by length": (CallQuery(sort=BY_LENGTH), None, {"after": Cursor(key=3.0, call_id="x")}),
    "by masked": (CallQuery(sort=CallSort.MASKED), None, {}),
    "queue": (CallQuery(queues=frozenset({"care"})), None, {"after": PLACE}),
    "reviewer": (CallQuery(), TWO, {"after": PLACE}),
    "reviewer by length": (CallQuery(sort=BY_LENGTH), TWO, {}),
    "agent": (CallQuery(agent="rare"), None, {}),
    "agent by length": (CallQuery(agent="rare", sort=BY_LENGTH), TWO, {}),
    "state": (CallQuery(states=frozenset({CallState.FAILED})), None, {}),
    "states": (CallQuery(states=frozenset({CallState.FAILED, CallState.PUBLISHED})), None, {}),
    "hold": (CallQuery(flags=frozenset({CallFlag.ON_HOLD, CallFlag.GONE})), None, {}),
    "kind": (CallQuery(kinds=frozenset({Entity.PERSON})), None, {}),
    "common kind": (CallQuery(kinds=frozenset({Entity.IBAN})), None, {}),
    "hours": (CallQuery(since=NOW - timedelta(hours=5), until=NOW), None, {}),
    "hours by length": (CallQuery(since=NOW - timedelta(hours=5), until=NOW, sort=BY_LENGTH), None, {}),
    "text": (CallQuery(text="cancel"), TWO, {}),
    "text by length": (CallQuery(text="cancel", sort=BY_LENGTH), None, {}),
}


@pytest.fixture
def filled(place):
    ledger = place.open()
    fill(place, N_CALLS)
    place.sql(
        "UPDATE calls SET queue = CASE WHEN call_id LIKE '%3' THEN 'sales' ELSE 'care' END, agent = 'anna',"
        " length_s = 9, started_at = arrived_at, masked_s = :masked",
        masked='{"IBAN":1.5}',
    )
    place.sql(
        "INSERT INTO call_kinds (kind, started_at, call_id) SELECT 'IBAN', started_at, call_id FROM calls"
    )
    for number in range(5):
        masked = {"PERSON": 1.0}
        publish(ledger, f"c-{number}", "cancel", masked=masked, agent="rare", started_at=NOW)
    if place.file is None:
        import sqlalchemy as sa

        engine = sa.create_engine(place.url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql("VACUUM ANALYZE")
    return place, ledger


def test_no_list_reads_all_calls(filled):
    place, ledger = filled
    for name, (query, within, where) in LISTS.items():
        seen = plans(ledger, lambda: ledger.search.page(query, within=within, **where))  # noqa: B023
        assert seen, name
        for statement, plan in seen:
            if place.file is None:
                assert "Seq Scan on calls" not in plan, (name, statement, plan)
            else:
                assert "SCAN calls" not in plan or "SCAN calls USING" in plan, (name, statement, plan)
        if place.file is None:
            continue
        # What counts how few a condition fits comes before.
        statement, plan = seen[-1]
        few = name in ("agent", "agent by length", "state", "hold", "kind", "hours", "hours by length")
        if not (few or name.startswith(("text", "reviewer", "states"))):
            assert "TEMP B-TREE" not in plan, (name, statement, plan)
        if name == "reviewer":
            assert plan.count("calls_by_queue (queue=? AND (started_at,call_id)<(?,?))") == 2, plan


def test_counts_and_names_read_little(filled):
    place, ledger = filled
    if place.file is None:
        pytest.skip("PostgreSQL may read the table itself for the first thousand")
    for work in (
        lambda: ledger.search.count(CallQuery(text="cancel"), within=None),
        lambda: ledger.search.queues(within=None),
        lambda: ledger.search.agents(within=None),
        lambda: ledger.search.agents(within=TWO),
        lambda: ledger.search.unindexed(),
        lambda: ledger.history("c-1"),
    ):
        for statement, plan in plans(ledger, work):
            assert "SCAN calls" not in plan or "USING" in plan, (statement, plan)
            assert "SCAN audit" not in plan, (statement, plan)
    seen = plans(ledger, lambda: ledger.search.agents(within=TWO))
    assert all(plan.count("COVERING INDEX calls_by_queue_and_agent") == 2 for _, plan in seen), seen


def test_a_list_takes_as_many_queries_whatever_is_in_it(filled):
    _, ledger = filled
    few = len(plans(ledger, lambda: ledger.search.page(CallQuery(), within=TWO, limit=2)))
    many = len(plans(ledger, lambda: ledger.search.page(CallQuery(), within=TWO, limit=100)))
    assert few == many <= 3


def test_a_search_that_takes_too_long_is_given_up(filled, monkeypatch):
    place, ledger = filled
    if place.file is None:
        pytest.skip("PostgreSQL keeps the time itself")
    monkeypatch.setattr(search_query, "_FEW", -1)
    rare = CallQuery(kinds=frozenset({Entity.MEDICAL}))
    assert ledger.search.page(rare, within=None).calls == ()
    monkeypatch.setattr(call_search, "_MOST_S", 0.0)
    for ask in (ledger.search.page, ledger.search.count):
        with pytest.raises(RefusedError, match="narrow"):
            ask(rare, within=None)
    monkeypatch.undo()
    assert ledger.search.count(rare, within=None).n_calls == 0
