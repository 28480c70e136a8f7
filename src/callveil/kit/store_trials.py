"""Try out the store that a location names."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from callveil.adapters.local_files import file_errors, remove_tree
from callveil.adapters.store_local import LocalStore
from callveil.adapters.store_trials import Trial, tried, try_store
from callveil.config import Config
from callveil.errors import ConfigError, MetadataError
from callveil.kit.places import s3_arguments


def try_location(location: str, config: Config, *, lifecycle: bool = False) -> Iterator[Trial]:
    """Try what Callveil relies on, in a scratch folder that is gone afterwards.

    Args:
        location: A folder that is there, or "s3://bucket/prefix".
        config: For the S3 server and its keys.
        lifecycle: Try lifecycle rules too; changes the bucket's configuration for a moment.

    Raises:
        ConfigError: The location is of another kind, the bucket is missing, or the keys are wrong.
        MetadataError: There is no such folder.
        StoreError: The server cannot be reached.
    """
    scratch = f"callveil-check-{secrets.token_hex(6)}"
    parts = urlsplit(location)
    if parts.scheme == "s3":
        yield from _try_s3(parts.netloc, f"{parts.path.strip('/')}/{scratch}", config, lifecycle=lifecycle)
    elif "://" in location:
        raise ConfigError(
            f"LOCATION: {parts.scheme}:// is no known kind; allowed: a folder, s3://bucket/prefix"
        )
    elif not Path(location).is_dir():
        raise MetadataError("LOCATION: there is no such folder")
    else:
        yield from _try_folder(Path(location), scratch)


def _try_s3(bucket: str, prefix: str, config: Config, *, lifecycle: bool) -> Iterator[Trial]:
    arguments = s3_arguments("LOCATION", bucket, prefix, config)
    try:
        from callveil.adapters.s3_probe import S3Probe
        from callveil.adapters.s3_trials import try_bucket
        from callveil.adapters.store_s3 import S3Store
    except ModuleNotFoundError as error:
        raise ConfigError("LOCATION: s3:// needs the extra s3: pip install 'callveil[s3]'") from error
    store = S3Store(**arguments)
    server = {name: arguments[name] for name in ("endpoint", "secure", "region")}
    probe = S3Probe(
        name=bucket,
        access_key=arguments["access_key"],
        secret_key=arguments["secret_key"],
        timeout_s=60.0,
        attempts=4,
        **server,
    )
    yield from try_bucket(probe, f"{arguments['prefix']}/", lifecycle=lifecycle, **server)
    yield from try_store(store, can_hold=probe.has_versioning() and store.supports_lock)


def _try_folder(folder: Path, scratch: str) -> Iterator[Trial]:
    def others_may_read() -> str | None:
        with file_errors("looking at the folder"):
            return "other users of this machine may look into it" if folder.stat().st_mode & 0o077 else None

    yield tried(
        "the folder is closed to others",
        others_may_read,
        needed=False,
        without="what Callveil makes in it is closed to them; what others put there is not",
    )
    yield Trial(
        name="a lock that binds everybody",
        needed=False,
        works=False,
        problem="a folder has none",
        without="retention dates and legal holds bind Callveil; who may write to the folder can delete",
    )
    root = folder / f".{scratch}"
    try:
        yield from try_store(LocalStore(root), can_hold=True)
    finally:
        with file_errors("cleaning up"):
            remove_tree(root)
