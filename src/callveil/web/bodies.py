"""Read a request's body, of so many bytes at most."""

from __future__ import annotations

from starlette.requests import ClientDisconnect, Request

from callveil.web.problems import ProblemError


def check_length(request: Request, most: int) -> None:
    """Refuse a body that says itself that it is too long.

    Raises:
        ProblemError: 413 when it is, 400 when the header is no number.
    """
    length = request.headers.get("content-length")
    if length is None:
        return  # chunked; counted as it comes
    if not (length.isascii() and length.isdigit()):
        raise ProblemError(400, "Content-Length: allowed: a number of bytes")
    if int(length) > most:
        raise ProblemError(413, f"body: allowed: up to {most} bytes")


async def read_body(request: Request, most: int) -> bytes:
    """The whole body.

    Raises:
        ProblemError: 413 when it is too long, 400 when the connection was closed before its end.
    """
    check_length(request, most)
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > most:
                raise ProblemError(413, f"body: allowed: up to {most} bytes")
    except ClientDisconnect:
        raise ProblemError(400, "body: the connection was closed before its end") from None
    return bytes(body)
