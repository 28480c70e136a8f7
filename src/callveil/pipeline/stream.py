"""The streaming worker: a Faust app that hands calls from Kafka to processes that redact them.

The ledger is the record of what must still happen; Kafka only tells somebody soon. So an event that is
lost, comes twice or comes late does no harm: a claim in the ledger decides who works on a call. Faust
acknowledges an event when the agent takes the next one, and has a known fault with more than one event in
hand per partition (github.com/faust-streaming/faust issue 606), hence concurrency 1 and a hand-off that does
not wait for the work.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import OrderedDict
from collections.abc import AsyncIterable, Callable, Coroutine, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Any

import faust

from callveil.adapters.event_document import event_to_json
from callveil.errors import CallveilError
from callveil.kit import Service
from callveil.pipeline.comeback import ErasedWalk
from callveil.pipeline.engine_process import EngineProcess, Task, WorkerDiedError
from callveil.pipeline.reconcile import reconcile
from callveil.pipeline.work import Report, decide_call
from callveil.vocabulary.ledger import CallState, Event, Topic

log = logging.getLogger(__name__)

_RELAY_S = 0.1
"""How often the outbox is looked at."""

_RELAY_LIMIT = 200

_RELAY_LEASE_S = 30.0

_SEND_S = 10.0
"""How long the broker may take for an event; half the lease and this together stay below the lease."""

_RESEND_S = 0.5

_LAG_S = 5.0
"""How often the length of the queue is looked at."""
_REMEMBERED = 10_000
"""Sent events that are remembered, to know one that is sent again."""

_GATES = 8
"""Calls the consent gate decides about at a time; each waits for ledger and store, not for the CPU."""

_PENDING = 256
"""KEPT calls taken from Kafka that wait for a free process; references only."""


class Crew:
    """The processes that redact: some for recordings, one for live calls.

    Args:
        service: Ledger, landing, store.
        name: Of this worker, unique in the installation.
        on_report: Told what came of each call.
    """

    def __init__(self, service: Service, name: str, on_report: Callable[[Report], None]) -> None:
        self._service, self._on_report = service, on_report
        settings = service.settings

        def process(kind: str, threads: int) -> EngineProcess:
            return EngineProcess(
                service.config, service.site, name=f"{name}-{kind}", threads=threads, service=service
            )

        self._idle: asyncio.Queue[EngineProcess] = asyncio.Queue()
        self._all = [process(str(number), 1) for number in range(settings.workers)]
        for each in self._all:
            self._idle.put_nowait(each)
        self._live = process("live", settings.live_calls) if settings.live_calls else None
        self._live_now = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._pending: asyncio.Queue[str] = asyncio.Queue(_PENDING)
        self._reviewed: asyncio.Queue[str] = asyncio.Queue(_PENDING)
        self._something = asyncio.Event()

    async def put(self, call_id: str) -> None:
        """Hand a recording over; waits while too many are pending, and so holds back Kafka."""
        await self._pending.put(call_id)
        self._something.set()

    async def put_reviewed(self, call_id: str) -> None:
        """Hand a call over that somebody reviewed. It goes before recordings: personal data is published.

        The process for live calls takes it at once where it has room, for what it does is mostly waiting.
        """
        if self._live is not None and self._live_now < self._live.threads:
            self._live_now += 1
            task = asyncio.create_task(self._review_live(self._live, call_id))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            return
        await self._reviewed.put(call_id)
        self._something.set()

    @property
    def n_pending(self) -> int:
        """Recordings that wait for a process."""
        return self._pending.qsize()

    def offer(self, call_id: str) -> None:
        """Hand a recording over if there is room; else somebody else will."""
        with suppress(asyncio.QueueFull):
            self._pending.put_nowait(call_id)
            self._something.set()

    def offer_reviewed(self, call_id: str) -> None:
        """Hand a reviewed call over if there is room; else somebody else will."""
        with suppress(asyncio.QueueFull):
            self._reviewed.put_nowait(call_id)
            self._something.set()

    async def run(self) -> None:
        """Give what is pending to idle processes, for ever."""
        while True:
            process = await self._idle.get()
            task, call_id = await self._next()
            running = asyncio.create_task(self._work(process, task, call_id))
            self._tasks.add(running)
            running.add_done_callback(self._tasks.discard)

    async def _next(self) -> tuple[Task, str]:
        """What is to be done next: reviews first."""
        while True:
            for task, queue in ((Task.REVIEW, self._reviewed), (Task.REDACT, self._pending)):
                with suppress(asyncio.QueueEmpty):
                    return task, queue.get_nowait()
            self._something.clear()
            await self._something.wait()

    async def hear_live(self, call_id: str) -> bool:
        """Hear a call while it goes on; False when there is no room: then it is heard once it has ended."""
        if self._live is None or self._live_now >= self._live.threads:
            return False
        self._live_now += 1
        try:
            await self._result(self._live.redact(call_id))
        finally:
            self._live_now -= 1
        return True

    def stop(self) -> None:
        """End all processes at once."""
        processes = (*self._all, *([self._live] if self._live else []))
        for process in processes:
            process.terminate()
        for process in processes:
            process.join()

    async def _work(self, process: EngineProcess, task: Task, call_id: str) -> None:
        try:
            await self._result(process.hand(task, call_id))
        finally:
            self._idle.put_nowait(process)

    async def _review_live(self, process: EngineProcess, call_id: str) -> None:
        try:
            await self._result(process.review(call_id))
        finally:
            self._live_now -= 1

    async def _result(self, future: Future[Report | None]) -> None:
        try:
            report = await asyncio.wrap_future(future)
        except WorkerDiedError:
            return  # its claim was released; the call is owed again
        if report is not None:
            self._on_report(report)


OnQueue = Callable[[Mapping[str, int], int], None]
"""Told how many events of each topic are not yet taken, and how many calls wait for a process."""


def build_app(
    service: Service, name: str, on_report: Callable[[Report], None], on_queue: OnQueue
) -> faust.App:
    """Make the Faust app of one worker.

    Args:
        service: Ledger, landing, store.
        name: Of this worker, unique in the installation.
        on_report: Told what came of each call, for metrics and logs; called in the event loop.
        on_queue: Told every few seconds how much waits.
    """
    settings = service.settings
    app = faust.App(
        "callveil",
        broker=service.site.broker,
        store="memory://",
        datadir=str(service.site.data / "stream"),
        web_enabled=False,
        topic_partitions=settings.partitions,
        topic_disable_leader=True,
        broker_session_timeout=10.0,
        broker_rebalance_timeout=8.0,
        broker_heartbeat_interval=2.0,
        broker_max_poll_records=_PENDING,
        worker_redirect_stdouts=False,
    )
    topics = {
        topic: app.topic(
            topic.value,
            key_type=bytes,
            value_type=bytes,
            value_serializer="raw",
            partitions=settings.partitions,
        )
        for topic in Topic
    }
    parts = _Parts(service, name, on_report)
    _add_agents(app, topics, parts)
    _add_tasks(app, topics, parts)
    _add_queue_watch(app, parts, on_queue)

    @app.on_before_shutdown.connect(weak=False)
    async def stop(*_: object, **__: object) -> None:
        await asyncio.to_thread(parts.crew.stop)

    return app


def _add_agents(app: faust.App, topics: Mapping[Topic, Any], parts: _Parts) -> None:
    @app.agent(topics[Topic.RECEIVED], concurrency=1, name="consent-gate")
    async def on_received(events: AsyncIterable[bytes]) -> None:
        async for value in events:
            if call_id := _call_id(value):
                await parts.gate(call_id)

    @app.agent(topics[Topic.KEPT], concurrency=1, name="redaction")
    async def on_kept(events: AsyncIterable[bytes]) -> None:
        async for value in events:
            if call_id := _call_id(value):
                await parts.crew.put(call_id)

    @app.agent(topics[Topic.REVIEWED], concurrency=1, name="reviews")
    async def on_reviewed(events: AsyncIterable[bytes]) -> None:
        async for value in events:
            if call_id := _call_id(value):
                await parts.crew.put_reviewed(call_id)


def _add_tasks(app: faust.App, topics: Mapping[Topic, Any], parts: _Parts) -> None:
    @app.task
    async def crew() -> None:
        await parts.crew.run()

    @app.task
    async def relay() -> None:
        async def send(topic: Topic, key: bytes, value: bytes) -> None:
            await (await topics[topic].send(key=key, value=value))

        await parts.relay(send)

    @app.task
    async def look_for_what_is_owed() -> None:
        await parts.reconcile()


def _add_queue_watch(app: faust.App, parts: _Parts, on_queue: OnQueue) -> None:
    @app.timer(_LAG_S)
    async def look_at_the_queue() -> None:
        lag = dict.fromkeys((Topic.RECEIVED.value, Topic.KEPT.value), 0)
        for partition in app.consumer.assignment():
            end, position = app.consumer.highwater(partition), await app.consumer.position(partition)
            if partition.topic in lag and end is not None and position is not None:
                lag[partition.topic] += max(0, end - position)
        on_queue(lag, parts.crew.n_pending)


Send = Callable[[Topic, bytes, bytes], Coroutine[Any, Any, None]]


class _Parts:
    """What the app does, without Faust."""

    def __init__(self, service: Service, name: str, on_report: Callable[[Report], None]) -> None:
        self._service, self._name, self._on_report = service, name, on_report
        self.crew = Crew(service, name, on_report)
        self._gates = asyncio.Semaphore(_GATES)
        self._tasks: set[asyncio.Task[None]] = set()
        self._sent: OrderedDict[tuple[Topic, str], None] = OrderedDict()

    async def gate(self, call_id: str) -> None:
        """Let the consent gate decide, off the event loop; waits while too many are being decided."""
        await self._gates.acquire()
        task = asyncio.create_task(self._decide(call_id))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _decide(self, call_id: str) -> None:
        try:
            report = await asyncio.to_thread(decide_call, call_id, self._service, f"{self._name}-gate")
        except CallveilError as error:
            log.warning("the gate could not decide", extra={"call_id": call_id, "error": error.code})
            return  # the ledger owes the call again
        finally:
            self._gates.release()
        if report is None:
            return
        self._on_report(report)
        if report.state is CallState.KEPT and report.arrived_at is None:
            await self.crew.hear_live(call_id)

    async def relay(self, send: Send) -> None:
        """Send what the outbox owes, in order, for ever."""
        ledger, clock = self._service.ledger, self._service.clock
        while True:
            try:
                events = await asyncio.to_thread(
                    lambda: ledger.take_events(
                        owner=self._name, limit=_RELAY_LIMIT, lease_s=_RELAY_LEASE_S, now=clock.now()
                    )
                )
                await self._send_all(events, send)
            except Exception as error:  # noqa: BLE001  broker and ledger fail in many ways; both may come back
                log.warning("events could not be sent", extra={"error": type(error).__name__})
                await asyncio.sleep(1.0)
                continue
            if len(events) < _RELAY_LIMIT:
                await asyncio.sleep(_RELAY_S)

    async def _send_all(self, events: Sequence[Event], send: Send) -> None:
        """Send leased events; what fails is sent again, for nobody else may while the lease lasts."""
        ledger, clock = self._service.ledger, self._service.clock
        end = time.monotonic() + _RELAY_LEASE_S / 2
        left = list(events)
        while left:
            sending = [send(event.topic, event.call_id.encode(), event_to_json(event)) for event in left]
            results = await asyncio.gather(
                *(asyncio.wait_for(each, _SEND_S) for each in sending), return_exceptions=True
            )
            sent = [
                event.event_id for event, result in zip(left, results, strict=True) if not _failed(result)
            ]
            if sent:
                await asyncio.to_thread(partial(ledger.mark_sent, sent, now=clock.now()))
            for event in left:
                await self._do_here_if_lost(event)
            errors = [result for result in results if _failed(result)]
            left = [event for event, result in zip(left, results, strict=True) if _failed(result)]
            if left:
                names = sorted({type(error).__name__ for error in errors})
                log.warning(
                    "events could not be sent", extra={"error": ", ".join(names), "events": len(left)}
                )
                if time.monotonic() > end:
                    return  # their lease ends, and they are taken anew
                await asyncio.sleep(_RESEND_S)

    async def _do_here_if_lost(self, event: Event) -> None:
        """See to a call here whose event is sent again: the broker does not take it, or does not deliver it.

        A consumer of a broker that forgot everything waits for the offset it had reached, and the embedded
        broker does not tell it otherwise. A claim decides who works on the call, so twice does no harm.
        """
        key = event.topic, event.call_id
        if key not in self._sent:
            self._sent[key] = None
            if len(self._sent) > _REMEMBERED:
                self._sent.popitem(last=False)
        elif event.topic is Topic.RECEIVED and not self._gates.locked():
            await self.gate(event.call_id)
        elif event.topic is Topic.KEPT:
            self.crew.offer(event.call_id)
        elif event.topic is Topic.REVIEWED:
            self.crew.offer_reviewed(event.call_id)

    async def reconcile(self) -> None:
        """Look for what is owed, every so often, for ever."""
        walk = ErasedWalk()
        while True:
            await asyncio.sleep(self._service.settings.reconcile_every_s)
            try:
                found = await asyncio.to_thread(reconcile, self._service, walk)
            except CallveilError as error:
                log.warning("reconcile failed", extra={"error": error.code})
                continue
            if any(number for name, number in found.numbers.items() if name != "late"):
                log.info("reconciled", extra=found.numbers)


def _failed(result: object) -> bool:
    return isinstance(result, BaseException)


def _call_id(value: bytes) -> str | None:
    """The call an event is about; None for one that is no event of ours, which is left alone."""
    try:
        call_id = json.loads(value)["call_id"]
    except (ValueError, KeyError, TypeError):
        log.warning("an event could not be read")
        return None
    return call_id if isinstance(call_id, str) else None
