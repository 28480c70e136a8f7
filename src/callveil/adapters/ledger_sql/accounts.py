"""Users, sessions, tokens. See `ports.Accounts`."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from callveil.adapters.ledger_sql import sign_in_attempts
from callveil.adapters.ledger_sql.account_identities import check_free, set_identity
from callveil.adapters.ledger_sql.account_rows import (
    find_user,
    names,
    note,
    read_user,
    session_of,
    token_of,
    user_of,
    words,
)
from callveil.adapters.ledger_sql.account_sessions import has_ended, remove_ended, standing
from callveil.adapters.ledger_sql.account_tables import api_tokens, sessions, users
from callveil.adapters.ledger_sql.audit_chain import Action
from callveil.adapters.ledger_sql.database import Database
from callveil.errors import NotFoundError, RefusedError
from callveil.vocabulary.accounts import (
    ApiToken,
    ExternalIdentity,
    Privilege,
    Session,
    SessionLimits,
    User,
    WebRole,
)

_SEEN_EVERY = timedelta(minutes=1)
_USED_EVERY = timedelta(hours=1)
"""A use is written down no oftener, so that reading stays reading."""


class SqlAccounts:
    """See `ports.Accounts`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self,
        user: User,
        *,
        kept: str | None = None,
        identity: ExternalIdentity | None = None,
        actor: str,
        now: datetime,
    ) -> User:
        """See `Accounts.add`."""
        return self._database.write(lambda c: _add(c, user, kept, identity, actor=actor, now=now))

    def get(self, name: str) -> User:
        """See `Accounts.get`."""
        return self._database.read(lambda c: read_user(c, name))

    def users(self) -> tuple[User, ...]:
        """See `Accounts.users`."""
        query = sa.select(users).order_by(users.c.name)
        return self._database.read(lambda c: tuple(user_of(row) for row in c.execute(query)))

    def with_identity(self, identity: ExternalIdentity) -> User | None:
        """See `Accounts.with_identity`."""
        query = sa.select(users).where(
            users.c.issuer == identity.issuer,
            users.c.subject == identity.subject,
            users.c.disabled_at.is_(None),
        )
        row = self._database.read(lambda c: c.execute(query).one_or_none())
        return None if row is None else user_of(row)

    def change(
        self,
        name: str,
        *,
        roles: Collection[WebRole] | None = None,
        privileges: Collection[Privilege] | None = None,
        queues: Collection[str] | None = None,
        actor: str,
        now: datetime,
    ) -> User:
        """See `Accounts.change`."""
        changes: dict[str, str] = {}
        if roles is not None:
            _check_roles(roles)
            changes["roles"] = words(roles)
        if privileges is not None:
            changes["privileges"] = words(privileges)
        if queues is not None:
            changes["queues"] = names(queues)
        return self._database.write(lambda c: _change(c, name, changes, actor=actor, now=now))

    def disable(self, name: str, *, actor: str, now: datetime) -> User:
        """See `Accounts.disable`."""
        return self._database.write(lambda c: _disable(c, name, actor=actor, now=now))

    def enable(self, name: str, *, actor: str, now: datetime) -> User:
        """See `Accounts.enable`."""

        def work(connection: sa.Connection) -> User:
            was_out = read_user(connection, name, lock=True).disabled_at is not None
            sign_in_attempts.forget(connection, name)
            if was_out:
                _update(connection, name, disabled_at=None)
                note(connection, Action.USER_ENABLED, name, actor=actor, now=now)
            return read_user(connection, name)

        return self._database.write(work)

    def set_password(self, name: str, kept: str, *, actor: str, now: datetime) -> None:
        """See `Accounts.set_password`."""

        def work(connection: sa.Connection) -> None:
            read_user(connection, name, lock=True)
            _update(connection, name, password=kept)
            connection.execute(sa.delete(sessions).where(sessions.c.user_name == name))
            sign_in_attempts.forget(connection, name)
            note(connection, Action.USER_PASSWORD, name, actor=actor, now=now)

        self._database.write(work)

    def set_identity(
        self, name: str, identity: ExternalIdentity | None, *, actor: str, now: datetime
    ) -> User:
        """See `Accounts.set_identity`."""
        return self._database.write(lambda c: set_identity(c, name, identity, actor=actor, now=now))

    def kept(self, name: str) -> str | None:
        """See `Accounts.kept`."""
        query = sa.select(users.c.password).where(users.c.name == name, users.c.disabled_at.is_(None))
        return self._database.read(lambda c: c.scalar(query))

    def attempt(self, name: str, address: str, *, now: datetime) -> float:
        """See `Accounts.attempt`."""
        return self._database.write(lambda c: sign_in_attempts.attempt(c, name, address, now=now))

    def failed(self, name: str, address: str, *, now: datetime) -> None:
        """See `Accounts.failed`."""

        def work(connection: sa.Connection) -> None:
            # A password typed into the wrong field must not stand in the chain for ever.
            known = find_user(connection, name) is not None
            note(
                connection,
                Action.SIGN_IN_FAILED,
                name if known else None,
                actor=f"user:{name}" if known else "user",
                now=now,
                address=address,
            )

        self._database.write(work)

    def sign_in(
        self,
        name: str,
        digest: str,
        *,
        kept: str | None,
        ends: Collection[str] = (),
        address: str,
        limits: SessionLimits,
        now: datetime,
    ) -> Session | None:
        """See `Accounts.sign_in`."""

        def work(connection: sa.Connection) -> Session | None:
            row = find_user(connection, name, lock=True)
            if row is None or row.disabled_at is not None or (kept is not None and row.password != kept):
                return None
            remove_ended(connection, limits, now)
            connection.execute(sa.delete(sessions).where(sessions.c.digest.in_(list(ends))))
            connection.execute(
                sa.insert(sessions).values(digest=digest, user_name=name, created_at=now, seen_at=now)
            )
            sign_in_attempts.succeeded(connection, name, address)
            how = "identity provider" if kept is None else "password"
            note(connection, Action.SIGNED_IN, name, actor=f"user:{name}", now=now, address=address, how=how)
            return Session(digest=digest, user=name, created_at=now, seen_at=now)

        return self._database.write(work)

    def refresh_password(self, name: str, old: str, new: str) -> None:
        """See `Accounts.refresh_password`."""
        query = sa.update(users).where(users.c.name == name, users.c.password == old).values(password=new)
        self._database.write(lambda c: c.execute(query))

    def session(self, digest: str, *, limits: SessionLimits, now: datetime) -> tuple[Session, User] | None:
        """See `Accounts.session`."""
        query = (
            sa.select(sessions.c.digest, sessions.c.user_name, sessions.c.seen_at)
            .add_columns(sessions.c.created_at.label("begun_at"), users)
            .join(users, users.c.name == sessions.c.user_name)
            .where(sessions.c.digest == digest, users.c.disabled_at.is_(None))
        )
        row = self._database.read(lambda c: c.execute(query).one_or_none())
        if row is None or has_ended(row.begun_at, row.seen_at, limits, now):
            return None
        if now - row.seen_at >= _SEEN_EVERY:
            seen = sa.update(sessions).where(sessions.c.digest == digest).values(seen_at=now)
            self._database.write(lambda c: c.execute(seen))
        found = Session(digest=digest, user=row.name, created_at=row.begun_at, seen_at=row.seen_at)
        return found, user_of(row)

    def sessions(self, name: str, *, limits: SessionLimits, now: datetime) -> tuple[Session, ...]:
        """See `Accounts.sessions`."""
        return self._database.read(lambda c: standing(c, name, limits, now))

    def end_session(self, digest: str, *, actor: str, now: datetime) -> None:
        """See `Accounts.end_session`."""

        def work(connection: sa.Connection) -> None:
            query = sa.select(sessions).where(sessions.c.digest == digest)
            row = connection.execute(query.with_for_update()).one_or_none()
            if row is not None:
                ended = session_of(row)
                connection.execute(sa.delete(sessions).where(sessions.c.digest == digest))
                note(connection, Action.SIGNED_OUT, ended.user, actor=actor, now=now)

        self._database.write(work)

    def add_token(self, token: ApiToken, *, actor: str, now: datetime) -> ApiToken:
        """See `Accounts.add_token`."""

        def work(connection: sa.Connection) -> ApiToken:
            if read_user(connection, token.user, lock=True).disabled_at is not None:
                raise RefusedError("this user is disabled")
            connection.execute(
                sa.insert(api_tokens).values(
                    token_id=token.token_id,
                    digest=token.digest,
                    user_name=token.user,
                    label=token.label,
                    scopes=words(token.scopes),
                    created_at=now,
                    expires_at=token.expires_at,
                )
            )
            scopes = words(token.scopes)
            _note_token(connection, Action.TOKEN_ADDED, token, actor=actor, now=now, scopes=scopes)
            return _token(connection, token.token_id)

        return self._database.write(work)

    def tokens(self, name: str | None = None) -> tuple[ApiToken, ...]:
        """See `Accounts.tokens`."""
        query = sa.select(api_tokens).order_by(api_tokens.c.created_at, api_tokens.c.token_id)
        if name is not None:
            query = query.where(api_tokens.c.user_name == name)
        return self._database.read(lambda c: tuple(token_of(row) for row in c.execute(query)))

    def token(self, digest: str, *, now: datetime) -> tuple[ApiToken, User] | None:
        """See `Accounts.token`."""

        def look(connection: sa.Connection) -> tuple[ApiToken, User] | None:
            row = connection.execute(sa.select(api_tokens).where(api_tokens.c.digest == digest)).one_or_none()
            if row is None or row.revoked_at is not None or row.expires_at <= now:
                return None
            user = read_user(connection, row.user_name)
            return None if user.disabled_at is not None else (token_of(row), user)

        found = self._database.read(look)
        if found is not None and (found[0].used_at is None or now - found[0].used_at >= _USED_EVERY):
            used = sa.update(api_tokens).where(api_tokens.c.digest == digest).values(used_at=now)
            self._database.write(lambda c: c.execute(used))
        return found

    def revoke_token(self, token_id: str, *, actor: str, now: datetime) -> ApiToken:
        """See `Accounts.revoke_token`."""

        def work(connection: sa.Connection) -> ApiToken:
            token = _token(connection, token_id, lock=True)
            if token.revoked_at is None:
                _revoke(connection, token, actor=actor, now=now)
            return _token(connection, token_id)

        return self._database.write(work)


