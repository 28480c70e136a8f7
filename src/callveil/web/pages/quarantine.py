"""Calls that could not be proven clean: why, hearing them, and what is to become of them."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

from fastapi import Depends, FastAPI, Form, Path, Query, Request, Response
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData

from callveil.adapters.call_document import CALL_ID
from callveil.adapters.call_query import cursor_from_text, cursor_to_text
from callveil.errors import MetadataError, PrivilegeError
from callveil.kit import Office, Service
from callveil.pipeline import quarantine
from callveil.pipeline.listening import Raw, begin_play
from callveil.pipeline.quarantine import Decision
from callveil.pipeline.reviews import QuarantineShown, new_review_id, quarantine_shown
from callveil.vocabulary.accounts import Privilege, WebRole
from callveil.vocabulary.ledger import CallState
from callveil.vocabulary.reviews import ReviewKind, Stretch
from callveil.web.pages import marking
from callveil.web.pages.access import Access, require
from callveil.web.pages.listening_room import ListeningRoom, check_seen, listener_of, may_hear, play_shown
from callveil.web.pages.render import render
from callveil.web.pages.words import kind_number, kind_words

CallId = Annotated[str, Path(pattern=CALL_ID)]
PlayId = Annotated[str, Query(alias="play", pattern=r"^(play-[0-9a-f]{16})?$")]
ProposalId = Annotated[str, Form(alias="proposal", pattern=r"^pro-[0-9a-f]{12}$")]

_LIMIT = 50
_LIST = "/quarantine"

Reader = Annotated[Access, Depends(require(WebRole.REVIEWER, WebRole.PRIVACY))]
Reviewer = Annotated[Access, Depends(require(WebRole.REVIEWER))]
Hearer = Annotated[
    Access, Depends(require(WebRole.REVIEWER, WebRole.PRIVACY, privilege=Privilege.REPLAY_ORIGINAL))
]


def install(app: FastAPI, service: Service, office: Office) -> None:  # noqa: ARG001  as every page
    """Add /quarantine and what is below it.

    Args:
        app: The pages.
        service: Not needed.
        office: Every place.
    """
    _add_reading(app, office)
    _add_listening(app, office)
    _add_deciding(app, office)


def _add_reading(app: FastAPI, office: Office) -> None:
    @app.get(_LIST)
    async def listed(request: Request, access: Reader, after: str = "", before: str = "") -> Response:
        """Quarantined calls, the oldest first."""

        def work() -> Response:
            _check_reads(access)
            page, waiting = quarantine.quarantined(
                office,
                within=access.user.queues or None,
                after=cursor_from_text(after) if after else None,
                before=cursor_from_text(before) if before and not after else None,
                limit=_LIMIT,
            )
            return render(
                request,
                "quarantine.html.j2",
                page=page,
                waiting=waiting,
                url=_list_address,
                now=office.clock.now(),
                waited=waited_words,
            )

        return await run_in_threadpool(work)

    @app.get(_LIST + "/{call_id}")
    async def one(request: Request, access: Reader, call_id: CallId, play: PlayId = "") -> Response:
        """Why a call is quarantined, and what can be done."""

        def work() -> Response:
            _check_reads(access)
            check_seen(call_id, access, office)
            office.ledger.note(
                actor=access.actor,
                action="call.viewed",
                call_id=call_id,
                detail={"page": "quarantine"},
                now=office.clock.now(),
            )
            return _page(request, access, call_id, office, play_id=play)

        return await run_in_threadpool(work)

    @app.get(_LIST + "/{call_id}/progress")
    async def progress(request: Request, access: Reader, call_id: CallId) -> Response:
        """Whether a worker has done what was decided; then the page is loaded anew."""

        def work() -> Response:
            _check_reads(access)
            check_seen(call_id, access, office)
            is_busy = quarantine.is_in_work(office.ledger.get(call_id))
            if not is_busy and quarantine.standing(call_id, office).owed is None:
                return Response(status_code=204, headers={"HX-Refresh": "true"})
            return render(request, "quarantine_progress.html.j2", call_id=call_id)

        return await run_in_threadpool(work)


def _add_listening(app: FastAPI, office: Office) -> None:
    room = ListeningRoom(office)

    @app.post(_LIST + "/{call_id}/listen")
    async def listen(
        request: Request,
        access: Hearer,
        call_id: CallId,
        reason: Annotated[str, Form(max_length=1000)] = "",
    ) -> Response:
        """Say why one listens; that is written down, and opens the player."""

        def work() -> Response:
            check_seen(call_id, access, office)
            listener = listener_of(access)
            try:
                play = begin_play(call_id, Raw.QUARANTINED, listener, office, reason=reason or None)
            except MetadataError as error:
                return _page(request, access, call_id, office, wrong=str(error))
            return RedirectResponse(f"{_LIST}/{call_id}?play={play.play_id}#listen", 303)

        return await run_in_threadpool(work)

    @app.get(_LIST + "/{call_id}/outline")
    async def outline(access: Hearer, call_id: CallId, play: PlayId = "") -> Response:
        """The outline of the raw recording."""
        await run_in_threadpool(check_seen, call_id, access, office)
        return await room.outline(access, call_id, Raw.QUARANTINED, play)

    @app.get(_LIST + "/{call_id}/audio")
    async def audio(request: Request, access: Hearer, call_id: CallId, play: PlayId = "") -> Response:
        """Some of the raw recording."""
        await run_in_threadpool(check_seen, call_id, access, office)
        return await room.audio(request, access, call_id, Raw.QUARANTINED, play)


def _add_deciding(app: FastAPI, office: Office) -> None:
    @app.post(_LIST + "/{call_id}/confirm")
    async def confirm(request: Request, access: Reviewer, call_id: CallId) -> Response:
        """What will happen; nothing has yet."""
        form = await request.form()
        return await run_in_threadpool(_confirm, request, access, call_id, office, form)

    @app.post(_LIST + "/{call_id}/decide")
    async def decide(request: Request, access: Reviewer, call_id: CallId) -> Response:
        """Do it, or propose it."""
        form = await request.form()

        def work() -> Response:
            check_seen(call_id, access, office)
            quarantine.decide(_decision(form, 2), call_id, office, actor=access.actor)
            return _back(call_id)

        return await run_in_threadpool(work)

    @app.post(_LIST + "/{call_id}/approve")
    async def approve(access: Reviewer, call_id: CallId, proposal: ProposalId) -> Response:
        """Agree with what somebody else proposed."""

        def work() -> Response:
            check_seen(call_id, access, office)
            quarantine.approve(proposal, call_id, office, actor=access.actor)
            return _back(call_id)

        return await run_in_threadpool(work)

    @app.post(_LIST + "/{call_id}/reject")
    async def reject(
        access: Reviewer,
        call_id: CallId,
        proposal: ProposalId,
        reason: Annotated[str, Form(max_length=1000)] = "",
    ) -> Response:
        """Say no to it, or take it back."""

        def work() -> Response:
            check_seen(call_id, access, office)
            quarantine.reject(proposal, call_id, office, reason=reason, actor=access.actor)
            return _back(call_id)

        return await run_in_threadpool(work)


def _page(
    request: Request,
    access: Access,
    call_id: str,
    office: Office,
    *,
    play_id: str = "",
    rows: list[dict[str, str]] | None = None,
    wrong: str = "",
) -> Response:
    found = office.ledger.get(call_id)
    standing = quarantine.standing(call_id, office)
    if found.state is not CallState.QUARANTINED:
        is_in_work = quarantine.is_in_work(found)
        return render(
            request, "quarantine_left.html.j2", call=found, standing=standing, is_in_work=is_in_work
        )
    shown = quarantine_shown(call_id, office)
    play, earlier = play_shown(call_id, Raw.QUARANTINED, access, office, play_id)
    channels = _channels(shown)
    proposed = quarantine.decision_of(standing.proposal) if standing.proposal else None
    return render(
        request,
        "quarantined.html.j2",
        status=422 if wrong else 200,
        call=found,
        shown=shown,
        is_restricted=office.books.requests.restriction(call_id) is not None,
        standing=standing,
        proposed=proposed,
        needs_two=quarantine.needs_two(office),
        may_decide=access.user.has_role(WebRole.REVIEWER),
        may_hear=may_hear(access),
        play=play,
        earlier=earlier,
        channels=marking.channel_names(found.call, channels),
        kinds=marking.kinds(),
        clock=marking.clock,
        findings=stretch_fields(shown.left),
        proposed_stretches=stretch_fields(proposed.stretches if proposed else ()),
        rows=rows or [],
        wrong=wrong,
        waited=waited_words((office.clock.now() - found.updated_at).total_seconds()),
        address=f"{_LIST}/{call_id}",
    )


def _confirm(request: Request, access: Access, call_id: str, office: Office, form: FormData) -> Response:
    check_seen(call_id, access, office)
    shown = quarantine_shown(call_id, office)
    channels = _channels(shown)
    try:
        decision = _decision(form, channels)
        quarantine.check(decision, call_id, office)
    except MetadataError as error:
        play = str(form.get("play", ""))
        rows = marking.given_rows(form)
        return _page(request, access, call_id, office, play_id=play, rows=rows, wrong=str(error))
    found = office.ledger.get(call_id)
    return render(
        request,
        "quarantine_confirm.html.j2",
        call=found,
        decision=decision,
        needs_two=quarantine.needs_two(office),
        is_held=bool(office.books.removals.swept(call_id).holds),
        channels=marking.channel_names(found.call, channels),
        rows=marking.rows(decision.stretches),
        clock=marking.clock,
        address=f"{_LIST}/{call_id}",
    )


def _decision(form: FormData, channels: int) -> Decision:
    kind = {"release": ReviewKind.RELEASE, "discard": ReviewKind.DISCARD}.get(str(form.get("decision", "")))
    if kind is None:
        raise MetadataError("decision: allowed: release, discard")
    is_release = kind is ReviewKind.RELEASE
    return Decision(
        review_id=str(form.get("review", "")) or new_review_id(),
        kind=kind,
        stretches=marking.stretches_of(form, channels=channels) if is_release else (),
    )


def stretch_fields(stretches: tuple[Stretch, ...]) -> list[dict[str, Any]]:
    """Stretches for the page: times, kind, number of its colour."""
    return [
        {**fields, "words": kind_words(fields["entity"]), "colour": kind_number(fields["entity"])}
        for fields in quarantine.stretch_fields(stretches)
    ]


def waited_words(seconds: float) -> str:
    """How long something waits, "3 days"."""
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        count = int(seconds // size)
        if count:
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return "less than a minute"


def _check_reads(access: Access) -> None:
    """Privacy officers come here to listen; reviewers look after the list."""
    if not access.user.has_role(WebRole.REVIEWER) and not may_hear(access):
        raise PrivilegeError("this needs the role reviewer, or the privilege replay-original")


def _channels(shown: QuarantineShown) -> int:
    return shown.channels or 2


def _list_address(**place: Any) -> str:
    asked = "&".join(f"{name}={quote(cursor_to_text(cursor))}" for name, cursor in place.items())
    return f"{_LIST}?{asked}" if asked else _LIST


def _back(call_id: str) -> Response:
    return RedirectResponse(f"{_LIST}/{call_id}", 303)
