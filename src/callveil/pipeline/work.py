"""One claimed call of the service, from the landing to its settlement in the ledger."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from callveil.errors import CallveilError, LeaseLostError, LedgerError
from callveil.kit import Kit, Office, Service, audio_limits
from callveil.pipeline.gate import decide, is_held
from callveil.pipeline.holds import mark_published
from callveil.pipeline.landed import landed_audio
from callveil.pipeline.lease import Lease
from callveil.pipeline.listen import OnProgress
from callveil.pipeline.record_call import record_call
from callveil.pipeline.seal import erase_original
from callveil.ports import AudioSource
from callveil.stages.retention_tags import call_prefix
from callveil.vocabulary.ledger import CallState, Claim, LedgerCall, Settlement
from callveil.vocabulary.proof import VerifyResult
from callveil.vocabulary.recording import Outcome, State

log = logging.getLogger(__name__)

MOST_ATTEMPTS: Mapping[str, int] = {"engine": 3, "model": 3, "internal": 3, "config": 3}
"""By family of the error, when another attempt may help: an engine may have run out of memory."""

MOST_OUTAGE_ATTEMPTS = 1000
"""For what is not permanent (store, ledger, landing): with a minute between two, most of a day."""

MOST_LOST_WORKERS = 10
"""A call under which so many workers died without a word is itself the cause."""

_SETTLE_TRIES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a worker tells of one call, for metrics and logs. Never content.

    Attributes:
        call_id: The call.
        state: Its new state.
        error_code: Family of the error, if there was one.
        redacted: False when only the gate decided.
        heard_s: Seconds of audio redacted.
        timings_s: Seconds of wall time per step.
        masked_s: Masked seconds by kind.
        leak: True when verify found personal data that could not be masked.
        arrived_at: When the call had arrived whole, aware UTC.
        corrected: What was published is another version now, because of a review.
    """

    call_id: str
    state: CallState
    error_code: str | None = None
    redacted: bool = False
    heard_s: float = 0.0
    timings_s: Mapping[str, float] = field(default_factory=dict)
    masked_s: Mapping[str, float] = field(default_factory=dict)
    leak: bool = False
    arrived_at: datetime | None = None
    corrected: bool = False


def decide_call(call_id: str, service: Service, owner: str) -> Report | None:
    """Let the consent gate decide about a RECEIVED call; None when there is nothing to decide now."""
    return _work(
        call_id, service, owner, {CallState.RECEIVED: lambda lease: (decide(lease.claim, service), None)}
    )


def redact_call(
    call_id: str, service: Service, kit: Kit, owner: str, on_progress: OnProgress = lambda _: None
) -> Report | None:
    """Redact a KEPT call and publish it; None when there is nothing to redact now.

    Args:
        call_id: The call.
        service: Ledger, landing, store.
        kit: Engines.
        owner: Name of this worker.
        on_progress: Told the seconds of the call heard so far.
    """

    def redact(lease: Lease) -> tuple[Settlement, Outcome | None]:
        return _redact(lease, service, kit, on_progress)

    return _work(call_id, service, owner, {CallState.PROCESSING: redact})


def _work(
    call_id: str,
    service: Service,
    owner: str,
    steps: Mapping[CallState, Callable[[Lease], tuple[Settlement, Outcome | None]]],
) -> Report | None:
    ledger, clock, lease_s = service.ledger, service.clock, service.settings.lease_s
    claim = ledger.claim(call_id, owner=owner, states=tuple(steps), lease_s=lease_s, now=clock.now())
    if claim is None:
        return None
    outcome: Outcome | None = None
    with Lease(claim, ledger, clock, lease_s) as lease:
        try:
            settlement, outcome = steps[claim.found.state](lease)
        except LeaseLostError:
            _give_way(claim, service)
            return None
        except CallveilError as error:
            settlement = after_failure(claim, error, service)
        except Exception as error:  # noqa: BLE001  the border of one call: the next one must still run
            # The text of an unknown error may quote the call, so only its kind is kept.
            settlement = after_failure(claim, _Internal(type(error).__name__), service)
        if settlement.state is CallState.PUBLISHED and settlement.prefix is not None:
            mark_published(call_id, settlement.prefix, service.books, service.store)
        try:
            after = _settle(claim, settlement, service)
        except LeaseLostError:
            if settlement.state is CallState.PUBLISHED and settlement.prefix is not None:
                take_back(call_id, settlement.prefix, service)
            return None
    shred_if_done(after, service, actor=f"worker:{owner}")
    return _report(after, outcome)