def _check_roles(roles: Collection[WebRole]) -> None:
    if not roles:
        raise ValueError("roles: allowed: one or more")


def _add(
    connection: sa.Connection,
    user: User,
    kept: str | None,
    identity: ExternalIdentity | None,
    *,
    actor: str,
    now: datetime,
) -> User:
    _check_roles(user.roles)
    if find_user(connection, user.name) is not None:
        raise RefusedError("there is a user of this name already")
    if identity is not None:
        check_free(connection, identity)
    values = {
        "roles": words(user.roles),
        "privileges": words(user.privileges),
        "queues": names(user.queues),
    }
    connection.execute(
        sa.insert(users).values(
            name=user.name,
            created_at=now,
            password=kept,
            issuer=None if identity is None else identity.issuer,
            subject=None if identity is None else identity.subject,
            **values,
        )
    )
    note(connection, Action.USER_ADDED, user.name, actor=actor, now=now, **values)
    return read_user(connection, user.name)


def _change(
    connection: sa.Connection, name: str, changes: dict[str, str], *, actor: str, now: datetime
) -> User:
    row = find_user(connection, name, lock=True)
    if row is None:
        raise NotFoundError("there is no user of this name")
    new = {key: value for key, value in changes.items() if getattr(row, key) != value}
    if new:
        _update(connection, name, **new)
        note(connection, Action.USER_CHANGED, name, actor=actor, now=now, **new)
    return read_user(connection, name)


