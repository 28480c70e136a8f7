"""Open a drop folder."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from callveil.adapters.drop_folder import DropFolder
from callveil.config import Config
from callveil.errors import ConfigError
from callveil.kit.places import s3_arguments
from callveil.ports import Drop


def open_drop(location: str, config: Config) -> Drop:
    """Open the drop folder a location names.

    Args:
        location: A folder that exists, or "s3://bucket/prefix".
        config: For the S3 server, which is the store's, and its keys.

    Raises:
        ConfigError: The location is of another kind, or the S3 keys are not set.
    """
    parts = urlsplit(location)
    if parts.scheme == "s3":
        try:
            from callveil.adapters.drop_bucket import DropBucket
            from callveil.adapters.s3_folder import S3Folder
        except ModuleNotFoundError as error:
            raise ConfigError("drop folder: s3:// needs the extra s3: pip install 'callveil[s3]'") from error
        given = s3_arguments("drop folder", parts.netloc, parts.path, config)
        prefix = str(given.pop("prefix"))
        bucket = S3Folder(name=str(given.pop("bucket")), timeout_s=30.0, attempts=4, **given)
        return DropBucket(bucket, prefix)
    if "://" in location:
        raise ConfigError(
            f"drop folder: {parts.scheme}:// is no known kind; allowed: a folder, s3://bucket/prefix"
        )
    return DropFolder(Path(location))
