"""Look for what is owed and seems to be lost: events, leases, half-arrived calls, audio that must go."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from itertools import islice

from callveil.errors import CallveilError, NotFoundError
from callveil.kit import Office, Service, office_of
from callveil.pipeline import erasure
from callveil.pipeline.comeback import ErasedWalk
from callveil.pipeline.reindex import reindex
from callveil.pipeline.work import shred_if_done
from callveil.vocabulary.ledger import LedgerCall

log = logging.getLogger(__name__)

ACTOR = "reconcile"

SILENT_ARRIVAL_S = 30.0
"""A receiver says every five seconds that a live call still arrives."""

EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
"""SHA-256 of nothing (FIPS 180-4)."""

_PAGE = 500
_INDEXED = 50
"""Transcripts that one look takes into the index; `callveil search reindex` takes all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciled:
    """What one look found and mended.

    Attributes:
        reemitted: Calls whose event is owed again.
        cut_off: Live calls whose receiver had died; what had arrived is kept and marked incomplete.
        shredded: Recordings in the landing of calls that are done.
        orphans: Recordings in the landing that belong to no call.
        removals: Deletions that were decided, and are finished now, and erased calls that had come back.
        requests: Requests of persons that were carried on.
        holds: Calls whose legal hold in the store is as it should be again.
        receipts: Recipients' receipts that came.
        late: Notices whose receipt is overdue.
        indexed: Published calls whose transcript is searched now.
        reviews: Calls whose reviews a worker is told of again.
        failed: Deletions, requests and holds that could not be finished now; they are taken up again.
    """

    reemitted: int
    cut_off: int
    shredded: int
    orphans: int
    removals: int = 0
    requests: int = 0
    holds: int = 0
    receipts: int = 0
    late: int = 0
    indexed: int = 0
    reviews: int = 0
    failed: int = 0

    @property
    def numbers(self) -> dict[str, int]:
        """All of it by name, for logs and `--json` output."""
        return asdict(self)


def reconcile(service: Service, walk: ErasedWalk | None = None) -> Reconciled:
    """Look once.

    Args:
        service: Every part of it.
        walk: Goes through the erased calls, a page each time; None to look at all of them now.

    Raises:
        LedgerError: The ledger failed.
        LandingError: The landing failed.
    """
    now = service.clock.now()
    cut_off = sum(_close(call, service) for call in _silent(service))
    grace_s = service.settings.reemit_after_s
    reemitted = service.ledger.reemit(grace_s=grace_s, now=now)
    reviews = service.books.reviews.reemit(grace_s=grace_s, now=now)
    shredded = sum(shred_if_done(call, service, actor=ACTOR) for call in service.ledger.to_shred(limit=_PAGE))
    orphans = _shred_orphans(service)
    resumed = reconcile_processed(office_of(service), walk)
    return replace(
        resumed,
        reemitted=reemitted,
        cut_off=cut_off,
        shredded=shredded,
        orphans=orphans,
        reviews=reviews,
    )


def reconcile_processed(office: Office, walk: ErasedWalk | None = None) -> Reconciled:
    """Look once where no service is: at calls of `callveil process`, which have no landing and no events.

    Args:
        office: Every place.
        walk: See `reconcile`.

    Raises:
        LedgerError: The ledger failed.
    """
    resumed = erasure.resume(office, actor=ACTOR)
    indexed = reindex(office, limit=_INDEXED)
    came_back = ErasedWalk().whole(office) if walk is None else walk.step(office)
    return Reconciled(
        reemitted=0,
        cut_off=0,
        shredded=0,
        orphans=0,
        removals=resumed.removals + came_back,
        requests=resumed.requests,
        holds=resumed.holds,
        receipts=resumed.receipts,
        late=resumed.late,
        indexed=indexed.indexed,
        failed=resumed.failed + indexed.failed,
    )


def _silent(service: Service) -> tuple[LedgerCall, ...]:
    return service.ledger.silent_arrivals(silent_s=SILENT_ARRIVAL_S, now=service.clock.now())


def _close(call: LedgerCall, service: Service) -> bool:
    """Close what a receiver that died left; True when it is closed."""
    if call.landing is None:
        return False
    try:
        landed = service.landing.finish_partial(call.landing)
        sha256, n_bytes = landed.sha256, landed.n_bytes
    except NotFoundError:
        sha256, n_bytes = EMPTY_SHA256, 0  # it died before the first sample
    except CallveilError as error:
        log.warning(
            "a call that was cut off cannot be closed", extra={"call_id": call.call_id, "error": error.code}
        )
        return False
    service.ledger.arrived(
        call.call_id,
        content_sha256=sha256,
        n_bytes=n_bytes,
        incomplete=True,
        actor=ACTOR,
        now=service.clock.now(),
    )
    return True


def _shred_orphans(service: Service) -> int:
    """Shred what was landed for a push that was never accepted, such as when its process died."""
    older_than = service.clock.now() - timedelta(seconds=service.settings.landing_grace_s)
    tokens, shredded = service.landing.tokens(older_than), 0
    while page := list(islice(tokens, _PAGE)):
        known = service.ledger.known_landings(page)
        shredded += sum(service.landing.shred(token) for token in page if token not in known)
    return shredded
