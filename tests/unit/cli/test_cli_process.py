import pytest
from typer.testing import CliRunner

from callveil.adapters.signing_keys import KeyFolder
from callveil.cli import app, process
from callveil.cli.output import exit_code
from callveil.errors import ConfigError
from callveil.testing import ManualClock, throw_away_signer


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("CALLVEIL_KEYS_DIR", str(tmp_path / "keys"))
    (tmp_path / "a.wav").write_bytes(b"x")
    heard = []
    monkeypatch.setattr(process, "process_all", lambda jobs, *_: heard.extend(jobs) or [])

    def invoke() -> tuple[BaseException | None, int]:
        arguments = ["process", str(tmp_path / "a.wav"), "--out", str(tmp_path / "out")]
        return CliRunner().invoke(app, arguments).exception, len(heard)

    return invoke


def test_without_a_key_nothing_is_heard_and_no_key_is_made(run, tmp_path):
    error, n_heard = run()
    assert isinstance(error, ConfigError)
    assert "run: callveil keys create" in str(error)
    assert (exit_code(error), n_heard) == (2, 0)
    assert not (tmp_path / "keys").exists()


def test_with_a_key_calls_are_processed(run, tmp_path):
    KeyFolder(tmp_path / "keys", ManualClock()).create()
    assert run()[1] == 1


def test_a_key_that_others_can_read_is_refused(run, tmp_path):
    KeyFolder(tmp_path / "keys", ManualClock()).create()
    (tmp_path / "keys" / "private.pem").chmod(0o644)
    error, n_heard = run()
    assert "has mode 0644" in str(error)
    assert (exit_code(error), n_heard) == (2, 0)


def test_the_key_may_come_from_the_environment_or_a_file(run, tmp_path, monkeypatch):
    pem = throw_away_signer().private_pem().decode()
    monkeypatch.setenv("CALLVEIL_SIGNING_KEY", pem)
    assert run()[1] == 1
    monkeypatch.delenv("CALLVEIL_SIGNING_KEY")
    (tmp_path / "secret").write_text(pem)
    monkeypatch.setenv("CALLVEIL_SIGNING_KEY_FILE", str(tmp_path / "secret"))
    assert run()[1] == 2


@pytest.mark.parametrize("variable", ["CALLVEIL_SIGNING_KEY", "CALLVEIL_SIGNING_KEY_FILE"])
def test_a_wrong_key_in_the_environment_does_not_fall_back_to_the_folder(
    run, tmp_path, monkeypatch, variable
):
    KeyFolder(tmp_path / "keys", ManualClock()).create()
    monkeypatch.setenv(variable, "hush-hush")
    error, n_heard = run()
    assert variable.removesuffix("_FILE") in str(error)
    assert "hush" not in str(error)
    assert (exit_code(error), n_heard) == (2, 0)
