"""Whose signatures count: key folder, environment, and the key that `dev` made, as they are now."""

from __future__ import annotations

import base64
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import SecretStr

from callveil.adapters.signing_keys import KeyFolder
from callveil.errors import ConfigError
from callveil.kit import signer_of, trusted_by
from callveil.testing import ManualClock


def office(tmp_path, secret=None):
    return SimpleNamespace(
        config=SimpleNamespace(keys=tmp_path / "keys", secrets=SimpleNamespace(signing_key=secret)),
        site=SimpleNamespace(data=tmp_path / "data"),
    )


def new_secret():
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return SecretStr(pem.decode())


def test_nobody_is_trusted_where_there_is_no_key(tmp_path):
    assert trusted_by(office(tmp_path)) == {}


def test_folder_environment_and_data_folder_are_trusted_and_rotated_keys_stay(tmp_path):
    folder, made_by_dev = (
        KeyFolder(path, ManualClock()) for path in (tmp_path / "keys", tmp_path / "data/keys")
    )
    secret = new_secret()
    ids = {folder.create().key_id, made_by_dev.create().key_id, signer_of(secret).key_id}
    place = office(tmp_path, secret)
    assert set(trusted_by(place)) == ids
    ids.add(folder.rotate().key_id)
    assert set(trusted_by(place)) == ids
    assert trusted_by(place)[signer_of(secret).key_id] == signer_of(secret).public_key


def test_a_key_that_cannot_be_read_is_refused_without_its_content(tmp_path):
    text = base64.b64encode(b"geheim" * 10).decode()
    with pytest.raises(ConfigError) as raised:
        trusted_by(office(tmp_path, SecretStr(text)))
    assert text not in str(raised.value)
