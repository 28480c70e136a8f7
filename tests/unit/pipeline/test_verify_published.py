"""Every change of a published call is found."""

import hashlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from callveil.adapters.consent_rules import load_consent_rules
from callveil.adapters.ed25519 import Ed25519Signer, public_pem
from callveil.adapters.resources import resource_folder
from callveil.adapters.signing_keys import KeyFolder
from callveil.adapters.store_local import LocalStore
from callveil.config import Profile
from callveil.errors import ConfigError, MetadataError, NotFoundError
from callveil.kit import Kit, LazySigner
from callveil.pipeline.record_call import record_call
from callveil.pipeline.verify_published import (
    CheckedCall,
    Known,
    find_calls,
    known,
    verify_file,
    verify_stored,
)
from callveil.ports import ObjectStore
from callveil.stages.documents.signature import FIELD, signed_json
from callveil.testing import (
    FakeDetector,
    FakeDiarizer,
    FakeTranscriber,
    ManualClock,
    MemorySource,
    MemoryStore,
    call,
    throw_away_signer,
    words,
)
from callveil.vocabulary.audio import Audio
from callveil.vocabulary.pii import Entity, Finding
from callveil.vocabulary.recording import Part, State

DAY = "calls/2026/11/23/"
PREFIX = f"{DAY}c-1/"
SIGNER = throw_away_signer()
FORMATS = Path(__file__).parents[3] / "FORMATS.md"
MODEL = "whisper-base-ct2"


