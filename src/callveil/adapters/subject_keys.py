"""Keys of the subject index: a chain of generations, so that a rotation needs no identifier.

    digest of generation 1      HMAC-SHA256(key 1, kind || 0x00 || value)
    digest of generation n + 1  HMAC-SHA256(key n + 1, digest of generation n)

What is stored goes from one generation to the next by its digest alone. Who has all keys but the newest finds
nothing by them; who has only the newest cannot begin.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path

from callveil.adapters.local_files import locked, write_new, write_whole
from callveil.errors import ConfigError, RefusedError
from callveil.vocabulary.rights import IdentifierKind, Identity

KEY_BYTES = 32
MOST_GENERATIONS = 1000
"""Ours: a key a month for 80 years."""

_ALLOWED = 'allowed: {"keys": [...]}, 1 to 1000 keys of 32 bytes in base64, the oldest first'
_MOST_BYTES = 100_000


class SubjectKeys:
    """`SubjectHasher` with keys in memory. It prints its generation and nothing else.

    Args:
        keys: The oldest first, 32 bytes each.

    Raises:
        ConfigError: There is none, one has another length, or one stands there twice.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not 1 <= len(keys) <= MOST_GENERATIONS or any(len(key) != KEY_BYTES for key in keys):
            raise ConfigError(f"subject keys: {_ALLOWED}")
        if len(set(keys)) != len(keys):
            raise ConfigError("subject keys: one stands there twice; allowed: keys of their own")
        self._keys = tuple(keys)

    @classmethod
    def from_text(cls, text: str, where: str) -> SubjectKeys:
        """Read keys as they stand in the key file or the environment.

        Args:
            text: JSON.
            where: Named in errors.

        Raises:
            ConfigError: It is something else; the message does not show it.
        """
        try:
            document = json.loads(text)
            if set(document) != {"keys"} or not isinstance(document["keys"], list):
                raise TypeError
            keys = [base64.b64decode(key, validate=True) for key in document["keys"]]
        except (binascii.Error, ValueError, TypeError, RecursionError):
            raise ConfigError(f"{where}: holds no subject keys; {_ALLOWED}") from None
        try:
            return cls(keys)
        except ConfigError as error:
            raise ConfigError(f"{where}: {error}") from None

    @property
    def generation(self) -> int:
        """See `SubjectHasher.generation`."""
        return len(self._keys)

    def identity(self, kind: IdentifierKind, value: str, party: int) -> Identity:
        """See `SubjectHasher.identity`."""
        digest = self.digests(kind, value)[0]
        return Identity(kind=kind, digest=digest, generation=self.generation, party=party)

    def digests(self, kind: IdentifierKind, value: str) -> tuple[str, ...]:
        """See `SubjectHasher.digests`."""
        found: list[bytes] = []
        message = kind.value.encode("ascii") + b"\x00" + value.encode("utf-8")
        for key in self._keys:
            message = hmac.digest(key, message, "sha256")
            found.append(message)
        return tuple(digest.hex() for digest in reversed(found))

    def step(self, generation: int) -> Callable[[str], str]:
        """See `SubjectHasher.step`.

        Raises:
            ValueError: There is no next generation.
        """
        if not 1 <= generation < self.generation:
            raise ValueError(f"generation: {generation}; allowed: 1 to {self.generation - 1}")
        key = self._keys[generation]
        return lambda digest: hmac.digest(key, bytes.fromhex(digest), "sha256").hex()

    def text(self) -> str:
        """What `from_text` reads. Secret."""
        return json.dumps({"keys": [base64.b64encode(key).decode("ascii") for key in self._keys]}) + "\n"

    def __repr__(self) -> str:
        return f"SubjectKeys(generation {self.generation})"


def new_subject_keys(earlier: SubjectKeys | None = None) -> SubjectKeys:
    """Keys with a new random one behind the earlier ones.

    Raises:
        ConfigError: There are as many as there may be.
    """
    keys = () if earlier is None else earlier._keys
    return SubjectKeys([*keys, os.urandom(KEY_BYTES)])


def create_subject_keys(path: Path) -> None:
    """Make a key file (0600) with one new random key.

    Args:
        path: Of the file; folders are made (0700).

    Raises:
        ConfigError: It cannot be written.
        RefusedError: There is a file; it stays as it is.
    """
    try:
        made = write_new(path, new_subject_keys().text().encode("ascii"))
    except OSError as error:
        raise ConfigError(f"subject keys: cannot be written: {error.strerror}") from error
    if not made:
        raise RefusedError(f"subject keys: there is a file {path}; it stays as it is")


def add_generation(path: Path) -> SubjectKeys:
    """Add a new random key to a key file; two that do so at a time add two.

    Args:
        path: Of the file.

    Returns:
        All keys.

    Raises:
        ConfigError: It cannot be read or written, or others than its owner can read it.
    """
    try:
        with locked(path.with_name(f".{path.name}.lock")):
            keys = new_subject_keys(read_subject_keys(path))
            write_whole(path, keys.text().encode("ascii"), draft=path.with_name(f".{path.name}.draft"))
    except OSError as error:
        raise ConfigError(f"subject keys: cannot be written: {error.strerror}") from error
    return keys


def read_subject_keys(path: Path) -> SubjectKeys:
    """Read a key file.

    Args:
        path: Of the file.

    Raises:
        ConfigError: It cannot be read, holds no keys, or others than its owner can read it.
    """
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            content = file.read(_MOST_BYTES)
    except OSError as error:
        raise ConfigError(f"subject keys: {path} cannot be read: {error.strerror}") from error
    if mode & 0o077:
        raise ConfigError(f"subject keys: {path} has mode {mode:04o}; allowed: 0600, or others could read it")
    return SubjectKeys.from_text(content.decode("utf-8", "replace"), str(path))
