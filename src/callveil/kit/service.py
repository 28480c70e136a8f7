"""The parts of the streaming service that need no model: ledger, landing, store, rules."""

from __future__ import annotations

from dataclasses import dataclass

from callveil.adapters.consent_rules import load_consent_rules
from callveil.adapters.key_wrapping import LocalKeyWrapper, create_landing_key
from callveil.adapters.landing_folder import LandingFolder
from callveil.adapters.ledger_sql import open_ledger
from callveil.config import Config, ServiceConfig, Site
from callveil.errors import ConfigError
from callveil.kit.processing import SystemClock, open_store
from callveil.ports import Clock, Landing, Ledger, ObjectStore
from callveil.vocabulary.consent import ConsentRules


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What every process of the service works with.

    Attributes:
        config: The profile.
        site: Where the parts are.
        ledger: What is known and owed of every call.
        landing: Where audio waits, encrypted.
        store: Takes the results.
        rules: Of the consent gate.
        clock: Tells the time.
    """

    config: Config
    site: Site
    ledger: Ledger
    landing: Landing
    store: ObjectStore
    rules: ConsentRules
    clock: Clock

    @property
    def settings(self) -> ServiceConfig:
        """Of the profile."""
        return self.config.profile.service


def build_service(config: Config, site: Site) -> Service:
    """Open ledger, landing and store.

    Args:
        config: Loaded profile.
        site: Where they are.

    Raises:
        ConfigError: One of them is set up wrongly.
        LedgerError: The database cannot be reached.
    """
    clock = SystemClock()
    return Service(
        config=config,
        site=site,
        ledger=open_ledger(site.ledger.get_secret_value()),
        landing=LandingFolder(site.landing, open_key_wrapper(config, site)),
        store=open_store(site.store, config),
        rules=load_consent_rules(config.consent_rules),
        clock=clock,
    )


def open_key_wrapper(config: Config, site: Site) -> LocalKeyWrapper:
    """Open the landing's key: that of the environment, else that of the data folder.

    Raises:
        ConfigError: There is none, or it is not 32 bytes in base64.
    """
    secrets = config.secrets
    active = secrets.landing_key.get_secret_value() if secrets.landing_key else None
    if active is None:
        try:
            active = site.landing_key.read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                "landing key: there is none; allowed: CALLVEIL_LANDING_KEY (or ..._FILE), or"
                f" {site.landing_key}, which `callveil landing-key create` makes"
            ) from error
    retired = secrets.landing_old_keys.get_secret_value() if secrets.landing_old_keys else ""
    return LocalKeyWrapper.from_text(active, retired)


def make_landing_key(site: Site) -> str | None:
    """Make the data folder's landing key; None when it has one. Returns its id."""
    return None if site.landing_key.exists() else create_landing_key(site.landing_key)
