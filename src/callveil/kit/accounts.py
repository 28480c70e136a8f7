"""The accounts of an installation, without the rest of it."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection
from datetime import datetime, timedelta

from callveil.adapters.ledger_sql import open_ledger
from callveil.adapters.local_files import make_folders
from callveil.adapters.passwords import Argon2Passwords
from callveil.config import Config, Site
from callveil.errors import ConfigError
from callveil.kit.office import check_ledger
from callveil.ports import Accounts, Clock, IdentityProvider, Passwords
from callveil.vocabulary.accounts import ApiToken, Scope


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


MOST_DAYS = 366
"""That a token for a machine is good for."""


def new_token(
    user: str, scopes: Collection[Scope], *, days: int, label: str, now: datetime
) -> tuple[ApiToken, str]:
    """A token for a machine, and its text, which is kept nowhere.

    Args:
        user: Name of the user it acts for.
        scopes: What it is good for.
        days: Until it expires, 1 to `MOST_DAYS`.
        label: What it is for, in a few words.
        now: Aware UTC.
    """
    secret = f"cvt_{secrets.token_urlsafe(32)}"
    token = ApiToken(
        token_id=f"tok-{secrets.token_hex(6)}",
        digest=hashlib.sha256(secret.encode()).hexdigest(),
        user=user,
        label=label[:200],
        scopes=frozenset(scopes),
        created_at=now,
        expires_at=now + timedelta(days=days),
    )
    return token, secret


def open_identity_provider(config: Config, clock: Clock) -> IdentityProvider | None:
    """Who vouches for users; None when the profile names nobody. The provider is asked only when needed.

    Args:
        config: Loaded profile.
        clock: Tells the time.

    Raises:
        ConfigError: Its client secret is missing, its URL is not https, or Authlib is not installed.
    """
    oidc, client_secret = config.profile.web.oidc, config.secrets.oidc_secret
    if oidc.issuer is None:
        return None
    if client_secret is None:
        raise ConfigError("web.oidc: needs CALLVEIL_OIDC_SECRET (or ..._FILE), the client secret")
    try:
        from callveil.adapters.oidc import OpenIdProvider
    except ModuleNotFoundError as error:
        raise ConfigError("web.oidc: needs the extra service: pip install 'callveil[service]'") from error
    return OpenIdProvider(
        oidc.issuer, oidc.client_id, client_secret.get_secret_value(), name=oidc.label, clock=clock
    )
