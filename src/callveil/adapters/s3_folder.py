"""What a drop folder in a bucket needs of the minio SDK beyond `S3Bucket`."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from minio.commonconfig import ComposeSource
from minio.error import S3Error
from minio.versioningconfig import OFF

from callveil.adapters.s3_bucket import S3Bucket, plain_etag
from callveil.adapters.s3_errors import NOT_FOUND, s3_errors
from callveil.errors import NotFoundError


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """An object as a listing shows it.

    Attributes:
        key: Key in the bucket.
        n_bytes: Size.
        etag: The server's mark of the content.
        changed_at: When it was put there, by the server's clock, aware UTC.
    """

    key: str
    n_bytes: int
    etag: str
    changed_at: datetime


class S3Folder(S3Bucket):
    """A bucket whose prefixes are used as folders; it need not keep versions."""

    @contextmanager
    def open(self, key: str, *, etag: str) -> Iterator[Iterator[bytes]]:
        """Read an object as it comes, in pieces of 1 MiB.

        Raises:
            NotFoundError: It is not there, or is another one.
        """
        action = "reading an object"
        with s3_errors(action):
            try:
                response = self._client.get_object(self.name, key, request_headers={"If-Match": f'"{etag}"'})
            except S3Error as error:
                if error.code != "PreconditionFailed":
                    raise
                raise NotFoundError(f"{action}: it is another one now") from None
        try:
            if plain_etag(response.headers.get("ETag")) != etag:
                raise NotFoundError(f"{action}: it is another one now")
            yield _pieces(response, action)
        finally:
            response.close()
            response.release_conn()

    def folder(self, prefix: str) -> Iterator[Listed]:
        """Every object directly below a prefix (ending in "/" or empty); a page of 1000 is in memory."""
        with s3_errors("listing objects"):
            for found in self._client.list_objects(self.name, prefix=prefix, recursive=False):
                if not found.is_dir:
                    yield Listed(
                        key=found.object_name,
                        n_bytes=found.size or 0,
                        etag=plain_etag(found.etag),
                        changed_at=found.last_modified.astimezone(UTC),
                    )

    def server_time(self) -> datetime | None:
        """The time by the server's clock, aware UTC; None when it does not tell."""
        with s3_errors("looking for the bucket"):
            told = self._client._execute("HEAD", self.name).headers.get("Date")
            return None if told is None else parsedate_to_datetime(told).astimezone(UTC)

    def etag(self, key: str) -> str | None:
        """The mark of an object's content; None when there is no such object."""
        with s3_errors("looking for an object"):
            try:
                return plain_etag(self._client.stat_object(self.name, key).etag)
            except S3Error as error:
                if error.code not in NOT_FOUND:
                    raise
                return None

    def has_versions(self) -> bool:
        """True when the bucket keeps versions, or has kept some."""
        with s3_errors("opening the bucket"):
            return bool(self._client.get_bucket_versioning(self.name).status != OFF)

    def copy(self, key: str, to: str, *, etag: str) -> None:
        """Copy an object inside the bucket, on the server, if it is still that one."""
        with s3_errors("copying an object"):
            source = ComposeSource(self.name, key, match_etag=etag)
            self._client.compose_object(self.name, to, [source])

    def put_text(self, key: str, text: str) -> None:
        """Store a short text."""
        content = text.encode("utf-8")
        with s3_errors("storing an object"):
            self._client.put_object(
                self.name, key, io.BytesIO(content), len(content), content_type="text/plain; charset=utf-8"
            )

    def remove_key(self, key: str) -> None:
        """Delete an object of a bucket that keeps no versions."""
        with s3_errors("deleting an object"):
            self._client.remove_object(self.name, key)


def _pieces(response: Any, action: str) -> Iterator[bytes]:
    while True:
        # Not around the yield: what the caller raises there is not the server's.
        with s3_errors(action):
            piece = bytes(response.read(1 << 20))
        if not piece:
            return
        yield piece
