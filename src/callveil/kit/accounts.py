"""The accounts of an installation, without the rest of it."""

from __future__ import annotations

from callveil.adapters.ledger_sql import open_ledger
from callveil.adapters.local_files import make_folders
from callveil.adapters.passwords import Argon2Passwords
from callveil.config import Site
from callveil.kit.office import check_ledger
from callveil.ports import Accounts, Passwords


def open_accounts(site: Site, *, make: bool = False) -> Accounts:
    """Open the accounts, which are in the ledger's database.

    Args:
        site: Where it is.
        make: Make a ledger that is missing: the first user is there before the service runs.

    Raises:
        ConfigError: There is no ledger, or it is set up wrongly.
        LedgerError: The database cannot be reached.
    """
    if make:
        make_folders(site.data)
    else:
        check_ledger(site)
    return open_ledger(site.ledger.get_secret_value()).books.accounts


def open_passwords() -> Passwords:
    """What hashes and checks passwords."""
    return Argon2Passwords()
