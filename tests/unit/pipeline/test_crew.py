"""Who works on what in a worker: reviews go before recordings, on the live process where it has room."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from types import SimpleNamespace

import pytest

from callveil.pipeline import stream
from callveil.pipeline.engine_process import Task


class Process:
    """Takes work, and ends it when told."""

    def __init__(self, *_, name, threads, **__):
        self.name, self.threads, self.handed = name, threads, []

    def hand(self, task, call_id):
        self.handed.append((task, call_id, Future()))
        return self.handed[-1][2]

    def redact(self, call_id):
        return self.hand(Task.REDACT, call_id)

    def review(self, call_id):
        return self.hand(Task.REVIEW, call_id)

    @property
    def seen(self):
        return [(task, call_id) for task, call_id, _ in self.handed]


@pytest.fixture
def crew(monkeypatch):
    monkeypatch.setattr(stream, "EngineProcess", Process)

    def make(live_calls):
        settings = SimpleNamespace(workers=1, live_calls=live_calls)
        service = SimpleNamespace(settings=settings, config=None, site=None)
        return stream.Crew(service, "w", lambda _: None)

    return make


async def settle():
    for _ in range(20):
        await asyncio.sleep(0)


def test_a_review_goes_before_recordings_that_wait(crew):
    async def story():
        made = crew(0)
        running = asyncio.create_task(made.run())
        for call_id in ("a", "b"):
            await made.put(call_id)
        await settle()
        await made.put_reviewed("c")
        made.offer_reviewed("d")
        await settle()
        process = made._all[0]
        for _ in range(3):
            process.handed[-1][2].set_result(None)
            await settle()
        running.cancel()
        return process.seen

    assert asyncio.run(story()) == [
        (Task.REDACT, "a"),
        (Task.REVIEW, "c"),
        (Task.REVIEW, "d"),
        (Task.REDACT, "b"),
    ]


def test_the_live_process_takes_a_review_where_it_has_room(crew):
    async def story():
        made = crew(1)
        running = asyncio.create_task(made.run())
        await made.put("a")
        await settle()
        await made.put_reviewed("b")
        await made.put_reviewed("c")
        await settle()
        assert not await made.hear_live("live"), "its only thread is taken"
        made._live.handed[0][2].set_result(None)
        made._all[0].handed[0][2].set_result(None)
        await settle()
        running.cancel()
        return made._live.seen, made._all[0].seen

    assert asyncio.run(story()) == ([(Task.REVIEW, "b")], [(Task.REDACT, "a"), (Task.REVIEW, "c")])