class _Internal(CallveilError):
    code = "internal"


def _redact(
    lease: Lease, service: Service, kit: Kit, on_progress: OnProgress
) -> tuple[Settlement, Outcome | None]:
    found = lease.claim.found
    if found.attempts > MOST_LOST_WORKERS:
        n_lost = service.ledger.failures(found.call_id).get("worker_lost", 0)
        if n_lost >= MOST_LOST_WORKERS:
            reason = f"{n_lost} workers died while they redacted it"
            return Settlement(state=CallState.FAILED, reason=reason, error_code="worker_lost"), None
    with _recording(found, service) as recording:
        outcome = record_call(
            found.call,
            recording,
            kit,
            input_sha256=lambda: _content_sha256(found, service),
            arriving=found.arrived_at is None,
            missed=service.books.reviews.missed(found.call_id),
            vouched=service.books.reviews.vouched(found.call_id),
            before_publish=lease.check,
            on_progress=on_progress,
        )
    return settlement_of(outcome), outcome


@contextmanager
def _recording(found: LedgerCall, service: Service) -> Iterator[AudioSource]:
    if found.landing is None:
        raise LeaseLostError("its audio is gone")
    follow = None if found.stream is None or found.arrived_at else _Arriving(found.call_id, service)
    limits = audio_limits(service.config.profile)
    with landed_audio(found, service.landing, limits, follow=follow) as recording:
        yield recording


class _Arriving:
    """True while a live call still arrives; asks the ledger once a second at most."""

    def __init__(self, call_id: str, service: Service) -> None:
        self._call_id, self._service = call_id, service
        self._asked = 0.0

    def __call__(self) -> bool:
        now = time.monotonic()
        if now - self._asked < 1.0:
            return True
        self._asked = now
        return self._service.ledger.get(self._call_id).arrived_at is None


def _content_sha256(found: LedgerCall, service: Service) -> str:
    """Of a live call it stands in the ledger once it has ended, moments after its last sample was read."""
    sha256 = found.content_sha256
    while sha256 is None:
        sha256 = service.ledger.get(found.call_id).content_sha256
        if sha256 is None:
            time.sleep(0.1)
    return sha256


def settlement_of(outcome: Outcome) -> Settlement:
    """What an outcome of `record_call` means for the ledger."""
    decision = outcome.decision
    masked_s: dict[str, float] = {}
    for span in outcome.masked:
        kind = span.entity.value
        masked_s[kind] = round(masked_s.get(kind, 0.0) + span.end_s - span.start_s, 3)
    state = {
        State.PUBLISHED: CallState.PUBLISHED,
        State.SKIPPED: CallState.PUBLISHED,
        State.HELD: CallState.HELD,
        State.DISCARDED: CallState.DISCARDED,
        State.QUARANTINED: CallState.QUARANTINED,
    }[outcome.state]
    reason = decision.reason if decision and state in (CallState.HELD, CallState.DISCARDED) else ""
    if state is CallState.QUARANTINED and outcome.verification is not None:
        reason = outcome.verification.reason
    return Settlement(
        state=state,
        reason=reason,
        hold_until=decision.hold_until if decision else None,
        prefix=outcome.prefix,
        keep_until_s=decision.keep_until_s if decision else None,
        duration_s=outcome.duration_s or None,
        masked_s=masked_s,
        turns=outcome.turns,
    )


