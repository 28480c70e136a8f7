"""Hearing what is not redacted: the raw audio of quarantined calls, and sealed originals.

Whoever does says why, once per session and call, and every playing stands in the audit chain before the first
sample is decrypted. The entry itself is the permission: audio is opened only for who, in the session and for
the call that it names, and for some time. So processes that share a ledger need not tell each other anything.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from callveil.adapters.consent_rules import load_consent_rules
from callveil.errors import MetadataError, NotFoundError, RefusedError
from callveil.kit import Office, audio_limits
from callveil.pipeline.landed import landed_audio
from callveil.pipeline.seal import replay_original
from callveil.ports import AudioSource
from callveil.stages.consent_gate import decide_consent
from callveil.vocabulary.consent import Action
from callveil.vocabulary.ledger import AuditEntry, CallState, LedgerCall
from callveil.vocabulary.original import Replay

PLAYED = "original.played"

GOOD_FOR = timedelta(hours=2)
"""Then the audio is asked for anew, which is another entry. The longest calls take that long."""

MOST_REASON = 200
_LEAST_REASON = 5

_IDENTIFYING = re.compile(r"@|(?:\d[\s()./-]*){5}")
"""An address or five digits: the chain keeps the reason for good, so it names nobody."""

_PAGE = 1000


class Raw(StrEnum):
    """What is heard."""

    QUARANTINED = "quarantined"
    """The raw audio of a quarantined call, as far as it is kept; where only an original is left, that."""
    SEALED = "sealed"
    """The sealed original of a published call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """Somebody who may hear it; that they may is for the caller to know.

    Attributes:
        actor: As in the audit chain.
        session: Names their session in the chain: the beginning of its digest.
    """

    actor: str
    session: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Play:
    """A playing that stands in the chain.

    Attributes:
        play_id: "play-" and 16 hex digits.
        call_id: The call.
        raw: What is heard.
        reason: Why, in the listener's words.
        at: When, aware UTC.
    """

    play_id: str
    call_id: str
    raw: Raw
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """Audio that is decrypted, as long as its context lasts.

    Attributes:
        source: It.
        until_s: Nothing behind this second may be heard; None for all of it.
        version: Another one whenever there is other audio, or more or less of it.
    """

    source: AudioSource
    until_s: float | None
    version: str


def check_may_hear(call_id: str, raw: Raw, office: Office) -> LedgerCall:
    """Refuse what nobody may hear.

    Raises:
        NotFoundError: No such call, or no original of it is kept.
        RefusedError: It is not quarantined, or not published; it is restricted; its audio is gone; the time
            of its original has passed.
        LedgerError: The ledger failed.
    """
    found = office.ledger.get(call_id)
    wanted = CallState.QUARANTINED if raw is Raw.QUARANTINED else CallState.PUBLISHED
    if found.state is not wanted:
        raise RefusedError(f"call {call_id}: is {found.state.value}; allowed: {wanted.value}")
    check_not_restricted(call_id, office)
    if _is_landed(found, office):
        return found
    if office.originals is None:
        raise NotFoundError(f"call {call_id}: no original of it is kept")
    if office.originals.store.key(call_id).expires_at <= office.clock.now():
        raise RefusedError(f"call {call_id}: the time of its original has passed")
    return found


def _is_landed(found: LedgerCall, office: Office) -> bool:
    """A quarantined call lies in the landing, but for one that was published: there is its original only."""
    is_quarantined = found.state is CallState.QUARANTINED
    return is_quarantined and found.landing is not None and office.landing is not None


def check_not_restricted(call_id: str, office: Office) -> None:
    """Refuse a call that nobody may use.

    Raises:
        RefusedError: It is restricted.
        LedgerError: The ledger failed.
    """
    if office.books.requests.restriction(call_id) is not None:
        raise RefusedError(f"call {call_id}: is restricted; nobody may use it until that is lifted")


