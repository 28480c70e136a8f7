"""Tell a recipient over HTTPS, signed. What it answers is never logged; of errors only their kind is kept."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from urllib.parse import urlsplit

import urllib3

from callveil.errors import ConfigError
from callveil.vocabulary.rights import Recipient

RECIPIENT_HEADER = "X-Callveil-Recipient"
TIMESTAMP_HEADER = "X-Callveil-Timestamp"
SIGNATURE_HEADER = "X-Callveil-Signature"

MOST_RECEIPT_CHARS = 200

_STEP_S, _WHOLE_S = 10.0, 30.0
_MOST_ANSWER_BYTES = 65536


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of one attempt.

    Attributes:
        accepted: The recipient has the notice.
        receipt: What it confirmed with; None when it has not confirmed.
        problem: What went wrong, without content; empty when nothing did.
    """

    accepted: bool = False
    receipt: str | None = None
    problem: str = ""


def post_notice(recipient: Recipient, body: bytes, now: datetime) -> Answer:
    """Send a notice once. Safe to repeat: recipients tell notices apart by their id.

    Args:
        recipient: Where it goes.
        body: JSON of the notice.
        now: Aware UTC; the recipient checks that it is about its own time.

    Returns:
        Confirmed for 2xx with a receipt, accepted for 202, and otherwise what was wrong.
    """
    found: list[Answer] = []
    # The library's timeouts start anew with every byte: somebody who answers drop by drop never reaches them.
    thread = threading.Thread(target=lambda: found.append(_post(recipient, body, now)), daemon=True)
    thread.start()
    thread.join(_WHOLE_S)
    return found[0] if found else Answer(problem="took too long")


def sign_notice(secret: str, timestamp: str, path: str, body: bytes) -> str:
    """Hex HMAC-SHA256 of `timestamp + "." + path + "." + sha256hex(body)`.

    Args:
        secret: That both sides know.
        timestamp: Whole seconds since 1970, as text.
        path: Of the URL, with its query: "/callveil?x=1".
        body: As it is sent.
    """
    message = f"{timestamp}.{path}.{hashlib.sha256(body).hexdigest()}"
    return hmac.new(secret.encode(), message.encode(), "sha256").hexdigest()


def check_url(url: str, where: str) -> None:
    """Refuse a URL that notices may not go to.

    Raises:
        ConfigError: It is not https (http only on a loopback address), or has a name or password in it.
    """
    allowed = f"{where}: allowed: https://host/path, or http:// on a loopback address; no name or password"
    try:
        parts = urlsplit(url)
        host, user, _ = parts.hostname, parts.username, parts.port
    except ValueError:
        raise ConfigError(allowed) from None
    if not host or user is not None or parts.fragment or not url.isascii() or any(c.isspace() for c in url):
        raise ConfigError(allowed)
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(host)):
        raise ConfigError(allowed)


def path_of(url: str) -> str:
    """Path and query of a URL, as they are sent and signed."""
    parts = urlsplit(url)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _post(recipient: Recipient, body: bytes, now: datetime) -> Answer:
    timestamp = str(int(now.timestamp()))
    headers = {
        "Content-Type": "application/json",
        RECIPIENT_HEADER: recipient.name,
        TIMESTAMP_HEADER: timestamp,
        SIGNATURE_HEADER: sign_notice(recipient.secret, timestamp, path_of(recipient.url), body),
    }
    deadline = time.monotonic() + _WHOLE_S
    try:
        check_url(recipient.url, "url")
        with urllib3.PoolManager(num_pools=1) as pool:
            response = pool.request(
                "POST",
                recipient.url,
                body=body,
                headers=headers,
                redirect=False,
                retries=False,
                preload_content=False,
                timeout=urllib3.Timeout(connect=_STEP_S, read=_STEP_S),
            )
            try:
                content = _read(response.read, deadline)
            finally:
                response.close()
    except Exception as error:  # noqa: BLE001  its words may quote the other side
        return Answer(problem=type(error).__name__)
    return _answer(response.status, content)


def _read(read: Callable[[int], bytes], deadline: float) -> bytes:
    content = b""
    while len(content) <= _MOST_ANSWER_BYTES and time.monotonic() < deadline:
        if not (block := read(4096)):
            return content
        content += block
    raise TimeoutError


def _answer(status: int, content: bytes) -> Answer:
    if status == 202:
        return Answer(accepted=True)
    if not 200 <= status < 300:
        return Answer(problem=f"HTTP {status}")
    try:
        receipt = json.loads(content)["receipt"]
    except (ValueError, KeyError, TypeError, RecursionError):
        receipt = None
    if not isinstance(receipt, str) or not (receipt := receipt.strip()) or not receipt.isprintable():
        return Answer(problem=f"HTTP {status} without a receipt")
    return Answer(accepted=True, receipt=receipt[:MOST_RECEIPT_CHARS])
