"""The processes of deploy/compose.yaml without containers: the same commands and the same environment.

Commands, environment, secrets and profile are read from the deployment's own files; only hosts, ports and
paths are put in their place. One call is pushed and seen published, with real models; one is dropped.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path
from typing import Any

import pytest
import yaml

from callveil.adapters.broker import answers, broker_command, free_port
from callveil.web.signatures import sign

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
DEMO = DEPLOY / "demo" / "calls"

pytestmark = [pytest.mark.models, pytest.mark.slow, pytest.mark.s3, pytest.mark.postgresql]


class Layout:
    """What Docker Compose would make of the files, on this machine."""

    def __init__(self, folder: Path, *, hosts: dict[str, str], bucket: str) -> None:
        self.folder, self._hosts = folder, hosts
        self.ports = {"8080": free_port(), "9100": free_port()}
        lines = (DEPLOY / ".env.example").read_text().splitlines()
        self._environment = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
        self._environment["CALLVEIL_STORE"] = self._environment["CALLVEIL_STORE"].replace(
            "//callveil", f"//{bucket}"
        )
        text = re.sub(
            r"\$\{(\w+)(?::-[^}]*)?\}",
            lambda match: self._environment[match[1]],
            (DEPLOY / "compose.yaml").read_text(),
        )
        self._services: dict[str, Any] = yaml.safe_load(text)["services"]
        dockerfile = (DEPLOY / "Dockerfile").read_text()
        self._image = dict(re.findall(r"\b(CALLVEIL_\w+)=(/\S+)", dockerfile.split("\nFROM ")[-1]))
        subprocess.run([DEPLOY / "make-secrets.sh", folder / "secrets"], check=True, capture_output=True)
        (folder / "callveil.toml").write_text(self._moved((DEPLOY / "callveil.toml").read_text()))
        for name in ("landing", "drop", "office", *(f"data-{service}" for service in self._services)):
            (folder / name).mkdir(mode=0o700)
        self._running: list[subprocess.Popen[bytes]] = []

    def _moved(self, text: str) -> str:
        for host, there in self._hosts.items():
            text = text.replace(host, there)
        return text

    def _path(self, text: str, service: str) -> str:
        text = text.replace("/run/secrets/", f"{self.folder}/secrets/")
        text = text.replace("/etc/callveil/", f"{self.folder}/")
        # /data is a file system of each container's own.
        text = re.sub(r"^/data$", f"{self.folder}/data-{service}", text)
        return re.sub(r"^/(landing|drop|office)$", rf"{self.folder}/\1", text)

    def environment(self, service: str) -> dict[str, str]:
        given = {**self._image, **self._environment, **self._services[service].get("environment", {})}
        ours = {
            key: self._path(self._moved(value), service)
            for key, value in given.items()
            if key.startswith("CALLVEIL_")
        }
        del ours["CALLVEIL_MODELS_DIR"]  # those that are pulled here
        clean = {key: value for key, value in os.environ.items() if not key.startswith("CALLVEIL_")}
        models = {key: value for key, value in os.environ.items() if key == "CALLVEIL_MODELS_DIR"}
        return {**clean, **models, **ours}

    def command(self, service: str) -> list[str]:
        words = [self._path(word, service) for word in self._services[service]["command"]]
        words = ["127.0.0.1" if word == "0.0.0.0" else word for word in words]
        return [str(self.ports.get(word, word)) for word in words]

    def secret(self, name: str) -> Path:
        return self.folder / "secrets" / name

    def start(self, service: str, *more: str) -> subprocess.Popen[bytes]:
        log = (self.folder / f"{service}.log").open("wb")
        with log:
            process = subprocess.Popen(
                [sys.executable, "-m", "callveil", *self.command(service), *more],
                env=self.environment(service),
                cwd=self.folder,
                stdout=log,
                stderr=log,
            )
        self._running.append(process)
        return process

    def run(self, service: str, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command in a container, as `docker compose exec` does."""
        return subprocess.run(
            [sys.executable, "-m", "callveil", *words, "--profile", str(self.folder / "callveil.toml")],
            env=self.environment(service),
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def check(self) -> None:
        assert all(process.poll() is None for process in self._running), self.logs()

    def logs(self) -> str:
        return "\n".join(path.read_text()[-3000:] for path in self.folder.glob("*.log"))

    def stop(self) -> None:
        for process in self._running:
            process.send_signal(signal.SIGTERM)
        for process in self._running:
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture
def layout(s3_server, postgres_server, tmp_path):
    if s3_server.secure:
        pytest.skip("inside the compose network the S3 server speaks HTTP")
    broker_port, bucket = free_port(), f"callveil-test-{uuid.uuid4().hex[:12]}"
    broker = subprocess.Popen(
        broker_command(broker_port), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    hosts = {"s3:8333": s3_server.endpoint, "kafka:9092": f"127.0.0.1:{broker_port}"}
    found = Layout(tmp_path, hosts=hosts, bucket=bucket)
    # The servers of the tests have keys of their own.
    found.secret("ledger_url").write_text(postgres_server.new_database())
    found.secret("s3_access_key").write_text(s3_server.access_key)
    found.secret("s3_secret_key").write_text(s3_server.secret_key)
    try:
        assert answers(broker_port, 15)
        made = subprocess.run(
            [sys.executable, DEPLOY / "make_bucket.py", *found.command("bucket")],
            env=found.environment("bucket"),
            capture_output=True,
            text=True,
        )
        assert made.returncode == 0, made.stderr
        yield found, s3_server.client(), bucket
    finally:
        found.stop()
        broker.kill()
        broker.wait()
        _remove(s3_server.client(), bucket)


def _remove(client: Any, bucket: str) -> None:
    from minio.deleteobjects import DeleteObject

    if client.bucket_exists(bucket):
        versions = client.list_objects(bucket, recursive=True, include_version=True)
        targets = [DeleteObject(each.object_name, each.version_id) for each in versions]
        assert list(client.remove_objects(bucket, targets, bypass_governance_mode=True)) == []
        client.remove_bucket(bucket)


def call_api(layout: Layout, method: str, path: str, body: bytes = b"", content_type: str = "") -> Any:
    key = json.loads(layout.secret("ingest_keys").read_text())
    moment = str(int(time.time()))
    request = urllib.request.Request(
        f"http://127.0.0.1:{layout.ports['8080']}{path}", data=body or None, method=method
    )
    request.add_header("X-Callveil-Key", key["key_id"])
    request.add_header("X-Callveil-Timestamp", moment)
    request.add_header("X-Callveil-Signature", sign(key["secret"], moment, hashlib.sha256(body).hexdigest()))
    if content_type:
        request.add_header("Content-Type", content_type)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def push(layout: Layout, name: str) -> Any:
    metadata, audio = (DEMO / f"{name}.json").read_bytes(), (DEMO / f"{name}.flac").read_bytes()
    head = b'--b\r\nContent-Disposition: form-data; name="metadata"\r\n\r\n%b\r\n' % metadata
    tail = b'--b\r\nContent-Disposition: form-data; name="audio"; filename="a"\r\n\r\n%b\r\n--b--\r\n' % audio
    return call_api(layout, "POST", "/v1/calls", head + tail, "multipart/form-data; boundary=b")


def scrape(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        return answer.read().decode()


def wait_state(layout: Layout, call_id: str, wanted: str, seconds: float) -> Any:
    end, call = time.monotonic() + seconds, None
    while time.monotonic() < end:
        layout.check()
        try:
            call = call_api(layout, "GET", f"/v1/calls/{call_id}")
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise
        else:
            if call["state"] in (wanted, "failed", "quarantined"):
                break
        time.sleep(1)
    assert call is not None
    assert call["state"] == wanted, (call, layout.logs())
    return call


def test_a_call_goes_through_the_processes_of_the_deployment(layout):
    found, client, bucket = layout
    api, worker = found.start("api"), found.start("worker")
    watch = found.start("watch", "--settle", "0.5")
    assert answers(found.ports["8080"], 90), found.logs()
    assert push(found, "card-payment")["state"] == "received"
    for suffix in (".flac", ".json"):
        shutil.copy(DEMO / f"insurance-denied{suffix}", found.folder / "drop")
    call = wait_state(found, "demo-card-payment", "published", 300)
    assert wait_state(found, "demo-insurance-denied", "discarded", 60)["source"] == "folder"
    assert [path.name for path in (found.folder / "drop").iterdir() if path.name[0] != "."] == []

    names = {each.object_name for each in client.list_objects(bucket, recursive=True)}
    assert {f"calls/{name}" for name in call["objects"]} <= names
    tags = client.get_object_tags(bucket, f"calls/{call['objects'][0]}")
    assert tags["callveil-profile"] == "callveil"
    assert client.get_object_lock_config(bucket) is not None

    assert 'callveil_calls{state="published"} 1.0' in scrape(found.ports["8080"])
    assert 'callveil_calls_settled_total{state="published"} 1.0' in scrape(found.ports["9100"])
    end = time.monotonic() + 60
    while list((found.folder / "landing").glob("*.audio")) and time.monotonic() < end:
        time.sleep(1)
    assert list((found.folder / "landing").glob("*.audio")) == []

    # The office erases it, with keys that neither the API nor the workers have.
    erased = found.run("office", "subject", "erase", "--call", "demo-card-payment", "--yes", "--json")
    assert erased.returncode == 0, erased.stderr
    assert json.loads(erased.stdout)["state"] == "done"
    assert call_api(found, "GET", "/v1/calls/demo-card-payment")["state"] == "erased"
    versions = client.list_objects(bucket, recursive=True, include_version=True)
    assert not [each.object_name for each in versions if "demo-card-payment" in each.object_name]
    proofs = [path.name for path in (found.folder / "office" / "erasures").iterdir()]
    assert len(proofs) == 1
    for words in (["reconcile"], ["retention", "sweep", "--yes"], ["audit", "verify"], ["request", "list"]):
        done = found.run("office", *words)
        assert done.returncode == 0, (words, done.stderr)

    secrets = [path.read_text().strip() for path in (found.folder / "secrets").iterdir()]
    logs = found.logs()
    assert not any(secret in logs for secret in secrets if len(secret) > 12)
    for process in (api, worker, watch):
        process.send_signal(signal.SIGTERM)
    assert [process.wait(60) for process in (api, worker, watch)] == [0, 0, 0], logs
