"""The pipeline as it is now: where calls stand, what fails and why, how much goes through."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from itertools import islice
from typing import Annotated, Any, Literal

from fastapi import Depends, FastAPI, Form, Query, Request, Response
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool

from callveil.adapters.call_query import cursor_from_text, cursor_to_text
from callveil.kit import Office, Service
from callveil.pipeline.dead import DEAD, Replayed, failed_for, of_queues, replay_calls
from callveil.pipeline.health import check_places
from callveil.vocabulary.accounts import WebRole
from callveil.vocabulary.figures import Hour
from callveil.vocabulary.ledger import CallState, LedgerCounts
from callveil.vocabulary.search import CallQuery
from callveil.web.pages.access import Access, require
from callveil.web.pages.charts import Bar, Series, bar_chart, legend
from callveil.web.pages.jobs import Remembered
from callveil.web.pages.render import render

Ops = Annotated[Access, Depends(require(WebRole.OPS))]

_NOW_S, _HOURS_S, _HEALTH_S = 2.0, 30.0, 20.0
"""How long figures are believed: very many may look on."""

_MOST_REPLAYED = 1000
"""Calls that one press of the button sends; more need another one."""

_ON_A_PAGE = 25
_STOPS_POLLING = 286
"""htmx asks no more after this status."""

_SHOWN = (
    *(CallState.RECEIVED, CallState.HELD, CallState.KEPT, CallState.PROCESSING),
    *(CallState.PUBLISHED, CallState.QUARANTINED, CallState.FAILED, CallState.DISCARDED, CallState.ERASED),
)
_WAIT = (CallState.RECEIVED, CallState.KEPT, CallState.PROCESSING)

_SERIES = {
    CallState.PUBLISHED: Series(name="Published", tone="good"),
    CallState.DISCARDED: Series(name="Discarded", tone="before"),
    CallState.QUARANTINED: Series(name="Quarantined", tone="warn"),
    CallState.FAILED: Series(name="Failed", tone="bad"),
}

_FAMILIES: Mapping[str, str] = {
    "audio": "The recording cannot be read, or is too long",
    "config": "A setting is wrong",
    "engine": "A model failed on the call",
    "internal": "An error nobody expected; it stands in the log",
    "landing": "Raw audio could not be read or written",
    "ledger": "The ledger's database failed",
    "metadata": "The metadata is missing or wrong",
    "model": "Model files are missing or damaged",
    "not_found": "Something that should be there was not",
    "refused": "A rule or a lock of the store forbids it",
    "store": "The store failed",
    "tampered": "Encrypted audio was changed",
    "worker_lost": "Workers died while they redacted it",
}

Span = Literal["day", "week"]
_SPANS: Mapping[str, timedelta] = {"day": timedelta(hours=23), "week": timedelta(days=7, hours=-1)}


def install(app: FastAPI, service: Service, office: Office) -> None:  # noqa: ARG001  as every page
    """Add /ops.

    Args:
        app: The pages.
        service: What is looked at.
        office: Not needed.
    """
    look = _Look(service)

    @app.get("/ops")
    async def page(
        request: Request,
        access: Ops,
        span: Annotated[Span, Query()] = "day",
        state: Annotated[Literal["failed", "quarantined", ""], Query()] = "",
        after: Annotated[str, Query(max_length=400)] = "",
        before: Annotated[str, Query(max_length=400)] = "",
        done: Annotated[int | None, Query(ge=0)] = None,
        refused: Annotated[int, Query(ge=0)] = 0,
    ) -> Response:
        """All of it."""

        def work() -> Response:
            values = look.now() | look.dead(access, state, after, before) | look.errors()
            return render(
                request,
                "ops.html.j2",
                span=span,
                done=done,
                refused=refused,
                opened=int(service.clock.now().timestamp()),
                **values,
            )

        return await run_in_threadpool(work)

    @app.get("/ops/now")
    async def now(request: Request, access: Ops, opened: Annotated[int, Query(ge=0)] = 0) -> Response:  # noqa: ARG001
        """Where calls stand. A page that nobody turns to any more stops asking, so that its session ends."""
        idle_s = service.config.profile.web.session_limits.idle_s
        is_left = service.clock.now().timestamp() - opened > idle_s

        def work() -> Response:
            status = _STOPS_POLLING if is_left else 200
            return render(request, "ops_now.html.j2", status=status, stopped=is_left, **look.now())

        return await run_in_threadpool(work)

    @app.get("/ops/hours")
    async def hours(request: Request, access: Ops, span: Annotated[Span, Query()] = "day") -> Response:  # noqa: ARG001
        """How much went through by the hour."""
        return await run_in_threadpool(
            lambda: render(request, "ops_hours.html.j2", span=span, **look.hours(span))
        )

    @app.get("/ops/health")
    async def health(request: Request, access: Ops) -> Response:  # noqa: ARG001  as every route
        """Whether the places answer."""
        return await run_in_threadpool(
            lambda: render(request, "ops_health.html.j2", checks=look.health(), at=service.clock.now())
        )

    @app.post("/ops/replay")
    async def replay(
        access: Ops,
        call_id: Annotated[list[str], Form()] = [],  # noqa: B006  FastAPI copies it
        family: Annotated[str, Form(max_length=32)] = "",
    ) -> Response:
        """Send calls back to the consent gate: named ones, or failed ones of a family of errors."""
        found = await run_in_threadpool(look.replay, access, call_id, family)
        return RedirectResponse(f"/ops?done={found.done}&refused={len(found.refused)}#failures", 303)


class _Look:
    """What the page shows, remembered for a moment."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._ledger, self._clock = service.ledger, service.clock
        self._now, self._hours = Remembered(_NOW_S), Remembered(_HOURS_S)
        self._health, self._errors = Remembered(_HEALTH_S), Remembered(_HOURS_S)

    def now(self) -> dict[str, Any]:
        """Where calls stand."""
        found: dict[str, Any] = self._now(self._ask_now)
        return found

    def _ask_now(self) -> dict[str, Any]:
        now = self._clock.now()
        counts = self._ledger.counts(now=now)
        hour = self._ledger.figures.hours(now - timedelta(hours=1), now)
        unsent = self._ledger.figures.oldest_unsent()
        return {
            "now": now,
            "counts": counts,
            "states": [(state, counts.by_state[state]) for state in _SHOWN],
            "waiting": sum(counts.by_state[state] for state in _WAIT),
            "oldest": words_of(counts.oldest_waiting_s) if counts.oldest_waiting_s else "",
            "unsent_for": words_of((now - unsent).total_seconds()) if unsent and unsent < now else "",
            "at_work": self._ledger.figures.at_work(),
            "pace": _pace(counts, hour, now),
        }

    def hours(self, span: Span) -> dict[str, Any]:
        """Throughput by the hour, as chart and table."""
        found: tuple[Hour, ...] = self._hours(lambda: self._ask_hours(span), span)
        rows = [hour for hour in found if hour.arrived or hour.ended or hour.errors]
        return {
            "chart": _chart(found, span),
            "legend": legend([Series(name="Came in"), *_SERIES.values()]),
            "rows": list(reversed(rows)),
            "totals": {
                "arrived": sum(hour.arrived for hour in found),
                "errors": sum(hour.errors for hour in found),
                **{state: sum(hour.ended.get(state, 0) for hour in found) for state in _SERIES},
            },
            "series": list(_SERIES),
        }

    def _ask_hours(self, span: Span) -> tuple[Hour, ...]:
        now = self._clock.now()
        return self._ledger.figures.hours(now - _SPANS[span], now)

    def errors(self) -> dict[str, Any]:
        """What failed in the last day, whether it was tried again or not, and what is dead now."""

        def ask() -> Mapping[str, int]:
            return self._ledger.figures.errors(self._clock.now() - timedelta(days=1))

        tried: Mapping[str, int] = self._errors(ask)
        families = [
            {
                "code": dead.error_code or "",
                "words": _FAMILIES.get(dead.error_code or "", "Not proven clean"),
                "state": dead.state,
                "n_calls": dead.n_calls,
            }
            for dead in self._ledger.figures.dead()
        ]
        attempts = [(code, _FAMILIES.get(code, code), n) for code, n in tried.items()]
        return {"families": families, "attempts": attempts, "most_replayed": _MOST_REPLAYED}

    def dead(self, access: Access, state: str, after: str, before: str) -> dict[str, Any]:
        """A page of the calls that were tried in vain."""
        states = frozenset({CallState(state)} if state else DEAD)
        page = self._ledger.search.page(
            CallQuery(states=states),
            within=access.user.queues or None,
            after=cursor_from_text(after) if after else None,
            before=cursor_from_text(before) if before else None,
            limit=_ON_A_PAGE,
        )

        def url(after: Any = None, before: Any = None) -> str:
            place = f"&after={cursor_to_text(after)}" if after else ""
            place = f"&before={cursor_to_text(before)}" if before else place
            return f"/ops?state={state}{place}#failures"

        return {
            "state": state,
            "page": page,
            "url": url,
            "dead": [self._ledger.get(found.call_id) for found in page.calls],
        }

    def health(self) -> Any:
        """Whether the places answer."""
        return self._health(lambda: check_places(self._service))

    def replay(self, access: Access, call_ids: list[str], family: str) -> Replayed:
        """Send calls through once more."""
        within = access.user.queues or None
        chosen = of_queues(call_ids, self._ledger, within)
        if family:
            code = None if family == "all" else family
            chosen = islice(failed_for(self._ledger, code, within), _MOST_REPLAYED)
        return replay_calls(chosen, self._ledger, self._clock, actor=access.actor)


