"""Sealed originals in a versioned S3 bucket: `<prefix>originals/<call id>/key.json` and `<random>.sealed`."""

from __future__ import annotations

from collections.abc import Iterator

from callveil.adapters import store_rules as rules
from callveil.adapters.s3_bucket import S3Bucket
from callveil.adapters.sealed_original import key_json, parse_key
from callveil.adapters.store_bodies import BodyReader, open_body
from callveil.errors import NotFoundError, StoreError
from callveil.vocabulary.original import SealedKey, SealedOriginal
from callveil.vocabulary.recording import MaskedDocument

_KEY = "key.json"
_PART_BYTES = 32 << 20


class S3Originals:
    """`OriginalStore` in a bucket.

    Args:
        endpoint: "host" or "host:port".
        bucket: Its name; it must keep versions, so that nothing is lost half-way.
        prefix: Folder in the bucket, "" for none.
        access_key: Public half of the credentials.
        secret_key: Secret half.
        secure: HTTPS.
        region: None to ask the server.

    Raises:
        ConfigError: The endpoint or the bucket's name cannot be one.
        MetadataError: The prefix cannot be one.
    """

    def __init__(
        self,
        *,
        endpoint: str,
        bucket: str,
        prefix: str,
        access_key: str,
        secret_key: str,
        secure: bool,
        region: str | None,
    ) -> None:
        folder = prefix.strip("/")
        if folder:
            rules.check_key(folder)
        self._base = f"{folder}/originals/" if folder else "originals/"
        self._place = f"{endpoint}/{bucket}/{self._base}"
        self._is_checked = False
        self._raw = S3Bucket(
            endpoint=endpoint,
            name=bucket,
            access_key=access_key,
            secret_key=secret_key,
            secure=secure,
            region=region,
            timeout_s=60,
            attempts=4,
        )

    def __repr__(self) -> str:
        return f"S3Originals({self._place!r})"

    def put(self, sealed: SealedOriginal) -> None:
        """See `OriginalStore.put`."""
        if not isinstance(sealed, SealedOriginal):
            raise TypeError(f"only SealedOriginal is stored, not {type(sealed).__name__}")
        folder = self._folder(sealed.call_id)
        try:
            stream = sealed.path.open("rb")
        except OSError as error:
            raise StoreError(f"storing an original: {error.strerror}") from error
        with stream:
            reader = BodyReader(stream, n_bytes=sealed.key.n_bytes, sha256=sealed.key.sha256)
            self._put(folder + sealed.key.name, reader, "application/octet-stream")
        self._put_key(folder, sealed.key)
        self._remove(folder, but={_KEY, sealed.key.name})

    def key(self, call_id: str) -> SealedKey:
        """See `OriginalStore.key`."""
        return parse_key(self._bucket.get(self._folder(call_id) + _KEY))

    def replace_key(self, call_id: str, key: SealedKey) -> None:
        """See `OriginalStore.replace_key`."""
        if self.key(call_id).name != key.name:
            raise NotFoundError("originals: the call has another original now")
        folder = self._folder(call_id)
        self._put_key(folder, key)
        self._remove(folder, but={_KEY, key.name})

    def read(self, call_id: str, key: SealedKey) -> Iterator[bytes]:
        """See `OriginalStore.read`; the object is held in memory."""
        yield self._bucket.get(self._folder(call_id) + key.name)

    def call_ids(self) -> Iterator[str]:
        """See `OriginalStore.call_ids`."""
        for key, _, _ in self._bucket.objects(self._base):
            call_id, _, name = key.removeprefix(self._base).rpartition("/")
            if name == _KEY:
                yield call_id

    def delete(self, call_id: str) -> bool:
        """See `OriginalStore.delete`."""
        return self._remove(self._folder(call_id), but=set())

    @property
    def _bucket(self) -> S3Bucket:
        """The bucket, once it is known to keep versions."""
        if not self._is_checked:
            self._raw.check()
            self._is_checked = True
        return self._raw

    def _put_key(self, folder: str, key: SealedKey) -> None:
        with open_body(MaskedDocument(content=key_json(key))) as reader:
            self._put(folder + _KEY, reader, "application/json")

    def _put(self, key: str, reader: BodyReader, media_type: str) -> None:
        self._bucket.put(
            key, reader, media_type=media_type, tags={}, retain_until=None, part_bytes=_PART_BYTES
        )

    def _remove(self, folder: str, *, but: set[str]) -> bool:
        """Delete all versions but the newest ones of these names; keys first: without them nothing opens."""
        versions = [
            version
            for version in self._bucket.versions(folder)
            if not (version.is_latest and version.key.removeprefix(folder) in but)
        ]
        for is_key in (True, False):
            if part := [version for version in versions if version.key.endswith(f"/{_KEY}") == is_key]:
                self._bucket.remove(part)
        return bool(versions)

    def _folder(self, call_id: str) -> str:
        rules.check_call_prefix(f"calls/2000/01/01/{call_id}/")  # one segment that any store takes
        return f"{self._base}{call_id}/"
