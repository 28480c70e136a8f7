"""Wrapping data keys with a key that the operator holds.

Source: AES Key Wrap, RFC 3394 (NIST SP 800-38F, KW): made for keys, takes no nonce that could repeat, and
tells when what it unwraps was changed.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import os
import stat
from collections.abc import Sequence
from pathlib import Path

from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from callveil.adapters.local_files import write_new
from callveil.errors import ConfigError, RefusedError, TamperedError

KEY_BYTES = 32


class LocalKeyWrapper:
    """`KeyWrapper` with AES-256 keys in memory. It prints its key id and nothing else.

    Args:
        active: Wraps and unwraps, 32 bytes.
        retired: Unwrap only.

    Raises:
        ConfigError: A key has another length.
    """

    def __init__(self, active: bytes, retired: Sequence[bytes] = ()) -> None:
        for key in (active, *retired):
            if len(key) != KEY_BYTES:
                raise ConfigError(f"landing key: has {len(key)} bytes; allowed: {KEY_BYTES}")
        self._keys = {_id_of(key): key for key in (*retired, active)}
        self._key_id = _id_of(active)

    @classmethod
    def from_text(cls, active: str, retired: str = "") -> LocalKeyWrapper:
        """Read keys as they stand in the environment.

        Args:
            active: 32 bytes in base64.
            retired: Earlier keys in base64, with spaces, commas or lines between.

        Raises:
            ConfigError: It is something else; the message does not show it.
        """
        earlier = [_decoded(key, "CALLVEIL_LANDING_OLD_KEYS") for key in retired.replace(",", " ").split()]
        return cls(_decoded(active, "CALLVEIL_LANDING_KEY"), earlier)

    @property
    def key_id(self) -> str:
        """Id of the active key: 16 hex digits of an HMAC under it, so that it tells nothing of the key."""
        return self._key_id

    def wrap(self, key: bytes) -> bytes:
        """See `KeyWrapper.wrap`."""
        return aes_key_wrap(self._keys[self._key_id], key)

    def unwrap(self, key_id: str, wrapped: bytes) -> bytes:
        """See `KeyWrapper.unwrap`."""
        if key_id not in self._keys:
            raise ConfigError(
                "landing key: the one that wrapped a recording's key is not there; add it to "
                "CALLVEIL_LANDING_OLD_KEYS"
            )
        try:
            return aes_key_unwrap(self._keys[key_id], wrapped)
        except (InvalidUnwrap, ValueError):
            raise TamperedError("landing: a recording's key is not what was written") from None

    def __repr__(self) -> str:
        return f"LocalKeyWrapper({self._key_id})"


def create_landing_key(path: Path) -> str:
    """Make a key file (0600) with a new random key, for `CALLVEIL_LANDING_KEY_FILE`.

    Args:
        path: Of the file; folders are made (0700).

    Returns:
        The key's id.

    Raises:
        ConfigError: It cannot be written.
        RefusedError: There is a file; it stays as it is.
    """
    key = os.urandom(KEY_BYTES)
    try:
        made = write_new(path, base64.b64encode(key) + b"\n")
    except OSError as error:
        raise ConfigError(f"landing key: cannot be written: {error.strerror}") from error
    if not made:
        raise RefusedError(f"landing key: there is a file {path}; it stays as it is")
    return _id_of(key)


def read_landing_key(path: Path) -> str:
    """Read a key file.

    Args:
        path: Of the file.

    Returns:
        The key in base64, not yet checked.

    Raises:
        ConfigError: It cannot be read, or others than its owner can read it.
    """
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            content = file.read(1000)
    except OSError as error:
        raise ConfigError(f"landing key: {path} cannot be read: {error.strerror}") from error
    if mode & 0o077:
        raise ConfigError(f"landing key: {path} has mode {mode:04o}; allowed: 0600, or others could read it")
    return content.decode("utf-8", "replace")


def _id_of(key: bytes) -> str:
    return hmac.digest(key, b"callveil landing key id", "sha256")[:8].hex()


def _decoded(text: str, where: str) -> bytes:
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise ConfigError(f"{where}: is no landing key; allowed: {KEY_BYTES} bytes in base64")
    return key
