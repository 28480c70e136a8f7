"""Retention: the policies in force, who put them there, what they do, and how published calls follow them."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Form, Path, Request, Response
from fastapi.responses import PlainTextResponse, RedirectResponse
from starlette.concurrency import run_in_threadpool

from callveil.errors import ConfigError, RefusedError
from callveil.kit import Office, Service, text_of_file
from callveil.pipeline import policy_change
from callveil.pipeline.policy_change import SUPERSEDED, Wanted
from callveil.retention.compare import compare
from callveil.vocabulary.accounts import WebRole
from callveil.vocabulary.ledger import CallState
from callveil.vocabulary.policy_sets import PolicyRun, PolicySet
from callveil.vocabulary.proposals import Proposal, ProposalState
from callveil.web.pages import retention_edit, retention_simulation
from callveil.web.pages.access import Access, require
from callveil.web.pages.jobs import Jobs
from callveil.web.pages.render import render
from callveil.web.pages.retention_edit import (
    check_all_queues,
    look_at,
    name_of,
    sent_base,
    sent_text,
    shown_policies,
    text_diff,
    text_of,
)
from callveil.web.pages.retention_simulation import Simulations, governed, shown, tally_words

Ops = Annotated[Access, Depends(require(WebRole.OPS))]
Reader = Annotated[Access, Depends(require(WebRole.OPS, WebRole.PRIVACY))]
ProposalId = Annotated[str, Path(pattern=r"^pro-[0-9a-f]{12}$")]


def install(app: FastAPI, service: Service, office: Office) -> None:  # noqa: ARG001  as every page
    """Add /retention.

    Args:
        app: The pages.
        service: Not needed.
        office: For ledger, books, store and policies.
    """
    simulations = Simulations(office, Jobs())
    retention_edit.install(app, office, simulations.begin)
    retention_simulation.install(app, simulations)
    _add_view(app, office, simulations)
    _add_change(app, office)
    _add_run(app, office, Jobs())  # of their own: they take long, and nobody is to wait for them


def _add_view(app: FastAPI, office: Office, simulations: Simulations) -> None:
    sets = office.books.policy_sets

    @app.get("/retention")
    async def view(request: Request, access: Reader, said: str = "") -> Response:
        """The policies in force."""
        return await run_in_threadpool(
            lambda: render(request, "retention.html.j2", **_view(office, access), said=_SAID.get(said))
        )

    @app.get("/retention/policies.toml")
    async def export(access: Reader) -> Response:  # noqa: ARG001  as every route
        """The policies in force as a file, for version control."""
        text = await run_in_threadpool(text_of, office)
        name = f"retention-{await run_in_threadpool(sets.version)}.toml"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return PlainTextResponse(text, headers=headers, media_type="application/toml")

    @app.get("/retention/outlook")
    async def outlook(request: Request, access: Reader) -> Response:  # noqa: ARG001  as every route
        """What the policies in force do: counted behind the page."""

        def work() -> Response:
            job, tried = simulations.in_force()
            values: dict[str, Any] = {"job": job, "tried": tried}
            if tried is not None:
                values |= shown(tried) | {"governed": governed(tried), "words": tally_words}
            return render(request, "retention_outlook.html.j2", **values)

        return await run_in_threadpool(work)

    @app.get("/retention/sets/{number}")
    async def earlier(request: Request, access: Reader, number: Annotated[int, Path(ge=1)]) -> Response:
        """One set, and what is different in what is in force."""

        def work() -> Response:
            chosen = sets.get(number)
            policies, found = look_at(chosen.text, office)
            in_force, _ = look_at(text_of(office), office)
            return render(
                request,
                "retention_set.html.j2",
                chosen=chosen,
                is_in_force=number == sets.version(),
                policies=shown_policies(policies or ()),
                found=found,
                changes=compare(in_force or (), policies or ()),
                diff=text_diff(text_of(office), chosen.text),
                may_change=_may_change(access),
            )

        return await run_in_threadpool(work)


def _add_change(app: FastAPI, office: Office) -> None:
    @app.post("/retention/confirm")
    async def confirm(request: Request, access: Ops) -> Response:
        """What will happen, before it does."""
        check_all_queues(access)
        given = await request.form()
        text, base = sent_text(given), sent_base(given)
        return await run_in_threadpool(lambda: _confirm(request, office, text, base))

    @app.post("/retention/policies")
    async def put(request: Request, access: Ops, note: Annotated[str, Form(max_length=500)] = "") -> Response:
        """Put policies in force, or propose them."""
        check_all_queues(access)
        given = await request.form()
        wanted = Wanted(text=sent_text(given), base=sent_base(given), note=note)
        done = await run_in_threadpool(
            lambda: policy_change.change_policies(wanted, office, actor=access.actor)
        )
        said = "proposed" if isinstance(done, Proposal) else "in_force"
        return RedirectResponse(f"/retention?said={said}", 303)

    @app.post("/retention/proposals/{proposal_id}/agree")
    async def agree(access: Ops, proposal_id: ProposalId) -> Response:
        """Agree to what another person proposed."""
        check_all_queues(access)
        await run_in_threadpool(lambda: policy_change.agree(proposal_id, office, actor=access.actor))
        return RedirectResponse("/retention?said=in_force", 303)

    @app.post("/retention/proposals/{proposal_id}/reject")
    async def reject(
        access: Ops, proposal_id: ProposalId, reason: Annotated[str, Form(max_length=500)] = ""
    ) -> Response:
        """Say no, or take back what one proposed."""
        check_all_queues(access)

        def work() -> None:
            policy_change.wanted_by(office.books.proposals.get(proposal_id))
            office.books.proposals.reject(
                proposal_id, reason=reason.strip(), actor=access.actor, now=office.clock.now()
            )

        await run_in_threadpool(work)
        return RedirectResponse("/retention?said=rejected", 303)


def _add_run(app: FastAPI, office: Office, jobs: Jobs) -> None:
    turn = asyncio.Lock()

    @app.post("/retention/apply")
    async def apply(access: Ops) -> Response:
        """Apply to published calls in force, in a thread; taken up where it was cut off."""
        check_all_queues(access)
        async with turn:
            run = await run_in_threadpool(lambda: policy_change.begin_run(office, actor=access.actor))
            jobs.begin("retention", run.run_id, lambda _: policy_change.carry_on(run, office))
        return RedirectResponse("/retention#published", 303)

    @app.get("/retention/run")
    async def progress(request: Request, access: Reader) -> Response:
        """How far it is."""
        return await run_in_threadpool(
            lambda: render(request, "retention_run.html.j2", **_run(office, access))
        )


_SAID = {
    "in_force": "They are in force. New calls follow them at once; bring published calls to them below.",
    "proposed": "The policies wait for a second person. Nothing has changed yet.",
    "rejected": "The proposal is rejected. Nothing has changed.",
}


def _view(office: Office, access: Access) -> dict[str, Any]:
    sets = office.books.policy_sets
    office.in_force.look_again()  # another process may have put some in force a moment ago
    history = sets.history(limit=20)
    current = history[0] if history else None
    return {
        "current": current,
        "history": history,
        "name": name_of(office),
        "policies": shown_policies(office.policies),
        "may_change": _may_change(access),
        "proposal": _proposal(office, access, current),
        "differs": current is not None and _differs(office, current),
        "two_person": policy_change.needs_second_person(office),
        **_run(office, access),
    }


def _may_change(access: Access) -> bool:
    return access.user.has_role(WebRole.OPS) and not access.user.queues


def _differs(office: Office, current: PolicySet) -> bool:
    """Whether the profile's file says something else than the set in force: then that counts nowhere."""
    try:
        return text_of_file(office.config).strip() != current.text.strip()
    except ConfigError:
        return True


