"""The signature at the end of a document, and which bytes it covers.

Signed are the bytes of the file itself that stand before the signature, so that nobody who checks it has to
write JSON the way we do. Everything behind them is determined by them, the key and the signature.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from callveil.ports import Signer
from callveil.stages.documents.forms import indented

ALGORITHM = "Ed25519"
FIELD = "signature"

_END = b"\n}\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """Who signed, and the signature.

    Attributes:
        key_id: See `key_id_of`.
        value: 64 bytes.
    """

    key_id: str
    value: bytes


def key_id_of(public_key: bytes) -> str:
    """Short name of a key: the first 16 hex digits of the SHA-256 of the raw public key.

    Args:
        public_key: 32 bytes (RFC 8032).
    """
    return hashlib.sha256(public_key).hexdigest()[:16]


def signed_json(fields: Mapping[str, object], signer: Signer) -> bytes:
    """Write a document with its signature as the last field.

    Args:
        fields: At least one, without a signature.
        signer: Signs `signed_bytes(fields)`.

    Raises:
        ConfigError: There is no signing key.
    """
    signature = Signature(key_id=signer.key_id, value=signer.sign(signed_bytes(fields)))
    return written(fields, signature)


def signed_bytes(fields: Mapping[str, object]) -> bytes:
    """The bytes of a document that are signed: all that stand before the comma and the signature."""
    return indented(fields).removesuffix(_END)


def written(fields: Mapping[str, object], signature: Signature) -> bytes:
    """The one form in which a signed document is written."""
    value = base64.b64encode(signature.value).decode("ascii")
    return indented({**fields, FIELD: {"algorithm": ALGORITHM, "key_id": signature.key_id, "value": value}})


def parse_signature(field: object) -> Signature | None:
    """Read the signature field of a document; None when it is not one.

    Whether it is written in the right form shows when `written` gives back the document.
    """
    if not isinstance(field, Mapping) or field.get("algorithm") != ALGORITHM:
        return None
    key_id, value = field.get("key_id"), field.get("value")
    if not isinstance(key_id, str) or not isinstance(value, str):
        return None
    try:
        return Signature(key_id=key_id, value=base64.b64decode(value, validate=True))
    except (binascii.Error, ValueError):
        return None


def is_signed_by(public_key: bytes, message: bytes, signature: Signature) -> bool:
    """Check a signature.

    Args:
        public_key: 32 bytes.
        message: What was signed.
        signature: Of whoever says to hold the key.
    """
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature.value, message)
    except InvalidSignature:
        return False
    return key_id_of(public_key) == signature.key_id
