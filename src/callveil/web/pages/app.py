"""The web application of the pages: gate, errors, files, and the pages themselves."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.resources import files
from typing import Annotated

from fastapi import Depends, FastAPI, Request, Response
from fastapi.responses import RedirectResponse
from starlette.responses import FileResponse
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Scope

from callveil.kit import Office, Service, office_of, open_identity_provider, open_passwords
from callveil.ports import IdentityProvider, Passwords
from callveil.web.pages import (
    audit,
    call,
    call_media,
    calls,
    corrections,
    holds,
    me,
    ops,
    originals,
    privacy,
    problem_pages,
    quarantine,
    retention,
    sign_in,
    single_sign_on,
    users,
)
from callveil.web.pages.access import Access, Gate, require
from callveil.web.pages.headers import SecureAnswers
from callveil.web.pages.password_desk import PasswordDesk
from callveil.web.pages.render import STATIC, places_for, render

Install = Callable[[FastAPI, Service, Office], None]

_PAGES: tuple[Install, ...] = (
    calls.install,
    call.install,
    call_media.install,
    corrections.install,
    quarantine.install,
    originals.install,
    ops.install,
    retention.install,
    holds.install,
    privacy.install,
    audit.install,
)
"""What adds pages, in any order."""


def build_pages(service: Service, *, passwords: Passwords | None = None) -> ASGIApp:
    """Make the pages.

    Args:
        service: Ledger, books, store.
        passwords: Check them; None for the usual ones.
    """
    return SecureAnswers(
        build_page_app(
            service,
            passwords=passwords or open_passwords(),
            provider=open_identity_provider(service.config, service.clock),
        ),
        service.config.profile.web,
    )


def build_page_app(
    service: Service, *, passwords: Passwords, provider: IdentityProvider | None = None
) -> FastAPI:
    """The same without what stands around it: for those who add pages, and for tests."""
    gate = Gate(service)
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, dependencies=[Depends(gate)])
    problem_pages.install(app, service, gate)
    desk = PasswordDesk(service, passwords)
    sign_in.install(app, service, desk, provider)
    single_sign_on.install(app, service, provider)
    me.install(app, service, desk)
    users.install(app, service, desk)
    _add_start(app)
    office = office_of(service)
    for install in _PAGES:
        install(app, service, office)
    app.mount(STATIC, _Files(directory=str(files("callveil.web.pages").joinpath("static"))))
    return app


def _add_start(app: FastAPI) -> None:
    @app.get("/")
    async def start(request: Request, access: Annotated[Access, Depends(require())]) -> Response:
        """The first page that whoever signed in may see."""
        places = places_for(request)
        if places:
            return RedirectResponse(places[0].path, 303)
        return render(request, "start.html.j2", user=access.user)


class _Files(StaticFiles):
    """Files that may be kept for long: their addresses change with them."""

    def file_response(
        self,
        full_path: str | os.PathLike[str],
        stat_result: os.stat_result,
        scope: Scope,
        status_code: int = 200,
    ) -> Response:
        """See `StaticFiles`."""
        answer = super().file_response(full_path, stat_result, scope, status_code)
        if isinstance(answer, FileResponse) and scope["query_string"].startswith(b"v="):
            answer.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return answer
