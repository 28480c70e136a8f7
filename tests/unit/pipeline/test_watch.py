"""A drop folder on a real file system and one in memory, with a real ledger and an encrypted landing."""

from __future__ import annotations

import json
import os
import shutil
import struct
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from callveil.adapters.drop_folder import DropFolder
from callveil.adapters.subject_keys import SubjectKeys
from callveil.config import Profile, ServiceConfig
from callveil.errors import ConfigError, LedgerError, NotFoundError, RefusedError, StoreError
from callveil.pipeline.drop_pairs import Verdict, groups, verdict
from callveil.pipeline.watch import Looked, Watcher
from callveil.testing import ManualClock, MemoryLanding, temporary_ledger
from callveil.vocabulary.consent import ConsentRecord, Flag, Purpose
from callveil.vocabulary.drop import DroppedFile
from callveil.vocabulary.rights import IdentifierKind

SIPREC = (Path(__file__).parents[2] / "data" / "siprec" / "consent.xml").read_text()
SECRET = "4111222233334444"


def wav(samples: bytes = b"\1\2" * 800, *, says: int | None = None) -> bytes:
    data = struct.pack("<4sI", b"data", len(samples) if says is None else says) + samples
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 8000, 16000, 2, 16)
    return b"RIFF" + struct.pack("<I", 4 + len(form) + len(data)) + b"WAVE" + form + data


def metadata(call_id: str, consent: str = "granted") -> str:
    return json.dumps({"call_id": call_id, "consent": consent})


class Place:
    """A drop folder and what stands behind it."""

    def __init__(self, root: Path, ledger) -> None:
        self.root = root
        self.drop = DropFolder(root)
        self.landing = MemoryLanding()
        self.ledger = ledger
        self.clock = ManualClock()
        self.service = SimpleNamespace(
            ledger=ledger,
            landing=self.landing,
            clock=self.clock,
            settings=ServiceConfig(),
            hasher=SubjectKeys([bytes(32)]),
            config=SimpleNamespace(profile=Profile()),
        )

    def put(self, name: str, content: bytes | str) -> Path:
        path = self.root / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def pair(self, call_id: str, *, name: str | None = None, audio: bytes | None = None, consent="granted"):
        self.put(f"{name or call_id}.wav", wav() if audio is None else audio)
        self.put(f"{name or call_id}.json", metadata(call_id, consent))

    def watcher(self, *, settle_s: float = 0.0, orphan_after_s: float = 3600.0, drop=None) -> Watcher:
        return Watcher(drop or self.drop, self.service, settle_s=settle_s, orphan_after_s=orphan_after_s)

    def look(self, **settings) -> Looked:
        return self.watcher(**settings).look()

    def left(self) -> list[str]:
        return sorted(path.name for path in self.root.iterdir() if path.is_file() and path.name[0] != ".")

    def quarantine(self) -> list[str]:
        folder = self.root / "quarantine"
        return sorted(path.name for path in folder.iterdir()) if folder.exists() else []

    def reason(self, stem: str) -> str:
        return (self.root / "quarantine" / f"{stem}.reason.txt").read_text()

    def calls(self) -> dict[str, str]:
        return {call.call_id: call.source for call in self.ledger.calls(limit=1000)}


@pytest.fixture
def place(tmp_path):
    with temporary_ledger() as ledger:
        (tmp_path / "drop").mkdir()
        found = Place(tmp_path / "drop", ledger)
        yield found
        found.drop.close()


def test_a_pair_becomes_a_call_and_is_gone(place):
    place.pair("c-1")
    assert place.look() == Looked(accepted=1)
    assert place.calls() == {"c-1": "folder"}
    assert place.left() == []
    call = place.ledger.get("c-1")
    assert b"".join(place.landing.read(call.landing)) == wav()
    assert wav()[44:] not in bytes(place.landing.recordings[call.landing].content)
    assert place.ledger.audit()[0].actor == "watch"


@pytest.mark.parametrize("suffix", ["json", "xml"])
def test_the_parties_of_a_dropped_call_can_be_found(place, monkeypatch, suffix):
    seen = []
    accept = place.ledger.accept

    def listen(new, **given):
        seen.extend(new.identities)
        return accept(new, **given)

    monkeypatch.setattr(place.ledger, "accept", listen)
    place.put("r.wav", wav())
    parties = [{"role": "customer", "identifiers": {"phone": "+49 30 123456"}}]
    call = json.dumps({"call_id": "c-1", "consent": "granted", "parties": parties})
    xml = SIPREC.replace("tel:+14155550100", "tel:+4930123456")
    place.put(f"r.{suffix}", call if suffix == "json" else xml)
    assert place.look().accepted == 1
    assert [each.digest for each in seen] == [
        place.service.hasher.digests(IdentifierKind.PHONE, "+4930123456")[0]
    ]


