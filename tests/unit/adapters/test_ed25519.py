import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from callveil.adapters.ed25519 import Ed25519Signer, public_key_from_pem, public_pem
from callveil.errors import ConfigError
from callveil.testing import throw_away_signer

PKCS8, PEM = PrivateFormat.PKCS8, Encoding.PEM
LOCKED = ed25519.Ed25519PrivateKey.generate().private_bytes(PEM, PKCS8, BestAvailableEncryption(b"hush"))
CURVE = ec.generate_private_key(ec.SECP256R1())
OTHER = CURVE.private_bytes(PEM, PKCS8, NoEncryption())
OTHER_PUBLIC = CURVE.public_key().public_bytes(PEM, PublicFormat.SubjectPublicKeyInfo)


def test_a_signer_survives_its_pem():
    signer = Ed25519Signer.generate()
    again = Ed25519Signer.from_pem(signer.private_pem(), "here")
    assert again.key_id == signer.key_id
    assert again.sign(b"m") == signer.sign(b"m")


def test_the_key_id_is_that_of_the_raw_public_key():
    signer = throw_away_signer()
    assert len(signer.public_key) == 32
    assert signer.key_id == hashlib.sha256(signer.public_key).hexdigest()[:16]


def test_a_public_key_survives_its_pem():
    signer = throw_away_signer()
    assert public_key_from_pem(public_pem(signer.public_key), "here") == signer.public_key


@pytest.mark.parametrize(
    "pem",
    [b"", b"hush-hush", LOCKED, OTHER, public_pem(throw_away_signer().public_key)],
    ids=["empty", "text", "encrypted", "another curve", "public"],
)
def test_what_is_no_private_key_is_refused_and_not_quoted(pem):
    with pytest.raises(ConfigError, match=r"^VARIABLE: is no signing key; allowed: .*PKCS8") as caught:
        Ed25519Signer.from_pem(pem, "VARIABLE")
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("pem", [b"", OTHER_PUBLIC, throw_away_signer().private_pem()])
def test_what_is_no_public_key_is_refused(pem):
    with pytest.raises(ConfigError, match=r"^k\.pem: is no public key"):
        public_key_from_pem(pem, "k.pem")


def test_a_signer_prints_its_id_only():
    signer = throw_away_signer()
    assert repr(signer) == f"Ed25519Signer({signer.key_id})"
