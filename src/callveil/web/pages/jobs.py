"""Slow work behind a page: it runs in a thread, and the page asks how far it is.

Results live in this process's memory and are forgotten after a while: what must outlive the process stands in
the ledger.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from callveil.errors import CallveilError
from callveil.web.problems import ProblemError

log = logging.getLogger(__name__)

_MOST_WAITING = 8
_MOST_KEPT = 40
_KEPT_S = 3600.0


@dataclass(slots=True, kw_only=True)
class Job:
    """One of them.

    Attributes:
        job_id: Random; nobody guesses it.
        owner: Who began it, as in the audit chain.
        about: What for, to find it again.
        done: How far it is, in whatever it counts.
        total: How far it has to go; 0 while that is not known.
        result: What came of it; None while it runs, or when it failed.
        problem: Why it failed, for people; None when it did not.
        ended: It runs no more.
    """

    job_id: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    owner: str
    about: str
    done: int = 0
    total: int = 0
    result: Any = None
    problem: str | None = None
    ended: bool = False
    began: float = field(default_factory=time.monotonic)

    @property
    def percent(self) -> int:
        """How far it is, 0 to 100."""
        return 100 if self.ended else min(99, 100 * self.done // self.total) if self.total else 0


class Jobs:
    """Runs a few at a time; more have to wait, or to come back.

    Args:
        at_once: How many run at a time.
    """

    def __init__(self, at_once: int = 1) -> None:
        self._pool = ThreadPoolExecutor(at_once, thread_name_prefix="page-job")
        self._jobs: dict[str, Job] = {}
        self._lock = threading.Lock()

    def begin(self, owner: str, about: str, work: Callable[[Job], Any]) -> Job:
        """Have work done; one that runs for the same owner about the same is returned instead.

        Args:
            owner: Who asks.
            about: What for.
            work: Gets the job, to say in it how far it is; returns its result.

        Raises:
            ProblemError: 503, too many wait.
        """
        with self._lock:
            self._forget()
            running = [job for job in self._jobs.values() if not job.ended]
            for job in running:
                if (job.owner, job.about) == (owner, about):
                    return job
            if len(running) >= _MOST_WAITING:
                raise ProblemError(503, "Very much is being worked out. Try again in a moment.")
            job = Job(owner=owner, about=about)
            self._jobs[job.job_id] = job
        self._pool.submit(self._run, job, work)
        return job

    def get(self, job_id: str) -> Job | None:
        """One of them; None when there is none, or none any more."""
        with self._lock:
            return self._jobs.get(job_id)

    def _run(self, job: Job, work: Callable[[Job], Any]) -> None:
        try:
            job.result = work(job)
        except CallveilError as error:
            job.problem = str(error)
        except Exception:
            log.exception("a job of a page failed", extra={"about": job.about})
            job.problem = "Something went wrong. It stands in the log."
        finally:
            job.ended = True

    def _forget(self) -> None:
        ended = sorted((job for job in self._jobs.values() if job.ended), key=lambda job: job.began)
        n_over = len(self._jobs) - _MOST_KEPT
        for number, job in enumerate(ended):
            if number < n_over or time.monotonic() - job.began > _KEPT_S:
                del self._jobs[job.job_id]


class Remembered:
    """The last answer of a question that is asked often and answered slowly.

    Args:
        seconds: For which it is believed.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._answers: dict[object, tuple[float, Any]] = {}

    def __call__(self, ask: Callable[[], Any], key: object = None) -> Any:
        """The answer, asked for by one thread at a time.

        Args:
            ask: Asks.
            key: Of the question.
        """
        with self._lock:
            found = self._answers.get(key)
            if found is None or time.monotonic() - found[0] > self._seconds:
                if len(self._answers) > 100:
                    self._answers.clear()
                self._answers[key] = found = time.monotonic(), ask()
            return found[1]
