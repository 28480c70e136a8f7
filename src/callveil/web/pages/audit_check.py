"""Checking the audit chain in the background: one check at a time, its progress, its result on record."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass

from callveil.errors import CallveilError
from callveil.kit import Service
from callveil.vocabulary.audit import AuditQuery
from callveil.vocabulary.ledger import AuditEntry

log = logging.getLogger(__name__)

CHECKED = "audit.checked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A check that is under way.

    Attributes:
        done: Entries that hold so far.
        of: Entries there were when it began.
    """

    done: int
    of: int


class ChainCheck:
    """Starts checks and tells of them.

    Args:
        service: Its ledger has the chain.
    """

    def __init__(self, service: Service) -> None:
        self._ledger, self._clock = service.ledger, service.clock
        self._lock = threading.Lock()
        self._progress: Progress | None = None
        self.problem = ""
        """Why the last check did not come to its end; empty when it did."""

    def start(self, actor: str) -> bool:
        """Begin one, unless one is under way; its result is an entry of the chain.

        Raises:
            LedgerError: The ledger failed.
        """
        head = self._ledger.trail.head()
        with self._lock:
            if self._progress is not None:
                return False
            self._progress, self.problem = Progress(done=0, of=head), ""
        threading.Thread(target=self._check, args=(actor, head), name="audit-check", daemon=True).start()
        return True

    def progress(self) -> Progress | None:
        """Of the check that is under way; None when none is."""
        return self._progress

    def last(self) -> AuditEntry | None:
        """The newest result on record; None when the chain was never checked.

        Raises:
            LedgerError: The ledger failed.
        """
        found = self._ledger.trail.page(AuditQuery(actions=frozenset({CHECKED})), limit=1).entries
        return found[0] if found else None

    def _check(self, actor: str, head: int) -> None:
        try:
            broken = self._ledger.check_audit(lambda done: self._go_on(done, head))
            detail = {"entries": head, "intact": broken is None, "first_broken": broken}
            self._ledger.note(actor=actor, action=CHECKED, call_id=None, detail=detail, now=self._clock.now())
            if broken is not None:
                log.error("the audit chain is broken", extra={"number": broken})
        except CallveilError as error:
            log.error("the audit chain could not be checked", extra={"error": error.code})
            self.problem = "The check did not come to its end: the ledger does not answer. Try again later."
        finally:
            with self._lock:
                self._progress = None

    def _go_on(self, done: int, head: int) -> None:
        self._progress = Progress(done=min(done, head), of=head)
