"""Erased calls of which something appears again."""

from datetime import timedelta

from callveil.pipeline import comeback, erasure
from callveil.pipeline.comeback import ErasedWalk
from callveil.vocabulary.ledger import CallState

PREFIX = "calls/2026/11/23/c-1/"


def test_what_a_dead_worker_published_of_an_erased_call_is_found(world):
    for call_id in ("c-1", "c-2"):
        world.plant(call_id, state=CallState.PROCESSING, original=False)
    erasure.erase(world.person(), world.office, actor="t")
    assert ErasedWalk().whole(world.office) == 0
    world.publish("c-1")
    world.seal("c-2")
    world.office.store.put_decision("decisions/2026/11/23/c-2.json", b"{}")
    assert ErasedWalk().whole(world.office) == 2
    assert world.office.store.count_versions(PREFIX) == 0
    assert world.office.store.count_versions("decisions/2026/11/23/c-2.json") == 0
    assert list(world.office.originals.store.call_ids()) == []


def test_the_walk_goes_on_where_it_was_and_begins_anew_at_the_end(world, monkeypatch):
    monkeypatch.setattr(comeback, "_PAGE", 2)
    for number in range(3):
        world.plant(f"c-{number}", state=CallState.PROCESSING, original=False)
    erasure.erase(world.person(), world.office, actor="t")
    world.publish("c-2")
    walk = ErasedWalk()
    assert [walk.step(world.office) for _ in range(4)] == [0, 1, 0, 0]
    world.publish("c-0")
    assert sum(walk.step(world.office) for _ in range(2)) == 1


def test_calls_erased_long_ago_are_not_looked_at(world):
    world.plant("c-1", state=CallState.PROCESSING, original=False)
    erasure.erase(world.person(), world.office, actor="t")
    world.publish("c-1")
    world.clock.advance(timedelta(days=8))
    assert ErasedWalk().whole(world.office) == 0


def test_a_call_that_the_store_holds_is_told_and_left(world, caplog):
    world.plant("c-1", state=CallState.PROCESSING, original=False)
    erasure.erase(world.person(), world.office, actor="t")
    world.publish("c-1")
    world.office.store.set_legal_hold(PREFIX, True)
    assert ErasedWalk().whole(world.office) == 0
    assert "has copies again" in caplog.text
