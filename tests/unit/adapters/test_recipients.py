"""The file of recipients: for its owner only, and nothing in it that cannot be told."""

import json
import stat

import pytest

from callveil.adapters.recipients import parse_recipients, read_recipients, write_recipients
from callveil.config import load_site
from callveil.errors import ConfigError
from callveil.vocabulary.rights import Recipient

GOOD = {"name": "crm", "kind": "crm", "url": "https://crm.example/forget", "secret": "s" * 32}
FULL = Recipient(
    name="dwh",
    kind="warehouse",
    url="https://dwh.example/",
    secret="t" * 40,
    deadline_days=14,
    queues=frozenset({"sales", "care"}),
)


def test_what_is_written_is_read(tmp_path):
    file = tmp_path / "recipients.json"
    assert read_recipients(file) == ()
    write_recipients(file, [FULL])
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert read_recipients(file) == (FULL,)
    assert load_site(tmp_path, {}).recipients == (FULL,)
    named = {"CALLVEIL_RECIPIENTS": json.dumps([GOOD])}
    assert [each.name for each in load_site(tmp_path, named).recipients] == ["crm"]
    assert "ttt" not in repr(load_site(tmp_path, {}))


def test_others_may_not_read_it(tmp_path):
    file = tmp_path / "recipients.json"
    write_recipients(file, [FULL])
    file.chmod(0o640)
    with pytest.raises(ConfigError, match="0600"):
        read_recipients(file)


@pytest.mark.parametrize(
    "rows",
    [
        "x",
        {},
        [1],
        [{**GOOD, "more": 1}],
        [{name: value for name, value in GOOD.items() if name != "url"}],
        [{**GOOD, "name": "a b"}],
        [{**GOOD, "name": ""}],
        [{**GOOD, "kind": "friend"}],
        [{**GOOD, "url": "http://crm.example/"}],
        [{**GOOD, "secret": "sesame"}],
        [{**GOOD, "secret": 7}],
        [{**GOOD, "deadline_days": 0}],
        [{**GOOD, "deadline_days": 31}],
        [{**GOOD, "deadline_days": True}],
        [{**GOOD, "queues": "sales"}],
        [{**GOOD, "queues": [""]}],
        [GOOD, GOOD],
        [GOOD] * 101,
    ],
)
def test_anything_else_is_refused_without_its_values(rows):
    text = rows if rows == "x" else json.dumps(rows)
    with pytest.raises(ConfigError) as caught:
        parse_recipients(text, "CALLVEIL_RECIPIENTS")
    assert "sesame" not in str(caught.value)
    assert str(caught.value).startswith("CALLVEIL_RECIPIENTS")
