"""Who is meant, carried from one page to the next without anything that was typed.

A search turns what was typed into keyed hashes at once. They go into the address of the pages that follow,
encrypted with a key that is made of the session's cookie: nobody but this browser, in this session and for an
hour, gets a person out of them, and nothing has to be kept on the server.
"""

from __future__ import annotations

import base64
import binascii
import os
import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from callveil.errors import MetadataError
from callveil.pipeline.subjects import Person
from callveil.vocabulary.rights import IdentifierKind, Identity
from callveil.web.problems import ProblemError

LASTS = timedelta(hours=1)
"""After which a person has to be looked for again."""

MOST_CHARS = 1900
"""Of a token: it stands in addresses, also in the one that a sign-in goes on to."""

_ABOUT, _SAID = b"callveil person 1", b"callveil words 1"
_KINDS = tuple(IdentifierKind)
_HEAD, _IDENTITY = struct.Struct(">QHH"), struct.Struct(">BH32s")
_NONCE_BYTES = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Meant:
    """Who or what is worked on.

    Attributes:
        person: None when only calls were named.
        call_ids: Calls that were named by their ids.
    """

    person: Person | None
    call_ids: tuple[str, ...] = ()


def seal(meant: Meant, session: str, *, now: datetime) -> str:
    """A token that only this session opens: letters, digits, "-" and "_".

    Args:
        meant: What to carry.
        session: Token of the session's cookie.
        now: Aware UTC.

    Raises:
        MetadataError: It is more than an address can carry.
    """
    known, alike = ((), ()) if meant.person is None else (meant.person.known, meant.person.alike)
    content = b"".join(
        (
            _HEAD.pack(int(now.timestamp()), len(known), len(alike)),
            *(
                _IDENTITY.pack(_KINDS.index(each.kind), each.generation, bytes.fromhex(each.digest))
                for each in (*known, *alike)
            ),
            "\n".join(meant.call_ids).encode(),
        )
    )
    token = _sealed(content, session, _ABOUT)
    if len(token) > MOST_CHARS:
        raise MetadataError("that is too much for one search; allowed: about 30 identifiers or calls")
    return token


def unseal(token: str, session: str, *, now: datetime) -> Meant:
    """What a token carries.

    Raises:
        ProblemError: 404, it is of another session, too old, or was changed.
    """
    over = ProblemError(404, "This search has ended. Find the person again under Privacy.")
    content = _opened(token, session, _ABOUT)
    if content is None:
        raise over
    made, n_known, n_alike = _HEAD.unpack_from(content)
    if not timedelta() <= now - datetime.fromtimestamp(made, UTC) + timedelta(seconds=1) <= LASTS:
        raise over
    found = [_identity(content, _HEAD.size + number * _IDENTITY.size) for number in range(n_known + n_alike)]
    names = content[_HEAD.size + len(found) * _IDENTITY.size :].decode()
    person = Person(known=tuple(found[:n_known]), alike=tuple(found[n_known:])) if n_known else None
    return Meant(person=person, call_ids=tuple(names.split("\n")) if names else ())


def seal_words(words: str, session: str) -> str:
    """Words of ours for the next page, so that nobody else can have a page say something."""
    return _sealed(words.encode(), session, _SAID)


def unseal_words(token: str, session: str) -> str:
    """What `seal_words` was given; empty for anything else."""
    return (_opened(token, session, _SAID) or b"").decode()


def _sealed(content: bytes, session: str, about: bytes) -> str:
    nonce = os.urandom(_NONCE_BYTES)
    sealed = nonce + AESGCM(_key(session)).encrypt(nonce, content, about)
    return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()


def _opened(token: str, session: str, about: bytes) -> bytes | None:
    try:
        sealed = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        return AESGCM(_key(session)).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], about)
    except (binascii.Error, ValueError, InvalidTag):
        return None


def _identity(content: bytes, at: int) -> Identity:
    kind, generation, digest = _IDENTITY.unpack_from(content, at)
    return Identity(kind=_KINDS[kind], digest=digest.hex(), generation=generation, party=-1)


def _key(session: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=_ABOUT).derive(session.encode())
