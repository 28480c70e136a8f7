"""What retention looks at of a call, out of its metadata."""

from __future__ import annotations

from datetime import timedelta

from callveil.vocabulary.call import Call
from callveil.vocabulary.consent import Flag
from callveil.vocabulary.retention import CallFacts, CallTraits

_AGAINST = frozenset({Flag.DENIED, Flag.WITHDRAWN})


def call_traits(call: Call, outcome: str) -> CallTraits:
    """Traits of a call.

    Args:
        call: Its metadata.
        outcome: State of the call in the ledger.
    """
    against = {record.purpose for record in call.consent if record.flag in _AGAINST}
    granted = {record.purpose for record in call.consent if record.allows}
    return CallTraits(
        outcome=outcome,
        queue=call.queue,
        direction=call.direction.value,
        jurisdictions=frozenset(party.jurisdiction for party in call.parties if party.jurisdiction),
        purposes=frozenset(purpose.value for purpose in granted - against),
        tags=frozenset(call.tags),
    )


def call_facts(call: Call, outcome: str, duration_s: float) -> CallFacts:
    """A call for which nothing has happened since its end.

    Args:
        call: Its metadata.
        outcome: State of the call in the ledger.
        duration_s: Length of what is kept, in seconds.
    """
    ended_at = call.started_at + timedelta(seconds=duration_s)
    return CallFacts(call_id=call.call_id, traits=call_traits(call, outcome), ended_at=ended_at)
