"""Twilio: is this request signed with the account's auth token?

HMAC-SHA1 over the address and the sorted POST fields, base64: https://www.twilio.com/docs/usage/security.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit, urlunsplit

from callveil.errors import SignatureError

_PORTS = {"https": 443, "wss": 443, "http": 80, "ws": 80}
_MAX_SIGNATURE = 64  # characters; base64 of 20 bytes has 28


def verify_signature(
    url: str, params: Mapping[str, str], signature: str | None, auth_tokens: Sequence[str]
) -> None:
    """Check the header `X-Twilio-Signature`.

    Args:
        url: The address as it was configured at Twilio, `wss://` for a stream, with its query.
        params: POST fields; empty for the upgrade request of a stream.
        signature: The header; None when there is none.
        auth_tokens: The account's primary token, and the secondary one while it is being replaced.

    Raises:
        SignatureError: There is no signature, no token, or none fits.
    """
    tokens = [token for token in auth_tokens if token]
    if not tokens:
        raise SignatureError("x-twilio-signature: cannot be checked: no auth token is configured")
    if not signature or len(signature) > _MAX_SIGNATURE:
        raise SignatureError("x-twilio-signature: is missing or not a signature")
    given = signature.encode("utf-8", "replace")
    fields = "".join(name + params[name] for name in sorted(params))
    fits = False
    for address in _spellings(url):
        for token in tokens:
            content = (address + fields).encode("utf-8", "surrogatepass")
            # SHA-1 is what Twilio signs with; as an HMAC it is not broken.
            digest = hmac.new(token.encode("utf-8"), content, hashlib.sha1).digest()
            # No early exit: how long it takes says nothing about which token fits.
            fits |= hmac.compare_digest(base64.b64encode(digest), given)
    if not fits:
        raise SignatureError("x-twilio-signature: does not fit the address, the fields and a known token")


def _spellings(url: str) -> list[str]:
    """The address as it is, with its port, without it, and each with a path: Twilio is not consistent."""
    found = [url]
    try:
        parts = urlsplit(url)
        host, port, default = parts.hostname, parts.port, _PORTS.get(parts.scheme)
    except ValueError:
        return found
    if not host or default is None or "@" in parts.netloc:
        return found
    name = f"[{host}]" if ":" in host else parts.netloc.partition(":")[0]
    for netloc in (name if port in (None, default) else f"{name}:{port}", f"{name}:{port or default}"):
        for path in {parts.path, parts.path or "/"}:
            found.append(urlunsplit((parts.scheme, netloc, path, parts.query, "")))
    return list(dict.fromkeys(found))