def after_failure(claim: Claim, error: CallveilError, service: Service) -> Settlement:
    """Try again later, or give up: by the family of the error and how often it came before.

    Attempts that ended otherwise do not count: an engine that fails once after an outage of the store has
    failed once.
    """
    found = claim.found
    most = MOST_ATTEMPTS.get(error.code, 1 if error.is_permanent else MOST_OUTAGE_ATTEMPTS)
    if found.attempts >= most and (
        most == 1 or 1 + service.ledger.failures(found.call_id).get(error.code, 0) >= most
    ):
        return Settlement(state=CallState.FAILED, reason=str(error), error_code=error.code)
    back = CallState.RECEIVED if found.state is CallState.RECEIVED else CallState.KEPT
    settings = service.settings
    wait_s = min(settings.retry_first_s * 2 ** min(found.attempts, 16), settings.retry_longest_s)
    return Settlement(
        state=back,
        reason=str(error),
        error_code=error.code,
        not_before=service.clock.now() + timedelta(seconds=wait_s),
    )


def _settle(claim: Claim, settlement: Settlement, service: Service) -> LedgerCall:
    """Write the settlement down, over a short outage of the ledger; a longer one ends the lease."""
    for left in reversed(range(_SETTLE_TRIES)):
        try:
            return service.ledger.settle(claim, settlement, now=service.clock.now())
        except LedgerError:
            if not left:
                raise
            time.sleep(0.5)
    raise LedgerError("ledger: unreachable")


def _give_way(claim: Claim, service: Service) -> None:
    """The work was in vain; when the claim still stands, the call is owed to the next worker at once."""
    try:
        _settle(claim, Settlement(state=CallState.KEPT), service)
    except (LeaseLostError, LedgerError, ValueError):
        return


def take_back(call_id: str, prefix: str, service: Service | Office) -> None:
    """Delete what was published too late: the call was discarded or erased after this worker had last asked.

    So it goes with a worker that stood still in between. Where the call is in another state, whoever decides
    about it next finds the recording and takes it over, or deletes it.

    Args:
        call_id: The call.
        prefix: Folder of what was published.
        service: Every place.
    """
    try:
        state = service.ledger.get(call_id).state
        if state is CallState.ERASED or (state is CallState.DISCARDED and not is_held(call_id, service)):
            service.store.delete_call(prefix, bypass_governance=True)
            erase_original(call_id, service.originals)
            log.warning("a call that was given up meanwhile is deleted", extra={"call_id": call_id})
    except CallveilError as error:
        log.error("a call that was given up is published", extra={"call_id": call_id, "error": error.code})


def shred_if_done(found: LedgerCall, service: Service, *, actor: str) -> bool:
    """Shred the audio of a call that is published or discarded; True when it is gone.

    An outage is left to `reconcile`. Of a discarded call under legal hold it stays, encrypted, until the hold
    ends; what a hold kept of it elsewhere goes then too.
    """
    if found.state not in (CallState.PUBLISHED, CallState.DISCARDED) or found.landing is None:
        return False
    if found.arrived_at is None:
        return False  # its receiver still writes; it shreds what it has when it ends
    try:
        if found.state is CallState.DISCARDED:
            if is_held(found.call_id, service):
                return False
            service.store.delete_call(call_prefix(found.call), bypass_governance=True)
            erase_original(found.call_id, service.originals)
        service.landing.shred(found.landing)
        service.ledger.shredded(found.call_id, actor=actor, now=service.clock.now())
    except CallveilError:
        return False
    return True


def _report(found: LedgerCall, outcome: Outcome | None) -> Report:
    return Report(
        call_id=found.call_id,
        state=found.state,
        error_code=found.error_code,
        redacted=outcome is not None,
        heard_s=outcome.duration_s if outcome else 0.0,
        timings_s=dict(outcome.timings_s) if outcome else {},
        masked_s=dict(found.masked_s) if outcome else {},
        leak=bool(outcome and outcome.verification and outcome.verification.result is not VerifyResult.CLEAN),
        arrived_at=found.arrived_at,
    )
