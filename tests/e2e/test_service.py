"""`callveil dev` as a user runs it: one command, real broker, real models, calls pushed with a signature."""

import asyncio
import hashlib
import hmac
import importlib.util
import json
import os
import signal
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request
from base64 import b64encode
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "deploy" / "demo" / "calls"
BOUNDARY = "callveil-boundary"
DONE = {"published", "quarantined", "discarded", "failed"}

_SPEC = importlib.util.spec_from_file_location("live_client", ROOT / "tests" / "benchmarks" / "live.py")
live = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(live)

pytestmark = [pytest.mark.models, pytest.mark.slow]


class Dev:
    """One run of `callveil dev`."""

    def __init__(self, data: Path) -> None:
        self.data = data
        environment = {
            **os.environ,
            "CALLVEIL_AUDIOHOOK_KEYS": f"{live.API_KEY} {b64encode(live.SECRET).decode()}",
        }
        command = [sys.executable, "-m", "callveil", "dev", "--data", str(data), "--port", "0"]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, text=True
        )
        line = self.process.stdout.readline()
        assert line.startswith("ready http://127.0.0.1:"), self.process.stderr.read()
        self.url = line.split()[1]

    def stop(self) -> float:
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)
        self.process.stdout.close()
        self.process.stderr.close()
        return time.monotonic() - began

    def send(self, method: str, path: str, body: bytes, content_type: str) -> tuple[int, dict]:
        key = json.loads((self.data / "ingest-key.json").read_text())
        stamp = str(int(time.time()))
        message = f"{stamp}.{hashlib.sha256(body).hexdigest()}"
        headers = {
            "Content-Type": content_type,
            "X-Callveil-Key": key["key_id"],
            "X-Callveil-Timestamp": stamp,
            "X-Callveil-Signature": hmac.new(key["secret"].encode(), message.encode(), "sha256").hexdigest(),
        }
        request = urllib.request.Request(self.url + path, body, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def push(self, name: str) -> tuple[int, dict]:
        parts = (("metadata", DEMO / f"{name}.json"), ("audio", DEMO / f"{name}.flac"))
        body = b"".join(
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{part}"\r\n\r\n'.encode()
            + path.read_bytes()
            + b"\r\n"
            for part, path in parts
        )
        body += f"--{BOUNDARY}--\r\n".encode()
        return self.send("POST", "/v1/calls", body, f"multipart/form-data; boundary={BOUNDARY}")

    def state(self, call_id: str, wanted: set[str], timeout_s: float = 240.0) -> dict:
        end = time.monotonic() + timeout_s
        while True:
            with urllib.request.urlopen(f"{self.url}/v1/calls/{call_id}", timeout=30) as answer:
                status = json.load(answer)
            if status["state"] in wanted or time.monotonic() > end:
                assert status["state"] in wanted, status
                return status
            time.sleep(0.5)


@pytest.fixture(scope="module")
def dev(tmp_path_factory):
    dev = Dev(tmp_path_factory.mktemp("dev"))
    yield dev
    assert dev.stop() < 10


def test_pushed_calls_end_as_their_consent_says(dev):
    for name in ("card-payment", "insurance-denied", "pharmacy-unknown"):
        assert dev.push(name)[0] == 201
    assert dev.push("card-payment")[0] == 200
    published = dev.state("demo-card-payment", DONE)
    assert published["state"] == "published"
    assert len(published["objects"]) == 5
    assert all((dev.data / "store" / name).is_file() for name in published["objects"])
    assert dev.state("demo-insurance-denied", DONE)["state"] == "discarded"
    assert dev.state("demo-pharmacy-unknown", {"held"})["objects"] == []


def test_what_was_published_verifies(dev):
    dev.state("demo-card-payment", {"published"})
    command = [sys.executable, "-m", "callveil", "verify", "--all", "--store", str(dev.data / "store")]
    keys = dev.data / "keys"
    environment = {**os.environ, "CALLVEIL_KEYS_DIR": str(keys)} if keys.exists() else dict(os.environ)
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_grant_that_comes_later_lets_a_held_call_go_on(dev):
    dev.state("demo-pharmacy-unknown", {"held"})
    path = "/v1/calls/demo-pharmacy-unknown/consent"
    assert dev.send("PATCH", path, b'{"consent": "granted"}', "application/json")[0] == 200
    assert dev.state("demo-pharmacy-unknown", DONE)["state"] == "published"


def test_a_withdrawal_takes_a_published_call_back(dev):
    dev.state("demo-card-payment", {"published"})
    path = "/v1/calls/demo-card-payment/consent"
    assert dev.send("PATCH", path, b'{"consent": "denied"}', "application/json")[0] == 200
    assert dev.state("demo-card-payment", {"discarded"})["objects"] == []
    assert not list((dev.data / "store").glob("calls/*/*/*/demo-card-payment/*"))


def test_a_live_call_is_published_soon_after_it_ended(dev):
    row = asyncio.run(live._call(dev.url, DEMO / "card-payment.flac"))
    assert row["state"] == "published"


def test_nothing_is_left_in_the_landing(dev):
    dev.state("demo-card-payment", {"discarded"})
    files = [path for path in (dev.data / "landing").rglob("*") if path.is_file()]
    assert [path.name for path in files if not path.name.startswith(".")] == []


def test_the_keys_are_private(dev):
    for name in ("ingest-key.json", "landing.key", "subject-keys.json", "ledger.sqlite3"):
        assert stat.S_IMODE((dev.data / name).stat().st_mode) == 0o600


def test_the_audit_chain_holds(dev):
    command = [sys.executable, "-m", "callveil", "audit", "verify", "--data", str(dev.data)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, "holds" in done.stdout) == (0, True)


def test_logs_are_json_without_content(dev):
    lines = [line for path in (dev.data / "logs").glob("[aw]*.log") for line in path.read_text().splitlines()]
    assert any('"call settled"' in line for line in lines)
    for line in lines:
        if line.startswith("{"):
            assert {"at", "level", "event"} <= set(json.loads(line))
