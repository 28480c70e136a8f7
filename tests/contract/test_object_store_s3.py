"""What only an S3 server can do to us."""

from __future__ import annotations

import io
import socket
import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from multiprocessing.pool import ThreadPool

import pytest

from callveil.errors import CallveilError, ConfigError, NotFoundError, RefusedError, StoreError
from callveil.vocabulary.recording import Part

pytestmark = pytest.mark.s3
pytest.importorskip("minio", reason="the extra s3 is not installed")

from callveil.adapters.store_s3 import S3Store  # noqa: E402  needs minio

CALL = "calls/2026/11/23/c-1/"
IN_A_DAY = datetime.now(UTC) + timedelta(days=1)


def publish(store, parts, *, replace=False, retain_until=None):
    store.publish(CALL, parts, tags={"callveil-call": "c-1"}, retain_until=retain_until, replace=replace)


def reopen(opened, **changes):
    return S3Store(**{**{key: value for key, value in opened.spec.items() if key != "kind"}, **changes})


def put(server, opened, key, content=b"x"):
    full_key = f"{opened.spec['prefix']}/{key}"
    client = server.client()
    return client.put_object(opened.spec["bucket"], full_key, io.BytesIO(content), len(content)).version_id


class Wire:
    """A way to the server that breaks for good after so many bytes have gone up."""

    def __init__(self, endpoint, *, breaks_after_bytes):
        host, _, port = endpoint.partition(":")
        self._target = (host, int(port or 80))
        self._breaks_after_bytes = breaks_after_bytes
        self.n_bytes = 0
        self._open = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    @property
    def is_broken(self):
        return self.n_bytes > self._breaks_after_bytes

    def close(self):
        self._breaks_after_bytes = -1
        for each in [self._listener, *self._open]:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        for thread in self._threads:
            thread.join()

    def _accept(self):
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if self.is_broken:
                near.close()
                continue
            far = socket.create_connection(self._target)
            self._open += [near, far]
            for source, sink, counts in ((near, far, True), (far, near, False)):
                thread = threading.Thread(target=self._pump, args=(source, sink, counts))
                self._threads.append(thread)
                thread.start()

    def _pump(self, source, sink, counts):
        with suppress(OSError):
            while block := source.recv(4096):
                if counts:
                    self.n_bytes += len(block)
                if self.is_broken:
                    break
                sink.sendall(block)
        for each in (source, sink):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


