"""Stores of sealed originals: what is put comes back, to its own call only, and deletion reaches all."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from callveil.adapters.key_wrapping import LocalKeyWrapper
from callveil.adapters.originals_folder import FolderOriginals
from callveil.adapters.sealed_original import key_json, parse_key, sealed, unsealed
from callveil.errors import MetadataError, NotFoundError, StoreError, TamperedError
from callveil.ports import OriginalStore
from callveil.vocabulary.audio import Audio, AudioFormat, CardSafeAudio, MaskedAudio
from callveil.vocabulary.recording import MaskedFile

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
FORMAT = AudioFormat(rate_hz=8000, channels=2, codec="test")
WRAPPER = LocalKeyWrapper(b"k" * 32)
NOISE = (np.random.default_rng(7).integers(-9000, 9000, (40_000, 2)) / 32768).astype(np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    store: OriginalStore
    everything: Callable[[], list[str]]


@pytest.fixture(params=["folder", pytest.param("s3", marks=pytest.mark.s3)])
def opened(request, tmp_path) -> Opened:
    if request.param == "folder":
        root = tmp_path / "originals-store"
        return Opened(
            store=FolderOriginals(root),
            everything=lambda: sorted(
                path.name for path in root.rglob("*") if path.is_file() and "locks" not in path.parts[-2]
            ),
        )
    from callveil.adapters.originals_s3 import S3Originals

    server = request.getfixturevalue("s3_server")
    bucket, base = request.getfixturevalue("s3_buckets")["plain"], f"t-{uuid.uuid4().hex}"
    client = server.client()

    def everything() -> list[str]:
        found = client.list_objects(bucket, prefix=f"{base}/", recursive=True, include_version=True)
        return sorted(version.object_name.rpartition("/")[2] for version in found)

    return Opened(
        store=S3Originals(
            endpoint=server.endpoint,
            bucket=bucket,
            prefix=base,
            access_key=server.access_key,
            secret_key=server.secret_key,
            secure=server.secure,
            region=server.region,
        ),
        everything=everything,
    )


@contextmanager
def an_original(call_id: str = "c-1", samples: Any = NOISE):
    with sealed(
        [CardSafeAudio(samples=samples, rate_hz=8000)],
        FORMAT,
        WRAPPER,
        call_id=call_id,
        input_sha256="ab" * 32,
        sealed_at=NOW,
        expires_at=NOW + timedelta(days=30),
    ) as original:
        yield original


def put(store: OriginalStore, call_id: str = "c-1", samples: Any = NOISE) -> None:
    with an_original(call_id, samples) as original:
        store.put(original)


def heard(store: OriginalStore, call_id: str = "c-1", wrapper=WRAPPER):
    with unsealed(call_id, store.key(call_id), store, wrapper, max_duration_s=60) as source:
        return np.concatenate([block.samples for block in source.blocks()])


def test_what_is_put_comes_back(opened):
    put(opened.store)
    assert np.array_equal(heard(opened.store), NOISE)
    key = opened.store.key("c-1")
    assert (key.sealed_at, key.expires_at) == (NOW, NOW + timedelta(days=30))
    assert list(opened.store.call_ids()) == ["c-1"]
    assert opened.everything() == sorted(["key.json", key.name])


def test_a_second_one_takes_the_place_of_the_first(opened):
    put(opened.store)
    put(opened.store, samples=NOISE[:9000])
    assert len(heard(opened.store)) == 9000
    assert len(opened.everything()) == 2


def test_deleting_leaves_nothing(opened):
    put(opened.store)
    put(opened.store, "c-2")
    assert opened.store.delete("c-1")
    assert not opened.store.delete("c-1")
    with pytest.raises(NotFoundError):
        opened.store.key("c-1")
    assert list(opened.store.call_ids()) == ["c-2"]
    assert len(opened.everything()) == 2


def test_what_is_not_there(opened):
    with an_original() as original:
        with pytest.raises(NotFoundError):
            opened.store.key("c-1")
        with pytest.raises(NotFoundError):
            opened.store.replace_key("c-1", original.key)
        with pytest.raises(NotFoundError):
            list(opened.store.read("c-1", original.key))
    assert not opened.store.delete("c-1")
    assert list(opened.store.call_ids()) == []


def test_a_key_wrapped_anew_opens_it_and_another_original_keeps_its_own(opened):
    put(opened.store)
    key, heir = opened.store.key("c-1"), LocalKeyWrapper(b"o" * 32)
    anew = replace(key, key_id=heir.key_id, wrapped=heir.wrap(WRAPPER.unwrap(key.key_id, key.wrapped)))
    opened.store.replace_key("c-1", anew)
    assert np.array_equal(heard(opened.store, wrapper=heir), NOISE)
    assert len(opened.everything()) == 2
    put(opened.store)
    with pytest.raises(NotFoundError):
        opened.store.replace_key("c-1", anew)


def test_another_calls_original_does_not_open(opened):
    put(opened.store, "c-1")
    with an_original("c-2", NOISE[:8000]) as original:
        opened.store.put(replace(original, call_id="c-1"))
    with pytest.raises(TamperedError):
        heard(opened.store, "c-1")


def test_a_changed_file_is_not_stored_and_the_earlier_one_stays(opened):
    put(opened.store)
    before = opened.everything()
    with an_original() as original:
        content = bytearray(original.path.read_bytes())
        content[100] ^= 1
        original.path.write_bytes(content)
        with pytest.raises(StoreError):
            opened.store.put(original)
    assert opened.everything() == before
    assert np.array_equal(heard(opened.store), NOISE)


@pytest.mark.parametrize("call_id", ["", ".", "..", "a/b", "../c-1", "c 1", "x" * 201])
def test_what_cannot_be_a_key_is_refused(opened, call_id):
    for use in (opened.store.key, opened.store.delete):
        with pytest.raises(MetadataError):
            use(call_id)


@pytest.mark.parametrize(
    "other",
    [
        Audio(samples=NOISE, rate_hz=8000),
        MaskedFile(path=Path("x"), sha256="", n_bytes=0),
        b"raw",
    ],
)
def test_only_sealed_originals_are_stored(opened, other):
    with pytest.raises(TypeError, match="only SealedOriginal"):
        opened.store.put(other)
    assert opened.everything() == []


@pytest.mark.parametrize("kind", [Audio, MaskedAudio])
def test_only_card_safe_audio_is_sealed(kind):
    with (
        pytest.raises(TypeError, match="only CardSafeAudio"),
        sealed(
            [kind(samples=NOISE, rate_hz=8000)],
            FORMAT,
            WRAPPER,
            call_id="c-1",
            input_sha256="",
            sealed_at=NOW,
            expires_at=NOW,
        ),
    ):
        pass


def test_nothing_is_stored_in_clear(tmp_path):
    store = FolderOriginals(tmp_path)
    put(store)
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert b"fLaC" not in path.read_bytes()
            assert path.stat().st_mode & 0o777 == 0o600
        else:
            assert path.stat().st_mode & 0o777 == 0o700


def test_every_flipped_byte_of_an_original_is_noticed(tmp_path):
    store = FolderOriginals(tmp_path)
    put(store, samples=NOISE[:20])
    (path,) = tmp_path.rglob("*.sealed")
    raw = path.read_bytes()
    for at in range(0, len(raw), 7):
        path.write_bytes(raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :])
        with pytest.raises(Exception, match="landing"):
            heard(store)


def test_keys_are_read_strictly():
    with an_original() as original:
        assert parse_key(key_json(original.key)) == original.key
        good = key_json(original.key).decode()
    for wrong in ("", "{}", "[]", good.replace(".sealed", ""), good.replace("+00:00", ""), good[:-9]):
        with pytest.raises(TamperedError):
            parse_key(wrong.encode())
    for name in ("../x.sealed", "../../0011223344556677.sealed", "00.sealed"):
        with pytest.raises(TamperedError):
            parse_key(good.replace(original.key.name, name).encode())


def test_it_is_no_body_that_a_store_publishes():
    from callveil.adapters.store_bodies import open_body

    with an_original() as original, pytest.raises(TypeError), open_body(original):
        pass
