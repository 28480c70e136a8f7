"""The parts of the streaming service that need no model: ledger, landing, store, rules."""

from __future__ import annotations

from dataclasses import dataclass

from callveil.adapters.consent_rules import load_consent_rules
from callveil.adapters.key_wrapping import create_landing_key
from callveil.adapters.ledger_sql import open_ledger
from callveil.adapters.subject_keys import create_subject_keys
from callveil.config import Config, ServiceConfig, Site
from callveil.errors import ConfigError, RefusedError
from callveil.kit.places import (
    LazyHasher,
    Originals,
    open_landing,
    open_originals,
    open_store,
    open_subject_keys,
)
from callveil.kit.processing import SystemClock
from callveil.ports import Books, Clock, Landing, Ledger, ObjectStore, SubjectHasher
from callveil.vocabulary.consent import ConsentRules


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What every process of the service works with.

    Attributes:
        config: The profile.
        site: Where the parts are.
        ledger: What is known and owed of every call.
        books: Subject index, holds, requests, notices, removals; over the ledger's database.
        landing: Where audio waits, encrypted.
        store: Takes the results.
        originals: Where originals are sealed; None when the profile keeps none.
        rules: Of the consent gate.
        hasher: Turns identifiers into what the subject index knows; its keys are read when first needed.
        clock: Tells the time.
    """

    config: Config
    site: Site
    ledger: Ledger
    books: Books
    landing: Landing
    store: ObjectStore
    originals: Originals | None
    rules: ConsentRules
    hasher: SubjectHasher
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
    ledger = open_ledger(site.ledger.get_secret_value())
    return Service(
        config=config,
        site=site,
        ledger=ledger,
        books=ledger.books,
        landing=open_landing(site.landing, config.secrets, site.landing_key),
        store=open_store(site.store, config),
        originals=open_originals(config, site.landing_key),
        rules=load_consent_rules(config.consent_rules),
        hasher=LazyHasher(lambda: open_subject_keys(config.secrets, site.subject_key_file)),
        clock=clock,
    )


def make_landing_key(site: Site) -> str | None:
    """Make the data folder's landing key; None when it has one. Returns its id."""
    return None if site.landing_key.exists() else create_landing_key(site.landing_key)


def make_subject_keys(config: Config, site: Site) -> bool:
    """Make the data folder's subject keys, unless it or the environment has some; True when made.

    Raises:
        ConfigError: The keys are gone and persons are in the ledger that only they find; or they cannot be
            written.
        LedgerError: The database failed.
    """
    if config.secrets.subject_keys is not None or site.subject_key_file.exists():
        return False
    if any(open_ledger(site.ledger.get_secret_value()).books.subjects.generations().values()):
        raise ConfigError(
            f"subject keys: {site.subject_key_file} is gone, and nobody is found without it; allowed: a copy"
            " of it; when it is lost, callveil subject-key create makes others, for calls from then on"
        )
    try:
        create_subject_keys(site.subject_key_file)
    except RefusedError:
        return False  # another process was quicker
    return True
