import hashlib
from datetime import timedelta

import pytest

from callveil.errors import MetadataError, NotFoundError, RefusedError, StoreError
from callveil.testing import START, ManualClock, MemoryStore
from callveil.vocabulary.recording import MaskedDocument, MaskedFile, Part, PublishedPart

CALL = "calls/2026/11/23/c-1/"
DAY = timedelta(days=1)


def parts(*which, content=b"{}"):
    chosen = which or (Part.TRANSCRIPT, Part.CERTIFICATE)
    return [PublishedPart(part=p, body=MaskedDocument(content=content), media_type="x/y") for p in chosen]


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def store(clock):
    made = MemoryStore(clock=clock)
    made.publish(CALL, parts(), tags={"callveil-call": "c-1"}, retain_until=START + DAY)
    return made


def test_a_published_call_can_be_listed_and_read(store):
    assert list(store.list_calls()) == [CALL]
    assert [o.key for o in store.list_objects("calls/")] == [
        CALL + "certificate.json",
        CALL + "transcript.json",
    ]
    assert store.get(CALL + "transcript.json") == b"{}"
    assert store.tags(CALL + "transcript.json") == {
        "callveil-call": "c-1",
        "callveil-part": "transcript.json",
    }
    with pytest.raises(NotFoundError):
        store.get(CALL + "vcon.json")


def test_audio_is_read_from_its_file_and_checked(tmp_path):
    path = tmp_path / "audio.flac"
    path.write_bytes(b"fLaC")
    good = MaskedFile(path=path, sha256=hashlib.sha256(b"fLaC").hexdigest(), n_bytes=4)
    store = MemoryStore()
    audio = PublishedPart(part=Part.AUDIO, body=good, media_type="audio/flac")
    store.publish(CALL, [audio, *parts(Part.CERTIFICATE)], tags={}, retain_until=None)
    assert store.get(CALL + "audio.flac") == b"fLaC"
    path.write_bytes(b"fLaX")
    with pytest.raises(StoreError):
        store.publish(CALL, [audio, *parts(Part.CERTIFICATE)], tags={}, retain_until=None, replace=True)
    assert store.get(CALL + "audio.flac") == b"fLaC"


def test_a_failing_part_leaves_nothing_of_the_call():
    store = MemoryStore(fails_at=Part.TRANSCRIPT)
    with pytest.raises(StoreError):
        store.publish(CALL, parts(), tags={}, retain_until=None)
    assert list(store.list_objects("")) == []


def test_replacing_must_be_asked_for_and_breaks_no_hold(store):
    with pytest.raises(RefusedError, match="replac"):
        store.publish(CALL, parts(), tags={}, retain_until=None)
    store.set_legal_hold(CALL, True)
    with pytest.raises(RefusedError, match="hold"):
        store.publish(CALL, parts(content=b"new"), tags={}, retain_until=None, replace=True)
    store.set_legal_hold(CALL, False)
    store.publish(CALL, parts(content=b"new"), tags={}, retain_until=None, replace=True)
    assert store.get(CALL + "transcript.json") == b"new"


def test_deletion_waits_for_date_and_hold(store, clock):
    with pytest.raises(RefusedError, match="date"):
        store.delete_call(CALL)
    clock.advance(DAY)
    store.set_legal_hold(CALL, True)
    assert store.tags(CALL + "transcript.json")["callveil-hold"] == "yes"
    with pytest.raises(RefusedError, match="hold"):
        store.delete_call(CALL, bypass_governance=True)
    store.set_legal_hold(CALL, False)
    assert store.delete_call(CALL) == 2
    assert store.delete_call(CALL) == 0


def test_lawful_erasure_bypasses_the_date(store):
    assert store.delete_call(CALL, bypass_governance=True) == 2


def test_date_can_be_moved(store):
    store.set_retention(CALL, START + 3 * DAY)
    assert store.retention(CALL) == START + 3 * DAY
    with pytest.raises(RefusedError):
        store.set_retention(CALL, START)


def test_decisions_stand_beside_calls(store):
    store.put_decision("decisions/2026/11/23/c-9.json", b"1")
    store.put_decision("decisions/2026/11/23/c-9.json", b"2")
    assert store.get("decisions/2026/11/23/c-9.json") == b"2"
    assert store.tags("decisions/2026/11/23/c-9.json") == {}
    assert list(store.list_calls()) == [CALL]
    with pytest.raises(MetadataError):
        store.put_decision("calls/2026/11/23/c-9.json", b"1")


def test_an_unknown_call_is_not_found():
    store = MemoryStore()
    other = "calls/2026/11/23/c-2/"
    for ask in (store.retention, store.legal_hold):
        with pytest.raises(NotFoundError):
            ask(other)
    with pytest.raises(NotFoundError):
        store.set_tags(other, {"a": "b"})


def test_repr_shows_no_content(store):
    assert "transcript" not in repr(store)
