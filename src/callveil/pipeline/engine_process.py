"""A process that holds the models and redacts calls, apart from the event loop that hands them out."""

from __future__ import annotations

import logging
import os
import signal
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from enum import StrEnum
from multiprocessing import get_context
from multiprocessing.connection import Connection

from callveil.adapters.json_logs import log_as_json
from callveil.config import Config, Site
from callveil.kit import LivePolicies, Service, build_kit, build_service, office_of
from callveil.pipeline.carry_out import carry_out
from callveil.pipeline.work import Report, redact_call

log = logging.getLogger(__name__)


class Task(StrEnum):
    """What a process can be given to do with a call."""

    REDACT = "redact"
    REVIEW = "review"
    """Carry out what reviewers said of it."""


class WorkerDiedError(Exception):
    """The process ended while it worked; its claims were released."""


class EngineProcess:
    """One process with its own models; as many calls at a time as it has threads.

    Args:
        config: The profile.
        site: Where ledger, landing and store are.
        name: Of the worker, as it stands in the ledger; unique.
        threads: Calls at a time: 1 for recordings, more for live calls, which mostly wait.
        service: The parent's own, to release the claims of a dead process.
    """

    def __init__(self, config: Config, site: Site, *, name: str, threads: int, service: Service) -> None:
        self.name, self.threads = name, threads
        self._config, self._site, self._service = config, site, service
        self._lock = threading.Lock()
        self._running: dict[tuple[Task, str], Future[Report | None]] = {}
        self._stopping = False
        self._start()

    @property
    def pid(self) -> int | None:
        """Of the process."""
        return self._process.pid

    def redact(self, call_id: str) -> Future[Report | None]:
        """Hand a call over to be redacted; see `hand`."""
        return self.hand(Task.REDACT, call_id)

    def review(self, call_id: str) -> Future[Report | None]:
        """Hand a call over whose reviews are owed; see `hand`."""
        return self.hand(Task.REVIEW, call_id)

    def hand(self, task: Task, call_id: str) -> Future[Report | None]:
        """Hand a call over.

        Args:
            task: What is to be done with it.
            call_id: The call.

        Returns:
            What came of it; the same future for a call that is in hand already. Ends with `WorkerDiedError`
            when the process dies.
        """
        with self._lock:
            if (task, call_id) in self._running:
                return self._running[task, call_id]
            future: Future[Report | None] = Future()
            self._running[task, call_id] = future
        with suppress(OSError):  # the reader finds the process dead and ends the future
            self._pipe.send((task, call_id))
        return future

    def terminate(self) -> None:
        """Have the process end at once; what it had in hand is owed again."""
        self._stopping = True
        self._process.terminate()

    def join(self, timeout_s: float = 4.0) -> None:
        """Wait until it has ended and its claims are released; kills it when it takes too long."""
        self._process.join(timeout_s)
        if self._process.is_alive():
            self._process.kill()
        self._reader.join(timeout_s)

    def _start(self) -> None:
        ours, theirs = get_context("spawn").Pipe()
        self._pipe = ours
        self._process = get_context("spawn").Process(
            target=_main,
            args=(theirs, self._config, self._site, self.name, self.threads),
            name=self.name,
            daemon=True,
        )
        self._process.start()
        theirs.close()
        self._reader = threading.Thread(
            target=self._read, args=(ours,), name=f"{self.name}-reader", daemon=True
        )
        self._reader.start()

    def _read(self, pipe: Connection) -> None:
        while True:
            try:
                handed, report = pipe.recv()
            except (EOFError, OSError):
                break
            with self._lock:
                future = self._running.pop(handed, None)
            if future is not None:
                future.set_result(report)
        self._process.join()
        self._bury()

    def _bury(self) -> None:
        """The process is dead for sure, so its claims can be released before their leases end."""
        try:
            self._service.ledger.release(self.name, now=self._service.clock.now())
            self._service.books.reviews.release(self.name, now=self._service.clock.now())
        except Exception:
            log.exception("claims of a dead worker could not be released; they end with their leases")
        if not self._stopping:
            log.error(
                "a worker process died", extra={"worker": self.name, "exit_code": self._process.exitcode}
            )
            self._start()
        with self._lock:
            dead, self._running = self._running, {}
        for future in dead.values():
            future.set_exception(WorkerDiedError(self.name))


def _main(pipe: Connection, config: Config, site: Site, name: str, threads: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when to stop
    log_as_json()  # a fresh process would print exceptions and libraries' warnings with their words
    service = build_service(config, site)
    # Asked for every call: what was put in force on the pages a moment ago counts for the next one.
    in_force = LivePolicies(config, service.books.policy_sets, checked_s=0)
    kit = build_kit(config, site.store, site.landing_key, in_force=in_force)
    sending = threading.Lock()

    office = office_of(service)

    def work(task: Task, call_id: str) -> None:
        try:
            if task is Task.REDACT:
                report = redact_call(call_id, service, kit, name)
            else:
                report = carry_out(call_id, office, lambda: kit, name)
        except Exception:
            # The ledger failed; the lease ends and the call is owed again.
            log.exception("a call could not be settled", extra={"call_id": call_id})
            report = None
        with sending:
            pipe.send(((task, call_id), report))

    with ThreadPoolExecutor(threads, thread_name_prefix=name) as pool:
        while True:
            try:
                task, call_id = pipe.recv()
            except (EOFError, OSError):
                os._exit(1)  # the parent is gone: nobody would take the result
            pool.submit(work, task, call_id)
