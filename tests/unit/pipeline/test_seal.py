"""Originals that are kept: sealed with the call, heard on the record only, gone when they must be."""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from callveil.adapters.consent_rules import load_consent_rules
from callveil.adapters.key_wrapping import LocalKeyWrapper
from callveil.adapters.originals_folder import FolderOriginals
from callveil.adapters.resources import resource_folder
from callveil.config import Profile, load_config
from callveil.errors import ConfigError, NotFoundError, RefusedError, StoreError
from callveil.kit import Kit, Originals, fallback_policy, open_originals
from callveil.pipeline.record_call import record_call
from callveil.pipeline.seal import delete_expired, replay_original, rewrap_originals
from callveil.stages.retention_tags import NEVER
from callveil.testing import (
    START,
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
from callveil.vocabulary.consent import ConsentRecord, Flag, Purpose
from callveil.vocabulary.original import Replay
from callveil.vocabulary.pii import Entity, Finding
from callveil.vocabulary.recording import Part, State
from callveil.vocabulary.retention import KeptPart, Period, Policy

RATE_HZ, KEY = 8000, b"k" * 32
NAME_S, CODE_S = (11.0, 12.0), (15.0, 16.0)


def recording(seed: int = 5) -> MemorySource:
    """The customer talks from 10 to 20 s of 30 s."""
    rng = np.random.default_rng(seed)
    samples = rng.normal(0, 1e-3, (30 * RATE_HZ, 2))
    samples[10 * RATE_HZ : 20 * RATE_HZ, 1] += rng.normal(0, 0.05, 10 * RATE_HZ)
    whole = np.rint(samples * 32768) / 32768
    return MemorySource(Audio(samples=whole.astype(np.float32), rate_hz=RATE_HZ))


def found(entity: Entity, at_s: tuple[float, float]) -> Finding:
    return Finding(entity=entity, channel=1, start_s=at_s[0], end_s=at_s[1], score=0.9, detector="fake")


@dataclass
class FirstFindings:
    """Finds in the original, and nothing in the masked audio."""

    findings: tuple[Finding, ...]
    asked: int = 0
    name: str = "fake"

    def find(self, turns: Any, *, language: str) -> tuple[Finding, ...]:
        self.asked += 1
        return self.findings if self.asked % 2 else ()


@pytest.fixture
def originals(tmp_path) -> Originals:
    return Originals(store=FolderOriginals(tmp_path / "o"), wrapper=LocalKeyWrapper(KEY))


@pytest.fixture
def kit(originals) -> Kit:
    return Kit(
        profile_name="default",
        profile=Profile.model_validate({"originals": {"keep": "seal", "location": "o"}}),
        rules=load_consent_rules(resource_folder("pipelines") / "consent.toml"),
        transcriber=FakeTranscriber(words=words("my name and code", channel=1, start_s=0.5)),
        dual=FakeDiarizer(),
        mono=FakeDiarizer(),
        detector=FirstFindings((found(Entity.PERSON, NAME_S), found(Entity.CARD_SECURITY_CODE, CODE_S))),
        listener=FakeTranscriber(name="deaf"),
        store=MemoryStore(clock=ManualClock()),
        clock=ManualClock(),
        signer=throw_away_signer(),
        originals=originals,
    )


def run(kit: Kit, the_call=None, source=None, sha256="ab" * 32, **more: Any):
    return record_call(the_call or call(), source or recording(), kit, input_sha256=lambda: sha256, **more)


@dataclass
class Log:
    entries: list[Replay] = field(default_factory=list)

    def __call__(self, replay: Replay) -> None:
        self.entries.append(replay)


def heard(originals: Originals, audit: Any, **changes: Any) -> np.ndarray:
    given = {
        "actor": "cli:dpo",
        "reason": "complaint 7",
        "audit": audit,
        "originals": originals,
        "now": START,
        "max_duration_s": 60,
    } | changes
    with replay_original("c-1", **given) as source:
        return np.concatenate([block.samples for block in source.blocks()])


def at(samples: np.ndarray, span_s: tuple[float, float]) -> np.ndarray:
    return samples[int(span_s[0] * RATE_HZ) : int(span_s[1] * RATE_HZ), 1]


def test_a_published_calls_original_is_sealed_without_its_card_code(kit, originals):
    outcome = run(kit)
    assert outcome.state is State.PUBLISHED
    log, samples = Log(), recording().audio.samples
    original = heard(originals, log)
    assert original.shape == samples.shape
    assert not at(original, CODE_S).any()
    assert np.array_equal(at(original, NAME_S), at(samples, NAME_S))
    assert np.array_equal(original[:, 0][: 14 * RATE_HZ], samples[:, 0][: 14 * RATE_HZ])
    assert log.entries == [Replay(call_id="c-1", actor="cli:dpo", reason="complaint 7", at=START)]
    assert originals.store.key("c-1").expires_at == START + timedelta(seconds=30, days=30)


def test_by_default_no_original_is_kept(kit, tmp_path):
    assert run(replace(kit, originals=None)).state is State.PUBLISHED
    assert list(tmp_path.rglob("*")) == []


def test_nothing_is_heard_that_is_not_written_down(kit, originals):
    run(kit)

    def refuse(_: Replay) -> None:
        raise RefusedError("the audit log is full")

    with pytest.raises(RefusedError, match="written down"):
        heard(originals, None)
    with pytest.raises(RefusedError, match="log is full"):
        heard(originals, refuse)
    for change in ({"actor": " "}, {"reason": ""}):
        log = Log()
        with pytest.raises(RefusedError, match="actor and reason"):
            heard(originals, log, **change)
        assert log.entries == []


def test_an_original_whose_time_has_passed_is_not_heard_and_is_deleted(kit, originals):
    run(kit)
    later = START + timedelta(days=31)
    with pytest.raises(RefusedError, match="time has passed"):
        heard(originals, Log(), now=later)
    assert delete_expired(originals, START, is_held=lambda _: False) == ()
    assert delete_expired(originals, later, is_held=lambda _: True) == ()
    assert delete_expired(originals, later, is_held=lambda _: False) == ("c-1",)
    with pytest.raises(NotFoundError):
        heard(originals, Log())


def consent(flag: Flag, **more: Any):
    return call(
        consent=[
            ConsentRecord(purpose=purpose, flag=flag, given_at=START, **more)
            for purpose in (Purpose.RECORDING, Purpose.TRANSCRIPTION)
        ]
    )


def test_a_denial_erases_the_original(kit, originals):
    kit = replace(kit, profile=Profile.model_validate({"store": {"lock": "none"}}))
    run(kit)
    assert run(kit, consent(Flag.DENIED)).state is State.DISCARDED
    assert list(originals.store.call_ids()) == []


def test_a_withdrawal_shortens_the_original(kit, originals):
    kit = replace(kit, profile=Profile.model_validate({"store": {"lock": "none"}}))
    run(kit)
    assert run(kit, consent(Flag.WITHDRAWN, withdrawn_at_s=18.0)).state is State.PUBLISHED
    assert len(heard(originals, Log())) == 18 * RATE_HZ


def test_a_quarantined_call_is_not_sealed_and_one_cut_short_is_erased(kit, originals):
    kit = replace(
        kit, profile=Profile.model_validate({"store": {"lock": "none"}, "verify": {"max_rounds": 1}})
    )
    run(kit)
    hears_a_name = FakeTranscriber(words=words("Zimmerman", channel=1, start_s=0.1), name="hears")
    leaky = replace(kit, listener=hears_a_name, detector=NameDetector())
    assert run(leaky, replace=True).state is State.QUARANTINED
    assert list(originals.store.call_ids()) == ["c-1"]
    assert run(leaky, consent(Flag.WITHDRAWN, withdrawn_at_s=18.0), replace=True).state is State.QUARANTINED
    assert list(originals.store.call_ids()) == []


def test_an_original_whose_call_was_never_published_goes_with_its_quarantine(kit, originals):
    failing = replace(kit, store=MemoryStore(clock=ManualClock(), fails_at=Part.VCON))
    with pytest.raises(StoreError):
        run(failing)
    assert list(originals.store.call_ids()) == ["c-1"]  # a retry takes its place
    hears_a_name = FakeTranscriber(words=words("Zimmerman", channel=1, start_s=0.1), name="hears")
    profile = Profile.model_validate({"verify": {"max_rounds": 1}})
    run(replace(kit, profile=profile, listener=hears_a_name, detector=NameDetector()))
    assert list(originals.store.call_ids()) == []


class NameDetector:
    """Finds the name that only the listener hears."""

    name = "names"

    def find(self, turns: Any, *, language: str) -> tuple[Finding, ...]:
        return tuple(
            found(Entity.PERSON, (word.start_s, word.end_s))
            for turn in turns
            for word in turn.words
            if word.text == "Zimmerman"
        )


def test_another_recording_of_the_same_call_replaces_nothing(kit, originals):
    run(kit)
    before = originals.store.key("c-1")
    for more in ({}, {"arriving": True}):
        with pytest.raises(RefusedError, match="another recording"):
            run(kit, source=recording(6), sha256="cd" * 32, **more)
    assert originals.store.key("c-1") == before
    kit.store.set_legal_hold("calls/2026/11/23/c-1/", True)
    with pytest.raises(RefusedError, match="legal hold"):
        run(kit, source=recording(6), sha256="cd" * 32, replace=True)
    assert originals.store.key("c-1") == before


def test_a_call_whose_original_cannot_be_sealed_is_not_published(kit, originals, tmp_path):
    (tmp_path / "o").write_bytes(b"a file where the folder should be")
    with pytest.raises(StoreError):
        run(kit)
    assert list(kit.store.list_objects("")) == []


def test_keys_of_originals_are_wrapped_anew(kit, originals):
    run(kit)
    heir = replace(originals, wrapper=LocalKeyWrapper(b"o" * 32, [KEY]))
    assert rewrap_originals(heir) == 1
    assert rewrap_originals(heir) == 0
    only_new = replace(originals, wrapper=LocalKeyWrapper(b"o" * 32))
    assert len(heard(only_new, Log())) == 30 * RATE_HZ
    with pytest.raises(ConfigError):
        heard(originals, Log())


def test_the_profile_says_where_originals_go(tmp_path):
    path = tmp_path / "p.toml"

    def config(text: str, environ=None):
        path.write_text(f"[originals]\n{text}")
        return load_config(str(path), environ=environ or {})

    assert open_originals(config("")) is None
    with pytest.raises(ConfigError, match="location"):
        config('keep = "seal"')
    sealing = f'keep = "seal"\nlocation = "{tmp_path}/o"'
    with pytest.raises(ConfigError, match="landing key"):
        open_originals(config(sealing))
    key = {"CALLVEIL_LANDING_KEY": "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s="}
    opened = open_originals(config(sealing, key))
    assert opened.wrapper.key_id == LocalKeyWrapper(KEY).key_id
    with pytest.raises(ConfigError, match="CALLVEIL_S3_ACCESS_KEY"):
        open_originals(config('keep = "seal"\nlocation = "s3://bucket/x"', key))
    with pytest.raises(ConfigError, match="a folder"):
        config('keep = "seal"\nlocation = "ftp://x"')
    s3 = {**key, "CALLVEIL_S3_ACCESS_KEY": "a", "CALLVEIL_S3_SECRET_KEY": "b"}
    opened = open_originals(config('keep = "seal"\nlocation = "s3://bucket/x"', s3))
    assert repr(opened.store) == "S3Originals('s3.amazonaws.com/bucket/x/originals/')"


def test_a_policy_that_names_the_original_says_how_long_it_is_sealed(kit, originals):
    duty = Policy(name="mifid", duty={KeptPart.ORIGINAL: Period(months=60)})
    run(replace(kit, policies=(duty, fallback_policy(kit.profile))))
    assert originals.store.key("c-1").expires_at == (START + timedelta(seconds=30)).replace(year=2031)


def test_an_original_that_waits_for_an_event_does_not_expire(kit, originals):
    waiting = Policy(name="contract", keep={KeptPart.ORIGINAL: Period(months=60)}, since="contract_end")
    run(replace(kit, policies=(waiting, fallback_policy(kit.profile))))
    assert originals.store.key("c-1").expires_at == NEVER
    assert delete_expired(originals, START.replace(year=2099), is_held=lambda _: False) == ()