def recording(seed: int = 5) -> MemorySource:
    """The customer talks from 1 to 3 s of 4 s; line noise else."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(32_000) / 8000
    samples = rng.normal(0, 1e-4, (len(time_s), 2))
    talk = (time_s >= 1) & (time_s < 3)
    samples[:, 1] += talk * rng.normal(0, 0.1, len(time_s)) * (0.3 + np.abs(np.sin(12 * time_s)))
    return MemorySource(Audio(samples=samples.astype(np.float32), rate_hz=8000))


def publish(store: ObjectStore, call_id: str = "c-1", *, signer=SIGNER, models=None, seed: int = 5) -> None:
    finding = Finding(entity=Entity.PERSON, channel=1, start_s=1.7, end_s=2.2, score=0.9, detector="test")
    kit = Kit(
        profile_name="default",
        profile=Profile(),
        rules=load_consent_rules(resource_folder("pipelines") / "consent.toml"),
        transcriber=FakeTranscriber(
            words=words("it's Tobias calling", channel=1, start_s=0.4), name=f"fake/{MODEL}"
        ),
        dual=FakeDiarizer(),
        mono=FakeDiarizer(),
        detector=FakeDetector(findings=[finding]),
        listener=FakeTranscriber(),
        store=store,
        clock=ManualClock(),
        signer=signer,
        model_hashes=lambda: models or {},
    )
    sha256 = hashlib.sha256(call_id.encode()).hexdigest()
    outcome = record_call(call(call_id), recording(seed), kit, input_sha256=lambda: sha256)
    assert outcome.state is State.PUBLISHED


@dataclass
class Published:
    """A store in a folder, and what it is held against."""

    root: Path
    against: Known

    @property
    def store(self) -> LocalStore:
        return LocalStore(self.root, clock=ManualClock())

    def path(self, name: str, call_id: str = "c-1") -> Path:
        return self.root / DAY / call_id / name

    def check(self, call_id: str = "c-1") -> CheckedCall:
        return verify_stored(self.store, f"{DAY}{call_id}/", self.against)

    def faults(self, call_id: str = "c-1") -> list[str]:
        return [str(fault) for fault in self.check(call_id).faults]


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("store")
    store = LocalStore(root, clock=ManualClock())
    publish(store)
    publish(store, "c-2", seed=6)
    return root


@pytest.fixture(scope="module")
def against() -> Known:
    return known({SIGNER.key_id: SIGNER.public_key})


@pytest.fixture
def published(original, against, tmp_path) -> Published:
    root = tmp_path / "store"
    shutil.copytree(original, root)
    return Published(root, against)


@pytest.mark.parametrize("call_id", ["c-1", "c-2"])
def test_what_was_published_is_intact(published, call_id):
    found = published.check(call_id)
    assert (found.result, found.faults, found.notes) == ("intact", (), ())
    assert (found.call_id, found.key_id) == (call_id, SIGNER.key_id)


def test_any_store_will_do(published):
    store = MemoryStore()
    publish(store)
    assert verify_stored(store, PREFIX, published.against).result == "intact"


def test_a_copy_elsewhere_is_intact_too(published, tmp_path):
    shutil.copytree(published.path("."), tmp_path / "copy")
    assert verify_file(tmp_path / "copy" / "certificate.json", published.against).result == "intact"
    assert verify_file(published.path("certificate.json"), published.against).result == "intact"


class Altered:
    """A store in memory that gives out one part of one call otherwise than it was stored."""

    def __init__(self, part: Part) -> None:
        self._store, self._key = MemoryStore(), PREFIX + part
        publish(self._store)
        self.content = self.original = self._store.get(self._key)

    def get(self, key: str) -> bytes:
        return self.content if key == self._key else self._store.get(key)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def check_altered(store: Altered, altered: bytes, against: Known) -> CheckedCall:
    store.content = altered
    return verify_stored(store, PREFIX, against)


def places(size: int, part: Part) -> list[int]:
    if part is not Part.AUDIO:
        return list(range(size))
    return [*range(64), *range(64, size, size // 150), *range(size - 64, size)]


@pytest.mark.parametrize("part", list(Part))
def test_every_flipped_byte_is_found(against, part):
    store = Altered(part)
    for place in places(len(store.original), part):
        altered = bytearray(store.original)
        altered[place] ^= 0x20 if place % 2 else 0x01
        found = check_altered(store, bytes(altered), against)
        assert found.result != "intact", place
        if part is not Part.CERTIFICATE:
            assert [str(fault) for fault in found.faults] == [f"{part}: content differs from the certificate"]
    assert check_altered(store, store.original, against).result == "intact"


def test_every_byte_more_or_less_in_a_certificate_is_found(against):
    store = Altered(Part.CERTIFICATE)
    content = store.original
    for place in range(len(content) + 1):
        for altered in (content[:place] + content[place + 1 :], content[:place] + b" " + content[place:]):
            if altered != content:
                assert check_altered(store, altered, against).result != "intact", place


@pytest.mark.parametrize("part", list(Part))
def test_an_empty_or_cut_part_is_found(against, part):
    store = Altered(part)
    for length in (0, 1, len(store.original) - 1):
        assert check_altered(store, store.original[:length], against).result != "intact"


def test_what_was_altered_is_named(published):
    path = published.path("audio.flac")
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    found = published.check()
    assert found.result == "altered"
    assert list(map(str, found.faults)) == ["audio.flac: content differs from the certificate"]


@pytest.mark.parametrize("part", [part for part in Part if part is not Part.CERTIFICATE])
def test_a_removed_part_is_named(published, part):
    published.path(part).unlink()
    assert published.faults() == [f"{part}: is listed in the certificate and is not there"]


@pytest.mark.parametrize("doomed", [[Part.AUDIO], [Part.TRANSCRIPT, Part.CAPTIONS, Part.VCON]])
def test_parts_that_the_store_deleted_are_noted_and_no_fault(published, doomed):
    published.store.delete_parts(PREFIX, doomed, bypass_governance=True)
    found = published.check()
    assert (found.result, found.faults) == ("intact", ())
    assert found.notes == tuple(
        f"{part}: removed by retention or erasure; what it was can no longer be checked"
        for part in sorted(doomed)
    )


def test_only_what_the_store_deleted_may_be_missing(published):
    published.store.delete_parts(PREFIX, [Part.AUDIO], bypass_governance=True)
    published.path(Part.VCON).unlink()
    published.path(Part.TRANSCRIPT).write_bytes(b"{}")
    assert published.faults() == [
        "vcon.json: is listed in the certificate and is not there",
        "transcript.json: content differs from the certificate",
    ]
    copy = verify_file(published.path("certificate.json"), published.against)
    assert "audio.flac: is listed in the certificate and is not there" in map(str, copy.faults)


def test_a_part_whose_removal_was_cut_off_is_still_checked(published):
    audio = published.path("audio.flac").read_bytes()
    published.store.delete_parts(PREFIX, [Part.AUDIO], bypass_governance=True)
    published.path("audio.flac").write_bytes(audio)
    found = published.check()
    assert (found.result, found.faults) == ("intact", ())
    assert found.notes == (
        "audio.flac: is still there, though its removal by retention or erasure has begun",
    )
    published.path("audio.flac").write_bytes(audio[:-1])
    assert published.faults() == ["audio.flac: content differs from the certificate"]


def test_a_removed_certificate_is_no_call(published):
    published.path("certificate.json").unlink()
    with pytest.raises(NotFoundError):
        find_calls(published.store, "c-1")
    assert published.check().result == "altered"


@pytest.mark.parametrize("name", ["raw.wav", ".hidden", "certificate.json.bak", "Audio.flac"])
def test_an_added_part_is_named(published, name):
    published.path(name).write_bytes(b"x")
    expected = [f"{name}: is there and is not listed in the certificate"]
    assert published.faults() == expected
    copy = verify_file(published.path("certificate.json"), published.against)
    assert list(map(str, copy.faults)) == expected


def test_an_added_folder_is_named(published):
    published.path("more").mkdir()
    assert published.faults() == ["more: is there and is not listed in the certificate"]


def test_an_added_link_to_nowhere_is_named(published):
    published.path("link").symlink_to("nowhere")
    assert published.faults() == ["link: is there and is not listed in the certificate"]


@pytest.mark.parametrize("part", list(Part))
def test_a_part_of_another_call_is_named(published, part):
    one, two = published.path(part), published.path(part, "c-2")
    first, second = one.read_bytes(), two.read_bytes()
    if first == second:  # captions do not say whose they are
        assert part is Part.CAPTIONS
        return
    one.write_bytes(second)
    two.write_bytes(first)
    for call_id in ("c-1", "c-2"):
        faults = published.faults(call_id)
        assert any(fault.startswith(f"{part}: ") for fault in faults)
        assert published.check(call_id).result == "altered"


def test_a_whole_call_in_the_folder_of_another_one_is_found(published):
    for part in Part:
        shutil.copy(published.path(part), published.path(part, "c-2"))
    faults = published.faults("c-2")
    assert "certificate.json: belongs to another call than its folder" in faults
    assert "audio.flac: its tag callveil-call names another one than the certificate" in faults
    copy = verify_file(published.path("certificate.json", "c-2"), published.against)
    assert list(map(str, copy.faults)) == ["certificate.json: belongs to another call than its folder"]


def test_a_call_moved_to_another_day_is_found(published):
    elsewhere = published.root / "calls/2026/11/24/c-1"
    elsewhere.parent.mkdir()
    shutil.copytree(published.path("."), elsewhere)
    found = verify_file(elsewhere / "certificate.json", published.against)
    assert list(map(str, found.faults)) == ["certificate.json: belongs to another call than its folder"]


def resign(path: Path, change: Callable[[dict], object], signer: Ed25519Signer = SIGNER) -> None:
    document = json.loads(path.read_bytes())
    change(document)
    fields = {name: value for name, value in document.items() if name != FIELD}
    path.write_bytes(signed_json(fields, signer))


def test_a_certificate_signed_anew_by_a_stranger_is_not_believed(published):
    audio = published.path("audio.flac")
    audio.write_bytes(audio.read_bytes()[:-1] + b"x")
    sha256 = hashlib.sha256(audio.read_bytes()).hexdigest()
    stranger = throw_away_signer("stranger")
    resign(
        published.path("certificate.json"), lambda d: d["outputs"].update({"audio.flac": sha256}), stranger
    )
    found = published.check()
    assert found.result == "unproven"
    assert list(map(str, found.faults)) == [
        f"certificate.json: is signed by key {stranger.key_id}, which is not known here"
    ]


def test_a_stranger_who_names_a_known_key_is_found(published):
    stranger = throw_away_signer("stranger")
    path = published.path("certificate.json")
    resign(path, lambda d: d.update(profile="lax"), stranger)
    path.write_bytes(path.read_bytes().replace(stranger.key_id.encode(), SIGNER.key_id.encode()))
    assert published.faults() == ["certificate.json: content differs from what was signed"]


@pytest.mark.parametrize(("field", "value"), [("rate_hz", 16000), ("channels", 1), ("n_samples", 31_999)])
def test_a_header_that_says_something_else_is_found_even_when_it_was_signed(published, field, value):
    resign(published.path("certificate.json"), lambda d: d["audio"].update({field: value}))
    assert published.faults() == [f"audio.flac: its header has another {field} than the certificate"]


def test_a_rotated_key_still_checks_and_its_private_half_is_gone(tmp_path):
    keys, store = KeyFolder(tmp_path / "keys", ManualClock()), MemoryStore()
    keys.create()
    publish(store, "c-1", signer=keys.signer())
    keys.rotate()
    publish(store, "c-2", signer=keys.signer())
    against = known(keys.public_keys())
    first, second = (verify_stored(store, f"{DAY}{name}/", against) for name in ("c-1", "c-2"))
    assert first.result == second.result == "intact"
    assert first.key_id != second.key_id == keys.signer().key_id


def test_without_a_key_nothing_is_published(tmp_path):
    store = LocalStore(tmp_path / "store", clock=ManualClock())
    keys = KeyFolder(tmp_path / "keys", ManualClock())
    with pytest.raises(ConfigError, match="callveil keys create"):
        publish(store, signer=LazySigner(keys.signer))
    assert list(store.list_objects("")) == []
    assert not (tmp_path / "store").exists()


def test_model_files_are_compared_with_the_manifests(published):
    right = published.against.models[MODEL]
    for models, result, noted in (
        ({MODEL: right}, "intact", False),
        ({MODEL: {**right, "model.bin": "ab" * 32}}, "altered", False),
        ({MODEL: {**right, "new.bin": "ab" * 32}}, "intact", True),
    ):
        store = MemoryStore()
        publish(store, models=models)
        found = verify_stored(store, PREFIX, published.against)
        assert found.result == result
        assert ("is not known here" in " ".join(found.notes)) is noted
    assert f"transcriber: {MODEL}/new.bin is not known here" in found.notes


def test_tags_are_compared(published):
    published.store.set_tags(PREFIX, {"callveil-call": "c-2"})
    assert published.faults() == [
        f"{part}: its tag callveil-call names another one than the certificate"
        for part in ("certificate.json", "audio.flac", "transcript.json", "transcript.vtt", "vcon.json")
    ]


def test_tags_that_may_change_are_no_fault(published):
    published.store.set_tags(PREFIX, {"callveil-expires": "2030-01-01", "callveil-restricted": "yes"})
    published.store.set_legal_hold(PREFIX, True)
    assert published.faults() == []


def test_tags_that_cannot_be_read_prove_nothing(published):
    (published.root / ".callveil" / f"{PREFIX.rstrip('/')}.json").write_text("{")
    found = published.check()
    assert found.result == "unproven"
    assert len(found.faults) == 5


def test_a_part_that_cannot_be_read_is_named(published):
    published.path("vcon.json").unlink()
    published.path("vcon.json").mkdir()
    assert any(fault.startswith("vcon.json: cannot be read") for fault in published.faults())


def test_calls_are_found_by_id_and_by_folder(published):
    store = published.store
    assert find_calls(store, "c-1") == find_calls(store, PREFIX) == find_calls(store, PREFIX[:-1]) == [PREFIX]
    assert find_calls(store, None) == [PREFIX, f"{DAY}c-2/"]
    for nobody in ("c", "1", "23/c-9", "", "../c-1", f"{DAY}c-9"):
        with pytest.raises(NotFoundError):
            find_calls(store, nobody)


def test_an_empty_store_is_not_intact(tmp_path):
    with pytest.raises(MetadataError, match="there is no published call"):
        find_calls(LocalStore(tmp_path / "misspelt"), None)


@pytest.mark.parametrize("name", ["gone/certificate.json", "store", "audio.flac"])
def test_only_a_certificate_is_taken_for_one(published, tmp_path, name):
    (tmp_path / "audio.flac").write_bytes(b"x")
    with pytest.raises(MetadataError, match=r"is no certificate\.json"):
        verify_file(tmp_path / name, published.against)


def recipe() -> str:
    (found,) = re.findall(r"```python\n(.*?)```", FORMATS.read_text(encoding="utf-8"), re.DOTALL)
    return found


@pytest.fixture
def follow_recipe(published, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(published.path("."), folder)
    (tmp_path / "key.pem").write_bytes(public_pem(SIGNER.public_key))
    code = recipe().replace('"key.pem"', '"../key.pem"')

    def follow(**altered: bytes) -> bool:
        for name, content in altered.items():
            (folder / name.replace("_", ".")).write_bytes(content)
        done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0 or "Error" in done.stderr or "InvalidSignature" in done.stderr
        return done.returncode == 0

    return follow


def test_the_recipe_of_the_formats_finds_what_was_altered(published, follow_recipe):
    content = published.path("certificate.json").read_bytes()
    assert follow_recipe()
    assert not follow_recipe(certificate_json=content.replace(b'"call_id"', b'"call_id" '))
    more = content[:-3] + b',\n  "outputs": {}\n}\n'
    assert json.loads(more)["outputs"] == {}
    assert not follow_recipe(certificate_json=more)
    assert follow_recipe(certificate_json=content)
    assert not follow_recipe(raw_wav=b"x")


def test_the_recipe_of_the_formats_finds_an_altered_part(follow_recipe):
    assert not follow_recipe(transcript_vtt=b"x")
