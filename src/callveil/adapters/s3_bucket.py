"""One versioned S3 bucket through the minio SDK, with its errors turned into ours.

The SDK's own calls are used where they do; retention and unfinished uploads go through its request method,
because minio 7.2 cannot read Ceph's retention dates (nine fractional digits) and cannot ask to bypass
governance when a date is shortened. The dependency is pinned below 8 for that, and the contract suite
runs these calls against a real server.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote_plus

import urllib3
from minio import Minio
from minio.commonconfig import ENABLED, GOVERNANCE, Tags
from minio.deleteobjects import DeleteObject
from minio.error import S3Error
from minio.retention import Retention

from callveil.adapters.s3_errors import NO_LOCK, NOT_FOUND, s3_error, s3_errors
from callveil.adapters.store_bodies import BodyReader
from callveil.adapters.store_rules import whole_seconds
from callveil.errors import ConfigError

_RETAIN_UNTIL = re.compile(
    rb"<RetainUntilDate>\s*(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(?:Z|\+00:00)\s*</RetainUntilDate>"
)
_ENDPOINT_RULE = 'S3 endpoint: allowed is "host" or "host:port", without scheme and path'


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version of an object.

    Attributes:
        key: Key in the bucket.
        version_id: The server's name of this version.
        n_bytes: Size; 0 for a delete marker.
        is_latest: True for the version that a plain get shows.
        is_marker: True for a delete marker.
        etag: The server's mark of the content; "" for a delete marker.
    """

    key: str
    version_id: str
    n_bytes: int
    is_latest: bool
    is_marker: bool
    etag: str = ""


