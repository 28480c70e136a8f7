import importlib.util
from pathlib import Path

import pytest


@pytest.fixture
def office(tmp_path):
    """An office without a database; see rights_office.py."""
    path = Path(__file__).with_name("rights_office.py")
    spec = importlib.util.spec_from_file_location("rights_office", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    folder = tmp_path / "store-files"
    folder.mkdir()
    return module.FakeOffice(folder)
