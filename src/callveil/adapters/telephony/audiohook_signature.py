"""Genesys AudioHook: is this upgrade request signed by somebody who knows the client secret?

HTTP message signatures (draft-ietf-httpbis-message-signatures-11, now RFC 9421), with hmac-sha256, as in
purecloudlabs/audiohook-reference-implementation, app/src/authenticator.ts.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from callveil.errors import SignatureError

MAX_AGE_S = 10.0
"""maxSignatureAge of the reference implementation."""

_CLOCK_SKEW_S = 3.0  # MAX_CLOCK_SKEW of the reference implementation
_MIN_NONCE = 22  # characters; as in the reference implementation: 128 bits in base64
_MAX_HEADER = 4096
_REQUIRED = (
    "@request-target",
    "@authority",
    "audiohook-organization-id",
    "audiohook-session-id",
    "audiohook-correlation-id",
    "x-api-key",
)
# Only the canonical form of RFC 8941 is taken, so that what was signed is what stands in the header.
_NAME = r'"@?[a-z0-9-]{1,64}"'
_VALUE = r'(?:"[\x20\x21\x23-\x5b\x5d-\x7e]{0,1024}"|[0-9]{1,15})'
_INPUT = re.compile(
    rf"(?P<label>[a-z*][a-z0-9_.*-]{{0,63}})="
    rf"(?P<params>\((?P<names>{_NAME}(?: {_NAME}){{0,31}})\)(?P<rest>(?:;[a-z]{{1,16}}={_VALUE}){{1,8}}))"
)
_PARAMETER = re.compile(rf";([a-z]+)=({_VALUE})")
_SIGNATURE = re.compile(r"(?P<label>[a-z*][a-z0-9_.*-]{0,63})=:(?P<value>[A-Za-z0-9+/]{43}=):")
_TEXTS = frozenset({"alg", "keyid", "nonce"})
_NUMBERS = frozenset({"created", "expires"})


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioHookCaller:
    """Who signed, and for which session.

    Attributes:
        organization_id: Must be the one in the `open` message.
        session_id: Must be the `id` of every message.
        correlation_id: For the logs of both sides.
        nonce: Seen once in `MAX_AGE_S`; a second time it is a replay.
    """

    organization_id: str
    session_id: str
    correlation_id: str
    nonce: str


def verify_signature(
    *,
    headers: Mapping[str, str],
    request_target: str,
    keys: Mapping[str, bytes],
    now: datetime,
    max_age_s: float = MAX_AGE_S,
) -> AudioHookCaller:
    """Check the signature of an upgrade request. Answer a failure late (500 ms), whatever its reason.

    Args:
        headers: Of the request, names in lower case, `host` as the client sent it.
        request_target: Path and query as they stand in the request line.
        keys: API key to client secret (the bytes, not their base64); two while one is being replaced.
        now: Aware.
        max_age_s: How long after `created` a signature counts, seconds.

    Raises:
        SignatureError: It is missing, malformed, too old, does not cover what it must, or is not of a key
            in `keys`. The message names headers and parameters, never values.
    """
    fields = {name: value.strip(" \t") for name, value in headers.items() if len(value) <= _MAX_HEADER}
    signed = _INPUT.fullmatch(fields.get("signature-input", ""))
    signature = _SIGNATURE.fullmatch(fields.get("signature", ""))
    if signed is None or signature is None or signed["label"] != signature["label"]:
        raise SignatureError(
            "signature-input and signature: are missing or not one signature of the form"
            ' sig1=("name" ...);keyid="...";nonce="...";alg="hmac-sha256";created=...;expires=...'
            " and sig1=:base64:"
        )
    parameters = _parameters(signed["rest"])
    _check_age(parameters, now, max_age_s)
    key_id = _check_key(parameters, fields)
    values = {**fields, "@request-target": request_target, "@authority": fields.get("host", "").lower()}
    base = _base(signed["names"], signed["params"], values)
    # An unknown key costs the same work as a known one, so that time does not tell them apart.
    secret = keys.get(key_id) or b""
    expected = hmac.new(
        secret or b"\x00" * 32, base.encode("utf-8", "surrogatepass"), hashlib.sha256
    ).digest()
    given = _decode(signature["value"])
    if not hmac.compare_digest(expected, given) or not secret:
        raise SignatureError("signature: does not fit; allowed: one made with a client secret known here")
    return AudioHookCaller(
        organization_id=values["audiohook-organization-id"],
        session_id=values["audiohook-session-id"],
        correlation_id=values["audiohook-correlation-id"],
        nonce=str(parameters["nonce"]),
    )


def _parameters(text: str) -> dict[str, str | int]:
    found: dict[str, str | int] = {}
    for name, value in _PARAMETER.findall(text):
        is_text = value.startswith('"')
        if name in found or name not in (_TEXTS if is_text else _NUMBERS):
            raise SignatureError(
                "signature-input: has a parameter twice, an unknown one or one of the wrong kind;"
                " allowed: keyid, nonce, alg (text), created, expires (numbers)"
            )
        found[name] = value[1:-1] if is_text else int(value)
    return found


def _check_age(parameters: Mapping[str, str | int], now: datetime, max_age_s: float) -> None:
    now_s = now.timestamp()
    created, expires = parameters.get("created"), parameters.get("expires")
    if not isinstance(created, int):
        raise SignatureError("signature-input: created is missing")
    if created > now_s + _CLOCK_SKEW_S:
        raise SignatureError("signature-input: created lies in the future: a clock is wrong")
    if now_s - created > max_age_s or (isinstance(expires, int) and expires < now_s):
        raise SignatureError(f"signature-input: the signature is older than {max_age_s:g} s or has expired")


def _check_key(parameters: Mapping[str, str | int], fields: Mapping[str, str]) -> str:
    if parameters.get("alg", "hmac-sha256") != "hmac-sha256":
        raise SignatureError("signature-input: alg: allowed: hmac-sha256")
    if len(str(parameters.get("nonce", ""))) < _MIN_NONCE:
        raise SignatureError(f"signature-input: nonce: allowed: {_MIN_NONCE} characters or more")
    key_id = parameters.get("keyid")
    if not isinstance(key_id, str) or key_id != fields.get("x-api-key"):
        raise SignatureError("signature-input: keyid: allowed: the value of the header x-api-key")
    return key_id


def _base(names: str, params: str, values: Mapping[str, str]) -> str:
    """The text that was signed: RFC 9421 section 2.5."""
    covered = [name.strip('"') for name in names.split(" ")]
    missing = [name for name in _REQUIRED if name not in covered]
    if missing or len(set(covered)) < len(covered):
        raise SignatureError(
            f"signature-input: must cover each of these once: {', '.join(_REQUIRED)}; others may follow"
        )
    absent = [name for name in covered if not values.get(name)]
    if absent:
        raise SignatureError("signature-input: covers a header that the request does not have")
    lines = [f'"{name}": {values[name]}' for name in covered]
    return "\n".join([*lines, f'"@signature-params": {params}'])


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise SignatureError("signature: is not base64") from None
