"""What S3 servers and the minio SDK raise, turned into ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from xml.etree.ElementTree import ParseError

from minio.error import InvalidResponseError, MinioException, S3Error
from urllib3.exceptions import HTTPError

from callveil.errors import CallveilError, ConfigError, NotFoundError, RefusedError, StoreError

NOT_FOUND = {"NoSuchKey", "NoSuchVersion", "NoSuchUpload"}
_WRONG_CONFIG = {
    "NoSuchBucket": "the bucket does not exist",
    "InvalidAccessKeyId": "the access key is not known",
    "SignatureDoesNotMatch": "the secret key does not belong to the access key",
    "PermanentRedirect": "the bucket is in another region",
    "AuthorizationHeaderMalformed": "the bucket is in another region",
}
_REFUSED = {"AccessDenied", "ObjectLocked", "InvalidObjectState"}
NO_LOCK = {"NoSuchObjectLockConfiguration", "ObjectLockConfigurationNotFoundError"}
"""Of an object without a lock AWS says the first and Ceph the second; of a bucket both say the second."""


@contextmanager
def s3_errors(action: str) -> Iterator[None]:
    """Turn what the SDK raises into ours: short sentences without keys, bodies and secrets."""
    try:
        yield
    except S3Error as error:
        raise s3_error(str(error.code), action) from error
    except InvalidResponseError:
        # The SDK's message carries the body of the answer, so it is not kept as the cause.
        raise StoreError(f"{action}: the server's answer is not S3") from None
    except MinioException as error:
        raise StoreError(f"{action}: the server failed") from error
    except HTTPError as error:
        raise StoreError(f"{action}: the server cannot be reached ({type(error).__name__})") from error
    except (ValueError, ParseError) as error:
        raise StoreError(f"{action}: the server's answer cannot be read") from error
    except OSError as error:
        raise StoreError(f"{action}: {error.strerror or type(error).__name__}") from error


def s3_error(code: str, action: str) -> CallveilError:
    """The error for a code of S3."""
    if code in NOT_FOUND:
        return NotFoundError(f"{action}: no such object")
    if code in _WRONG_CONFIG:
        return ConfigError(f"{action}: {_WRONG_CONFIG[code]}")
    if code in _REFUSED:
        return RefusedError(f"{action}: the server refuses it (a lock, or a missing right)")
    return StoreError(f"{action}: the server answered {code}")
