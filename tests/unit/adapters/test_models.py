import hashlib
import os
from pathlib import Path

import pytest

from callveil.adapters.model_manifests import ModelManifest
from callveil.adapters.models import ModelFolder, ModelState, models_folder, source_folder
from callveil.errors import ModelError
from callveil.ports import ModelLookup

CONTENT = {"model.bin": b"weights", "sub/config.json": b"{}"}
HASHES = {path: hashlib.sha256(content).hexdigest() for path, content in CONTENT.items()}


@pytest.fixture
def models(tmp_path):
    manifest = ModelManifest.model_validate(
        {
            "name": "tiny",
            "role": "entities",
            "summary": "A test",
            "licence": "MIT",
            "credit": "Nobody",
            "origin": "https://example.org",
            "languages": [],
            "files": [
                {"path": path, "sha256": HASHES[path], "bytes": len(content)}
                for path, content in CONTENT.items()
            ],
            "sources": [{"kind": "folder"}],
        }
    )
    return ModelFolder(tmp_path / "models", {"tiny": manifest})


def fill(models):
    for path, content in CONTENT.items():
        target = models.root / "tiny" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


def test_a_pulled_model_is_found(models):
    fill(models)
    lookup: ModelLookup = models
    assert lookup.folder("tiny") == models.root / "tiny"
    assert models.state("tiny") is ModelState.PULLED


def test_looking_up_creates_nothing(models):
    with pytest.raises(ModelError):
        models.folder("tiny")
    assert not models.root.exists()


@pytest.mark.parametrize(
    ("path", "content", "state"),
    [
        ("model.bin", None, "missing"),
        ("sub/config.json", None, "missing"),
        ("model.bin", b"weight", "damaged"),
        ("model.bin", b"weights!", "damaged"),
        ("model.bin", b"", "damaged"),
    ],
)
def test_an_incomplete_model_is_refused_naming_the_command(models, path, content, state):
    fill(models)
    target = models.root / "tiny" / path
    if content is None:
        target.unlink()
    else:
        target.write_bytes(content)
    assert models.state("tiny") == state
    with pytest.raises(ModelError, match=f"tiny is {state} in .*; run: callveil models pull tiny"):
        models.folder("tiny")


def test_a_folder_in_the_place_of_a_file_is_damage(models):
    fill(models)
    (models.root / "tiny" / "model.bin").unlink()
    (models.root / "tiny" / "model.bin").mkdir()
    assert models.state("tiny") is ModelState.DAMAGED
    check = models.verify("tiny")[0]
    assert (check.state, check.sha256) == (ModelState.DAMAGED, None)


def test_an_unknown_model_lists_the_known_ones(models):
    for ask in (models.folder, models.path, models.state, models.verify, models.sha256_of):
        with pytest.raises(ModelError, match="no model is called 'other'; there are: tiny"):
            ask("other")


def test_verify_finds_damage_that_keeps_the_size_and_deletes_nothing(models):
    fill(models)
    target = models.root / "tiny" / "model.bin"
    target.write_bytes(b"wEights")
    assert models.state("tiny") is ModelState.PULLED
    bad, good = models.verify("tiny")
    assert (bad.path, bad.state) == ("model.bin", ModelState.DAMAGED)
    assert bad.expected_sha256 == HASHES["model.bin"]
    assert bad.sha256 == hashlib.sha256(b"wEights").hexdigest()
    assert good.state is ModelState.PULLED
    assert target.read_bytes() == b"wEights"


def test_hashes_for_certificates(models):
    fill(models)
    assert models.sha256_of("tiny") == HASHES


def test_hashes_of_a_damaged_model_are_refused_even_after_they_were_right(models):
    fill(models)
    models.sha256_of("tiny")
    target = models.root / "tiny" / "model.bin"
    target.write_bytes(b"wEights")
    os.utime(target, ns=(1, 1))
    with pytest.raises(ModelError, match=r"tiny: model\.bin is damaged; run: callveil models pull tiny"):
        models.sha256_of("tiny")


def test_an_unchanged_file_is_hashed_once(models):
    class Counting:
        begun = 0
        read = 0

        def begin(self, label, n_bytes):
            self.begun += 1

        def reached(self, n_bytes):
            self.read += 1

        def end(self):
            pass

    fill(models)
    models.verify("tiny")
    again = Counting()
    models.verify("tiny", again)
    assert (again.begun, again.read) == (2, 0)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"CALLVEIL_MODELS_DIR": "/srv/models", "XDG_CACHE_HOME": "/c"}, Path("/srv/models")),
        ({"CALLVEIL_MODELS_DIR": "", "XDG_CACHE_HOME": "/c"}, Path("/c/callveil/models")),
        ({"XDG_CACHE_HOME": "relative"}, Path.home() / ".cache/callveil/models"),
        ({}, Path.home() / ".cache/callveil/models"),
    ],
)
def test_where_models_lie(environment, expected):
    assert models_folder(environment) == expected


def test_where_models_come_from():
    assert source_folder({"CALLVEIL_MODELS_SOURCE": "/media/stick"}) == Path("/media/stick")
    assert source_folder({"CALLVEIL_MODELS_SOURCE": ""}) is None
    assert source_folder({}) is None
