"""`callveil watch` as a process: killed again and again, stopped, and run by hand."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from callveil.adapters.drop_folder import DropFolder
from callveil.cli.service import load, open_service
from callveil.kit import make_landing_key, make_subject_keys
from callveil.pipeline.watch import Watcher

N_CALLS = 40

N_KILLS = 8


def drop_calls(folder: Path, numbers: range) -> None:
    import numpy as np
    import soundfile

    for number in numbers:
        samples = np.full((4000, 2), number / 1000)
        soundfile.write(folder / f"c-{number:03}.wav", samples, 8000)
        (folder / f"c-{number:03}.json").write_text(
            json.dumps({"call_id": f"c-{number:03}", "consent": "granted"})
        )


def watch_for_ever(data: Path, folder: Path) -> None:
    watcher = Watcher(DropFolder(folder), open_service(data, "default"), settle_s=0, orphan_after_s=3600)
    while True:
        watcher.look()


def watch(*arguments: object, data: Path) -> list[str]:
    return [sys.executable, "-m", "callveil", "watch", *map(str, arguments), "--data", str(data)]


@pytest.fixture
def data(tmp_path):
    found = tmp_path / "data"
    found.mkdir()
    config, site = load(found, "default")
    make_landing_key(site)
    make_subject_keys(config, site)
    return found


@pytest.fixture
def folder(tmp_path):
    found = tmp_path / "drop"
    found.mkdir()
    return found


@pytest.mark.slow
def test_a_process_killed_at_any_moment_loses_and_doubles_nothing(data, folder):
    dropped = 0
    open_service(data, "default").ledger.close()
    fork, chance, kills = multiprocessing.get_context("fork"), random.Random(7), 0
    end = time.monotonic() + 120
    while kills < N_KILLS and time.monotonic() < end:
        if not list(folder.glob("*.wav")):
            drop_calls(folder, range(dropped, dropped + N_CALLS))
            dropped += N_CALLS
        process = fork.Process(target=watch_for_ever, args=(data, folder))
        process.start()
        time.sleep(0.12 + chance.random() * 0.25)
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        kills += 1
    assert kills == N_KILLS
    done = subprocess.run(
        watch(folder, "--once", "--settle", 0, "--orphan-after", 0, "--json", data=data),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert [path.name for path in folder.iterdir() if path.name != ".callveil-watch"] == []
    service = open_service(data, "default")
    calls = service.ledger.calls(limit=1000)
    assert [call.call_id for call in calls] == [f"c-{number:03}" for number in range(dropped)]
    received = [entry for entry in service.ledger.audit() if entry.action == "call.received"]
    assert len(received) == dropped
    assert all(service.landing.is_finished(call.landing) for call in calls)
    service.ledger.close()


def test_it_takes_what_comes_and_stops_within_seconds(data, folder):
    drop_calls(folder, range(2))
    running = subprocess.Popen(
        watch(folder, "--settle", 0.2, "--every", 0.2, "--json", data=data),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        end = time.monotonic() + 60
        while list(folder.glob("*.json")) and time.monotonic() < end:
            time.sleep(0.1)
        drop_calls(folder, range(2, 3))
        while list(folder.glob("*.json")) and time.monotonic() < end:
            time.sleep(0.1)
        began = time.monotonic()
        running.send_signal(signal.SIGTERM)
        out, log = running.communicate(timeout=20)
    finally:
        running.kill()
    assert time.monotonic() - began < 5
    assert running.returncode == 0, log
    assert json.loads(out)["accepted"] == 3
    taken = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    assert {line["call_id"] for line in taken if "call_id" in line} == {"c-000", "c-001", "c-002"}


def test_wrong_use_is_one_clear_message(data, folder, tmp_path):
    for place, code, said in (
        (tmp_path / "nowhere", 2, "drop folder"),
        ("ftp://x", 2, "s3://bucket/prefix"),
        ("s3://bucket/prefix", 2, "CALLVEIL_S3_ACCESS_KEY"),
    ):
        done = subprocess.run(
            watch(place, "--once", data=data),
            capture_output=True,
            text=True,
            env={**os.environ, "CALLVEIL_S3_ACCESS_KEY": "", "CALLVEIL_S3_SECRET_KEY": ""},
        )
        assert done.returncode == code, done.stderr
        assert said in done.stderr
        assert "Traceback" not in done.stderr


def test_once_with_something_broken(data, folder):
    (folder / "a.wav").write_bytes(b"no audio")
    (folder / "a.json").write_text(json.dumps({"call_id": "a", "consent": "granted"}))
    done = subprocess.run(watch(folder, "--once", "--settle", 0, data=data), capture_output=True, text=True)
    assert done.returncode == 3
    assert "1 quarantined" in " ".join(done.stdout.split())
