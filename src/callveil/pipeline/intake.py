"""How a recording that arrived whole becomes a call of the ledger; the same for a push and for a drop."""

from __future__ import annotations

from callveil.kit import Service
from callveil.ports import LandingWriter
from callveil.rights.identifiers import identities_of
from callveil.vocabulary.call import Call
from callveil.vocabulary.ledger import CallState, LedgerCall, NewCall

_BUSY = (CallState.RECEIVED, CallState.KEPT, CallState.PROCESSING)


def take_in(
    call: Call,
    writer: LandingWriter,
    service: Service,
    *,
    source: str,
    actor: str,
    idempotency_key: str | None = None,
) -> tuple[LedgerCall, bool]:
    """Close a recording in the landing and have the ledger accept its call.

    Whatever happens, no recording stays in the landing that is known to belong to no call.

    Args:
        call: Its metadata.
        writer: All of the audio was written to it.
        service: Ledger and landing.
        source: As in `NewCall`.
        actor: As in the audit chain.
        idempotency_key: As the client gave it.

    Returns:
        The call, and True when it is new; see `Ledger.accept`.

    Raises:
        RefusedError: The id, or the idempotency key, stands for another recording or another call.
        LandingError: The recording cannot be closed.
        LedgerError: The ledger failed; it may have accepted the call all the same.
    """
    landed = writer.finish()
    new = NewCall(
        call=call,
        landing=landed.token,
        source=source,
        content_sha256=landed.sha256,
        n_bytes=landed.n_bytes,
        idempotency_key=idempotency_key,
        identities=identities_of(call, service.hasher),
    )
    try:
        accepted, created = service.ledger.accept(new, actor=actor, now=service.clock.now())
    except Exception:
        # A ledger that failed may have committed; reconcile shreds what belongs to no call.
        if not _may_be_known(landed.token, service):
            service.landing.shred(landed.token)
        raise
    if not created:
        service.landing.shred(landed.token)
    return accepted, created


def waiting_calls(service: Service) -> int:
    """How many calls wait for a worker, or are with one.

    Raises:
        LedgerError: The ledger failed.
    """
    by_state = service.ledger.counts(now=service.clock.now()).by_state
    return sum(by_state.get(state, 0) for state in _BUSY)


def _may_be_known(token: str, service: Service) -> bool:
    try:
        return token in service.ledger.known_landings([token])
    except Exception:  # noqa: BLE001  then nobody knows, and audio of an accepted call must not be lost
        return True
