"""What every answer of the pages tells the browser to refuse, and what requests are refused unread."""

from __future__ import annotations

import secrets

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from callveil.config import WebConfig
from callveil.web.pages.access import is_secure
from callveil.web.problems import problem

MOST_BYTES = 2**20
"""Of a form."""

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; img-src 'self' data:; "
    "media-src 'self' blob:; font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
"""The nonce is for style sheets that a script makes; scripts themselves come from our own files only."""

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # "no-referrer" would make browsers hide the origin of our own forms too.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "X-Robots-Tag": "noindex, nofollow",
}

_HSTS = "max-age=31536000"


class SecureAnswers:
    """Stands around the pages, errors of theirs too. Sets `request.state.nonce`.

    Args:
        app: The pages.
        web: Settings.
    """

    def __init__(self, app: ASGIApp, web: WebConfig) -> None:
        self._app, self._web = app, web

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        nonce = secrets.token_urlsafe(16)
        scope.setdefault("state", {})["nonce"] = nonce
        secure = is_secure(Request(scope), self._web)

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
                headers["Content-Security-Policy"] = _POLICY.format(nonce=nonce)
                headers.setdefault("Cache-Control", "no-store")
                if secure:
                    headers["Strict-Transport-Security"] = _HSTS
            await send(message)

        headers = Headers(scope=scope)
        length = headers.get("content-length")
        if "transfer-encoding" in headers:
            refusal = problem(411, "Content-Length is needed")
        elif length is not None and not (length.isascii() and length.isdigit() and int(length) <= MOST_BYTES):
            refusal = problem(413, f"body: allowed: up to {MOST_BYTES} bytes")
        else:
            await self._app(scope, receive, send_safely)
            return
        await refusal(scope, receive, send_safely)
