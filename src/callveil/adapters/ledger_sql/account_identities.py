"""Who vouches for users."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from callveil.adapters.ledger_sql.account_rows import note, read_user
from callveil.adapters.ledger_sql.account_tables import sessions, users
from callveil.adapters.ledger_sql.audit_chain import Action
from callveil.errors import RefusedError
from callveil.vocabulary.accounts import ExternalIdentity, User


def check_free(connection: sa.Connection, identity: ExternalIdentity) -> None:
    """Refuse an identity that is somebody's.

    Raises:
        RefusedError: It is.
    """
    same = sa.select(users.c.name).where(
        users.c.issuer == identity.issuer, users.c.subject == identity.subject
    )
    if connection.scalar(same) is not None:
        raise RefusedError("there is a user with this identity already")


def set_identity(
    connection: sa.Connection, name: str, identity: ExternalIdentity | None, *, actor: str, now: datetime
) -> User:
    """See `Accounts.set_identity`."""
    if read_user(connection, name, lock=True).identity == identity:
        return read_user(connection, name)
    if identity is not None:
        check_free(connection, identity)
    values = {
        "issuer": None if identity is None else identity.issuer,
        "subject": None if identity is None else identity.subject,
    }
    connection.execute(sa.update(users).where(users.c.name == name).values(values))
    connection.execute(sa.delete(sessions).where(sessions.c.user_name == name))
    # Who it is there may be an address or a name, so it does not stand in the chain for ever.
    note(connection, Action.USER_IDENTITY, name, actor=actor, now=now, issuer=values["issuer"])
    return read_user(connection, name)
