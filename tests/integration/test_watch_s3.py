"""A drop folder in a bucket of a real S3 server."""

from __future__ import annotations

import io
import json
import struct
import uuid
from types import SimpleNamespace

import pytest

from callveil.adapters.subject_keys import SubjectKeys
from callveil.config import Profile, ServiceConfig
from callveil.errors import ConfigError, NotFoundError
from callveil.pipeline.watch import Looked, Watcher
from callveil.testing import ManualClock, MemoryLanding, temporary_ledger

pytestmark = pytest.mark.s3
pytest.importorskip("minio", reason="the extra s3 is not installed")

from callveil.adapters.drop_bucket import DropBucket  # noqa: E402  needs minio
from callveil.adapters.s3_folder import S3Folder  # noqa: E402


def wav(samples: bytes = b"\1\2" * 800) -> bytes:
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 8000, 16000, 2, 16)
    return (
        b"RIFF"
        + struct.pack("<I", 36 + len(samples))
        + b"WAVE"
        + form
        + struct.pack("<4sI", b"data", len(samples))
        + samples
    )


class Bucket:
    """A prefix of a bucket, and what stands behind it."""

    def __init__(self, server, name: str, ledger) -> None:
        self.server, self.client, self.name = server, server.client(), name
        self.prefix = f"drop-{uuid.uuid4().hex[:8]}"
        self.landing, self.ledger, self.clock = MemoryLanding(), ledger, ManualClock()

    def drop(self, **changes) -> DropBucket:
        arguments = {
            "endpoint": self.server.endpoint,
            "name": self.name,
            "access_key": self.server.access_key,
            "secret_key": self.server.secret_key,
            "secure": self.server.secure,
            "region": self.server.region,
            "timeout_s": 20.0,
            "attempts": 2,
        }
        return DropBucket(S3Folder(**{**arguments, **changes}), self.prefix)

    def put(self, name: str, content: bytes | str) -> None:
        data = content.encode() if isinstance(content, str) else content
        self.client.put_object(self.name, f"{self.prefix}/{name}", io.BytesIO(data), len(data))

    def pair(self, call_id: str, *, audio: bytes | None = None, consent: str = "granted") -> None:
        self.put(f"{call_id}.wav", wav() if audio is None else audio)
        self.put(f"{call_id}.json", json.dumps({"call_id": call_id, "consent": consent}))

    def look(self, *, settle_s: float = -60.0, orphan_after_s: float = 3600.0, drop=None) -> Looked:
        service = SimpleNamespace(
            ledger=self.ledger,
            landing=self.landing,
            clock=self.clock,
            settings=ServiceConfig(),
            config=SimpleNamespace(profile=Profile()),
            hasher=SubjectKeys([bytes(32)]),
        )
        return Watcher(drop or self.drop(), service, settle_s=settle_s, orphan_after_s=orphan_after_s).look()

    def everything(self) -> list[str]:
        found = self.client.list_objects(
            self.name, prefix=f"{self.prefix}/", recursive=True, include_version=True
        )
        return sorted(each.object_name.removeprefix(f"{self.prefix}/") for each in found)


@pytest.fixture(params=["plain", "unversioned"])
def bucket(request, s3_server, s3_buckets):
    client = s3_server.client()
    name = s3_buckets["plain"]
    if request.param == "unversioned":
        name = f"callveil-test-{uuid.uuid4().hex[:12]}-none"
        client.make_bucket(name)
    with temporary_ledger() as ledger:
        found = Bucket(s3_server, name, ledger)
        yield found
        if request.param == "unversioned":
            for each in client.list_objects(name, recursive=True):
                client.remove_object(name, each.object_name)
            client.remove_bucket(name)


def test_a_pair_becomes_a_call_and_no_version_is_left(bucket):
    bucket.pair("c-1", audio=wav(b"\x09\x09" * 100))
    bucket.pair("c-1")  # sent once more, over the first
    bucket.put("other/deeper.wav", wav())
    bucket.put(".hidden.wav", wav())
    bucket.put("late.wav.part", wav())
    assert bucket.look() == Looked(accepted=1)
    assert bucket.ledger.get("c-1").source == "s3"
    assert b"".join(bucket.landing.read(bucket.ledger.get("c-1").landing)) == wav()
    assert bucket.everything() == [".hidden.wav", "late.wav.part", "other/deeper.wav"]
    bucket.pair("c-1")
    assert bucket.look() == Looked(known=1)
    assert len(bucket.ledger.calls()) == 1


