"""Object stores to run the contract suite on: a folder, and two buckets of a real S3 server."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from callveil.adapters.store_local import LocalStore
from callveil.ports import ObjectStore
from callveil.testing import MemoryStore
from callveil.vocabulary.recording import MaskedDocument, MaskedFile, Part, PublishedPart

_SCRIPTS = Path(__file__).parents[2] / "deploy" / "test-s3"
_PROGRAMS = (
    "ceph",
    "ceph-authtool",
    "ceph-mon",
    "ceph-osd",
    "curl",
    "monmaptool",
    "radosgw",
    "radosgw-admin",
    "uuidgen",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Server:
    """Where the S3 server is, and its keys."""

    endpoint: str
    access_key: str
    secret_key: str
    secure: bool
    region: str | None

    def client(self) -> Any:
        minio = pytest.importorskip("minio")
        return minio.Minio(
            self.endpoint,
            access_key=self.access_key,
            secret_key=self.secret_key,
            secure=self.secure,
            region=self.region,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedStore:
    """A store under test, and how to look behind it.

    Attributes:
        store: The store; empty.
        spec: Arguments that open it once more, with "kind" ("local" or "s3").
        everything: Names of all that is kept, visible or not; lock files left out.
    """

    store: ObjectStore
    spec: dict[str, Any]
    everything: Callable[[], list[str]]


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """An S3 server: the one of the environment, or one of our own for this session."""
    given = os.environ.get("CALLVEIL_TEST_S3_ENDPOINT")
    if given:
        url = urlsplit(given)
        yield S3Server(
            endpoint=url.netloc,
            access_key=os.environ["CALLVEIL_TEST_S3_ACCESS_KEY"],
            secret_key=os.environ["CALLVEIL_TEST_S3_SECRET_KEY"],
            secure=url.scheme == "https",
            region=os.environ.get("CALLVEIL_TEST_S3_REGION"),
        )
        return
    missing = [program for program in _PROGRAMS if shutil.which(program) is None]
    if missing:
        reason = f"no S3 server: {', '.join(missing)} not installed; see deploy/test-s3/README.md"
        if os.environ.get("CALLVEIL_TEST_REQUIRE_S3") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    # Not pytest's own temporary folder: its path is too long for Ceph's sockets.
    folder = Path(tempfile.mkdtemp(prefix="cv-s3-", dir="/tmp"))
    port, mon_port = _free_ports(2)
    try:
        started = subprocess.run(
            [str(_SCRIPTS / "up.sh"), str(folder), str(port)],
            env={**os.environ, "MON_PORT": str(mon_port)},
            capture_output=True,
            text=True,
            timeout=240,
        )
        if started.returncode != 0:
            pytest.fail(f"the S3 server did not start: {started.stderr[-1000:]}")
        yield S3Server(
            endpoint=f"127.0.0.1:{port}",
            access_key="devaccess",
            secret_key="devsecret123",
            secure=False,
            region=None,
        )
    finally:
        subprocess.run([str(_SCRIPTS / "down.sh"), str(folder)], check=False, timeout=60)
        shutil.rmtree(folder, ignore_errors=True)


def _free_ports(n_ports: int) -> list[int]:
    sockets = [socket.socket() for _ in range(n_ports)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


@pytest.fixture(scope="session")
def s3_buckets(s3_server: S3Server) -> Iterator[dict[str, str]]:
    """Names of a bucket with Object Lock ("lock") and of one with versions only ("plain")."""
    client = s3_server.client()
    from minio.commonconfig import ENABLED
    from minio.versioningconfig import VersioningConfig

    run = f"callveil-test-{uuid.uuid4().hex[:12]}"
    buckets = {"lock": f"{run}-lock", "plain": f"{run}-plain"}
    client.make_bucket(buckets["lock"], object_lock=True)
    client.make_bucket(buckets["plain"])
    client.set_bucket_versioning(buckets["plain"], VersioningConfig(ENABLED))
    yield buckets
    for kind, bucket in buckets.items():
        _remove_bucket(client, bucket, has_lock=kind == "lock")


def _remove_bucket(client: Any, bucket: str, *, has_lock: bool) -> None:
    from minio.deleteobjects import DeleteObject

    versions = list(client.list_objects(bucket, recursive=True, include_version=True))
    for version in versions:
        if has_lock and not version.is_delete_marker:
            client.disable_object_legal_hold(bucket, version.object_name, version_id=version.version_id)
    targets = [DeleteObject(version.object_name, version.version_id) for version in versions]
    for error in client.remove_objects(bucket, targets, bypass_governance_mode=True):
        raise RuntimeError(f"the test bucket cannot be emptied: {error.code}")
    client.remove_bucket(bucket)


def _open_local(root: Path) -> OpenedStore:
    def everything() -> list[str]:
        found = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
        return sorted(path.as_posix() for path in found if path.parts[:2] != (".callveil", "locks"))

    return OpenedStore(
        store=LocalStore(root), spec={"kind": "local", "root": str(root)}, everything=everything
    )


def _open_s3(server: S3Server, bucket: str) -> OpenedStore:
    from callveil.adapters.store_s3 import S3Store

    base = f"t-{uuid.uuid4().hex}"
    arguments = {
        "endpoint": server.endpoint,
        "bucket": bucket,
        "prefix": base,
        "access_key": server.access_key,
        "secret_key": server.secret_key,
        "secure": server.secure,
        "region": server.region,
    }
    client = server.client()

    def everything() -> list[str]:
        versions = client.list_objects(bucket, prefix=f"{base}/", recursive=True, include_version=True)
        uploads = client._list_multipart_uploads(bucket, prefix=f"{base}/").uploads
        names = [version.object_name for version in versions]
        names += [f"upload of {upload.object_name}" for upload in uploads]
        return sorted(name.replace(f"{base}/", "") for name in names)

    return OpenedStore(store=S3Store(**arguments), spec={"kind": "s3", **arguments}, everything=everything)


class _SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)


def _open_memory() -> OpenedStore:
    store = MemoryStore(clock=_SystemClock())
    return OpenedStore(
        store=store,
        spec={"kind": "memory"},
        everything=lambda: sorted(stored.key for stored in store.list_objects("")),
    )


def _open(kind: str, request: pytest.FixtureRequest) -> OpenedStore:
    if kind == "memory":
        if request.node.path.name == "test_object_store_failures.py":
            pytest.skip("the store in memory lives in one process and one thread")
        return _open_memory()
    if kind == "local":
        return _open_local(request.getfixturevalue("tmp_path") / "store")
    server = request.getfixturevalue("s3_server")
    return _open_s3(server, request.getfixturevalue("s3_buckets")[kind.removeprefix("s3-")])


_LOCKING = ["memory", "local", pytest.param("s3-lock", marks=pytest.mark.s3)]


@pytest.fixture(params=[*_LOCKING, pytest.param("s3-plain", marks=pytest.mark.s3)])
def opened(request: pytest.FixtureRequest) -> OpenedStore:
    """Every store."""
    return _open(request.param, request)


@pytest.fixture(params=_LOCKING)
def locking(request: pytest.FixtureRequest) -> OpenedStore:
    """Every store that can hold a call."""
    return _open(request.param, request)


@pytest.fixture
def s3_lock(request: pytest.FixtureRequest) -> OpenedStore:
    """The bucket with Object Lock."""
    return _open("s3-lock", request)


@pytest.fixture
def s3_plain(request: pytest.FixtureRequest) -> OpenedStore:
    """The bucket with versions only."""
    return _open("s3-plain", request)


@pytest.fixture
def make_parts(tmp_path: Path) -> Callable[..., list[PublishedPart]]:
    """Build the five parts of a call."""

    def build(
        mark: str = "one", *, audio: bytes | None = None, without: tuple[Part, ...] = ()
    ) -> list[PublishedPart]:
        content = audio if audio is not None else f"audio {mark}".encode() * 100
        path = tmp_path / f"{uuid.uuid4().hex}.flac"
        path.write_bytes(content)
        body = MaskedFile(path=path, sha256=hashlib.sha256(content).hexdigest(), n_bytes=len(content))
        parts = [PublishedPart(part=Part.AUDIO, body=body, media_type="audio/flac")]
        for part in (Part.CERTIFICATE, Part.TRANSCRIPT, Part.CAPTIONS, Part.VCON):
            document = MaskedDocument(content=f"{part} {mark}".encode())
            parts.append(PublishedPart(part=part, body=document, media_type="application/json"))
        return [part for part in parts if part.part not in without]

    return build
