"""Open the places a site names: landing, store, originals, and the key that encrypts what waits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from callveil.adapters.key_wrapping import LocalKeyWrapper, read_landing_key
from callveil.adapters.landing_folder import LandingFolder
from callveil.adapters.originals_folder import FolderOriginals
from callveil.adapters.store_local import LocalStore
from callveil.adapters.subject_keys import SubjectKeys, read_subject_keys
from callveil.config import Config, Secrets
from callveil.errors import ConfigError
from callveil.ports import KeyWrapper, ObjectStore, OriginalStore, SubjectHasher
from callveil.vocabulary.rights import IdentifierKind, Identity


@dataclass(frozen=True, slots=True, kw_only=True)
class Originals:
    """What sealing originals takes.

    Attributes:
        store: Where they lie.
        wrapper: Wraps their data keys.
    """

    store: OriginalStore
    wrapper: KeyWrapper


def open_key_wrapper(secrets: Secrets, key_file: Path | None = None) -> LocalKeyWrapper:
    """Open the key that wraps the data keys of the landing.

    Args:
        secrets: Of the environment.
        key_file: Made by `create_landing_key`; read where the environment names no key.

    Raises:
        ConfigError: There is none, it is no key, or others may read its file.
    """
    active, earlier = secrets.landing_key, secrets.landing_old_keys
    if active is not None:
        text = active.get_secret_value()
    elif key_file is not None and key_file.exists():
        text = read_landing_key(key_file)
    else:
        raise ConfigError(
            "landing key: there is none; set CALLVEIL_LANDING_KEY or CALLVEIL_LANDING_KEY_FILE to 32 random "
            "bytes in base64, such as: head -c 32 /dev/urandom | base64"
        )
    return LocalKeyWrapper.from_text(text, earlier.get_secret_value() if earlier is not None else "")


def open_landing(root: Path, secrets: Secrets, key_file: Path | None = None) -> LandingFolder:
    """Open the folder where raw audio waits, encrypted, until it is redacted.

    Args:
        root: The folder; made when it is missing.
        secrets: For the key that wraps the data keys.
        key_file: See `open_key_wrapper`.

    Raises:
        ConfigError: There is no key, or it is none.
    """
    return LandingFolder(root, open_key_wrapper(secrets, key_file))


def open_subject_keys(secrets: Secrets, key_file: Path) -> SubjectKeys:
    """Open the keys of the subject index.

    Args:
        secrets: Of the environment.
        key_file: Made by `create_subject_keys`; read where the environment names none.

    Raises:
        ConfigError: There are none, they are no keys, others may read their file, or the environment and the
            file hold different ones: by the wrong ones nobody is found.
    """
    given = secrets.subject_keys
    kept = read_subject_keys(key_file) if key_file.exists() else None
    if given is not None:
        keys = SubjectKeys.from_text(given.get_secret_value(), "CALLVEIL_SUBJECT_KEYS")
        if kept is not None and kept.text() != keys.text():
            raise ConfigError(
                f"subject keys: those of CALLVEIL_SUBJECT_KEYS are not those of {key_file}; allowed: one of"
                " the two"
            )
        return keys
    if kept is None:
        raise ConfigError(
            f"subject keys: there are none in {key_file}, and neither CALLVEIL_SUBJECT_KEYS nor "
            "CALLVEIL_SUBJECT_KEYS_FILE is set; to make them: callveil subject-key create"
        )
    return kept


class LazyHasher:
    """A `SubjectHasher` whose keys are read when they are first needed."""

    def __init__(self, build: Callable[[], SubjectHasher]) -> None:
        self._build = build
        self._hasher: SubjectHasher | None = None

    @property
    def generation(self) -> int:
        """See `SubjectHasher.generation`; reads the keys."""
        return self._load().generation

    def identity(self, kind: IdentifierKind, value: str, party: int) -> Identity:
        """See `SubjectHasher.identity`; reads the keys."""
        return self._load().identity(kind, value, party)

    def digests(self, kind: IdentifierKind, value: str) -> tuple[str, ...]:
        """See `SubjectHasher.digests`; reads the keys."""
        return self._load().digests(kind, value)

    def step(self, generation: int) -> Callable[[str], str]:
        """See `SubjectHasher.step`; reads the keys."""
        return self._load().step(generation)

    def _load(self) -> SubjectHasher:
        if self._hasher is None:
            self._hasher = self._build()
        return self._hasher


def open_store(location: str, config: Config) -> ObjectStore:
    """Open the store a location names.

    Args:
        location: A folder, which is made when it is missing, or "s3://bucket/prefix".
        config: For the S3 server and its keys.

    Raises:
        ConfigError: The location is of another kind, or the S3 keys are not set.
    """
    parts = urlsplit(location)
    if parts.scheme == "s3":
        return _open_s3(parts.netloc, parts.path.strip("/"), config)
    if "://" in location:
        raise ConfigError(
            f"out: {parts.scheme}:// is no known kind of store; allowed: a folder, s3://bucket/prefix"
        )
    return LocalStore(Path(location))


def open_originals(config: Config, landing_key: Path | None = None) -> Originals | None:
    """Open the store of sealed originals; None when the profile keeps none.

    Args:
        config: For the place, the S3 server and the keys.
        landing_key: See `open_key_wrapper`.

    Raises:
        ConfigError: The place is of another kind, or a key is not set.
    """
    wanted = config.profile.originals
    if wanted.keep == "shred":
        return None
    parts = urlsplit(wanted.location)
    store: OriginalStore
    if parts.scheme == "s3":
        try:
            from callveil.adapters.originals_s3 import S3Originals
        except ModuleNotFoundError as error:
            raise ConfigError("originals.location: s3:// needs: pip install 'callveil[s3]'") from error
        given = s3_arguments("originals.location", parts.netloc, parts.path, config)
        store = S3Originals(**given)
    else:
        store = FolderOriginals(Path(wanted.location))
    wrapper = open_key_wrapper(config.secrets, landing_key)
    return Originals(store=store, wrapper=wrapper)


def _open_s3(bucket: str, prefix: str, config: Config) -> ObjectStore:
    try:
        from callveil.adapters.store_s3 import S3Store
    except ModuleNotFoundError as error:
        raise ConfigError("out: s3:// needs the extra s3: pip install 'callveil[s3]'") from error
    return S3Store(**s3_arguments("out", bucket, prefix, config))


def s3_arguments(where: str, bucket: str, path: str, config: Config) -> dict[str, Any]:
    """Arguments that the S3 adapters share.

    Args:
        where: What asks, for errors.
        bucket: Its name.
        path: Inside the bucket; slashes at its ends do not matter.
        config: For the server and its keys.

    Raises:
        ConfigError: The keys are not set.
    """
    access_key, secret_key = config.secrets.s3_access_key, config.secrets.s3_secret_key
    if access_key is None or secret_key is None:
        raise ConfigError(
            f"{where}: s3:// needs CALLVEIL_S3_ACCESS_KEY and CALLVEIL_S3_SECRET_KEY (or ..._FILE)"
        )
    s3 = config.profile.store.s3
    return {
        "endpoint": s3.endpoint,
        "bucket": bucket,
        "prefix": path.strip("/"),
        "access_key": access_key.get_secret_value(),
        "secret_key": secret_key.get_secret_value(),
        "secure": s3.secure,
        "region": s3.region,
    }
