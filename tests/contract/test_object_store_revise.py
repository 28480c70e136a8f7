"""A new version of a published call takes the place of the earlier one, wherever the process dies."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from callveil.adapters.local_files import sync_folder
from callveil.errors import NotFoundError, RefusedError
from callveil.vocabulary.recording import Part

CALL = "calls/2026/11/23/c-1/"
TAGS = {"callveil-call": "c-1", "callveil-hold": "no", "callveil-restricted": "no"}


class Killed(BaseException):
    """As if the process had died."""


def publish(store, parts):
    until = datetime.now(UTC) + timedelta(days=2)
    store.publish(CALL, parts, tags=TAGS, retain_until=until)


def names(store):
    return [stored.key.removeprefix(CALL) for stored in store.list_objects(CALL)]


def test_a_revision_keeps_tags_and_date_and_leaves_no_earlier_version(opened, make_parts):
    store = opened.store
    publish(store, make_parts("old"))
    store.set_tags(CALL, {"colour": "red"})
    before, tags = store.retention(CALL), store.tags(CALL + Part.AUDIO)
    store.revise(CALL, make_parts("new", without=(Part.VCON,)))
    assert store.get(CALL + Part.AUDIO) == b"audio new" * 100
    assert names(store) == sorted({part.value for part in Part} - {Part.VCON.value})
    assert store.retention(CALL) == before
    assert store.tags(CALL + Part.AUDIO) == tags
    assert not store.finish_revision(CALL)
    assert list(store.list_calls()) == [CALL]
    with pytest.raises(RefusedError):
        store.delete_call(CALL)
    assert store.delete_call(CALL, bypass_governance=True) == 4
    assert opened.everything() == []


def test_a_revision_is_of_a_published_call(opened, make_parts):
    with pytest.raises(NotFoundError):
        opened.store.revise(CALL, make_parts())
    assert not opened.store.finish_revision(CALL)
    assert opened.everything() == []


def test_a_held_call_is_not_revised(locking, make_parts):
    publish(locking.store, make_parts("old"))
    locking.store.set_legal_hold(CALL, True)
    with pytest.raises(RefusedError):
        locking.store.revise(CALL, make_parts("new"))
    assert locking.store.get(CALL + Part.VCON) == b"vcon.json old"


@pytest.mark.parametrize("seen", ["before", "between", "after"])
def test_a_revision_that_is_cut_off_ends_with_the_new_version(opened, make_parts, monkeypatch, seen):
    store = opened.store
    if not (hasattr(store, "_swap") or hasattr(store, "_move")):
        pytest.skip("it has no steps")
    publish(store, make_parts("old"))
    tags, until = store.tags(CALL + Part.AUDIO), store.retention(CALL)
    with monkeypatch.context() as patch:
        _die(store, patch, seen)
        with pytest.raises(Killed):
            store.revise(CALL, make_parts("new"))
    assert store.finish_revision(CALL) or seen == "after"
    assert store.get(CALL + Part.VCON) == b"vcon.json new"
    assert (store.tags(CALL + Part.AUDIO), store.retention(CALL)) == (tags, until)
    assert not store.finish_revision(CALL)
    assert store.count_versions(CALL) == len(Part) + (1 if hasattr(store, "_swap") else 0)


def test_a_part_that_is_removed_does_not_wait_in_a_revision(opened, make_parts, monkeypatch):
    store = opened.store
    if not (hasattr(store, "_swap") or hasattr(store, "_move")):
        pytest.skip("it has no steps")
    publish(store, make_parts("old"))
    with monkeypatch.context() as patch:
        _die(store, patch, "before")
        with pytest.raises(Killed):
            store.revise(CALL, make_parts("new"))
    store.delete_parts(CALL, [Part.AUDIO], bypass_governance=True)
    assert not store.finish_revision(CALL)
    assert Part.AUDIO.value not in names(store)


def _die(store, patch, seen):
    def die(*_, **__):
        raise Killed

    if hasattr(store, "_swap"):
        if seen == "before":
            patch.setattr(type(store), "_swap", die)
        elif seen == "between":

            def half(self, prefix):
                (self._root / prefix).rename(self._staging(prefix) / "old")
                raise Killed

            patch.setattr(type(store), "_swap", half)
        else:
            target = "callveil.adapters.store_local.sync_folder"
            calls = []

            def sync(folder):
                calls.append(folder)
                if len(calls) == 3:  # staged, made whole, swapped
                    raise Killed
                sync_folder(folder)

            patch.setattr(target, sync)
        return
    if seen == "before":
        patch.setattr(type(store), "_move", die)
    elif seen == "between":
        patch.setattr(type(store), "_check_stored", die)
    else:
        real = type(store)._remove_next
        times = []

        def remove(self, prefix):
            times.append(prefix)
            if len(times) == 2:
                raise Killed
            real(self, prefix)

        patch.setattr(type(store), "_remove_next", remove)
