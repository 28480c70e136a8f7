"""Retention carried out on calls: what is due is deleted, and tags and locks follow changed policies."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from callveil.errors import CallveilError, LedgerError, MetadataError, NotFoundError
from callveil.kit import Office
from callveil.pipeline.forget import EVERY_PART, carry_out, finish_removals
from callveil.ports import SweptCall
from callveil.retention.policy import OPEN_STATES, decide
from callveil.retention.simulate import GroupDecider, decide_swept
from callveil.stages.retention_tags import NEVER, call_prefix, locked_until, policy_tags
from callveil.vocabulary.ledger import CallState
from callveil.vocabulary.recording import Part
from callveil.vocabulary.retention import CALL_END, Decision, Fate, KeptPart
from callveil.vocabulary.rights import RemovalWhy, RequestKind

log = logging.getLogger(__name__)

_PAGE = 1000
_MOST_FAILURES = 10
"""Failures in a row after which a sweep stops: a place is gone, not a call."""

_LOCK_TOLERANCE = timedelta(seconds=2)
"""Stores keep whole seconds, rounded up."""

_SHOWN = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A call of which something is due.

    Attributes:
        call_id: The call.
        parts: What is due, in the order of `KeptPart`.
        whole: All that is left of it.
        policy: The policy by which the first of the parts is due.
        reason: Why that part is; one sentence.
    """

    call_id: str
    parts: tuple[KeptPart, ...]
    whole: bool
    policy: str | None
    reason: str


@dataclass(slots=True, kw_only=True)
class Swept:
    """What a sweep found and did.

    Attributes:
        n_calls: Calls it looked at.
        n_due: Calls of which something is due; of a sweep that stopped at its limit, those until there.
        parts: Parts that are due, by policy and part.
        whole: Calls of which all that is left is due.
        due: The first of them, a hundred at most.
        held: Calls under legal hold.
        restricted: Calls that nobody may use.
        erasing: Calls that an open request for erasure is about; they are left to that.
        deleted: Calls of which all that was due is deleted now.
        taken_up: Deletions of earlier runs that are finished now.
        failed: Calls and earlier deletions that failed; they are tried again by the next run.
        more: The limit was reached, or too much failed: more may be due.
    """

    n_calls: int = 0
    n_due: int = 0
    parts: Counter[tuple[str, KeptPart]] = field(default_factory=Counter)
    whole: int = 0
    due: list[Due] = field(default_factory=list)
    held: int = 0
    restricted: int = 0
    erasing: int = 0
    deleted: int = 0
    taken_up: int = 0
    failed: int = 0
    more: bool = False


def sweep(office: Office, *, at: datetime, limit: int, actor: str, dry_run: bool) -> Swept:
    """Delete what is due, call by call. It can be killed anywhere: the next run goes on.

    Args:
        office: Every place.
        at: What is over by then is due, aware UTC.
        limit: Calls that are deleted at most.
        actor: As in the audit chain.
        dry_run: Only tell.

    Raises:
        LedgerError: The ledger failed.
    """
    found = Swept()
    if not dry_run:
        now = office.clock.now()
        detail: dict[str, str | int | None] = {"at": at.date().isoformat(), "limit": limit}
        office.ledger.note(actor=actor, action="retention.sweep", call_id=None, detail=detail, now=now)
        found.taken_up, found.failed = _take_up(office, actor)
    failures, decider = 0, GroupDecider(office.policies, at)
    for swept in _calls(office):
        found.n_calls += 1
        if not _is_singled_out(swept) and decider.is_surely_early(swept.facts):
            continue
        due = _look(swept, office, at, found)
        if due is None or dry_run:
            continue
        if _delete(due, office, at, actor, found):
            failures = 0
        else:
            failures += 1
        if found.n_due >= limit or failures >= _MOST_FAILURES:
            found.more = True
            break
    return found


def look(swept: SweptCall, office: Office, at: datetime) -> Decision:
    """What is decided of a call by all that stands."""
    return decide_swept(swept, office.policies, at)


