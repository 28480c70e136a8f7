"""From recordings to an archive for a person: `process`, then `subject export`, with stand-in engines."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import jsonschema

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "src/callveil/schemas/export.schema.json").read_bytes())
PHONE, OTHER = "+442079460958", "+442079460000"
CALLS = {"c-1": (PHONE, "granted"), "c-2": (OTHER, "granted"), "c-3": (PHONE, "denied")}


def run(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    from callveil_standin.profile import standin_python_path

    environment = {name: value for name, value in os.environ.items() if name != "CALLVEIL_DATA"}
    environment |= {"PYTHONPATH": standin_python_path(), "CALLVEIL_STANDIN": str(folder / "orders")}
    command = [sys.executable, "-m", "callveil", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return done


def test_what_a_person_gets_can_be_verified_by_that_person(tmp_path: Path, standin_path: str) -> None:
    from callveil_standin.profile import standin_profile
    from callveil_standin.tones import make_call

    for name in ("in", "orders"):
        (tmp_path / name).mkdir()
    profile = tmp_path / "standin.toml"
    profile.write_text(standin_profile() + '[controller]\nname = "Acme"\n')
    for seed, (call_id, (phone, consent)) in enumerate(CALLS.items()):
        customer = {"role": "customer", "jurisdiction": "GB", "identifiers": {"phone": phone}}
        document = {
            "call_id": call_id, "started_at": "2026-11-23T09:30:00Z", "language": "en", "queue": "<b>billing",
            "consent": consent, "parties": [customer],
        }  # fmt: skip
        (tmp_path / "in" / f"{call_id}.wav").write_bytes(make_call(seed).content)
        (tmp_path / "in" / f"{call_id}.json").write_text(json.dumps(document))
    run(tmp_path, "process", tmp_path / "in", "--out", tmp_path / "out", "--profile", profile)
    data = ("--data", tmp_path / "out", "--profile", profile)
    done = run(tmp_path, "subject", "export", "--phone", PHONE, "--out", tmp_path / "mine.zip", *data)
    assert "2 calls written, 1 of them with their redacted recording." in done.stdout

    with zipfile.ZipFile(tmp_path / "mine.zip") as archive:
        archive.extractall(tmp_path / "unpacked")
    everything = b"".join(path.read_bytes() for path in (tmp_path / "unpacked").rglob("*") if path.is_file())
    assert PHONE[1:].encode() not in everything
    document = json.loads((tmp_path / "unpacked/data.json").read_bytes())
    jsonschema.validate(document, SCHEMA, cls=jsonschema.Draft202012Validator)
    assert [(call["call_id"], call["state"]) for call in document["calls"]] == [
        ("c-1", "published"),
        ("c-3", "discarded"),
    ]
    page = (tmp_path / "unpacked/index.html").read_text()
    assert "&lt;b&gt;billing" in page
    assert "Your calls with Acme" in page
    run(tmp_path, "verify", tmp_path / "unpacked/calls/0001/certificate.json")
    # The receipt and the report know the same call.
    receipt = json.loads(run(tmp_path, "consent", "receipt", "--call", "c-1", *data, "--json").stdout)
    assert receipt["dct:source"] == "urn:callveil:call:c-1"
    breach = ("breach", "report", "--known-at", "2025-01-01", "--calls", "c-1,c-2")
    assert json.loads(run(tmp_path, *breach, *data, "--json").stdout)["persons"]["identified"] == 2
    audit = json.loads(run(tmp_path, "audit", "verify", *data, "--json").stdout)
    assert audit["intact"] is True
