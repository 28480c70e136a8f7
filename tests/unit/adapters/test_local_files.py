from __future__ import annotations

import threading

import pytest

from callveil.adapters.local_files import file_errors, make_folders, read_folder, remove_tree, write_whole
from callveil.errors import StoreError


def test_reading_a_folder(tmp_path):
    folder = tmp_path / "a"
    assert read_folder(folder) == {}
    folder.mkdir()
    (folder / "x").write_bytes(b"123")
    assert read_folder(folder)["x"].st_size == 3
    assert read_folder(folder / "x") == {}


def test_a_folder_that_is_swapped_while_it_is_read_is_read_whole(tmp_path):
    folder, new, old = tmp_path / "folder", tmp_path / "new", tmp_path / "old"
    names = {str(number) for number in range(30)}
    wrong = []
    is_done = threading.Event()

    def read():
        while not is_done.is_set():
            found = set(read_folder(folder))
            if found not in (set(), names):
                wrong.append(found)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for _ in range(400):
            new.mkdir()
            for name in names:
                (new / name).touch()
            if folder.exists():
                folder.rename(old)
            new.rename(folder)
            remove_tree(old)
    finally:
        is_done.set()
        reader.join()
    assert wrong == []


def test_a_link_to_nowhere_is_listed(tmp_path):
    (tmp_path / "link").symlink_to("nowhere")
    assert list(read_folder(tmp_path)) == ["link"]


def test_removing_counts_files(tmp_path):
    make_folders(tmp_path / "a" / "b")
    (tmp_path / "a" / "x").touch()
    (tmp_path / "a" / "b" / "y").touch()
    assert remove_tree(tmp_path / "a") == 2
    assert remove_tree(tmp_path / "a") == 0


def test_a_whole_write_replaces_and_leaves_no_draft(tmp_path):
    path, draft = tmp_path / "deep" / "a.json", tmp_path / "drafts" / "a.json"
    for content in (b"one", b"two"):
        write_whole(path, content, draft=draft)
        assert path.read_bytes() == content
        assert not draft.exists()


def test_errors_of_the_system_lose_their_paths(tmp_path):
    with pytest.raises(StoreError) as caught, file_errors("reading"):
        (tmp_path / "mrs-smith").read_bytes()
    assert str(caught.value) == "reading: No such file or directory"
