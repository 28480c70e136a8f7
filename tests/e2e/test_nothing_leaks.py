"""Nothing derived leaks: what was really said is in no file, no tag, no output and no log of any call."""

import importlib.util
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest

CALLS = Path(__file__).parents[1] / "benchmarks" / "calls"
_SPEC = importlib.util.spec_from_file_location("leak_search", Path(__file__).parents[1] / "leak_search.py")
search = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(search)

pytestmark = [pytest.mark.models, pytest.mark.slow]

_LOUD = "import logging; logging.basicConfig(level=logging.DEBUG); from callveil.cli import main; main()"
_SHOWN = """
import logging, sys
logging.basicConfig(level=logging.DEBUG)
from callveil.cli import app
for call in sys.argv[2:]:
    print(f"=== {call} ===", flush=True)
    for more in ([], ["--json"]):
        app(["show", call, "--store", sys.argv[1], *more], standalone_mode=False)
"""


def loud(program: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """A program with every logger at DEBUG."""
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "400"},
        check=False,
    )


class Processed(NamedTuple):
    """All labelled calls in a store, and all that was said about them."""

    store: Path
    truth: dict[str, list[dict[str, Any]]]
    prefixes: dict[str, str]
    states: dict[str, str]
    outputs: dict[str, str]
    report: bytes

    def __repr__(self) -> str:
        return f"Processed({len(self.truth)} calls)"  # the labels are values; a failure must not print them

    @property
    def all_pii(self) -> list[dict[str, Any]]:
        return [pii for entries in self.truth.values() for pii in entries]


@pytest.fixture(scope="module")
def processed(tmp_path_factory) -> Processed:
    """Every labelled call, processed once; the labels stay behind."""
    folder = tmp_path_factory.mktemp("leaks")
    given, store, page = folder / "in", folder / "store", folder / "report.html"
    given.mkdir()
    for path in CALLS.glob("*.flac"):
        shutil.copy(path, given)
    truth = {path.stem: search.labelled(path) for path in sorted(CALLS.glob("*.json"))}
    arguments = ["process", given, "--out", store, "--consent", "granted"]
    done = loud(_LOUD, *arguments, "--json")
    assert done.returncode in (0, 3), f"process ended with {done.returncode}"  # 3: one was quarantined
    calls = {call["call_id"]: call for call in json.loads(done.stdout)["calls"]}
    prefixes = {name: call["prefix"] for name, call in calls.items() if call["prefix"]}
    runs = {
        "process --json": done,
        "process": loud(_LOUD, *arguments),
        "report": loud(_LOUD, "report", store, "--out", page),
        "verify": loud(_LOUD, "verify", "--all", "--store", store, "--json"),
        "show": loud(_SHOWN, store, *prefixes),
    }
    assert runs["show"].returncode == 0
    assert runs["report"].returncode == 0
    outputs = {
        f"{name}: {stream}": text
        for name, run in runs.items()
        for stream, text in (("stdout", run.stdout), ("stderr", run.stderr))
    }
    return Processed(
        store=store,
        truth=truth,
        prefixes=prefixes,
        states={name: call["state"] for name, call in calls.items()},
        outputs=outputs,
        report=page.read_bytes(),
    )


def test_every_call_is_published_or_quarantined(processed):
    assert set(processed.states) == set(processed.truth)
    assert set(processed.states.values()) <= {"published", "quarantined"}
    assert len(processed.prefixes) >= len(processed.truth) / 2  # else the search below proves little


@pytest.mark.parametrize(
    ("part", "read"),
    [
        ("transcript.json", search.transcript_text),
        ("transcript.vtt", search.captions_text),
        ("vcon.json", search.vcon_text),
    ],
)
def test_nothing_can_be_read_in_a_document(processed, part, read):
    leaked = set()
    for name, prefix in processed.prefixes.items():
        text = read((processed.store / prefix / part).read_bytes())
        assert len(text) > 100  # it was read
        leaked |= search.ids_in_text(text, processed.truth[name])
    assert sorted(leaked) == []