def test_siprec_metadata_maps_the_channels(place):
    xml = SIPREC.replace('<participantstreamassoc participant_id="p2"><send>s1</send>', "<x>").replace(
        "<x></participantstreamassoc>", ""
    )
    place.put("r.wav", wav())
    place.put("r.xml", xml)
    assert place.look().accepted == 1
    call = place.ledger.get("c0ffee-1")
    assert call.source == "siprec"
    assert call.call.parties[0].channel == 0
    assert call.call.queue == "billing"


def test_a_siprec_update_is_no_call(place):
    place.put("r.wav", wav())
    place.put("r.xml", SIPREC.replace("complete", "partial"))
    assert place.look().quarantined == 1
    assert "datamode: allowed: complete" in place.reason("r")


def test_the_start_is_the_time_of_the_recording_unless_it_is_told(place):
    place.pair("c-1")
    moment = datetime(2026, 3, 1, 12, tzinfo=UTC)
    os.utime(place.root / "c-1.wav", (moment.timestamp(), moment.timestamp()))
    place.look()
    assert place.ledger.get("c-1").call.started_at == moment


def test_nothing_is_read_before_it_has_settled(place):
    place.pair("c-1")
    # The date of change can be set to anything; it does not make a file old.
    os.utime(place.root / "c-1.wav", (0, 0))
    assert place.look(settle_s=60) == Looked(waiting=1)
    assert place.left() == ["c-1.json", "c-1.wav"]


def test_a_date_in_the_future_does_not_keep_a_file_waiting(place):
    place.pair("c-1")
    later = datetime.now(UTC).timestamp() + 1e6
    os.utime(place.root / "c-1.wav", (later, later))
    assert place.look().accepted == 1


@pytest.mark.parametrize("name", ["a.wav", "a.json", "a.xml"])
def test_a_part_alone_waits_and_then_goes_to_quarantine(place, name):
    place.put(name, wav() if name == "a.wav" else metadata("a"))
    assert place.look() == Looked(waiting=1)
    assert place.look(orphan_after_s=0) == Looked(quarantined=1)
    assert place.quarantine() == sorted(["a.reason.txt", name])
    assert f"Found: {name[1:]}" in place.reason("a")
    assert "one recording (" in place.reason("a")
    assert place.calls() == {}


BROKEN = {
    "not json": (wav(), "{", "is not JSON"),
    "an unknown field": (
        wav(),
        json.dumps({"call_id": "a", "consent": "granted", "x" + SECRET: 1}),
        "metadata",
    ),
    "a wrong value": (wav(), json.dumps({"call_id": f"a {SECRET}", "consent": "granted"}), "call_id"),
    "no audio": (f"my card is {SECRET}".encode() * 20, metadata("a"), "audio: is not audio"),
    "too much metadata": (wav(), " " * 2**20 + metadata("a"), "metadata: allowed: up to 1048576 bytes"),
}


@pytest.mark.parametrize(("audio", "text", "said"), BROKEN.values(), ids=BROKEN)
def test_a_broken_pair_goes_to_quarantine_with_a_reason_that_repeats_nothing(
    place, audio, text, said, caplog
):
    place.put("a.wav", audio)
    place.put("a.json", text)
    assert place.look() == Looked(quarantined=1)
    assert place.quarantine() == ["a.json", "a.reason.txt", "a.wav"]
    assert said in place.reason("a")
    assert "Found: .json, .wav" in place.reason("a")
    assert SECRET not in place.reason("a") + caplog.text
    assert (place.root / "quarantine" / "a.wav").read_bytes() == audio
    assert place.landing.recordings == {}
    assert oct((place.root / "quarantine").stat().st_mode)[-3:] == "700"


@pytest.mark.parametrize("audio", [b"", wav(says=0), wav(says=10**6)], ids=["empty", "open", "cut"])
def test_a_recording_that_may_still_grow_is_waited_for(place, audio):
    place.pair("a", audio=audio)
    assert place.look() == Looked(waiting=1)
    assert place.look(orphan_after_s=0).quarantined == 1
    assert place.landing.recordings == {}


def test_too_large_is_said_before_anything_is_read(place):
    place.service.config.profile = Profile.model_validate({"limits": {"max_bytes": 100}})
    place.pair("a")
    assert place.look().quarantined == 1
    assert "audio: allowed: up to 100 bytes" in place.reason("a")


