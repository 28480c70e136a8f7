import base64
import hashlib
import hmac
import json
import os
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callveil.adapters.subject_keys import (
    SubjectKeys,
    add_generation,
    create_subject_keys,
    new_subject_keys,
    read_subject_keys,
)
from callveil.errors import ConfigError, RefusedError
from callveil.vocabulary.rights import IdentifierKind

KEYS = tuple(bytes([number]) * 32 for number in (1, 2, 3))
PHONE, EMAIL = IdentifierKind.PHONE, IdentifierKind.EMAIL


def mac(key: bytes, message: bytes) -> bytes:
    return hmac.new(key, message, hashlib.sha256).digest()


def test_digests_are_a_chain():
    first = mac(KEYS[0], b"phone\x00+442079460958")
    second = mac(KEYS[1], first)
    third = mac(KEYS[2], second)
    keys = SubjectKeys(KEYS)
    assert keys.digests(PHONE, "+442079460958") == (third.hex(), second.hex(), first.hex())
    identity = keys.identity(PHONE, "+442079460958", 1)
    assert (identity.kind, identity.digest, identity.generation, identity.party) == (PHONE, third.hex(), 3, 1)


@given(st.sampled_from(list(IdentifierKind)), st.text(max_size=50), st.integers(1, 6))
def test_steps_lead_from_every_digest_to_the_newest(kind, value, n_keys):
    keys = SubjectKeys([bytes([number + 1]) * 32 for number in range(n_keys)])
    digests = keys.digests(kind, value)
    assert len(set(digests)) == n_keys == keys.generation
    for generation in range(1, n_keys):
        assert keys.step(generation)(digests[n_keys - generation]) == digests[n_keys - generation - 1]


def test_a_rotation_makes_old_keys_useless_alone():
    before = SubjectKeys(KEYS[:1])
    stored = before.identity(PHONE, "+442079460958", 0).digest
    after = new_subject_keys(before)
    stored = after.step(1)(stored)
    assert stored == after.identity(PHONE, "+442079460958", 0).digest
    assert stored not in before.digests(PHONE, "+442079460958")


def test_kinds_do_not_meet():
    keys = SubjectKeys(KEYS)
    assert keys.digests(PHONE, "a") != keys.digests(EMAIL, "a")


@pytest.mark.parametrize("generation", [0, 3, 4, -1])
def test_there_is_no_step_beyond_the_newest(generation):
    with pytest.raises(ValueError, match="generation"):
        SubjectKeys(KEYS).step(generation)


SECRET = base64.b64encode(KEYS[0]).decode()


@pytest.mark.parametrize(
    "text",
    [
        "", "hush-hush", "[]", '"keys"', "null", '{"keys": []}', '{"keys": ["hush-hush"]}', '{"keys": [1]}',
        f'{{"keys": "{SECRET}"}}', f'{{"keys": ["{SECRET}"], "more": 1}}',
        f'{{"keys": ["{SECRET}", "{SECRET}"]}}',
        f'{{"keys": ["{SECRET[:-4]}"]}}', "[" * 100_000, json.dumps({"keys": ["AAAA"] * 1001}),
    ],
)  # fmt: skip
def test_wrong_keys_are_refused_without_showing_them(text):
    with pytest.raises(ConfigError, match="CALLVEIL_SUBJECT_KEYS") as caught:
        SubjectKeys.from_text(text, "CALLVEIL_SUBJECT_KEYS")
    assert SECRET[:8] not in str(caught.value)
    assert "hush" not in str(caught.value)


def test_keys_are_read_as_written_and_never_printed():
    keys = SubjectKeys(KEYS)
    again = SubjectKeys.from_text(keys.text(), "here")
    assert again.digests(PHONE, "x") == keys.digests(PHONE, "x")
    assert repr(keys) == "SubjectKeys(generation 3)"


def test_a_key_file_is_made_once_for_the_owner(tmp_path):
    path = tmp_path / "data" / "subject-keys.json"
    create_subject_keys(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = path.read_bytes()
    with pytest.raises(RefusedError, match="stays as it is"):
        create_subject_keys(path)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == ["subject-keys.json"]
    assert read_subject_keys(path).generation == 1


def test_many_that_make_a_key_file_make_one(tmp_path):
    path = tmp_path / "subject-keys.json"

    def make(_: int) -> bool:
        try:
            create_subject_keys(path)
        except RefusedError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(make, range(8))) == 1


def test_generations_are_added_one_by_one(tmp_path):
    path = tmp_path / "subject-keys.json"
    create_subject_keys(path)
    first = read_subject_keys(path).digests(PHONE, "x")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: add_generation(path), range(4)))
    keys = read_subject_keys(path)
    assert keys.generation == 5
    assert keys.digests(PHONE, "x")[-1:] == first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_key_file_that_others_can_read_is_refused(tmp_path):
    path = tmp_path / "subject-keys.json"
    create_subject_keys(path)
    path.chmod(0o640)
    with pytest.raises(ConfigError, match="0640"):
        read_subject_keys(path)
    with pytest.raises(ConfigError, match="0640"):
        add_generation(path)


def test_a_key_file_that_cannot_be_read_or_written(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ConfigError, match="cannot be written"):
        create_subject_keys(tmp_path / "file" / "keys")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_subject_keys(tmp_path / "none")
