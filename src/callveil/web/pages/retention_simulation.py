"""What policies would do: counted over all calls in a thread, shown with a chart of before and after."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, TypeVar

from fastapi import Depends, FastAPI, Form, Path, Query, Request, Response
from fastapi.responses import RedirectResponse
from markupsafe import Markup
from starlette.concurrency import run_in_threadpool

from callveil.errors import NotFoundError
from callveil.kit import Office
from callveil.pipeline.policy_change import checked
from callveil.retention.compare import compare
from callveil.retention.plot import bars_of
from callveil.retention.simulate import NOBODY, OPEN, Simulation, Tally, simulate
from callveil.retention.words import part_words
from callveil.vocabulary.accounts import WebRole
from callveil.vocabulary.retention import Policy
from callveil.web.pages.access import Access, require
from callveil.web.pages.charts import Bar, Series, bar_chart, legend
from callveil.web.pages.jobs import Job, Jobs
from callveil.web.pages.render import render
from callveil.web.pages.retention_edit import check_all_queues, sent_base, sent_text

Ops = Annotated[Access, Depends(require(WebRole.OPS))]
JobId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{16}$")]

_MOST_ROWS = 120
_BELIEVED = timedelta(minutes=10)
"""How long a count by the policies in force is shown."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """A simulation with what was tried.

    Attributes:
        text: TOML; empty when what is in force was looked at.
        base: Number of the set that it was made from.
        before: The policies in force.
        after: Those that were tried.
        name: Of the policies in force, for people.
        found: What came out.
        at: When it was counted, aware UTC.
    """

    text: str = field(repr=False)
    base: int
    before: tuple[Policy, ...]
    after: tuple[Policy, ...]
    name: str
    found: Simulation
    at: datetime

    @property
    def is_change(self) -> bool:
        """Whether others than those in force were tried."""
        return self.before != self.after


class Simulations:
    """Begins and shows them.

    Args:
        office: For calls and policies.
        jobs: Runs them.
    """

    def __init__(self, office: Office, jobs: Jobs) -> None:
        self._office, self._jobs = office, jobs
        self._last: tuple[object, Tried] | None = None

    def begin(self, access: Access, text: str, base: int, on: date | None = None) -> Response:
        """Try policies out; leads to the page of that."""
        after = checked(text, self._office)
        day = on or self._office.clock.now().date()
        job = self._jobs.begin(
            access.actor,
            f"simulation {day} {hash(text)}",
            lambda job: self._count(job, after, text, base, day),
        )
        return RedirectResponse(f"/retention/simulations/{job.job_id}", 303)

    def in_force(self) -> tuple[Job | None, Tried | None]:
        """What the policies in force do, or the job that counts it, begun when nobody has asked for long."""
        office = self._office
        now, name = office.clock.now(), office.in_force.name
        if self._last is not None and self._last[0] == name and now - self._last[1].at < _BELIEVED:
            return None, self._last[1]

        def work(job: Job) -> Tried:
            tried = self._count(job, office.policies, "", 0, now.date())
            self._last = name, tried
            return tried

        job = self._jobs.begin("retention", f"in force {name}", work)
        if not job.ended:
            return job, None
        return None, job.result

    def of(self, access: Access, job_id: str) -> Job:
        """A job of somebody.

        Raises:
            NotFoundError: There is none, or it is another's.
        """
        job = self._jobs.get(job_id)
        if job is None or job.owner != access.actor:
            raise NotFoundError("there is no such simulation any more; try the policies out again")
        return job

    def _count(self, job: Job, after: tuple[Policy, ...], text: str, base: int, day: date) -> Tried:
        office = self._office
        office.in_force.look_again()  # another process may have put some in force a moment ago
        before, name = office.policies, office.in_force.name
        counts = office.ledger.counts(now=office.clock.now())
        job.total = sum(counts.by_state.values())
        removals = office.books.removals
        groups = _counted(removals.groups(), job, lambda group: group.n_calls)
        singled = _counted(removals.singled_out(), job, lambda _: 1)
        found = simulate(groups, singled, before, after, day)
        return Tried(
            text=text,
            base=base,
            before=before,
            after=after,
            name=name,
            found=found,
            at=office.clock.now(),
        )


def install(app: FastAPI, simulations: Simulations) -> None:
    """Add /retention/simulations."""

    @app.post("/retention/simulations")
    async def begin(
        request: Request,
        access: Ops,
        on: Annotated[str, Form(max_length=40)] = "",
    ) -> Response:
        """Try a text out on another day."""
        check_all_queues(access)
        given = await request.form()
        day = _day(on)
        return await run_in_threadpool(
            lambda: simulations.begin(access, sent_text(given), sent_base(given), day)
        )

    @app.get("/retention/simulations/{job_id}")
    async def look(
        request: Request, access: Ops, job_id: JobId, part: Annotated[bool, Query()] = False
    ) -> Response:
        """How far it is, or what came out; `part` without the page around it."""
        job = simulations.of(access, job_id)
        template = "retention_simulation_part.html.j2" if part else "retention_simulation.html.j2"
        ended = job.ended  # it may end while the page is made

        def work() -> Response:
            values = shown(job.result) if ended and job.problem is None else {}
            return render(request, template, job=job, ended=ended, **values)

        answer = await run_in_threadpool(work)
        if part and ended:
            # The whole page has more to say than the part that was waited for.
            answer.headers["HX-Redirect"] = f"/retention/simulations/{job.job_id}"
        return answer


def shown(tried: Tried) -> dict[str, Any]:
    """A simulation for a template."""
    found, total = tried.found, tried.found.total
    sides = slice(0, 2) if tried.is_change else slice(1, 2)
    rows = [
        (f"{part_words(part).capitalize()} to be deleted", each[sides]) for part, each in found.parts.items()
    ]
    changes = [("Kept longer by the change", total.extended), ("Kept shorter by the change", total.shortened)]
    states = [("Under legal hold", total.held), ("Nobody may use them", total.restricted)]
    return {
        "tried": tried,
        "chart": chart(tried),
        "legend": legend(_series(tried)),
        "parts_due": rows,
        "changes": compare(tried.before, tried.after),
        "others": [*(changes if tried.is_change else []), *states, ("All calls", total.ends_after)],
        "rows": list(_rows(found))[:_MOST_ROWS],
        "n_rows": len(found.rows),
        "words": tally_words,
    }


def governed(tried: Tried) -> list[tuple[str, Tally]]:
    """How many calls' audio each policy ends, the most first; of others only holds and requests decide."""
    sums: dict[str, Tally] = {}
    for (policy, _), counts in tried.found.rows.items():
        tally = sums.setdefault(policy, Tally())
        tally.add(counts.ends_after.n_calls, counts.ends_after.duration_s)
    named = [(_policy_words(name), tally) for name, tally in sums.items() if tally.n_calls]
    return sorted(named, key=lambda row: -row[1].n_calls)


