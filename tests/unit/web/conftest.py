"""A service of real parts but no broker and no models: SQLite ledger, landing folder, store in memory."""

import dataclasses
import hashlib
import io
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from pydantic import SecretStr

from callveil.adapters.consent_rules import load_consent_rules
from callveil.adapters.key_wrapping import LocalKeyWrapper
from callveil.adapters.landing_folder import LandingFolder
from callveil.adapters.resources import resource_folder
from callveil.adapters.subject_keys import SubjectKeys
from callveil.config import IngestKey, Profile, Site, load_config
from callveil.kit import Service
from callveil.testing import ManualClock, MemoryStore, temporary_ledger
from callveil.web.signatures import sign

KEY = IngestKey(key_id="key-1", secret="s" * 40)
OLD_KEY = IngestKey(key_id="key-0", secret="t" * 40)
BOUNDARY = "callveil-boundary"


def wav(seconds: float = 1.0, seed: int = 0) -> bytes:
    samples = np.random.default_rng(seed).normal(0, 0.1, (int(8000 * seconds), 2)).clip(-1, 1)
    file = io.BytesIO()
    soundfile.write(file, samples, 8000, format="WAV", subtype="PCM_16")
    return file.getvalue()


def metadata(call_id: str = "c-1", consent: object = "granted", **more: object) -> dict[str, object]:
    parties = [
        {"role": "agent", "channel": 0, "jurisdiction": "GB"},
        {"role": "customer", "channel": 1, "jurisdiction": "GB", "identifiers": {"phone": "+4930123456"}},
    ]
    return {"call_id": call_id, "language": "en", "parties": parties, "consent": consent, **more}


def form(*parts: tuple[str, bytes]) -> bytes:
    body = b"".join(
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode() + content + b"\r\n"
        for name, content in parts
    )
    return body + f"--{BOUNDARY}--\r\n".encode()


def push_body(call: dict[str, object] | None = None, audio: bytes | None = None) -> bytes:
    given = json.dumps(metadata() if call is None else call).encode()
    return form(("metadata", given), ("audio", wav() if audio is None else audio))


def signed(body: bytes, clock: ManualClock, key: IngestKey = KEY, skew_s: int = 0) -> dict[str, str]:
    stamp = str(int(clock.now().timestamp()) + skew_s)
    return {
        "X-Callveil-Key": key.key_id,
        "X-Callveil-Timestamp": stamp,
        "X-Callveil-Signature": sign(key.secret, stamp, hashlib.sha256(body).hexdigest()),
        "Content-Type": f"multipart/form-data; boundary={BOUNDARY}",
    }


@pytest.fixture
def identities(service, monkeypatch):
    """What calls that are taken in can be found by: kind and party, once their values were looked up."""
    seen = []
    accept = service.ledger.accept

    def listen(new, **given):
        seen.extend(new.identities)
        return accept(new, **given)

    monkeypatch.setattr(service.ledger, "accept", listen)

    def identities(*values):
        known = {service.hasher.identity(kind, value, party): value for kind, value, party in values}
        return [(each.kind.value, known[each], each.party) for each in seen]

    return identities


@pytest.fixture
def helpers() -> SimpleNamespace:
    return SimpleNamespace(
        **{name: value for name, value in globals().items() if callable(value)}, OLD_KEY=OLD_KEY
    )


@pytest.fixture
def service(tmp_path: Path, request: pytest.FixtureRequest):
    clock = ManualClock()
    config = load_config("default")
    changes = getattr(request, "param", {})
    config = dataclasses.replace(config, profile=Profile.model_validate(changes))
    site = Site(
        data=tmp_path,
        ledger=SecretStr("not used"),
        landing=tmp_path / "landing",
        landing_key=tmp_path / "landing.key",
        store="not used",
        broker="not used",
        ingest_keys=(OLD_KEY, KEY),
    )
    with temporary_ledger() as ledger:
        yield Service(
            config=config,
            site=site,
            ledger=ledger,
            books=ledger.books,
            landing=LandingFolder(site.landing, LocalKeyWrapper(bytes(32))),
            store=MemoryStore(clock=clock),
            originals=None,
            rules=load_consent_rules(resource_folder("pipelines") / "consent.toml"),
            hasher=SubjectKeys([bytes(32)]),
            clock=clock,
        )
