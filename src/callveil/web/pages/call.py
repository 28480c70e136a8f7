"""The page of a call: what is known of it, its masked transcript, its recording, its reviews."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Form, Path, Request, Response
from starlette.concurrency import run_in_threadpool

from callveil.adapters.call_document import CALL_ID
from callveil.errors import MetadataError, NotFoundError, RefusedError, StoreError
from callveil.kit import Office, Service, trusted_by
from callveil.pipeline.call_page import CallShown, Mask, call_page, certificate_state
from callveil.pipeline.reviews import has_original, new_review_id, published_version
from callveil.pipeline.verify_published import known
from callveil.vocabulary.accounts import Privilege, WebRole
from callveil.vocabulary.ledger import CallState
from callveil.vocabulary.retention import Fate
from callveil.web.pages import marking
from callveil.web.pages.access import Access, require
from callveil.web.pages.audit_words import action_words
from callveil.web.pages.call_media import HEARS, VIEWED
from callveil.web.pages.render import render
from callveil.web.pages.words import OVER_REASONS, PARTS, kind_number

CallId = Annotated[str, Path(pattern=CALL_ID)]
Reader = Annotated[Access, Depends(require(WebRole.REVIEWER, WebRole.OPS, WebRole.PRIVACY))]
Officer = Annotated[Access, Depends(require(WebRole.PRIVACY))]

_FATES = {Fate.KEEP: "kept", Fate.DELETE: "to be deleted", Fate.RESTRICT: "kept, and not to be used"}


def install(app: FastAPI, service: Service, office: Office) -> None:  # noqa: ARG001  as every page
    """Add /calls/{call_id} and its part about the certificate."""

    @app.get("/calls/{call_id}")
    async def call(request: Request, call_id: CallId, access: Reader) -> Response:
        """The page."""
        return await run_in_threadpool(_page, request, call_id, access, office)

    @app.post("/calls/{call_id}/despite")
    async def despite(
        request: Request, call_id: CallId, access: Officer, reason: Annotated[str, Form(max_length=500)] = ""
    ) -> Response:
        """The page of a restricted call, for this once; who asks says why (GDPR Art. 18(2))."""
        return await run_in_threadpool(_page, request, call_id, access, office, reason.strip())

    @app.get("/calls/{call_id}/certificate")
    async def certificate(request: Request, call_id: CallId, access: Reader) -> Response:
        """What a check of the certificate says now; a part of the page."""

        def work() -> Response:
            try:
                checked = certificate_state(
                    call_id, office, known(trusted_by(office)), within=access.user.queues or None
                )
            except NotFoundError:
                raise  # the call, which is not there or not to be seen
            except StoreError:
                return render(request, "call_certificate.html.j2", checked=None, problem=True)
            return render(request, "call_certificate.html.j2", checked=checked, problem=False)

        return await run_in_threadpool(work)


def _page(
    request: Request, call_id: str, access: Access, office: Office, despite: str | None = None
) -> Response:
    if despite is not None and len(despite) < 5:
        raise MetadataError("reason: allowed: 5 to 500 characters")
    shown = call_page(
        call_id, office, within=access.user.queues or None, actor=access.actor, despite=despite or None
    )
    hears = access.user.has_role(*HEARS)
    is_published = shown.call.state is CallState.PUBLISHED
    # Of a restricted call the words are shown for this once; it is not played.
    plays = hears and shown.has_audio and despite is None
    version = _version(call_id, office) if hears and is_published and not shown.is_withheld else None
    if hears and shown.turns is not None and despite is None:
        office.ledger.note(
            actor=access.actor, action=VIEWED, call_id=call_id, detail={}, now=office.clock.now()
        )
    return render(
        request,
        "call.html.j2",
        shown=shown,
        call=shown.call,
        hears=hears,
        plays=plays,
        duration_s=_duration_s(shown),
        channels=_channels(shown),
        masks=_masks(shown.masks),
        turns=shown.turns if hears else None,
        made_at=_made_at(shown),
        parts=PARTS,
        fates=_FATES,
        history=[(entry, action_words(entry.action)) for entry in shown.history],
        reviews=office.books.reviews.of(call_id) if hears else (),
        over_reasons=OVER_REASONS,
        corrects=version is not None and plays and access.user.has_role(WebRole.REVIEWER),
        version=version,
        review_ids=[new_review_id() for _ in range(3)],
        kinds=marking.kinds(),
        has_original=is_published and has_original(call_id, office),
        may_replay=access.has_privilege(Privilege.REPLAY_ORIGINAL),
        may_read_despite=shown.is_withheld and access.user.has_role(WebRole.PRIVACY),
        is_despite=despite is not None,
    )


def _version(call_id: str, office: Office) -> str | None:
    try:
        return published_version(call_id, office)
    except RefusedError:
        return None


def _duration_s(shown: CallShown) -> float:
    if shown.certificate is not None:
        return float(shown.certificate["audio"]["duration_s"])
    return shown.call.duration_s or 0.0


def _made_at(shown: CallShown) -> datetime | None:
    """When the certificate was made; None when there is none."""
    return None if shown.certificate is None else datetime.fromisoformat(shown.certificate["created_at"])


def _channels(shown: CallShown) -> list[str]:
    n_channels = 1 if shown.certificate is None else int(shown.certificate["audio"]["channels"])
    return marking.channel_names(shown.call.call, n_channels)


def _masks(masks: Sequence[Mask]) -> list[dict[str, Any]]:
    """For the player, as JSON."""
    return [
        {
            "channel": mask.channel,
            "start": mask.start_s,
            "end": mask.end_s,
            "kind": mask.kind.entity,
            "words": mask.kind.label,
            "colour": kind_number(mask.kind.entity),
        }
        for mask in masks
    ]
