"""The consent gate of the service and the originals of published calls."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from callveil.adapters.consent_rules import load_consent_rules
from callveil.adapters.key_wrapping import LocalKeyWrapper
from callveil.adapters.originals_folder import FolderOriginals
from callveil.adapters.resources import resource_folder
from callveil.adapters.sealed_original import sealed
from callveil.config import Profile
from callveil.kit import Originals
from callveil.pipeline.gate import decide
from callveil.testing import START, ManualClock, MemoryStore, call
from callveil.vocabulary.audio import AudioFormat, CardSafeAudio
from callveil.vocabulary.consent import ConsentRecord, Flag, Purpose
from callveil.vocabulary.ledger import CallState
from callveil.vocabulary.recording import MaskedDocument, Part, PublishedPart

PREFIX = "calls/2026/11/23/c-1/"


@pytest.fixture
def originals(tmp_path) -> Originals:
    """With the original of one call."""
    opened = Originals(store=FolderOriginals(tmp_path), wrapper=LocalKeyWrapper(bytes(32)))
    noise = np.random.default_rng(1).uniform(-0.5, 0.5, (8000, 1)).astype(np.float32)
    with sealed(
        [CardSafeAudio(samples=noise, rate_hz=8000)],
        AudioFormat(rate_hz=8000, channels=1, codec=""),
        opened.wrapper,
        call_id="c-1",
        input_sha256="ab" * 32,
        sealed_at=START,
        expires_at=datetime.now(UTC) + timedelta(days=1),
    ) as original:
        opened.store.put(original)
    return opened


def decided(
    originals: Originals | None,
    flag: Flag,
    *,
    prefix: str | None,
    after: str = "erase",
    store: MemoryStore | None = None,
) -> Any:
    answers = [
        ConsentRecord(purpose=purpose, flag=flag, given_at=START)
        for purpose in (Purpose.RECORDING, Purpose.TRANSCRIPTION)
    ]
    service = SimpleNamespace(
        config=SimpleNamespace(profile=Profile.model_validate({"consent": {"after_publishing": after}})),
        rules=load_consent_rules(resource_folder("pipelines") / "consent.toml"),
        clock=ManualClock(),
        store=store or MemoryStore(clock=ManualClock()),
        originals=originals,
        books=SimpleNamespace(holds=SimpleNamespace(of=lambda _: ())),
    )
    found = SimpleNamespace(
        call=call(consent=answers),
        call_id="c-1",
        prefix=prefix,
        duration_s=None,
        keep_until_s=None,
        landing=None,
        content_sha256="ab" * 32,
        masked_s={},
    )
    return decide(SimpleNamespace(found=found), service).state


@pytest.mark.parametrize("prefix", [None, PREFIX])
def test_a_denial_erases_the_original(originals, prefix):
    assert decided(originals, Flag.DENIED, prefix=prefix) is CallState.DISCARDED
    assert list(originals.store.call_ids()) == []


@pytest.mark.parametrize("prefix", [None, PREFIX])
def test_where_no_originals_are_kept_a_denial_needs_none(prefix):
    assert decided(None, Flag.DENIED, prefix=prefix) is CallState.DISCARDED


def test_an_original_stays_with_its_call(originals):
    assert decided(originals, Flag.GRANTED, prefix=PREFIX) is CallState.PUBLISHED
    assert decided(originals, Flag.DENIED, prefix=PREFIX, after="keep") is CallState.PUBLISHED
    assert list(originals.store.call_ids()) == ["c-1"]


@pytest.mark.parametrize(
    ("flag", "state"), [(Flag.DENIED, CallState.DISCARDED), (Flag.UNKNOWN, CallState.HELD)]
)
def test_what_a_dead_worker_published_without_a_word_does_not_stay(flag, state):
    store = MemoryStore(clock=ManualClock())
    certificate = PublishedPart(
        part=Part.CERTIFICATE, body=MaskedDocument(content=b"{}"), media_type="application/json"
    )
    store.publish(PREFIX, [certificate], tags={}, retain_until=START + timedelta(days=365))
    assert list(store.list_calls()) == [PREFIX]
    assert decided(None, flag, prefix=None, store=store) is state
    assert list(store.list_calls()) == []