def test_the_same_pair_twice_is_one_call(place):
    place.pair("c-1")
    place.look()
    place.pair("c-1", name="another name")
    assert place.look() == Looked(known=1)
    assert list(place.calls()) == ["c-1"]
    assert place.left() == []
    assert place.quarantine() == []
    assert len(place.landing.recordings) == 1


def test_another_recording_under_the_same_id_is_not_thrown_away(place):
    place.pair("c-1")
    place.look()
    place.pair("c-1", audio=wav(b"\5\6" * 900))
    assert place.look() == Looked(quarantined=1)
    assert "stands for another recording" in place.reason("c-1")
    assert len(place.landing.recordings) == 1


def test_a_denial_that_comes_with_a_second_drop_is_not_thrown_away(place):
    place.pair("c-1")
    place.look()
    place.pair("c-1", consent="denied")
    assert place.look() == Looked(quarantined=1)
    assert "other answers about consent" in place.reason("c-1")


def test_an_old_answer_dropped_again_does_not_undo_a_new_one(place):
    place.pair("c-1")
    place.look()
    place.ledger.record_consent(
        "c-1",
        [ConsentRecord(purpose=Purpose.RECORDING, flag=Flag.DENIED)],
        actor="key:x",
        now=place.clock.now(),
    )
    place.pair("c-1")
    assert place.look() == Looked(known=1)
    flags = [
        record.flag for record in place.ledger.get("c-1").call.consent if record.purpose is Purpose.RECORDING
    ]
    assert flags == [Flag.DENIED]


def test_two_recordings_of_one_name_are_nobodys(place):
    place.pair("a")
    place.put("a.flac", b"fLaC")
    assert place.look() == Looked(waiting=1)
    assert place.look(orphan_after_s=0) == Looked(quarantined=1)
    assert place.quarantine() == ["a.flac", "a.json", "a.reason.txt", "a.wav"]


def test_suffixes_are_read_in_any_case(place):
    place.put("a.WAV", wav())
    place.put("a.Json", metadata("a"))
    assert place.look().accepted == 1


def test_hidden_and_unfinished_names_and_sub_folders_are_left_alone(place):
    names = [".a.wav", "a.wav.part", "a.json.tmp", "b.wav~", ".b.json.swp"]
    for name in names:
        place.put(name, wav())
    (place.root / "sub.wav").mkdir()
    (place.root / "sub.wav" / "a.wav").write_bytes(wav())
    assert place.look(orphan_after_s=0) == Looked()
    assert all((place.root / name).exists() for name in names)
    assert (place.root / "sub.wav" / "a.wav").exists()


def test_links_and_pipes_are_moved_and_never_followed(place, tmp_path):
    outside = tmp_path / "secret.wav"
    outside.write_bytes(wav())
    (place.root / "a.wav").symlink_to(outside)
    place.put("a.json", metadata("a"))
    os.mkfifo(place.root / "b.wav")
    place.put("b.json", metadata("b"))
    (place.root / "c.json").symlink_to("/nowhere")
    place.put("c.wav", wav())
    assert place.look(orphan_after_s=0) == Looked(quarantined=3)
    assert outside.read_bytes() == wav()
    assert place.calls() == {}
    assert (place.root / "quarantine" / "a.wav").is_symlink()


def test_a_file_of_another_kind_does_not_lie_in_clear_for_ever(place):
    place.put("a.amr", b"x")
    assert place.look() == Looked(waiting=1)
    assert place.look(orphan_after_s=0) == Looked(quarantined=1)
    assert "Found: another kind" in place.reason("a")


@pytest.mark.parametrize("stem", ["a b\nc", "-rf", "naïve ☎", "..a", "x" * 250, "é" * 125, "a\udcff"])
def test_strange_names_are_names(place, stem):
    name = f"{stem}.wav"
    if stem.startswith("."):
        name = f"_{name}"
    place.put(name, wav())
    assert place.look(orphan_after_s=0).quarantined == 1
    assert len(place.quarantine()) == 2
    assert place.left() == []


def test_nothing_in_the_quarantine_is_overwritten(place):
    for number in range(3):
        place.put("a.wav", wav(bytes([number, 1]) * 50))
        place.look(orphan_after_s=0)
    assert place.quarantine() == [
        "a-2.reason.txt", "a-2.wav", "a-3.reason.txt", "a-3.wav", "a.reason.txt", "a.wav",
    ]  # fmt: skip
    assert (place.root / "quarantine" / "a.wav").read_bytes() == wav(b"\0\1" * 50)