def ids_in_ledger(path, processed, folder):
    """What the ledger holds: numbers of anybody, phrases of a call in its own text, and of anybody elsewhere.

    Its index has the masked text of every call, and one call may say in the open what in another is a name.
    """
    leaked = search.ids_of_numbers_in_bytes(path.read_bytes(), processed.all_pii)
    copy = shutil.copy(path, folder / "ledger.sqlite3")
    with closing(sqlite3.connect(copy, isolation_level=None)) as ledger:
        rows = ledger.execute("SELECT call_id, text, words FROM call_texts").fetchall()
        assert {row[0] for row in rows} == set(processed.prefixes)
        for call_id, *texts in rows:
            for text in texts:
                leaked |= search.ids_in_bytes(text.encode(), processed.truth[call_id])
        ledger.execute("DELETE FROM call_texts")
        ledger.execute("INSERT INTO call_words(call_words) VALUES ('rebuild')")
        ledger.execute("VACUUM")
    rest = Path(copy).read_bytes()
    assert len(rest) < path.stat().st_size
    return {f"{found} in {path.name}" for found in leaked | search.ids_in_bytes(rest, processed.all_pii)}


def test_nothing_is_in_the_bytes_of_any_file_or_in_its_name(processed, tmp_path):
    leaked = set()
    for path in processed.store.rglob("*"):
        name = str(path.relative_to(processed.store))
        leaked |= search.ids_in_bytes(name.encode(), processed.all_pii)
        if path.name == "ledger.sqlite3":
            leaked |= ids_in_ledger(path, processed, tmp_path)
        elif path.is_file():
            own = [call for call in processed.truth if f"/{call}/" in f"/{name}" or f"/{call}." in f"/{name}"]
            truth = processed.truth[own[0]] if own else processed.all_pii
            leaked |= {f"{found} in {path.name}" for found in search.ids_in_bytes(path.read_bytes(), truth)}
    assert sorted(leaked) == []


def ids_in_parts(text: str, heading: str, processed: Processed) -> set[str]:
    """Ids of the values that can be read in the part of a text that is about their call."""
    parts = search.parts_of_calls(text, heading)
    assert set(parts) >= set(processed.prefixes)
    return {
        found
        for call in processed.prefixes
        for found in search.ids_in_text(search.printed_text(parts[call]), processed.truth[call])
    }


def test_nothing_is_in_the_report(processed):
    page = processed.report.decode()
    leaked = ids_in_parts(page, r'<article id="call-([^"]+)"', processed)
    leaked |= search.ids_of_numbers_in_bytes(processed.report, processed.all_pii)
    assert sorted(leaked) == []


def test_nothing_is_printed_or_logged(processed):
    leaked = {
        f"{found} in {name}"
        for name, text in processed.outputs.items()
        for found in search.ids_of_numbers_in_bytes(text.encode(), processed.all_pii)
    }
    leaked |= ids_in_parts(processed.outputs["show: stdout"], r"=== (\S+) ===\n", processed)
    for name in ("process --json: stderr", "process: stderr", "verify: stderr", "show: stderr"):
        leaked |= {
            f"{found} in {name}"
            for found in search.ids_in_bytes(processed.outputs[name].encode(), processed.all_pii)
        }
    assert sorted(leaked) == []


def test_the_search_finds_what_is_said_in_the_open():
    """The search itself works: it finds the labelled values in what was really said."""
    found, wanted = set(), set()
    for path in CALLS.glob("*.json"):
        truth = search.labelled(path)
        said = "\n".join(turn["text"] for turn in json.loads(path.read_text())["turns"])
        found |= search.ids_in_text(said, truth)
        wanted |= {
            pii["id"]
            for pii in truth
            if not search.is_too_short(pii) and (search.digit_values(pii) or search.phrases(pii))
        }
    assert len(wanted) > 150
    assert sorted(wanted - found) == []
