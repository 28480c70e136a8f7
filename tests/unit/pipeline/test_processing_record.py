import json
from importlib.resources import files

import jsonschema
import pytest

from callveil.config import load_config, load_site
from callveil.errors import ConfigError
from callveil.pipeline.processing_record import make_record, record_markdown
from callveil.rights.processing_record import record_document
from callveil.testing import START

SCHEMA = json.loads((files("callveil") / "schemas/processing-record.schema.json").read_bytes())
CONTROLLER = """
[controller]
name = "Acme | Sons"
address = "1 Quay Street"
contact = "privacy@acme.example"
officer = "dpo@acme.example"
authority = "ICO"
notice = "https://acme.example/privacy"
"""


def facts(tmp_path, text="", *others, recipients=None):
    profile = tmp_path / "own.toml"
    profile.write_text(text)
    if recipients is not None:
        (tmp_path / "recipients.json").write_text(json.dumps(recipients))
        (tmp_path / "recipients.json").chmod(0o600)
    site = load_site(tmp_path, {})
    found = make_record([load_config(str(profile)), *map(load_config, others)], site, START)
    jsonschema.validate(record_document(found), SCHEMA, cls=jsonschema.Draft202012Validator)
    return found


def test_an_empty_profile_leaves_blanks_and_says_so(tmp_path):
    found = facts(tmp_path)
    text = record_markdown(found)
    assert "| Controller | **[FILL IN: name]** |" in text
    assert "controller.name in the profile" in text
    assert "No system is registered to get copies." in text
    assert "None" not in text
    assert "{{" not in text


def test_a_controller_stands_in_it(tmp_path):
    found = facts(tmp_path, CONTROLLER)
    text = record_markdown(found)
    assert "| Controller | Acme \\| Sons |" in text
    assert "[FILL IN: name]" not in text
    assert not any("controller.name" in blank for blank in found.blanks)
    assert record_document(found)["a_controller"]["officer"] == "dpo@acme.example"


def test_every_item_of_article_30_is_there(tmp_path):
    text = record_markdown(facts(tmp_path))
    for letter in "abcdefg":
        assert f"## ({letter}) " in text


def test_the_settings_make_the_words(tmp_path):
    text = record_markdown(
        facts(
            tmp_path,
            f"""
            [masking]
            audio = "tone"
            [verify]
            max_rounds = 3
            [originals]
            keep = "seal"
            location = "{tmp_path}/sealed"
            [store]
            lock = "none"
            [consent]
            after_publishing = "keep"
            """,
        )
    )
    assert "(tone in the recording)" in text
    assert "up to 3 rounds" in text
    assert "Originals are kept encrypted" in text
    assert "the published call stays" in text
    assert "Object Lock" not in text


def test_the_models_in_use_are_named_with_their_licence(tmp_path):
    models = record_document(facts(tmp_path))["activities"][0]["models"]
    named = {model["name"]: model["licence"] for model in models}
    assert named["whisper-base-ct2"] == "MIT"
    text = 'transcriber = { engine = "faster-whisper", options = { model = "whisper-tiny-en-ct2" } }'
    text += (
        '\nverify = { listener = { engine = "faster-whisper", options = { model = "whisper-base-ct2" } } }'
    )
    swapped = record_document(facts(tmp_path, text))["activities"][0]["models"]
    assert {model["name"] for model in swapped} == set(named)


def test_several_profiles_are_several_activities(tmp_path):
    found = facts(tmp_path, "", "default")
    assert [activity.profile for activity in found.activities] == ["own", "default"]
    assert record_markdown(found).count("# Activity: profile") == 2


def test_recipients_are_named_without_their_secrets(tmp_path):
    row = {
        "name": "crm-1", "kind": "crm", "url": "https://crm.example.org/hook", "secret": "s" * 40,
        "deadline_days": 7, "queues": ["sales"],
    }  # fmt: skip
    found = facts(tmp_path, recipients=[row])
    text = record_markdown(found) + json.dumps(record_document(found))
    assert "| crm-1 | crm | of queue sales |" in text
    assert "s" * 40 not in text
    assert "hook" not in text


@pytest.mark.parametrize("bad", ['name = "a\\nb"', 'notice = "javascript:x"', "nme = 'x'"])
def test_a_controller_is_lines_of_text(tmp_path, bad):
    with pytest.raises(ConfigError, match="controller"):
        facts(tmp_path, f"[controller]\n{bad}\n")
