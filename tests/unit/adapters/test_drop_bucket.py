"""The drop folder in a bucket, over a bucket in memory; tests/integration has the real server."""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

pytest.importorskip("minio", reason="the extra s3 is not installed")

from callveil.adapters.drop_bucket import DropBucket
from callveil.adapters.s3_bucket import Version
from callveil.adapters.s3_folder import Listed
from callveil.errors import NotFoundError, RefusedError, StoreError

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)


def mark(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


class FakeBucket:
    """Versions of objects, newest first; None is a delete marker."""

    name = "bucket"

    def __init__(self, *, keeps_versions: bool = True, answers_short: int = 0) -> None:
        self.content: dict[str, list[bytes | None]] = {}
        self.keeps_versions, self.answers_short = keeps_versions, answers_short
        self.refuses = False

    def put(self, key: str, content: bytes | None) -> None:
        earlier = self.content.get(key, []) if self.keeps_versions else []
        self.content[key] = [content, *earlier]

    def server_time(self) -> datetime:
        return NOW

    def folder(self, prefix):
        if self.refuses:
            raise RefusedError("no right")
        for key, versions in sorted(self.content.items()):
            name = key.removeprefix(prefix)
            if key.startswith(prefix) and "/" not in name and versions[0] is not None:
                yield Listed(
                    key=key,
                    n_bytes=len(versions[0]),
                    etag=mark(versions[0]),
                    changed_at=NOW - timedelta(seconds=7),
                )

    @contextmanager
    def open(self, key, *, etag):
        content = self.content.get(key, [None])[0]
        if self.refuses:
            raise RefusedError("no right")
        if content is None or mark(content) != etag:
            raise NotFoundError("another one")
        yield iter([content[: len(content) - self.answers_short]])

    def etag(self, key):
        content = self.content.get(key, [None])[0]
        return None if content is None else mark(content)

    def has_versions(self) -> bool:
        return self.keeps_versions

    def versions(self, prefix):
        return [
            Version(
                key=key,
                version_id=str(len(found) - index),
                n_bytes=len(content or b""),
                is_latest=index == 0,
                is_marker=content is None,
                etag="" if content is None else mark(content),
            )
            for key, found in self.content.items()
            if key.startswith(prefix)
            for index, content in enumerate(found)
        ]

    def remove(self, versions, *, bypass_governance):
        assert not bypass_governance
        if self.refuses:
            raise RefusedError("a lock")
        for version in versions:
            found = self.content[version.key]
            total = len(found)
            found[total - int(version.version_id)] = b"removed"
        for key in {version.key for version in versions}:
            self.content[key] = [each for each in self.content[key] if each != b"removed"]
            if not self.content[key]:
                del self.content[key]

    def remove_key(self, key):
        del self.content[key]

    def copy(self, key, to, *, etag):
        assert self.etag(key) == etag
        self.put(to, self.content[key][0])

    def put_text(self, key, text):
        self.put(key, text.encode())


def only(drop: DropBucket):
    (found,) = drop.files()
    return found


def test_only_objects_directly_below_the_prefix_are_seen():
    bucket = FakeBucket()
    for key in (
        "in/a.wav",
        "in/b/a.wav",
        "in/.a",
        "in/a.tmp",
        "in/quarantine/a.wav",
        "other/a.wav",
        "in/quarantine",
    ):
        bucket.put(key, b"x")
    found = only(DropBucket(bucket, "in"))
    assert (found.name, found.age_s, found.changed_at) == ("a.wav", 7.0, NOW - timedelta(seconds=7))


def test_every_version_goes_and_others_stay():
    bucket = FakeBucket()
    for content in (b"first", None, b"second"):
        bucket.put("in/a.wav", content)
    bucket.put("in/a.wav.part", b"x")
    drop = DropBucket(bucket, "in")
    assert drop.remove(only(drop))
    assert list(bucket.content) == ["in/a.wav.part"]


def test_a_newer_version_and_what_lies_on_it_stay():
    bucket = FakeBucket()
    bucket.put("in/a.wav", b"old")
    bucket.put("in/a.wav", b"seen")
    drop = DropBucket(bucket, "in")
    seen = only(drop)
    bucket.put("in/a.wav", b"new")
    assert drop.remove(seen)
    assert bucket.content == {"in/a.wav": [b"new"]}


def test_a_marker_on_the_version_that_was_seen_goes_too():
    bucket = FakeBucket()
    bucket.put("in/a.wav", b"seen")
    drop = DropBucket(bucket, "in")
    seen = only(drop)
    bucket.put("in/a.wav", None)
    assert drop.remove(seen)
    assert bucket.content == {}
    assert drop.remove(seen) is False


def test_a_bucket_without_versions_compares_before_it_deletes():
    bucket = FakeBucket(keeps_versions=False)
    bucket.put("in/a.wav", b"seen")
    drop = DropBucket(bucket, "in")
    seen = only(drop)
    bucket.put("in/a.wav", b"new")
    assert drop.remove(seen) is False
    assert drop.remove(only(drop))
    assert bucket.content == {}


def test_an_answer_that_is_cut_is_no_recording():
    bucket = FakeBucket(answers_short=1)
    bucket.put("in/a.wav", b"seen")
    drop = DropBucket(bucket, "in")
    with drop.read(only(drop)) as pieces, pytest.raises(NotFoundError):
        list(pieces)


def test_missing_rights_break_no_pair():
    bucket = FakeBucket()
    bucket.put("in/a.wav", b"seen")
    drop = DropBucket(bucket, "in")
    seen = only(drop)
    bucket.refuses = True
    with pytest.raises(StoreError), drop.read(seen):
        pass
    with pytest.raises(StoreError):
        drop.remove(seen)
    with pytest.raises(StoreError):
        list(drop.files())


def test_the_quarantine_keeps_what_is_there():
    bucket = FakeBucket()
    drop = DropBucket(bucket, "")
    for content in (b"one", b"two"):
        bucket.put("a.wav", content)
        drop.quarantine([only(drop)], "a", "why")
    assert {key: found[0] for key, found in bucket.content.items()} == {
        "quarantine/a.reason.txt": b"why",
        "quarantine/a.wav": b"one",
        "quarantine/a-2.reason.txt": b"why",
        "quarantine/a-2.wav": b"two",
    }
    bucket.put("b.wav", b"x")
    seen = only(drop)
    bucket.put("b.wav", b"y")
    drop.quarantine([seen], "b", "why")
    assert "quarantine/b.reason.txt" not in bucket.content
