"""A claim that is kept alive in the background while the work goes on."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Self

from callveil.errors import LeaseLostError, LedgerError
from callveil.ports import Clock, Ledger
from callveil.vocabulary.ledger import Claim


class Lease:
    """Renews a claim every third of its length; a context manager.

    Args:
        claim: The claim.
        ledger: Where it stands.
        clock: Tells the time.
        lease_s: Length of a lease.
    """

    def __init__(self, claim: Claim, ledger: Ledger, clock: Clock, lease_s: float) -> None:
        self.claim = claim
        self._ledger, self._clock, self._lease_s = ledger, clock, lease_s
        self._lost = False
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()

    def check(self) -> None:
        """Ask the ledger, right before something is published, whether this worker may still do so.

        Raises:
            LeaseLostError: Another worker has the call, or another answer about consent came in.
            LedgerError: The ledger cannot be asked.
        """
        if self._lost or self._renew() is None:
            raise LeaseLostError("another worker has the call")
        found = self.claim.found
        if self._ledger.get(found.call_id).consent_version != found.consent_version:
            raise LeaseLostError("another answer about consent came in")

    def _keep(self) -> None:
        while not self._done.wait(self._lease_s / 3):
            try:
                if self._renew() is None:
                    self._lost = True
                    return
            except LedgerError:
                continue  # the lease may outlast the outage; `check` and `settle` ask again

    def _renew(self) -> Claim | None:
        return self._ledger.renew(self.claim, lease_s=self._lease_s, now=self._clock.now())
