"""The recording of one live call: what its protocol hands out goes into the landing and the ledger."""

from __future__ import annotations

import logging
import time

from callveil.adapters.telephony.live import LiveFormat, LiveStart
from callveil.errors import CallveilError, LedgerError
from callveil.kit import Service
from callveil.pipeline.work import shred_if_done
from callveil.ports import LandingWriter
from callveil.rights.identifiers import identities_of
from callveil.stages.consent_gate import decide_consent
from callveil.vocabulary.call import Call
from callveil.vocabulary.consent import Action
from callveil.vocabulary.ledger import NewCall

log = logging.getLogger(__name__)

_TRIES = 5


class LiveCall:
    """Not safe for several threads; every method but `add` and `add_silence` does I/O.

    Args:
        service: Landing and ledger.
        source: "audiohook" or "twilio".
        start: What begins.
    """

    def __init__(self, service: Service, source: str, start: LiveStart) -> None:
        self._service = service
        self._format: LiveFormat = start.format
        self._waiting = bytearray()
        self._call_id = start.call.call_id
        self._actor = f"stream:{source}"
        self._writer: LandingWriter = service.landing.begin()
        self._writer.__enter__()
        try:
            _, created = service.ledger.accept(
                NewCall(
                    call=start.call,
                    landing=self._writer.token,
                    source=source,
                    stream=f"{start.format.encoding}/{start.format.rate_hz}/{start.format.channels}",
                    identities=identities_of(start.call, service.hasher),
                ),
                actor=self._actor,
                now=service.clock.now(),
            )
        except BaseException:
            self._abandon()
            raise
        if not created:
            self._abandon()
            raise LedgerError("ledger: a live call was taken for one that is there")

    @property
    def call_id(self) -> str:
        """Of the call."""
        return self._call_id

    def add(self, data: bytes) -> None:
        """Take samples; written with the next `flush`."""
        self._waiting += data

    def add_silence(self, n_samples: int) -> None:
        """Take a gap; long ones are written at once, so that memory stays small."""
        while n_samples > 0:
            part = min(n_samples, 8 * self._format.rate_hz)
            self._waiting += self._format.silence(part)
            n_samples -= part
            if n_samples:
                self._write()

    def flush(self) -> None:
        """Make what came so far readable to the worker that hears along.

        Raises:
            LandingError: It cannot be written.
        """
        if self._waiting:
            self._write()
            self._writer.flush()

    def heartbeat(self) -> None:
        """Say that the call still arrives."""
        self._service.ledger.heartbeat([self._call_id], now=self._service.clock.now())

    def decision(self) -> Action:
        """What the consent gate says now, with the answers that came in since."""
        call = self._service.ledger.get(self._call_id).call
        return gate(self._service, call)

    def end(self, *, complete: bool) -> None:
        """Close the recording.

        Raises:
            LandingError: It cannot be written; what was flushed is kept by `reconcile`.
            LedgerError: It cannot be told; `reconcile` does it.
        """
        try:
            if self._waiting:
                self._write()
            landed = self._writer.finish()
        except BaseException:
            # Shredding would lose what is whole; reconcile closes it and marks it incomplete.
            self._writer.leave_open()
            log.error("a live call could not be closed", extra={"call_id": self._call_id})
            raise
        self._writer.__exit__(None, None, None)
        service = self._service
        for left in reversed(range(_TRIES)):
            try:
                service.ledger.arrived(
                    self._call_id,
                    content_sha256=landed.sha256,
                    n_bytes=landed.n_bytes,
                    incomplete=not complete,
                    actor=self._actor,
                    now=service.clock.now(),
                )
                break
            except LedgerError:
                if not left:
                    raise
                time.sleep(0.2)
        shred_if_done(service.ledger.get(self._call_id), service, actor=self._actor)

    def _write(self) -> None:
        data, self._waiting = bytes(self._waiting), bytearray()
        self._writer.write(data)

    def _abandon(self) -> None:
        """Leave without finishing: what was written is shredded."""
        try:
            self._writer.__exit__(None, None, None)
        except CallveilError:
            log.warning("a recording could not be shredded", extra={"call_id": self._call_id})


def gate(service: Service, call: Call) -> Action:
    """What the consent gate says about a call by its metadata."""
    return decide_consent(call, service.rules, service.clock.now()).action
