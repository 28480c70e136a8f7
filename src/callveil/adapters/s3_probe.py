"""What the check of an S3 server needs beyond `S3Bucket`; see `s3_trials`."""

from __future__ import annotations

import hashlib
import io
from base64 import b64encode
from datetime import datetime
from typing import Any
from xml.etree.ElementTree import fromstring

from minio import Minio
from minio.commonconfig import ENABLED, GOVERNANCE, Tags
from minio.error import S3Error
from minio.retention import Retention

from callveil.adapters.s3_errors import NO_LOCK, s3_errors
from callveil.adapters.s3_folder import S3Folder

TRIED_TAGS = {"callveil-call": "callveil-check", "note": "a+b=c:d/e@f _.-"}
PART_BYTES = 5 << 20
"""As small as S3 allows."""


class S3Probe(S3Folder):
    """A bucket, with what only the check of a server needs."""

    def has_versioning(self) -> bool:
        """True when it keeps versions of everything that is stored now."""
        with s3_errors("opening the bucket"):
            return bool(self._client.get_bucket_versioning(self.name).status == ENABLED)

    def lock(self) -> tuple[bool, str | None]:
        """Whether it has Object Lock, and in which mode it locks by default."""
        with s3_errors("reading the bucket's lock"):
            try:
                return True, self._client.get_object_lock_config(self.name).mode
            except S3Error as error:
                if error.code not in NO_LOCK:
                    raise
                return False, None

    def put_in_parts(self, key: str, retain_until: datetime | None) -> None:
        """Store an object of two parts, with tags and a date, and no look at what became of them."""
        content = bytes(PART_BYTES + 1)
        tags = Tags.new_object_tags()
        tags.update(TRIED_TAGS)
        with s3_errors("storing an object in parts"):
            self._client.put_object(
                self.name,
                key,
                io.BytesIO(content),
                len(content),
                part_size=PART_BYTES,
                num_parallel_uploads=1,
                tags=tags,
                retention=Retention(GOVERNANCE, retain_until) if retain_until else None,
            )

    def begin_upload(self, key: str) -> None:
        """Begin an upload in parts and leave it."""
        with s3_errors("beginning an upload"):
            self._client._create_multipart_upload(self.name, key, {})

    def strangers_can_read(self, key: str, *, endpoint: str, secure: bool, region: str | None) -> bool:
        """True when somebody without keys gets an object."""
        stranger: Any = Minio(endpoint, secure=secure, region=region or "us-east-1")
        with s3_errors("reading without keys"):
            try:
                stranger.get_object(self.name, key).close()
            except S3Error:
                return False
            return True

    def lifecycle(self) -> bytes | None:
        """The lifecycle configuration as it stands; None when there is none."""
        with s3_errors("reading the lifecycle configuration"):
            try:
                return bytes(self._client._execute("GET", self.name, query_params={"lifecycle": ""}).data)
            except S3Error as error:
                if error.code != "NoSuchLifecycleConfiguration":
                    raise
                return None

    def set_lifecycle(self, configuration: bytes | None) -> None:
        """Replace the lifecycle configuration; None takes it away."""
        with s3_errors("setting the lifecycle configuration"):
            if configuration is None:
                self._client.delete_bucket_lifecycle(self.name)
                return
            md5 = hashlib.md5(configuration, usedforsecurity=False).digest()
            self._client._execute(
                "PUT",
                self.name,
                body=configuration,
                headers={"Content-MD5": b64encode(md5).decode()},
                query_params={"lifecycle": ""},
            )

    def expiring_rules(self, prefix: str) -> list[str]:
        """Ids of the enabled lifecycle rules, without Callveil's own, that delete below a prefix by age."""
        # Not with the SDK: it refuses what Ceph tells of a rule with prefix and tags.
        found = []
        with s3_errors("reading the lifecycle configuration"):
            told = self.lifecycle() or b"<none/>"
            rules = fromstring(told).iterfind("{*}Rule")  # noqa: S314  as the SDK reads all its answers
        for rule in rules:
            rule_id = rule.findtext("{*}ID") or "without an id"
            place = next((each.text or "" for each in rule.iterfind(".//{*}Prefix")), "")
            ends = rule.iterfind("{*}Expiration/*")
            deletes = any(not end.tag.endswith("ExpiredObjectDeleteMarker") for end in ends)
            deletes = deletes or rule.find("{*}NoncurrentVersionExpiration") is not None
            reaches = place.startswith(prefix) or prefix.startswith(place)
            is_on = rule.findtext("{*}Status") == "Enabled"
            if is_on and reaches and deletes and not rule_id.startswith("callveil-"):
                found.append(rule_id)
        return found