def _proposal(office: Office, access: Access, current: PolicySet | None) -> dict[str, Any] | None:
    found = policy_change.waiting(office)
    if found is None:
        return None
    wanted = policy_change.wanted_by(found)
    policies, problems = look_at(wanted.text, office)
    before = text_of(office)
    in_force, _ = look_at(before, office)
    return {
        "proposal": found,
        "note": wanted.note,
        "is_own": found.by == access.actor,
        "is_agreed": found.state is ProposalState.APPROVED,
        "is_outdated": wanted.base != (current.number if current else 0),
        "changes": compare(in_force or (), policies or ()),
        "diff": text_diff(before, wanted.text),
        "problems": problems,
    }


def _confirm(request: Request, office: Office, text: str, base: int) -> Response:
    policy_change.checked(text, office)
    policies, found = look_at(text, office)
    before = text_of(office)
    in_force, _ = look_at(before, office)
    version = office.books.policy_sets.version()
    if base != version:
        raise RefusedError("other policies have come into force since; compare with them, and try again")
    return render(
        request,
        "retention_confirm.html.j2",
        text=text,
        base=base,
        found=found,
        changes=compare(in_force or (), policies or ()),
        diff=text_diff(before, text),
        two_person=policy_change.needs_second_person(office),
    )


def _run(office: Office, access: Access) -> dict[str, Any]:
    run = office.books.policy_sets.last_run()
    version = office.books.policy_sets.version()
    state, total = _state_of(run, version, office), 0
    if state in ("running", "cut off"):  # with very many calls it takes a moment to count them
        total = office.ledger.counts(now=office.clock.now()).by_state[CallState.PUBLISHED]
    return {
        "run": run,
        "run_state": state,
        "run_done": 0 if run is None else run.counts.get("n_calls", 0),
        "run_total": total,
        "may_apply": _may_change(access),
    }


def _state_of(run: PolicyRun | None, version: int, office: Office) -> str:
    """What a run is at: "none", "running", "cut off", "superseded", "outdated" or "done"."""
    if run is None:
        return "none"
    if run.done_at is None:
        return "cut off" if policy_change.is_silent(run, office) else "running"
    if run.counts.get(SUPERSEDED):
        return "superseded"
    return "done" if run.version == version else "outdated"
