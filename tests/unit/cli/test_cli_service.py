"""The verbs of the service on a data folder, as a person uses them."""

import json
import stat
from datetime import timedelta

import pytest
import soundfile
from typer.testing import CliRunner

from callveil.cli import app
from callveil.config import load_config, load_site
from callveil.kit import build_service
from callveil.pipeline.seal import seal_original
from callveil.testing import MemorySource, call, tone
from callveil.vocabulary.ledger import CallState, NewCall, Settlement


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.delenv("CALLVEIL_DATA", raising=False)

    def run(*arguments, code=0):
        done = CliRunner().invoke(app, [*arguments, "--data", str(tmp_path)])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            return done.exception
        assert done.exit_code == code, done.output
        return done.output

    return run


@pytest.fixture
def sealing(tmp_path):
    profile = tmp_path / "sealing.toml"
    profile.write_text(f'[originals]\nkeep = "seal"\nlocation = "{tmp_path}/originals"\nkeep_days = 7\n')
    return str(profile)


@pytest.fixture
def service(run, tmp_path, sealing):
    run("landing-key", "create")
    return build_service(load_config(sealing), load_site(tmp_path))


def failed(service, call_id="c-1"):
    with service.landing.begin() as writer:
        writer.write(b"audio")
        landed = writer.finish()
    new = NewCall(
        call=call(call_id), landing=landed.token, source="push", content_sha256=landed.sha256, n_bytes=5
    )
    now = service.clock.now()
    service.ledger.accept(new, actor="test", now=now)
    claim = service.ledger.claim(call_id, owner="w", lease_s=60, now=now)
    done = Settlement(state=CallState.FAILED, reason="holds no sound", error_code="audio")
    service.ledger.settle(claim, done, now=now)


def test_dead_calls_are_listed_and_replayed(run, service):
    failed(service)
    assert "holds no sound" in run("dead", "list")
    assert json.loads(run("dead", "list", "--json"))["calls"][0]["error_code"] == "audio"
    assert "1 replayed" in run("dead", "replay", "--all")
    assert service.ledger.get("c-1").state is CallState.RECEIVED
    assert "0 replayed, 1 refused" in run("dead", "replay", "c-1", code=3)
    assert type(run("dead", "replay")).__name__ == "MetadataError"
    assert type(run("dead", "replay", "nobody")).__name__ == "NotFoundError"


def test_the_audit_chain_is_checked(run, service, tmp_path):
    failed(service)
    assert "holds" in run("audit", "verify")
    import sqlite3

    with sqlite3.connect(tmp_path / "ledger.sqlite3") as database:
        database.execute("UPDATE audit SET actor = 'nobody' WHERE number = 1")
    assert json.loads(run("audit", "verify", "--json", code=3)) == {"intact": False, "first_broken": 1}


def test_keys_of_a_role_rotate_among_themselves(run, tmp_path):
    run("ingest-key", "rotate")
    run("ingest-key", "rotate", "--role", "privacy")
    first = load_site(tmp_path).ingest_keys
    assert [key.role for key in first] == ["ingest", "privacy"]
    for _ in range(2):
        run("ingest-key", "rotate", "--role", "privacy")
    keys = load_site(tmp_path).ingest_keys
    assert [key.role for key in keys] == ["ingest", "privacy", "privacy"]
    assert keys[0] == first[0]
    assert first[1] not in keys
    run("ingest-key", "retire", "--role", "privacy")
    assert load_site(tmp_path).ingest_keys == (keys[0], keys[2])
    assert type(run("ingest-key", "retire", "--role", "ops")).__name__ == "RefusedError"


def test_ingest_keys_rotate_and_retire(run, tmp_path):
    run("ingest-key", "rotate")
    first = load_site(tmp_path).ingest_keys
    run("ingest-key", "rotate")
    both = load_site(tmp_path).ingest_keys
    assert (len(first), len(both)) == (1, 2)
    assert both[0].key_id == first[0].key_id
    assert stat.S_IMODE((tmp_path / "ingest-key.json").stat().st_mode) == 0o600
    run("ingest-key", "retire")
    assert load_site(tmp_path).ingest_keys == both[1:]
    assert type(run("ingest-key", "retire")).__name__ == "RefusedError"


def test_a_landing_key_is_made_once(run, service):
    assert type(run("landing-key", "create")).__name__ == "RefusedError"
    assert "0 recordings" in run("landing-key", "rewrap")


def test_reconcile_tells_what_it_did(run, service):
    failed(service)
    assert json.loads(run("reconcile", "--json")) == {
        "reemitted": 0,
        "cut_off": 0,
        "shredded": 0,
        "orphans": 0,
        "removals": 0,
        "requests": 0,
        "holds": 0,
        "receipts": 0,
        "late": 0,
        "indexed": 0,
        "reviews": 0,
        "failed": 0,
    }
    assert "0 calls owed again" in run("reconcile")
    assert "0 deletions finished" in run("reconcile")


def test_serve_and_worker_refuse_to_start_without_keys(run, service, monkeypatch, tmp_path):
    assert "ingest keys" in str(run("serve"))
    monkeypatch.setenv("CALLVEIL_KEYS_DIR", str(tmp_path / "no-keys"))
    assert type(run("worker")).__name__ == "ConfigError"
    run("ingest-key", "rotate")
    assert "--open-status" in str(run("serve", "--open-status", "--host", "0.0.0.0"))


def test_an_original_is_heard_on_the_record(run, service, sealing, tmp_path):
    recording = MemorySource(tone(2.0, rate_hz=8000, channels=2))
    seal_original(
        call(),
        recording,
        (),
        service.originals,
        input_sha256="ab" * 32,
        until_s=None,
        expires_at=service.clock.now() + timedelta(days=7),
        now=service.clock.now(),
    )
    started_long_ago = json.loads(run("original", "list", "--json", "--profile", sealing))
    assert started_long_ago == {"call_ids": ["c-1"]}
    out = tmp_path / "heard.wav"
    given = ("--reason", "complaint 17", "--out", str(out), "--profile", sealing)
    run("original", "replay", "c-1", *given)
    assert soundfile.info(out).frames == 16000
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    entry = service.ledger.audit()[-1]
    assert (entry.action, entry.call_id, entry.detail) == (
        "original.replayed",
        "c-1",
        {"reason": "complaint 17"},
    )
    assert type(run("original", "replay", "c-1", *given)).__name__ == "RefusedError"
    assert type(run("original", "list")).__name__ == "ConfigError"
    assert "0 originals deleted" in run("original", "expire", "--profile", sealing)