def test_a_young_object_waits_by_the_servers_clock(bucket):
    bucket.pair("c-1")
    assert bucket.look(settle_s=60) == Looked(waiting=1)
    ages = [file.age_s for file in bucket.drop().files()]
    assert all(-5 < age < 30 for age in ages)


def test_broken_and_lonely_objects_move_to_the_quarantine(bucket):
    bucket.pair("bad", audio=b"no audio at all")
    bucket.put("lonely.wav", wav())
    assert bucket.look() == Looked(quarantined=1, waiting=1)
    assert bucket.look(orphan_after_s=-60) == Looked(quarantined=1)
    assert bucket.everything() == [
        "quarantine/bad.json",
        "quarantine/bad.reason.txt",
        "quarantine/bad.wav",
        "quarantine/lonely.reason.txt",
        "quarantine/lonely.wav",
    ]
    bucket.pair("bad", audio=b"again no audio")
    bucket.look()
    assert {"quarantine/bad-2.wav", "quarantine/bad-2.reason.txt"} <= set(bucket.everything())
    reason = (
        bucket.client.get_object(bucket.name, f"{bucket.prefix}/quarantine/bad.reason.txt").read().decode()
    )
    assert "audio: is not audio" in reason
    assert "Found: .json, .wav" in reason


def test_an_object_put_in_the_place_of_a_taken_one_stays(bucket):
    bucket.pair("c-1")
    drop = bucket.drop()
    (seen,) = [file for file in drop.files() if file.name == "c-1.wav"]
    bucket.put("c-1.wav", wav(b"\7\7" * 10))
    with pytest.raises(NotFoundError), drop.read(seen) as pieces:
        list(pieces)
    drop.remove(seen)
    (now,) = [file for file in drop.files() if file.name == "c-1.wav"]
    assert now.n_bytes == len(wav(b"\7\7" * 10))
    bucket.look()


def test_more_objects_than_a_page_of_the_listing(bucket):
    if bucket.name.endswith("-none"):
        pytest.skip("once is enough")
    from multiprocessing.pool import ThreadPool

    with ThreadPool(8) as pool:
        pool.map(lambda number: bucket.put(f"n{number:04}.json", "{}"), range(1100))
    assert sum(1 for _ in bucket.drop().files()) == 1100
    bucket.prefix += "-done"


def test_a_big_recording_comes_in_pieces(bucket):
    audio = wav(bytes(range(256)) * 4 * 5000)
    bucket.pair("big", audio=audio)
    assert bucket.look().accepted == 1
    assert bucket.ledger.get("big").n_bytes == len(audio)


def test_wrong_keys_and_no_bucket_are_said(bucket):
    bucket.pair("c-1")
    for wrong in (
        bucket.drop(name="callveil-test-there-is-none"),
        bucket.drop(secret_key="wrong-wrong-wrong"),
    ):
        with pytest.raises(ConfigError):
            bucket.look(drop=wrong)
    bucket.look()


def test_a_locked_bucket_says_so_and_loses_nothing(s3_server, s3_buckets):
    with temporary_ledger() as ledger:
        found = Bucket(s3_server, s3_buckets["lock"], ledger)
        found.pair("c-1")
        client = found.client
        client.enable_object_legal_hold(found.name, f"{found.prefix}/c-1.wav")
        assert found.look().failed == 1
        assert len(ledger.calls()) == 1
        client.disable_object_legal_hold(found.name, f"{found.prefix}/c-1.wav")
        assert found.look() == Looked(known=1)
        assert found.everything() == []


@pytest.mark.parametrize(("step", "nth"), [("read", 2), ("remove", 1), ("remove", 2)])
def test_dying_at_any_step_loses_and_doubles_nothing(bucket, step, nth):
    bucket.pair("c-1")
    drop = bucket.drop()
    does, left = getattr(drop, step), nth

    def die(*arguments):
        nonlocal left
        left -= 1
        if left == 0:
            raise KeyboardInterrupt
        return does(*arguments)

    setattr(drop, step, die)
    with pytest.raises(KeyboardInterrupt):
        bucket.look(drop=drop)
    bucket.look()
    bucket.look(orphan_after_s=-60)
    assert [call.call_id for call in bucket.ledger.calls()] == ["c-1"]
    assert bucket.everything() == []
    assert len(bucket.landing.recordings) == 1
