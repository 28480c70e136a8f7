"""Make the bucket of an installation, with versions and Object Lock, when it is not there.

    python make_bucket.py PROFILE.toml s3://bucket/prefix

Keys as for callveil: CALLVEIL_S3_ACCESS_KEY, CALLVEIL_S3_SECRET_KEY, or ..._FILE.
A bucket gets its lock when it is made, or never.
"""

from __future__ import annotations

import sys
import time
from urllib.parse import urlsplit

from minio import Minio
from minio.commonconfig import ENABLED
from minio.error import MinioException
from minio.versioningconfig import VersioningConfig
from urllib3.exceptions import HTTPError

from callveil.config import load_config

_WAIT_S = 60.0


def main(profile: str, store: str) -> int:
    """Make it; returns an exit code."""
    config = load_config(profile)
    s3, keys = config.profile.store.s3, config.secrets
    if keys.s3_access_key is None or keys.s3_secret_key is None:
        print("make_bucket: CALLVEIL_S3_ACCESS_KEY and CALLVEIL_S3_SECRET_KEY are needed", file=sys.stderr)  # noqa: T201
        return 2
    client = Minio(
        s3.endpoint,
        access_key=keys.s3_access_key.get_secret_value(),
        secret_key=keys.s3_secret_key.get_secret_value(),
        secure=s3.secure,
        region=s3.region,
    )
    bucket, end = urlsplit(store).netloc, time.monotonic() + _WAIT_S
    while True:
        try:
            if not client.bucket_exists(bucket):
                client.make_bucket(bucket, object_lock=True)
            if client.get_bucket_versioning(bucket).status != ENABLED:
                client.set_bucket_versioning(bucket, VersioningConfig(ENABLED))
        except (MinioException, HTTPError, OSError) as error:
            # A server that has just started answers, and cannot write yet.
            if time.monotonic() > end:
                print(f"make_bucket: {type(error).__name__}", file=sys.stderr)  # noqa: T201
                return 1
            time.sleep(1)
        else:
            return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
