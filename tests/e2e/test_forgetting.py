"""The story of a contact centre that keeps and forgets: 40 subjects, 200 calls, from the command line only.

Three policies, two holds, one erasure under a hold, one that is killed in the middle, a recipient that fails
for a while; on SQLite and a folder, and on PostgreSQL and S3.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

_ROOT = Path(__file__).parents[2]
_E2E = Path(__file__).parent

pytestmark = pytest.mark.slow

PROFILE = """
[transcriber]
engine = "standin"
options = {{ seconds = 0.0 }}
[diarizer]
dual = {{ engine = "standin" }}
mono = {{ engine = "standin" }}
[detector]
engine = "standin"
[verify.listener]
engine = "standin-listener"
options = {{ seconds = 0.0 }}
[retention]
policies = "story-policies.toml"
{tables}
"""


@pytest.fixture
def story(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The story's module; what it puts on the path does not stay there."""
    monkeypatch.setattr(sys, "path", [str(_ROOT / "tests" / "standin"), str(_E2E), *sys.path])
    import forgetting_story

    yield forgetting_story
    for name in ("forgetting_story", "callveil_standin.tones", "callveil_standin"):
        sys.modules.pop(name, None)


class Centre:
    """One installation, driven from the command line."""

    def __init__(self, folder: Path, *, store: str | None, ledger: str | None, tables: str) -> None:
        self.folder, self.data = folder, folder / "data"
        self.data.mkdir(mode=0o700)
        self.store = store or str(self.data)
        self.profile = folder / "story.toml"
        self.profile.write_text(PROFILE.format(tables=tables))
        paths = [str(_ROOT / "src"), str(_ROOT / "tests" / "standin")]
        kept = {"CALLVEIL_KEYS_DIR", "CALLVEIL_S3_ACCESS_KEY", "CALLVEIL_S3_SECRET_KEY"}
        self.environment = {
            **{key: value for key, value in os.environ.items() if key[:9] != "CALLVEIL_" or key in kept},
            "PYTHONPATH": os.pathsep.join(paths),
            "CALLVEIL_STANDIN_CLOCK": str(folder / "clock"),
        }
        if ledger is not None:
            self.environment["CALLVEIL_LEDGER"] = ledger
        if store is not None:
            self.environment["CALLVEIL_STORE"] = store

    def later(self, hours: float) -> None:
        """Let time pass."""
        (self.folder / "clock").write_text(str(hours * 3600))

    def run(self, *arguments: str, data: bool = True, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a verb."""
        where = ["--data", str(self.data)] if data else []
        return subprocess.run(
            [sys.executable, "-m", "callveil", *arguments, *where, "--profile", str(self.profile)],
            env=self.environment | variables,
            capture_output=True,
            text=True,
            check=False,
            timeout=900,
        )

    def json(self, *arguments: str, code: int | tuple[int, ...] = 0) -> Any:
        """Run a verb and read its answer."""
        done = self.run(*arguments, "--json")
        codes = (code,) if isinstance(code, int) else code
        assert done.returncode in codes, (arguments, done.returncode, done.stderr[-2000:], done.stdout[-500:])
        return json.loads(done.stdout)


class Crm:
    """A recipient: fails for a while, then confirms."""

    def __init__(self, n_failures: int) -> None:
        self.left, self.told, self.headers = n_failures, [], []  # type: ignore[var-annotated]
        crm = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                crm.headers.append(dict(self.headers))
                if crm.left > 0:
                    crm.left -= 1
                    self.send_response(503)
                    self.end_headers()
                    return
                crm.told.append(json.loads(body))
                answer = json.dumps({"receipt": f"crm-{len(crm.told)}"}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        """Where it is told."""
        return f"http://127.0.0.1:{self.server.server_address[1]}/forget"


@contextmanager
def crm_that_fails(n_failures: int) -> Iterator[Crm]:
    crm = Crm(n_failures)
    try:
        yield crm
    finally:
        crm.server.shutdown()


@pytest.fixture(
    params=[
        "folder",
        pytest.param("postgresql-s3", marks=[pytest.mark.s3, pytest.mark.postgresql]),
    ]
)
def centre(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Centre:
    if request.param == "folder":
        return Centre(tmp_path, store=None, ledger=None, tables="")
    server = request.getfixturevalue("s3_server")
    bucket = request.getfixturevalue("s3_buckets")["lock"]
    monkeypatch.setenv("CALLVEIL_S3_ACCESS_KEY", server.access_key)
    monkeypatch.setenv("CALLVEIL_S3_SECRET_KEY", server.secret_key)
    tables = f'[store.s3]\nendpoint = "{server.endpoint}"\nsecure = {str(server.secure).lower()}\n'
    ledger = request.getfixturevalue("postgres_server").new_database()
    return Centre(tmp_path, store=f"s3://{bucket}/story", ledger=ledger, tables=tables)