@pytest.mark.slow
def test_a_wire_that_breaks_anywhere_leaves_nothing_visible(s3_server, s3_lock, make_parts):
    if s3_server.secure:
        pytest.skip("the broken wire speaks HTTP only")
    n_audio = 200_000

    def publish_through(wire):
        store = reopen(s3_lock, endpoint=wire.endpoint, attempts=1, timeout_s=5)
        publish(store, make_parts(audio=bytes(n_audio)), retain_until=IN_A_DAY)

    wire = Wire(s3_server.endpoint, breaks_after_bytes=1 << 30)
    try:
        publish_through(wire)
    finally:
        wire.close()
    # After the audio come three small parts, a look at what is stored, and the certificate.
    rest = range(n_audio, wire.n_bytes - 100, (wire.n_bytes - n_audio) // 12)
    leftovers = set()
    for breaks_after_bytes in [1000, n_audio // 2, *rest, wire.n_bytes - 100]:
        s3_lock.store.delete_call(CALL, bypass_governance=True)
        broken = Wire(s3_server.endpoint, breaks_after_bytes=breaks_after_bytes)
        try:
            with pytest.raises(StoreError) as caught:
                publish_through(broken)
        finally:
            broken.close()
        assert s3_server.secret_key not in str(caught.value)
        leftovers.add(len(s3_lock.everything()))
        assert list(s3_lock.store.list_calls()) == []
        assert list(s3_lock.store.list_objects(CALL)) == []
        with pytest.raises(NotFoundError):
            s3_lock.store.get(CALL + Part.AUDIO)
    assert leftovers == {0, 1, 2, 3, 4}
    publish(s3_lock.store, make_parts("again"))
    assert s3_lock.everything() == [CALL + name for name in sorted(Part)]


def test_parts_without_certificate_are_invisible_and_go_with_delete(s3_server, s3_lock):
    put(s3_server, s3_lock, CALL + Part.AUDIO)
    put(s3_server, s3_lock, CALL + Part.AUDIO)
    put(s3_server, s3_lock, CALL + "foreign/object.bin")
    assert list(s3_lock.store.list_calls()) == []
    assert list(s3_lock.store.list_objects("")) == []
    for ask in (s3_lock.store.get, s3_lock.store.tags):
        with pytest.raises(NotFoundError):
            ask(CALL + Part.AUDIO)
    assert s3_lock.store.delete_call(CALL) == 3
    assert s3_lock.everything() == []


def test_parts_without_certificate_go_with_publish(s3_server, s3_plain, make_parts):
    for name in (Part.AUDIO, Part.VCON):
        put(s3_server, s3_plain, CALL + name)
    publish(s3_plain.store, make_parts(without=(Part.VCON,)))
    assert s3_plain.everything() == [CALL + name for name in sorted(Part) if name != Part.VCON]


def test_leftovers_under_legal_hold_stay(s3_server, s3_lock, make_parts):
    version = put(s3_server, s3_lock, CALL + Part.AUDIO)
    key = f"{s3_lock.spec['prefix']}/{CALL}{Part.AUDIO}"
    s3_server.client().enable_object_legal_hold(s3_lock.spec["bucket"], key, version_id=version)
    for ask in (
        lambda: s3_lock.store.delete_call(CALL, bypass_governance=True),
        lambda: publish(s3_lock.store, make_parts()),
    ):
        with pytest.raises(RefusedError, match="legal hold"):
            ask()
    assert s3_lock.everything() == [CALL + Part.AUDIO]


@pytest.mark.parametrize("kind", ["s3_lock", "s3_plain"])
def test_a_delete_marker_hides_a_call_and_frees_nothing(request, s3_server, make_parts, kind):
    opened = request.getfixturevalue(kind)
    publish(opened.store, make_parts(), retain_until=IN_A_DAY)
    for part in Part:
        s3_server.client().remove_object(opened.spec["bucket"], f"{opened.spec['prefix']}/{CALL}{part}")
    assert list(opened.store.list_calls()) == []
    for ask in (
        lambda: opened.store.get(CALL + Part.AUDIO),
        lambda: opened.store.retention(CALL),
        lambda: opened.store.set_tags(CALL, {"a": "b"}),
    ):
        with pytest.raises(NotFoundError):
            ask()
    with pytest.raises(RefusedError):
        publish(opened.store, make_parts())
    with pytest.raises(RefusedError):
        opened.store.delete_call(CALL)
    assert len(opened.everything()) == 10
    assert opened.store.delete_call(CALL, bypass_governance=True) == 5
    assert opened.everything() == []


def test_all_versions_of_all_objects_are_deleted(s3_server, s3_lock, make_parts):
    publish(s3_lock.store, make_parts())
    put(s3_server, s3_lock, CALL + Part.CERTIFICATE)
    put(s3_server, s3_lock, CALL + Part.AUDIO)
    assert s3_lock.store.delete_call(CALL) == 7
    assert s3_lock.everything() == []


@pytest.mark.parametrize("kind", ["s3_lock", "s3_plain"])
def test_all_versions_of_a_part_go_and_those_of_other_parts_stay(request, s3_server, make_parts, kind):
    opened = request.getfixturevalue(kind)
    publish(opened.store, make_parts(), retain_until=IN_A_DAY)
    put(s3_server, opened, CALL + Part.AUDIO)
    put(s3_server, opened, CALL + Part.VCON)
    put(s3_server, opened, f"{CALL}{Part.AUDIO}.json")
    client, bucket = s3_server.client(), opened.spec["bucket"]
    key = f"{opened.spec['prefix']}/{CALL}{Part.AUDIO}"
    client.remove_object(bucket, key)
    client._create_multipart_upload(bucket, key, {})
    assert opened.store.count_versions(CALL) == 10
    assert opened.store.delete_parts(CALL, [Part.AUDIO], bypass_governance=True) == 2
    names = [CALL + name for name in sorted([*Part, Part.VCON, f"{Part.AUDIO}.json"]) if name != Part.AUDIO]
    assert opened.everything() == names
    assert opened.store.count_versions(CALL) == 6


def test_what_is_hidden_behind_delete_markers_counts(s3_server, s3_lock, make_parts):
    publish(s3_lock.store, make_parts())
    for part in Part:
        s3_server.client().remove_object(s3_lock.spec["bucket"], f"{s3_lock.spec['prefix']}/{CALL}{part}")
    assert list(s3_lock.store.list_objects("")) == []
    assert s3_lock.store.count_versions(CALL) == 10
    s3_lock.store.delete_call(CALL)
    assert s3_lock.store.count_versions(CALL) == 0
    record = "decisions/c-1.json"
    s3_lock.store.put_decision(record, b"{}")
    put(s3_server, s3_lock, record)
    s3_server.client().remove_object(s3_lock.spec["bucket"], f"{s3_lock.spec['prefix']}/{record}")
    assert s3_lock.store.count_versions(record) == 3
    assert s3_lock.store.delete_decision(record) is True
    assert s3_lock.store.count_versions(record) == 0


def test_a_deletion_of_parts_that_breaks_anywhere_is_finished_by_asking_again(s3_server, s3_lock, make_parts):
    if s3_server.secure:
        pytest.skip("the broken wire speaks HTTP only")
    doomed = [Part.AUDIO, Part.TRANSCRIPT]

    def delete_through(wire):
        store = reopen(s3_lock, endpoint=wire.endpoint, attempts=1, timeout_s=5)
        return store.delete_parts(CALL, doomed, bypass_governance=True)

    publish(s3_lock.store, make_parts(), retain_until=IN_A_DAY)
    wire = Wire(s3_server.endpoint, breaks_after_bytes=1 << 30)
    try:
        assert delete_through(wire) == 2
    finally:
        wire.close()
    ends = set()
    for breaks_after_bytes in range(500, wire.n_bytes - 100, wire.n_bytes // 12):
        publish(s3_lock.store, make_parts(), retain_until=IN_A_DAY, replace=True)
        broken = Wire(s3_server.endpoint, breaks_after_bytes=breaks_after_bytes)
        try:
            with pytest.raises(StoreError):
                delete_through(broken)
        finally:
            broken.close()
        left = {stored.key.removeprefix(CALL) for stored in s3_lock.store.list_objects(CALL)}
        removed = s3_lock.store.tags(CALL + Part.CERTIFICATE).get("callveil-removed", "")
        assert set(Part) - left <= set(removed.split("+")), "nothing is missing that is not said to be"
        ends.add((len(left), removed))
        s3_lock.store.delete_parts(CALL, doomed, bypass_governance=True)
        assert s3_lock.store.count_versions(CALL) == 3
        assert s3_lock.store.delete_parts(CALL, doomed) == 0
    assert (5, "") in ends
    assert len(ends) > 1


@pytest.mark.slow
def test_more_versions_than_one_answer_holds_are_deleted(s3_server, s3_plain, make_parts):
    publish(s3_plain.store, make_parts())
    client, bucket = s3_server.client(), s3_plain.spec["bucket"]
    keys = [f"{s3_plain.spec['prefix']}/{CALL}{number}" for number in range(1003)]
    with ThreadPool(8) as pool:
        pool.map(lambda key: client.put_object(bucket, key, io.BytesIO(b"x"), 1), keys)
    assert s3_plain.store.delete_call(CALL) == 1008
    assert s3_plain.everything() == []


def test_unfinished_uploads_are_thrown_away(s3_server, s3_lock, make_parts):
    key = f"{s3_lock.spec['prefix']}/{CALL}{Part.AUDIO}"
    for clear in (
        lambda: s3_lock.store.delete_call(CALL),
        lambda: publish(s3_lock.store, make_parts()),
        lambda: s3_lock.store.delete_call(CALL),
    ):
        s3_server.client()._create_multipart_upload(s3_lock.spec["bucket"], key, {})
        assert any(name.startswith("upload of ") for name in s3_lock.everything())
        clear()
        assert not any(name.startswith("upload of ") for name in s3_lock.everything())
    assert s3_lock.everything() == []


@pytest.mark.parametrize("n_bytes", [1000, 20 << 20])
def test_the_server_itself_refuses_to_delete_any_object(s3_server, s3_lock, make_parts, n_bytes):
    from minio.deleteobjects import DeleteObject

    publish(s3_lock.store, make_parts(audio=bytes(n_bytes)), retain_until=IN_A_DAY)
    client, bucket = s3_server.client(), s3_lock.spec["bucket"]
    found = client.list_objects(bucket, s3_lock.spec["prefix"], recursive=True, include_version=True)
    targets = [DeleteObject(version.object_name, version.version_id) for version in found]
    assert len(list(client.remove_objects(bucket, targets))) == 5
    s3_lock.store.set_legal_hold(CALL, True)
    assert len(list(client.remove_objects(bucket, targets, bypass_governance_mode=True))) == 5
    s3_lock.store.set_legal_hold(CALL, False)
    assert s3_lock.store.delete_call(CALL, bypass_governance=True) == 5


def test_without_object_lock_a_hold_is_refused_and_not_pretended(s3_plain, s3_lock, make_parts):
    assert s3_lock.store.supports_lock is True
    assert s3_plain.store.supports_lock is False
    publish(s3_plain.store, make_parts())
    with pytest.raises(ConfigError, match="Object Lock"):
        s3_plain.store.set_legal_hold(CALL, True)
    assert s3_plain.store.tags(CALL + Part.AUDIO)["callveil-hold"] == "no"
    assert s3_plain.store.legal_hold(CALL) is False
    s3_plain.store.set_legal_hold(CALL, False)
    assert s3_plain.store.tags(CALL + Part.AUDIO)["callveil-hold"] == "no"


def test_prefixes_are_apart(s3_plain, make_parts):
    base = s3_plain.spec["prefix"]
    inner, longer = reopen(s3_plain, prefix=f"/{base}/in/"), reopen(s3_plain, prefix=f"{base}x")
    for store in (s3_plain.store, inner, longer):
        publish(store, make_parts())
        assert list(store.list_calls("")) == [CALL]
    assert s3_plain.store.delete_call(CALL) == 5
    assert list(inner.list_calls()) == [CALL]
    assert inner.delete_call(CALL) == longer.delete_call(CALL) == 5


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"bucket": "callveil-test-no-such-bucket"}, "does not exist"),
        ({"secret_key": "hunter2-hunter2"}, "secret key"),
        ({"access_key": "hunter2-hunter2"}, "access key"),
    ],
)
def test_wrong_settings_are_named(s3_plain, make_parts, changes, words):
    store = reopen(s3_plain, **changes)
    for ask in (lambda: list(store.list_calls()), lambda: publish(store, make_parts())):
        with pytest.raises(ConfigError, match=words) as caught:
            ask()
        assert "hunter2" not in str(caught.value)
        assert "hunter2" not in repr(caught.value.__cause__)


def test_a_bucket_without_versions_is_refused(s3_server, s3_plain, make_parts):
    bucket = f"{s3_plain.spec['bucket']}-off"
    s3_server.client().make_bucket(bucket)
    try:
        with pytest.raises(ConfigError, match="versioning is off"):
            publish(reopen(s3_plain, bucket=bucket), make_parts())
    finally:
        s3_server.client().remove_bucket(bucket)


def test_a_server_that_is_away_is_a_passing_failure(s3_plain, make_parts):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        endpoint = f"127.0.0.1:{taken.getsockname()[1]}"
    store = reopen(s3_plain, endpoint=endpoint, attempts=1)
    with pytest.raises(CallveilError) as caught:
        publish(store, make_parts())
    assert type(caught.value) is StoreError
    assert caught.value.is_permanent is False
