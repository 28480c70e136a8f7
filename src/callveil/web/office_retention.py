"""Endpoints for retention: holds, how long calls are kept, simulation, application, sweep, events."""

from __future__ import annotations

from typing import Annotated

from fastapi import FastAPI, Query, Request, Response

from callveil.errors import ConfigError, MetadataError
from callveil.kit import Office, policies_in
from callveil.pipeline import holds
from callveil.pipeline.office_documents import hold_fields
from callveil.pipeline.outlook import Sought
from callveil.pipeline.retention_documents import (
    applied_fields,
    decision_fields,
    event_fields,
    fitting_policies,
    simulation_fields,
    swept_fields,
)
from callveil.pipeline.sweep import apply_policies, look, note_event, sweep
from callveil.retention.policy import midnight
from callveil.retention.simulate import simulate
from callveil.vocabulary.retention import HoldScope
from callveil.web.office_bodies import (
    ApplicationBody,
    Day,
    EventBody,
    HoldBody,
    ReasonBody,
    SimulationBody,
    SweepBody,
)
from callveil.web.office_desk import BOTH, OPS, Answer, Desk
from callveil.web.office_paths import CallId, HoldId
from callveil.web.office_person import meant
from callveil.web.openapi import for_office


def install(app: FastAPI, desk: Desk) -> None:
    """Add the endpoints."""
    _add_holds(app, desk)
    _add_retention(app, desk)


def _add_holds(app: FastAPI, desk: Desk) -> None:
    office = desk.office

    @app.post("/v1/holds", status_code=201, **for_office(HoldBody, BOTH))
    async def place(request: Request) -> Response:
        """Place a legal hold on named calls, on a person (later calls too), or on calls that fit a query."""
        return await desk.ask(request, BOTH, HoldBody, lambda body, actor: _place(office, body, actor))

    @app.get("/v1/holds", **for_office(None, BOTH))
    async def list_holds(
        request: Request,
        standing: Annotated[bool, Query(description="False: those that have ended too.")] = True,
    ) -> Response:
        """List legal holds."""

        def work(_: str) -> Answer:
            found = office.books.holds.holds(standing=standing)
            return Answer(document={"holds": [hold_fields(hold) for hold in found]}, seen="holds")

        return await desk.read(request, BOTH, work, query=("standing",))

    @app.post("/v1/holds/{hold_id}/release", **for_office(ReasonBody, BOTH))
    async def release(request: Request, hold_id: HoldId) -> Response:
        """End a hold; what waited for it goes on."""

        def work(body: ReasonBody, actor: str) -> Answer:
            return _held(holds.release(hold_id, office, reason=body.reason, actor=actor), 200)

        return await desk.ask(request, BOTH, ReasonBody, work)


def _add_retention(app: FastAPI, desk: Desk) -> None:
    office = desk.office

    @app.get("/v1/calls/{call_id}/retention", **for_office(None, BOTH))
    async def retention(
        request: Request,
        call_id: CallId,
        at: Annotated[Day | None, Query(description="Day that is looked at; now when left out.")] = None,
    ) -> Response:
        """Tell how long each part of a call is kept, and why."""

        def work(_: str) -> Answer:
            swept = office.books.removals.swept(call_id)
            decision = look(swept, office, midnight(at) if at is not None else office.clock.now())
            document = decision_fields(swept, decision, fitting_policies(swept, office.policies))
            return Answer(document=document, seen="retention", call_id=call_id)

        return await desk.read(request, BOTH, work, query=("at",))

    @app.post("/v1/calls/{call_id}/events", **for_office(EventBody, OPS))
    async def event(request: Request, call_id: CallId) -> Response:
        """Write down that an event which policies count from has come for a call."""

        def work(body: EventBody, actor: str) -> Answer:
            note_event(call_id, body.name, body.at, office, actor=actor)
            return Answer(document=event_fields(call_id, body.name, body.at))

        return await desk.ask(request, OPS, EventBody, work)

    @app.post("/v1/retention/simulation", **for_office(SimulationBody, OPS))
    async def simulation(request: Request) -> Response:
        """Tell what the policies would delete on a day, and what others would change."""
        return await desk.ask(request, OPS, SimulationBody, lambda body, _: _simulate(office, body))

    @app.post("/v1/retention/application", **for_office(ApplicationBody, OPS))
    async def application(request: Request) -> Response:
        """Bring published calls to what the policies say now, a page at a time; it deletes nothing."""
        return await desk.ask(request, OPS, ApplicationBody, lambda body, who: _apply(desk, body, who))

    @app.post("/v1/retention/sweep", **for_office(SweepBody, OPS))
    async def swept(request: Request) -> Response:
        """Delete what is due, of so many calls at most; without `confirm` tell what that is."""
        return await desk.ask(request, OPS, SweepBody, lambda body, who: _sweep(office, body, who))


def _place(office: Office, body: HoldBody, actor: str) -> Answer:
    asked = body.query or holds.HoldQuery()
    query = holds.HoldQuery(queue=asked.queue, agent=asked.agent, since=asked.since, until=asked.until)
    if (bool(body.call_ids) + (body.identifiers is not None) + (body.query is not None)) != 1:
        raise MetadataError("identifiers, call_ids, query: give one of them")
    if body.query is not None:
        if query.is_empty:
            raise MetadataError("query: names nothing; allowed: queue, agent, since, until")
        scope, sought = HoldScope.QUERY, Sought(call_ids=tuple(holds.matching(query, office.ledger)))
    else:
        scope = HoldScope.CALL if body.identifiers is None else HoldScope.SUBJECT
        sought = meant(body, office)
    placed = holds.place(scope, sought, office, reason=body.reason, authority=body.authority, actor=actor)
    return _held(placed, 201)


def _held(placed: holds.Placed, status: int) -> Answer:
    return Answer(document={**hold_fields(placed.hold), "store_behind": placed.behind}, status=status)


def _simulate(office: Office, body: SimulationBody) -> Answer:
    before = office.policies
    now = tried = office.in_force.name
    after = before
    if body.policies is not None:
        tried = "policies"
        try:
            after = policies_in(body.policies, office.config, tried)
        except ConfigError as error:
            raise MetadataError(str(error)) from None
    on = body.at or office.clock.now().date()
    removals = office.books.removals
    found = simulate(removals.groups(), removals.singled_out(), before, after, on)
    return Answer(document=simulation_fields(found, now, tried), seen="retention simulation")


def _apply(desk: Desk, body: ApplicationBody, actor: str) -> Answer:
    if body.confirm:
        desk.note(actor, "retention.apply", limit=body.limit)
    found = apply_policies(
        desk.office, actor=actor, dry_run=not body.confirm, after=body.after, limit=body.limit
    )
    seen = None if body.confirm else "retention application"
    return Answer(document=applied_fields(found, done=body.confirm), seen=seen)


def _sweep(office: Office, body: SweepBody, actor: str) -> Answer:
    moment = midnight(body.at) if body.at is not None else office.clock.now()
    found = sweep(office, at=moment, limit=body.limit, actor=actor, dry_run=not body.confirm)
    seen = None if body.confirm else "retention sweep"
    return Answer(document=swept_fields(found, moment, done=body.confirm), seen=seen)
