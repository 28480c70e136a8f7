"""Real servers, of S3 and of PostgreSQL, for all tests that want one."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

LIFECYCLE_DAY_S = 5
"""A day for lifecycle rules of our own S3 server."""

_SCRIPTS = Path(__file__).parents[1] / "deploy" / "test-s3"
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


@pytest.fixture(scope="session", autouse=True)
def signing_key(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A throw-away key signs in all tests and the programs they start; the user's own stays out of them."""
    from callveil.adapters.signing_keys import KeyFolder
    from callveil.testing import ManualClock

    folder = tmp_path_factory.mktemp("keys")
    KeyFolder(folder, ManualClock()).create()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CALLVEIL_KEYS_DIR", str(folder))
        patch.delenv("CALLVEIL_SIGNING_KEY", raising=False)
        patch.delenv("CALLVEIL_SIGNING_KEY_FILE", raising=False)
        yield


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Server:
    """Where the S3 server is, and its keys; `folder` is there for a server of our own."""

    endpoint: str
    access_key: str
    secret_key: str
    secure: bool
    region: str | None
    folder: Path | None = None

    def client(self) -> Any:
        minio = pytest.importorskip("minio")
        return minio.Minio(
            self.endpoint,
            access_key=self.access_key,
            secret_key=self.secret_key,
            secure=self.secure,
            region=self.region,
        )


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
            env={**os.environ, "MON_PORT": str(mon_port), "LIFECYCLE_DAY_S": str(LIFECYCLE_DAY_S)},
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
            folder=folder,
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


class PostgresServer:
    """A throw-away PostgreSQL cluster on a Unix socket."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self.folder = folder
        self._programs = programs
        # initdb refuses to run as root.
        self._become = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"]
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres", "postgres")
        else:
            self._become = []
        self.user = "postgres" if self._become else getpass.getuser()
        # A language that sorts otherwise than Python shows what relies on the order of bytes.
        locale = ["--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en-US"]
        arguments = ["-D", str(folder / "data"), "-E", "UTF8", "-A", "trust", "-U", self.user, "--no-sync"]
        if self.run("initdb", *arguments, *locale, check=False).returncode != 0:
            shutil.rmtree(folder / "data", ignore_errors=True)
            self.run("initdb", *arguments, "--locale=C.UTF-8")
        with (folder / "data" / "postgresql.conf").open("a") as settings:
            settings.write(
                f"listen_addresses = ''\nunix_socket_directories = '{folder}'\n"
                "fsync = off\nshared_buffers = 32MB\nmax_connections = 200\nautovacuum = off\n"
            )

    def run(self, program: str, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        command = [*self._become, str(self._programs / program), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd="/")
        if check and done.returncode != 0:
            raise RuntimeError(f"{program}: {done.stderr[-500:]}")
        return done

    def start(self) -> None:
        log = str(self.folder / "log")
        self.run("pg_ctl", "start", "-w", "-t", "60", "-D", str(self.folder / "data"), "-l", log)

    def stop(self, *, mode: str = "fast") -> None:
        """Stop it: "fast", or "immediate", as if it had crashed."""
        self.run("pg_ctl", "stop", "-w", "-m", mode, "-D", str(self.folder / "data"))

    def new_database(self) -> str:
        """Make an empty database; returns its URL."""
        database = f"t{uuid.uuid4().hex}"
        self.run("createdb", "-h", str(self.folder), "-U", self.user, database)
        return f"postgresql+psycopg://{self.user}@/{database}?host={self.folder}"


def _postgresql_programs() -> Path | None:
    # Debian keeps them out of PATH.
    versions = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    newest = max(versions, key=lambda path: int(path.parts[4]), default=None)
    found = newest or shutil.which("initdb")
    return None if found is None else Path(found).resolve().parent


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A PostgreSQL server of our own for this session."""
    programs = _postgresql_programs()
    if programs is None:
        reason = "no PostgreSQL: initdb not installed; see deploy/test-postgresql/README.md"
        if os.environ.get("CALLVEIL_TEST_REQUIRE_POSTGRESQL") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    pytest.importorskip("psycopg")
    # Not pytest's own temporary folder: its path is too long for a socket, and other users cannot enter it.
    folder = Path(tempfile.mkdtemp(prefix="cv-pg-", dir="/tmp"))
    folder.chmod(0o711)
    try:
        server = PostgresServer(programs, folder)
        server.start()
        try:
            yield server
        finally:
            server.stop(mode="immediate")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def identity_provider() -> Iterator[Any]:
    """An OpenID Connect provider of our own, over HTTP; its time is that of a `ManualClock`."""
    pytest.importorskip("authlib")
    import importlib.util

    from callveil.testing import ManualClock

    spec = importlib.util.spec_from_file_location(
        "identity_provider", Path(__file__).parent / "identity_provider.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    clock = ManualClock()
    provider = module.TestProvider(lambda: clock.now().timestamp())
    provider.clock, provider.client = clock, (module.CLIENT_ID, module.CLIENT_SECRET)
    yield provider
    provider.close()
