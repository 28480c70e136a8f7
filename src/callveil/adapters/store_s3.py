"""An object store in an S3 bucket with versions and, where it has it, Object Lock.

The parts of a call are stored under their final names, the certificate last: a call without certificate is
not there. It is removed first. One process publishes or deletes a given call at a time; S3 has no lock for
that, so two at once may end with the call missing, never with a call that is shown in part.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import groupby

from callveil.adapters import store_rules as rules
from callveil.adapters.s3_bucket import S3Bucket, Version
from callveil.adapters.store_bodies import body_size, check_bodies, open_body
from callveil.errors import ConfigError, NotFoundError, RefusedError, StoreError
from callveil.ports import StoredObject
from callveil.vocabulary.recording import MaskedDocument, Part, PublishedPart

_MEDIA_TYPES = {
    Part.AUDIO: "audio/flac",
    Part.TRANSCRIPT: "application/json",
    Part.CAPTIONS: "text/vtt",
    Part.VCON: "application/vcon+json",
    Part.CERTIFICATE: "application/json",
}

_PART_BYTES = 16 << 20
"""Audio above this goes up in parts of this size, one in memory at a time; S3 allows 5 MiB and more."""


_NEXT = ".next/"
"""Where in a call's folder a new version waits whole before the earlier one goes. It is no object of the
call, but goes with all that is in its folder."""


class S3Store:
    """`ObjectStore` in an S3 bucket. The bucket exists already and keeps versions.

    Without Object Lock the retention date is kept in the tag "callveil-retain-until", which binds everyone
    who works through this class but not the server; a legal hold is refused there, and the tag
    "callveil-hold", always "no", is left out to make room.

    Args:
        endpoint: "host" or "host:port".
        bucket: Its name.
        access_key: Public half of the credentials.
        secret_key: Secret half; never printed.
        prefix: Folder inside the bucket that holds everything; "" for the whole bucket.
        secure: HTTPS.
        region: None to ask the server.
        timeout_s: Longest wait for a connection and between two packets.
        attempts: How often a request is tried when the server is away or overloaded.

    Raises:
        ConfigError: An argument cannot be right. The server is asked at the first use, and any method
            raises it when the bucket is missing, keeps no versions, or the keys are wrong.
    """

    def __init__(
        self,
        *,
        endpoint: str,
        bucket: str,
        access_key: str,
        secret_key: str,
        prefix: str = "",
        secure: bool = True,
        region: str | None = None,
        timeout_s: float = 60.0,
        attempts: int = 4,
    ) -> None:
        folder = prefix.strip("/")
        if folder:
            rules.check_key(folder)
        self._base = f"{folder}/" if folder else ""
        self._place = f"{endpoint}/{bucket}/{self._base}"
        self._raw = S3Bucket(
            endpoint=endpoint,
            name=bucket,
            access_key=access_key,
            secret_key=secret_key,
            secure=secure,
            region=region,
            timeout_s=timeout_s,
            attempts=attempts,
        )
        self._checking = threading.Lock()
        self._has_lock: bool | None = None

    def __repr__(self) -> str:
        return f"S3Store({self._place!r})"

    @property
    def supports_lock(self) -> bool:
        """True when the bucket has Object Lock, so that the server itself refuses to delete."""
        with self._checking:
            if self._has_lock is None:
                self._has_lock = self._raw.check()
            return self._has_lock

    @property
    def _bucket(self) -> S3Bucket:
        """The bucket, once it is known to keep versions."""
        if self._has_lock is None:
            _ = self.supports_lock
        return self._raw

    def publish(
        self,
        prefix: str,
        parts: Sequence[PublishedPart],
        *,
        tags: Mapping[str, str],
        retain_until: datetime | None,
        replace: bool = False,
    ) -> None:
        """See `ObjectStore.publish`."""
        rules.check_call_prefix(prefix)
        rules.check_tags(tags, publishing=True)
        others, certificate = rules.check_parts(parts)
        until = rules.date_to_lock(retain_until, _now())
        self._make_room(prefix, parts, replace=replace)
        is_published = False
        try:
            for part in others:
                self._put(prefix, part, tags, until)
            self._check_stored(prefix, others, until)
            self._put(prefix, certificate, tags, until)
            is_published = True
        finally:
            if not is_published:
                # A second failure must not hide the first one; what stays behind has no certificate.
                with suppress(StoreError, RefusedError, ConfigError):
                    self._purge(prefix, self._versions(prefix))

    def revise(self, prefix: str, parts: Sequence[PublishedPart]) -> None:
        """See `ObjectStore.revise`."""
        rules.check_call_prefix(prefix)
        others, certificate = rules.check_parts(parts)
        versions = self._versions(prefix)
        self._require_published(prefix, versions)
        self._check_deletable(prefix, versions, bypass_governance=True)
        self._remove_next(prefix)
        tags = self._bucket.tags(self._base + prefix + Part.CERTIFICATE)
        tags = {name: value for name, value in tags.items() if name not in (rules.PART_TAG, rules.RETAIN_TAG)}
        until = rules.date_to_lock(self._latest_date(self._own(prefix, versions)), _now())
        for part in (*others, certificate):
            self._put(prefix + _NEXT, part, tags, until)
        self._move(prefix, parts, tags, until)

    def finish_revision(self, prefix: str) -> bool:
        """See `ObjectStore.finish_revision`."""
        rules.check_call_prefix(prefix)
        waiting = [version for version in self._versions(prefix + _NEXT) if not version.is_marker]
        if not waiting:
            return False
        place = self._base + prefix + _NEXT
        if not any(version.key == place + Part.CERTIFICATE for version in waiting):
            self._remove_next(prefix)
            return False
        self._check_deletable(prefix, self._versions(prefix), bypass_governance=True)
        names = sorted({version.key.removeprefix(place) for version in waiting})
        parts = [
            PublishedPart(
                part=Part(name),
                body=MaskedDocument(content=self._bucket.get(place + name)),
                media_type=_MEDIA_TYPES[Part(name)],
            )
            for name in names
        ]
        tags = self._bucket.tags(place + Part.CERTIFICATE)
        tags = {name: value for name, value in tags.items() if name not in (rules.PART_TAG, rules.RETAIN_TAG)}
        until = rules.date_to_lock(self._latest_date(waiting), _now())
        self._move(prefix, parts, tags, until)
        return True

    def put_decision(self, key: str, content: bytes) -> None:
        """See `ObjectStore.put_decision`."""
        rules.check_decision_key(key)
        part_bytes = max(len(content), _PART_BYTES)
        full_key = self._base + key
        with open_body(MaskedDocument(content=content)) as reader:
            newest = self._bucket.put(
                full_key,
                reader,
                media_type="application/json",
                tags={},
                retain_until=None,
                part_bytes=part_bytes,
            )
        earlier = [
            version
            for version in self._bucket.versions(full_key)
            if version.key == full_key and version.version_id != newest and not version.is_latest
        ]
        if earlier:
            self._bucket.remove(earlier)

    def delete_decision(self, key: str) -> bool:
        """See `ObjectStore.delete_decision`."""
        rules.check_decision_key(key)
        full_key = self._base + key
        versions = [version for version in self._bucket.versions(full_key) if version.key == full_key]
        self._remove(versions, bypass_governance=True)
        return bool(versions)

    def list_calls(self, prefix: str = rules.CALLS) -> Iterator[str]:
        """See `ObjectStore.list_calls`."""
        for call, _ in groupby(self._visible(prefix), lambda stored: rules.call_of(stored.key)):
            if call is not None and call.startswith(prefix):
                yield call

    def list_objects(self, prefix: str) -> Iterator[StoredObject]:
        """See `ObjectStore.list_objects`."""
        return (stored for stored in self._visible(prefix) if stored.key.startswith(prefix))

    def get(self, key: str) -> bytes:
        """See `ObjectStore.get`."""
        rules.check_key(key)
        content = self._bucket.get(self._base + key)
        # Looked at afterwards: what a publish is still writing is not given out.
        self._require_visible(key)
        return content

    def size(self, key: str) -> int:
        """See `ObjectStore.size`."""
        rules.check_key(key)
        n_bytes = self._bucket.size(self._base + key)
        self._require_visible(key)
        return n_bytes

    def get_range(self, key: str, start: int, n_bytes: int) -> bytes:
        """See `ObjectStore.get_range`."""
        rules.check_key(key)
        content = self._bucket.get(self._base + key, start=start, n_bytes=n_bytes)
        self._require_visible(key)
        return content

    def tags(self, key: str) -> dict[str, str]:
        """See `ObjectStore.tags`."""
        rules.check_key(key)
        self._require_visible(key)
        found = self._bucket.tags(self._base + key)
        if not self.supports_lock and rules.call_of(key) is not None:
            found[rules.HOLD_TAG] = "no"
        return {name: value for name, value in found.items() if name != rules.RETAIN_TAG}

    def set_tags(self, prefix: str, tags: Mapping[str, str]) -> None:
        """See `ObjectStore.set_tags`."""
        rules.check_call_prefix(prefix)
        rules.check_tags(tags, publishing=False)
        versions = self._published(prefix)
        self._merge_tags(versions, tags)

    def set_retention(self, prefix: str, until: datetime) -> None:
        """See `ObjectStore.set_retention`."""
        rules.check_call_prefix(prefix)
        date = rules.future_date(until, _now())
        versions = self._published(prefix)
        if not self.supports_lock:
            self._merge_tags(versions, {rules.RETAIN_TAG: _tag_date(date)})
            return
        for version in versions:
            current = self._bucket.retention(version)
            if current != date:
                shorten = current is not None and date < current
                self._bucket.set_retention(version.key, version.version_id, date, shorten=shorten)

    def retention(self, prefix: str) -> datetime | None:
        """See `ObjectStore.retention`."""
        rules.check_call_prefix(prefix)
        return self._latest_date(self._published(prefix))

    def set_legal_hold(self, prefix: str, on: bool) -> None:
        """See `ObjectStore.set_legal_hold`."""
        rules.check_call_prefix(prefix)
        versions = self._published(prefix)
        if self.supports_lock:
            for version in versions:
                self._bucket.set_hold(version, on)
        elif on:
            raise ConfigError("legal hold: the bucket has no Object Lock, so nothing would enforce it")
        self._merge_tags(versions, {rules.HOLD_TAG: "yes" if on else "no"})

    def legal_hold(self, prefix: str) -> bool:
        """See `ObjectStore.legal_hold`."""
        rules.check_call_prefix(prefix)
        return self._is_held(self._published(prefix))

    def delete_call(self, prefix: str, *, bypass_governance: bool = False) -> int:
        """See `ObjectStore.delete_call`."""
        rules.check_call_prefix(prefix)
        versions = self._versions(prefix)
        self._check_deletable(prefix, versions, bypass_governance=bypass_governance)
        # Asked for only where a date may stand: keys without that right can delete what is over.
        bypass = bypass_governance or not self._was_published(prefix, versions)
        return self._purge(prefix, versions, bypass_governance=bypass)

    def delete_parts(self, prefix: str, parts: Collection[Part], *, bypass_governance: bool = False) -> int:
        """See `ObjectStore.delete_parts`."""
        rules.check_call_prefix(prefix)
        names = rules.check_removable(parts)
        versions = self._versions(prefix)
        self._require_published(prefix, versions)
        self._remove_next(prefix)  # a revision that was cut off holds them too
        versions = self._own(prefix, versions)
        keys = {self._base + prefix + name for name in names}
        doomed = [version for version in versions if version.key in keys]
        if any(not version.is_marker for version in doomed):
            self._check_deletable(prefix, versions, bypass_governance=bypass_governance)
        if names:
            self._note_removed(prefix, [version for version in versions if version.key not in keys], names)
        self._remove(doomed, bypass_governance=bypass_governance)
        if Part.AUDIO in names:
            self._bucket.abort_uploads(self._base + prefix + Part.AUDIO)
        if doomed and any(version.key in keys for version in self._versions(prefix)):
            raise StoreError("deleting parts of a call: some of their versions are still there")
        return sum(not version.is_marker for version in doomed)

    def count_versions(self, prefix: str) -> int:
        """See `ObjectStore.count_versions`."""
        place, is_decision = self._base + prefix, rules.is_decision(prefix)
        versions = self._bucket.versions(place)
        n_versions = sum(version.key == place or not is_decision for version in versions)
        return n_versions + (0 if is_decision else self._bucket.count_uploads(place))

    def _note_removed(self, prefix: str, left: list[Version], names: Collection[str]) -> None:
        """Say on what is left which parts are gone, on the certificate first: it is what is asked."""
        certificate = self._base + prefix + Part.CERTIFICATE
        newest = [version for version in left if version.is_latest and not version.is_marker]
        for version in sorted(newest, key=lambda version: version.key != certificate):
            tags = self._bucket.tags(version.key)
            if not set(names) <= rules.removed_parts(tags):
                self._bucket.set_tags(version.key, self._fitting(rules.with_removed(tags, names)))

    def _remove(self, versions: list[Version], *, bypass_governance: bool) -> None:
        """Delete versions for good, the newest of a key last, or an older one would come to light."""
        for is_latest in (False, True):
            if some := [version for version in versions if version.is_latest is is_latest]:
                self._bucket.remove(some, bypass_governance=bypass_governance)

    def _make_room(self, prefix: str, parts: Sequence[PublishedPart], *, replace: bool) -> None:
        """Clear the way for a call: leftovers always, an earlier recording only when asked for."""
        versions = self._versions(prefix)
        was_published = self._was_published(prefix, versions)
        if was_published and not replace:
            raise RefusedError("the call is already stored; replacing it was not asked for")
        self._check_deletable(prefix, versions, bypass_governance=True)
        if was_published:
            check_bodies(parts)
        self._purge(prefix, versions)

    def _check_deletable(self, prefix: str, versions: list[Version], *, bypass_governance: bool) -> None:
        if self._is_held(versions):
            raise RefusedError("the call is under legal hold")
        # What was never published has nothing to retain; it is what a publish or a deletion left behind.
        if bypass_governance or not self._was_published(prefix, versions):
            return
        date = self._latest_date(versions)
        if date is not None and date > _now():
            raise RefusedError("the call's retention date has not come")

    def _was_published(self, prefix: str, versions: list[Version]) -> bool:
        """True also for a call that another tool hid behind a delete marker."""
        certificate = self._base + prefix + Part.CERTIFICATE
        return any(version.key == certificate and not version.is_marker for version in versions)

    def _put(self, prefix: str, part: PublishedPart, tags: Mapping[str, str], until: datetime | None) -> None:
        own = {rules.PART_TAG: part.part.value}
        if until is not None and not self.supports_lock:
            own[rules.RETAIN_TAG] = _tag_date(until)
        with open_body(part.body) as reader:
            if reader.n_bytes == 0:
                reader.check()  # the SDK does not read what is announced as empty
            # Only audio goes up in parts, so only its key can have unfinished uploads.
            part_bytes = _PART_BYTES if part.part is Part.AUDIO else max(reader.n_bytes, _PART_BYTES)
            self._bucket.put(
                self._base + prefix + part.part,
                reader,
                media_type=part.media_type,
                tags=self._fitting({**tags, **own}),
                retain_until=until if self.supports_lock else None,
                part_bytes=part_bytes,
            )

    def _own(self, prefix: str, versions: list[Version]) -> list[Version]:
        """Those that are not of a version that waits."""
        return [v for v in versions if not v.key.startswith(self._base + prefix + _NEXT)]

    def _remove_next(self, prefix: str) -> None:
        self._remove(self._versions(prefix + _NEXT), bypass_governance=True)
        self._bucket.abort_uploads(self._base + prefix + _NEXT + Part.AUDIO)

    def _move(
        self,
        prefix: str,
        parts: Sequence[PublishedPart],
        tags: Mapping[str, str],
        until: datetime | None,
    ) -> None:
        """Put parts that wait whole in the place of those that are there; again after a crash."""
        others, certificate = rules.check_parts(parts)
        self._purge_own(prefix, self._own(prefix, self._versions(prefix)))
        for part in others:
            self._put(prefix, part, tags, until)
        self._check_stored(prefix, others, until)
        self._put(prefix, certificate, tags, until)
        self._remove_next(prefix)

    def _check_stored(self, prefix: str, parts: Sequence[PublishedPart], until: datetime | None) -> None:
        """Look at what the server made of the parts before the certificate makes them visible."""
        versions = [v for v in self._own(prefix, self._versions(prefix)) if v.is_latest]
        expected = {self._base + prefix + part.part: body_size(part.body) for part in parts}
        if {version.key: version.n_bytes for version in versions} != expected:
            raise StoreError("storing a call: the server does not show what was stored")
        if until is not None and any(self._date(version) != until for version in versions):
            raise StoreError("storing a call: the server did not keep the retention date")

    def _purge(self, prefix: str, versions: list[Version], *, bypass_governance: bool = True) -> int:
        """Delete every version of a call, its certificate first; returns how many without markers."""
        self._purge_own(prefix, versions, bypass_governance=bypass_governance)
        if versions and self._versions(prefix):
            raise StoreError("deleting a call: some of its versions are still there")
        return sum(not version.is_marker for version in versions)

    def _purge_own(self, prefix: str, versions: list[Version], *, bypass_governance: bool = True) -> None:
        certificate = self._base + prefix + Part.CERTIFICATE
        # Its newest version goes last, or an older one would come to light in between.
        for version in sorted(versions, key=lambda version: version.is_latest):
            if version.key == certificate:
                self._bucket.remove([version], bypass_governance=bypass_governance)
        others = [version for version in versions if version.key != certificate]
        if others:
            self._bucket.remove(others, bypass_governance=bypass_governance)
        self._bucket.abort_uploads(self._base + prefix + Part.AUDIO)

    def _visible(self, prefix: str) -> Iterator[StoredObject]:
        """Visible objects of all calls that have to do with a prefix, and decision records below it."""
        rules.check_listed_prefix(prefix)
        scope = rules.call_of(prefix) or prefix
        found = (
            StoredObject(key=key.removeprefix(self._base), n_bytes=n_bytes, modified_at=modified_at)
            for key, n_bytes, modified_at in self._bucket.objects(self._base + scope)
        )
        for call, objects in groupby(found, lambda stored: rules.call_of(stored.key)):
            group = list(objects)
            if call is not None and any(stored.key == call + Part.CERTIFICATE for stored in group):
                yield from group
            elif call is None:
                yield from (stored for stored in group if stored.key.startswith(rules.DECISIONS))

    def _require_visible(self, key: str) -> None:
        call = rules.call_of(key)
        if key.startswith(rules.DECISIONS):
            return
        if call is None or not self._bucket.exists(self._base + call + Part.CERTIFICATE):
            raise NotFoundError("no such object, or its call is not published")

    def _versions(self, prefix: str) -> list[Version]:
        return self._bucket.versions(self._base + prefix)

    def _published(self, prefix: str) -> list[Version]:
        """Every version of a published call, without delete markers."""
        versions = self._versions(prefix)
        self._require_published(prefix, versions)
        return [version for version in versions if not version.is_marker]

    def _require_published(self, prefix: str, versions: list[Version]) -> None:
        certificate = self._base + prefix + Part.CERTIFICATE
        if not any(
            version.key == certificate and version.is_latest and not version.is_marker for version in versions
        ):
            raise NotFoundError("no such call")

    def _is_held(self, versions: list[Version]) -> bool:
        kept = (version for version in versions if not version.is_marker)
        return self.supports_lock and any(self._bucket.hold(version) for version in kept)

    def _latest_date(self, versions: list[Version]) -> datetime | None:
        dates = (self._date(version) for version in versions if not version.is_marker)
        return max((date for date in dates if date is not None), default=None)

    def _date(self, version: Version) -> datetime | None:
        if self.supports_lock:
            return self._bucket.retention(version)
        text = self._bucket.tags(version.key, version.version_id).get(rules.RETAIN_TAG)
        if text is None:
            return None
        try:
            return datetime.fromisoformat(text).astimezone(UTC)
        except ValueError as error:
            raise StoreError(f"the tag {rules.RETAIN_TAG} of a call is not a date") from error

    def _merge_tags(self, versions: list[Version], tags: Mapping[str, str]) -> None:
        newest = [version for version in versions if version.is_latest]
        merged = {version.key: {**self._bucket.tags(version.key), **tags} for version in newest}
        for key, wanted in merged.items():
            rules.check_tag_count(wanted)
            self._bucket.set_tags(key, self._fitting(wanted))

    def _fitting(self, tags: Mapping[str, str]) -> dict[str, str]:
        """What of these tags is stored: ten fit. A bucket without lock cannot hold, and needs the room."""
        return {name: value for name, value in tags.items() if self.supports_lock or name != rules.HOLD_TAG}


def _now() -> datetime:
    return datetime.now(UTC)


def _tag_date(date: datetime) -> str:
    return f"{date:%Y-%m-%dT%H:%M:%SZ}"
