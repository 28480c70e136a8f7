import json
from dataclasses import replace
from typing import Any

import pytest
from typer.testing import CliRunner

from callveil.adapters.signing_keys import KeyFolder
from callveil.cli import app, process
from callveil.cli.output import exit_code
from callveil.errors import ConfigError
from callveil.pipeline.batch import Job
from callveil.testing import CLEAN, ManualClock, throw_away_signer
from callveil.vocabulary.consent import Action, ConsentDecision
from callveil.vocabulary.proof import Verification, VerifyResult, VerifyScope
from callveil.vocabulary.recording import Outcome, State


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setenv("CALLVEIL_KEYS_DIR", str(tmp_path / "keys"))
    (tmp_path / "a.wav").write_bytes(b"x")
    heard = []
    monkeypatch.setattr(process, "process_all", lambda jobs, *_, **__: heard.extend(jobs) or [])

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


def outcome(state: State, call_id: str = "c-1", **more: Any) -> Outcome:
    return Outcome(call_id=call_id, state=state, **more)


LEAK = Verification(
    result=VerifyResult.LEAK, scope=VerifyScope.ALL, rounds=5, heard_s=61.25, widened=4, left=2
)
KEPT = ConsentDecision(action=Action.KEEP, rule="all_party", reason="Every party agreed.")
PUBLISHED = outcome(State.PUBLISHED, duration_s=12.0, decision=KEPT, verification=CLEAN)
QUARANTINED = outcome(State.QUARANTINED, "c-2", decision=KEPT, verification=LEAK)


@pytest.fixture
def end_with(tmp_path, monkeypatch):
    """Run `callveil process` with calls that end as told."""
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "a.wav").write_bytes(b"x")
    job = Job(audio=tmp_path / "a.wav", metadata=None)

    def invoke(*outcomes: Outcome, options: tuple[str, ...] = ()):
        monkeypatch.setattr(process, "process_all", lambda *_, **__: [(job, each) for each in outcomes])
        return CliRunner().invoke(app, ["process", str(job.audio), "--out", str(tmp_path / "out"), *options])

    return invoke


@pytest.mark.parametrize(
    ("states", "code"),
    [
        ([State.PUBLISHED], 0),
        ([State.SKIPPED], 0),
        ([State.QUARANTINED], 3),
        ([State.PUBLISHED, State.QUARANTINED], 3),
        ([State.QUARANTINED, State.DISCARDED], 3),
        ([State.PUBLISHED, State.FAILED], 3),
        ([State.HELD, State.DISCARDED], 4),
        ([State.PUBLISHED, State.HELD], 0),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, list) else str(value),
)
def test_the_exit_code_tells_how_the_calls_ended(end_with, states, code):
    assert end_with(*(outcome(state) for state in states)).exit_code == code


def test_a_quarantined_call_has_its_line_and_is_counted(end_with):
    printed = end_with(PUBLISHED, QUARANTINED).stdout
    assert (
        "c-2: quarantined: 2 findings could still be heard after round 5. Nothing was published." in printed
    )
    assert "1 published, 1 quarantined" in printed
    row = next(line for line in printed.splitlines() if "c-2" in line and "all_party" in line)
    assert "quarantined" in row


def test_one_finding_is_one(end_with):
    printed = end_with(replace(QUARANTINED, verification=replace(LEAK, left=1))).stdout
    assert "1 finding could still" in printed


def test_json_tells_what_was_heard_of_the_masked_audio(end_with):
    held = outcome(State.HELD, "c-3")
    printed = end_with(PUBLISHED, QUARANTINED, held, options=("--json",)).stdout
    calls = {call["call_id"]: call for call in json.loads(printed)["calls"]}
    assert calls["c-1"]["verify"] == {
        "result": "clean", "scope": "all", "rounds": 2, "heard_s": 41.5, "widened": 3, "left": 0,
    }  # fmt: skip
    assert calls["c-2"]["state"] == "quarantined"
    assert calls["c-2"]["prefix"] is None
    assert calls["c-2"]["verify"] == {
        "result": "leak", "scope": "all", "rounds": 5, "heard_s": 61.25, "widened": 4, "left": 2,
    }  # fmt: skip
    assert calls["c-3"]["verify"] is None
