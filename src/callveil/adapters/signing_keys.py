"""The key folder: one private key that signs, and the public keys of all that ever did.

    <keys>/private.pem     the active private key (PKCS8, 0600); its successor takes its place
    <keys>/<key id>.pem    a public key; never deleted, so that old certificates can still be checked
    <keys>/<key id>.json   when it was made and retired, or from when on it is trusted
    <keys>/.lock, .draft   of whoever changes the folder

A key is active while its private half lies there. A public key is written before its private half, so no
certificate is signed by a key that is lost to those who check it.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from callveil.adapters.ed25519 import Ed25519Signer, public_key_from_pem, public_pem
from callveil.adapters.local_files import locked, make_folders, write_whole
from callveil.errors import ConfigError, RefusedError
from callveil.ports import Clock
from callveil.stages.documents.signature import key_id_of

_PRIVATE = "private.pem"
_PUBLIC = re.compile(r"([0-9a-f]{16})\.pem")


class KeyState(StrEnum):
    """What a key of the folder is for."""

    ACTIVE = "active"
    """Signs; there is one at most."""
    RETIRED = "retired"
    """Signed once; its private half is gone."""
    TRUSTED = "trusted"
    """Somebody else's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownKey:
    """A public key of the folder.

    Attributes:
        key_id: See `key_id_of`.
        public_key: 32 bytes.
        state: What it is for.
        created_at: When it was made here, or trusted; aware UTC; None when the folder does not say.
        retired_at: When another key took its place; None for a key that is not retired.
    """

    key_id: str
    public_key: bytes
    state: KeyState
    created_at: datetime | None = None
    retired_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Record:
    """What stands beside a public key."""

    own: bool
    created_at: datetime | None = None
    retired_at: datetime | None = None

    def to_json(self) -> bytes:
        times = {"created_at": self.created_at, "retired_at": self.retired_at}
        content = {"own": self.own, **{name: time and time.isoformat() for name, time in times.items()}}
        return f"{json.dumps(content, indent=2)}\n".encode()

    @staticmethod
    def from_json(content: bytes) -> _Record:
        raw = json.loads(content)
        times = {
            name: raw[name] and datetime.fromisoformat(raw[name]).astimezone(UTC)
            for name in ("created_at", "retired_at")
        }
        return _Record(own=bool(raw["own"]), **times)


def keys_folder(environment: Mapping[str, str]) -> Path:
    """Where signing keys lie: CALLVEIL_KEYS_DIR, else the user's data folder.

    Args:
        environment: Such as `os.environ`.
    """
    if named := environment.get("CALLVEIL_KEYS_DIR"):
        return Path(named).expanduser()
    # The XDG Base Directory Specification has relative paths ignored.
    data = environment.get("XDG_DATA_HOME", "")
    base = Path(data) if Path(data).is_absolute() else Path.home() / ".local" / "share"
    return base / "callveil" / "keys"


