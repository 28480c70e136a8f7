"""The command line on real audio with real models: nothing of the job is faked."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

DEMO = Path(__file__).parents[2] / "deploy" / "demo" / "calls"
LONG_CALL = Path(__file__).parents[1] / "benchmarks" / "calls" / "dev_long1.flac"

pytestmark = [pytest.mark.models, pytest.mark.slow]


def callveil(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "callveil", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, **environment}, check=False
    )


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.fixture(scope="module")
def demo(tmp_path_factory) -> tuple[Path, dict[str, dict], int]:
    """All demo calls, processed once."""
    out = tmp_path_factory.mktemp("demo")
    done = callveil("process", DEMO, "--out", out, "--json")
    calls = {call["call_id"]: call for call in json.loads(done.stdout)["calls"]}
    return out, calls, done.returncode


def test_the_demo_calls_end_as_their_consent_says(demo):
    _, calls, code = demo
    assert code == 0
    assert {name: call["state"] for name, call in calls.items()} == {
        "demo-card-payment": "published",
        "demo-lost-card-mono": "published",
        "demo-insurance-denied": "discarded",
        "demo-pharmacy-unknown": "held",
    }


@pytest.mark.parametrize("name", ["card-payment", "lost-card-mono"])
def test_the_redacted_audio_has_the_shape_of_the_original(demo, name):
    out, calls, _ = demo
    masked = soundfile.info(out / calls[f"demo-{name}"]["prefix"] / "audio.flac")
    original = soundfile.info(DEMO / f"{name}.flac")
    assert (masked.frames, masked.samplerate, masked.channels) == (
        original.frames,
        original.samplerate,
        original.channels,
    )


def test_names_and_numbers_are_gone_from_every_document(demo):
    out, calls, _ = demo
    truth = json.loads((Path(__file__).parents[1] / "benchmarks" / "calls" / "dev01.json").read_text())
    folder = out / calls["demo-card-payment"]["prefix"]
    written = "".join(
        (folder / name).read_text() for name in ("transcript.json", "transcript.vtt", "vcon.json")
    )
    words = {
        word
        for pii in truth["pii"]
        if pii["entity"] == "PERSON"
        for word in pii["canonical_value"].lower().split()
    }
    for word in words - {"mr"}:
        assert word not in written.lower()
    for value in ("4111", "1111", "739", "9217"):
        assert value not in written


def test_a_mono_call_has_two_speakers(demo):
    out, calls, _ = demo
    transcript = json.loads((out / calls["demo-lost-card-mono"]["prefix"] / "transcript.json").read_text())
    assert {turn["speaker"] for turn in transcript["turns"]} >= {"speaker_1", "speaker_2"}


def test_denied_and_unknown_calls_leave_a_decision_and_nothing_else(tmp_path):
    temp, out = tmp_path / "tmp", tmp_path / "out"
    temp.mkdir()
    given = [DEMO / "insurance-denied.flac", DEMO / "pharmacy-unknown.flac"]
    done = callveil("process", *given, "--out", out, TMPDIR=str(temp))
    assert done.returncode == 4
    assert [name for name in files(out) if not name.startswith(".callveil/")] == [
        "decisions/2026/11/03/demo-insurance-denied.json",
        "decisions/2026/11/22/demo-pharmacy-unknown.json",
        "layout.json",
        "ledger.sqlite3",
        "ledger.sqlite3.lock",
        "subject-keys.json",
    ]
    assert all("audio" not in name and "transcript" not in name for name in files(out))
    assert files(temp) == []


def test_a_second_run_does_nothing_and_show_reads_the_result(demo):
    out, _calls, _ = demo
    again = json.loads(callveil("process", DEMO / "card-payment.flac", "--out", out, "--json").stdout)
    assert again["calls"][0]["state"] == "skipped"
    shown = callveil("show", "demo-card-payment", "--store", out)
    assert shown.returncode == 0
    assert "agent" in shown.stdout
    assert "[PERSON]" in shown.stdout


def test_what_was_published_verifies_and_an_altered_byte_does_not(demo, tmp_path):
    out, calls, _ = demo
    done = callveil("verify", "--all", "--store", out, "--json")
    assert done.returncode == 0, done.stdout
    found = {call["call_id"]: call for call in json.loads(done.stdout)["calls"]}
    assert {call["result"] for call in found.values()} == {"intact"}
    assert found["demo-card-payment"]["notes"] == []  # every model file is known and right
    copy = shutil.copytree(out / calls["demo-card-payment"]["prefix"], tmp_path / "copy")
    audio = bytearray((copy / "audio.flac").read_bytes())
    audio[len(audio) // 2] ^= 1
    (copy / "audio.flac").write_bytes(audio)
    done = callveil("verify", copy / "certificate.json")
    assert done.returncode == 3
    assert "audio.flac: content differs from the certificate" in done.stdout


def test_without_a_key_nothing_is_heard_and_other_verbs_work(demo, tmp_path):
    out, _, _ = demo
    keyless = {"CALLVEIL_KEYS_DIR": str(tmp_path / "keys")}
    done = callveil("process", DEMO, "--out", tmp_path / "out", **keyless)
    assert done.returncode == 2
    assert "callveil keys create" in done.stderr
    assert list(tmp_path.iterdir()) == []
    assert callveil("show", "demo-card-payment", "--store", out, **keyless).returncode == 0
    assert callveil("report", out, "--out", tmp_path / "report.html", **keyless).returncode == 0
    clip(tmp_path / "a.wav")
    truth = {"call_id": "a", "duration_s": 12.0, "channels": {"0": "agent", "1": "customer"}}
    (tmp_path / "a.json").write_text(
        json.dumps({**truth, "turns": [], "pii": [], "optional": [], "benign": []})
    )
    assert callveil("evaluate", tmp_path, **keyless).returncode == 0
    assert not (tmp_path / "keys").exists()


def test_the_report_is_one_file_about_all_calls(demo, tmp_path):
    out, calls, _ = demo
    page = tmp_path / "report.html"
    assert callveil("report", out, "--out", page).returncode == 0
    text = page.read_text()
    assert all(call in text for call in calls)
    assert 'src="http' not in text
    assert "lindqvist" not in text.lower()


def clip(path: Path, *, subtype: str | None = None, start_s: float = 0.0, channels: int = 2) -> None:
    audio, rate_hz = soundfile.read(DEMO / "card-payment.flac", dtype="float32", always_2d=True)
    part = audio[round(start_s * rate_hz) : round((start_s + 12) * rate_hz)]
    soundfile.write(
        path,
        np.tile(part[:, :1], (1, channels)) if channels > 2 else part[:, :channels],
        rate_hz,
        subtype=subtype,
    )


def test_a_folder_of_mixed_and_broken_calls(tmp_path):
    folder, out, temp = tmp_path / "in", tmp_path / "out", tmp_path / "tmp"
    folder.mkdir()
    temp.mkdir()
    clip(folder / "g1.wav", subtype="PCM_16")
    clip(folder / "g2.wav", subtype="ULAW")
    clip(folder / "g3.wav", subtype="ALAW")
    clip(folder / "g4.wav", subtype="FLOAT", start_s=20)
    clip(folder / "g5.flac")
    clip(folder / "g6.ogg")
    clip(folder / "g7.mp3", start_s=20)
    shutil.copy(folder / "g5.flac", folder / "g8.wav")  # the content decides, not the name
    for name in ("d1", "d2", "d3"):
        clip(folder / f"{name}.wav")
        (folder / f"{name}.json").write_text(json.dumps({"call_id": name, "consent": "denied"}))
    (folder / "b01.wav").write_bytes(b"")
    (folder / "b02.wav").write_text("this is a letter, not a recording\n" * 100)
    (folder / "b03.wav").write_bytes((folder / "g1.wav").read_bytes()[:50_000])
    clip(folder / "b04.wav", channels=3)
    soundfile.write(folder / "b05.wav", np.zeros((80_000, 2)), 8000)
    soundfile.write(folder / "b06.wav", np.zeros((0, 2)), 8000)
    (folder / "b07.flac").write_bytes((folder / "g5.flac").read_bytes()[:20_000])
    clip(folder / "b08.wav")
    (folder / "b08.json").write_text('{"call_id": "b08", "consent": "yes"}')
    (folder / "b09.json").write_text('{"call_id": "b09", "consent": "granted"}')
    done = callveil("process", folder, "--out", out, "--consent", "granted", "--json", TMPDIR=str(temp))
    assert done.returncode == 3, done.stderr
    states = {call["call_id"].split(".")[0]: call for call in json.loads(done.stdout)["calls"]}
    assert {name for name, call in states.items() if call["state"] == "published"} == {
        f"g{i}" for i in range(1, 9)
    }
    assert {name for name, call in states.items() if call["state"] == "discarded"} == {"d1", "d2", "d3"}
    failed = {name: call["error"] for name, call in states.items() if call["state"] == "failed"}
    assert set(failed) == {f"b0{i}" for i in range(1, 10)}
    assert {name for name, error in failed.items() if error["code"] == "metadata"} == {"b08", "b09"}
    assert all(error["message"].startswith(name) for name, error in failed.items())
    published = [name for name in files(out) if name.startswith("calls/")]
    assert len(published) == 8 * 5
    assert not any("/b0" in name or "/d" in name for name in published)
    assert files(temp) == []


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_leaves_nothing_half_written(tmp_path, sent):
    out, temp = tmp_path / "out", tmp_path / "tmp"
    temp.mkdir()
    command = [
        sys.executable,
        "-m",
        "callveil",
        "process",
        str(shutil.copy(LONG_CALL, tmp_path / "long.flac")),
        "--consent",
        "granted",
        "--out",
        str(out),
    ]
    running = subprocess.Popen(
        command,
        env={**os.environ, "TMPDIR": str(temp)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    time.sleep(8)
    running.send_signal(sent)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "interrupted" in said
    assert [name for name in files(out) if name.startswith("calls/")] == []
    assert files(temp) == []


BAD = [
    (["process", "gone.wav", "--out", "x"], 2, "gone.wav"),
    (["process", DEMO / "card-payment.flac", "--out", "ftp://x"], 2, "s3://bucket/prefix"),
    (["process", DEMO / "card-payment.flac", "--out", "s3://b/p"], 2, "CALLVEIL_S3_ACCESS_KEY"),
    (["process", DEMO / "card-payment.flac", "--out", "x", "--profile", "nope"], 2, "nope"),
    (["process", DEMO / "card-payment.flac", "--out", "x", "--consent", "yes"], 2, "granted"),
    (["show", "nobody", "--store", "x"], 1, "nobody"),
    (["config", "explain", "--profile", "nope"], 2, "default"),
    (["evaluate", DEMO], 2, "labelled"),
]


@pytest.mark.parametrize(("arguments", "code", "named"), BAD, ids=lambda value: str(value)[:40])
def test_wrong_use_is_one_clear_message(arguments, code, named, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = callveil(*arguments, CALLVEIL_S3_ACCESS_KEY="", CALLVEIL_S3_SECRET_KEY="")
    assert done.returncode == code, done.stderr
    assert named in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.s3
def test_a_call_goes_to_a_real_bucket_with_tags_and_a_lock(s3_server, s3_buckets, tmp_path):
    profile = tmp_path / "centre.toml"
    profile.write_text(
        f'[store.s3]\nendpoint = "{s3_server.endpoint}"\nsecure = {str(s3_server.secure).lower()}\n'
    )
    clip(tmp_path / "c1.wav")
    bucket = s3_buckets["lock"]
    keys = {"CALLVEIL_S3_ACCESS_KEY": s3_server.access_key, "CALLVEIL_S3_SECRET_KEY": s3_server.secret_key}
    given = ["process", tmp_path / "c1.wav", "--consent", "granted", "--profile", profile]
    done = callveil(*given, "--out", f"s3://{bucket}/e2e", "--json", **keys)
    assert done.returncode == 0, done.stderr
    (call,) = json.loads(done.stdout)["calls"]
    assert (
        callveil("verify", "--all", "--store", f"s3://{bucket}/e2e", "--profile", profile, **keys).returncode
        == 0
    )
    client = s3_server.client()
    key = f"e2e/{call['prefix']}audio.flac"
    assert client.get_object_tags(bucket, key)["callveil-profile"] == "centre"
    locked = client.list_objects(bucket, prefix=f"e2e/{call['prefix']}", include_version=True)
    version = next(item for item in locked if item.object_name == key).version_id
    with pytest.raises(Exception, match="AccessDenied"):
        client.remove_object(bucket, key, version_id=version)
    assert keys["CALLVEIL_S3_SECRET_KEY"] not in done.stdout + done.stderr


def test_several_calls_at_a_time(tmp_path):
    for i in range(3):
        clip(tmp_path / f"j{i}.wav", start_s=i)
    out = tmp_path / "out"
    done = callveil("process", tmp_path, "--out", out, "--consent", "granted", "--jobs", 2, "--json")
    assert done.returncode == 0, done.stderr
    assert sorted(call["call_id"] for call in json.loads(done.stdout)["calls"]) == ["j0", "j1", "j2"]
    assert len([name for name in files(out) if name.startswith("calls/")]) == 3 * 5
