"""The story of a contact centre that keeps and forgets: 40 subjects, 200 calls, from the command line only.

Three policies, two holds, a sweep and an erasure that are killed, an erasure under a hold, a recipient that
fails for a while; on SQLite and a folder, and on PostgreSQL and S3.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture
def story(standin_path: str) -> Any:
    """The story's module."""
    import forgetting_story

    return forgetting_story


class Centre:
    """One installation, driven from the command line."""

    def __init__(
        self, folder: Path, *, store: str | None, ledger: str | None, tables: str, s3: Any = None
    ) -> None:
        from callveil_standin.profile import standin_profile, standin_python_path

        self.folder, self.data, self.s3 = folder, folder / "data", s3
        self.data.mkdir(mode=0o700)
        self.store = store or str(self.data)
        self.profile = folder / "story.toml"
        policies = '[retention]\npolicies = "story-policies.toml"\n'
        self.profile.write_text(standin_profile(0.0) + policies + tables)
        kept = {"CALLVEIL_KEYS_DIR", "CALLVEIL_S3_ACCESS_KEY", "CALLVEIL_S3_SECRET_KEY"}
        self.environment = {
            **{key: value for key, value in os.environ.items() if key[:9] != "CALLVEIL_" or key in kept},
            "PYTHONPATH": standin_python_path(),
            "CALLVEIL_STANDIN_CLOCK": str(folder / "clock"),
        }
        if ledger is not None:
            self.environment["CALLVEIL_LEDGER"] = ledger
        if store is not None:
            self.environment["CALLVEIL_STORE"] = store

    def later(self, hours: float) -> None:
        """Let time pass."""
        (self.folder / "clock").write_text(str(hours * 3600))

    def run(
        self, *arguments: str, profile: bool = True, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a verb."""
        given = ["--profile", str(self.profile)] if profile else []
        return subprocess.run(
            [sys.executable, "-m", "callveil", *arguments, "--data", str(self.data), *given],
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
        crm.server.server_close()


@pytest.fixture(
    params=[
        "folder",
        pytest.param("postgresql-s3", marks=[pytest.mark.s3, pytest.mark.postgresql]),
    ]
)
def centre(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, standin_path: str
) -> Centre:
    if request.param == "folder":
        return Centre(tmp_path, store=None, ledger=None, tables="")
    server = request.getfixturevalue("s3_server")
    bucket = request.getfixturevalue("s3_buckets")["lock"]
    monkeypatch.setenv("CALLVEIL_S3_ACCESS_KEY", server.access_key)
    monkeypatch.setenv("CALLVEIL_S3_SECRET_KEY", server.secret_key)
    tables = f'[store.s3]\nendpoint = "{server.endpoint}"\nsecure = {str(server.secure).lower()}\n'
    ledger = request.getfixturevalue("postgres_server").new_database()
    return Centre(tmp_path, store=f"s3://{bucket}/story", ledger=ledger, tables=tables, s3=server.client())


HELD, ERASED = 7, 11
"""Subject 7 is under a hold when it asks to be erased; the erasure of subject 11 is killed."""


def test_the_story(centre: Centre, story: Any, tmp_path: Path) -> None:
    (tmp_path / "story-policies.toml").write_text(story.POLICIES)
    calls = story.write_calls(tmp_path / "in", datetime.now(UTC))
    made = centre.run("process", str(tmp_path / "in"), "--out", centre.store, "--json")
    assert made.returncode == 0, made.stderr[-2000:]
    assert {call["state"] for call in json.loads(made.stdout)["calls"]} == {"published"}
    everything = {call.call_id: story.ALL for call in calls}
    assert left(centre, story, calls) == everything

    with crm_that_fails(3) as crm:
        given = ("--kind", "crm", "--url", crm.url, "--queue", "support", "--queue", "complaints")
        added = centre.run("recipient", "add", "crm", *given, profile=False)
        assert added.returncode == 0, added.stderr

        # Two holds: on a call that retention would delete, and on a person.
        held_call = next(c for c in calls if not c.after_sweep() and c.subject not in (HELD, ERASED))
        why = ("--reason", "a dispute", "--authority", "Court of the story")
        centre.json("hold", "place", "--call", held_call.call_id, *why)
        hold = centre.json("hold", "place", "--phone", story.phone(HELD), *why)
        assert hold["calls"] == 5

        # Retention: told first, then done.
        def kept(call: Any) -> frozenset[str]:
            return story.ALL if call in (held_call,) or call.subject == HELD else call.after_sweep()

        centre.json("retention", "simulate")
        centre.json("retention", "sweep")
        assert left(centre, story, calls) == everything
        killed = centre.run("retention", "sweep", "--yes", CALLVEIL_STANDIN_KILL="5")
        assert killed.returncode == -signal.SIGKILL
        centre.json("retention", "sweep", "--yes")
        expected = {call.call_id: kept(call) for call in calls}
        assert left(centre, story, calls) == expected
        again = centre.json("retention", "sweep", "--yes")
        assert left(centre, story, calls) == expected, again

        # An erasure under a hold restricts.
        asked = centre.json("subject", "erase", "--phone", story.phone(HELD), "--yes", code=(0, 3))
        assert {item["state"] for item in asked["calls"]} == {"restricted"}
        assert left(centre, story, calls) == expected

        # An erasure that is killed in the middle is finished by whoever comes next.
        erase = ("subject", "erase", "--email", story.email(ERASED), "--yes")
        killed = centre.run(*erase, CALLVEIL_STANDIN_KILL="2")
        assert killed.returncode == -signal.SIGKILL
        own = [call for call in calls if call.subject == ERASED and expected[call.call_id]]
        duties = [call for call in own if call.is_duty]
        assert duties
        assert len(own) - len(duties) >= 2
        centre.json("subject", "erase", "--resume", code=(0, 3))
        for call in own:
            expected[call.call_id] = story.ALL if call.is_duty else frozenset()
        assert left(centre, story, calls) == expected
        found = centre.json("subject", "find", "--phone", story.phone(ERASED))["calls"]
        assert {call["call_id"] for call in found} == {call.call_id for call in duties}
        assert all(call["restricted"] for call in found)

        # The recipient fails for a while; it is told until it confirms.
        for hours in (1, 3, 9, 27, 50):
            if not centre.json("request", "list", "--all", code=(0, 3))["late_notices"] and crm.told:
                break
            centre.later(hours)
            centre.json("subject", "erase", "--resume", code=(0, 3))
        told = {call_id for notice in crm.told for call_id in notice["call_ids"]}
        assert {call.call_id for call in own if not call.is_duty} <= told
        assert not {call.call_id for call in duties} & told

        # The hold ends: what waited for it is erased, but for what a law demands.
        centre.json("hold", "release", hold["hold_id"], "--reason", "the dispute is over", code=(0, 3))
        centre.json("subject", "erase", "--resume", code=(0, 3))
        for call in calls:
            if call.subject == HELD:
                expected[call.call_id] = story.ALL if call.is_duty else frozenset()
        assert left(centre, story, calls) == expected
        centre.later(60)
        centre.json("subject", "erase", "--resume", code=(0, 3))

    check_proofs(centre, story, calls, expected)


def left(centre: Centre, story: Any, calls: list[Any]) -> dict[str, frozenset[str]]:
    """Parts of each call that are in the store: nothing else may be of it there, nor half a part."""
    keys = stored_keys(centre)
    found = {}
    for call in calls:
        own = {key for key in keys if key.startswith(call.prefix)}
        parts = frozenset(part for part in story.ALL if call.files(frozenset({part})) <= own)
        assert own == call.files(parts), call.call_id
        found[call.call_id] = parts
    return found


def stored_keys(centre: Centre) -> set[str]:
    """Every object there is, in every version."""
    if not centre.store.startswith("s3://"):
        root = Path(centre.store)
        return {str(path.relative_to(root)) for path in (root / "calls").rglob("*") if path.is_file()}
    bucket, _, prefix = centre.store.removeprefix("s3://").partition("/")
    listed = centre.s3.list_objects(bucket, prefix=prefix + "/", recursive=True, include_version=True)
    return {each.object_name.removeprefix(prefix + "/") for each in listed}


def check_proofs(centre: Centre, story: Any, calls: list[Any], expected: dict[str, frozenset[str]]) -> None:
    """The proofs hold, the chain is whole, and nobody finds a trace of who was erased."""
    proofs = sorted((centre.data / "erasures").glob("*.json"))
    assert len(proofs) == 2
    for proof in proofs:
        checked = centre.run("subject", "verify-erasure", str(proof))
        assert checked.returncode == 0, checked.stdout + checked.stderr
    assert centre.run("audit", "verify").returncode == 0
    erased = [call for call in calls if call.subject in (HELD, ERASED) and not expected[call.call_id]]
    assert len(erased) >= 4
    words = [
        text.encode()
        for subject in (HELD, ERASED)
        for text in (
            story.phone(subject),
            story.email(subject),
            f"C-{7000 + subject}",
            story.phone(subject)[1:],
        )
    ]
    for path in centre.data.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        assert not [word for word in words if word in content], path
    # Whoever processes the same recordings again is refused.
    one = erased[0]
    source = centre.folder / "in" / f"{one.call_id}.wav"
    again = centre.run("process", str(source), "--out", centre.store, "--json")
    assert again.returncode == 3
    assert json.loads(again.stdout)["calls"][0]["error"]["code"] == "refused"
    assert left(centre, story, [one]) == {one.call_id: frozenset()}
