"""Which policies are in force: the newest set of the ledger, else the file; newer ones are noticed."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from callveil.config import Site, load_config
from callveil.errors import ConfigError
from callveil.kit import LivePolicies, open_policies, policies_of_site
from callveil.testing import START, temporary_ledger

NEW = '[[policies]]\nname = "new"\nkeep = { audio = "5 days" }\n'


@pytest.fixture
def config():
    return load_config("default")


@pytest.fixture
def sets():
    with temporary_ledger() as ledger:
        yield ledger.books.policy_sets


def put(sets, text, base=0):
    return sets.put(text, base=base, note="n", actor="user:ada", now=START)


def names(policies):
    return [policy.name for policy in policies]


def test_the_file_counts_until_there_is_a_set(config, sets):
    live = LivePolicies(config, sets, checked_s=0)
    assert live.now() == open_policies(config) == open_policies(config, sets=sets)
    assert live.name.endswith("retention.toml")
    put(sets, NEW)
    assert names(live.now()) == ["new", "standard"]
    assert live.name == "set 1 of the ledger"
    assert open_policies(config, sets=sets) == live.now()
    # A file that is named goes before both.
    assert open_policies(config, config.retention_policies, sets) == open_policies(config)


def test_a_newer_set_is_noticed_and_read_once(config, sets, monkeypatch):
    put(sets, NEW)
    live, reads = LivePolicies(config, sets, checked_s=0), []
    get = type(sets).get
    monkeypatch.setattr(type(sets), "get", lambda self, number: reads.append(number) or get(self, number))
    for _ in range(3):
        live.now()
    put(sets, NEW.replace("new", "newer"), base=1)
    for _ in range(3):
        assert names(live.now()) == ["newer", "standard"]
    assert reads == [1, 2]


def test_between_two_looks_the_ledger_is_left_alone(config, sets, monkeypatch):
    live = LivePolicies(config, sets, checked_s=3600)
    live.now()
    put(sets, NEW)
    assert "new" not in names(live.now())
    live.look_again()
    assert "new" in names(live.now())


def test_a_set_that_cannot_be_read_is_no_reason_to_go_by_another(config, sets):
    live = LivePolicies(config, sets, checked_s=0)
    live.now()
    put(sets, "[[policies]]\nname = 'standard'\nkeep = { audio = '1 day' }\n")
    for _ in range(2):
        with pytest.raises(ConfigError, match="set 1 of the ledger: two policies have the name"):
            live.now()


def test_those_of_a_site(config, tmp_path):
    def site(url):
        return Site(
            data=tmp_path,
            ledger=SecretStr(url),
            landing=tmp_path,
            landing_key=tmp_path,
            store="",
            broker="",
        )

    missing = policies_of_site(config, site(f"sqlite:///{tmp_path}/none.sqlite3"))
    assert missing.policies == open_policies(config)
    assert not (tmp_path / "none.sqlite3").exists()
    with temporary_ledger() as ledger:
        put(ledger.books.policy_sets, NEW)
        url = str(ledger._database.engine.url)
        found = policies_of_site(config, site(url))
    assert (names(found.policies), found.name) == (["new", "standard"], "set 1 of the ledger")
