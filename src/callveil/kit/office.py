"""What retention and rights work with: ledger and books, every place a copy may be, policies, keys."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from callveil.adapters.ledger_sql import open_ledger
from callveil.adapters.local_files import make_folders
from callveil.adapters.signing_keys import KeyFolder
from callveil.config import Config, Site
from callveil.errors import ConfigError
from callveil.kit.places import (
    LazyHasher,
    Originals,
    open_landing,
    open_originals,
    open_store,
    open_subject_keys,
)
from callveil.kit.policies import LivePolicies, PoliciesInForce
from callveil.kit.processing import LazySigner, SystemClock, open_signer
from callveil.kit.service import Service, make_subject_keys
from callveil.ports import Books, Clock, Landing, Ledger, ObjectStore, Signer, SubjectHasher
from callveil.vocabulary.retention import Policy
from callveil.vocabulary.rights import Recipient


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """What the privacy officer and the ops team work with.

    Attributes:
        config: The profile.
        site: Where the parts are.
        ledger: What is known and owed of every call.
        books: Subject index, holds, requests, notices, removals; over the ledger's database.
        store: Where published calls are.
        originals: Where originals are sealed; None when the profile keeps none.
        landing: Where audio waits, encrypted; None where there is no landing (calls of `callveil process`).
        in_force: Which retention policies are; see `policies`.
        hasher: Turns identifiers into what the subject index knows.
        recipients: Systems that got copies.
        signer: Signs certificates; its key is read when it is first needed.
        clock: Tells the time.
    """

    config: Config
    site: Site
    ledger: Ledger
    books: Books
    store: ObjectStore
    originals: Originals | None
    landing: Landing | None
    in_force: PoliciesInForce
    hasher: SubjectHasher
    recipients: tuple[Recipient, ...] = field(default=())
    signer: Signer
    clock: Clock

    @property
    def policies(self) -> tuple[Policy, ...]:
        """Retention policies in force, the profile's own fallback last.

        Raises:
            ConfigError: They are wrong, or contradict each other.
            LedgerError: The ledger failed.
        """
        return self.in_force.now()


@dataclass(frozen=True, slots=True, kw_only=True)
class Enlisting:
    """What `callveil process` keeps a ledger with.

    Attributes:
        ledger: Of its folder.
        books: Beside it: holds and restrictions go onto what is published.
        hasher: Turns identifiers into what the subject index knows.
        actor: As in the audit chain.
        clock: Tells the time.
    """

    ledger: Ledger
    books: Books
    hasher: SubjectHasher
    actor: str
    clock: Clock


def build_office(config: Config, site: Site) -> Office:
    """Open ledger, books and every place a copy of a call may be.

    Args:
        config: Loaded profile.
        site: Where they are.

    Raises:
        ConfigError: There is no ledger, or one of the parts is set up wrongly. Nothing is made then.
        LedgerError: The database cannot be reached.
    """
    check_ledger(site)
    ledger = open_ledger(site.ledger.get_secret_value())
    in_force = LivePolicies(config, ledger.books.policy_sets)
    in_force.now()  # what is wrong with them is told at once
    return Office(
        config=config,
        site=site,
        ledger=ledger,
        books=ledger.books,
        store=open_store(site.store, config),
        originals=open_originals(config, site.landing_key),
        landing=_landing(config, site),
        in_force=in_force,
        hasher=LazyHasher(lambda: open_subject_keys(config.secrets, site.subject_key_file)),
        recipients=site.recipients,
        signer=LazySigner(lambda: _signer(config, site)),
        clock=SystemClock(),
    )


def office_of(service: Service) -> Office:
    """The same, out of what a process of the service has open."""
    in_force = LivePolicies(service.config, service.books.policy_sets)
    in_force.now()
    return Office(
        config=service.config,
        site=service.site,
        ledger=service.ledger,
        books=service.books,
        store=service.store,
        originals=service.originals,
        landing=service.landing,
        in_force=in_force,
        hasher=service.hasher,
        recipients=service.site.recipients,
        signer=LazySigner(lambda: _signer(service.config, service.site)),
        clock=service.clock,
    )


def build_enlisting(config: Config, site: Site, actor: str) -> Enlisting:
    """Open the ledger of `callveil process`; it and its keys are made when they are missing.

    Args:
        config: Loaded profile.
        site: Where they are.
        actor: As in the audit chain.

    Raises:
        ConfigError: One of them is set up wrongly.
        LedgerError: The database cannot be opened.
    """
    make_folders(site.data)
    make_subject_keys(config, site)
    ledger = open_ledger(site.ledger.get_secret_value())
    return Enlisting(
        ledger=ledger,
        books=ledger.books,
        hasher=open_subject_keys(config.secrets, site.subject_key_file),
        actor=actor,
        clock=SystemClock(),
    )


def check_ledger(site: Site) -> None:
    """A misspelt folder must not become a new, empty ledger in which nobody is found."""
    scheme, _, path = site.ledger.get_secret_value().partition(":///")
    if scheme == "sqlite" and not Path(path).is_file():
        raise ConfigError(
            f"--data: there is no ledger in {site.data}; allowed: the data folder of `callveil dev` or"
            " `callveil serve`, or the --out folder of `callveil process`"
        )


def _landing(config: Config, site: Site) -> Landing | None:
    if site.landing.is_dir():
        return open_landing(site.landing, config.secrets, site.landing_key)
    if site.landing != site.data / "landing":
        raise ConfigError(f"CALLVEIL_LANDING: there is no folder {site.landing}; raw audio may wait in it")
    return None


def _signer(config: Config, site: Site) -> Signer:
    """As for processing; else the key that `callveil dev` made in its data folder."""
    try:
        return open_signer(config)
    except ConfigError:
        folder = site.data / "keys"
        if not (folder / "private.pem").exists():
            raise
        return KeyFolder(folder, SystemClock()).signer()