def note_event(call_id: str, name: str, at: datetime, office: Office, *, actor: str) -> None:
    """Write down that an event which policies count from has come for a call; a second time moves it.

    Args:
        call_id: The call.
        name: Of the event.
        at: When it came, aware UTC.
        office: For policies and ledger.
        actor: As in the audit chain.

    Raises:
        MetadataError: No policy counts from that event.
        NotFoundError: No such call.
    """
    known = sorted({policy.since for policy in office.policies} - {CALL_END})
    if name not in known:
        allowed = ", ".join(known) or "none: no policy counts from an event"
        raise MetadataError(f"name: no policy counts from that event; allowed: {allowed}")
    office.books.removals.note_event(call_id, name, at, actor=actor, now=office.clock.now())


def original_may_go(call_id: str, office: Office, at: datetime) -> bool:
    """Whether the sealed original of a call whose date has passed may be deleted, as all that stands says.

    Raises:
        LedgerError: The ledger failed.
    """
    try:
        decision = look(office.books.removals.swept(call_id), office, at)
    except NotFoundError:
        return True  # it is nobody's
    return all(part.fate is Fate.DELETE for part in decision.parts if part.part is KeptPart.ORIGINAL)


def _calls(office: Office, after: str | None = None) -> Iterator[SweptCall]:
    while page := office.books.removals.calls(after=after, limit=_PAGE):
        yield from page
        after = page[-1].facts.call_id


def _take_up(office: Office, actor: str) -> tuple[int, int]:
    done = 0
    while True:
        finished, failed = finish_removals(office, actor=actor)
        done += finished
        if not finished:
            return done, failed


def _is_singled_out(swept: SweptCall) -> bool:
    return bool(swept.holds or swept.requests or swept.restricted is not None or swept.facts.events)


def _look(swept: SweptCall, office: Office, at: datetime, found: Swept) -> Due | None:
    """Decide about a call and count it; what is due of it, or None."""
    decision = look(swept, office, at)
    found.held += any(hold.released_at is None or hold.released_at > at for hold in swept.holds)
    found.restricted += decision.fate is Fate.RESTRICT
    if any(
        request.kind is RequestKind.ERASURE and request.state in OPEN_STATES for request in swept.requests
    ):
        found.erasing += 1
        return None
    parts = [part for part in decision.parts if part.fate is Fate.DELETE]
    if not parts:
        return None
    due = Due(
        call_id=swept.facts.call_id,
        parts=tuple(part.part for part in parts),
        whole=len(parts) == len(decision.parts),
        policy=parts[0].policy,
        reason=parts[0].reason,
    )
    found.n_due += 1
    found.whole += due.whole
    found.parts.update((part.policy or "none", part.part) for part in parts)
    if len(found.due) < _SHOWN:
        found.due.append(due)
    return due


def _delete(due: Due, office: Office, at: datetime, actor: str, found: Swept) -> bool:
    """Delete what is due of a call; False when that failed."""
    now = office.clock.now()
    as_of = f" Decided as of {at:%Y-%m-%d}." if at > now else ""
    try:
        removal = office.books.removals.decide(
            due.call_id,
            prefix=call_prefix(office.ledger.get(due.call_id).call),
            parts=EVERY_PART if due.whole else frozenset(due.parts),
            why=RemovalWhy.RETENTION,
            reason=due.reason + as_of,
            request_id=None,
            actor=actor,
            now=now,
        )
        carry_out(removal, office, actor=actor)
    except LedgerError:
        raise
    except CallveilError as error:
        found.failed += 1
        log.error("a call that is due is not deleted", extra={"call_id": due.call_id, "error": error.code})
        return False
    found.deleted += 1
    return True


