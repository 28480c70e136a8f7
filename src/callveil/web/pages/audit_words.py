"""What entries of the audit chain are called, for people who are not engineers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from callveil.vocabulary.ledger import AuditEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Actions that people ask for together.

    Attributes:
        key: As it stands in addresses.
        title: What it is called.
        words: Action to what somebody did, "signed in".
    """

    key: str
    title: str
    words: Mapping[str, str]


def _group(key: str, title: str, **words: str) -> Group:
    return Group(
        key=key, title=title, words=MappingProxyType({_dotted(name): text for name, text in words.items()})
    )


def _dotted(name: str) -> str:
    return name.replace("__", ".")


GROUPS = (
    _group(
        "seen",
        "Looked at or listened to",
        call__viewed="looked at a call",
        call__played="played a redacted recording",
        call__waveform="saw the outline of a recording",
        original__played="listened to an original",
        original__replayed="listened to an original",
        original__opened="opened an original to correct a call",
        quarantine__viewed="looked at a call in quarantine",
        quarantine__played="listened to a call in quarantine",
        calls__searched="looked for words in transcripts",
        restricted__read="read a restricted call",
        office__read="read from the office's API",
        retention__read="read how long a call is kept",
    ),
    _group(
        "reviews",
        "Corrections and quarantine",
        review__given="reported something about a masked call",
        review__confirmed="confirmed a report",
        review__done="carried out a correction",
        review__refused="turned down a report",
        original__silenced="masked more of an original",
        quarantine__released="masked and released a call",
        quarantine__discarded="discarded a call in quarantine",
        proposal__made="proposed something for a second person",
        proposal__approved="approved a proposal",
        proposal__rejected="rejected a proposal",
    ),
    _group(
        "persons",
        "Persons and what they ask for",
        subject__searched="looked for a person",
        subject__exported="exported a person's calls",
        subject__linked="looked for what else a person is known by",
        subject__rekeyed="renewed the keys that persons are found by",
        export__previewed="looked at what an export would hold",
        export__fetched="fetched an export",
        export__deleted="deleted an export",
        erasure__previewed="looked at what an erasure would do",
        erasure__checked="checked the proof of an erasure",
        request__opened="opened a request",
        request__changed="changed a request",
        request__item="dealt with a call of a request",
        call__restricted="restricted a call",
        call__unrestricted="lifted a restriction",
        consent__recorded="recorded an answer about consent",
        consent__receipt="made a receipt about consent",
        notice__owed="owes a recipient a notice",
        notice__changed="a notice to a recipient went on",
        breach__reported="reported a breach",
    ),
    _group(
        "retention",
        "Retention, holds, deletion",
        hold__placed="placed a legal hold",
        hold__released="released a legal hold",
        retention__policies="changed the retention policies",
        retention__apply="applied the retention policies",
        retention__applied="applied the retention policies to a call",
        retention__run_begun="began to apply the retention policies",
        retention__run_done="applied the retention policies",
        retention__sweep="deleted what was due",
        removal__decided="decided to delete from a call",
        removal__finished="deleted from a call",
        original__expired="deleted an original whose time had passed",
        call__event="noted an event that retention counts from",
    ),
    _group(
        "accounts",
        "Users and signing in",
        user__signed_in="signed in",
        user__signed_out="signed out",
        user__sign_in_failed="failed to sign in",
        user__added="entered a user",
        user__changed="changed what a user may do",
        user__disabled="shut a user out",
        user__enabled="let a user in again",
        user__password="changed a password",  # noqa: S106  no password
        user__identity="changed who vouches for a user",
        token__added="made an access token",  # noqa: S106  no token
        token__revoked="revoked an access token",  # noqa: S106  no token
        access__refused="tried what they may not",
        audit__checked="checked the audit chain",
        audit__exported="exported from the audit chain",
    ),
    _group(
        "calls",
        "Calls on their way",
        call__received="took a call in",
        call__arrived="took in the end of a live call",
        call__held="holds a call until consent is known",
        call__kept="decided that a call may be kept",
        call__retried="failed for now, and tries again",
        call__returned="sent a call back to be decided anew",
        call__published="published a redacted call",
        call__quarantined="put a call into quarantine",
        call__discarded="discarded a call",
        call__failed="gave up on a call",
        call__replayed="sent a call through once more",
        call__shredded="shredded the raw audio of a call",
        call__reemitted="sent word of a call once more",
        call__hold_ended="a call waited for consent long enough",
        call__lease_ended="a worker that had a call is gone",
        call__enlisted="is about to process a call",
        call__recorded="processed a call",
    ),
)
"""Every action that pages know. Others are shown as they stand in the chain."""

_WORDS = {action: words for group in GROUPS for action, words in group.words.items()}
_GROUPS = {group.key: group for group in GROUPS}

_ACTORS = {
    "user": "",
    "token": "Access token",
    "key": "API key",
    "worker": "Worker",
    "cli": "Command line",
    "recipient": "Recipient",
}

_DETAILS = {
    "reason": "Reason",
    "authority": "Authority",
    "calls": "Calls",
    "page": "Page",
    "method": "Method",
    "roles": "Roles",
    "queues": "Queues",
    "privileges": "Privileges",
    "user": "User",
    "address": "Address",
    "entries": "Entries",
    "first_broken": "Broken at",
    "intact": "Holds",
    "hold": "Hold",
    "hold_id": "Hold",
    "request": "Request",
    "request_id": "Request",
    "state": "State",
    "format": "Format",
    "filters": "Filters",
}
"""What is told of a detail without opening the entry."""


def action_words(action: str) -> str:
    """What somebody did; the action itself when it is not known."""
    return _WORDS.get(action, action)


def actor_words(actor: str) -> tuple[str, str]:
    """What kind of actor it is, empty for a person, and its name."""
    kind, separator, name = actor.partition(":")
    if not separator or kind not in _ACTORS:
        return ("Service", actor)
    return (_ACTORS[kind], name)


def detail_words(entry: AuditEntry) -> tuple[tuple[str, str], ...]:
    """The details that say something to people: what it is, and its value."""
    told = ((_DETAILS[name], _plain(value)) for name, value in entry.detail.items() if name in _DETAILS)
    # Of what somebody does to themselves the name stands in the line already.
    own = entry.actor.partition(":")[2]
    return tuple(each for each in told if each[1] not in ("", "[]") and each != (_DETAILS["user"], own))


def actions_of(what: str) -> frozenset[str]:
    """The actions that "what" of an address stands for: a group's, or one; empty for all."""
    if not what:
        return frozenset()
    return frozenset(_GROUPS[what].words) if what in _GROUPS else frozenset({what})


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)
