"""What the forms of users hold."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from callveil.errors import MetadataError, RefusedError
from callveil.kit import MOST_DAYS
from callveil.vocabulary.accounts import ExternalIdentity, Privilege, Scope, WebRole, user_name
from callveil.web.pages.access import Access

_MOST_QUEUES, _LONGEST_QUEUE, _LONGEST_SUBJECT = 100, 200, 255

ROLE_WORDS = {
    WebRole.REVIEWER: "search, hear and correct redacted calls",
    WebRole.OPS: "the pipeline, retention, holds",
    WebRole.PRIVACY: "persons and what they ask for",
    WebRole.ADMIN: "all of these, users, the audit chain",
}
PRIVILEGE_WORDS = {
    Privilege.REPLAY_ORIGINAL: "hear sealed originals and quarantined calls",
    Privilege.EXPORT: "take a person's calls out of the house",
}
SCOPE_WORDS = {
    Scope.CALLS_READ: "lists, transcripts, certificates",
    Scope.MEDIA_READ: "redacted audio",
    Scope.REVIEWS_WRITE: "corrections",
    Scope.OPS: "the pipeline, retention, holds",
    Scope.PRIVACY: "requests of persons",
    Scope.AUDIT_READ: "the audit chain",
}

Word = TypeVar("Word", bound=StrEnum)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """What a user may, as a form says it.

    Attributes:
        roles: One or more.
        privileges: Beyond the roles.
        queues: Whose calls are seen; empty for all.
    """

    roles: frozenset[WebRole]
    privileges: frozenset[Privilege]
    queues: frozenset[str]


def rights_of(roles: Collection[str], privileges: Collection[str], queues: str) -> Rights:
    """Read them.

    Args:
        roles: Words.
        privileges: Words.
        queues: One a line.

    Raises:
        MetadataError: One of them is not allowed, or there is no role.
    """
    found = frozenset(line.strip() for line in queues.splitlines() if line.strip())
    if len(found) > _MOST_QUEUES or any(len(each) > _LONGEST_QUEUE for each in found):
        raise MetadataError(
            f"queues: allowed: up to {_MOST_QUEUES} names of {_LONGEST_QUEUE} characters at most, one a line"
        )
    rights = Rights(
        roles=words_of(WebRole, roles, "roles"),
        privileges=words_of(Privilege, privileges, "privileges"),
        queues=found,
    )
    if not rights.roles:
        raise MetadataError("roles: choose one or more")
    return rights


def words_of(kind: type[Word], given: Collection[str], field: str) -> frozenset[Word]:
    """Words of a kind.

    Raises:
        MetadataError: One is none.
    """
    try:
        return frozenset(kind(each) for each in given)
    except ValueError:
        raise MetadataError(f"{field}: allowed: {', '.join(kind)}") from None


def name_of(given: str) -> str:
    """The name of a new user.

    Raises:
        MetadataError: Nobody can have it.
    """
    name = user_name(given)
    if name is None or name == "new":
        raise MetadataError(
            'name: allowed: 1 to 64 letters a to z, digits, ".", "_", "-" and "@", a letter or digit first,'
            ' and not "new"'
        )
    return name


def identity_of(subject: str, issuer: str | None) -> ExternalIdentity | None:
    """Who a user is at the identity provider; None when the field is empty.

    Raises:
        MetadataError: It is too long, or there is no provider.
    """
    subject = subject.strip()
    if not subject:
        return None
    if issuer is None:
        raise MetadataError("identity: no identity provider is set up")
    if len(subject) > _LONGEST_SUBJECT or not subject.isprintable():
        raise MetadataError(f"identity: allowed: up to {_LONGEST_SUBJECT} characters")
    return ExternalIdentity(issuer=issuer, subject=subject)


def check_days(days: int) -> None:
    """How long a token is good for.

    Raises:
        MetadataError: It is too long or too short.
    """
    if not 1 <= days <= MOST_DAYS:
        raise MetadataError(f"days: allowed: 1 to {MOST_DAYS}")


def check_other(access: Access, name: str) -> None:
    """Nobody changes here what they themselves may: not by mistake, and not on purpose.

    Raises:
        RefusedError: It is one's own account.
    """
    if access.user.name == name:
        raise RefusedError("this is your own account: another admin must change it")
