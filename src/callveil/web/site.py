"""All that is served at one address: the API for programs, the pages for people."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from callveil.kit import Service
from callveil.web.api import build_api
from callveil.web.pages.app import build_pages

_API = frozenset({"/v1", "/healthz", "/readyz", "/metrics"})


def build_site(service: Service, *, open_status: bool = False, with_pages: bool = True) -> ASGIApp:
    """Make the web application.

    Args:
        service: Ledger, books, landing, store.
        open_status: As for `build_api`.
        with_pages: False for the API alone.
    """
    api = build_api(service, open_status=open_status)
    return _ByPath(api, build_pages(service)) if with_pages else api


class _ByPath:
    """Two applications, so that an error of the API is never a page, and no page escapes its gate."""

    def __init__(self, api: ASGIApp, pages: ASGIApp) -> None:
        self._api, self._pages = api, pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        path = scope.get("path", "")
        is_page = scope["type"] == "http" and not (path in _API or path.startswith("/v1/"))
        await (self._pages if is_page else self._api)(scope, receive, send)