def test_a_quarantine_that_leads_elsewhere_is_not_used(place, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (place.root / "quarantine").symlink_to(tmp_path / "elsewhere")
    place.put("a.wav", wav())
    place.look(orphan_after_s=0)
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert (place.root / "a.wav").exists()


def test_the_content_is_overwritten_before_the_file_goes(place, tmp_path, monkeypatch):
    place.pair("c-1")
    with (place.root / "c-1.wav").open("rb") as still_open:
        place.look()
        assert still_open.read() == bytes(len(wav()))


def test_a_recording_with_another_name_elsewhere_keeps_its_content_there(place, tmp_path):
    place.pair("c-1")
    os.link(place.root / "c-1.wav", tmp_path / "archive.wav")
    assert place.look().accepted == 1
    assert (tmp_path / "archive.wav").read_bytes() == wav()
    assert place.left() == []


def test_what_a_dead_process_was_overwriting_goes(place):
    place.put(".callveil-shred-0123", b"\0" * 10 + b"rest")
    place.look()
    assert not (place.root / ".callveil-shred-0123").exists()


def test_metadata_left_behind_by_a_process_that_died_is_told_from_new_metadata(place):
    place.pair("c-1")
    place.look()
    place.put("c-1.json", metadata("c-1"))
    assert place.look() == Looked(waiting=1)
    assert place.look(orphan_after_s=0) == Looked(known=1)
    place.put("c-1.json", metadata("c-1", "denied"))
    assert place.look(orphan_after_s=0) == Looked(quarantined=1)


class Stumbling:
    """A drop that dies at a step."""

    def __init__(self, drop: DropFolder, step: str, nth: int = 1) -> None:
        self._drop, self._step, self._left = drop, step, nth

    def __getattr__(self, name):
        found = getattr(self._drop, name)
        if name != self._step:
            return found

        def stumble(*arguments, **options):
            self._left -= 1
            if self._left == 0:
                raise KeyboardInterrupt
            return found(*arguments, **options)

        return stumble


@pytest.mark.parametrize(("step", "nth"), [("read", 1), ("read", 2), ("remove", 1), ("remove", 2)])
def test_dying_at_any_step_loses_and_doubles_nothing(place, step, nth):
    place.pair("c-1")
    with pytest.raises(KeyboardInterrupt):
        place.look(drop=Stumbling(place.drop, step, nth))
    place.look()
    place.look(orphan_after_s=0)
    assert list(place.calls()) == ["c-1"]
    assert place.left() == []
    assert place.quarantine() == []
    assert list(place.landing.recordings) == [place.ledger.get("c-1").landing]


def test_a_ledger_that_fails_leaves_the_pair(place, monkeypatch):
    place.pair("c-1")
    accept = place.ledger.accept
    with monkeypatch.context() as patch:

        def fail(*_, **__):
            raise LedgerError("ledger: away")

        patch.setattr(place.ledger, "accept", fail)
        with pytest.raises(LedgerError):
            place.look()
        assert place.landing.recordings == {}

        def commit_and_fail(*arguments, **options):
            accept(*arguments, **options)
            raise LedgerError("ledger: away")

        patch.setattr(place.ledger, "accept", commit_and_fail)
        with pytest.raises(LedgerError):
            place.look()
    assert place.left() == ["c-1.json", "c-1.wav"]
    assert place.look() == Looked(known=1)
    assert list(place.landing.recordings) == [place.ledger.get("c-1").landing]


class Changing:
    """A drop whose recording is appended to while it is read."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def __getattr__(self, name):
        return getattr(self._place.drop, name)

    @contextmanager
    def read(self, file):
        with self._place.drop.read(file) as pieces:
            if file.name.endswith(".wav"):
                with (self._place.root / file.name).open("ab") as growing:
                    growing.write(b"more")
            yield pieces


def test_a_file_that_changes_while_it_is_read_is_not_taken(place):
    place.pair("c-1")
    assert place.look(drop=Changing(place)) == Looked(waiting=1)
    assert place.calls() == {}
    assert place.landing.recordings == {}
    assert place.left() == ["c-1.json", "c-1.wav"]


def test_a_file_put_in_the_place_of_a_taken_one_is_not_removed(place):
    place.pair("c-1")
    (seen,) = [file for file in place.drop.files() if file.name == "c-1.wav"]
    place.put("new", wav(b"\7\7" * 10)).rename(place.root / "c-1.wav")
    assert place.drop.remove(seen) is False
    assert (place.root / "c-1.wav").read_bytes() == wav(b"\7\7" * 10)
    with pytest.raises(NotFoundError), place.drop.read(seen):
        pass


def test_taking_in_pauses_while_too_many_calls_wait(place):
    place.service.settings = ServiceConfig(max_waiting=1)
    place.pair("c-1")
    place.look()
    place.pair("c-2")
    assert place.look().full
    assert place.left() == ["c-2.json", "c-2.wav"]


def test_a_fault_in_one_pair_does_not_stop_the_others(place, monkeypatch, caplog):
    for name in ("a", "b", "c"):
        place.pair(name)
    read = place.drop.read

    def faulty(file):
        if file.name == "b.json":
            raise RuntimeError(SECRET)
        return read(file)

    monkeypatch.setattr(place.drop, "read", faulty)
    assert place.look() == Looked(accepted=2, failed=1)
    assert SECRET not in caplog.text


def test_a_folder_that_fails_again_and_again_ends_the_look(place, monkeypatch):
    for number in range(5):
        place.pair(f"c-{number}")

    def away(_):
        raise StoreError("away")

    monkeypatch.setattr(place.drop, "read", away)
    with pytest.raises(StoreError):
        place.look()


def test_what_cannot_be_removed_is_not_read_all_the_time(place, monkeypatch):
    place.pair("c-1")
    reads, read = [], place.drop.read

    def count(file):
        reads.append(file.name)
        return read(file)

    def refuse(_):
        raise StoreError("no right")

    monkeypatch.setattr(place.drop, "read", count)
    with monkeypatch.context() as patch:
        patch.setattr(place.drop, "remove", refuse)
        watcher = place.watcher()
        assert watcher.look() == Looked(failed=1)
        assert watcher.look() == Looked(failed=1)
    assert len(reads) == 2
    place.pair("c-2")
    assert watcher.look() == Looked(accepted=1, failed=1)
    assert place.look() == Looked(known=1)


def test_no_folder_no_rights_and_a_second_process(place, tmp_path):
    with pytest.raises(ConfigError, match="a folder that exists"):
        list(DropFolder(tmp_path / "nowhere").files())
    list(place.drop.files())
    with pytest.raises(RefusedError, match="another process"):
        list(DropFolder(place.root).files())


def test_a_folder_put_in_its_place_is_watched_then(place):
    place.pair("a")
    place.look()
    shutil.move(place.root, place.root.with_name("old"))
    place.root.mkdir()
    place.pair("b")
    assert place.look().accepted == 1


def seen(name: str, **changes) -> DroppedFile:
    file = DroppedFile(
        name=name, n_bytes=1, age_s=100.0, changed_at=datetime.now(UTC), is_plain=True, stamp=(name,)
    )
    return replace(file, **changes)


@pytest.mark.parametrize("page", [2, 3, 4, 5, 7, 100])
def test_every_group_comes_once_whatever_the_page(page):
    names = [f"{stem}{suffix}" for stem in ("b", "a", "a.part2", "a-1", "z") for suffix in (".wav", ".json")]
    names += ["lonely.wav", "dotless"]
    found = list(groups(lambda is_wanted: map(seen, filter(is_wanted, names)), page))
    assert [group.stem for group in found] == sorted({group.stem for group in found})
    assert sorted(file.name for group in found for file in group.files) == sorted(names)


def test_little_is_held_and_little_is_looked_at():
    alive, most, looked = 0, 0, 0

    class Counted(DroppedFile):
        __slots__ = ()

        def __del__(self):
            nonlocal alive
            alive -= 1

    def many(is_wanted):
        nonlocal alive, most, looked
        for number in range(20_000):
            name = f"{number // 2:06}{'.wav' if number % 2 else '.json'}"
            if is_wanted(name):
                alive, looked = alive + 1, looked + 1
                most = max(most, alive)
                yield Counted(
                    name=name,
                    n_bytes=1,
                    age_s=1.0,
                    changed_at=datetime.now(UTC),
                    is_plain=True,
                    stamp=(name,),
                )

    assert sum(1 for _ in groups(many, 1000)) == 10_000
    assert most < 5000
    assert looked < 60_000


def test_a_verdict_looks_at_the_youngest_file():
    pair = next(groups(lambda _: [seen("a.wav", age_s=3.0), seen("a.json")]))
    assert verdict(pair, settle_s=5, orphan_after_s=60) is Verdict.WAIT
    assert verdict(pair, settle_s=2, orphan_after_s=60) is Verdict.TAKE


def test_totals_add_what_happened_and_replace_what_waits():
    total = Looked(accepted=1, waiting=5)
    total.add(Looked(accepted=2, known=1, waiting=1, failed=1))
    assert total == Looked(accepted=3, known=1, waiting=1, failed=1)


def test_many_pairs_of_one_second(place):
    for number in range(30):
        place.pair(f"c-{number}", audio=wav(bytes([number, 0]) * 20))
    assert place.look().accepted == 30
    assert len(place.calls()) == 30
