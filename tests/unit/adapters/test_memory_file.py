import os
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

from callveil.adapters import memory_file as module
from callveil.adapters.memory_file import empty_or_remove, has_memory_files, memory_file, scratch_file
from callveil.errors import ConfigError


def test_it_is_a_file_for_this_process_and_for_programs():
    with memory_file("test") as path:
        assert path.is_file()
        assert path.stat().st_size == 0
        path.write_bytes(b"abc")
        assert path.read_bytes() == b"abc"
        seen = subprocess.run(
            [sys.executable, "-c", "import sys; print(open(sys.argv[1]).read())", str(path)],
            capture_output=True,
            text=True,
            check=True,
        )
        assert seen.stdout == "abc\n"
        path.write_bytes(b"x")
        assert path.stat().st_size == 1


def test_it_is_no_file_of_any_disk():
    with memory_file("test") as path:
        path.write_bytes(b"abc")
        assert os.readlink(path) == "/memfd:test (deleted)"


def test_it_goes_with_its_context():
    with pytest.raises(KeyError), memory_file("test") as path:  # noqa: PT012
        path.write_bytes(b"abc")
        raise KeyError
    assert not path.exists()


def test_programs_do_not_inherit_it():
    with memory_file("test"):
        seen = subprocess.run(["ls", "-l", "/proc/self/fd"], capture_output=True, text=True, check=True)
        assert "memfd" not in seen.stdout


def test_two_at_once_are_two():
    with memory_file("test") as one, memory_file("test") as two:
        one.write_bytes(b"1")
        two.write_bytes(b"22")
        assert (one.read_bytes(), two.read_bytes()) == (b"1", b"22")


def test_sound_files_are_written_to_it_and_read_from_it():
    with memory_file("test") as path:
        soundfile.write(str(path), [0.5] * 800, 8000, format="FLAC")
        assert soundfile.info(str(path)).frames == 800


def test_without_memory_files_masked_audio_lies_in_a_folder_of_its_own(monkeypatch):
    monkeypatch.delattr(module.os, "memfd_create")
    assert not has_memory_files()
    with pytest.raises(ConfigError, match="Linux"), memory_file("test"):
        pass
    with scratch_file("audio.flac") as path:
        path.write_bytes(b"abc")
        assert path.parent.stat().st_mode & 0o777 == 0o700
    assert not path.parent.exists()


def test_a_system_without_memory_for_it(monkeypatch):
    def refuse(*_: object) -> int:
        raise OSError(23, "Too many open files in system")

    monkeypatch.setattr(module.os, "memfd_create", refuse)
    with pytest.raises(ConfigError, match="Too many open files"), memory_file("test"):
        pass


def test_scratch_files_are_in_memory_where_they_can_be():
    with scratch_file("audio.flac") as path:
        assert path.is_relative_to("/proc")


def test_emptying_and_removing(tmp_path: Path):
    with memory_file("test") as path:
        path.write_bytes(b"abc")
        empty_or_remove(path)
        assert path.read_bytes() == b""
    (tmp_path / "x").write_bytes(b"abc")
    empty_or_remove(tmp_path / "x")
    empty_or_remove(tmp_path / "x")
    assert list(tmp_path.iterdir()) == []
