"""What the Whisper engines do before they hear anything; hearing itself is in tests/contract."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from callveil.errors import ModelError
from callveil.registry import engine_module

pytest.importorskip("faster_whisper")
pytest.importorskip("whisper")


@pytest.fixture(params=["faster-whisper", "openai-whisper"])
def module(request):
    return engine_module("transcriber", request.param)


class OneFolder:
    def __init__(self, folder):
        self._folder = folder

    def folder(self, model):
        return self._folder


@pytest.mark.parametrize(
    "wrong",
    [{"beam_size": 0}, {"beam_size": 21}, {"numerals": "roman"}, {"model": ""}, {"hotwords": "x"}],
)
def test_options_out_of_bounds_are_refused(module, wrong):
    with pytest.raises(ValidationError):
        module.Options(**wrong)


def test_every_option_says_what_it_is(module):
    assert all(field.description for field in module.Options.model_fields.values())


@pytest.mark.parametrize(
    "files",
    [{}, {"model.bin": b"no weights", "tokenizer.json": b"{}", "config.json": b"{}"}],
    ids=["an empty folder", "damaged weights"],
)
def test_a_folder_without_a_model_is_a_model_error(module, files, tmp_path):
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelError):
        module.build(module.Options(), OneFolder(tmp_path))


def test_a_damaged_checkpoint_is_a_model_error(tmp_path):
    module = engine_module("transcriber", "openai-whisper")
    (tmp_path / "tiny.en.pt").write_bytes(b"no weights")
    with pytest.raises(ModelError):
        module.build(module.Options(), OneFolder(tmp_path))


def test_two_checkpoints_are_a_model_error(tmp_path):
    module = engine_module("transcriber", "openai-whisper")
    for name in ("tiny.pt", "base.pt"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(ModelError, match="2 found"):
        module.build(module.Options(), OneFolder(tmp_path))