@dataclass(slots=True, kw_only=True)
class Applied:
    """What applying the policies to calls that are published already changed, or would change.

    Attributes:
        n_calls: Published calls that were looked at.
        changed: Calls of which something changed.
        tags: Calls with other tags.
        longer: Calls that are locked longer.
        shorter: Calls that are locked shorter.
        originals: Calls whose sealed original is kept for another time.
        missing: Calls that the store does not have.
        failed: Calls that could not be changed.
        next_after: Where the next run goes on; None when all calls were looked at.
    """

    n_calls: int = 0
    changed: int = 0
    tags: int = 0
    longer: int = 0
    shorter: int = 0
    originals: int = 0
    missing: int = 0
    failed: int = 0
    next_after: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Change:
    """What has to change on a call; None and empty for what stays."""

    tags: dict[str, str]
    locked_until: datetime | None
    is_longer: bool
    original_until: datetime | None

    def __bool__(self) -> bool:
        return bool(self.tags or self.locked_until or self.original_until)


def apply_policies(
    office: Office, *, actor: str, dry_run: bool, after: str | None = None, limit: int | None = None
) -> Applied:
    """Bring tags, lock dates and dates of sealed originals of published calls to what the policies say now.

    Args:
        office: Every place.
        actor: As in the audit chain.
        dry_run: Only tell.
        after: Only calls behind this one, by id.
        limit: Published calls that are looked at, at most; None for all.

    Raises:
        LedgerError: The ledger failed.
    """
    found = Applied()
    for swept in _calls(office, after):
        if found.n_calls == limit:
            found.next_after = after
            break
        after = swept.facts.call_id
        if swept.facts.traits.outcome != CallState.PUBLISHED.value:
            continue
        found.n_calls += 1
        try:
            _apply(swept, office, actor, found, dry_run)
        except NotFoundError:
            found.missing += 1
        except LedgerError:
            raise
        except CallveilError as error:
            found.failed += 1
            log.error(
                "policies cannot be applied to a call",
                extra={"call_id": swept.facts.call_id, "error": error.code},
            )
    return found


def _apply(swept: SweptCall, office: Office, actor: str, found: Applied, dry_run: bool) -> None:
    call_id = swept.facts.call_id
    prefix = call_prefix(office.ledger.get(call_id).call)
    change = _change(swept, prefix, office)
    if not change:
        return
    if not dry_run:
        detail = {
            "policy": change.tags.get("callveil-retention"),
            "expires": change.tags.get("callveil-expires"),
        }
        office.ledger.note(
            actor=actor, action="retention.applied", call_id=call_id, detail=detail, now=office.clock.now()
        )
        _carry(change, call_id, prefix, office)
    found.changed += 1
    found.tags += bool(change.tags)
    found.originals += change.original_until is not None
    if change.locked_until is not None:
        found.longer += change.is_longer
        found.shorter += not change.is_longer


def _change(swept: SweptCall, prefix: str, office: Office) -> _Change:
    now = office.clock.now()
    by_policies = decide(swept.facts, office.policies, (), (), now)
    wanted, there = policy_tags(by_policies), office.store.tags(prefix + Part.CERTIFICATE.value)
    lock, until = office.store.retention(prefix), locked_until(by_policies)
    if office.config.profile.store.lock != "governance" or until is None or until <= now:
        until = None  # what is due may go whatever lock there is
    elif lock is not None and abs(lock - until) <= _LOCK_TOLERANCE:
        until = None
    return _Change(
        tags={name: value for name, value in wanted.items() if there.get(name) != value},
        locked_until=until,
        is_longer=until is not None and (lock is None or until > lock),
        original_until=_original_until(look(swept, office, now), swept.facts.call_id, office),
    )


def _original_until(decision: Decision, call_id: str, office: Office) -> datetime | None:
    """The date of a sealed original, where it has another one; a hold keeps it open."""
    part = next((part for part in decision.parts if part.part is KeptPart.ORIGINAL), None)
    if part is None or office.originals is None:
        return None
    try:
        there = office.originals.store.key(call_id).expires_at
    except NotFoundError:
        return None
    until = part.until or NEVER
    return until if until != there else None


def _carry(change: _Change, call_id: str, prefix: str, office: Office) -> None:
    if change.tags:
        office.store.set_tags(prefix, change.tags)
    if change.locked_until is not None:
        office.store.set_retention(prefix, change.locked_until)
    if change.original_until is not None and office.originals is not None:
        key = office.originals.store.key(call_id)
        office.originals.store.replace_key(call_id, replace(key, expires_at=change.original_until))
