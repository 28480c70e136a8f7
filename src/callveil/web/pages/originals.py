"""Sealed originals of published calls, and what reviewers say was masked in vain."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import Depends, FastAPI, Form, Path, Query, Request, Response
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool

from callveil.adapters.call_document import CALL_ID
from callveil.errors import MetadataError, NotFoundError, RefusedError
from callveil.kit import Office, Service
from callveil.pipeline.listening import Raw, begin_play, check_may_hear, last_play
from callveil.pipeline.reviews import confirm_over, refuse
from callveil.vocabulary.accounts import Privilege, WebRole
from callveil.vocabulary.ledger import LedgerCall
from callveil.vocabulary.recording import Part
from callveil.vocabulary.reviews import OverReason, Review, ReviewKind, ReviewState
from callveil.web.pages import marking
from callveil.web.pages.access import Access, require
from callveil.web.pages.listening_room import ListeningRoom, check_seen, listener_of, may_hear, play_shown
from callveil.web.pages.quarantine import stretch_fields, waited_words
from callveil.web.pages.render import render
from callveil.web.pages.words import kind_number, kind_words

CallId = Annotated[str, Path(pattern=CALL_ID)]
ReviewId = Annotated[str, Path(pattern=r"^rev-[0-9a-f]{12}$")]
PlayId = Annotated[str, Query(alias="play", pattern=r"^(play-[0-9a-f]{16})?$")]

Hearer = Annotated[
    Access, Depends(require(WebRole.REVIEWER, WebRole.PRIVACY, privilege=Privilege.REPLAY_ORIGINAL))
]
Reader = Annotated[Access, Depends(require(WebRole.REVIEWER, WebRole.PRIVACY))]

OVER_REASONS: Mapping[OverReason, str] = {
    OverReason.OWN_NAME: "the company, its products or its own numbers",
    OverReason.AMOUNT: "an amount",
    OverReason.TIME: "a time that tells nothing of a person",
    OverReason.WORD: "an ordinary word",
    OverReason.NOTHING: "nobody speaks there",
}

_LIMIT = 50


def install(app: FastAPI, service: Service, office: Office) -> None:  # noqa: ARG001  as every page
    """Add /reviews and /calls/{call_id}/original.

    Args:
        app: The pages.
        service: Not needed.
        office: Every place.
    """
    _add_reports(app, office)
    _add_original(app, office)


def _add_reports(app: FastAPI, office: Office) -> None:
    @app.get("/reviews")
    async def reports(
        request: Request, access: Reader, after: Annotated[str, Query(max_length=80)] = ""
    ) -> Response:
        """What was reported as masked in vain and waits for somebody with the original, the oldest first."""

        def work() -> Response:
            found = office.books.reviews.reported(
                within=access.user.queues or None, after=_place(after) if after else None, limit=_LIMIT + 1
            )
            shown = found[:_LIMIT]
            return render(
                request,
                "reviews.html.j2",
                reports=[_report(each, office) for each in shown],
                next=f"/reviews?after={quote(_place_text(shown[-1]))}" if len(found) > _LIMIT else None,
                may_hear=may_hear(access),
                waited=waited_words,
                now=office.clock.now(),
            )

        return await run_in_threadpool(work)

    @app.post("/calls/{call_id}/original/reviews/{review_id}")
    async def settle(
        access: Hearer,
        call_id: CallId,
        review_id: ReviewId,
        decision: Annotated[str, Form(pattern="^(confirm|refuse)$")],
        reason: Annotated[str, Form(max_length=1000)] = "",
        play: Annotated[str, Form(pattern=r"^(play-[0-9a-f]{16})?$")] = "",
    ) -> Response:
        """Agree with a report, or not, after hearing the original."""

        def work() -> Response:
            check_seen(call_id, access, office)
            check_may_hear(call_id, Raw.SEALED, office)
            review = office.books.reviews.get(review_id)
            if review.call_id != call_id or review.kind is not ReviewKind.OVER:
                raise NotFoundError("there is no such report")
            if decision == "confirm":
                if last_play(call_id, Raw.SEALED, listener_of(access), office) is None:
                    raise RefusedError("Hear the original first.")
                confirm_over(office, review_id, actor=access.actor)
            else:
                refuse(office, review_id, reason=reason, actor=access.actor)
            back = f"/calls/{call_id}/original"
            return RedirectResponse(f"{back}?play={play}" if play else back, 303)

        return await run_in_threadpool(work)


def _add_original(app: FastAPI, office: Office) -> None:
    room = ListeningRoom(office)
    path = "/calls/{call_id}/original"

    @app.get(path)
    async def original(request: Request, access: Hearer, call_id: CallId, play: PlayId = "") -> Response:
        """The original of a call, what is masked in it, and the reports about that."""

        def work() -> Response:
            check_seen(call_id, access, office)
            found = check_may_hear(call_id, Raw.SEALED, office)
            office.ledger.note(
                actor=access.actor,
                action="call.viewed",
                call_id=call_id,
                detail={"page": "original"},
                now=office.clock.now(),
            )
            return _page(request, access, found, office, play)

        return await run_in_threadpool(work)

    @app.post(path + "/listen")
    async def listen(
        request: Request,
        access: Hearer,
        call_id: CallId,
        reason: Annotated[str, Form(max_length=1000)] = "",
    ) -> Response:
        """Say why one listens; that is written down, and opens the player."""

        def work() -> Response:
            check_seen(call_id, access, office)
            try:
                play = begin_play(call_id, Raw.SEALED, listener_of(access), office, reason=reason or None)
            except MetadataError as error:
                found = check_may_hear(call_id, Raw.SEALED, office)
                return _page(request, access, found, office, wrong=str(error))
            return RedirectResponse(f"/calls/{call_id}/original?play={play.play_id}#listen", 303)

        return await run_in_threadpool(work)

    @app.get(path + "/outline")
    async def outline(access: Hearer, call_id: CallId, play: PlayId = "") -> Response:
        """The outline of the original."""
        await run_in_threadpool(check_seen, call_id, access, office)
        return await room.outline(access, call_id, Raw.SEALED, play)

    @app.get(path + "/audio")
    async def audio(request: Request, access: Hearer, call_id: CallId, play: PlayId = "") -> Response:
        """Some of the original."""
        await run_in_threadpool(check_seen, call_id, access, office)
        return await room.audio(request, access, call_id, Raw.SEALED, play)


def _page(
    request: Request,
    access: Access,
    found: LedgerCall,
    office: Office,
    play_id: str = "",
    *,
    wrong: str = "",
) -> Response:
    call_id = found.call_id
    play, earlier = play_shown(call_id, Raw.SEALED, access, office, play_id)
    certificate = json.loads(office.store.get(f"{found.prefix}{Part.CERTIFICATE.value}"))
    channels = int(certificate["audio"]["channels"])
    overs = [each for each in office.books.reviews.of(call_id) if each.kind is ReviewKind.OVER]
    waiting = [each for each in overs if each.state is ReviewState.REPORTED]
    masked = [
        {
            "channel": span["channel"],
            "start_s": span["start_s"],
            "end_s": span["end_s"],
            "words": kind_words(span["entity"]),
            "colour": kind_number(span["entity"]),
        }
        for span in certificate["masked_spans"]
    ]
    reported = [
        {**fields, "words": f"{fields['words']}: reported", "reported": True}
        for each in waiting
        for fields in stretch_fields(each.stretches)
    ]
    return render(
        request,
        "original.html.j2",
        status=422 if wrong else 200,
        wrong=wrong,
        call=found,
        address=f"/calls/{call_id}/original",
        channels=marking.channel_names(found.call, channels),
        clock=marking.clock,
        play=play,
        earlier=earlier,
        stretches=[*masked, *reported],
        reports=[_report(each, office) for each in waiting],
        settled=[_report(each, office) for each in overs if each.state is not ReviewState.REPORTED],
        expires_at=office.originals.store.key(call_id).expires_at if office.originals else None,
    )


def _report(review: Review, office: Office) -> dict[str, Any]:
    found = office.ledger.get(review.call_id)
    return {
        "review": review,
        "call": found,
        "stretches": stretch_fields(review.stretches),
        "why": OVER_REASONS[review.over_reason] if review.over_reason else "",
        "is_restricted": office.books.requests.restriction(review.call_id) is not None,
    }


def _place_text(review: Review) -> str:
    return f"{review.at.isoformat()} {review.review_id}"


def _place(text: str) -> tuple[datetime, str]:
    at, _, review_id = text.partition(" ")
    try:
        moment = datetime.fromisoformat(at)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None or not review_id:
        raise MetadataError("after: allowed: a place from the address of a page")
    return moment, review_id
