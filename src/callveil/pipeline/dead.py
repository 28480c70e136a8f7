"""Calls that were tried in vain, and sending them through once more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from callveil.errors import NotFoundError, RefusedError
from callveil.ports import Clock, Ledger
from callveil.vocabulary.ledger import CallState, LedgerCall

DEAD = (CallState.FAILED, CallState.QUARANTINED)

_PAGE = 500


@dataclass(slots=True, kw_only=True)
class Replayed:
    """What came of sending calls back to the consent gate.

    Attributes:
        done: How many were sent.
        refused: Call id to why, of the others.
    """

    done: int = 0
    refused: dict[str, str] = field(default_factory=dict)


def dead_calls(ledger: Ledger, *states: CallState) -> Iterator[LedgerCall]:
    """Failed and quarantined calls by id, or those in some of these states; in little memory."""
    for state in states or DEAD:
        after: str | None = None
        while page := ledger.calls(state=state, after=after, limit=_PAGE):
            yield from page
            after = page[-1].call_id


def replay_calls(call_ids: Iterable[str], ledger: Ledger, clock: Clock, *, actor: str) -> Replayed:
    """Send calls back to the consent gate, to be tried again.

    Args:
        call_ids: Which.
        ledger: Knows them.
        clock: Tells the time.
        actor: As in the audit chain.

    Raises:
        NotFoundError: One of them is not there; those before it are sent.
        LedgerError: The ledger failed.
    """
    found = Replayed()
    for call_id in call_ids:
        try:
            ledger.replay(call_id, actor=actor, now=clock.now())
        except RefusedError as error:
            found.refused[call_id] = str(error)
        else:
            found.done += 1
    return found


def failed_for(ledger: Ledger, error_code: str | None, within: frozenset[str] | None) -> Iterator[str]:
    """Ids of failed calls, of one family of errors where that is given, and of some queues."""
    for call in dead_calls(ledger, CallState.FAILED):
        if error_code is not None and call.error_code != error_code:
            continue
        if within is None or call.call.queue in within:
            yield call.call_id


def of_queues(call_ids: Iterable[str], ledger: Ledger, within: frozenset[str] | None) -> Iterator[str]:
    """The same ids, once each, if somebody may see them.

    Raises:
        NotFoundError: One of them is not there, or not to be seen.
    """
    for call_id in dict.fromkeys(call_ids):
        if not ledger.search.may_see(call_id, within=within):
            raise NotFoundError("there is no such call")
        yield call_id
