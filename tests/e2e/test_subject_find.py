"""From recordings to persons: `process`, then `subject find`, with engines that need no model."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ADA, ADA_MAIL = "+442079460958", "ada@example.org"
FAMILY = "+442079460000"
STARTED = "2026-11-23T09:30:00Z"


def party(role: str = "customer", **identifiers: str) -> dict[str, Any]:
    return {"role": role, "jurisdiction": "GB", "identifiers": identifiers}


CALLS = {
    "c-1": ([party("agent", customer_id="agent-7"), party(phone="020 7946 0958", email=ADA_MAIL)], "granted"),
    "c-2": ([party(email="Ada@Example.ORG", phone=FAMILY)], "granted"),
    "c-3": ([party(phone=FAMILY, email="bob@example.org")], "granted"),
    "c-4": ([party(phone="tel:+44-20-7946-0958")], "denied"),
    "c-5": ([party("agent", customer_id="agent-7"), party(phone="anonymous")], "granted"),
}


class Place:
    """Recordings with their metadata, and where they go."""

    def __init__(self, folder: Path) -> None:
        from callveil_standin.profile import standin_profile, standin_python_path
        from callveil_standin.tones import make_call

        self.python_path = standin_python_path()
        self.calls, self.out, self.orders = folder / "in", folder / "out", folder / "orders"
        self.calls.mkdir()
        self.orders.mkdir()
        self.profile = folder / "standin.toml"
        self.profile.write_text(standin_profile())
        for seed, (call_id, (parties, consent)) in enumerate(CALLS.items()):
            document = {"call_id": call_id, "started_at": STARTED, "language": "en", "consent": consent}
            (self.calls / f"{call_id}.wav").write_bytes(make_call(seed).content)
            (self.calls / f"{call_id}.json").write_text(json.dumps({**document, "parties": parties}))

    def give(self, order: str) -> None:
        """Give the engines an order, such as "crash-1"."""
        from callveil_standin import orders

        orders.give(self.orders, order)

    def is_obeyed(self, order: str) -> bool:
        """Whether one of them took it."""
        from callveil_standin import orders

        return orders.is_obeyed(self.orders, order)

    def run(self, *arguments: object, stdin: str = "") -> subprocess.CompletedProcess[str]:
        environment = {name: value for name, value in os.environ.items() if name != "CALLVEIL_DATA"}
        environment |= {"PYTHONPATH": self.python_path, "CALLVEIL_STANDIN": str(self.orders)}
        command = [sys.executable, "-m", "callveil", *map(str, arguments)]
        return subprocess.run(
            command, capture_output=True, text=True, env=environment, input=stdin, check=False
        )

    def process(self, *more: object) -> dict[str, str]:
        given = ("process", self.calls, "--out", self.out, "--profile", self.profile, "--json", *more)
        done = self.run(*given)
        assert done.returncode == 0, done.stderr
        return {call["call_id"]: call["state"] for call in json.loads(done.stdout)["calls"]}

    def find(self, *arguments: object, data: Path | None = None, stdin: str = "") -> dict[str, Any]:
        done = self.run("subject", "find", *arguments, "--data", data or self.out, "--json", stdin=stdin)
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def found(self, *arguments: object) -> dict[str, str]:
        return {call["call_id"]: call["state"] for call in self.find(*arguments)["calls"]}


@pytest.fixture
def place(tmp_path: Path, standin_path: str) -> Place:
    return Place(tmp_path)


def test_persons_of_processed_calls_are_found_and_no_identifier_is_stored(place):
    assert place.process("--jobs", 2) == {
        "c-1": "published", "c-2": "published", "c-3": "published", "c-4": "discarded", "c-5": "published",
    }  # fmt: skip
    assert place.found("--phone", ADA) == {"c-1": "published", "c-4": "discarded"}
    assert place.found("--phone", "020 7946 0958", "--region", "GB") == place.found("--phone", ADA)
    assert place.found("--phone", ADA, "--email", ADA_MAIL) == {
        "c-1": "published", "c-2": "published", "c-4": "discarded",
    }  # fmt: skip
    assert place.found("--customer-id", "AGENT-7") == {"c-1": "published", "c-5": "published"}
    assert place.found("--email", "nobody@example.org") == {}

    found = place.find("--phone", ADA)
    assert found["complete"] is True
    assert {call["call_id"]: call["roles"] for call in found["calls"]} == {
        "c-1": ["customer"],
        "c-4": ["customer"],
    }
    (linked,) = found["linked"]
    assert (linked["kind"], linked["calls"], linked["why"]) == ("email", 1, "beside")
    assert set(place.found("--phone", ADA, "--with", linked["id"])) == {"c-1", "c-2", "c-4"}

    said = place.run("subject", "find", "--phone", ADA, "--data", place.out).stdout
    assert "2 calls of this person" in said
    assert "May be the same person" in said
    given = json.dumps({"phone": [ADA], "email": [], "customer_id": []})
    assert len(place.find("--identifiers-stdin", stdin=given)["calls"]) == 2

    known = [ADA, ADA[1:], "020 7946", ADA_MAIL, "bob@", FAMILY[1:], "agent-7", "anonymous"]
    for path in place.out.rglob("*"):
        if path.is_file():
            content = path.read_bytes().lower()
            assert not [value for value in known if value.lower().encode() in content], path


def test_a_folder_that_is_read_again_stays_as_it_is(place):
    place.process()
    before = place.find("--phone", ADA)
    again = place.process()
    assert {again[call_id] for call_id in ("c-1", "c-2", "c-3", "c-5")} == {"skipped"}
    assert place.find("--phone", ADA) == before
    assert set(place.process("--force", "--jobs", 3).values()) == {"published", "discarded"}
    assert place.find("--phone", ADA) == before
    assert "holds" in place.run("audit", "verify", "--data", place.out).stdout


def test_a_folder_of_an_earlier_version_is_entered_by_running_again(place):
    place.process()
    for path in place.out.iterdir():
        if path.is_file():
            path.unlink()
    done = place.run("subject", "find", "--phone", ADA, "--data", place.out)
    assert (done.returncode, "no ledger" in done.stderr) == (2, True)
    assert not (place.out / "ledger.sqlite3").exists()
    place.process()
    assert set(place.found("--phone", ADA)) == {"c-1", "c-4"}


def test_a_process_that_is_killed_leaves_calls_that_are_found_and_go_on(place):
    place.give("crash-1")
    given = ("process", place.calls, "--out", place.out, "--profile", place.profile, "--json")
    assert place.run(*given).returncode == -9
    assert place.is_obeyed("crash-1")
    assert place.found("--phone", ADA) == {"c-1": "received"}
    place.process()
    assert place.found("--phone", ADA) == {"c-1": "published", "c-4": "discarded"}


def test_a_failed_call_is_found_too(place):
    place.give("fail-1")
    given = ("process", place.calls / "c-1.wav", "--out", place.out, "--profile", place.profile)
    assert place.run(*given).returncode == 3
    assert place.found("--phone", ADA) == {"c-1": "failed"}
    place.process()
    assert place.found("--phone", ADA)["c-1"] == "published"


def test_the_ledger_may_lie_elsewhere(place, tmp_path):
    place.process("--data", tmp_path / "data")
    assert sorted(path.name for path in place.out.iterdir()) == [".callveil", "calls", "decisions"]
    found = place.find("--phone", ADA, data=tmp_path / "data")
    assert {call["call_id"] for call in found["calls"]} == {"c-1", "c-4"}
    refused = ("process", place.calls, "--out", tmp_path / "other", "--data", tmp_path / "data")
    done = place.run(*refused, "--profile", place.profile)
    assert (done.returncode, "another store" in done.stderr) == (2, True)


def test_keys_rotate_without_an_identifier(place):
    place.process()
    keys = place.out / "subject-keys.json"
    leaked = keys.read_bytes()
    before = place.find("--phone", ADA)
    done = place.run("subject-key", "rotate", "--data", place.out)
    assert done.returncode == 0, done.stderr
    shown = json.loads(place.run("subject-key", "show", "--data", place.out, "--json").stdout)
    assert shown["newest"] == 2
    assert [each["generation"] for each in shown["generations"] if each["identifiers"]] == [2]
    after = place.find("--phone", ADA)
    assert (after["calls"], after["complete"]) == (before["calls"], True)
    assert [each["calls"] for each in after["linked"]] == [each["calls"] for each in before["linked"]]
    place.process("--force")
    assert place.find("--phone", ADA) == after
    keys.write_bytes(leaked)
    done = place.run("subject", "find", "--phone", ADA, "--data", place.out)
    assert (done.returncode, "later generation" in done.stderr) == (2, True)
    keys.unlink()
    done = place.run("process", place.calls, "--out", place.out, "--profile", place.profile)
    assert (done.returncode, "subject keys" in done.stderr, keys.exists()) == (2, True, False)


def test_a_call_that_was_erased_is_refused_when_its_recording_is_given_again(place):
    place.process()
    erased = ("subject", "erase", "--phone", ADA, "--data", place.out, "--profile", place.profile, "--yes")
    done = place.run(*erased)
    assert done.returncode == 0, done.stdout + done.stderr
    assert place.found("--phone", ADA) == {}
    given = ("process", place.calls, "--out", place.out, "--profile", place.profile, "--json")
    done = place.run(*given)
    assert done.returncode == 3
    calls = {call["call_id"]: call for call in json.loads(done.stdout)["calls"]}
    for call_id in ("c-1", "c-4"):
        assert (calls[call_id]["state"], calls[call_id]["error"]["code"]) == ("failed", "refused")
    assert {calls[call_id]["state"] for call_id in ("c-2", "c-3", "c-5")} == {"skipped"}
    assert place.found("--phone", ADA) == {}
    assert not list(place.out.rglob("c-1*"))
