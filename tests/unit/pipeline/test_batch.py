import json
import logging
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from callveil.adapters.consent_rules import load_consent_rules
from callveil.adapters.resources import resource_folder
from callveil.config import Profile
from callveil.errors import EngineError, MetadataError
from callveil.kit import Kit
from callveil.pipeline.batch import Job, find_jobs, process
from callveil.testing import (
    START,
    FakeDetector,
    FakeDiarizer,
    FakeTranscriber,
    ManualClock,
    MemoryStore,
    throw_away_signer,
    words,
)
from callveil.vocabulary.consent import Flag
from callveil.vocabulary.pii import Entity, Finding
from callveil.vocabulary.recording import State
from callveil.vocabulary.transcript import Turn


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.wav", "a.json", "b.FLAC", "deep/c.mp3", "orphan.json", "notes.txt", ".hidden.wav"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    return tmp_path


def find(*paths: Path, metadata: Path | None = None, flag: Flag | None = None):
    return find_jobs(paths, metadata=metadata, flag=flag, replace=False)


def test_a_folder_is_searched_and_pairs_are_made(folder):
    found = find(folder)
    assert [job.audio.name for job in found.jobs] == ["a.wav", "b.FLAC", "c.mp3"]
    assert [job.metadata and job.metadata.name for job in found.jobs] == ["a.json", None, None]
    assert [path.name for path in found.orphans] == ["orphan.json"]
    assert found.ignored == 1


def test_a_file_is_taken_whatever_its_name(folder):
    assert [job.audio.name for job in find(folder / "notes.txt").jobs] == ["notes.txt"]


def test_a_recording_given_twice_is_one_job(folder):
    assert len(find(folder / "a.wav", folder / "a.wav", folder).jobs) == 3


def test_metadata_is_for_one_recording(folder):
    (job,) = find(folder / "b.FLAC", metadata=folder / "a.json").jobs
    assert job.metadata == folder / "a.json"
    with pytest.raises(MetadataError, match="--metadata"):
        find(folder, metadata=folder / "a.json")


@pytest.mark.parametrize("name", ["gone.wav", "gone"])
def test_a_path_that_is_not_there_is_named(folder, name):
    with pytest.raises(MetadataError, match=name):
        find(folder / name)


def test_metadata_that_is_not_there_is_refused(folder):
    with pytest.raises(MetadataError, match="--metadata"):
        find(folder / "b.FLAC", metadata=folder / "gone.json")


def test_a_denial_in_upper_case_json_is_not_overlooked(folder):
    (folder / "b.JSON").write_text('{"call_id": "b", "consent": "denied"}')
    by_name = {job.audio.name: job for job in find(folder, flag=Flag.GRANTED).jobs}
    assert by_name["b.FLAC"].metadata == folder / "b.JSON"


def test_two_metadata_files_for_one_recording_are_refused(folder):
    (folder / "a.JSON").write_bytes(b"x")
    with pytest.raises(MetadataError, match=r"a\.wav"):
        find(folder)


SAID = "it's Tobias Lund four one one two"
RAW = ("tobias", "lund", "four one", "4112")


class Loud:
    """Fails, and quotes the call as a library might."""

    name = "loud"
    n_parallel = 1

    def __init__(self, kind: type[Exception]) -> None:
        self._kind = kind

    def _fail(self) -> None:
        try:
            raise ValueError(f"cannot read {SAID!r}")
        except ValueError as error:
            text = "detector: failed" if self._kind is EngineError else f"bad input: {SAID}"
            raise self._kind(text) from error

    def find(self, turns: Sequence[Turn], *, language: str) -> tuple[Finding, ...]:
        self._fail()
        return ()

    def transcribe(self, audio, *, language, channel):
        self._fail()