def words_of(seconds: float) -> str:
    """A length of time for people: "40 s", "12 min", "3 h 20 min", "5 days"."""
    minutes = int(seconds // 60)
    if minutes < 1:
        return f"{max(1, round(seconds))} s"
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{hours // 24} days"


def _pace(counts: LedgerCounts, hours: tuple[Hour, ...], now: datetime) -> str:
    """How fast calls go through, and how long those that wait take at that pace."""
    before, current = hours
    share = (now - current.begins_at) / timedelta(hours=1)
    # The last sixty minutes: what is over of this hour, and as much of the one before as is missing.
    ended = sum(current.ended.values()) + sum(before.ended.values()) * (1 - share)
    waiting = sum(counts.by_state[state] for state in _WAIT)
    if ended < 1:
        return "No call was finished in the last hour." if waiting else "Nothing waits."
    words = f"About {ended:,.0f} calls finished in the last hour."
    return f"{words} Those that wait take some {words_of(waiting / ended * 3600)} more." if waiting else words


def _chart(hours: tuple[Hour, ...], span: Span) -> Any:
    """Came in beside what became of calls: two bars an hour, the second one stacked."""
    bars = []
    for hour in hours:
        values = tuple(hour.ended.get(state, 0) for state in _SERIES)
        at = hour.begins_at
        label = f"{at:%H:%M}" if span == "day" else (f"{at:%a %d}" if at.hour == 0 else "")
        title = f"{at:%Y-%m-%d %H:%M} UTC: {hour.arrived:,} came in" + "".join(
            f", {n:,} {each.name.lower()}" for n, each in zip(values, _SERIES.values(), strict=True) if n
        )
        bars.append(Bar(label=label, title=title, values=(hour.arrived, *values)))
    name = f"Calls by the hour in the last {span}, in UTC; the table below says the same."
    series = [Series(name="Came in"), *_SERIES.values()]
    return bar_chart(name, bars, series, stacked=True, height=200, below=52)
