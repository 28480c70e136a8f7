"""A store that fails, is killed or is read in between never shows part of a call."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from callveil.adapters.store_local import LocalStore
from callveil.errors import NotFoundError, RefusedError, StoreError
from callveil.vocabulary.audio import Audio
from callveil.vocabulary.recording import MaskedFile, Part, PublishedPart

CALL = "calls/2026/11/23/c-1/"
IN_A_DAY = datetime.now(UTC) + timedelta(days=1)

# Publishes transcript, then audio from a pipe that the test feeds, then the certificate.
PUBLISHER = """
import json, sys
from datetime import datetime
from pathlib import Path
from callveil.vocabulary.recording import MaskedDocument, MaskedFile, Part, PublishedPart

given = json.load(sys.stdin)
kind = given["spec"].pop("kind")
if kind == "local":
    from callveil.adapters.store_local import LocalStore
    store = LocalStore(Path(given["spec"]["root"]))
else:
    from callveil.adapters.store_s3 import S3Store
    store = S3Store(**given["spec"])
audio = MaskedFile(path=Path(given["pipe"]), sha256="0" * 64, n_bytes=given["n_bytes"])
bodies = {
    Part.TRANSCRIPT: MaskedDocument(content=b"transcript"),
    Part.AUDIO: audio,
    Part.CERTIFICATE: MaskedDocument(content=b"certificate"),
}
parts = [PublishedPart(part=part, body=body, media_type="x/y") for part, body in bodies.items()]
until = datetime.fromisoformat(given["retain_until"])
store.publish(given["prefix"], parts, tags={"a": "b"}, retain_until=until)
"""


def publish(store, parts, *, replace=False, retain_until=None):
    store.publish(CALL, parts, tags={"callveil-call": "c-1"}, retain_until=retain_until, replace=replace)


def with_file(parts, part, body):
    """The parts with one of them moved to the end as a file, so that it is stored after the others."""
    return [each for each in parts if each.part is not part] + [
        PublishedPart(part=part, body=body, media_type="text/vtt")
    ]


def assert_invisible(store):
    assert list(store.list_calls()) == []
    assert list(store.list_objects("")) == []
    for part in Part:
        with pytest.raises(NotFoundError):
            store.get(CALL + part)


def broken_files(tmp_path):
    path = tmp_path / "captions.vtt"
    path.write_bytes(b"WEBVTT")
    good = hashlib.sha256(b"WEBVTT").hexdigest()
    return {
        "vanished": MaskedFile(path=tmp_path / "gone.vtt", sha256=good, n_bytes=6),
        "folder": MaskedFile(path=tmp_path, sha256=good, n_bytes=6),
        "other content": MaskedFile(path=path, sha256="0" * 64, n_bytes=6),
        "longer": MaskedFile(path=path, sha256=good, n_bytes=5),
        "shorter": MaskedFile(path=path, sha256=good, n_bytes=7),
        "not empty": MaskedFile(path=path, sha256=good, n_bytes=0),
    }


@pytest.mark.parametrize("kind", ["vanished", "folder", "other content", "longer", "shorter", "not empty"])
@pytest.mark.parametrize("part", [Part.CAPTIONS, Part.CERTIFICATE])
def test_a_file_that_fails_in_the_middle_leaves_nothing(opened, make_parts, tmp_path, kind, part):
    parts = with_file(make_parts(), part, broken_files(tmp_path)[kind])
    with pytest.raises(StoreError, match="a part's file"):
        publish(opened.store, parts, retain_until=IN_A_DAY)
    assert_invisible(opened.store)
    assert opened.everything() == []
    publish(opened.store, make_parts())
    assert list(opened.store.list_calls()) == [CALL]


def test_a_replacement_that_cannot_be_read_leaves_the_earlier_recording(opened, make_parts, tmp_path):
    publish(opened.store, make_parts("old"))
    kept = opened.everything()
    parts = with_file(make_parts("new"), Part.CAPTIONS, broken_files(tmp_path)["vanished"])
    with pytest.raises(StoreError):
        publish(opened.store, parts, replace=True)
    assert opened.store.get(CALL + Part.VCON) == b"vcon.json old"
    assert opened.everything() == kept


def test_raw_audio_cannot_be_stored(opened, make_parts):
    raw = Audio(samples=None, rate_hz=8000)
    parts = [replace(part, body=raw) if part.part is Part.AUDIO else part for part in make_parts()]
    with pytest.raises(TypeError, match="masked"):
        publish(opened.store, parts)
    assert opened.everything() == []


@pytest.mark.slow
def test_a_reader_never_sees_part_of_a_call(opened, make_parts):
    store = opened.store
    seen, wrong = set(), []
    is_done = threading.Event()

    def read():
        while not is_done.is_set():
            keys = [each.key for each in store.list_objects(CALL)]
            seen.add(len(keys))
            if len(keys) not in {0, 5}:
                wrong.append(keys)
            for call in store.list_calls():
                if call != CALL:
                    wrong.append(call)

    def read_objects():
        while not is_done.is_set():
            with suppress(NotFoundError):
                content = store.get(CALL + Part.TRANSCRIPT)
                if content not in {b"transcript.json a", b"transcript.json b"}:
                    wrong.append(content)

    readers = [threading.Thread(target=read) for _ in range(2)] + [threading.Thread(target=read_objects)]
    for reader in readers:
        reader.start()
    try:
        for _ in range(8):
            publish(store, make_parts("a"))
            publish(store, make_parts("b"), replace=True)
            store.delete_call(CALL)
    finally:
        is_done.set()
        for reader in readers:
            reader.join()
    assert wrong == []
    assert seen == {0, 5}


class MidPublish:
    """A process that has stored one part, has taken half of the next, and waits for the rest."""

    def __init__(self, opened, tmp_path):
        pipe = tmp_path / "audio.pipe"
        os.mkfifo(pipe)
        self.process = subprocess.Popen(
            [sys.executable, "-c", PUBLISHER], stdin=subprocess.PIPE, stderr=subprocess.PIPE
        )
        given = {
            "spec": opened.spec,
            "pipe": str(pipe),
            "n_bytes": 40_000_000,
            "prefix": CALL,
            "retain_until": IN_A_DAY.isoformat(),
        }
        self.process.stdin.write(json.dumps(given).encode())
        self.process.stdin.close()
        self.audio = pipe.open("wb")
        # More than a pipe, a buffer and one part of an upload hold: when this returns, most of it was taken.
        self.audio.write(bytes(18 << 20))
        self.audio.flush()

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(timeout=20)
        self.audio.close()
        self.process.stderr.close()


@pytest.fixture
def killed(opened, tmp_path):
    """A store on which a publish with a retention date was killed half-way."""
    publisher = MidPublish(opened, tmp_path)
    try:
        assert_invisible(opened.store)
        assert publisher.process.poll() is None
    finally:
        publisher.kill()
    return opened


def test_what_a_killed_publish_left_is_invisible_and_can_be_deleted(killed):
    left = killed.everything()
    assert left
    assert killed.store.count_versions(CALL) == len(left)
    assert_invisible(killed.store)
    assert killed.store.delete_call(CALL) >= 1
    assert killed.everything() == []
    assert killed.store.count_versions(CALL) == 0


def test_what_a_killed_publish_left_goes_with_the_next_publish(killed, make_parts):
    publish(killed.store, make_parts("next"), retain_until=IN_A_DAY)
    assert killed.store.get(CALL + Part.TRANSCRIPT) == b"transcript.json next"
    assert len(list(killed.store.list_objects(CALL))) == 5
    assert killed.store.delete_call(CALL, bypass_governance=True) == 5
    assert killed.everything() == []


@pytest.mark.parametrize("breaks_at", [0, 1, 2])
def test_a_deletion_of_parts_that_is_cut_off_is_finished_by_asking_again(
    tmp_path, make_parts, monkeypatch, breaks_at
):
    store = LocalStore(tmp_path / "store")
    publish(store, make_parts(), retain_until=IN_A_DAY)
    unlink, n_done = Path.unlink, 0

    def cut_off(path, *args, **others):
        nonlocal n_done
        if n_done == breaks_at:
            raise KeyboardInterrupt
        n_done += 1
        unlink(path, *args, **others)

    doomed = [Part.AUDIO, Part.TRANSCRIPT, Part.VCON]
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", cut_off)
        with pytest.raises(KeyboardInterrupt):
            store.delete_parts(CALL, doomed, bypass_governance=True)
    assert len(list(store.list_objects(CALL))) == 5 - breaks_at
    assert store.tags(CALL + Part.CERTIFICATE)["callveil-removed"] == "audio.flac+transcript.json+vcon.json"
    assert store.delete_parts(CALL, doomed, bypass_governance=True) == 3 - breaks_at
    assert store.delete_parts(CALL, doomed) == 0
    assert len(list(store.list_objects(CALL))) == 2


def test_everything_of_a_call_in_a_folder_is_counted(tmp_path, make_parts):
    store = LocalStore(tmp_path / "store")
    publish(store, make_parts())
    assert store.count_versions(CALL) == 6, "five parts and what stands beside them"
    sidecar = tmp_path / "store" / ".callveil" / "calls/2026/11/23/c-1.json"
    kept = sidecar.read_bytes()
    store.delete_call(CALL)
    sidecar.write_bytes(kept)
    assert store.count_versions(CALL) == 1
    assert store.delete_call(CALL) == 0
    assert store.count_versions(CALL) == 0


def test_of_several_publishers_of_a_folder_one_wins(tmp_path, make_parts):
    stores = [LocalStore(tmp_path / "store") for _ in range(6)]
    results = []

    def run(store, mark):
        try:
            publish(store, make_parts(mark))
            results.append(mark)
        except RefusedError:
            results.append(None)

    threads = [
        threading.Thread(target=run, args=(store, f"m{number}")) for number, store in enumerate(stores)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (winner,) = [mark for mark in results if mark is not None]
    assert len(results) == 6
    assert {stores[0].get(CALL + part).split()[1] for part in Part if part is not Part.AUDIO} == {
        winner.encode()
    }
