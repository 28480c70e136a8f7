"""A reviewer marks a word of a published call: it is gone from sound and text, whatever dies meanwhile."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile


@pytest.fixture
def standin(standin_path: str) -> Any:
    """The stand-in package."""
    import callveil_standin.client
    import callveil_standin.orders
    import callveil_standin.profile
    import callveil_standin.system
    import callveil_standin.tones

    return callveil_standin


class Published:
    """What a store folder shows of a call."""

    def __init__(self, root: Path, call_id: str) -> None:
        self._root, self._call_id = root, call_id

    @property
    def folder(self) -> Path:
        (found,) = self._root.glob(f"calls/*/*/*/{self._call_id}")
        return found

    def document(self, name: str) -> Any:
        return json.loads((self.folder / name).read_text())

    @property
    def samples(self) -> np.ndarray:
        return soundfile.read(io.BytesIO((self.folder / "audio.flac").read_bytes()), dtype="int16")[0]

    @property
    def words(self) -> list[dict[str, Any]]:
        return [word for turn in self.document("transcript.json")["turns"] for word in turn["words"]]

    @property
    def version(self) -> str:
        return hashlib.sha256((self.folder / "certificate.json").read_bytes()).hexdigest()


def check_corrected(published: Published, before: np.ndarray, word: dict[str, Any], version: str) -> None:
    """The word is silent and unreadable; what is not masked is what it was, bit for bit."""
    certificate = published.document("certificate.json")
    (span,) = [span for span in certificate["masked_spans"] if span["detector"] == "review"]
    after, rate_hz = published.samples, certificate["audio"]["rate_hz"]
    assert span["start_s"] <= word["start_s"] < word["end_s"] <= span["end_s"]
    start, end = int(span["start_s"] * rate_hz), int(np.ceil(span["end_s"] * rate_hz))
    assert not after[start:end].any()
    fade = round(0.006 * rate_hz)
    around = np.r_[max(0, start - fade) : end + fade]
    assert np.array_equal(np.delete(after, around), np.delete(before, around))
    masked = [each for each in published.words if each["start_s"] <= word["start_s"] < each["end_s"]]
    assert [each.get("entity") for each in masked] == ["ADDRESS"]
    assert certificate["reviews"]["replaces"] == version
    assert certificate["reviews"]["corrections"] == 1
    assert certificate["verify"]["result"] == "clean"
    staged = [path for path in published.folder.parents[4].rglob("*") if "staging" in path.parts]
    assert [path for path in staged if path.is_file()] == []


def some_word(published: Published) -> dict[str, Any]:
    return next(word for word in published.words[3:] if "entity" not in word)


def stretch(word: dict[str, Any]) -> str:
    return f"0:{word['start_s']}-{word['end_s']}:ADDRESS"


@pytest.mark.slow
@pytest.mark.parametrize("what", ["engine-dies", "worker-is-killed"])
def test_the_service_corrects_a_call_whatever_dies(tmp_path: Path, standin: Any, what: str) -> None:
    system = standin.system.System(
        tmp_path, settings={"reconcile_every_s": 0.5, "reemit_after_s": 1.0, "lease_s": 3.0}
    )
    closing = contextlib.ExitStack()
    system.start()
    try:
        client = closing.enter_context(contextlib.closing(standin.client.Client(system.port, system.secret)))
        content = standin.tones.make_call(1, seconds=12).content
        assert client.push({"call_id": "c-1", "consent": "granted"}, content, "c-1").status == 201
        until(lambda: client.status("c-1").body.get("state") == "published", 60, system)
        published = Published(Path(system.store), "c-1")
        before, version, word = published.samples, published.version, some_word(published)
        asked = ("--data", str(system.data), "--profile", str(system.profile), "--json")
        order = "crash-1" if what == "engine-dies" else "hang-1"
        standin.orders.give(system.orders, order, "" if what == "engine-dies" else "60")
        told = system.callveil("review", "missed", "c-1", stretch(word), *asked)
        assert told.returncode == 0, told.stderr[-1500:]
        until(lambda: standin.orders.is_obeyed(system.orders, order), 30, system)
        if what == "worker-is-killed":
            assert published.version == version
            assert system.kill("worker-0")
        until(lambda: published.folder.is_dir() and published.version != version, 60, system)
        check_corrected(published, before, word, version)
        until(lambda: reviews(system, asked)[0]["state"] == "done", 20, system)
        assert reviews(system, asked)[0]["result_sha256"] == published.version
        checked = system.callveil("verify", "c-1", "--store", system.store)
        assert checked.returncode == 0, checked.stdout + checked.stderr
    finally:
        closing.close()
        system.stop()


def reviews(system: Any, asked: tuple[str, ...]) -> Any:
    return json.loads(system.callveil("review", "list", *asked).stdout)["reviews"]


def until(condition: Any, seconds: float, system: Any) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return
        system.wait(0.1)
    raise AssertionError("it does not come")


class Folder:
    """The output folder of `callveil process`, where no worker is."""

    def __init__(self, folder: Path, standin: Any) -> None:
        self.out, self.orders, self.standin = folder / "out", folder / "orders", standin
        self.orders.mkdir()
        self.profile = folder / "standin.toml"
        self.profile.write_text(standin.profile.standin_profile() + "[service]\nlease_s = 2.0\n")
        calls = folder / "in"
        calls.mkdir()
        (calls / "c-1.wav").write_bytes(standin.tones.make_call(1, seconds=12).content)
        done = self.run("process", str(calls), "--out", str(self.out), "--consent", "granted", data=False)
        assert done.returncode == 0, done.stderr

    def command(self, *arguments: str, data: bool = True) -> tuple[list[str], dict[str, str]]:
        environment = {name: value for name, value in os.environ.items() if name != "CALLVEIL_DATA"}
        environment |= {
            "PYTHONPATH": self.standin.profile.standin_python_path(),
            "CALLVEIL_STANDIN": str(self.orders),
        }
        more = ["--data", str(self.out)] if data else []
        command = [sys.executable, "-m", "callveil", *arguments, *more, "--profile", str(self.profile)]
        return command, environment

    def run(self, *arguments: str, data: bool = True) -> subprocess.CompletedProcess[str]:
        command, environment = self.command(*arguments, data=data)
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    def json(self, *arguments: str) -> Any:
        done = self.run(*arguments, "--json")
        assert done.returncode == 0, done.stderr[-1500:]
        return json.loads(done.stdout)


def test_a_folder_without_a_worker_is_corrected_by_hand_after_a_kill(tmp_path: Path, standin: Any) -> None:
    place = Folder(tmp_path, standin)
    published = Published(place.out, "c-1")
    before, version, word = published.samples, published.version, some_word(published)
    assert place.json("review", "missed", "c-1", stretch(word))["state"] == "owed"
    standin.orders.give(place.orders, "hang-1", "60")
    command, environment = place.command("review", "carry-out")
    running = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    end = time.monotonic() + 60
    while not standin.orders.is_obeyed(place.orders, "hang-1") and time.monotonic() < end:
        time.sleep(0.1)
    os.kill(running.pid, signal.SIGKILL)
    running.communicate()
    assert published.version == version
    done: list[Any] = []
    while not done and time.monotonic() < end:
        done = place.json("review", "carry-out")["done"]
    assert done == [{"call_id": "c-1", "state": "published", "corrected": True}]
    check_corrected(published, before, word, version)
    (review,) = place.json("review", "list", "--call", "c-1", "--state", "done")["reviews"]
    assert review["result_sha256"] == published.version
    assert place.json("review", "carry-out") == {"done": [], "failed": []}
    figures = place.json("evaluate", "--from-reviews")
    assert (figures["calls"], figures["calls_without_miss"]["hits"]) == (1, 0)
    assert figures["by_entity"]["ADDRESS"]["missed"] == 1
    assert figures["by_entity"]["PERSON"]["masked"] == 1
    assert (figures["total"]["recall"]["hits"], figures["total"]["recall"]["cases"]) == (1, 2)
    assert place.run("review", "missed", "c-1", "0:1-2:NOSUCH").returncode != 0