class KeyFolder:
    """The keys of this machine. Safe to use from several processes.

    Args:
        root: The folder; made (0700) with the first key.
        clock: Dates the keys.

    Every method raises `ConfigError` when a file of the folder cannot be read or written, or is not what its
    name says.
    """

    def __init__(self, root: Path, clock: Clock) -> None:
        self.root = root.absolute()
        self._clock = clock

    def signer(self) -> Ed25519Signer:
        """The active key.

        Raises:
            ConfigError: There is none, or others may read it or put another in its place.
        """
        path = self.root / _PRIVATE
        with _about("signing key"):
            try:
                pem, mode = _read_private(path)
            except FileNotFoundError:
                raise ConfigError(
                    f"signing key: there is none in {self.root}; run: callveil keys create "
                    "(or set CALLVEIL_SIGNING_KEY or CALLVEIL_SIGNING_KEY_FILE)"
                ) from None
            _refuse(mode & 0o077, f"{path}: has mode {mode:04o}; allowed: 0600, or others could read it")
            self._check_folder()
        return Ed25519Signer.from_pem(pem, str(path))

    def create(self) -> KnownKey:
        """Make the first active key.

        Raises:
            RefusedError: There is an active key.
        """
        with self._changing():
            self._check_folder()
            if (self.root / _PRIVATE).exists():
                raise RefusedError(
                    f"signing key: there is an active one in {self.root}; to replace it run: "
                    "callveil keys rotate"
                )
            return self._make()

    def rotate(self) -> KnownKey:
        """Put a new key in the place of the active one, whose private half is deleted.

        Raises:
            ConfigError: There is no active key.
        """
        with self._changing():
            earlier = self.signer()
            # The active key may have been put there by hand, without its public half.
            self._keep_public(earlier.public_key, _Record(own=True))
            made = self._make()
            record = replace(self._record(earlier.key_id), own=True, retired_at=self._clock.now())
            self._write(f"{earlier.key_id}.json", record.to_json())
            return made

    def trust(self, pem: bytes, where: str) -> KnownKey:
        """Keep somebody else's public key, so that what it signed can be checked.

        Args:
            pem: The public key.
            where: File it is from, for the message.

        Raises:
            ConfigError: It is no public key.
        """
        public_key = public_key_from_pem(pem, where)
        with self._changing():
            self._keep_public(public_key, _Record(own=False, created_at=self._clock.now()))
        return self.key(key_id_of(public_key))

    def known(self) -> tuple[KnownKey, ...]:
        """All public keys, oldest first."""
        active = self._active()
        with _about("key folder"):
            names = sorted(os.listdir(self.root)) if self.root.is_dir() else []
        ids = {match[1] for name in names if (match := _PUBLIC.fullmatch(name))}
        found = [self._describe(key_id, active) for key_id in sorted(ids | set(active))]
        oldest = datetime.min.replace(tzinfo=UTC)
        return tuple(sorted(found, key=lambda key: (key.created_at or oldest, key.key_id)))

    def key(self, key_id: str) -> KnownKey:
        """One public key.

        Raises:
            ConfigError: It is not there.
        """
        for known in self.known():
            if known.key_id == key_id:
                return known
        raise ConfigError(f"KEY_ID: no such key in {self.root}; callveil keys list shows them")

    def public_keys(self) -> dict[str, bytes]:
        """Key id to raw public key, of all keys."""
        return {known.key_id: known.public_key for known in self.known()}

    def _check_folder(self) -> None:
        mode = stat.S_IMODE(self.root.stat().st_mode)
        _refuse(
            mode & 0o022, f"{self.root}: has mode {mode:04o}; allowed: 0700, or others could replace the key"
        )

    def _make(self) -> KnownKey:
        made, now = Ed25519Signer.generate(), self._clock.now()
        self._keep_public(made.public_key, _Record(own=True, created_at=now))
        self._write(_PRIVATE, made.private_pem())
        return KnownKey(key_id=made.key_id, public_key=made.public_key, state=KeyState.ACTIVE, created_at=now)

    def _keep_public(self, public_key: bytes, record: _Record) -> None:
        key_id = key_id_of(public_key)
        path = self.root / f"{key_id}.pem"
        if path.exists():
            if self._public(key_id) != public_key:
                raise ConfigError(f"{path}: another key has the same id; it stays as it is")
            return
        self._write(f"{key_id}.json", record.to_json())
        self._write(path.name, public_pem(public_key))

    def _active(self) -> dict[str, bytes]:
        """The active public key; for who may not read the private one there is none."""
        try:
            pem, _ = _read_private(self.root / _PRIVATE)
        except OSError:
            return {}
        signer = Ed25519Signer.from_pem(pem, str(self.root / _PRIVATE))
        return {signer.key_id: signer.public_key}

    def _describe(self, key_id: str, active: Mapping[str, bytes]) -> KnownKey:
        public_key = active.get(key_id) or self._public(key_id)
        record = self._record(key_id)
        if key_id in active:
            return KnownKey(
                key_id=key_id, public_key=public_key, state=KeyState.ACTIVE, created_at=record.created_at
            )
        return KnownKey(
            key_id=key_id,
            public_key=public_key,
            state=KeyState.RETIRED if record.own else KeyState.TRUSTED,
            created_at=record.created_at,
            retired_at=record.retired_at,
        )

    def _public(self, key_id: str) -> bytes:
        path = self.root / f"{key_id}.pem"
        with _about(str(path)):
            public_key = public_key_from_pem(path.read_bytes(), str(path))
        if key_id_of(public_key) != key_id:
            raise ConfigError(f"{path}: is not the key that its name says")
        return public_key

    def _record(self, key_id: str) -> _Record:
        path = self.root / f"{key_id}.json"
        try:
            return _Record.from_json(path.read_bytes())
        except FileNotFoundError:
            return _Record(own=False)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigError(f"{path}: cannot be read: {type(error).__name__}") from error

    def _write(self, name: str, content: bytes) -> None:
        write_whole(self.root / name, content, draft=self.root / ".draft")

    @contextmanager
    def _changing(self) -> Iterator[None]:
        with _about("key folder"):
            make_folders(self.root)
            with locked(self.root / ".lock"):
                yield


def _read_private(path: Path) -> tuple[bytes, int]:
    """Content and mode of one and the same file."""
    with path.open("rb") as file:
        return file.read(), stat.S_IMODE(os.fstat(file.fileno()).st_mode)


def _refuse(wrong: int, message: str) -> None:
    if wrong:
        raise ConfigError(message)


@contextmanager
def _about(what: str) -> Iterator[None]:
    """Turn errors of the operating system into `ConfigError`."""
    try:
        yield
    except OSError as error:
        raise ConfigError(f"{what}: {error.strerror or type(error).__name__}") from error
