import json

import pytest

from callveil.adapters.data_folder import read_layout, write_layout
from callveil.config import load_site, make_process_site
from callveil.errors import ConfigError

SERVICES = {
    "CALLVEIL_LEDGER": "postgresql+psycopg://user@/callveil",
    "CALLVEIL_STORE": "s3://centre/calls",
    "CALLVEIL_LANDING": "/srv/landing",
    "CALLVEIL_DATA": "/srv/callveil",
}


def test_the_folder_of_processed_calls_is_its_own_store_whatever_the_environment_says(tmp_path):
    site = make_process_site(str(tmp_path / "out"), environ=SERVICES)
    assert site.store == str(tmp_path / "out")
    assert site.ledger.get_secret_value() == f"sqlite:///{tmp_path}/out/ledger.sqlite3"
    assert load_site(tmp_path / "out", SERVICES) == site
    assert json.loads((tmp_path / "out" / "layout.json").read_text()) == {"store": "."}


def test_a_folder_moved_elsewhere_is_still_its_own_store(tmp_path):
    make_process_site(str(tmp_path / "out"), environ={})
    (tmp_path / "out").rename(tmp_path / "moved")
    assert load_site(tmp_path / "moved", {}).store == str(tmp_path / "moved")


@pytest.mark.parametrize("name", ["calls", "decisions"])
def test_a_folder_made_before_there_was_a_ledger_is_known_by_what_is_in_it(tmp_path, name):
    (tmp_path / name).mkdir()
    assert load_site(tmp_path, {}).store == str(tmp_path)
    (tmp_path / "store").mkdir()
    assert load_site(tmp_path, {}).store == str(tmp_path / "store")


def test_a_bucket_has_its_ledger_where_it_is_told(tmp_path):
    assert make_process_site("s3://bucket/prefix", environ=SERVICES) is None
    site = make_process_site("s3://bucket/prefix/", tmp_path / "data", SERVICES)
    assert site.store == load_site(tmp_path / "data", {}).store == "s3://bucket/prefix"
    assert make_process_site("s3://bucket/prefix", tmp_path / "data", {}) == site


def test_one_folder_keeps_the_ledger_of_one_store(tmp_path):
    make_process_site("s3://bucket/prefix", tmp_path / "data", {})
    for other in ("s3://bucket/other", str(tmp_path / "data"), str(tmp_path / "out")):
        with pytest.raises(ConfigError, match="another store"):
            make_process_site(other, tmp_path / "data", {})


def test_the_services_folder_is_left_as_it_is(tmp_path):
    (tmp_path / "landing").mkdir()
    with pytest.raises(ConfigError, match="another store"):
        make_process_site(str(tmp_path / "out"), tmp_path, {})
    with pytest.raises(ConfigError, match="another store"):
        make_process_site(str(tmp_path), environ={})
    site = make_process_site(str(tmp_path / "store"), tmp_path, {})
    assert site == load_site(tmp_path, {})
    assert not (tmp_path / "layout.json").exists()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"store": 1}', '{"store": ""}', "no"])
def test_a_layout_that_is_none_is_named(tmp_path, text):
    (tmp_path / "layout.json").write_text(text)
    with pytest.raises(ConfigError, match=r"layout\.json"):
        load_site(tmp_path, {})


def test_a_layout_is_written_once(tmp_path):
    write_layout(tmp_path, str(tmp_path))
    before = (tmp_path / "layout.json").read_bytes()
    write_layout(tmp_path, str(tmp_path))
    assert (tmp_path / "layout.json").read_bytes() == before
    assert read_layout(tmp_path) == str(tmp_path)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ConfigError, match="cannot be written"):
        write_layout(tmp_path / "file", "s3://bucket/prefix")
