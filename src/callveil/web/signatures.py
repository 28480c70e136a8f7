"""Who may do what: HMAC-SHA256 with keys that have a role and can be rotated.

Pushes, answers and states are signed over timestamp and body. What the office answers (retention, rights) is
signed over method and target as well, so that a signed request is good for nothing else.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Collection, Mapping
from datetime import datetime

from callveil.config import IngestKey, KeyRole
from callveil.errors import PrivilegeError, SignatureError

KEY_HEADER = "X-Callveil-Key"
TIMESTAMP_HEADER = "X-Callveil-Timestamp"
SIGNATURE_HEADER = "X-Callveil-Signature"

_TIMESTAMP = re.compile(r"[0-9]{1,12}", re.ASCII)
_SIGNATURE = re.compile(r"[0-9a-f]{64}", re.ASCII)


class Signed:
    """The signature headers of one request, checked as far as they can be before its body is there.

    Args:
        headers: Of the request.
        keys: That are accepted.
        now: Aware UTC.
        window_s: How far the timestamp may be off, in seconds.

    Raises:
        SignatureError: A header is missing or malformed, the key is unknown, or the timestamp is off.
    """

    def __init__(
        self, headers: Mapping[str, str], keys: tuple[IngestKey, ...], *, now: datetime, window_s: float
    ) -> None:
        key_id = headers.get(KEY_HEADER, "")
        self._timestamp = headers.get(TIMESTAMP_HEADER, "")
        self._signature = headers.get(SIGNATURE_HEADER, "")
        if not (key_id and self._timestamp and self._signature):
            raise SignatureError(
                f"headers {KEY_HEADER}, {TIMESTAMP_HEADER} and {SIGNATURE_HEADER} are all needed"
            )
        check_form(self._timestamp, self._signature, now=now, window_s=window_s)
        found = [key for key in keys if hmac.compare_digest(key.key_id.encode(), key_id.encode())]
        if not found:
            raise SignatureError(f"{KEY_HEADER}: there is no such key")
        self._key = found[0]

    @property
    def actor(self) -> str:
        """As it stands in the audit chain."""
        return f"key:{self._key.key_id}"

    def check(self, body_sha256: str, roles: Collection[KeyRole] = (KeyRole.INGEST,)) -> None:
        """Check the signature of a push, an answer or a question for a state.

        Args:
            body_sha256: SHA-256 of the whole body, lower-case hex.
            roles: That may do it.

        Raises:
            SignatureError: It is another one.
            PrivilegeError: The key is of another role.
        """
        expected = sign(self._key.secret, self._timestamp, body_sha256)
        if not hmac.compare_digest(expected, self._signature):
            raise SignatureError(f"{SIGNATURE_HEADER}: does not fit timestamp and body")
        self._require(roles)

    def check_office(self, roles: Collection[KeyRole], method: str, target: str, body_sha256: str) -> None:
        """Check the signature and the role of a request to the office.

        Args:
            roles: That may do it.
            method: "GET", "POST", ...
            target: Path and query as they were sent.
            body_sha256: SHA-256 of the whole body, lower-case hex.

        Raises:
            SignatureError: It is another one.
            PrivilegeError: The key is of another role.
        """
        expected = sign_office(self._key.secret, self._timestamp, method, target, body_sha256)
        if not hmac.compare_digest(expected, self._signature):
            raise SignatureError(f"{SIGNATURE_HEADER}: does not fit timestamp, method, target and body")
        self._require(roles)

    def _require(self, roles: Collection[KeyRole]) -> None:
        if self._key.role not in roles:
            allowed = " or ".join(sorted(roles))
            raise PrivilegeError(f"{KEY_HEADER}: this needs a key of role {allowed}")


def check_form(timestamp: str, signature: str, *, now: datetime, window_s: float) -> None:
    """Check that a timestamp and a signature are of the right form, and the timestamp about now.

    Args:
        timestamp: As it was sent.
        signature: As it was sent.
        now: Aware UTC.
        window_s: How far the timestamp may be off, in seconds.

    Raises:
        SignatureError: One of them is not.
    """
    if not _TIMESTAMP.fullmatch(timestamp):
        raise SignatureError(f"{TIMESTAMP_HEADER}: allowed: whole seconds since 1970 (Unix time)")
    if not _SIGNATURE.fullmatch(signature):
        raise SignatureError(f"{SIGNATURE_HEADER}: allowed: 64 lower-case hex digits")
    if abs(now.timestamp() - int(timestamp)) > window_s:
        raise SignatureError(f"{TIMESTAMP_HEADER}: is more than {window_s:.0f} s off this server's clock")


def sign(secret: str, timestamp: str, body_sha256: str) -> str:
    """Hex HMAC-SHA256 of `timestamp + "." + sha256hex(body)`.

    Args:
        secret: Of the key.
        timestamp: Whole seconds since 1970, as text.
        body_sha256: Lower-case hex.
    """
    return hmac.new(secret.encode(), f"{timestamp}.{body_sha256}".encode(), "sha256").hexdigest()


def sign_office(secret: str, timestamp: str, method: str, target: str, body_sha256: str) -> str:
    """Hex HMAC-SHA256 of `timestamp + "." + method + "." + target + "." + sha256hex(body)`.

    Args:
        secret: Of the key.
        timestamp: Whole seconds since 1970, as text.
        method: In capitals.
        target: Path and query as they are sent, "/v1/holds?standing=true".
        body_sha256: Lower-case hex.
    """
    return hmac.new(
        secret.encode(), f"{timestamp}.{method}.{target}.{body_sha256}".encode(), "sha256"
    ).hexdigest()
