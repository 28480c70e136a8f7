import tomllib

import pytest

from callveil.adapters import resources
from callveil.adapters.resources import resource_folder
from callveil.errors import ConfigError


@pytest.mark.parametrize("name", ["models", "pipelines"])
def test_shipped_folders_are_there_and_hold_toml(name):
    files = sorted(resource_folder(name).rglob("*.toml"))
    assert files
    for file in files:
        assert tomllib.loads(file.read_text(encoding="utf-8"))


def test_a_missing_folder_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(resources, "files", lambda package: tmp_path)
    with pytest.raises(ConfigError, match=r"_data/models: the models that ship with callveil are missing"):
        resource_folder("models")
