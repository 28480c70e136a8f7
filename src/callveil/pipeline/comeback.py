"""Calls that are erased and have something in the store again: a worker had stood still, and was then killed.

A worker that finds that it has lost its call takes back what it published. One that dies right before that
leaves a recording which nobody is told of, so the last days' erased calls are looked at again, in turn.
"""

from __future__ import annotations

import logging
from datetime import timedelta

from callveil.errors import CallveilError
from callveil.kit import Office
from callveil.pipeline.forget import copies, delete_everything
from callveil.stages.retention_tags import call_prefix
from callveil.vocabulary.ledger import CallState, LedgerCall

log = logging.getLogger(__name__)

LOOKED_AT = timedelta(days=7)
"""For so long after it was erased; no worker stands still for longer and goes on."""

_PAGE = 500


class ErasedWalk:
    """Goes through the erased calls, a page at a time; a new one begins with the first of them."""

    def __init__(self) -> None:
        self._after: str | None = None

    def step(self, office: Office) -> int:
        """Look at the next page; returns of how many calls something had come back and is deleted.

        Raises:
            LedgerError: The ledger failed.
        """
        page = office.ledger.calls(state=CallState.ERASED, after=self._after, limit=_PAGE)
        self._after = page[-1].call_id if len(page) == _PAGE else None
        since = office.clock.now() - LOOKED_AT
        return sum(_deleted(found, office) for found in page if found.updated_at >= since)

    def whole(self, office: Office) -> int:
        """Look at all of them; see `step`."""
        n_deleted = self.step(office)
        while self._after is not None:
            n_deleted += self.step(office)
        return n_deleted


def _deleted(found: LedgerCall, office: Office) -> bool:
    call_id, prefix = found.call_id, call_prefix(found.call)
    try:
        if not copies(call_id, prefix, None, office):
            return False
        delete_everything(call_id, prefix, office)
    except CallveilError as error:
        log.error("an erased call has copies again", extra={"call_id": call_id, "error": error.code})
        return False
    log.warning("copies of an erased call are deleted", extra={"call_id": call_id})
    return True