def chart(tried: Tried) -> Markup:
    """When audio ends, by the policies in force and those tried."""
    unit, found = bars_of(tried.found)
    series = _series(tried)
    bars = [
        Bar(
            label=label,
            title=f"{label}: "
            + ", ".join(
                f"{each.name.lower()} {n:,}" for n, each in zip(values[-len(series) :], series, strict=True)
            ),
            values=values[-len(series) :],
        )
        for label, values in found.items()
    ]
    name = (
        f"Calls whose audio ends, by {unit}; due: what has ended before {tried.found.on:%Y-%m-%d}. "
        "The tables say the same."
    )
    return bar_chart(name, bars, series)


def tally_words(tally: Tally) -> str:
    """Calls, and hours of audio."""
    return f"{tally.n_calls:,} ({tally.duration_s / 3600:,.1f} h)"


def _series(tried: Tried) -> list[Series]:
    if not tried.is_change:
        return [Series(name="In force")]
    return [Series(name="In force", tone="before"), Series(name="Tried")]


def _rows(found: Simulation) -> Iterator[tuple[str, str, Any]]:
    for (policy, month), counts in found.rows.items():
        yield _policy_words(policy), "no date" if month == OPEN else month, counts


def _policy_words(name: str) -> str:
    return "a hold or a request" if name == NOBODY else name


def _counted(found: Iterable[_T], job: Job, weight: Any) -> Iterator[_T]:
    for each in found:
        job.done += weight(each)
        yield each


def _day(text: str) -> date | None:
    """A day that somebody chose; None for today."""
    try:
        return (
            datetime.fromisoformat(text).astimezone(UTC).date() if "T" in text else date.fromisoformat(text)
        )
    except ValueError:
        return None