def begin_play(call_id: str, raw: Raw, listener: Listener, office: Office, *, reason: str | None) -> Play:
    """Write into the chain that somebody is about to hear a call.

    Args:
        call_id: The call.
        raw: What is heard.
        listener: Who.
        office: For ledger and places.
        reason: Why; None for what they said before, in this session.

    Raises:
        NotFoundError: See `check_may_hear`.
        RefusedError: See `check_may_hear`.
        MetadataError: The reason is missing, or may name somebody.
        LedgerError: The ledger failed.
    """
    check_may_hear(call_id, raw, office)
    if reason is None or not reason.strip():
        earlier = last_play(call_id, raw, listener, office)
        reason = "" if earlier is None else earlier.reason
    said = " ".join(reason.split())
    if not _LEAST_REASON <= len(said) <= MOST_REASON or not said.isprintable():
        raise MetadataError(f"reason: allowed: {_LEAST_REASON} to {MOST_REASON} characters")
    if _IDENTIFYING.search(said):
        raise MetadataError("reason: allowed: words that name nobody; no e-mail address, no long number")
    play = Play(
        play_id=f"play-{secrets.token_hex(8)}",
        call_id=call_id,
        raw=raw,
        reason=said,
        at=office.clock.now(),
    )
    detail = {"play": play.play_id, "what": raw.value, "reason": said, "session": listener.session}
    office.ledger.note(actor=listener.actor, action=PLAYED, call_id=call_id, detail=detail, now=play.at)
    return play


def last_play(call_id: str, raw: Raw, listener: Listener, office: Office) -> Play | None:
    """The last playing of a call in this session; None when there was none.

    Raises:
        LedgerError: The ledger failed.
    """
    found = None
    for found in _plays(call_id, raw, listener, office):  # noqa: B007  the last one is meant
        pass
    return found


def find_play(play_id: str, call_id: str, raw: Raw, listener: Listener, office: Office) -> Play:
    """A playing that is good still, of this call, by this listener, in this session.

    Raises:
        RefusedError: There is none.
        LedgerError: The ledger failed.
    """
    for play in _plays(call_id, raw, listener, office):
        if play.play_id == play_id and office.clock.now() < play.at + GOOD_FOR:
            return play
    raise RefusedError("Ask to listen again: what was asked for earlier has ended.")


@contextmanager
def opened(play: Play, listener: Listener, office: Office) -> Iterator[Opened]:
    """Open what a playing is of, decrypted in memory; gone when the context ends.

    Raises:
        NotFoundError: See `check_may_hear`.
        RefusedError: See `check_may_hear`.
        AudioError: It cannot be read.
        LandingError: It cannot be read.
        StoreError: The store failed.
        TamperedError: It is not what was written.
    """
    found = check_may_hear(play.call_id, play.raw, office)
    limits = audio_limits(office.config.profile)
    landing, originals = office.landing, office.originals
    if landing is not None and _is_landed(found, office):
        until_s = _kept_until_s(found, office)
        with landed_audio(found, landing, limits) as source:
            yield Opened(source=source, until_s=until_s, version=f"{found.landing} {until_s}")
        return
    if originals is None:
        raise NotFoundError(f"call {play.call_id}: its audio is gone")

    def is_written(_: Replay) -> None:
        find_play(play.play_id, play.call_id, play.raw, listener, office)

    with replay_original(
        play.call_id,
        actor=listener.actor,
        reason=play.reason,
        audit=is_written,
        originals=originals,
        now=office.clock.now(),
        max_duration_s=limits.max_duration_s,
    ) as original:
        key = originals.store.key(play.call_id)
        yield Opened(source=original, until_s=None, version=key.sha256)


def _kept_until_s(found: LedgerCall, office: Office) -> float | None:
    """Second up to which a call in the landing is kept as its consent stands now; None for all of it.

    Raises:
        RefusedError: It may not be kept.
    """
    rules = load_consent_rules(office.config.consent_rules)
    decision = decide_consent(found.call, rules, office.clock.now())
    if decision.action is not Action.KEEP:
        raise RefusedError(f"call {found.call_id}: may not be kept any more, so nobody may hear it")
    return decision.keep_until_s


def _plays(call_id: str, raw: Raw, listener: Listener, office: Office) -> Iterator[Play]:
    """Playings of a call by a listener in their session, oldest first."""
    after = 0
    while entries := office.ledger.history(call_id, after=after, limit=_PAGE):
        yield from (_play(entry) for entry in entries if _is_of(entry, raw, listener))
        after = entries[-1].number


def _is_of(entry: AuditEntry, raw: Raw, listener: Listener) -> bool:
    return (
        entry.action == PLAYED
        and entry.actor == listener.actor
        and entry.detail.get("session") == listener.session
        and entry.detail.get("what") == raw.value
    )


def _play(entry: AuditEntry) -> Play:
    return Play(
        play_id=str(entry.detail["play"]),
        call_id=entry.call_id or "",
        raw=Raw(str(entry.detail["what"])),
        reason=str(entry.detail["reason"]),
        at=entry.at,
    )
