"""Whose signatures count here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import SecretStr

from callveil.adapters.signing_keys import KeyFolder
from callveil.kit.office import Office
from callveil.kit.processing import SystemClock, signer_of


def trusted_keys(
    folder: Path, signing_key: SecretStr | None, *, also: Path | None = None
) -> Mapping[str, bytes]:
    """Key id to raw public key of those that are trusted.

    Args:
        folder: Of keys.
        signing_key: Of the environment.
        also: A folder whose keys are trusted beside the others, when it is there.

    Raises:
        ConfigError: A key cannot be read.
    """
    ours = signer_of(signing_key)
    more = KeyFolder(also, SystemClock()).public_keys() if also is not None and also.is_dir() else {}
    known = KeyFolder(folder, SystemClock()).public_keys()
    return {**more, **known, **({ours.key_id: ours.public_key} if ours else {})}


def trusted_by(office: Office) -> Mapping[str, bytes]:
    """The same for an installation: key folder, environment, and the key that `callveil dev` made.

    They are read each time, for keys are rotated while the service runs.

    Raises:
        ConfigError: A key cannot be read.
    """
    config = office.config
    return trusted_keys(config.keys, config.secrets.signing_key, also=office.site.data / "keys")
