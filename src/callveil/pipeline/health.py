"""Whether the places that a service works with answer, and what is owed in them."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass

from callveil.errors import CallveilError
from callveil.kit import Service
from callveil.vocabulary.rights import RequestState

_LITTLE_ROOM = 0.1
"""Share of a disk that should be free."""

_NO_CALLS = "calls/0000/"
"""A folder of the store that nothing is in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What became of one look.

    Attributes:
        name: What was looked at.
        ok: It is as it should be; None when it works, but somebody should look.
        detail: One sentence.
    """

    name: str
    ok: bool | None
    detail: str


def check_places(service: Service) -> tuple[Check, ...]:
    """Look at ledger, landing and store, and at what is owed. It takes a moment where one is far away.

    A place that fails is a finding, never an error.
    """
    return tuple(
        _looked(name, look, service)
        for name, look in (
            ("Ledger", _ledger),
            ("Landing", _landing),
            ("Store", _store),
            ("Policies", _policies),
            ("Deletions", _deletions),
            ("Persons", _persons),
        )
    )


def _looked(name: str, look: Callable[[Service], tuple[bool | None, str]], service: Service) -> Check:
    try:
        ok, detail = look(service)
    except CallveilError as error:
        ok, detail = False, f"Does not answer: {error.code}."
    except OSError as error:
        ok, detail = False, f"Cannot be reached: {type(error).__name__}."
    return Check(name=name, ok=ok, detail=detail)


def _ledger(service: Service) -> tuple[bool | None, str]:
    began = time.monotonic()
    service.ledger.counts(now=service.clock.now())
    return True, f"Answers in {_words(time.monotonic() - began)}. New calls are accepted."


def _landing(service: Service) -> tuple[bool | None, str]:
    folder = service.site.landing
    there = folder if folder.is_dir() else folder.parent
    if not os.access(there, os.W_OK):
        return False, "Its folder cannot be written to. New calls are refused."
    disk = shutil.disk_usage(there)
    share = disk.free / disk.total if disk.total else 0.0
    words = f"{disk.free / 2**30:,.1f} GiB free, {share:.0%} of its disk."
    return (True, words) if share > _LITTLE_ROOM else (None, f"Little room: {words}")


def _store(service: Service) -> tuple[bool | None, str]:
    began = time.monotonic()
    next(iter(service.store.list_objects(_NO_CALLS)), None)
    return True, f"Answers in {_words(time.monotonic() - began)}."


def _policies(service: Service) -> tuple[bool | None, str]:
    version = service.books.policy_sets.version()
    return True, f"Set {version} is in force." if version else "Those of the profile's file are in force."


def _deletions(service: Service) -> tuple[bool | None, str]:
    n_unfinished = len(service.books.removals.unfinished())
    n_behind = len(service.books.holds.differing())
    if not n_unfinished and not n_behind:
        return True, "None is unfinished, and the store follows every legal hold."
    return None, (
        f"{_count(n_unfinished)} unfinished; {_count(n_behind)} calls with a hold that the store does not "
        "follow yet. A worker goes on with them."
    )


def _persons(service: Service) -> tuple[bool | None, str]:
    now = service.clock.now()
    late = [notice for notice in service.books.notices.notices(waiting=True) if notice.due_at <= now]
    states = (RequestState.OPEN, RequestState.RUNNING)
    overdue = [each for each in service.books.requests.requests(states=states) if each.due_at <= now]
    if not late and not overdue:
        return True, "No request is overdue, and every recipient answered in time."
    return None, f"{len(overdue):,} requests overdue, {len(late):,} receipts of recipients late."


def _count(n: int) -> str:
    return "500 or more" if n >= 500 else f"{n:,}"


def _words(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
