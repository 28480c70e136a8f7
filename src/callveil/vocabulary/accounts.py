"""Who uses the pages, and what they may: users, roles, privileges, sessions, tokens for machines."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

_USER_NAME = re.compile(r"[a-z0-9][a-z0-9._@-]{0,63}")


class WebRole(StrEnum):
    """What a user's day is. A user has one or several."""

    REVIEWER = "reviewer"
    """Searches, listens to and corrects redacted calls."""
    OPS = "ops"
    """Looks after the pipeline, tunes retention, places holds."""
    PRIVACY = "privacy"
    """Answers data subjects."""
    ADMIN = "admin"
    """All that roles allow, users and the audit chain too; no privilege."""


class Privilege(StrEnum):
    """What no role brings along."""

    REPLAY_ORIGINAL = "replay-original"
    """Hear sealed originals and quarantined calls."""
    EXPORT = "export"
    """Take a person's calls out of the house."""


class Scope(StrEnum):
    """What an API token is good for, as far as its user may do it too."""

    CALLS_READ = "calls:read"
    """Lists, transcripts, certificates."""
    MEDIA_READ = "media:read"
    """Redacted audio."""
    REVIEWS_WRITE = "reviews:write"
    """Corrections."""
    OPS = "ops"
    """The pipeline, retention, holds."""
    PRIVACY = "privacy"
    """Requests of persons."""
    AUDIT_READ = "audit:read"
    """The audit chain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalIdentity:
    """A user as an identity provider knows them.

    Attributes:
        issuer: URL of the provider (OpenID Connect "iss").
        subject: Who it is there (OpenID Connect "sub"); never changes.
    """

    issuer: str
    subject: str


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Somebody who may sign in.

    Attributes:
        name: 1 to 64 lower-case letters, digits, ".", "_", "-" and "@"; it never changes.
        roles: At least one.
        privileges: Beyond the roles.
        queues: Queues whose calls the user sees; empty for all.
        created_at: Aware UTC.
        disabled_at: When the user was shut out; None while the user may sign in.
        has_password: False for those who come with a token, or through an identity provider, only.
        identity: The user at an identity provider; None when none vouches.
    """

    name: str
    roles: frozenset[WebRole]
    privileges: frozenset[Privilege] = frozenset()
    queues: frozenset[str] = frozenset()
    created_at: datetime
    disabled_at: datetime | None = None
    has_password: bool = False
    identity: ExternalIdentity | None = None

    @property
    def actor(self) -> str:
        """As it stands in the audit chain."""
        return f"user:{self.name}"

    def has_role(self, *roles: WebRole) -> bool:
        """Whether the user has one of these roles, or is an admin."""
        return bool(self.roles & {*roles, WebRole.ADMIN})

    def sees_queue(self, queue: str | None) -> bool:
        """Whether calls of a queue are the user's to see; None for a call without one."""
        return not self.queues or queue in self.queues


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A user who is signed in at a browser.

    Attributes:
        digest: SHA-256 of the cookie's token, 64 hex digits; the token itself is kept nowhere.
        user: Name of the user.
        created_at: When the user signed in, aware UTC.
        seen_at: When the session was used last, to the minute, aware UTC.
    """

    digest: str = field(repr=False)
    user: str
    created_at: datetime
    seen_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionLimits:
    """When a session ends by itself.

    Attributes:
        idle_s: Seconds without use.
        longest_s: Seconds after the sign-in, used or not.
    """

    idle_s: float
    longest_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiToken:
    """What a machine shows instead of a session.

    Attributes:
        token_id: "tok-" and 12 hex digits.
        digest: SHA-256 of the token, 64 hex digits; the token itself is kept nowhere.
        user: Name of the user it acts for.
        label: What it is for, in a few words.
        scopes: What it is good for.
        created_at: Aware UTC.
        expires_at: Aware UTC.
        revoked_at: None while it is good.
        used_at: When it was used last, to the hour; None when it never was.
    """

    token_id: str
    digest: str = field(repr=False)
    user: str
    label: str
    scopes: frozenset[Scope]
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None
    used_at: datetime | None = None


def user_name(given: str) -> str | None:
    """A name as it is known, from what somebody typed; None when nobody can have it.

    Allowed: 1 to 64 letters a to z, digits, ".", "_", "-" and "@", a letter or digit first. Capitals become
    small letters.
    """
    name = given.strip().lower()
    return name if _USER_NAME.fullmatch(name) else None
