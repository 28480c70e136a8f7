"""What a reviewer says of a published call: something was missed, masked in vain, or all is well."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated
from urllib.parse import quote

from fastapi import Depends, FastAPI, Form, Path, Request, Response
from fastapi.responses import RedirectResponse
from starlette.concurrency import run_in_threadpool

from callveil.adapters.call_document import CALL_ID
from callveil.errors import MetadataError, NotFoundError
from callveil.kit import Office, Service
from callveil.pipeline.call_page import readable
from callveil.pipeline.reviews import published_version, report_clean, report_missed, report_over
from callveil.vocabulary.accounts import Scope, WebRole
from callveil.vocabulary.pii import Entity
from callveil.vocabulary.reviews import OverReason, Review, ReviewState, Stretch
from callveil.web.pages import marking
from callveil.web.pages.access import Access, require
from callveil.web.pages.call_media import HEARS
from callveil.web.pages.render import render
from callveil.web.pages.words import OVER_REASONS

CallId = Annotated[str, Path(pattern=CALL_ID)]
Reviewer = Annotated[Access, Depends(require(WebRole.REVIEWER, scope=Scope.REVIEWS_WRITE))]
Reader = Annotated[Access, Depends(require(*HEARS))]
ReviewId = Annotated[str | None, Form(pattern=r"^rev-[0-9a-f]{12}$")]
Version = Annotated[str, Form(pattern=r"^[0-9a-f]{64}$")]

_MASK = rf"^\d \d{{1,6}}(\.\d{{1,6}})? \d{{1,6}}(\.\d{{1,6}})? ({'|'.join(Entity)})$"
"""A mask of the certificate: channel, start and end in seconds, kind."""


def install(app: FastAPI, service: Service, office: Office) -> None:  # noqa: ARG001  as every page
    """Add /calls/{call_id}/missed, /over, /clean and /reviews."""

    @app.post("/calls/{call_id}/missed")
    async def missed(
        request: Request, call_id: CallId, access: Reviewer, version: Version, review_id: ReviewId = None
    ) -> Response:
        """Have stretches masked that were missed."""
        form = await request.form()

        def work() -> Review:
            stretches = marking.stretches_of(form, channels=2)
            if not stretches:
                raise MetadataError("marks: mark at least one stretch first")
            given = {"by": access.actor, "certificate_sha256": version, "review_id": review_id}
            return report_missed(office, call_id, stretches, **given)  # type: ignore[arg-type]

        return await _enter(call_id, access, office, work)

    @app.post("/calls/{call_id}/over")
    async def over(
        call_id: CallId,
        access: Reviewer,
        version: Version,
        mask: Annotated[str, Form(pattern=_MASK)],
        reason: Annotated[OverReason, Form()],
        review_id: ReviewId = None,
    ) -> Response:
        """Say that something was masked in vain."""
        channel, start_s, end_s, entity = mask.split(" ")
        stretch = Stretch(
            channel=int(channel), start_s=float(start_s), end_s=float(end_s), entity=Entity(entity)
        )

        def work() -> Review:
            return report_over(
                office,
                call_id,
                [stretch],
                over_reason=reason,
                by=access.actor,
                certificate_sha256=version,
                review_id=review_id,
            )

        return await _enter(call_id, access, office, work)

    @app.post("/calls/{call_id}/clean")
    async def clean(
        call_id: CallId, access: Reviewer, version: Version, review_id: ReviewId = None
    ) -> Response:
        """Say that the whole call was heard and nothing is to be corrected."""

        def work() -> Review:
            given = {"by": access.actor, "certificate_sha256": version, "review_id": review_id}
            return report_clean(office, call_id, **given)  # type: ignore[arg-type]

        return await _enter(call_id, access, office, work)

    @app.get("/calls/{call_id}/reviews")
    async def reviews(request: Request, call_id: CallId, access: Reader, seen: str = "") -> Response:
        """What was said of the call and what became of it; a part of its page that asks again by itself."""
        return await run_in_threadpool(_reviews, request, call_id, access, office, seen)


async def _enter(call_id: str, access: Access, office: Office, work: Callable[[], Review]) -> Response:
    def checked() -> None:
        readable(call_id, office, within=access.user.queues or None)
        work()

    await run_in_threadpool(checked)
    return RedirectResponse(f"/calls/{quote(call_id)}#reviews", 303)


def _reviews(request: Request, call_id: str, access: Access, office: Office, seen: str) -> Response:
    within = access.user.queues or None
    if not office.ledger.search.may_see(call_id, within=within):
        raise NotFoundError("there is no such call")
    found = office.books.reviews.of(call_id)
    version = published_version(call_id, office)
    return render(
        request,
        "call_reviews.html.j2",
        call_id=call_id,
        reviews=found,
        over_reasons=OVER_REASONS,
        waits=any(review.state is ReviewState.OWED for review in found),
        seen=seen,
        is_new=bool(seen) and seen != (version or "none"),
    )