@pytest.fixture
def job(tmp_path) -> Job:
    """The agent talks from 2 to 6 s, the customer from 10 to 14 s of half a minute."""
    time_s = np.arange(30 * 8000) / 8000
    rng = np.random.default_rng(5)
    samples = rng.normal(0, 1e-4, (len(time_s), 2))
    for channel, start_s in ((0, 2), (1, 10)):
        talk = (time_s >= start_s) & (time_s < start_s + 4)
        samples[:, channel] += talk * rng.normal(0, 0.1, len(time_s)) * (0.3 + np.abs(np.sin(12 * time_s)))
    soundfile.write(tmp_path / "a.wav", samples, 8000)
    metadata = {"call_id": "c-1", "consent": "granted", "language": "en", "started_at": START.isoformat()}
    (tmp_path / "a.json").write_text(json.dumps(metadata))
    return Job(audio=tmp_path / "a.wav", metadata=tmp_path / "a.json")


@pytest.fixture
def kit() -> Kit:
    name = Finding(entity=Entity.PERSON, channel=1, start_s=10.7, end_s=13.1, score=0.9, detector="test")
    return Kit(
        profile_name="default",
        profile=Profile(),
        rules=load_consent_rules(resource_folder("pipelines") / "consent.toml"),
        transcriber=FakeTranscriber(words=words(SAID, channel=1, start_s=0.5)),
        dual=FakeDiarizer(),
        mono=FakeDiarizer(),
        detector=FakeDetector(findings=[name]),
        listener=FakeTranscriber(name="second"),
        store=MemoryStore(clock=ManualClock()),
        clock=ManualClock(),
        signer=throw_away_signer(),
    )


@pytest.mark.parametrize("where", ["transcriber", "detector", "listener"])
@pytest.mark.parametrize("kind", [RuntimeError, KeyError, EngineError])
def test_what_a_library_quotes_of_a_call_goes_nowhere(
    job, kit, where, kind, caplog, capsys, tmp_path, monkeypatch
):
    temp = tmp_path / "temp"
    temp.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temp))
    with caplog.at_level(logging.DEBUG):
        outcome = process(job, replace(kit, **{where: Loud(kind)}))
    assert outcome.state is State.FAILED
    assert outcome.error[0] == ("engine" if kind is EngineError else "internal")
    printed = capsys.readouterr()
    shown = f"{outcome!r} {caplog.text} {printed.out} {printed.err}".lower()
    assert [raw for raw in RAW if raw in shown] == []
    assert list(kit.store.list_objects("")) == []
    assert list(temp.rglob("*")) == []


def test_a_call_that_is_done_is_neither_logged_nor_printed(job, kit, caplog, capsys):
    with caplog.at_level(logging.DEBUG):
        outcome = process(job, kit)
    assert outcome.state is State.PUBLISHED
    printed = capsys.readouterr()
    shown = f"{outcome!r} {caplog.text} {printed.out} {printed.err}".lower()
    assert [raw for raw in RAW if raw in shown] == []


def test_a_quarantined_call_is_an_outcome_like_others(job, kit):
    heard = words("Zimmerman", channel=0, start_s=0.1)  # the listener's first window begins with the agent

    class Names:
        name = "names"

        def find(self, turns: Sequence[Turn], *, language: str) -> tuple[Finding, ...]:
            return tuple(
                Finding(
                    entity=Entity.PERSON,
                    channel=turn.channel,
                    start_s=word.start_s,
                    end_s=word.end_s,
                    score=0.9,
                    detector="names",
                )
                for turn in turns
                for word in turn.words
                if word.text == "Zimmerman"
            )

    profile = Profile.model_validate({"verify": {"max_rounds": 1}})
    second = FakeTranscriber(words=heard, name="second")
    leaky = replace(kit, profile=profile, detector=Names(), listener=second)
    outcome = process(job, leaky)
    assert (outcome.state, outcome.prefix, outcome.error) == (State.QUARANTINED, None, None)
    assert outcome.verification.left > 0
    assert "zimmerman" not in repr(outcome).lower()
    (stored,) = leaky.store.list_objects("")
    assert stored.key.startswith("decisions/")
