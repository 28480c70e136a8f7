from __future__ import annotations

import os
import stat
from datetime import UTC, datetime, timedelta

import pytest

from callveil.adapters.store_local import LocalStore
from callveil.errors import NotFoundError, RefusedError, StoreError
from callveil.vocabulary.recording import MaskedDocument, Part, PublishedPart

CALL = "calls/2026/11/23/c-1/"
SIDECAR = ".callveil/calls/2026/11/23/c-1.json"


class FixedClock:
    def __init__(self):
        self.time = datetime(2026, 11, 23, tzinfo=UTC)

    def now(self):
        return self.time


@pytest.fixture
def clock():
    return FixedClock()


@pytest.fixture
def root(tmp_path):
    return tmp_path / "new" / "store"


@pytest.fixture
def store(root, clock):
    return LocalStore(root, clock=clock)


def publish(store, retain_until=None):
    parts = [
        PublishedPart(part=part, body=MaskedDocument(content=part.encode()), media_type="x/y")
        for part in (Part.CERTIFICATE, Part.VCON)
    ]
    store.publish(CALL, parts, tags={"a": "b"}, retain_until=retain_until)


def files_of(root):
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


def test_looking_into_a_store_that_is_not_there_makes_nothing(store, root):
    assert list(store.list_calls()) == []
    assert store.delete_call(CALL) == 0
    with pytest.raises(NotFoundError):
        store.set_tags(CALL, {"a": "b"})
    assert not root.exists()


def test_a_calls_folder_holds_the_parts_only(store, root):
    publish(store)
    store.put_decision("decisions/2026/c-2.json", b"{}")
    others = [name for name in files_of(root) if not name.startswith(".callveil/locks/")]
    assert others == [SIDECAR, CALL + Part.CERTIFICATE, CALL + Part.VCON, "decisions/2026/c-2.json"]
    assert os.listdir(root / ".callveil" / "staging") == []


def test_only_the_owner_may_look(store, root):
    before = os.umask(0)
    try:
        publish(store)
        store.set_tags(CALL, {"c": "d"})
        store.put_decision("decisions/c-2.json", b"{}")
    finally:
        os.umask(before)
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in [root, *root.rglob("*")]}
    assert all(mode == (0o700 if path.is_dir() else 0o600) for path, mode in modes.items())


def test_the_date_goes_by_the_clock(store, clock):
    publish(store, clock.time + timedelta(days=10))
    clock.time += timedelta(days=9)
    with pytest.raises(RefusedError):
        store.delete_call(CALL)
    clock.time += timedelta(days=1)
    assert store.delete_call(CALL) == 2


@pytest.mark.parametrize(
    "content", [None, b"", b"{}", b"[]", b'{"tags": {}, "retain_until": "x", "legal_hold": false}']
)
def test_a_call_whose_dates_are_lost_is_not_deleted(store, root, content):
    publish(store)
    if content is None:
        (root / SIDECAR).unlink()
    else:
        (root / SIDECAR).write_bytes(content)
    for ask in (
        lambda: store.delete_call(CALL, bypass_governance=True),
        lambda: store.legal_hold(CALL),
        lambda: store.retention(CALL),
        lambda: store.set_tags(CALL, {"a": "c"}),
    ):
        with pytest.raises(StoreError, match="retention date and hold"):
            ask()
    assert store.get(CALL + Part.VCON) == b"vcon.json"


def test_a_call_without_certificate_is_hidden_but_not_free(store, root, clock):
    publish(store, clock.time + timedelta(days=1))
    (root / CALL / Part.CERTIFICATE).unlink()
    assert list(store.list_calls()) == list(store.list_objects("")) == []
    with pytest.raises(NotFoundError):
        store.get(CALL + Part.VCON)
    with pytest.raises(RefusedError):
        publish(store)
    with pytest.raises(RefusedError):
        store.delete_call(CALL)
    assert store.delete_call(CALL, bypass_governance=True) == 1


def test_its_own_files_are_not_objects(store):
    publish(store)
    for key in (SIDECAR, ".callveil/locks/0"):
        with pytest.raises(NotFoundError):
            store.get(key)
    assert list(store.list_objects(".callveil/")) == []


def test_a_disk_that_fails_is_a_store_error_without_paths(store, root):
    root.parent.mkdir()
    root.write_bytes(b"a file where the folder should be")
    with pytest.raises(StoreError) as caught:
        publish(store)
    assert str(root) not in str(caught.value)
    assert caught.value.is_permanent is False
