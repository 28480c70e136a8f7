"""Where a service finds its parts: one data folder, any part of which the environment can put elsewhere."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType

from pydantic import SecretStr

from callveil.adapters.data_folder import is_services, read_layout, write_layout
from callveil.adapters.recipients import parse_recipients, read_recipients
from callveil.config.profile import read_variable
from callveil.errors import ConfigError
from callveil.vocabulary.rights import Recipient

SITE_VARIABLES: Mapping[str, str] = MappingProxyType(
    {
        "data": "CALLVEIL_DATA",
        "ledger": "CALLVEIL_LEDGER",
        "landing": "CALLVEIL_LANDING",
        "store": "CALLVEIL_STORE",
        "broker": "CALLVEIL_BROKER",
        "ingest_keys": "CALLVEIL_INGEST_KEYS",
        "audiohook_keys": "CALLVEIL_AUDIOHOOK_KEYS",
        "twilio_tokens": "CALLVEIL_TWILIO_TOKENS",
        "recipients": "CALLVEIL_RECIPIENTS",
    }
)
"""The ledger's and all keys and tokens are secrets and can be read from `<VARIABLE>_FILE`."""

DEFAULT_BROKER = "kafka://127.0.0.1:9092"

_SHORTEST_SECRET = 32


class KeyRole(StrEnum):
    """What a key is good for; each key has one role."""

    INGEST = "ingest"
    """Push calls and answers about consent, ask for states."""
    PRIVACY = "privacy"
    """Answer data subjects: find, export, erase, restrict, holds, breach report."""
    OPS = "ops"
    """Tune retention: simulate, apply, sweep, holds, recipients' receipts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestKey:
    """A key that requests to the API are signed with.

    Attributes:
        key_id: Names it in the X-Callveil-Key header.
        secret: For HMAC-SHA256, 32 characters or more.
        role: What it is good for.
    """

    key_id: str
    secret: str = field(repr=False)
    role: KeyRole = KeyRole.INGEST


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The parts of one installation.

    Attributes:
        data: The data folder.
        ledger: SQLAlchemy URL of the ledger's database.
        landing: Folder of the landing; all processes of the installation must see it.
        landing_key: File with the landing's key, where the environment names none.
        store: Folder, or "s3://bucket/prefix".
        broker: "kafka://host:port", several separated by ";".
        ingest_keys: Those that are accepted; at least one is needed to serve.
        audiohook_keys: API key to client secret; empty refuses every AudioHook connection.
        twilio_tokens: Auth tokens; empty refuses every Twilio connection.
        recipients: Systems that got copies, and are told when those have to go.
    """

    data: Path
    ledger: SecretStr
    landing: Path
    landing_key: Path
    store: str
    broker: str
    ingest_keys: tuple[IngestKey, ...] = ()
    audiohook_keys: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    twilio_tokens: tuple[str, ...] = field(default=(), repr=False)
    recipients: tuple[Recipient, ...] = ()

    @property
    def recipients_file(self) -> Path:
        """Where `callveil recipient` keeps the recipients, where the environment names none."""
        return self.data / "recipients.json"

    @property
    def ingest_key_file(self) -> Path:
        """Where `callveil dev` and `callveil ingest-key` keep the keys."""
        return self.data / "ingest-key.json"

    @property
    def is_processed(self) -> bool:
        """True for a folder that `callveil process` keeps a ledger in: it has no landing and no workers."""
        return read_layout(self.data) is not None

    @property
    def subject_key_file(self) -> Path:
        """Where the keys of the subject index are, where the environment names none."""
        return self.data / "subject-keys.json"


def load_site(data: Path | None = None, environ: Mapping[str, str] = os.environ) -> Site:
    """Find the parts of an installation.

    Args:
        data: The data folder; None for CALLVEIL_DATA, else "callveil-data" in the current folder.
        environ: The environment.

    Raises:
        ConfigError: A variable names something that cannot be read or is of the wrong kind.

    A folder that `callveil process` keeps a ledger in is whole in itself: where its ledger and store are is
    not taken from the environment, which is the service's.
    """
    folder = (data or Path(environ.get("CALLVEIL_DATA") or "callveil-data")).absolute()
    processed = read_layout(folder)
    ledger = read_variable("CALLVEIL_LEDGER", environ) if processed is None else None
    keys = read_variable("CALLVEIL_INGEST_KEYS", environ)
    file = folder / "ingest-key.json"
    if keys is not None:
        accepted = parse_ingest_keys(keys.get_secret_value(), "CALLVEIL_INGEST_KEYS")
    elif file.is_file():
        accepted = parse_ingest_keys(file.read_text(encoding="utf-8"), str(file))
    else:
        accepted = ()
    return Site(
        data=folder,
        ledger=ledger or SecretStr(f"sqlite:///{folder / 'ledger.sqlite3'}"),
        landing=Path(
            (processed is None and environ.get("CALLVEIL_LANDING")) or folder / "landing"
        ).absolute(),
        landing_key=folder / "landing.key",
        store=processed or environ.get("CALLVEIL_STORE") or str(folder / "store"),
        broker=environ.get("CALLVEIL_BROKER") or DEFAULT_BROKER,
        ingest_keys=accepted,
        audiohook_keys=_audiohook_keys(read_variable("CALLVEIL_AUDIOHOOK_KEYS", environ)),
        twilio_tokens=_tokens(read_variable("CALLVEIL_TWILIO_TOKENS", environ)),
        recipients=_recipients(read_variable("CALLVEIL_RECIPIENTS", environ), folder / "recipients.json"),
    )