def _disable(connection: sa.Connection, name: str, *, actor: str, now: datetime) -> User:
    if read_user(connection, name, lock=True).disabled_at is None:
        _update(connection, name, disabled_at=now)
        connection.execute(sa.delete(sessions).where(sessions.c.user_name == name))
        good = sa.select(api_tokens).where(api_tokens.c.user_name == name, api_tokens.c.revoked_at.is_(None))
        for row in connection.execute(good.order_by(api_tokens.c.token_id)).all():
            _revoke(connection, token_of(row), actor=actor, now=now)
        note(connection, Action.USER_DISABLED, name, actor=actor, now=now)
    return read_user(connection, name)


def _update(connection: sa.Connection, name: str, **values: Any) -> None:
    connection.execute(sa.update(users).where(users.c.name == name).values(**values))


def _token(connection: sa.Connection, token_id: str, *, lock: bool = False) -> ApiToken:
    query = sa.select(api_tokens).where(api_tokens.c.token_id == token_id)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise NotFoundError("there is no such token")
    return token_of(row)


def _revoke(connection: sa.Connection, token: ApiToken, *, actor: str, now: datetime) -> None:
    connection.execute(
        sa.update(api_tokens).where(api_tokens.c.token_id == token.token_id).values(revoked_at=now)
    )
    _note_token(connection, Action.TOKEN_REVOKED, token, actor=actor, now=now)


def _note_token(
    connection: sa.Connection, action: Action, token: ApiToken, *, actor: str, now: datetime, **detail: str
) -> None:
    note(connection, action, token.user, actor=actor, now=now, token=token.token_id, **detail)
