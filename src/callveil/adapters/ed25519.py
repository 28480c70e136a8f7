"""Ed25519 keys in PEM files, and the signer that holds one."""

from __future__ import annotations

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from callveil.errors import ConfigError
from callveil.stages.documents.signature import key_id_of


class Ed25519Signer:
    """A private key; see `ports.Signer`. It prints its key id and nothing else."""

    def __init__(self, private_key: Ed25519PrivateKey) -> None:
        self._private_key = private_key
        self._public_key = private_key.public_key().public_bytes_raw()

    @classmethod
    def generate(cls) -> Ed25519Signer:
        """A new key of the system's random generator."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def from_pem(cls, pem: bytes, where: str) -> Ed25519Signer:
        """Read a private key.

        Args:
            pem: PKCS8 PEM, unencrypted.
            where: Variable or file it is from, for the message.

        Raises:
            ConfigError: It is something else.
        """
        try:
            key = load_pem_private_key(pem, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            key = None  # the library's message is dropped: it may quote the key
        if not isinstance(key, Ed25519PrivateKey):
            raise ConfigError(f"{where}: is no signing key; allowed: an unencrypted Ed25519 key in PKCS8 PEM")
        return cls(key)

    @property
    def key_id(self) -> str:
        """See `ports.Signer`."""
        return key_id_of(self._public_key)

    @property
    def public_key(self) -> bytes:
        """The raw public key, 32 bytes."""
        return self._public_key

    def sign(self, message: bytes) -> bytes:
        """See `ports.Signer`."""
        return self._private_key.sign(message)

    def private_pem(self) -> bytes:
        """The private key as unencrypted PKCS8 PEM; for the key folder only."""
        return self._private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def __repr__(self) -> str:
        return f"Ed25519Signer({self.key_id})"


def public_pem(public_key: bytes) -> bytes:
    """A public key as SubjectPublicKeyInfo PEM.

    Args:
        public_key: 32 bytes.
    """
    key = Ed25519PublicKey.from_public_bytes(public_key)
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def public_key_from_pem(pem: bytes, where: str) -> bytes:
    """Read a public key.

    Args:
        pem: SubjectPublicKeyInfo PEM.
        where: File it is from, for the message.

    Returns:
        32 bytes.

    Raises:
        ConfigError: It is something else.
    """
    try:
        key = load_pem_public_key(pem)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigError(f"{where}: is no public key; allowed: an Ed25519 public key in PEM")
    return key.public_bytes_raw()