def make_process_site(
    out: str, data: Path | None = None, environ: Mapping[str, str] = os.environ
) -> Site | None:
    """Find, or found, where `callveil process` keeps its ledger.

    Args:
        out: Its store: a folder, or "s3://bucket/prefix".
        data: Folder of the ledger; None for the store itself.
        environ: The environment.

    Returns:
        None when the store is no folder and no other was given: then no ledger is kept.

    Raises:
        ConfigError: The folder keeps the ledger of another store.
    """
    is_folder = "://" not in out
    if data is None and not is_folder:
        return None
    store = str(Path(out).absolute()) if is_folder else out.rstrip("/")
    folder = Path(data if data is not None else out).absolute()
    if not is_services(folder):
        write_layout(folder, store)
    site = load_site(folder, environ)
    if site.store.rstrip("/") != store:
        raise ConfigError(f"--data: {folder} is of a service with another store; allowed: --out {site.store}")
    return site


def _audiohook_keys(text: SecretStr | None) -> dict[str, bytes]:
    """API keys and client secrets, one pair a line: the key, a space, the secret in base64."""
    found: dict[str, bytes] = {}
    for line in text.get_secret_value().splitlines() if text else ():
        key, _, secret = line.strip().partition(" ")
        try:
            content = base64.b64decode(secret.strip(), validate=True)
        except ValueError:
            content = b""
        if line.strip():
            if not key or len(content) < _SHORTEST_SECRET:
                raise ConfigError(
                    "CALLVEIL_AUDIOHOOK_KEYS: allowed: lines of an API key, a space and a client secret of 32"
                    " bytes or more in base64"
                )
            found[key] = content
    return found


def _recipients(text: SecretStr | None, file: Path) -> tuple[Recipient, ...]:
    if text is not None:
        return parse_recipients(text.get_secret_value(), "CALLVEIL_RECIPIENTS")
    return read_recipients(file)


def _tokens(text: SecretStr | None) -> tuple[str, ...]:
    return tuple(text.get_secret_value().split()) if text else ()


def parse_ingest_keys(text: str, where: str) -> tuple[IngestKey, ...]:
    """Read keys: one object {"key_id": ..., "secret": ..., "role": ...}, or a list of up to sixteen.

    The role may be left out; it is then "ingest".

    Args:
        text: JSON.
        where: Named in errors.

    Raises:
        ConfigError: It is something else.
    """
    allowed = (
        'allowed: {"key_id": text, "secret": text of 32 characters or more, "role": "ingest", "privacy" or '
        '"ops"}, or a list of up to 16'
    )
    try:
        found = json.loads(text)
    except ValueError:
        raise ConfigError(f"{where}: is not JSON; {allowed}") from None
    rows = found if isinstance(found, list) else [found]
    keys: dict[str, IngestKey] = {}
    for row in rows:
        if not (isinstance(row, dict) and set(row) - {"role"} == {"key_id", "secret"}):
            raise ConfigError(f"{where}: holds something else than keys; {allowed}")
        key_id, secret = row["key_id"], row["secret"]
        if not (isinstance(key_id, str) and key_id and isinstance(secret, str)):
            raise ConfigError(f"{where}: key_id and secret must be text; {allowed}")
        if len(secret) < _SHORTEST_SECRET:
            raise ConfigError(f"{where}: a secret is too short; {allowed}")
        role = row.get("role", KeyRole.INGEST)
        if role not in tuple(KeyRole):
            raise ConfigError(f"{where}: a role is of another kind; {allowed}")
        keys[key_id] = IngestKey(key_id=key_id, secret=secret, role=KeyRole(role))
    if not 1 <= len(rows) <= 16 or len(keys) != len(rows):
        raise ConfigError(f"{where}: holds {len(rows)} keys, or one id twice; {allowed}")
    return tuple(keys.values())
