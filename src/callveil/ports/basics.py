"""The time, and who vouches."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Where the time comes from."""

    def now(self) -> datetime:
        """The time now, aware UTC."""


class Signer(Protocol):
    """Who vouches for what is published."""

    @property
    def key_id(self) -> str:
        """First 16 hex digits of the SHA-256 of the raw public key.

        Raises:
            ConfigError: There is no signing key.
        """

    def sign(self, message: bytes) -> bytes:
        """Ed25519 signature of a message, 64 bytes (RFC 8032).

        Raises:
            ConfigError: There is no signing key.
        """
