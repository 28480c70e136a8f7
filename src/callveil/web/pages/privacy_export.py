"""Giving a person a copy: what would be in it, made behind the page, fetched once by who asked."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, FastAPI, Form, Path, Request, Response
from fastapi.responses import RedirectResponse, StreamingResponse

from callveil.pipeline.person_page import export_outlook
from callveil.pipeline.subjects import Subject
from callveil.vocabulary.accounts import Privilege
from callveil.web.export_file import pieces
from callveil.web.export_jobs import ID, ExportJobs
from callveil.web.office_desk import NO_STORE
from callveil.web.pages.access import require
from callveil.web.pages.privacy_desk import Officer, PersonToken, PrivacyDesk, session_of
from callveil.web.pages.render import render
from callveil.web.problems import ProblemError

_PATH, _JOBS = "/privacy/persons/{person}/export", "/privacy/exports/{job}"

_JobId = Annotated[str, Path(alias="job", pattern=ID)]

_MAY = [Depends(require(privilege=Privilege.EXPORT))]
"""Beside the role: taking calls out of the house is in no role."""


def install(app: FastAPI, desk: PrivacyDesk, jobs: ExportJobs) -> None:
    """Add the pages."""
    _add_begin(app, desk, jobs)
    _add_job(app, desk, jobs)


def _add_begin(app: FastAPI, desk: PrivacyDesk, jobs: ExportJobs) -> None:
    @app.get(_PATH, dependencies=_MAY)
    async def ahead(request: Request, person: PersonToken, access: Officer) -> Response:
        """What would be in the archive."""

        def work() -> Response:
            subject = _subject(desk, person, request)
            found = export_outlook(subject, desk.office)
            desk.note(access, "export.previewed", calls=found.n_calls)
            return render(
                request,
                "privacy_export.html.j2",
                token=person,
                outlook=found,
                controller=desk.office.config.profile.controller,
            )

        return await desk.do(work)

    @app.post(_PATH, dependencies=_MAY)
    async def begin(
        request: Request,
        person: PersonToken,
        access: Officer,
        portable: Annotated[bool, Form()] = False,
    ) -> Response:
        """Begin to make it."""

        def work() -> Response:
            subject = _subject(desk, person, request)
            job_id = jobs.begin(
                lambda: subject,
                owner=session_of(access).digest,
                portable=portable,
                actor=access.actor,
                behind=desk.behind,
            )
            return RedirectResponse(f"/privacy/exports/{job_id}", 303)

        return await desk.do(work)


def _add_job(app: FastAPI, desk: PrivacyDesk, jobs: ExportJobs) -> None:
    @app.get(_JOBS, dependencies=_MAY)
    async def look(request: Request, job_id: _JobId, access: Officer) -> Response:
        """How far it is."""

        def work() -> Response:
            job = jobs.look(job_id, session_of(access).digest)
            return render(request, "privacy_export_job.html.j2", job=job, job_id=job_id)

        return await desk.do(work)

    @app.post(_JOBS + "/file", dependencies=_MAY)
    async def fetch(job_id: _JobId, access: Officer) -> Response:
        """Hand the archive out, once; it is deleted with that."""

        def work() -> Response:
            job, file = jobs.take(job_id, session_of(access).digest)
            desk.note(access, "export.fetched", request_id=job.request_id, bytes=job.n_bytes)
            headers = {
                **NO_STORE,
                "Content-Length": str(job.n_bytes),
                "Content-Disposition": f'attachment; filename="{job.request_id}.zip"',
            }
            return StreamingResponse(pieces(file), headers=headers, media_type="application/zip")

        return await desk.do(work)

    @app.post(_JOBS + "/delete", dependencies=_MAY)
    async def give_up(job_id: _JobId, access: Officer) -> Response:
        """Delete the archive, or stop making it."""

        def work() -> Response:
            jobs.discard(job_id, session_of(access).digest)
            desk.note(access, "export.deleted")
            return RedirectResponse("/privacy", 303)

        return await desk.do(work)


def _subject(desk: PrivacyDesk, token: str, request: Request) -> Subject:
    subject = desk.find(token, request).subject
    if subject is None:
        raise ProblemError(
            409, "Calls that are named by their ids have no person to give them to. Find the person."
        )
    return subject
