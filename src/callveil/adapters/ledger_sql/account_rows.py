"""Users, sessions and tokens as rows."""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from callveil.adapters.ledger_sql import audit_chain
from callveil.adapters.ledger_sql.account_tables import users
from callveil.adapters.ledger_sql.audit_chain import Action
from callveil.errors import NotFoundError
from callveil.vocabulary.accounts import ApiToken, ExternalIdentity, Privilege, Scope, Session, User, WebRole


def words(values: Collection[str]) -> str:
    """A set of words as it is kept."""
    return " ".join(sorted(values))


def names(values: Collection[str]) -> str:
    """A set of names, which may hold anything, as it is kept."""
    return json.dumps(sorted(values), separators=(",", ":"), ensure_ascii=False)


def user_of(row: sa.Row[Any]) -> User:
    """A row of the table of users."""
    return User(
        name=row.name,
        roles=frozenset(WebRole(word) for word in row.roles.split()),
        privileges=frozenset(Privilege(word) for word in row.privileges.split()),
        queues=frozenset(json.loads(row.queues)),
        created_at=row.created_at,
        disabled_at=row.disabled_at,
        has_password=row.password is not None,
        identity=None if row.issuer is None else ExternalIdentity(issuer=row.issuer, subject=row.subject),
    )


def find_user(connection: sa.Connection, name: str, *, lock: bool = False) -> sa.Row[Any] | None:
    """The row of a user; None when there is none."""
    query = sa.select(users).where(users.c.name == name)
    return connection.execute(query.with_for_update() if lock else query).one_or_none()


def read_user(connection: sa.Connection, name: str, *, lock: bool = False) -> User:
    """One user.

    Raises:
        NotFoundError: No such user.
    """
    row = find_user(connection, name, lock=lock)
    if row is None:
        raise NotFoundError("there is no user of this name")
    return user_of(row)


def session_of(row: sa.Row[Any]) -> Session:
    """A row of the table of sessions."""
    return Session(digest=row.digest, user=row.user_name, created_at=row.created_at, seen_at=row.seen_at)


def token_of(row: sa.Row[Any]) -> ApiToken:
    """A row of the table of tokens."""
    return ApiToken(
        token_id=row.token_id,
        digest=row.digest,
        user=row.user_name,
        label=row.label,
        scopes=frozenset(Scope(word) for word in row.scopes.split()),
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        used_at=row.used_at,
    )


def note(
    connection: sa.Connection,
    action: Action,
    name: str | None,
    *,
    actor: str,
    now: datetime,
    **detail: str | None,
) -> None:
    """Write something about a user into the audit chain."""
    audit_chain.append(
        connection, actor=actor, action=action, call_id=None, detail={"user": name, **detail}, now=now
    )
