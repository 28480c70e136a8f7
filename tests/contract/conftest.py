"""What the contract suites run on.

Object stores: a folder, and two buckets of a real S3 server. Ledgers: SQLite, and a real PostgreSQL server.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from callveil.adapters.ledger_sql import SqlLedger, open_ledger
from callveil.adapters.store_local import LocalStore
from callveil.ports import ObjectStore
from callveil.testing import MemoryStore, call
from callveil.vocabulary.ledger import NewCall
from callveil.vocabulary.recording import MaskedDocument, MaskedFile, Part, PublishedPart


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


def _open_local(root: Path) -> OpenedStore:
    def everything() -> list[str]:
        found = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
        return sorted(path.as_posix() for path in found if path.parts[:2] != (".callveil", "locks"))

    return OpenedStore(
        store=LocalStore(root), spec={"kind": "local", "root": str(root)}, everything=everything
    )


def _open_s3(server: Any, bucket: str) -> OpenedStore:
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


class LedgerPlace:
    """A database for a ledger, and how to look behind it."""

    def __init__(self, url: str, *, file: Path | None = None, server: Any = None) -> None:
        self.url = url
        self.file = file
        self.server = server
        self._opened: list[SqlLedger] = []

    def open(self) -> SqlLedger:
        ledger = open_ledger(self.url)
        self._opened.append(ledger)
        return ledger

    def close(self) -> None:
        for ledger in self._opened:
            ledger.close()

    def sql(self, statement: str, **values: Any) -> list[Any]:
        """Run a statement behind the ledger's back."""
        engine = sa.create_engine(self.url, poolclass=sa.NullPool)
        with engine.begin() as connection:
            result = connection.execute(sa.text(statement), values)
            return list(result) if result.returns_rows else []


def _ledger_place(kind: str, request: pytest.FixtureRequest) -> LedgerPlace:
    if kind == "sqlite":
        file = request.getfixturevalue("tmp_path") / "ledger" / "ledger.sqlite3"
        return LedgerPlace(f"sqlite:///{file}", file=file)
    place = LedgerPlace(request.getfixturevalue("ledger_database"), server=_server(request))
    # Making a database for every test would take most of the time.
    place.sql(
        "TRUNCATE calls, traits, consent, outbox, attempts, audit, audit_head, holds, requests, notices,"
        " removals, users, sign_in_attempts, reviews, proposals, policy_sets, policy_runs"
        " RESTART IDENTITY CASCADE"
    )
    place.sql(f"INSERT INTO audit_head (id, number, digest) VALUES (1, 0, '{'0' * 64}')")
    return place


def _server(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue("postgres_server")


@pytest.fixture(scope="session")
def ledger_database(postgres_server: Any) -> str:
    """URL of a PostgreSQL database that holds a ledger."""
    url = postgres_server.new_database()
    open_ledger(url).close()
    return url


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def place(request: pytest.FixtureRequest) -> Iterator[LedgerPlace]:
    """A database for a ledger, of each kind; empty."""
    found = _ledger_place(request.param, request)
    yield found
    found.close()


@pytest.fixture
def ledger(place: LedgerPlace) -> SqlLedger:
    """A ledger in each kind of database; empty."""
    return place.open()


@pytest.fixture
def new_call() -> Callable[..., NewCall]:
    """Build what `Ledger.accept` takes; `live` for a call that begins to arrive."""

    def build(call_id: str = "c-1", *, content: str = "one", live: bool = False, **others: Any) -> NewCall:
        sha256 = hashlib.sha256(content.encode()).hexdigest()
        arrived = {"stream": "ulaw/8000/2"} if live else {"content_sha256": sha256, "n_bytes": 1000}
        fields = {"call": call(call_id), "landing": f"l-{uuid.uuid4().hex}", "source": "push"}
        return NewCall(**{**fields, **arrived, **others})

    return build