class S3Bucket:
    """A bucket. Safe to use from several threads.

    Args:
        endpoint: "host" or "host:port".
        name: Bucket name.
        access_key: Public half of the credentials.
        secret_key: Secret half; kept inside the SDK only.
        secure: HTTPS.
        region: None to ask the server.
        timeout_s: Longest wait for a connection and between two packets.
        attempts: How often a request is tried when the server is away or overloaded.

    Raises:
        ConfigError: The endpoint or the bucket's name cannot be one.
    """

    def __init__(
        self,
        *,
        endpoint: str,
        name: str,
        access_key: str,
        secret_key: str,
        secure: bool,
        region: str | None,
        timeout_s: float,
        attempts: int,
    ) -> None:
        self.name = name
        if not re.fullmatch(r"[A-Za-z0-9.:\[\]-]+", endpoint):
            raise ConfigError(_ENDPOINT_RULE)
        retries = urllib3.Retry(
            total=attempts - 1,
            backoff_factor=0.2,
            status_forcelist=[500, 502, 503, 504],
            raise_on_status=False,
        )
        pool = urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=timeout_s, read=timeout_s), maxsize=10, retries=retries
        )
        try:
            self._client: Any = Minio(
                endpoint,
                access_key=access_key,
                secret_key=secret_key,
                secure=secure,
                region=region,
                http_client=pool,
            )
        except ValueError:
            # The SDK's message repeats the endpoint, and somebody may have put keys into it.
            raise ConfigError(_ENDPOINT_RULE) from None
        if not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", name):
            raise ConfigError(
                'S3 bucket: allowed are 3 to 63 lower-case letters, digits, "." and "-", '
                "a letter or digit at both ends"
            )

    def check(self) -> bool:
        """Make sure that the bucket keeps versions; returns whether it has Object Lock.

        Raises:
            ConfigError: There is no such bucket, it keeps no versions, or the keys are wrong.
        """
        action = "opening the bucket"
        with s3_errors(action):
            # Versioning is asked before Object Lock: a HEAD would not tell wrong keys from missing rights.
            if self._client.get_bucket_versioning(self.name).status != ENABLED:
                raise ConfigError(f"{action}: versioning is off; it must be on before calls are stored")
            try:
                self._client.get_object_lock_config(self.name)
            except S3Error as error:
                if error.code not in NO_LOCK:
                    raise
                return False
            return True

    def put(
        self,
        key: str,
        reader: BodyReader,
        *,
        media_type: str,
        tags: Mapping[str, str],
        retain_until: datetime | None,
        part_bytes: int,
    ) -> str:
        """Store an object; returns its version id.

        The SDK sends a SHA-256 (HTTP) or MD5 (HTTPS) of every request, which the server checks.

        Args:
            key: Key in the bucket.
            reader: Read to its end; checked by the caller.
            media_type: Content type.
            tags: Object tags.
            retain_until: Governance retention, in whole seconds.
            part_bytes: Bodies above this are uploaded in parts of this size, held in memory one by one.
        """
        with s3_errors("storing an object"):
            result = self._client.put_object(
                self.name,
                key,
                reader,
                reader.n_bytes,
                content_type=media_type,
                part_size=part_bytes,
                num_parallel_uploads=1,
                tags=_s3_tags(tags) if tags else None,
                retention=Retention(GOVERNANCE, retain_until) if retain_until else None,
            )
        if reader.n_bytes > part_bytes:
            # Ceph 16 drops tags and retention that come with the beginning of a multipart upload.
            self.set_tags(key, tags)
            if retain_until is not None:
                self.set_retention(key, str(result.version_id), retain_until, shorten=False)
        return str(result.version_id)

    def size(self, key: str) -> int:
        """Bytes of the newest version."""
        with s3_errors("reading an object"):
            return int(self._client.stat_object(self.name, key).size)

    def get(self, key: str, *, start: int = 0, n_bytes: int = 0) -> bytes:
        """Content of the newest version, or `n_bytes` of it from `start` on; 0 for all that follows."""
        with s3_errors("reading an object"):
            response = self._client.get_object(self.name, key, offset=start, length=n_bytes)
            try:
                return bytes(response.read())
            finally:
                response.close()
                response.release_conn()

    def exists(self, key: str) -> bool:
        """True when the newest version is not a delete marker."""
        with s3_errors("looking for an object"):
            try:
                self._client.stat_object(self.name, key)
            except S3Error as error:
                if error.code not in NOT_FOUND:
                    raise
                return False
            return True

    def objects(self, prefix: str) -> Iterator[tuple[str, int, datetime]]:
        """Key, size and time of every object below a prefix, sorted by key; delete markers hide."""
        with s3_errors("listing objects"):
            for found in self._client.list_objects(self.name, prefix=prefix, recursive=True):
                yield found.object_name, found.size, found.last_modified.astimezone(UTC)

    def versions(self, prefix: str) -> list[Version]:
        """Every version and delete marker below a prefix."""
        with s3_errors("listing versions"):
            return [
                Version(
                    key=found.object_name,
                    version_id=found.version_id,
                    n_bytes=found.size or 0,
                    is_latest=found.is_latest == "true",
                    is_marker=found.is_delete_marker,
                    etag=plain_etag(found.etag),
                )
                for found in self._client.list_objects(
                    self.name, prefix=prefix, recursive=True, include_version=True
                )
            ]

    def remove(self, versions: list[Version], *, bypass_governance: bool = True) -> None:
        """Delete versions for good, past a governance date where that is asked for and the keys may do it."""
        targets = [DeleteObject(version.key, version.version_id) for version in versions]
        action = "deleting versions"
        with s3_errors(action):
            failed = list(
                self._client.remove_objects(self.name, targets, bypass_governance_mode=bypass_governance)
            )
        if failed:
            raise s3_error(str(failed[0].code), action)

    def tags(self, key: str, version_id: str | None = None) -> dict[str, str]:
        """Tags of a version, the newest when not named."""
        with s3_errors("reading tags"):
            return dict(self._client.get_object_tags(self.name, key, version_id=version_id) or {})

    def set_tags(self, key: str, tags: Mapping[str, str]) -> None:
        """Replace all tags of the newest version."""
        with s3_errors("setting tags"):
            self._client.set_object_tags(self.name, key, _s3_tags(tags))

    def retention(self, version: Version) -> datetime | None:
        """Retention date of a version, aware UTC."""
        with s3_errors("reading a retention date"):
            try:
                answer = self._client._execute(
                    "GET",
                    self.name,
                    version.key,
                    query_params={"retention": "", "versionId": version.version_id},
                )
            except S3Error as error:
                if error.code not in NO_LOCK:
                    raise
                return None
            return parse_retention(answer.data)

    def set_retention(self, key: str, version_id: str, until: datetime, *, shorten: bool) -> None:
        """Set the retention date of a version; `shorten` asks for the governance right."""
        body = (
            '<Retention xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Mode>GOVERNANCE</Mode>'
            f"<RetainUntilDate>{until:%Y-%m-%dT%H:%M:%SZ}</RetainUntilDate></Retention>"
        ).encode()
        md5 = hashlib.md5(body, usedforsecurity=False).digest()
        headers = {"Content-MD5": b64encode(md5).decode()}
        if shorten:
            headers["x-amz-bypass-governance-retention"] = "true"
        with s3_errors("setting a retention date"):
            self._client._execute(
                "PUT",
                self.name,
                key,
                body=body,
                headers=headers,
                query_params={"retention": "", "versionId": version_id},
            )

    def hold(self, version: Version) -> bool:
        """True when a version is under legal hold."""
        with s3_errors("reading a legal hold"):
            try:
                return bool(
                    self._client.is_object_legal_hold_enabled(
                        self.name, version.key, version_id=version.version_id
                    )
                )
            except S3Error as error:
                if error.code not in NO_LOCK:
                    raise
                return False

    def set_hold(self, version: Version, on: bool) -> None:
        """Place or lift the legal hold of a version."""
        with s3_errors("setting a legal hold"):
            change = self._client.enable_object_legal_hold if on else self._client.disable_object_legal_hold
            change(self.name, version.key, version_id=version.version_id)

    def count_uploads(self, prefix: str) -> int:
        """How many multipart uploads below a prefix are unfinished; from 1000 on it counts no further."""
        with s3_errors("listing unfinished uploads"):
            return len(self._client._list_multipart_uploads(self.name, prefix=prefix).uploads)

    def abort_uploads(self, key: str) -> None:
        """Throw away what unfinished multipart uploads of a key left on the server."""
        with s3_errors("clearing unfinished uploads"):
            listed = self._client._list_multipart_uploads(self.name, prefix=key).uploads
            for upload in listed:
                if unquote_plus(upload.object_name) == key:
                    self._client._abort_multipart_upload(self.name, key, upload.upload_id)


def parse_retention(answer: bytes) -> datetime | None:
    """Retention date in an S3 answer, rounded up to a whole second; None when there is none.

    Raises:
        ValueError: There is one, in another form than S3's.
    """
    if b"RetainUntilDate" not in answer:
        return None
    match = _RETAIN_UNTIL.search(answer)
    if match is None:
        raise ValueError("retention date in an unknown form")
    seconds, fraction = match.groups()
    moment = datetime.fromisoformat(seconds.decode()).replace(tzinfo=UTC)
    return whole_seconds(moment.replace(microsecond=1 if fraction and int(fraction) else 0))


def plain_etag(etag: object) -> str:
    """A mark without its quotes."""
    return "" if etag is None else str(etag).strip('"')


def _s3_tags(tags: Mapping[str, str]) -> Any:
    result = Tags.new_object_tags()
    for key, value in tags.items():
        result[key] = value
    return result
