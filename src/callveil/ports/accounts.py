"""Users, their sessions and tokens, and who vouches for them.

As for the books: every change is one transaction with its entry in the audit chain, times come in as
arguments, aware UTC, and every method raises `LedgerError` when the database fails; nothing has changed then.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Protocol

from callveil.vocabulary.accounts import (
    ApiToken,
    ExternalIdentity,
    Privilege,
    Session,
    SessionLimits,
    User,
    WebRole,
)


class Passwords(Protocol):
    """Turns passwords into what can be kept of them."""

    def hash(self, password: str) -> str:
        """What is kept of a password: salted and slow to compute.

        Raises:
            MetadataError: The password is too short or too long; the message does not repeat it.
        """

    def verify(self, kept: str | None, password: str) -> bool:
        """Whether a password is the one of which this is kept.

        Args:
            kept: What `hash` made; None takes as long as a wrong password, and is always False.
            password: As it was given.
        """

    def is_stale(self, kept: str) -> bool:
        """Whether `hash` would make it with other parameters now."""


class Accounts(Protocol):
    """Users, sessions, tokens."""

    def add(
        self,
        user: User,
        *,
        kept: str | None = None,
        identity: ExternalIdentity | None = None,
        actor: str,
        now: datetime,
    ) -> User:
        """Enter a user.

        Args:
            user: `created_at` and `has_password` are set by this.
            kept: Of the password, as `Passwords.hash` made it; None for a user without one.
            identity: The user at an identity provider.
            actor: As in the audit chain.
            now: Aware UTC.

        Raises:
            RefusedError: There is a user of this name or identity already.
        """

    def get(self, name: str) -> User:
        """One user.

        Raises:
            NotFoundError: No such user.
        """

    def users(self) -> tuple[User, ...]:
        """All users by name, those who are shut out too."""

    def with_identity(self, identity: ExternalIdentity) -> User | None:
        """The user that an identity provider vouches for; None when there is none, or who is shut out."""

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
        """Change what is given. It counts from the user's next request on.

        Raises:
            NotFoundError: No such user.
        """

    def disable(self, name: str, *, actor: str, now: datetime) -> User:
        """Shut a user out: sessions end, tokens are revoked. Somebody who is out already stays so.

        Raises:
            NotFoundError: No such user.
        """

    def enable(self, name: str, *, actor: str, now: datetime) -> User:
        """Let a user in again, and forget failed attempts; tokens stay revoked.

        Raises:
            NotFoundError: No such user.
        """

    def set_password(self, name: str, kept: str, *, actor: str, now: datetime) -> None:
        """Keep another password. Sessions of the user end, and failed attempts are forgotten.

        Raises:
            NotFoundError: No such user.
        """

    def set_identity(
        self, name: str, identity: ExternalIdentity | None, *, actor: str, now: datetime
    ) -> User:
        """Say who vouches for a user; None for nobody. Sessions of the user end when that changes.

        Raises:
            NotFoundError: No such user.
            RefusedError: It is another user's.
        """

    def kept(self, name: str) -> str | None:
        """What is kept of a user's password; None for who is unknown, shut out, or has none."""

    def attempt(self, name: str, address: str, *, now: datetime) -> float:
        """Count an attempt to sign in, before anything is checked; it is the same for names nobody has.

        Args:
            name: As it was given; only a hash of it is kept.
            address: Where the attempt comes from; only a hash of it is kept.
            now: Aware UTC.

        Returns:
            0 when the attempt may go on; else seconds until the next one may, and this one is not counted.
        """

    def failed(self, name: str, address: str, *, now: datetime) -> None:
        """Write an attempt that failed into the audit chain: the name only if it is a user's."""

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
        """Begin a session, forget failed attempts, and remove sessions that have ended by themselves.

        Args:
            name: Of the user.
            digest: SHA-256 of the new token in hex.
            kept: Of the password that was checked; None when an identity provider vouched.
            ends: Digests of sessions that end with this: the browser's earlier one.
            address: Where from.
            limits: When sessions end.
            now: Aware UTC.

        Returns:
            None when the user was shut out or has another password by now.
        """

    def refresh_password(self, name: str, old: str, new: str) -> None:
        """Keep the same password in newer form, if it is still the same."""

    def session(self, digest: str, *, limits: SessionLimits, now: datetime) -> tuple[Session, User] | None:
        """A session that stands, and its user; None when it has ended or the user is shut out.

        It counts as a use of the session.
        """

    def sessions(self, name: str, *, limits: SessionLimits, now: datetime) -> tuple[Session, ...]:
        """Sessions of a user that stand, newest first."""

    def end_session(self, digest: str, *, actor: str, now: datetime) -> None:
        """End a session; one that is not there stays so."""

    def add_token(self, token: ApiToken, *, actor: str, now: datetime) -> ApiToken:
        """Enter a token.

        Raises:
            NotFoundError: No such user.
            RefusedError: The user is shut out.
        """

    def tokens(self, name: str | None = None) -> tuple[ApiToken, ...]:
        """Tokens by the time they were made, of a user or of all."""

    def token(self, digest: str, *, now: datetime) -> tuple[ApiToken, User] | None:
        """A token that is good, and its user; None for any other, or when the user is shut out."""

    def revoke_token(self, token_id: str, *, actor: str, now: datetime) -> ApiToken:
        """Make a token good for nothing.

        Raises:
            NotFoundError: No such token.
        """


class IdentityProvider(Protocol):
    """Vouches for users: OpenID Connect, authorization code flow with PKCE (RFC 7636).

    What one sign-in is recognised by (state, nonce, PKCE verifier) comes out of a secret that the browser
    keeps, so nothing is kept here, and nobody finishes what another browser began.
    """

    @property
    def name(self) -> str:
        """What the button on the sign-in page says."""

    @property
    def issuer(self) -> str:
        """Its URL."""

    def begin(self, secret: str, return_url: str) -> str:
        """Begin a sign-in.

        Args:
            secret: 32 random bytes as text, of the browser, good for one sign-in.
            return_url: Where the provider sends the browser back to.

        Returns:
            Where the browser goes: the authorization endpoint with all its parameters.

        Raises:
            UnavailableError: The provider cannot be reached, or answers what cannot be used.
        """

    def finish(self, answer: Mapping[str, str], secret: str, return_url: str) -> ExternalIdentity:
        """Check what the browser brought back, and fetch what the provider says of the user.

        Args:
            answer: Query parameters of the return.
            secret: Of `begin`, of the same browser.
            return_url: The same as for `begin`.

        Raises:
            SignatureError: The answer is not one to this browser's question, or state, nonce, signature,
                issuer, audience or time do not fit.
            UnavailableError: The provider cannot be reached, or answers what cannot be used.
        """
