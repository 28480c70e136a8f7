import hashlib
import json

import pytest
from typer.testing import CliRunner

from callveil.adapters import models as models_adapter
from callveil.cli.models import app
from callveil.cli.output import exit_code
from callveil.errors import CallveilError

CONTENT = {"one": b"first model", "two": b"the second model"}


@pytest.fixture
def run(tmp_path, monkeypatch):
    """The command with two tiny models in the place of the shipped ones."""
    manifests = tmp_path / "manifests"
    manifests.mkdir()
    for name, content in CONTENT.items():
        sha256 = hashlib.sha256(content).hexdigest()
        (manifests / f"{name}.toml").write_text(
            f"""
            name = "{name}"
            role = "entities"
            summary = "A test"
            licence = "MIT"
            credit = "Nobody"
            origin = "https://example.org"
            languages = []
            files = [{{ path = "m", sha256 = "{sha256}", bytes = {len(content)} }}]
            sources = [{{ kind = "folder" }}]
            """
        )
    monkeypatch.setattr(models_adapter, "resource_folder", lambda name: manifests)
    monkeypatch.setenv("CALLVEIL_MODELS_DIR", str(tmp_path / "models"))
    monkeypatch.delenv("CALLVEIL_MODELS_SOURCE", raising=False)
    return lambda *arguments: CliRunner().invoke(app, list(arguments))


@pytest.fixture
def stick(tmp_path):
    for name, content in CONTENT.items():
        (tmp_path / "stick" / name).mkdir(parents=True)
        (tmp_path / "stick" / name / "m").write_bytes(content)
    return tmp_path / "stick"


def test_list_shows_the_state_of_each_model(run, stick, tmp_path):
    assert run("pull", "one", "--from", str(stick)).exit_code == 0
    result = run("list")
    assert result.exit_code == 0
    rows = [line.split() for line in result.stdout.splitlines()]
    assert rows[0] == ["NAME", "ROLE", "LICENCE", "SIZE", "STATE"]
    assert rows[1] == ["one", "entities", "MIT", "0.0", "kB", "pulled"]
    assert rows[2] == ["two", "entities", "MIT", "0.0", "kB", "missing"]
    (tmp_path / "models" / "one" / "m").write_bytes(b"short")
    listed = json.loads(run("list", "--json").stdout)
    assert {row["name"]: row["state"] for row in listed["models"]} == {"one": "damaged", "two": "missing"}
    assert listed["folder"] == str(tmp_path / "models")


def test_pull_all_then_verify(run, stick):
    result = run("pull", "--all", "--from", str(stick))
    assert result.exit_code == 0
    assert f"one: pulled, folder {stick}" in result.stdout
    assert "2 of 2 models are in" in result.stdout
    verified = run("verify")
    assert verified.exit_code == 0
    assert verified.stdout == "one: right\ntwo: right\n"
    assert "one: already there" in run("pull", "one").stdout


def test_the_source_folder_may_come_from_the_environment(run, stick, monkeypatch):
    monkeypatch.setenv("CALLVEIL_MODELS_SOURCE", str(stick))
    assert run("pull", "--all").exit_code == 0


def test_the_models_folder_may_be_named(run, stick, tmp_path):
    assert run("pull", "one", "--from", str(stick), "--dir", str(tmp_path / "elsewhere")).exit_code == 0
    assert (tmp_path / "elsewhere" / "one" / "m").exists()


def test_verify_reports_damage_with_exit_code_3_and_leaves_the_file(run, stick, tmp_path):
    run("pull", "--all", "--from", str(stick))
    target = tmp_path / "models" / "two" / "m"
    target.write_bytes(b"THE second model")
    result = run("verify")
    assert result.exit_code == 3
    assert "one: right\ntwo: wrong\n  m damaged\n" in result.stdout
    assert hashlib.sha256(b"THE second model").hexdigest() in result.stdout
    assert "run: callveil models pull two" in result.stderr
    assert target.read_bytes() == b"THE second model"
    assert run("verify", "one").exit_code == 0
    rows = json.loads(run("verify", "two", "--json").stdout)["models"]
    assert [(row["name"], row["right"], row["files"][0]["state"]) for row in rows] == [
        ("two", False, "damaged")
    ]
    assert run("pull", "two", "--from", str(stick)).exit_code == 0
    assert run("verify").exit_code == 0


def test_verify_of_nothing_pulled_is_not_right(run):
    result = run("verify")
    assert result.exit_code == 3
    assert "one: wrong\n  m missing" in result.stdout


def test_pull_goes_on_after_a_failed_model_and_exits_with_3(run, stick):
    (stick / "one" / "m").write_bytes(b"wrong model")
    result = run("pull", "--all", "--from", str(stick))
    assert result.exit_code == 3
    assert "one: failed\nmodel one: no source gave m\n  folder" in result.stderr
    assert "two: pulled" in result.stdout
    assert "1 of 2 models are in" in result.stdout


def test_pull_without_a_success_exits_with_1(run):
    result = run("pull", "one", "--json")
    assert result.exit_code == 1
    row = json.loads(result.stdout)["models"][0]
    assert (row["state"], row["error"]["code"]) == ("failed", "model")
    assert "none given" in row["error"]["message"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["pull"], 2, "name the models to pull, or give --all"),
        (["pull", "one", "--all"], 2, "name the models to pull, or give --all"),
        (
            ["pull", "one", "--from", "/nowhere"],
            2,
            "--from or CALLVEIL_MODELS_SOURCE: /nowhere is not a folder",
        ),
        (["pull", "three"], 1, "no model is called 'three'; there are: one, two"),
        (["verify", "three"], 1, "no model is called 'three'; there are: one, two"),
    ],
)
def test_wrong_use_is_an_error_of_ours(run, tmp_path, arguments, code, message):
    error = run(*arguments).exception
    assert isinstance(error, CallveilError)
    assert str(error) == message
    assert exit_code(error) == code
    assert not (tmp_path / "models").exists()
