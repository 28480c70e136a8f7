"""A signing key that everybody knows."""

from __future__ import annotations

import hashlib

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from callveil.adapters.ed25519 import Ed25519Signer


def throw_away_signer(seed: str = "callveil") -> Ed25519Signer:
    """A real Ed25519 signer, the same for the same seed. What it signs proves nothing.

    Args:
        seed: Another seed gives another key.
    """
    return Ed25519Signer(Ed25519PrivateKey.from_private_bytes(hashlib.sha256(seed.encode()).digest()))
