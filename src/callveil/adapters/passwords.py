"""What is kept of a password: argon2id. See `ports.Passwords`."""

from __future__ import annotations

import secrets
import unicodedata

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.profiles import RFC_9106_LOW_MEMORY

from callveil.errors import MetadataError

SHORTEST, LONGEST = 8, 256
"""Characters. NIST SP 800-63B section 5.1.1.2 asks for 8 at least and 64 allowed at least."""


class Argon2Passwords:
    """See `Passwords`. The parameters are the second choice of RFC 9106 section 4: 64 MiB, 3 passes, 4 lanes.

    Args:
        hasher: With other parameters, for tests.
    """

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)
        # Nobody has this password; a name that nobody has is checked against it, and takes as long.
        self._nobody = self._hasher.hash(secrets.token_hex(16))

    def hash(self, password: str) -> str:
        """See `Passwords.hash`."""
        password = _normal(password)
        is_text = not any("\ud800" <= letter <= "\udfff" for letter in password)
        if not (is_text and SHORTEST <= len(password) <= LONGEST and len(set(password)) >= 3):
            raise MetadataError(
                f"password: allowed: {SHORTEST} to {LONGEST} characters, at least 3 different ones"
            )
        return self._hasher.hash(password)

    def verify(self, kept: str | None, password: str) -> bool:
        """See `Passwords.verify`."""
        password = _normal(password)[: LONGEST + 1]
        try:
            matches = self._hasher.verify(kept or self._nobody, password)
        except (VerificationError, InvalidHashError, UnicodeEncodeError):
            return False
        return matches and kept is not None

    def is_stale(self, kept: str) -> bool:
        """See `Passwords.is_stale`."""
        return self._hasher.check_needs_rehash(kept)


def _normal(password: str) -> str:
    """The same characters, however a keyboard composes them."""
    return unicodedata.normalize("NFKC", password)
