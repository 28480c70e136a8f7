from pathlib import Path

import pytest

from callveil.errors import MetadataError
from callveil.pipeline.batch import find_jobs
from callveil.vocabulary.consent import Flag


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.wav", "a.json", "b.FLAC", "deep/c.mp3", "orphan.json", "notes.txt", ".hidden.wav"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    return tmp_path


def find(*paths: Path, metadata: Path | None = None, flag: Flag | None = None):
    return find_jobs(paths, metadata=metadata, flag=flag, replace=False)


def test_a_folder_is_searched_and_pairs_are_made(folder):
    found = find(folder)
    assert [job.audio.name for job in found.jobs] == ["a.wav", "b.FLAC", "c.mp3"]
    assert [job.metadata and job.metadata.name for job in found.jobs] == ["a.json", None, None]
    assert [path.name for path in found.orphans] == ["orphan.json"]
    assert found.ignored == 1


def test_a_file_is_taken_whatever_its_name(folder):
    assert [job.audio.name for job in find(folder / "notes.txt").jobs] == ["notes.txt"]


def test_a_recording_given_twice_is_one_job(folder):
    assert len(find(folder / "a.wav", folder / "a.wav", folder).jobs) == 3


def test_metadata_is_for_one_recording(folder):
    (job,) = find(folder / "b.FLAC", metadata=folder / "a.json").jobs
    assert job.metadata == folder / "a.json"
    with pytest.raises(MetadataError, match="--metadata"):
        find(folder, metadata=folder / "a.json")


@pytest.mark.parametrize("name", ["gone.wav", "gone"])
def test_a_path_that_is_not_there_is_named(folder, name):
    with pytest.raises(MetadataError, match=name):
        find(folder / name)


def test_metadata_that_is_not_there_is_refused(folder):
    with pytest.raises(MetadataError, match="--metadata"):
        find(folder / "b.FLAC", metadata=folder / "gone.json")


def test_a_denial_in_upper_case_json_is_not_overlooked(folder):
    (folder / "b.JSON").write_text('{"call_id": "b", "consent": "denied"}')
    by_name = {job.audio.name: job for job in find(folder, flag=Flag.GRANTED).jobs}
    assert by_name["b.FLAC"].metadata == folder / "b.JSON"


def test_two_metadata_files_for_one_recording_are_refused(folder):
    (folder / "a.JSON").write_bytes(b"x")
    with pytest.raises(MetadataError, match=r"a\.wav"):
        find(folder)
